"""What a worker is told."""

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Running

from genesis.errors import RunError
from genesis.flows.agent_work import Order, _may_start, _upstream, measure_wait_s
from genesis.ledger import FolderStore, Ledger
from genesis.model import Outcome
from genesis.testing import a_program, a_task


def _order(**more):
    return Order("r", ["a"], ["f"], 1, "t", **more)


def test_without_a_deadline_there_is_all_the_time():
    assert _order(waited_s=3.0).left_s == math.inf


def test_the_time_that_is_left_is_what_was_given_less_the_wait():
    assert _order(given_s=30.0, waited_s=12.5).left_s == 17.5
    assert _order(given_s=1.0, waited_s=12.5).left_s < 0


@pytest.mark.parametrize("skew", [timedelta(hours=-5), timedelta(0), timedelta(hours=5)])
def test_a_wait_is_measured_by_the_servers_clock_alone(skew):
    created = datetime.now(UTC) + skew
    state = Running()
    state.timestamp = created + timedelta(seconds=7)
    flow_run = FlowRun(id=uuid4(), flow_id=uuid4(), created=created, state=state)
    assert measure_wait_s(flow_run) == pytest.approx(7.0)
    assert measure_wait_s(FlowRun(id=uuid4(), flow_id=uuid4())) == 0.0


async def test_a_child_runs_a_leaf_although_what_its_rule_does_without_left_no_result(tmp_path):
    program = a_program(
        a_task("a", allow_failure=True),
        a_task("b", after=("a",)),
        a_task("c"),
        a_task("d", after=("c",), run_if="all_done"),
        a_task("e", after=("c",)),
    )
    a, b, _, d, e = program.leaves
    ledger = Ledger(FolderStore(tmp_path), "r1")
    await ledger.record(a, Outcome(id="a", agent="worker", state="failed"))
    session = SimpleNamespace(program=program, is_brief=lambda _leaf: False)
    outcomes = await _upstream(ledger, program, [b, d], {})
    assert {index: outcome.failure_allowed for index, outcome in outcomes.items()} == {0: True}
    assert [_may_start(session, leaf, outcomes) for leaf in (b, d, e)] == [True, True, False]
    with pytest.raises(RunError, match="'c'"):
        await _upstream(ledger, program, [e], {})
