import pytest

from genesis.model import Plan, Task
from genesis.observability.instruments import (
    FINDINGS,
    PLAN_DEPTH,
    PLAN_TASKS,
    PLANS,
    REJECTED,
    ROUTED,
    ROUTED_BY_RULE,
    STAGE_ERRORS,
    STAGE_SECONDS,
    UNASSIGNED,
)
from genesis.observability.metrics import metrics_of_process
from genesis.pipeline import make_plan, prepare
from genesis.routing import load_registry, parse_decision
from genesis.settings import Settings


def a_task(name, **more):
    return Task(id=name, description=f"Do {name}", **more)


@pytest.fixture
def change():
    """Gives by how much a value has changed since the test began."""
    metrics = metrics_of_process()
    before = {(each.instrument.name, each.labels): each.value for each in metrics.series()}
    counts = {(each.instrument.name, each.labels): sum(each.counts) for each in metrics.series()}

    def since(what, *labels):
        key = what.name, labels
        return metrics.value(what, *labels) - (counts if what.kind == "histogram" else before).get(key, 0)

    return since


def test_a_request_is_counted_stage_by_stage(change):
    settings = Settings()
    plan = make_plan("Audit the repository at .", planner="heuristic", settings=settings)
    prepared = prepare(plan, load_registry(), settings=settings)
    assert change(PLANS, "heuristic") == 1
    assert [change(STAGE_SECONDS, name) for name in ("plan", "route", "validate")] == [1, 1, 1]
    assert (change(PLAN_TASKS), change(PLAN_DEPTH)) == (1, 1)
    routed = sum(change(ROUTED, agent, by) for agent, by in metrics_of_process().values(ROUTED))
    assert routed == len(prepared.routed.routes)


def test_what_nobody_takes_and_what_is_found_is_counted(change):
    plan = Plan(request="r", tasks=(a_task("a", type="juggling"), a_task("b", type="test")))
    report = prepare(plan, load_registry(), settings=Settings()).report
    assert not report.ok
    assert (change(UNASSIGNED), change(REJECTED)) == (1, 1)
    first = report.errors[0]
    assert change(FINDINGS, first.code, "error") == sum(each.code == first.code for each in report.errors)


def test_a_stage_that_raises_is_counted_by_its_category(change):
    from genesis.errors import UsageError

    with pytest.raises(UsageError):
        make_plan("", settings=Settings())
    assert sum(change(STAGE_ERRORS, *labels) for labels in metrics_of_process().values(STAGE_ERRORS)) == 1
    assert change(STAGE_SECONDS, "plan") == 1


def test_what_decided_is_read_off_the_reasons_that_routing_gives(tmp_path, change):
    agents = tmp_path / "agents.yaml"
    agents.write_text(
        """
agents:
  - {name: a_agent, task_types: [one, two], skills: [], description: Writes songs}
  - {name: b_agent, task_types: [one, three], skills: [], description: Paints pictures of horses}
rules:
  - {id: "it's one", when: {type: three}, then: a_agent}
  - {id: two, when: {all: [{type: one}, {label: {k: v}}]}, then: b_agent, because: of that}
"""
    )
    tasks = [
        a_task("pinned", type="one", agent="b_agent"),
        a_task("by_rule", type="three"),
        a_task("because", type="one", labels={"k": "v"}),
        a_task("capable", type="two"),
        Task(id="described", description="Paint pictures of horses, many pictures of horses"),
    ]
    registry = load_registry(agents)
    routes = prepare(Plan(request="r", tasks=tuple(tasks)), registry, settings=Settings()).routed.routes
    assert {path: parse_decision(route.reason) for path, route in routes.items()} == {
        "pinned": ("pin", None),
        "by_rule": ("rule", "it's one"),
        "because": ("rule", "two"),
        "capable": ("capability", None),
        "described": ("description", None),
    }
    assert (change(ROUTED_BY_RULE, "it's one"), change(ROUTED, "a_agent", "rule")) == (1, 1)
