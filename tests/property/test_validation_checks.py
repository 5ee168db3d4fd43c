"""No plan, however broken, makes a check raise, and every report keeps its form."""

import math
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genesis.model import Plan, Registry, Resources, Route, RoutedPlan
from genesis.validation import CHECKS, validate

_IDS = st.sampled_from(["a", "b", "c", "d", "build", "deploy", "test"])
_NAMES = st.one_of(_IDS, st.sampled_from(["a/b", "c/a", "gone", "", "/", "a/", "b/c/d", "biuld"]))
_TYPES = st.sampled_from(["generic", "test", "implement", "deploy", "design", "weird", ""])
_TEXTS = st.one_of(
    st.text(min_size=1, max_size=60),
    st.sampled_from(
        [
            "Deploy the shop",
            "Test the shop",
            "Implement the shop",
            "Write unit tests for login",
            "{a.x} {b.y} {v}",
            "TODO",
        ]
    ),
)
_REFERENCES = ["{a.x}", "{b.result}", "{v}", "{{v}}", "{c/a.x}", "{", "}"]
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(_REFERENCES)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=4,
)
_NUMBERS = st.one_of(st.just(0.0), st.floats(min_value=0, allow_infinity=False, allow_nan=False))


def _task(children):
    return st.fixed_dictionaries(
        {"id": _IDS, "description": _TEXTS},
        optional={
            "type": _TYPES,
            "depends_on": st.lists(_NAMES, max_size=4),
            "subtasks": children,
            "requires": st.lists(st.sampled_from(["x", "y", "z"]), max_size=3),
            "labels": st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["1", "2"]), max_size=2),
            "inputs": st.dictionaries(st.sampled_from(["i", "j"]), _VALUES, max_size=2),
            "outputs": st.lists(st.sampled_from(["x", "y"]), max_size=3),
            "agent": st.sampled_from(["one", "two", "nobody"]),
            "estimate": st.fixed_dictionaries(
                {}, optional={"seconds": _NUMBERS, "usd": _NUMBERS, "tokens": st.integers(0, 10**12)}
            ),
            "timeout_s": st.floats(min_value=1e-9, max_value=1e9),
            "retries": st.integers(0, 100),
            "resources": st.sampled_from([{"cpu": 2}, {"gpu": 1, "tags": ["x"]}, {"memory": "1Gi"}]),
            "priority": st.integers(-1000, 1000),
            "cache": st.one_of(st.sampled_from(["none", "run"]), st.just({"ttl_s": 5})),
            "side_effects": st.booleans(),
            "approval": st.booleans(),
        },
    )


_TASKS = st.recursive(
    st.lists(_task(st.just([])), max_size=5), lambda inner: st.lists(_task(inner), max_size=4), max_leaves=12
)
_PLANS = st.fixed_dictionaries(
    {
        "request": st.one_of(st.text(min_size=1, max_size=200), st.just("Build a shop, test it and deploy it")),
        "tasks": _TASKS,
    },
    optional={
        "planner": st.sampled_from(["llm", "heuristic", "minimal", "file"]),
        "budget": st.fixed_dictionaries({}, optional={"usd": _NUMBERS, "tokens": st.integers(0, 1000)}),
        "deadline_s": st.floats(min_value=1e-6, max_value=1e6),
        "vars": st.dictionaries(st.sampled_from(["v", "w"]), st.text(max_size=5), max_size=2),
    },
)
_ROUTES = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "a/b", "c/a", "build", "deploy", "test", "gone"]),
    st.builds(
        Route,
        agent=st.sampled_from(["one", "two", "nobody", None]),
        score=st.one_of(st.none(), st.floats(0, 1)),
        reason=st.text(max_size=5),
    ),
)
_EXECUTORS = st.sampled_from(
    [
        None,
        {"kind": "brief"},
        {"kind": "a2a", "url": "http://127.0.0.1/"},
        {"kind": "command", "argv": ["x"]},
        {"kind": "http", "url": "http://127.0.0.1/", "headers": {"A": "{secret:K} {secret:}"}},
        {"kind": "llm"},
    ]
)
_AGENTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["one", "two"])},
        optional={
            "task_types": st.lists(_TYPES, max_size=4),
            "skills": st.lists(st.sampled_from(["x", "y"]), max_size=2),
            "executor": _EXECUTORS,
            "success_rate": st.floats(0, 1),
            "max_concurrency": st.integers(1, 5),
            "secrets": st.lists(st.sampled_from(["K", "L"]), max_size=2),
            "cost": st.fixed_dictionaries({}, optional={"usd_per_task": _NUMBERS, "usd_per_1k_tokens": _NUMBERS}),
        },
    ),
    max_size=3,
)


class _Refusing:
    def executor_problem(self, spec, agent):
        return "refused"

    def input_problem(self, spec, inputs):
        return "refused"

    def sandbox_gap(self, spec, agent):
        return "missing"

    def resources(self):
        return Resources(cpu=1)

    def secret_present(self, name):
        return False


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(plan=_PLANS, routes=_ROUTES, agents=_AGENTS, slots=st.integers(-1, 20), probed=st.booleans())
def test_every_plan_gets_a_report_of_the_right_form(plan, routes, agents, slots, probed):
    routed = RoutedPlan(plan=Plan.model_validate(plan), routes=routes)
    registry = Registry.model_validate({"agents": agents})
    report = validate(routed, registry, slots=slots, probe=_Refusing() if probed else None)
    severity = {check.code: check.severity for check in CHECKS}
    rank = ["error", "warning", "info"]
    assert [rank.index(d.severity) for d in report.diagnostics] == sorted(
        rank.index(d.severity) for d in report.diagnostics
    )
    assert all(severity[d.code] == d.severity and d.message and d.hint for d in report.diagnostics)
    assert report.ok == (not report.errors)
    assert all(math.isfinite(part) and 0 <= part <= 1 for part in (report.score, *report.parts.model_dump().values()))
    assert report == validate(routed, registry, slots=slots, probe=_Refusing() if probed else None)
    type(report).model_validate_json(report.model_dump_json())


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 30), data=st.data())
def test_a_random_dag_has_no_structural_error_and_a_back_edge_makes_a_cycle(count, data):
    tasks = []
    for n in range(count):
        after = data.draw(st.lists(st.integers(0, n - 1), max_size=3, unique=True)) if n else []
        tasks.append({"id": f"t{n}", "description": f"Convert document {n}", "depends_on": [f"t{m}" for m in after]})
    registry = Registry.model_validate({"agents": [{"name": "one", "task_types": ["generic"]}]})

    def report(tasks):
        routes = {task["id"]: Route(agent="one", score=0.5) for task in tasks}
        return validate(
            RoutedPlan(plan=Plan.model_validate({"request": "Convert", "tasks": tasks}), routes=routes), registry
        )

    assert report(tasks).errors == ()
    chained = [
        {**task, "depends_on": sorted({*task["depends_on"], *([f"t{n - 1}"] if n else [])})}
        for n, task in enumerate(tasks)
    ]
    chained[0]["depends_on"] = [f"t{count - 1}"]
    [found] = report(chained).errors
    assert found.code == "GEN-CYCLE"
    path = found.evidence["cycle"]
    assert path[0] == path[-1]
    by_id = {task["id"]: task for task in chained}
    assert all(earlier in by_id[later]["depends_on"] for earlier, later in pairwise(path))
