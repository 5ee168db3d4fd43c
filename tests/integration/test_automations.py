"""The examples of automations on a real server: it takes each of them, and real events fire them."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.flows import flow
from prefect.states import Failed, Running

from genesis.engine.observers.event_shapes import describe_end, describe_failure, describe_start
from genesis.engine.observers.event_table import EVENT_TABLE
from genesis.errors import TaskError
from genesis.flows.connection import connect
from genesis.flows.deployed import housekeeping
from genesis.model import ErrorInfo, Outcome, Run
from genesis.settings import Settings
from genesis.testing import ScriptedAgent, a_program, a_task, an_agent
from genesis.testing.prefect import Workbench, prefect_server

sys.path.insert(0, str(Path(__file__).parent))

from inbox import Inbox, open_inbox

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

_FOLDER = Path(__file__).parents[2] / "deployments" / "automations"
_FILES = sorted(_FOLDER.glob("*.yaml"))
_NOBODY = "00000000-0000-0000-0000-000000000000"
_PATIENCE_S = 90
_TASKS = "GEN-RUN-FAILED"


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with open_inbox() as server:
        yield server


@pytest.fixture(scope="module")
def api(tmp_path_factory) -> Iterator[object]:
    EventsWorker.drain_all(timeout=30)  # else it would continue sending to the server of earlier tests
    with prefect_server(tmp_path_factory.mktemp("automations")) as found:
        yield found
        EventsWorker.drain_all(timeout=30)


@pytest.fixture(autouse=True)
def _on_it(api):
    with connect(api):
        yield


def _create(api, forking, file: Path) -> None:
    words = ["automation", "create", "--from-file", file]
    environment = os.environ | {"PREFECT_API_URL": api.api_url}
    made = forking.run(words, cwd=file.parent, environment=environment, program="prefect")
    assert made.returncode == 0, made.stdout + made.stderr


@flow(name="orchestrate", persist_result=False)
async def theirs():
    """A flow whose deployment the examples act on."""


@pytest.fixture(scope="module")
def made(api, inbox, tmp_path_factory, forking_process) -> dict[str, UUID]:
    """Make what the examples need, put its ids into them, and create them as their first lines say."""

    async def prepare() -> dict[str, UUID]:
        async with get_client() as client:
            deployment = await client.create_deployment(await client.create_flow(theirs), "default")
            tidy = await client.create_deployment(
                await client.create_flow(housekeeping), "default", parameter_openapi_schema={"type": "object"}
            )
        text = {"subject": "{{subject}}", "body": "{{body}}"}
        block = CustomWebhookNotificationBlock(name="inbox", url=inbox.url, json_data=text)
        return {"deployment": deployment, "tidy": tidy, "block": await block.save("inbox")}

    with connect(api):
        ids = asyncio.run(prepare())
    folder = tmp_path_factory.mktemp("examples")
    for file in _FILES:
        text = file.read_text(encoding="utf-8")
        text = text.replace(_NOBODY, str(ids["tidy" if file.stem.startswith("tidy") else "block"]))
        if file.stem == "retry-failed-run":
            assert text.count("within: 600") == 1
            text = text.replace("within: 600", "within: 10")
        (folder / file.name).write_text(text, encoding="utf-8")
        _create(api, forking_process, folder / file.name)
    time.sleep(2)  # the server hears of them by itself
    return ids


async def _until(holds: Callable[[], Any], what: str) -> None:
    ends = time.monotonic() + _PATIENCE_S
    while not await holds():
        assert time.monotonic() < ends, what
        await asyncio.sleep(0.2)


def _a_run(code: str, run_id: str | None = None) -> Run:
    return Run(
        run_id=run_id or f"r-{uuid4().hex[:8]}",
        correlation_id="c",
        state="failed",
        planner="file",
        ended_at=datetime.now(UTC),
        cost_usd=Decimal(0),
        error=ErrorInfo(code=code, message="x"),
    )


def _emit(event: dict[str, Any], **ids: UUID) -> None:
    """Emit an event as it is emitted inside a flow run of a deployment."""
    related = [
        {"prefect.resource.id": f"prefect.{role}.{id_}", "prefect.resource.role": role}
        for role, id_ in ((name.replace("_", "-"), id_) for name, id_ in ids.items())
    ]
    emit_event(**{**event, "related": [*event["related"], *related]})


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_an_example_says_how_it_is_used_and_names_events_that_exist(file: Path):
    text = file.read_text(encoding="utf-8")
    assert f"#   prefect automation create --from-file deployments/automations/{file.name}\n" in text
    names = {kind.name for kind in EVENT_TABLE}
    for automation in yaml.safe_load(text)["automations"]:
        trigger = automation["trigger"]
        assert automation["name"].startswith("genesis: ")
        assert {*trigger["expect"], *trigger.get("after", ())} <= names
        kinds = [kind for kind in EVENT_TABLE if kind.name in trigger["expect"]]
        assert all(
            trigger["match"]["prefect.resource.id"].startswith(kind.resource.partition("<")[0]) for kind in kinds
        )
        labels = {name for name in trigger["match"] if name.startswith("genesis.")}
        met = [kind for kind in kinds if labels <= set(kind.labels)]
        assert met, "no expected event has the labels that are matched"


def test_all_examples_have_names_of_their_own():
    names = [
        each["name"] for file in _FILES for each in yaml.safe_load(file.read_text(encoding="utf-8"))["automations"]
    ]
    assert len(names) == len(set(names))


async def test_a_run_that_fails_and_a_plan_that_is_rejected_send_messages(made, inbox, tmp_path):
    bench = Workbench(tmp_path / "ledger", Settings(home=tmp_path))
    run = await bench.run(a_program(a_task("a")), ScriptedAgent({"a": [TaskError("no")]}))
    rejected = await bench.run(
        a_program(a_task("a", type="unknown"), agents=(an_agent(task_types=["known"]),)), ScriptedAgent()
    )
    spent = await bench.run(
        a_program(a_task("a"), a_task("b", after=("a",)), deadline_s=0.2), ScriptedAgent(seconds=60)
    )

    async def all_came() -> bool:
        said = {message["subject"] for message in inbox.messages}
        return {
            f"Run {run.run_id} failed (GEN-RUN-FAILED)",
            f"The plan of run {rejected.run_id} was rejected",
            f"Run {spent.run_id} was stopped: genesis.deadline.exceeded",
        } <= said

    await _until(all_came, f"only {inbox.messages}")
    (message,) = [each for each in inbox.messages if run.run_id in each["subject"]]
    assert f"genesis runs show {run.run_id}" in message["body"]


async def test_five_runs_of_a_deployment_that_fail_pause_it_and_four_do_not(made):
    async def pause() -> bool:
        async with get_client() as client:
            return (await client.read_deployment(made["deployment"])).paused

    for _ in range(4):
        _emit(describe_end(_a_run("GEN-PLAN-INVALID")), deployment=made["deployment"])
    await asyncio.sleep(3)  # for an automation that would fire too early
    assert not await pause()
    _emit(describe_end(_a_run("GEN-PLAN-INVALID")), deployment=made["deployment"])
    await _until(pause, "the deployment is not paused")


async def test_an_agent_whose_tasks_keep_failing_has_its_pool_paused(made):
    async with get_client() as client:
        pool = await client.create_work_pool(WorkPoolCreate(name="agent-bad", type="genesis"))
        orchestrators = await client.create_work_pool(WorkPoolCreate(name="genesis", type="genesis"))
        for number in range(10):
            outcome = Outcome(id=f"t{number}", agent="bad_agent", state="failed")
            _emit(describe_failure("r", "c", outcome, "agent-gone"), work_pool=orchestrators.id)
        for number in range(10):
            outcome = Outcome(id=f"t{number}", agent="bad_agent", state="failed")
            _emit(describe_failure("r", "c", outcome, "agent-bad", str(pool.id)), work_pool=orchestrators.id)

        async def pause() -> bool:
            return (await client.read_work_pool("agent-bad")).is_paused

        await _until(pause, "the pool is not paused")
        assert not (await client.read_work_pool("genesis")).is_paused


async def test_a_failed_run_is_scheduled_again_unless_somebody_was_quicker(made):
    async with get_client() as client:
        deployment = await client.create_deployment(await client.create_flow(theirs), "retried")
        make = client.create_flow_run_from_deployment
        failed, rejected, resumed = [(await make(deployment, state=Running())).id for _ in range(3)]
        for flow_run, code in ((resumed, _TASKS), (rejected, "GEN-PLAN-INVALID"), (failed, _TASKS)):
            await client.set_flow_run_state(flow_run, Failed(), force=True)
            _emit(describe_end(_a_run(code, f"r-{flow_run}")), flow_run=flow_run, deployment=deployment)
        again = describe_start(_a_run(_TASKS, f"r-{resumed}"), {}, again=True)
        _emit(again, flow_run=resumed, deployment=deployment)

        async def state(flow_run) -> str:
            return (await client.read_flow_run(flow_run)).state_name

        async def schedule() -> bool:
            return await state(failed) == "AwaitingRetry"

        await _until(schedule, "the run is not scheduled again")
        assert [await state(each) for each in (rejected, resumed)] == ["Failed", "Failed"]


async def test_a_full_disk_starts_housekeeping(made):
    async def describe_start() -> bool:
        async with get_client() as client:
            of_it = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[made["tidy"]]))
            found = await client.read_flow_runs(flow_run_filter=of_it)
            return bool(found) and found[0].parameters == {"keep_days": 7, "dry_run": False}

    _emit(describe_end(_a_run("GEN-RESOURCE")))
    await _until(describe_start, "housekeeping was not started")
