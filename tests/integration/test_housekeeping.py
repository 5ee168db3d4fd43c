"""Housekeeping on a real server of its own: flow runs with all that is theirs, the report, and the flow's state."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
)
from prefect.events.worker import EventsWorker
from prefect.flows import flow
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings
from prefect.states import Completed, Pending, Running
from prefect.tasks import task

from genesis.engine.observers import event_emitter
from genesis.errors import TaskError
from genesis.flows.connection import connect
from genesis.flows.deployed import housekeeping
from genesis.ledger.history import open_ledger
from genesis.retention import Purge, Purging
from genesis.retention.flow_runs import purge_flow_runs
from genesis.testing import ScriptedAgent, a_program, a_task
from genesis.testing.prefect import Workbench, prefect_server

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def api(tmp_path_factory) -> Iterator[object]:
    EventsWorker.drain_all(timeout=30)  # else it would continue sending to the server of earlier tests
    with prefect_server(tmp_path_factory.mktemp("housekeeping")) as found:
        yield found
        EventsWorker.drain_all(timeout=30)


@pytest.fixture
def bench(api, tmp_path: Path, monkeypatch) -> Iterator[Workbench]:
    """A storage and a home of the test's own, on the module's server."""
    monkeypatch.setenv("GENESIS_HOME", str(tmp_path / "home"))
    with connect(api), temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path}):
        yield Workbench(tmp_path)


@flow(name="mine", persist_result=False)
async def mine():
    """A flow that the tests make flow runs of."""


@task(name="step", persist_result=False)
def step():
    """A task that subflows hang on."""


async def _purge(*, dry_run=False, before=None, open_=frozenset()) -> Purge:
    async def is_open(flow_run) -> bool:
        return flow_run.id in open_

    purging = Purging(before or datetime.now(UTC) + timedelta(minutes=1), dry_run=dry_run)
    async with get_client() as client:
        await purge_flow_runs(purging, client, is_open)
    return purging.purge()


async def _there(client: PrefectClient, flow_run_id: UUID) -> bool:
    return bool(await client.read_flow_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run_id]})))


async def _subflow(client: PrefectClient, parent: UUID, state, deployment: UUID | None = None) -> UUID:
    run = await client.create_task_run(step, parent, dynamic_key=str(datetime.now(UTC)), state=Running())
    if deployment is None:
        made = await client.create_flow_run(mine, parent_task_run_id=run.id, state=state)
    else:
        made = await client.create_flow_run_from_deployment(deployment, parent_task_run_id=run.id, state=state)
    return made.id


async def test_flow_runs_go_with_their_subflows_task_runs_and_artifacts_and_what_goes_on_stays(bench: Workbench):
    done = await bench.run(a_program(a_task("a"), a_task("b", after=("a",))), ScriptedAgent())
    failed = await bench.run(a_program(a_task("a")), ScriptedAgent({"a": [TaskError("no")]}))
    ids = [UUID(run.ui_url.rpartition("/")[2]) for run in (done, failed)]
    async with get_client() as client:
        inside = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=ids))
        subflows = [each.id for each in await client.read_flow_runs(flow_run_filter=inside)]
        artifacts = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[*ids, *subflows]))
        assert len(subflows) == 2
        assert len(await client.read_artifacts(artifact_filter=artifacts)) > 5
        running = (await client.create_flow_run(mine, tags=["genesis"], state=Running())).id
        foreign = (await client.create_flow_run(mine, tags=["theirs"], state=Completed())).id

        said = await _purge(dry_run=True)
        assert said.amounts["flow_runs"].count == 4
        assert all([await _there(client, each) for each in (*ids, *subflows)])
        assert (await _purge(before=datetime.now(UTC) - timedelta(hours=1))).amounts["flow_runs"].count == 0

        found = await _purge()
        assert found.amounts == said.amounts
        assert (found.kept, found.failed) == ((), ())
        assert [await _there(client, each) for each in (*ids, *subflows)] == [False] * 4
        assert await client.read_artifacts(artifact_filter=artifacts) == []
        assert await client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": ids})) == []
        assert [await _there(client, each) for each in (running, foreign)] == [True, True]


async def test_a_parent_of_what_goes_on_stays_and_so_do_flow_runs_of_others_deployments(bench: Workbench):
    async with get_client() as client:
        flow_id = await client.create_flow(mine)
        theirs = await client.create_deployment(flow_id, "theirs")
        parents = [(await client.create_flow_run(mine, tags=["genesis"], state=Running())).id for _ in range(3)]
        goes_on = await _subflow(client, parents[0], Running())
        deeper = await _subflow(client, await _subflow(client, parents[1], Completed()), Completed())
        other = await _subflow(client, parents[1], Completed(), theirs)
        for parent in parents:
            await client.set_flow_run_state(parent, Completed(), force=True)
        found = await _purge(open_={parents[2]})
        assert {left.why for left in found.kept} == {
            "a flow run inside it has not ended, or ended later",
            "its run has not ended",
        }
        assert [await _there(client, each) for each in parents] == [True, False, True]
        assert [await _there(client, each) for each in (goes_on, deeper, other)] == [True, False, True]
        assert found.amounts["flow_runs"].count == 3
        await client.set_flow_run_state(goes_on, Completed(), force=True)
        assert (await _purge()).amounts["flow_runs"].count == 3


async def test_more_than_a_page_goes_and_nothing_is_counted_twice(bench: Workbench):
    async with get_client() as client:
        kept = []
        for number in range(120):
            made = await client.create_flow_run(mine, tags=["genesis"], state=Completed())
            if number % 20 == 0:
                kept.append(made.id)
        parent = await client.create_flow_run(mine, tags=["genesis"], state=Running())
        run = await client.create_task_run(step, parent.id, dynamic_key="0", state=Running())
        await client.create_flow_run(mine, tags=["genesis"], parent_task_run_id=run.id, state=Completed())
        await client.set_flow_run_state(parent.id, Completed(), force=True)
    for dry_run in (True, False):
        found = await _purge(open_=set(kept), dry_run=dry_run)
        assert (found.amounts["flow_runs"].count, len(found.kept)) == (116, 6)
    assert (await _purge()).amounts["flow_runs"].count == 6


async def test_housekeeping_reports_by_kind_and_tells_an_event(bench: Workbench, monkeypatch):
    told = []
    monkeypatch.setenv("GENESIS_WORKER__PURGE_MIN_DAYS", "0")
    monkeypatch.setattr(event_emitter, "emit_event", lambda **event: told.append(event))
    run = await bench.run(a_program(a_task("a")), ScriptedAgent())
    waits = await bench.run(a_program(a_task("a")), ScriptedAgent())
    await _interrupt(bench, waits)
    told.clear()
    for dry_run in (True, False):
        state = await housekeeping(keep_days=0, dry_run=dry_run, flow_runs=True, return_state=True)
        assert state.is_completed(), state.message
        assert "1 run, 2 flow runs" in state.message
        assert "2 kept that are old" in state.message
    assert not (bench.store.root / "genesis" / run.run_id).exists()
    assert (bench.store.root / "genesis" / waits.run_id / "run.json").is_file()
    assert [event["event"] for event in told] == ["genesis.housekeeping.done"] * 2
    payload = told[1]["payload"]
    assert (payload["dry_run"], payload["keep_days"], payload["failed"]) == (False, 0, 0)
    assert (payload["removed"]["runs"], payload["removed"]["flow_runs"]) == (1, 2)
    async with get_client() as client:
        mine = ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id]),
        )
        (artifact,) = await client.read_artifacts(artifact_filter=mine)
    assert "| ledgers of runs | 1 |" in artifact.data
    assert waits.run_id in artifact.data


async def _interrupt(bench: Workbench, run) -> None:
    """Let a run look as one whose process died."""
    ledger = open_ledger(bench.store, run.run_id, bench.settings)
    await ledger.save(run.model_copy(update={"state": "running", "ended_at": None}))


async def test_housekeeping_fails_only_where_something_could_not_be_removed(bench: Workbench, monkeypatch):
    await bench.run(a_program(a_task("a")), ScriptedAgent())
    rename = Path.rename

    def refuse(self, target):
        if self.parent.name == "genesis":
            raise PermissionError(13, "Permission denied", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    monkeypatch.setenv("GENESIS_WORKER__PURGE_MIN_DAYS", "0")
    state = await housekeeping(keep_days=0, dry_run=False, return_state=True)
    assert state.is_failed()
    assert "1 could not be removed" in state.message


async def test_a_flow_run_that_is_retried_meanwhile_stays(bench: Workbench, monkeypatch):
    async with get_client() as client:
        made = await client.create_flow_run(mine, tags=["genesis"], state=Completed())

        async def retry(flow_run) -> bool:
            await client.set_flow_run_state(made.id, Pending(), force=True)
            return False

        purging = Purging(datetime.now(UTC) + timedelta(minutes=1), dry_run=False)
        await purge_flow_runs(purging, client, retry)
        assert purging.purge().failed == ()
        assert await _there(client, made.id)
