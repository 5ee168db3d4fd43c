"""What the Prefect UI shows of a large run is complete, or the run says that it is not."""

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterName,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.events.worker import EventsWorker

from genesis.engine import task_runs
from genesis.testing import ScriptedAgent, a_program, a_task
from genesis.testing.prefect import Workbench

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]
_LEAVES = 240
_LOST = 20


class Loss:
    """Loses events of some task runs on their way to the server, as a full queue in it does."""

    def __init__(self, send):
        self.send = send
        self.chosen: set[str] = set()
        self.of_engine_only = True

    def __call__(self, worker, event) -> None:
        about = event.resource.get("prefect.resource.id", "")
        if about.startswith("prefect.task-run."):
            if event.event.endswith(".Running") and len(self.chosen) < _LOST:
                self.chosen.add(about)
            told_again = event.event.endswith(".Completed") and event.payload["initial_state"]["type"] == "PENDING"
            if about in self.chosen and not (told_again and self.of_engine_only):
                return
        self.send(worker, event)


@pytest.fixture
def loss(monkeypatch):
    made = Loss(EventsWorker.send)

    def send(worker, event):
        made(worker, event)

    monkeypatch.setattr(EventsWorker, "send", send)
    monkeypatch.setattr(task_runs, "_STALLED_S", 3.0)
    return made


async def _run(workbench: Workbench):
    program = a_program(*(a_task(f"t{number}") for number in range(_LEAVES)))
    run = await workbench.run(program, ScriptedAgent())
    assert run.state == "completed"
    return run


async def _in_api(run) -> list[bool]:
    """Return of each task run of a run that the API has whether it is final."""
    async with get_client() as client:
        named = FlowRunFilter(name=FlowRunFilterName(like_=run.run_id))
        (flow_run,) = await client.read_flow_runs(flow_run_filter=named)
        mine = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run.id]))
        found = []
        for offset in range(0, 2 * _LEAVES, 200):
            found += await client.read_task_runs(task_run_filter=mine, limit=200, offset=offset)
    return [each.state is not None and each.state.is_final() for each in found if " · t" in each.name]


async def test_task_runs_that_were_lost_are_told_again(workbench: Workbench, loss):
    run = await _run(workbench)
    assert len(loss.chosen) == _LOST
    assert run.unshown == 0
    assert await _in_api(run) == [True] * _LEAVES


async def test_a_run_says_what_the_ui_lacks(workbench: Workbench, loss):
    loss.of_engine_only = False
    run = await _run(workbench)
    assert run.unshown == _LOST
    assert sum(await _in_api(run)) == _LEAVES - _LOST
    assert f"lacks {_LOST} of {_LEAVES} tasks" in run.shortfall
    result = ArtifactFilter(key=ArtifactFilterKey(any_=["genesis-result"]))
    async with get_client() as client:
        shown = await client.read_artifacts(artifact_filter=result)
    assert any(run.shortfall[1:] in (artifact.data or "") for artifact in shown)
