"""Whatever the plan and the registry: every leaf gets a route, the same one each time, and never to the wrong agent."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genesis.model import AgentProfile, Plan, Registry, Rule, Task
from genesis.routing import load_registry, parse_decision, route
from genesis.structure import outline

TYPES = ("generic", "test", "code", "ops")
SKILLS = ("sql", "css", "testing")
WORDS = ("test", "code", "deploy", "Suppe", "部署", "the", "17", "sql-injection", "\u0000", "Agent")
NAMES = ("qa", "dev_agent", "opsAgent", "küche")
PACKAGED = load_registry()
PROFILE = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
skills = st.lists(st.sampled_from(SKILLS), max_size=2, unique=True).map(tuple)


@st.composite
def conditions(draw, depth=2):
    kinds = ["type", "skill", "label", "input", "description"] + (["all", "any", "not"] if depth else [])
    match draw(st.sampled_from(kinds)):
        case "type":
            return {"type": draw(st.sampled_from([*TYPES, {"in": ["test", "generic"]}]))}
        case "skill":
            return {"skill": draw(st.sampled_from(SKILLS))}
        case "label":
            return {"label": {"layer": draw(st.sampled_from(["web", "db"]))}}
        case "input":
            return {"input": draw(st.sampled_from(["path", {"path": 1}, {"in": ["path", "url"]}]))}
        case "description":
            return {"description": draw(st.sampled_from(["test", "^code", "."]))}
        case "not":
            return {"not": draw(conditions(depth - 1))}
        case kind:
            return {kind: draw(st.lists(conditions(depth - 1), min_size=1, max_size=2))}


@st.composite
def registries(draw):
    agents = [
        AgentProfile.model_validate(
            {
                "name": name,
                "description": draw(texts),
                "task_types": draw(st.lists(st.sampled_from(TYPES), max_size=3)),
                "skills": draw(skills),
                "success_rate": draw(st.sampled_from([0, 0.5, 0.8, 1])),
                "max_concurrency": draw(st.integers(1, 4)),
                "cost": draw(st.sampled_from([{}, {"usd_per_task": 0.5}, {"usd_per_1k_tokens": 0.1}])),
            }
        )
        for name in draw(st.lists(st.sampled_from(NAMES), unique=True))
    ]
    rules = []
    if agents:
        drawn = draw(st.lists(st.tuples(conditions(), st.sampled_from(agents), st.integers(1, 3)), max_size=3))
        rules = [
            Rule.model_validate({"id": str(index), "when": when, "then": agent.name, "priority": priority})
            for index, (when, agent, priority) in enumerate(drawn)
        ]
    return Registry(agents=tuple(agents), rules=tuple(rules))


@st.composite
def tasks(draw, depth=2):
    return Task(
        id=draw(st.sampled_from("abc")),
        type=draw(st.sampled_from([*TYPES, "nobody-takes-this"])),
        description=draw(texts),
        requires=draw(skills),
        depends_on=draw(st.lists(st.sampled_from(["a", "b", "zzz", "a/b"]), max_size=2).map(tuple)),
        labels=draw(st.sampled_from([{}, {"layer": "web"}])),
        inputs=draw(st.sampled_from([{}, {"path": 1}, {"path": "x"}])),
        agent=draw(st.sampled_from([None, None, None, "qa", "nobody"])),
        subtasks=tuple(draw(st.lists(tasks(depth - 1), max_size=2))) if depth else (),
    )


plans = st.lists(tasks(), max_size=6).map(lambda rows: Plan(request="r", tasks=tuple(rows)))
loads = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 50))


def leaves(plan):
    """The leaves by path as the outline sees them, the first of each path."""
    found = {}
    for node in outline(plan).leaf_nodes():
        found.setdefault(node.path, node.task)
    return found


@PROFILE
@given(plans, registries(), loads)
def test_every_leaf_has_a_route_that_holds(plan, registry, load):
    agents = {agent.name: agent for agent in registry.agents}
    granted = {rule.then for rule in registry.rules}
    routed = route(plan, registry, load=load)
    tasks_by_path = leaves(plan)
    assert list(routed.routes) == list(tasks_by_path)
    for path, found in routed.routes.items():
        task = tasks_by_path[path]
        assert found.reason
        if found.agent is None:
            assert found.score is None
            assert found.alternatives == ()
            continue
        others = [other.agent for other in found.alternatives]
        assert len(others) == len({*others, found.agent}) - 1 <= 3
        assert [other.score for other in found.alternatives] == sorted(
            (other.score for other in found.alternatives), reverse=True
        )
        for name in (found.agent, *others):
            assert set(task.requires) <= set(agents[name].skills)
            assert task.type in agents[name].task_types or task.type == "generic" or name in granted
        if task.agent is not None:
            assert found.agent == task.agent


@PROFILE
@given(plans, registries(), loads)
def test_no_alternative_scores_higher_without_the_reason_being_said(plan, registry, load):
    for found in route(plan, registry, load=load).routes.values():
        higher = [other for other in found.alternatives if other.score > (found.score or 0)]
        for other in higher:
            assert other.agent in found.reason
            assert "scores higher, but: " in other.reason
        if higher:
            assert parse_decision(found.reason)[0] in ("pin", "rule", "description")
        else:
            assert "higher" not in found.reason + "".join(other.reason for other in found.alternatives)


@PROFILE
@given(plans, registries(), loads)
def test_the_same_arguments_give_the_same_routes(plan, registry, load):
    again = Registry.model_validate(registry.model_dump(by_alias=True, exclude_none=True))
    assert route(plan, registry, load=load) == route(plan, again, load=load)


@PROFILE
@given(plans, registries())
def test_an_agent_that_could_do_it_is_never_passed_over_for_nobody(plan, registry):
    tasks_by_path = leaves(plan)
    for path, found in route(plan, registry).routes.items():
        task = tasks_by_path[path]
        able = [
            agent
            for agent in registry.agents
            if task.type in agent.task_types and set(task.requires) <= set(agent.skills)
        ]
        if able and task.agent is None:
            assert found.agent is not None


@PROFILE
@given(tasks(depth=0), registries(), st.randoms(use_true_random=False))
def test_the_order_of_the_agents_decides_nothing_but_ties(task, registry, rng):
    shuffled = list(registry.agents)
    rng.shuffle(shuffled)
    plan = Plan(request="r", tasks=(task,))
    ((_, first),) = route(plan, registry).routes.items()
    ((_, second),) = route(plan, registry.model_copy(update={"agents": tuple(shuffled)})).routes.items()
    assert (first.agent is None, first.score) == (second.agent is None, second.score)
    scores = {other.agent: other.score for other in (first, *first.alternatives)}
    for other in (second, *second.alternatives):
        assert scores.get(other.agent, other.score) == other.score


@PROFILE
@given(plans, registries())
def test_routes_that_were_reviewed_stay_as_they_are(plan, registry):
    routed = route(plan, registry)
    written = _with_routes(plan.tasks, routed.routes, "")
    kept = route(plan.model_copy(update={"tasks": written}), registry, keep=True, load={"qa": 99})
    for path, found in routed.routes.items():
        if found.agent is not None:
            assert kept.routes[path] == found


@PROFILE
@given(plans)
def test_packaged_registry_refuses_nothing_but_what_it_should(plan):
    registry = PACKAGED
    known = {kind for agent in registry.agents for kind in agent.task_types}
    tasks_by_path = leaves(plan)
    for path, found in route(plan, registry).routes.items():
        task = tasks_by_path[path]
        if task.agent is None and not task.requires and task.type in known:
            assert found.agent is not None


def _with_routes(rows, routes, prefix):
    return tuple(
        task.model_copy(
            update={"subtasks": _with_routes(task.subtasks, routes, f"{prefix}{task.id}/")}
            if task.subtasks
            else {"route": routes[f"{prefix}{task.id}"]}
        )
        for task in rows
    )
