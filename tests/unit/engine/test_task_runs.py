"""What the API lacks of a large run's task runs: waited for, told again, and counted."""

from contextlib import asynccontextmanager
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRunResult, StateType, TaskRunResult

from genesis.engine import task_runs
from genesis.engine.task_runs import settle_task_runs
from genesis.model import ErrorInfo, Outcome
from genesis.prefect_api.client import PrefectApi
from genesis.testing import a_program, a_task


class Server:
    """Has the task runs that reached it, and takes those that are told to it unless it is deaf."""

    def __init__(self, known=()):
        self.known, self.deaf, self.told, self.fault = set(known), False, [], None

    async def read_task_runs(self, *, task_run_filter, limit):
        if self.fault:
            raise self.fault
        asked = task_run_filter.id.any_
        assert len(asked) <= limit
        return [SimpleNamespace(id=each) for each in asked if each in self.known]

    def take(self, task_run, initial_state, validated_state):
        assert validated_state.is_final()
        self.told.append(task_run)
        if not self.deaf:
            self.known.add(task_run.id)


@pytest.fixture
def made(monkeypatch):
    program = a_program(*(a_task(f"t{number}") for number in range(1_200)))
    outcomes = {leaf.index: Outcome(id=leaf.path, agent="worker", state="completed") for leaf in program.leaves}
    nodes = {index: TaskRunResult(id=uuid4()) for index in outcomes}
    server = Server(node.id for node in nodes.values())

    @asynccontextmanager
    async def connect(report, **more):
        yield PrefectApi(server, report, **more)

    monkeypatch.setattr(task_runs, "connect", connect)
    monkeypatch.setattr(task_runs, "emit_task_run_state_change_event", server.take)
    monkeypatch.setattr(task_runs, "TASK_RUN_POLL_S", 0.0)
    monkeypatch.setattr(task_runs, "_STALLED_S", 0.0)

    async def settle(nodes=nodes, outcomes=outcomes, *, ran_s=1.0):
        return await settle_task_runs(program, outcomes, nodes, uuid4(), ran_s=ran_s)

    return SimpleNamespace(outcomes=outcomes, nodes=nodes, server=server, settled=settle)


async def test_a_run_of_which_nothing_was_lost_is_told_nothing_again(made):
    assert await made.settled() == 0
    assert made.server.told == []


async def test_what_was_lost_is_told_again_in_its_final_state(made):
    made.server.known.clear()
    made.outcomes[7] = Outcome(id="t7", agent="worker", state="failed", error=ErrorInfo(code="X", message="no"))
    made.outcomes[8] = Outcome(id="t8", agent="worker", state="cached")
    assert await made.settled() == 0
    assert len(made.server.told) == 1_200
    states = {task_run.id: (task_run.state_type, task_run.state_name) for task_run in made.server.told}
    assert states[made.nodes[0].id] == (StateType.COMPLETED, "Completed")
    assert states[made.nodes[7].id] == (StateType.FAILED, "Failed")
    assert states[made.nodes[8].id] == (StateType.COMPLETED, "Cached")


async def test_what_never_arrives_is_counted_and_not_told_for_ever(made):
    made.server.known -= {made.nodes[index].id for index in range(5, 12)}
    made.server.deaf = True
    assert await made.settled() == 7
    assert len(made.server.told) <= 7 * 3


async def test_an_api_that_is_away_is_not_waited_for(made):
    made.server.fault = httpx.ConnectError("gone")
    assert await made.settled() is None


async def test_short_small_runs_and_flow_runs_of_pools_are_not_looked_at(made):
    made.server.fault = AssertionError("asked")
    assert await made.settled(nodes=dict(list(made.nodes.items())[:99])) is None
    assert await made.settled(nodes={index: FlowRunResult(id=uuid4()) for index in made.nodes}) is None
    assert await made.settled(nodes={}, ran_s=60.0) is None


async def test_a_small_run_that_was_long_is_looked_at(made):
    few = dict(list(made.nodes.items())[:3])
    made.server.known.remove(few[1].id)
    assert await made.settled(nodes=few, ran_s=60.0) == 0
    assert [task_run.id for task_run in made.server.told] == [few[1].id]
