from __future__ import annotations

from collections import Counter

import pytest

from genesis.errors import RoutingError
from genesis.model import AgentProfile, Plan, Registry, Route, Rule
from genesis.routing import Router, load_registry, route


def plan(*tasks):
    rows = [{"id": f"t{index}", "description": "do it", **task} for index, task in enumerate(tasks)]
    return Plan.model_validate({"request": "r", "tasks": rows})


def agent(name, *types, **fields):
    return AgentProfile.model_validate({"name": name, "task_types": types, **fields})


def registry(*agents, rules=()):
    return Registry(agents=agents, rules=tuple(Rule.model_validate(rule) for rule in rules))


def route_tasks(task, team, **options):
    return route(plan(task), team, **options).routes["t0"]


TEAM = registry(
    agent("qa", "test", "review", skills=["testing"], success_rate=0.9, description="Tests software"),
    agent("dev", "code", "generic", "test", skills=["coding", "testing"], description="Writes code and features"),
    agent("web", "ui", "code", skills=["css", "coding"], success_rate=0.7, description="Makes pages and layouts"),
    rules=[
        {"id": "ml", "when": {"all": [{"type": "code"}, {"label": {"domain": "ml"}}]}, "then": "qa", "priority": 20},
        {"id": "style", "when": {"skill": "css"}, "then": "web", "because": "it styles"},
        {"id": "generic", "when": {"type": "generic"}, "then": "dev", "priority": 5, "because": "somebody must"},
    ],
)


class TestPins:
    def test_pin_is_honoured_over_a_better_fit(self):
        found = route_tasks({"type": "test", "agent": "dev"}, TEAM)
        assert found.agent == "dev"
        assert found.reason == "the plan asks for dev (although qa scores higher)"
        assert [other.agent for other in found.alternatives] == ["qa"]
        assert found.alternatives[0].score > found.score

    def test_unknown_agent_is_refused_with_the_closest_name(self):
        found = route_tasks({"type": "test", "agent": "qaa"}, TEAM)
        assert found.agent is None
        assert found.reason == "the plan asks for 'qaa', which does not exist; did you mean 'qa'?"

    def test_agent_without_the_type_is_refused(self):
        assert route_tasks({"type": "ui", "agent": "qa"}, TEAM).agent is None
        assert "qa, which does not take the type 'ui'" in route_tasks({"type": "ui", "agent": "qa"}, TEAM).reason

    def test_agent_without_the_skill_is_refused(self):
        found = route_tasks({"type": "test", "agent": "qa", "requires": ["testing", "coding"]}, TEAM)
        assert found.agent is None
        assert "qa, which does not have the skill 'coding'" in found.reason

    def test_every_agent_may_be_asked_for_a_generic_task(self):
        assert route_tasks({"agent": "web"}, TEAM).agent == "web"

    def test_type_that_a_rule_grants_may_be_pinned(self):
        assert route_tasks({"type": "code", "agent": "qa", "labels": {"domain": "ml"}}, TEAM).agent == "qa"
        assert route_tasks({"type": "code", "agent": "qa"}, TEAM).agent is None


class TestRules:
    def test_higher_priority_wins_and_may_grant_a_type(self):
        found = route_tasks({"type": "code", "labels": {"domain": "ml"}}, TEAM)
        assert (found.agent, found.reason) == ("qa", "rule 'ml' sends it to qa (although dev, web score higher)")
        assert {other.agent for other in found.alternatives} == {"dev", "web"}

    def test_rule_without_a_type_fires(self):
        found = route_tasks({"type": "code", "requires": ["css"]}, TEAM)
        assert (found.agent, found.reason) == ("web", "rule 'style': it styles")

    def test_rule_whose_agent_lacks_a_skill_gives_way(self):
        found = route_tasks({"type": "code", "labels": {"domain": "ml"}, "requires": ["coding"]}, TEAM)
        assert found.agent == "dev"
        assert "rule" not in found.reason

    def test_rule_can_send_a_type_that_nobody_lists(self):
        team = registry(agent("a"), rules=[{"id": "r", "when": {"type": "odd"}, "then": "a"}])
        assert route_tasks({"type": "odd"}, team).agent == "a"


class TestCapability:
    def test_best_fit_takes_the_task_and_the_others_are_alternatives(self):
        found = route_tasks({"type": "test", "description": "Tests of software"}, TEAM)
        assert found.agent == "qa"
        assert found.reason == "best of 2 that take 'test' (success rate 0.90)"
        assert [other.agent for other in found.alternatives] == ["dev"]
        assert 0 <= found.alternatives[0].score < found.score <= 1

    def test_only_taker_is_called_so(self):
        found = route_tasks({"type": "ui"}, TEAM)
        assert (found.agent, found.reason) == ("web", "the only agent that takes 'ui'")
        assert found.alternatives == ()

    def test_required_skills_are_needed_by_everyone_named(self):
        found = route_tasks({"type": "test", "requires": ["coding"]}, TEAM)
        assert found.agent == "dev"
        assert found.alternatives == ()

    def test_at_most_three_alternatives_best_first(self):
        team = registry(*[agent(f"a{index}", "x", success_rate=index / 10) for index in range(6)])
        found = route_tasks({"type": "x"}, team)
        assert [found.agent, *[other.agent for other in found.alternatives]] == ["a5", "a4", "a3", "a2"]

    def test_ties_go_by_the_order_of_the_registry(self):
        found = route_tasks({"type": "x"}, registry(agent("b", "x"), agent("a", "x"), agent("c", "x")))
        assert [found.agent, *[other.agent for other in found.alternatives]] == ["b", "a", "c"]

    def test_description_decides_between_equals(self):
        team = registry(agent("a", "x", description="Cooks soup"), agent("b", "x", description="Paints walls"))
        assert route_tasks({"type": "x", "description": "Painting the wall"}, team).agent == "b"

    def test_cheaper_agent_wins_between_equals(self):
        dear, cheap = ({"usd_per_task": usd} for usd in (0.5, 0.1))
        assert (
            route_tasks({"type": "x"}, registry(agent("a", "x", cost=dear), agent("b", "x", cost=cheap))).agent == "b"
        )

    def test_price_of_the_type_counts_before_the_agents_own(self):
        dear = agent("a", "x", cost={"usd_per_task": 0.5}, costs={"x": {"usd_per_task": 0}})
        assert route_tasks({"type": "x"}, registry(agent("b", "x", cost={"usd_per_task": 0.1}), dear)).agent == "a"

    def test_price_for_tokens_depends_on_the_estimate(self):
        team = registry(
            agent("tokens", "x", cost={"usd_per_1k_tokens": 0.1}), agent("task", "x", cost={"usd_per_task": 0.2})
        )
        assert route_tasks({"type": "x", "estimate": {"tokens": 500}}, team).agent == "tokens"
        assert route_tasks({"type": "x", "estimate": {"tokens": 9000}}, team).agent == "task"


class TestLoad:
    TWO = registry(agent("a", "x", max_concurrency=5), agent("b", "x", max_concurrency=10))

    def test_work_is_shared_by_concurrency(self):
        counts = Counter(found.agent for found in route(plan(*[{"type": "x"}] * 300), self.TWO).routes.values())
        assert counts["a"] == pytest.approx(100, abs=3)

    def test_capacity_is_no_total(self):
        team = registry(agent("a", "x", max_concurrency=1))
        assert all(found.agent == "a" for found in route(plan(*[{"type": "x"}] * 50), team).routes.values())

    def test_running_tasks_of_other_requests_count(self):
        assert route_tasks({"type": "x"}, self.TWO).agent == "a"
        assert route_tasks({"type": "x"}, self.TWO, load={"a": 5, "stranger": 9}).agent == "b"

    def test_negative_load_is_no_advantage(self):
        assert route_tasks({"type": "x"}, registry(agent("a", "x"), agent("b", "x")), load={"b": -50}).agent == "a"

    def test_reason_says_that_a_better_fit_is_busier(self):
        team = registry(agent("a", "x", success_rate=0.81), agent("b", "x", success_rate=0.8))
        found = route_tasks({"type": "x"}, team, load={"a": 20})
        assert found.agent == "b"
        assert found.reason == "takes 'x'; a fits better but already has more to do"

    def test_clearly_better_agent_keeps_its_work(self):
        team = registry(agent("a", "x", success_rate=1.0), agent("b", "x", success_rate=0.1))
        assert route_tasks({"type": "x"}, team, load={"a": 1000}).agent == "a"


class TestGeneric:
    def test_clear_description_wins_over_the_default_rule(self):
        found = route_tasks({"description": "Make pages with new layouts"}, TEAM)
        assert (found.agent, found.reason) == ("web", "the description points at web (although dev scores higher)")
        assert "dev" in [other.agent for other in found.alternatives]

    def test_unclear_description_goes_to_the_default_rule(self):
        found = route_tasks({"description": "Do the needful"}, TEAM)
        assert (found.agent, found.reason) == ("dev", "rule 'generic': somebody must")

    def test_description_never_overrides_a_missing_skill(self):
        assert route_tasks({"description": "Make pages and layouts", "requires": ["testing"]}, TEAM).agent == "dev"

    def test_skill_alone_finds_an_agent(self):
        team = registry(agent("a", "x", skills=["sql"]), agent("b", "y"))
        assert route_tasks({"requires": ["sql"]}, team).agent == "a"

    def test_agent_that_lists_generic_takes_it_without_a_rule(self):
        assert route_tasks({}, registry(agent("a", "x"), agent("b", "generic"))).agent == "b"

    def test_nothing_to_go_by_is_unassigned(self):
        found = route_tasks({}, registry(agent("a", "x")))
        assert found.agent is None
        assert "give the task a type" in found.reason


class TestNobody:
    @pytest.mark.parametrize(
        ("task", "reason"),
        [
            ({"type": "tset"}, "no agent takes the type 'tset'; did you mean 'test'?"),
            ({"type": "zzz"}, "no agent takes the type 'zzz'"),
            ({"type": "test", "requires": ["testin"]}, "no agent has the skill 'testin'; did you mean 'testing'?"),
            (
                {"type": "ui", "requires": ["testing"]},
                "no agent that takes 'ui' has the skill 'testing'; not taking it, but with it: qa, dev",
            ),
            (
                {"type": "test", "requires": ["testing", "css"]},
                "no agent has all of the skills 'testing', 'css'",
            ),
        ],
    )
    def test_reason_says_what_is_missing(self, task, reason):
        found = route_tasks(task, TEAM)
        assert found == Route(agent=None, reason=reason)

    def test_empty_registry_means_nobody(self):
        found = route_tasks({"type": "test"}, Registry(agents=()))
        assert found == Route(agent=None, reason="the registry has no agent")


class TestPlans:
    def test_leaves_are_routed_by_path_in_document_order(self):
        tree = plan(
            {"id": "a", "subtasks": [{"id": "x", "description": "d"}, {"id": "y", "description": "d"}]}, {"id": "b"}
        )
        assert list(route(tree, TEAM).routes) == ["a/x", "a/y", "b"]

    def test_first_of_two_leaves_with_one_path_counts(self):
        twice = plan({"id": "a", "type": "ui"}, {"id": "a", "type": "test"})
        assert {path: found.agent for path, found in route(twice, TEAM).routes.items()} == {"a": "web"}

    def test_cycles_and_dangling_names_are_left_to_validation(self):
        broken = plan({"id": "a", "depends_on": ["b"]}, {"id": "b", "depends_on": ["a", "nobody"]})
        assert len(route(broken, TEAM).routes) == 2

    def test_deep_nesting_is_no_problem(self):
        task = {"id": "leaf", "description": "d", "type": "ui"}
        for _ in range(60):
            task = {"id": "s", "description": "d", "subtasks": [task]}
        assert next(iter(route(plan(task), TEAM).routes.values())).agent == "web"

    def test_reviewed_routes_are_kept_and_count_as_load(self):
        team = registry(agent("a", "x", max_concurrency=1), agent("b", "x", max_concurrency=1))
        reviewed = {"type": "x", "route": {"agent": "a", "score": 0.1, "reason": "by hand"}}
        open_leaf = {"type": "x", "route": {"agent": None, "reason": "nobody"}}
        found = route(plan(open_leaf, reviewed), team, keep=True).routes
        assert (found["t0"].agent, found["t1"].agent, found["t1"].reason) == ("b", "a", "by hand")
        assert route(plan(open_leaf, reviewed), team).routes["t1"].reason != "by hand"

    def test_kept_route_to_a_vanished_agent_stays_for_validation_to_see(self):
        gone = {"type": "x", "route": {"agent": "gone", "score": 0.1, "reason": "by hand"}}
        assert route(plan(gone), TEAM, keep=True).routes["t0"].agent == "gone"

    def test_example_of_the_plan_file_is_routed(self):
        tasks = [
            {"type": "research", "description": "List languages, sizes and entry points"},
            {"type": "test", "description": "Lint the sources", "requires": ["testing"]},
            {"type": "test_run", "description": "Run the test suite"},
            {"type": "reporting", "description": "Write the audit report"},
        ]
        found = [row.agent for row in route(plan(*tasks), load_registry()).routes.values()]
        assert found == ["research_agent", "qa_agent", "qa_agent", "analytics_agent"]

    def test_one_router_serves_many_plans_alike(self):
        router = Router(TEAM)
        assert router.route(plan({"type": "test"})) == router.route(plan({"type": "test"}))


@pytest.mark.parametrize(
    "faulty",
    [
        Registry(agents=(agent("a"), agent("a"))),
        registry(agent("a"), rules=[{"id": "r", "when": {"type": "x"}, "then": "b"}]),
        registry(agent("a"), rules=[{"id": "r", "when": {"description": "("}, "then": "a"}]),
    ],
)
def test_faulty_registry_is_refused(faulty):
    with pytest.raises(RoutingError, match="the registry cannot be used"):
        route(plan({}), faulty)


@pytest.mark.parametrize(
    ("description", "agent_name"),
    [
        ("Write user stories and acceptance criteria", "spec_agent"),
        ("Choose an architecture that scales", "architect_agent"),
        ("Refactor the parser code", "builder_agent"),
        ("Style the landing page and make it accessible", "frontend_agent"),
        ("Design a database schema and a REST API", "backend_agent"),
        ("Add regression tests", "qa_agent"),
        ("Look for leaked secrets and vulnerabilities", "security_agent"),
        ("Deploy containers to the cloud", "deploy_agent"),
        ("Set up alerts and dashboards", "monitoring_agent"),
        ("Plan a social media campaign", "marketing_agent"),
        ("Negotiate with leads and send offers", "sales_agent"),
        ("Write the onboarding manual for customers", "support_agent"),
        ("Draw charts of usage trends", "analytics_agent"),
        ("Survey the literature and competitors", "research_agent"),
        ("Forecast revenue and costs", "finance_agent"),
        ("Räume bitte auf", "builder_agent"),
        ("hello", "builder_agent"),
    ],
)
def test_packaged_agents_are_found_by_what_is_asked(description, agent_name):
    assert route_tasks({"description": description}, load_registry()).agent == agent_name


def test_audit_types_go_to_their_specialists():
    expected = {
        "inventory": "research", "dependencies": "backend", "lint": "qa", "tests": "qa", "secrets": "security",
        "todos": "builder", "history": "research", "licence": "spec", "documentation": "support",
        "complexity": "architect", "ci": "deploy", "report": "analytics",
    }  # fmt: skip
    tasks = [{"type": f"audit_{kind}", "description": "Räume auf"} for kind in expected]
    found = [row.agent for row in route(plan(*tasks), load_registry()).routes.values()]
    assert found == [f"{name}_agent" for name in expected.values()]


OFFERS = registry(
    agent("small", "test", success_rate=1.0, resources={"cpu": 2}),
    agent("large", "test", resources={"cpu": 16, "gpu": 1, "tags": ["linux"]}),
    agent("other", "review", resources={"gpu": 4}),
    rules=[{"id": "first", "when": {"label": {"speed": "low"}}, "then": "small"}],
)


class TestResources:
    def test_only_an_agent_that_offers_them_is_chosen_and_an_alternative(self):
        assert route_tasks({"type": "test", "resources": {"cpu": 2}}, OFFERS).agent == "small"
        found = route_tasks({"type": "test", "resources": {"cpu": 4}}, OFFERS)
        assert (found.agent, found.alternatives) == ("large", ())

    def test_a_rule_to_an_agent_without_them_does_not_count(self):
        task = {"type": "test", "labels": {"speed": "low"}}
        assert route_tasks(task, OFFERS).agent == "small"
        assert route_tasks({**task, "resources": {"gpu": 1}}, OFFERS).agent == "large"

    def test_where_no_agent_offers_them_the_reason_names_what_is_lacking(self):
        found = route_tasks({"type": "test", "resources": {"gpu": 2}}, OFFERS)
        assert found.agent is None
        lacking = "small lacks gpu 2 (it has 0), large lacks gpu 2 (it has 1)"
        assert found.reason == f"no agent that takes 'test' offers its resources: {lacking}"

    def test_a_pin_to_an_agent_without_them_is_refused(self):
        found = route_tasks({"type": "test", "agent": "small", "resources": {"tags": ["linux"]}}, OFFERS)
        assert found.agent is None
        assert found.reason == "the plan asks for small, which does not offer the tag 'linux'"
