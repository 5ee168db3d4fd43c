"""The deployment of a plan as it should be, and what differs. No server is asked."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from genesis.document import dump_yaml, parse
from genesis.errors import RunError, UsageError
from genesis.fleet.desired import fleet_of
from genesis.fleet.plan_deployment import deployment_of, place_deployment, prefect_schedule
from genesis.fleet.plan_diff import SeenBlock, SeenDeployment, SeenPlanServer, compare_plan
from genesis.flows.deployed import orchestrate
from genesis.model import PlanSchedule, Registry
from genesis.planning import load_plan, plan_document
from genesis.routing import route
from genesis.testing import an_agent

_PLAN = {
    "version": 1,
    "request": "Count",
    "params": {"top": {}, "step": {"type": "integer", "minimum": 1, "default": 2, "description": "How far"}},
    "schedules": [{"name": "daily", "cron": "@daily", "params": {"top": "x"}}],
    "notify": [{"on": ["failed", "failed"], "through": "slack-webhook/team"}],
    "tasks": [{"id": "a", "type": "count", "description": "Count to {top} by {step}"}],
}


def make_fleet(project=None):
    registry = Registry(agents=(an_agent("qa_agent", task_types=("count",)), an_agent("idle_agent")), project=project)
    return registry.in_project, fleet_of(registry.in_project, orchestrators=2)


def deploy(plan=_PLAN, project=None, name=None):
    registry, fleet = make_fleet(project)
    place = place_deployment(name, Path("some/nightly.yaml"), fleet)
    schema = orchestrate.parameters.model_dump_for_openapi()
    return place, deployment_of(route(load_plan(plan), registry), place, fleet, flow_schema=schema)


def seen(**values):
    blocks = {"slack-webhook/team": SeenBlock(id="1", capabilities=("notify",))}
    return SeenPlanServer(**{"pools": ("genesis",), "blocks": blocks, **values})


def test_the_name_is_that_of_the_file_behind_the_projects():
    assert deploy()[0].full_name == "orchestrate/nightly"
    assert deploy(project="shop")[0].full_name == "orchestrate/shop-nightly"
    assert deploy(name="other")[0].full_name == "orchestrate/other"


@pytest.mark.parametrize("name", ["", " ", "a/b", "a%", "default", "{{ x }}"])
def test_a_name_that_prefect_refuses_or_the_project_has_is_an_error(name):
    with pytest.raises(UsageError) as refused:
        deploy(name=name)
    assert refused.value.code == "GEN-DEPLOY-NAME"


def test_the_plan_travels_as_a_document_without_what_only_the_deployment_has():
    document = parse(deploy()[1].parameters["plan"])
    assert not {"schedules", "notify"} & set(document)
    plan = load_plan(_PLAN).model_copy(update={"schedules": (), "notify": ()})
    assert load_plan(document) == load_plan(plan_document(plan, terse=True))


def test_the_form_asks_for_the_parameters_of_the_plan():
    form = deploy()[1].form
    assert not {"plan", "request"} & set(form["properties"])
    assert form["required"] == ["params"]
    asked = form["properties"]["params"]
    assert (asked["required"], asked["additionalProperties"]) == (["top"], False)
    step = {"position": 1, "type": "integer", "description": "How far", "minimum": 1, "default": 2}
    assert asked["properties"]["step"] == step
    given = load_plan(_PLAN, params={"top": "x", "step": 5})
    again = deploy(plan_document(given))[1].form
    assert (again["required"], again["properties"]["params"]["properties"]["step"]["default"]) == ([], 5)


def test_a_plan_that_uses_files_travels_whole_and_the_form_has_no_parameters_of_theirs(tmp_path):
    task = {"id": "b", "type": "count", "description": "Count to {end}"}
    leaf = {"version": 1, "request": "Count", "params": {"end": {}}, "tasks": [task]}
    (tmp_path / "leaf.yaml").write_text(dump_yaml(leaf))
    use = {"id": "a", "description": "Use it", "use": "leaf.yaml", "with": {"end": "x"}}
    (tmp_path / "whole.yaml").write_text(dump_yaml(_PLAN | {"tasks": [use]}))
    wanted = deploy(tmp_path / "whole.yaml")[1]
    assert set(wanted.form["properties"]["params"]["properties"]) == {"top", "step"}
    assert load_plan(parse(wanted.parameters["plan"])).tasks[0].subtasks[0].id == "b"


def test_a_plan_that_is_too_large_for_prefect_is_refused():
    with pytest.raises(UsageError) as refused:
        deploy(_PLAN | {"vars": {"text": "x" * 600_000}})
    assert refused.value.code == "GEN-DEPLOY-SIZE"


def test_intervals_are_counted_from_their_anchor_in_its_time_zone():
    def anchor(**keys):
        return prefect_schedule(PlanSchedule(name="s", interval_s=60, **keys))["anchor_date"]

    assert anchor() == "2020-01-01T00:00:00+00:00"
    assert anchor(anchor=datetime(2026, 1, 1), timezone="Asia/Tokyo") == "2025-12-31T15:00:00+00:00"  # noqa: DTZ001


def test_an_installed_prefect_computes_the_next_run_of_each_kind_of_schedule():
    """Cron fails with whenever 0.10 before Python 3.13."""
    from genesis.fleet.plan_server import check_schedules

    own = {"params": {"top": "x"}, "timezone": "Europe/Berlin"}
    kinds = [{"cron": "0 6 * * 1-5"}, {"interval_s": 60}, {"rrule": "FREQ=WEEKLY;BYDAY=MO"}]
    schedules = [{"name": f"s{at}", **each, **own} for at, each in enumerate(kinds)]
    asyncio.run(check_schedules(deploy(_PLAN | {"schedules": schedules})[1]))


def test_what_is_missing_is_made_and_one_automation_has_each_state_once():
    place, wanted = deploy()
    found = compare_plan(place, wanted, seen())
    assert [(change.action, change.kind) for change in found.changes] == [
        ("create", "deployment"),
        ("create", "automation"),
        ("create", "schedule"),
    ]
    trigger = found.changes[1].values["trigger"]
    assert trigger["expect"] == ["prefect.flow-run.Crashed", "prefect.flow-run.Failed", "prefect.flow-run.TimedOut"]
    assert any("missing deployment orchestrate/default" in note for note in found.notes)
    assert any("agents: agent_task/qa;" in note for note in found.notes)


def test_the_deployment_has_the_code_and_the_pool_of_the_projects_own():
    base = {"entrypoint": "flows/orchestrate.py:orchestrate", "path": "/srv", "pull_steps": [{"x": {}}], "tags": []}
    own = SeenDeployment(id="2", values={**base, "work_pool_name": "theirs", "job_variables": {"memory_mb": 1}})
    place, wanted = deploy()
    values = compare_plan(place, wanted, seen(base=own, pools=())).changes[0].values
    assert {key: values[key] for key in ("entrypoint", "path", "pull_steps", "work_pool_name", "job_variables")} == {
        "entrypoint": "flows/orchestrate.py:orchestrate",
        "path": "/srv",
        "pull_steps": [{"x": {}}],
        "work_pool_name": "theirs",
        "job_variables": {"memory_mb": 1},
    }


@pytest.mark.parametrize(
    ("server", "code"),
    [
        ({"pools": ()}, "GEN-DEPLOY-POOL"),
        ({"blocks": {}}, "GEN-DEPLOY-BLOCK"),
        ({"blocks": {"slack-webhook/team": SeenBlock(id="1")}}, "GEN-DEPLOY-BLOCK"),
        ({"deployment": SeenDeployment(id="1", values={"tags": ["theirs"]})}, "GEN-DEPLOY-CLASH"),
        ({"deployment": SeenDeployment(id="1", values={"tags": ["genesis-plan", "project:x"]})}, "GEN-DEPLOY-CLASH"),
    ],
)
def test_what_stands_in_the_way_is_an_error(server, code):
    place, wanted = deploy()
    with pytest.raises(RunError) as refused:
        compare_plan(place, wanted, seen(**server))
    assert refused.value.code == code
    assert refused.value.hint


def test_the_fleet_of_another_project_is_not_used():
    base = SeenDeployment(id="2", values={"tags": ["genesis", "project:other"]})
    place, wanted = deploy(project="shop")
    with pytest.raises(RunError) as refused:
        compare_plan(place, wanted, seen(base=base))
    assert refused.value.code == "GEN-DEPLOY-CLASH"
