"""Log lines of runs on a real Prefect server: in the file of this machine, and in the UI's API, without secrets."""

import asyncio
import json
import logging
import signal
import sys
import warnings
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogHandler

from genesis.agents import Result
from genesis.engine.observers.run_logs import lines_in_ui
from genesis.observability.log_setup import configure_logs
from genesis.settings import LogSettings, Settings
from genesis.testing import a_program, a_task
from genesis.workers.logs import begin_logs, write_logs

sys.path.insert(0, str(Path(__file__).parent))

from worker_fleet import FOLDER, Fleet, until

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

_log = logging.getLogger("genesis.test.runs")


@pytest.fixture
def logs(tmp_path):
    setup = configure_logs(
        Settings(home=tmp_path), role="agent", deployed=True, others=("prefect.flow_runs", "prefect.task_runs")
    )
    yield setup
    setup.close()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def read_lines(flow_run_id, wanted):
    """Return the lines of a flow run in the API, once as many are there as are wanted."""
    await APILogHandler.aflush()
    async with get_client() as client:
        chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
        for _ in range(300):
            found = [log for log in await client.read_logs(chosen, limit=200) if wanted(log)]
            if found:
                return found
            await asyncio.sleep(0.1)
    raise AssertionError("the lines are not in the API")


async def test_lines_made_in_a_run_are_in_the_file_and_in_the_ui(prefect_api, logs):
    flow_runs, task_runs = [], []

    @task
    async def work():
        from prefect.context import TaskRunContext

        task_runs.append(TaskRunContext.get().task_run.id)
        _log.info("ours has password=%s", "hunter2", extra={"event": "test.line", "n": 1})
        _log.debug("too fine")
        get_run_logger().info("theirs has token=abcdef")

    @flow
    async def whole():
        flow_runs.append(FlowRunContext.get().flow_run.id)
        with lines_in_ui(Settings()):
            _log.warning("in the flow")
            await work()
            _log.info("opted out", extra={"send_to_api": False})

    await whole()
    _log.info("outside of a run")
    found = await read_lines(flow_runs[0], lambda log: "ours" in log.message or "theirs" in log.message)
    assert {log.message for log in found} <= {"ours has password=***  n=1", "theirs has token=***"}
    found = await read_lines(flow_runs[0], lambda log: log.name.startswith(("genesis", "prefect.task_runs")))
    by_text = {log.message: log for log in found}
    ours = by_text["ours has password=***  n=1"]
    assert (ours.task_run_id, ours.level, ours.name) == (task_runs[0], logging.INFO, "genesis.test.runs")
    assert by_text["theirs has token=***"].task_run_id == task_runs[0]
    assert by_text["in the flow"].task_run_id is None
    assert not {"too fine", "opted out", "outside of a run"} & set(by_text)
    written = {line["message"]: line for line in lines(logs.path)}
    assert {"in the flow", "opted out", "outside of a run", "ours has password=***"} <= set(written)
    theirs = written["theirs has token=***"]
    assert (theirs["task_run_id"], theirs["flow_run_id"]) == (str(task_runs[0]), str(flow_runs[0]))
    assert "hunter2" not in logs.path.read_text()


async def test_the_ui_shows_nothing_more_where_the_settings_say_so(prefect_api, logs):
    @flow
    async def whole():
        with lines_in_ui(Settings(log=LogSettings(in_ui=False))):
            return [type(handler).__name__ for handler in logging.getLogger("genesis").handlers]

    assert "_InUi" not in await whole()


async def test_runs_at_once_share_one_handler_and_the_last_one_takes_it_away(prefect_api):
    def handlers():
        return [each for each in logging.getLogger("genesis").handlers if isinstance(each, APILogHandler)]

    with lines_in_ui(Settings()):
        with lines_in_ui(Settings()):
            assert len(handlers()) == 1
        assert len(handlers()) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _log.warning("there is no run here")
    assert handlers() == []


async def test_a_run_tells_of_its_tasks_with_its_ids(workbench, logs):
    class Works:
        async def execute(self, work):
            if work.path == "b":
                raise ValueError("no api_key=abcdef")
            logging.getLogger("genesis.agents.mine").info("at it")
            get_run_logger().info("at it too")
            return Result(value={"n": 1})

    run = await workbench.run(a_program(a_task("a", outputs=["n"]), a_task("b")), Works())
    written = lines(logs.path)
    assert "abcdef" not in logs.path.read_text()
    by_event = {(line.get("event"), line.get("task")): line for line in written}
    for event in (("run.started", None), ("task.ended", "a"), ("task.ended", "b"), ("run.ended", None)):
        assert by_event[event]["run_id"] == run.run_id
        assert by_event[event]["correlation_id"] == "test"
    assert by_event["task.ended", "b"]["level"] == "warning"
    assert by_event["task.ended", "b"]["error"]["message"] == "ValueError: no api_key=***"
    assert by_event["run.ended", None]["data"]["states"] == {"completed": 1, "failed": 1}
    for text in ("at it", "at it too"):
        line = next(line for line in written if line["message"] == text)
        assert (line["run_id"], line["task"], line["attempt"]) == (run.run_id, "a", 1), text


async def test_a_process_of_another_worker_type_writes_while_its_flow_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("GENESIS_HOME", str(tmp_path))
    with write_logs("orchestrator"):
        _log.info("inside")
        with write_logs("agent"):
            _log.info("deeper")
    _log.warning("outside")
    found = lines(tmp_path / "logs" / "genesis.jsonl")
    assert [(line["message"], line["role"]) for line in found] == [
        ("inside", "orchestrator"),
        ("deeper", "orchestrator"),
    ]


def test_settings_that_cannot_be_read_cost_the_lines_only(monkeypatch):
    monkeypatch.setenv("GENESIS_LOG__LEVEL", "loud")
    assert begin_logs("agent") is None


async def test_a_warm_child_that_is_killed_loses_no_line(prefect_api, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    monkeypatch.setenv("GENESIS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OF_A_TEST_TOKEN", "a-secret-of-the-environment")
    path = tmp_path / "home" / "logs" / "genesis.jsonl"
    async with get_client() as client:
        fleet = Fleet(client, tmp_path)
        try:
            pool = await fleet.pool()
            deployment = await fleet.deploy("talkative", pool)
            await fleet.serve(pool)
            flow_run = await fleet.start(deployment)
            ended = await fleet.reach(flow_run, "Crashed")
            assert f"-{signal.SIGKILL.value}" in ended.state.message or "SIGKILL" in ended.state.message
            await until(lambda: len(lines(path)) >= 200)
        finally:
            await fleet.close()
    text = path.read_text()
    assert "a-secret-of-the-environment" not in text
    written = [line for line in lines(path) if line["logger"] in {"genesis.of.a.flow", "prefect.flow_runs"}]
    ours = [line["data"]["number"] for line in written if line["logger"] == "genesis.of.a.flow"]
    theirs = [line["message"] for line in written if line["message"].startswith("theirs")]
    assert ours == list(range(100))
    assert theirs == [f"theirs {number} ***" for number in range(100)]
    assert {line["role"] for line in written} == {"agent"}
    assert {line["flow_run_id"] for line in written if "flow_run_id" in line} == {str(flow_run.id)}
