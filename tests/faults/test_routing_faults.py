"""A part of the routing fails by itself: a leaf gets the best agent that can still be found, and the plan says so."""

import logging
from collections import Counter

import pytest

from genesis.errors import RoutingError
from genesis.model import Registry
from genesis.observability.instruments import STEPS_DOWN
from genesis.observability.metrics import metrics_of_process
from genesis.pipeline import prepare
from genesis.routing import Router, capability, explain, route, rules, similarity
from genesis.routing.assignment import Assignment
from genesis.settings import Settings
from genesis.testing.plans import a_plan, a_task, an_agent

BUG = "TypeError: a bug"
FAILED = f"routing failed internally ({BUG})"
PARTS = [
    (rules.RuleBook, "for_type"),
    (capability, "RuleBook"),
    (capability, "Similarity"),
    (similarity.Similarity, "reader"),
    (similarity.Similarity, "look_up"),
    (similarity.SimilarityReader, "read"),
    (capability, "_type_fit"),
    (capability.Team, "_dearest"),
    (Assignment, "_rank_agents"),
    (explain, "by_capability"),
    (Assignment, "__init__"),
    (capability.Team, "__init__"),
]
"""Every part of the routing: what it belongs to, and its name."""


def boom(*_, **__):
    raise TypeError("a bug")


def registry(**more):
    agents = (
        an_agent("builder", task_types=("generic", "implement", "test"), skills=("code",), description="Builds things"),
        an_agent("tester", task_types=("test", "check"), skills=("code", "tests"), description="Runs test suites"),
        an_agent("writer", task_types=("content",), description="Writes articles and reports"),
    )
    rules = [
        {"id": "ml", "when": {"all": [{"type": "train"}, {"label": {"domain": "ml"}}]}, "then": "writer"},
        {"id": "urgent", "when": {"description": "(?i)urgent"}, "then": "tester", "priority": 50},
    ]
    return Registry.model_validate({"agents": agents, "rules": rules, **more})


def route_tasks(*tasks, **more):
    return route(a_plan(*tasks), registry(**more)).routes


@pytest.fixture
def inject(monkeypatch):
    """Let a part of the routing raise what nobody expects."""
    return lambda owner, name: monkeypatch.setattr(owner, name, boom)


@pytest.fixture
def broken_rule(monkeypatch):
    """Let the rules be read, and one of them raise when a task is held against it."""

    def predicate(condition):
        return boom if condition.description else original(condition)

    original = rules._predicate
    monkeypatch.setattr(rules, "_predicate", predicate)


@pytest.mark.usefixtures("broken_rule")
def test_a_rule_that_raises_gives_way_to_the_profiles():
    found = route_tasks(a_task("x", type="test", description="Run the test suite"))["x"]
    assert (found.agent, found.degraded) == ("tester", True)
    assert found.reason == f"{FAILED}; tester lists 'test' first"


@pytest.mark.parametrize(("owner", "name"), PARTS)
def test_whatever_part_fails_a_leaf_gets_the_agent_that_fits_its_type(inject, owner, name):
    inject(owner, name)
    found = route_tasks(a_task("x", type="check", description="Look at it"))["x"]
    assert (found.agent, found.degraded) == ("tester", True)
    assert found.reason.startswith(f"{FAILED}; ")


def test_the_agent_that_lists_the_type_foremost_gets_it(inject):
    inject(Assignment, "_rank_agents")
    found = route_tasks(a_task("x", type="test"))["x"]  # the builder comes first in the registry, and tests last
    assert (found.agent, found.score) == ("tester", None)
    assert found.reason == f"{FAILED}; tester lists 'test' first"


def test_skills_still_count(inject):
    inject(rules.RuleBook, "for_type")
    found = route_tasks(a_task("x", type="test", requires=["tests"]), a_task("y", type="content", requires=["tests"]))
    assert [route.agent for route in found.values()] == ["tester", None]
    assert found["y"].reason == f"{FAILED}; no agent with its skills lists 'content'"


def test_what_only_a_rule_would_place_goes_to_the_generalist(inject):
    inject(rules.RuleBook, "for_type")
    found = route_tasks(a_task("x", type="train", labels={"domain": "ml"}))["x"]
    assert (found.agent, found.degraded) == ("builder", True)
    assert found.reason == f"{FAILED}; no agent with its skills lists 'train'; builder takes generic tasks"


def test_an_agent_to_which_a_rule_sends_generic_tasks_is_a_generalist_too(inject):
    inject(rules.RuleBook, "for_type")
    agents = [an_agent("builder", task_types=("implement",)), an_agent("anything", task_types=("content",))]
    sent = [{"id": "rest", "when": {"type": "generic"}, "then": "anything"}]
    found = route_tasks(a_task("x", type="generic"), a_task("y", type="train"), agents=agents, rules=sent)
    assert [route.agent for route in found.values()] == ["anything", "anything"]


def test_without_a_generalist_with_the_skills_a_leaf_is_unassigned_and_says_why(inject):
    inject(rules.RuleBook, "for_type")
    found = route_tasks(a_task("x", type="train", requires=["gpu"]))["x"]
    assert (found.agent, found.degraded) == (None, True)
    assert found.reason == f"{FAILED}; no agent with its skills lists 'train'"


@pytest.mark.parametrize(("owner", "name"), PARTS)
def test_a_pin_is_honoured_or_refused_and_never_given_to_another_agent(inject, owner, name):
    inject(owner, name)
    found = route_tasks(
        a_task("ok", type="content", agent="writer"),
        a_task("generic", type="generic", agent="writer"),
        a_task("type", type="test", agent="writer"),
        a_task("who", type="test", agent="nobody"),
        a_task("skill", type="test", agent="builder", requires=["tests"]),
    )
    assert [route.agent for route in found.values()] == ["writer", "writer", None, None, None]


def test_a_refused_pin_says_so(inject):
    inject(Assignment, "_rank_agents")
    inject(similarity.SimilarityReader, "read")
    found = route_tasks(a_task("ok", type="content", agent="writer"), a_task("who", type="test", agent="nobody"))
    assert found["ok"].reason == f"{FAILED}; the plan asks for writer"
    assert found["who"].reason == f"{FAILED}; the plan asks for nobody, which does not exist or cannot take the task"


def test_a_pin_to_an_agent_that_a_rule_sends_its_type_to_is_honoured(inject):
    inject(similarity.SimilarityReader, "read")
    sent = [{"id": "ml", "when": {"type": "train"}, "then": "writer"}]
    assert route_tasks(a_task("x", type="train", agent="writer"), rules=sent)["x"].agent == "writer"


def test_leaves_that_were_routed_by_a_lesser_way_count_as_load(monkeypatch):
    original = similarity.SimilarityReader.read
    monkeypatch.setattr(
        similarity.SimilarityReader, "read", lambda self, text: boom() if "odd" in text else original(self, text)
    )
    twins = [an_agent(name, task_types=("test",)) for name in ("first", "second")]
    tasks = [a_task("odd", type="test", description="odd"), a_task("even", type="test", description="even")]
    found = route_tasks(*tasks, agents=twins, rules=[])
    assert [route.agent for route in found.values()] == ["first", "second"]


def test_a_bug_that_meets_one_leaf_leaves_the_others_as_they_are(monkeypatch):
    original = similarity.SimilarityReader.read
    monkeypatch.setattr(
        similarity.SimilarityReader, "read", lambda self, text: boom() if "odd" in text else original(self, text)
    )
    tasks = [a_task("even", type="test", description="Run tests"), a_task("odd", type="test", description="odd tests")]
    found = route_tasks(*tasks)
    assert (found["even"].degraded, found["odd"].degraded) == (False, True)
    monkeypatch.undo()
    assert found["even"] == route_tasks(*tasks)["even"]


def test_a_faulty_registry_is_an_error_still():
    with pytest.raises(RoutingError, match="there is no agent 'nobody'"):
        Router(registry(rules=[{"id": "r", "when": {"type": "x"}, "then": "nobody"}]))


def test_a_step_down_is_one_line_in_the_log_and_a_count_of_the_leaves(inject, caplog):
    inject(rules.RuleBook, "for_type")
    before = metrics_of_process().values(STEPS_DOWN)
    with caplog.at_level(logging.WARNING, "genesis"):
        route_tasks(*[a_task(f"t{n}", type="test") for n in range(5)])
    assert [record.getMessage() for record in caplog.records] == ["routing fell back from capability to profiles"]
    assert caplog.records[0].reason == BUG
    assert Counter(metrics_of_process().values(STEPS_DOWN)) - Counter(before) == {
        ("routing", "capability", "profiles"): 5
    }


@pytest.mark.parametrize(
    ("owner", "name", "types"),
    [
        (rules.RuleBook, "for_type", ("train", "test", "generic")),
        (Assignment, "_rank_agents", ("test", "generic")),
        (capability.Team, "__init__", ("train", "test", "generic")),
    ],
)
def test_a_plan_that_was_routed_by_a_lesser_way_can_run_and_its_report_warns(inject, owner, name, types):
    inject(owner, name)
    plan = a_plan(*[a_task(f"t-{each}", type=each) for each in types])
    report = prepare(plan, registry(), settings=Settings()).report
    assert report.ok
    told = [found for found in report.warnings if found.code == "GEN-ROUTE-DEGRADED"]
    assert [found.task for found in told] == [task.id for task in plan.tasks]
    assert BUG in told[0].message


def test_a_route_says_that_it_is_degraded_only_where_it_is(inject):
    task = a_task("x", type="test")
    assert "degraded" not in route_tasks(task)["x"].model_dump()
    inject(Assignment, "_rank_agents")
    assert route_tasks(task)["x"].model_dump()["degraded"] is True
