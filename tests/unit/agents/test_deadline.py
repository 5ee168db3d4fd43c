"""The end of an attempt: its own limit, or the run's deadline."""

import asyncio
import pickle
import time
from dataclasses import replace

import pytest

from genesis.agents.contract import Work
from genesis.agents.deadline import RUN_IS_OVER, time_limit
from genesis.errors import TaskTimeoutError
from genesis.model import AgentProfile
from genesis.resilience import RetryBudget, health_of
from genesis.resilience.taxonomy import classify

WORK = Work("r", "c", "q", "a/b", "t", "d", {}, (), AgentProfile(name="x"))


def soon(**more):
    return replace(WORK, until=time.monotonic() + 0.05, timeout_s=50.0, **more)


async def test_without_a_limit_there_is_none():
    assert WORK.left_s == float("inf")
    async with time_limit(WORK):
        pass


def test_the_earlier_end_counts():
    assert 0 < soon().left_s <= 0.05
    assert replace(WORK, timeout_s=3.0).left_s == 3.0


async def test_an_attempt_that_is_too_slow_is_its_agents_fault():
    with pytest.raises(TaskTimeoutError, match="'a/b' ran longer than its limit of 50 s") as caught:
        async with time_limit(soon()):
            await asyncio.sleep(20)
    assert health_of(caught.value) == "failure"
    assert classify(caught.value).retryable


async def test_the_runs_deadline_is_nobodys_fault_and_nothing_is_tried_after_it():
    work = soon()
    with pytest.raises(TaskTimeoutError, match="'a/b' was ended at the run's deadline") as caught:
        async with time_limit(replace(work, run_until=work.until)):
            await asyncio.sleep(20)
    assert caught.value.code == RUN_IS_OVER
    assert health_of(caught.value) == "neutral"
    assert not classify(caught.value).retryable


async def test_one_limit_inside_another_is_one_limit():
    work = soon()
    with pytest.raises(TaskTimeoutError):
        async with time_limit(work), time_limit(work):
            await asyncio.sleep(20)


async def test_time_that_is_over_before_it_begins_ends_it():
    with pytest.raises(TaskTimeoutError):
        async with time_limit(replace(WORK, until=time.monotonic() - 1, timeout_s=1.0)):
            await asyncio.sleep(20)


def test_work_can_go_to_another_process_and_its_budget_becomes_a_copy():
    copied = pickle.loads(pickle.dumps(replace(WORK, repeats=RetryBudget(0))))
    assert copied == WORK
    assert copied.repeats.left == 3
