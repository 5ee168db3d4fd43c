"""The artifacts of a run on a real Prefect server."""

import asyncio

import httpx
import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)

from genesis.agents import Result
from genesis.errors import TaskError
from genesis.testing import ScriptedAgent, a_program, a_task
from genesis.testing.prefect import Workbench

pytestmark = pytest.mark.server


async def _artifacts(run):
    async with get_client() as client:
        flow_run = await client.read_flow_run(run.ui_url.rsplit("/", 1)[1])
        this_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
        found = await client.read_artifacts(flow_run_filter=this_run)
    return flow_run, {artifact.key: artifact for artifact in found}


async def test_reports_and_work_orders_are_published(workbench: Workbench, tmp_path):
    def report(work):
        path = tmp_path / "report_1.md"
        path.write_text("# Found\n\n<img src=http://192.0.2.1/x>")
        return {"report": str(path)}

    def brief(work):
        path = tmp_path / "brief.md"
        path.write_text("# Order")
        return Result(value={"brief": str(path)}, state="briefed")

    program = a_program(a_task("ask"), a_task("tell", after=("ask",)))
    agent = ScriptedAgent({"ask": [brief], "tell": [report]})
    run = await workbench.run(program, agent)
    assert run.state == "briefed"
    _, found = await _artifacts(run)
    assert found["genesis-report-1"].data == "# Found\n\n&lt;img src=http://192.0.2.1/x>"
    assert found["genesis-report-1"].description == "Report: report\\_1.md, from tell"
    assert found["genesis-work-orders"].data == "# 1 work order for people\n\n## Order"
    assert str(tmp_path / "brief.md").replace("_", "\\_") in found["genesis-result"].data
    assert f"genesis deliver {run.run_id} ask --result" in found["genesis-result"].data
    assert "**1 of 2 done**" in found["genesis-progress"].data


async def test_the_preflight_has_a_name_that_a_reader_knows(workbench: Workbench):
    run = await workbench.run(a_program(a_task("a"), request="Do {it}\nall"), ScriptedAgent())
    flow_run, _ = await _artifacts(run)
    async with get_client() as client:
        parent = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run.id]))
        (preflight,) = await client.read_flow_runs(flow_run_filter=parent)
    assert preflight.name == "plan check · Do {it} all"


async def test_a_server_that_refuses_artifacts_stops_nothing_and_the_log_says_so(workbench: Workbench, monkeypatch):
    create = PrefectClient.create_artifact

    async def refuse(self, artifact):
        if artifact.key in ("genesis-plan", "genesis-result"):
            request = httpx.Request("POST", "http://127.0.0.1/api/artifacts/")
            raise httpx.HTTPStatusError("too large", request=request, response=httpx.Response(413, request=request))
        return await create(self, artifact)

    monkeypatch.setattr(PrefectClient, "create_artifact", refuse)
    run = await workbench.run(a_program(a_task("a")), ScriptedAgent({"a": [TaskError("no")]}))
    assert run.state == "failed"
    assert run.error.code == "GEN-RUN-FAILED"
    flow_run, found = await _artifacts(run)
    assert set(found) == {"genesis-routing", "genesis-progress"}
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run.id]))
    async with asyncio.timeout(30), get_client() as client:
        while True:
            said = [log.message for log in await client.read_logs(wanted) if "is not published" in log.message]
            if len(said) == 2:
                break
            await asyncio.sleep(0.2)
    assert {message.split("'")[1] for message in said} == {"genesis-plan", "genesis-result"}
