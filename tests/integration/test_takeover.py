"""What the automations do for a run whose orchestrator died, on a real server with PostgreSQL.

On SQLite the same works, unless the server's event queue meets a locked database: then it drops an event after four
tries, and a run that is marked as lost stays so until somebody asks for a Retry.
"""

import asyncio
import time
from collections.abc import Iterator

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.clients import get_events_client
from prefect.events.schemas.events import Event
from prefect.states import Completed, Failed, Pending, Running, State

from genesis.fleet.automations import ALIVE_EVENT, LOST_STATE, takeover
from genesis.fleet.diff import Change
from genesis.fleet.server import change_server
from genesis.testing.services import ServiceMissingError, postgres, prefect_on

pytestmark = [pytest.mark.server, pytest.mark.timeout(200)]

_QUIET_S = 10
_LONGEST_S = _QUIET_S + 45
_BETWEEN_LOOKS_S = 5
_ENDS = {
    "Completed": Completed(),
    "Failed": Failed(),
    "Cancelled": State(type=StateType.CANCELLED),
    "Cancelling": State(type=StateType.CANCELLING),
}


@flow
def orchestrate() -> None: ...


@pytest.fixture(scope="module")
def _on_postgres(tmp_path_factory) -> Iterator[None]:
    try:
        with postgres(tmp_path_factory.mktemp("postgres")) as database, prefect_on(database):
            yield
    except ServiceMissingError as error:
        pytest.skip(str(error))


async def _alive(*runs: object) -> None:
    async with get_events_client() as events:
        for run in runs:
            resource = {"prefect.resource.id": f"prefect.flow-run.{run}"}
            await events.emit(Event(event=ALIVE_EVENT, resource=resource))


async def _running(client: PrefectClient, *names: str) -> dict[str, object]:
    """Make runs of a deployment that are running, as their orchestrators would."""
    await client.create_work_pool(WorkPoolCreate(name="genesis", type="genesis"), overwrite=True)
    deployment = await client.create_deployment(
        await client.create_flow(orchestrate), "default", work_pool_name="genesis"
    )
    runs: dict[str, object] = {}
    for name in names:
        run = await client.create_flow_run_from_deployment(deployment, name=name)
        await client.set_flow_run_state(run.id, Pending())
        await client.set_flow_run_state(run.id, Running())
        runs[name] = run.id
    return runs


async def _can_be_taken(client: PrefectClient) -> set[object]:
    return {found.flow_run.id for found in await client.get_scheduled_flow_runs_for_work_pool("genesis")}


@pytest.fixture(scope="module")
def _automations(_on_postgres) -> None:
    """Install the takeover, with less patience than a team would have."""
    values = [spec.model_dump(mode="json") for spec in takeover(_QUIET_S)]
    changes = [Change(action="create", kind="automation", name=each["name"], values=each) for each in values]
    asyncio.run(change_server(changes))
    time.sleep(2)  # the server hears of it by itself


@pytest.mark.usefixtures("_automations")
async def test_run_of_a_lost_orchestrator_is_scheduled_again_and_one_that_ended_is_left_alone():
    async with get_client() as client:
        runs = await _running(client, "lost", *_ENDS)
        await _alive(*runs.values())
        await asyncio.sleep(4)
        await _alive(*runs.values())
        last = time.monotonic()
        for name, state in _ENDS.items():
            await client.set_flow_run_state(runs[name], state)
        await _alive(runs["Failed"], runs["Cancelled"])  # late: the server takes both for alive, and then for lost
        while (lost := await client.read_flow_run(runs["lost"])).state_name != "AwaitingRetry":
            assert time.monotonic() - last < _LONGEST_S, lost.state
            await asyncio.sleep(0.2)
        assert time.monotonic() - last > _QUIET_S
        history = [state.name for state in await client.read_flow_run_states(runs["lost"])]
        assert history[-2:] == [LOST_STATE, "AwaitingRetry"]
        assert runs["lost"] in await _can_be_taken(client)
        await asyncio.sleep(_BETWEEN_LOOKS_S + 3)
        for name in _ENDS:
            assert (await client.read_flow_run(runs[name])).state_name == name


@pytest.mark.usefixtures("_on_postgres")
async def test_retry_in_the_ui_schedules_a_run_again_in_the_same_way():
    async with get_client() as client:
        runs = await _running(client, "failed")
        await client.set_flow_run_state(runs["failed"], Failed())
        asked = State(type=StateType.SCHEDULED, name="AwaitingRetry", message="Retry from the UI")
        assert (await client.set_flow_run_state(runs["failed"], asked)).status.value == "ACCEPT"
        assert runs["failed"] in await _can_be_taken(client)
