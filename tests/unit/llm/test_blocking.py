from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

from genesis.llm import run_blocking
from genesis.llm.blocking import run_apart

MARK = contextvars.ContextVar("MARK", default="none")


async def read_mark() -> str:
    await asyncio.sleep(0)
    return MARK.get()


async def fail() -> None:
    raise ValueError("inside")


def test_runs_without_a_loop():
    assert run_blocking(read_mark) == "none"


def test_runs_inside_a_running_loop_with_the_callers_context():
    async def outer() -> str:
        MARK.set("outer")
        return run_blocking(read_mark)

    assert asyncio.run(outer()) == "outer"


def test_errors_come_through_from_both():
    with pytest.raises(ValueError, match="inside"):
        run_blocking(fail)

    async def outer() -> None:
        run_blocking(fail)

    with pytest.raises(ValueError, match="inside"):
        asyncio.run(outer())


def test_what_it_raises_is_raised_where_it_is_waited_for():
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_blocking(lambda: run_apart(fail))


def test_it_is_done_when_it_returns():
    done = []
    run_blocking(lambda: run_apart(lambda: done.append(1)))
    assert done == [1]


def test_a_loop_ends_although_it_goes_on():
    release = threading.Event()

    async def give_up():
        async with asyncio.timeout(0.05):
            await run_apart(lambda: release.wait(60))

    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert time.monotonic() - begun < 30
    release.set()
