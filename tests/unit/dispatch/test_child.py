from uuid import uuid4

import pytest
from prefect.client.schemas.objects import StateType

from genesis.dispatch.child import (
    ChildFlowRun,
    allowance_s,
    batch_name,
    idempotency_key,
    parameters,
    short_pool,
)
from genesis.prefect_api.names import run_tag
from genesis.settings import Settings
from genesis.testing.plans import a_program, a_task, an_agent

LEAVES = a_program(a_task("a"), a_task("b", retries=2, timeout_s=10), agents=(an_agent("qa_agent"),)).leaves


def test_a_batch_is_named_by_its_agent_and_its_first_leaf():
    assert batch_name(LEAVES[:1]) == "qa_agent · a"
    assert batch_name(LEAVES) == "qa_agent · a and 1 more"
    assert run_tag("r") == "run:r"
    assert short_pool("agent-qa") == "qa"
    assert short_pool("own") == "own"


def test_parameters_name_leaves_and_bring_no_work():
    assert parameters("r", LEAVES, 2) == {
        "run_id": "r",
        "tasks": ["a", "b"],
        "fingerprints": [leaf.fingerprint for leaf in LEAVES],
        "attempt": 2,
    }


def test_the_runs_deadline_goes_with_them():
    assert parameters("r", LEAVES, 1, 12.34567)["left_s"] == 12.346


def test_an_idempotency_key_tells_runs_batches_and_attempts_apart():
    keys = {
        idempotency_key(run, leaves, attempt)
        for run in ("r", "s")
        for leaves in (LEAVES, LEAVES[:1], LEAVES[1:])
        for attempt in (1, 2)
    }
    assert len(keys) == 12
    assert idempotency_key("r", LEAVES, 1) == idempotency_key("r", LEAVES, 1)


def test_a_leaf_may_take_all_its_attempts_and_the_pauses_between():
    assert allowance_s(LEAVES[1], Settings()) == pytest.approx(3 * 10 + 2 * 60 + 30)
    assert allowance_s(LEAVES[0], Settings()) == pytest.approx(3600 + 30)
    (slow,) = a_program(a_task("c", retry={"times": 1, "delay_s": 300}, timeout_s=10)).leaves
    assert allowance_s(slow, Settings()) == pytest.approx(2 * 10 + 300 + 30)


def test_a_child_is_at_its_first_leaf_without_a_record():
    child = ChildFlowRun(uuid4(), "agent-qa", LEAVES, 1, 0.0)
    assert child.current is LEAVES[0]
    child.done.add(0)
    assert child.current is LEAVES[1]
    assert child.leaf("b") is LEAVES[1]
    assert child.leaf("c") is None
    child.done.add(1)
    assert child.current is None


def test_news_of_a_child_moves_its_times_and_forgets_a_claim_that_is_over():
    child = ChildFlowRun(uuid4(), "agent-qa", LEAVES, 1, 0.0)
    child.record_event(5.0, StateType.PENDING)
    child.claimed_by = "w"
    child.record_event(6.0, StateType.RUNNING)
    assert (child.heard_at, child.state_at, child.claimed_by, child.began) == (6.0, 6.0, "w", True)
    child.record_event(9.0)
    assert (child.heard_at, child.state_at) == (9.0, 9.0)
    child.record_event(11.0, StateType.SCHEDULED)
    assert child.claimed_by is None
