"""`genesis deploy` on a real server: what it makes, what runs by it, and what it leaves alone."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.blocks.system import Secret
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import PrefectHTTPStatusError

from genesis.document import parse
from genesis.errors import RunError, UsageError
from genesis.fleet import plan_server
from genesis.fleet.desired import fleet_of
from genesis.fleet.plan_deployment import deployment_of, place_deployment
from genesis.fleet.plan_server import apply_changes, check_schedules, compare_with_server
from genesis.flows.deployed import orchestrate
from genesis.model import Registry
from genesis.planning import load_plan
from genesis.routing import route
from genesis.testing import an_agent

sys.path.insert(0, str(Path(__file__).parent))

from inbox import open_inbox
from worker_fleet import Fleet, until

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

_SCHEMA = orchestrate.parameters.model_dump_for_openapi()
_TEXT = {"subject": "{{subject}}", "body": "{{body}}"}
_TASK = {"id": "count", "type": "count", "description": "Count to {top}", "inputs": {"code": "{code}"}}
_PLAN = {
    "version": 1,
    "request": "Count",
    "params": {"top": {"description": "Where it ends"}, "code": {"type": "integer", "minimum": 0, "default": 0}},
    "schedules": [
        {"name": "nightly", "cron": "0 2 * * *", "timezone": "Europe/Berlin", "params": {"top": "ten"}},
        {"name": "hourly", "interval_s": 3600, "anchor": "2026-01-01T00:30:00", "timezone": "Asia/Kolkata",
         "params": {"top": "9", "code": 1}, "active": False},
        {"name": "month-end", "rrule": "FREQ=MONTHLY;BYMONTHDAY=-1", "params": {"top": "x"}},
    ],
    "tasks": [_TASK],
}  # fmt: skip


class Site:
    """A project of the test's own on the shared server."""

    def __init__(self, client, project: str, work: dict | None = None):
        agent = an_agent(
            f"{project}-qa", task_types=("count", "build"), executor=work or {"kind": "command", "argv": ["true"]}
        )
        self.client = client
        self.registry = Registry(agents=(agent,), project=project).in_project
        self.fleet = fleet_of(self.registry, orchestrators=2)
        self.place = place_deployment("counting", Path("plan.yaml"), self.fleet)

    def wanted(self, plan: dict):
        return deployment_of(route(load_plan(plan), self.registry), self.place, self.fleet, flow_schema=_SCHEMA)

    async def deploy(self, plan: dict | None) -> list[str]:
        """Deploy, and see that nothing is left to do. Returns the changes."""
        wanted = None if plan is None else self.wanted(plan)
        found = await compare_with_server(self.place, wanted)
        left = await apply_changes(found, self.place, wanted)
        assert left.changes == ()
        return [f"{change.action} {change.kind} {change.name.partition(' of ')[0]}" for change in found.changes]

    async def read(self):
        return await self.client.read_deployment_by_name(self.place.full_name)

    async def automations(self):
        return [each for each in await self.client.read_automations() if self.place.full_name in each.name]


@pytest.fixture
async def site(prefect_api, tmp_path):
    async with get_client() as client:
        project = f"p{uuid4().hex[:6]}"
        await Fleet(client, tmp_path).pool(name=f"{project}-genesis")
        yield Site(client, project)


@pytest.fixture
async def block(prefect_api):
    name = f"inbox-{uuid4().hex[:6]}"
    await CustomWebhookNotificationBlock(name=name, url="http://127.0.0.1:9/", json_data=_TEXT).save(name)
    return f"custom-webhook/{name}"


async def test_a_plan_is_deployed_with_schedules_parameters_and_automations(site, block):
    changes = await site.deploy(_PLAN | {"notify": [{"on": ["failed", "late"], "through": block}]})
    name = site.place.full_name
    assert changes == [
        f"create deployment {name}",
        f"create automation genesis: notify {block}",
        "create schedule nightly",
        "create schedule hourly",
        "create schedule month-end",
    ]
    made = await site.read()
    assert (made.entrypoint, made.work_pool_name) == ("genesis.flows.deployed.orchestrate", site.place.pool)
    assert set(made.tags) == {"genesis", "genesis-plan", f"project:{site.place.project}"}
    nightly, hourly, month_end = sorted(made.schedules, key=lambda each: each.schedule.__class__.__name__)
    assert (nightly.slug, nightly.schedule.cron, nightly.schedule.timezone) == (
        "plan-nightly",
        "0 2 * * *",
        "Europe/Berlin",
    )
    assert nightly.parameters == {"params": {"top": "ten"}}
    assert (hourly.active, hourly.schedule.interval.total_seconds()) == (False, 3600)
    assert hourly.schedule.anchor_date.isoformat() == "2025-12-31T19:00:00+00:00"
    assert month_end.schedule.rrule == "DTSTART:20200101T000000\nFREQ=MONTHLY;BYMONTHDAY=-1"
    (automation,) = await site.automations()
    assert f"prefect.deployment.{made.id}" in str(automation.trigger.match_related)
    states = ("Failed", "TimedOut", "Crashed", "Late")
    assert automation.trigger.expect == {f"prefect.flow-run.{state}" for state in states}
    assert await site.deploy(_PLAN | {"notify": [{"on": ["failed", "late"], "through": block}]}) == []


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # of the library behind Prefect's Slack block
async def test_the_example_of_the_guide_is_deployed(site):
    page = Path(__file__).parents[2] / "docs" / "guide" / "schedules.md"
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    await SlackWebhook(url="https://hooks.example.com/x").save("team", overwrite=True)
    await Webhook(url="https://example.com/").save("dashboard", overwrite=True)
    plan = parse(text)
    await check_schedules(site.wanted(plan))
    await site.deploy(plan)
    slugs = {each.slug for each in (await site.read()).schedules}
    assert slugs == {"plan-nightly", "plan-every-six-hours", "plan-month-end"}
    assert len(await site.automations()) == 2


async def test_the_form_has_the_parameters_of_the_plan_and_the_server_enforces_them(site):
    await site.deploy(_PLAN)
    made = await site.read()
    assert "plan" not in made.parameter_openapi_schema["properties"]
    start = site.client.create_flow_run_from_deployment
    for params, said in (({}, "'top'"), ({"top": "x", "code": -1}, "-1"), ({"top": "x", "tpo": "y"}, "tpo")):
        with pytest.raises(PrefectHTTPStatusError) as refused:
            await start(made.id, parameters={"params": params})
        assert said in refused.value.response.text
    started = await start(made.id, parameters={"params": {"top": "x", "code": 3}})
    assert load_plan(parse(started.parameters["plan"])).tasks[0].id == "count"


async def test_what_the_plan_no_longer_has_is_removed_and_what_others_added_stays(site, block):
    await site.deploy(_PLAN | {"notify": [{"on": "failed", "through": block}]})
    made = await site.read()
    theirs = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 3 * * *", timezone="UTC"), slug="theirs")
    await site.client.create_deployment_schedules(made.id, [theirs])
    update = DeploymentUpdate(tags=[*made.tags, "team-a"], paused=True, parameters={**made.parameters, "slots": 3})
    await site.client.update_deployment(made.id, update)
    less = _PLAN | {"schedules": [_PLAN["schedules"][0] | {"cron": "30 2 * * *"}], "request": "Count again"}
    assert await site.deploy(less) == [
        f"update deployment {site.place.full_name}",
        f"delete automation genesis: notify {block}",
        "update schedule nightly",
        "delete schedule hourly",
        "delete schedule month-end",
    ]
    now = await site.read()
    assert now.id == made.id
    assert {each.slug: each.schedule.cron for each in now.schedules} == {
        "plan-nightly": "30 2 * * *",
        "theirs": "0 3 * * *",
    }
    assert now.paused
    assert "team-a" in now.tags
    assert now.parameters["slots"] == 3
    assert "request: Count again" in now.parameters["plan"]
    assert await site.automations() == []


async def test_a_deployment_is_removed_with_its_automations_alone(site, block):
    other = Site(site.client, site.place.project)
    other.place = place_deployment("other", Path("plan.yaml"), other.fleet)
    plan = _PLAN | {"notify": [{"on": "failed", "through": block}]}
    await site.deploy(plan)
    await other.deploy(plan)
    assert await site.deploy(None) == [
        f"delete deployment {site.place.full_name}",
        f"delete automation genesis: notify {block}",
    ]
    assert await site.deploy(None) == []
    assert len(await other.automations()) == 1
    assert await other.deploy(plan) == []


async def test_a_call_that_was_interrupted_is_completed_by_the_next_one(site, block, monkeypatch):
    plan = _PLAN | {"notify": [{"on": "failed", "through": block}]}
    wanted = site.wanted(plan)
    whole = plan_server.change_server
    for most in range(1, 5):

        async def give_up(changes, most=most):
            await whole([*changes][:most])
            raise ConnectionError("gone")

        monkeypatch.setattr(plan_server, "change_server", give_up)
        with pytest.raises(ConnectionError):
            await apply_changes(await compare_with_server(site.place, wanted), site.place, wanted)
        monkeypatch.setattr(plan_server, "change_server", whole)
    await site.deploy(plan)
    assert len((await site.read()).schedules) == 3
    assert len(await site.automations()) == 1


@pytest.mark.parametrize(
    ("through", "said"),
    [("custom-webhook/nobody", "does not have"), ("no-such-type/x", "does not have"), ("secret/{secret}", "no notif")],
)
async def test_a_block_that_cannot_be_used_is_refused_before_anything_is_changed(site, block, through, said):
    secret = f"s-{uuid4().hex[:6]}"
    await Secret(value="hidden").save(secret)
    plan = _PLAN | {"notify": [{"on": "failed", "through": through.format(secret=secret)}]}
    with pytest.raises(RunError) as refused:
        await site.deploy(plan)
    assert refused.value.code == "GEN-DEPLOY-BLOCK"
    assert said in refused.value.message
    assert "custom-webhook/inbox" in refused.value.hint
    assert "hidden" not in str(refused.value)
    assert (await compare_with_server(site.place, None)).changes == ()


async def test_somebody_elses_deployment_and_a_missing_pool_are_refused(site):
    with pytest.raises(RunError) as refused:
        await Site(site.client, "nobodys").deploy(_PLAN)
    assert refused.value.code == "GEN-DEPLOY-POOL"
    flow = await site.client.create_flow_from_name("orchestrate")
    await site.client.create_deployment(flow, site.place.name)
    for plan in (_PLAN, None):
        with pytest.raises(RunError) as refused:
            await site.deploy(plan)
        assert refused.value.code == "GEN-DEPLOY-CLASH"
        assert "not made by genesis deploy" in refused.value.message


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"cron": "0 0 30 2 *"}, "next date"),
        ({"cron": "0 0 * * FOO"}, "FOO"),
        ({"rrule": "FREQ=DAILY;BYHOUR=99"}, "hour"),
        ({"rrule": "FREQ=DAILY;UNTIL=20210101T000000"}, "never"),
    ],
)
async def test_prefect_reads_each_schedule_before_anything_is_changed(site, schedule, said):
    wanted = site.wanted(_PLAN | {"schedules": [{"name": "n", **schedule, "params": {"top": "x"}}]})
    with pytest.raises(UsageError) as refused:
        await check_schedules(wanted)
    assert refused.value.code == "GEN-SCHEDULE-INVALID"
    assert said in refused.value.message
    await check_schedules(site.wanted(_PLAN))


async def _reach(fleet, of, *states, seconds=200.0):
    """Wait until a flow run of a deployment has one of these states."""
    chosen = DeploymentFilter(id=DeploymentFilterId(any_=[of]))
    async with asyncio.timeout(seconds):
        while True:
            for flow_run in await fleet.client.read_flow_runs(deployment_filter=chosen, limit=200):
                if flow_run.state_name in states:
                    return flow_run
            await asyncio.sleep(0.3)


async def test_a_schedule_starts_a_run_that_completes_and_notifications_are_sent(
    prefect_api, tmp_path, monkeypatch, warm_fork_servers, forking_process
):
    """The whole by the command line: deployed, started by its schedule, notified of both ends, removed."""
    project = f"p{uuid4().hex[:6]}"
    work = {"kind": "command", "argv": ["sh", "-c", f"echo {{top}} >> {tmp_path}/done; exit {{code}}"]}
    agent = {"name": "qa_agent", "task_types": ["count"], "executor": work, "sandbox": {"write": [str(tmp_path)]}}
    agents = tmp_path / "agents.yaml"
    agents.write_text(json.dumps({"project": project, "agents": [agent]}))
    monkeypatch.setenv("GENESIS_AGENTS", str(agents))
    often = {"name": "often", "interval_s": 5, "params": {"top": "scheduled"}}
    notify = [
        {"on": ["failed"], "through": f"custom-webhook/{project}"},
        {"on": "completed", "through": f"webhook/{project}"},
    ]
    task = _TASK | {"inputs": {"top": "{top}", "code": "{code}"}, "retries": 0}
    plan = tmp_path / "counting.yaml"
    plan.write_text(json.dumps(_PLAN | {"schedules": [often], "notify": notify, "tasks": [task]}))
    environment = os.environ | {"PREFECT_API_URL": prefect_api.api_url, "GENESIS_AGENTS": str(agents)}

    def call(*words):
        ran = forking_process.run(words, cwd=tmp_path, environment=environment)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    with open_inbox() as inbox:
        await CustomWebhookNotificationBlock(name=project, url=inbox.url, json_data=_TEXT).save(project)
        await Webhook(url=inbox.url).save(project)
        async with get_client() as client:
            fleet = Fleet(client, tmp_path, warm_fork_servers)
            pools = [await fleet.pool(name=f"{project}-{name}") for name in ("genesis", "agent-qa")]
            await client.create_deployment(
                await client.create_flow_from_name("agent_task"),
                f"{project}-agent-qa",
                work_pool_name=pools[1],
                entrypoint="genesis.flows.deployed.agent_task",
                enforce_parameter_schema=False,
            )
            try:
                made = await asyncio.to_thread(call, "deploy", plan, "--json")
                assert (made["deployment"], made["in_step"]) == (f"orchestrate/{project}-counting", True)
                assert (await asyncio.to_thread(call, "deploy", plan, "--check", "--json"))["changes"] == []
                deployment = (await client.read_deployment_by_name(made["deployment"])).id
                await fleet.serve(*pools)
                done = await _reach(fleet, deployment, "Completed")
                assert (done.auto_scheduled, done.parameters["params"]) == (True, {"top": "scheduled"})
                by_hand = client.create_flow_run_from_deployment
                good = await by_hand(deployment, parameters={"params": {"top": "by hand"}})
                bad = await by_hand(deployment, parameters={"params": {"top": "by hand", "code": 3}})
                failed = await fleet.reach(bad, "Failed", seconds=200)
                subject = f"{project}-counting: Failed"
                [message] = await until(lambda: [each for each in inbox.messages if each.get("subject") == subject])
                assert failed.name in message["body"]
                assert failed.state.message in message["body"]
                # Of a scheduled run that starts minutes after its schedule was made, Prefect holds events back.
                await fleet.reach(good, "Completed", seconds=200)
                sent = {
                    "deployment": f"{project}-counting",
                    "flow_run": str(good.id),
                    "state": "Completed",
                    "url": None,
                }
                await until(lambda: sent in inbox.messages)
                removed = await asyncio.to_thread(call, "deploy", plan, "--delete", "--json")
                assert [change["action"] for change in removed["changes"]] == ["delete"] * 3
            finally:
                await fleet.close()
    assert {"scheduled", "by", "hand"} <= set((tmp_path / "done").read_text().split())
