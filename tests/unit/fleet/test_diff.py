"""What stands between a server and a fleet."""

import pytest

from genesis.errors import RunError
from genesis.fleet.automations import QUIET_S, takeover
from genesis.fleet.desired import MARK, fleet_of, make_mark
from genesis.fleet.diff import SeenAutomation, SeenPool, SeenServer, compare
from genesis.fleet.template import template_for
from genesis.model import Registry
from genesis.testing import an_agent
from genesis.workers import GenesisWorker

BASE = GenesisWorker.get_default_base_job_template()

FLEET = fleet_of(
    Registry(
        agents=(
            an_agent("qa_agent", max_concurrency=3, executor={"kind": "command", "argv": ["true"]}),
            an_agent("sales_agent", max_concurrency=2, executor={"kind": "llm"}),
        )
    ),
    orchestrators=10,
)
DEPLOYMENTS = ("agent_task/qa", "agent_task/sales", "housekeeping/default", "orchestrate/default", "preflight/default")


def make_seen_pool(pool, **values):
    whole = {
        "name": pool.name,
        "type": "genesis",
        "description": pool.description,
        "concurrency_limit": pool.concurrency_limit,
        "has_workers": True,
        "template": template_for(pool.isolation, BASE),
    }
    return SeenPool(**(whole | values))


def make_seen_automation(spec, **values):
    trigger = {**spec.trigger, "id": "1", "match_related": {}}
    return SeenAutomation(
        **{
            "id": "7",
            "name": spec.name,
            "description": spec.description,
            "trigger": trigger,
            "actions": spec.actions,
            **values,
        }
    )


def server(*, replace=(), more=(), automations=None, deployments=DEPLOYMENTS, busy=None):
    replaced = {pool.name: pool for pool in replace}
    pools = [replaced.get(pool.name, make_seen_pool(pool)) for pool in FLEET.pools]
    specs = [make_seen_automation(spec) for spec in takeover()] if automations is None else automations
    return SeenServer(pools=(*pools, *more), automations=tuple(specs), deployments=deployments, busy=busy or {})


def difference(seen, **options):
    return compare(FLEET, takeover(), seen, base=BASE, **options)


def test_server_in_step_needs_nothing():
    found = difference(server())
    assert (found.changes, found.notes) == ((), ())


def test_empty_server_gets_everything_in_the_order_of_the_registry():
    changes = difference(SeenServer()).changes
    assert [(change.action, change.kind, change.name) for change in changes] == [
        ("create", "pool", "genesis"),
        ("create", "pool", "agent-qa"),
        ("create", "pool", "agent-sales"),
        *(("create", "automation", spec.name) for spec in takeover()),
    ]
    assert changes[1].values["concurrency_limit"] == 3
    properties = changes[2].values["base_job_template"]["variables"]["properties"]
    assert properties["isolation"]["default"] == "thread"


def test_empty_server_tells_what_is_still_to_do():
    notes = difference(SeenServer()).notes
    assert any("missing deployments: orchestrate/default" in note and "prefect deploy --all" in note for note in notes)
    assert any("no worker serves genesis, agent-qa, agent-sales" in note and "genesis worker" in note for note in notes)


def test_long_lists_in_notes_are_cut():
    many = fleet_of(Registry(agents=tuple(an_agent(f"a{n}_agent") for n in range(9))), orchestrators=1)
    notes = compare(many, (), SeenServer(), base=BASE).notes
    assert any("agent-a3 and 5 more; to start" in note for note in notes)


def test_changed_limit_is_shown_and_set():
    (change,) = difference(server(replace=[make_seen_pool(FLEET.pools[1], concurrency_limit=99)])).changes
    assert (change.action, change.name, change.values) == ("update", "agent-qa", {"concurrency_limit": 3})
    assert [(field.name, field.before, field.after) for field in change.fields] == [("concurrency_limit", 99, 3)]


def test_changed_isolation_is_shown_by_its_name():
    before = template_for("process", BASE)
    (change,) = difference(server(replace=[make_seen_pool(FLEET.pools[2], template=before)])).changes
    assert [(field.name, field.before, field.after) for field in change.fields] == [("isolation", "process", "thread")]
    assert set(change.values) == {"base_job_template"}


def test_template_of_another_version_is_brought_up_to_date():
    before = template_for("process", BASE)
    before["variables"]["properties"]["isolation"]["description"] = "as it was"
    (change,) = difference(server(replace=[make_seen_pool(FLEET.pools[1], template=before)])).changes
    assert [field.name for field in change.fields] == ["base_job_template"]


def test_pool_made_by_a_workers_start_becomes_ours():
    plain = make_seen_pool(FLEET.pools[1], description=None, concurrency_limit=None, template=BASE)
    (change,) = difference(server(replace=[plain])).changes
    assert change.values["description"].endswith(MARK)
    assert change.values["concurrency_limit"] == 3


def test_settings_of_the_team_in_the_template_are_kept_and_said():
    template = template_for("process", BASE)
    template["variables"]["properties"]["memory_mb"]["default"] = 512
    found = difference(server(replace=[make_seen_pool(FLEET.pools[1], template=template)]))
    assert found.changes == ()
    assert "pool 'agent-qa' keeps the team's own memory_mb in its base job template" in found.notes


def test_paused_pool_stays_paused_and_is_said():
    found = difference(server(replace=[make_seen_pool(FLEET.pools[1], is_paused=True)]))
    assert found.changes == ()
    assert any("'agent-qa' is paused" in note and "prefect work-pool resume agent-qa" in note for note in found.notes)


def test_pool_of_another_type_made_by_hand_is_left_alone():
    foreign = make_seen_pool(FLEET.pools[1], type="docker", description="ours", concurrency_limit=1, template={"x": 1})
    found = difference(server(replace=[foreign]))
    assert found.changes == ()
    assert any("'agent-qa' is of type 'docker'" in note and "created by hand" in note for note in found.notes)


def test_pool_of_ours_whose_type_was_changed_keeps_type_and_template():
    changed = make_seen_pool(FLEET.pools[1], type="kubernetes", concurrency_limit=1, template={"x": 1})
    found = difference(server(replace=[changed]))
    assert [change.values for change in found.changes] == [{"concurrency_limit": 3}]
    assert any("its type and base job template are kept" in note for note in found.notes)


def make_unwanted_pool(**values):
    return SeenPool(name="agent-old", type="genesis", description=f"old_agent {MARK}", has_workers=True, **values)


def test_pool_of_an_agent_that_is_gone_is_named_and_kept():
    found = difference(server(more=[make_unwanted_pool()]))
    assert found.changes == ()
    assert any("'agent-old'" in note and "--prune" in note for note in found.notes)


def test_prune_removes_it_with_its_deployment():
    found = difference(server(more=[make_unwanted_pool()], deployments=(*DEPLOYMENTS, "agent_task/old")), prune=True)
    assert [(change.action, change.kind, change.name) for change in found.changes] == [
        ("delete", "deployment", "agent_task/old"),
        ("delete", "pool", "agent-old"),
    ]


def test_prune_keeps_a_pool_with_work():
    found = difference(server(more=[make_unwanted_pool()], busy={"agent-old": 2}), prune=True)
    assert found.changes == ()
    assert any("2 unfinished runs" in note for note in found.notes)


def test_prune_touches_no_pool_that_others_made():
    other = SeenPool(name="agent-theirs", type="process", description="theirs")
    assert difference(server(more=[other]), prune=True).changes == ()


def test_automation_that_differs_is_set_again_and_keeps_what_is_the_teams():
    notice, take = takeover()
    changed = make_seen_automation(
        notice, trigger={**notice.trigger, "within": 300}, enabled=False, more={"tags": ["ops"]}
    )
    found = difference(server(automations=[changed, make_seen_automation(take)]))
    (change,) = found.changes
    assert (change.action, change.id, [field.name for field in change.fields]) == ("update", "7", ["trigger"])
    assert change.values["enabled"] is False
    assert change.values["tags"] == ["ops"]
    assert change.values["trigger"]["within"] == QUIET_S
    assert any("switched off" in note for note in found.notes)


@pytest.mark.parametrize("actions", [(), ({"type": "do-nothing"},)])
def test_automation_with_other_actions_is_set_again(actions):
    notice, take = takeover()
    found = difference(server(automations=[make_seen_automation(notice, actions=actions), make_seen_automation(take)]))
    assert [[field.name for field in change.fields] for change in found.changes] == [["actions"]]


MINE = FLEET.model_copy(update={"project": "mine"})


def own(project, name="agent-old"):
    return SeenPool(name=name, type="genesis", description=f"old_agent {make_mark(project)}", has_workers=True)


@pytest.mark.parametrize(("owner", "goes"), [("mine", True), ("theirs", False), ("", False)])
def test_prune_removes_pools_of_this_project_alone(owner, goes):
    found = compare(MINE, takeover(), server(more=[own(owner)]), base=BASE, prune=True)
    assert [change.name for change in found.changes if change.action == "delete"] == (["agent-old"] if goes else [])
    assert any("no project's name" in note for note in found.notes) is (owner == "")


def test_a_pool_that_belongs_to_another_project_is_a_clash_and_no_change():
    name = FLEET.pools[1].name
    seen = server(replace=[make_seen_pool(FLEET.pools[1], description=f"theirs {make_mark('theirs')}")])
    with pytest.raises(RunError, match=f"work pool '{name}' belongs to 'theirs'; this is project 'mine'") as caught:
        compare(MINE, takeover(), seen, base=BASE)
    assert caught.value.code == "GEN-FLEET-CLASH"
    with pytest.raises(RunError, match="this is no project"):
        compare(FLEET, takeover(), seen, base=BASE)


def test_the_orchestrators_pool_of_another_project_is_a_clash_unless_this_ones_carries_its_name():
    theirs = make_seen_pool(FLEET.pools[0], description=f"theirs {make_mark('theirs')}", concurrency_limit=99)
    with pytest.raises(RunError, match="work pool 'genesis' belongs to 'theirs'") as caught:
        compare(MINE, takeover(), server(replace=[theirs]), base=BASE)
    assert "genesis init --project" in caught.value.hint
    named = Registry(project="mine", agents=(an_agent("qa_agent"),)).in_project
    mine = fleet_of(named, orchestrators=10, project="folder")
    found = compare(mine, (), SeenServer(pools=(theirs,)), base=BASE, prune=True)
    assert [(change.action, change.name) for change in found.changes] == [
        ("create", "mine-genesis"),
        ("create", "mine-agent-qa"),
    ]
    assert any("orchestrate/mine" in note and "agent_task/mine-agent-qa" in note for note in found.notes)


@pytest.mark.parametrize("flow", ["orchestrate", "preflight", "housekeeping"])
def test_a_flows_deployment_on_a_pool_of_another_project_is_a_clash(flow):
    seen = server(more=[own("theirs", name="their-pool")])
    seen = seen.model_copy(update={"deployed_on": {f"{flow}/default": "their-pool"}})
    with pytest.raises(RunError, match=f"deployment '{flow}/default' belongs to 'theirs'"):
        compare(MINE, takeover(), seen, base=BASE)


def test_a_deployment_on_a_pool_of_another_project_is_a_clash():
    seen = server(more=[own("theirs", name="qa")])
    seen = seen.model_copy(update={"deployed_on": {"agent_task/qa": "qa"}})
    with pytest.raises(RunError, match="deployment 'agent_task/qa' belongs to 'theirs'"):
        compare(MINE, takeover(), seen, base=BASE)


def test_pools_from_before_projects_had_names_become_the_projects_own():
    mine = fleet_of(Registry(agents=(an_agent("qa_agent"),)), orchestrators=10, project="mine")
    nameless = make_seen_pool(mine.pools[1], description=f"qa_agent {MARK}")
    found = compare(mine, (), SeenServer(pools=(nameless,)), base=BASE)
    change = next(change for change in found.changes if change.name == nameless.name)
    assert change.values["description"].endswith("for mine)")
