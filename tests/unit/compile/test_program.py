import pytest

from genesis.compile import compile_program
from genesis.errors import PlanInvalidError
from genesis.model import AgentProfile, Plan, Program, Registry, Route, RoutedPlan
from genesis.structure import outline
from genesis.testing import a_plan, a_task, an_agent

_REGISTRY = Registry(agents=(AgentProfile.model_validate({"name": "worker", "cost": {"usd_per_1k_tokens": 2}}),))


def _task(name: str, *children: dict, after: tuple[str, ...] = (), **more: object) -> dict:
    return {"id": name, "description": name, "depends_on": list(after), "subtasks": list(children), **more}


def _route(*tasks: dict, agent: str | None = "worker", **head: object) -> RoutedPlan:
    plan = Plan.model_validate({"version": 1, "request": "r", "tasks": list(tasks), **head})
    return RoutedPlan(plan=plan, routes={n.path: Route(agent=agent, reason="no") for n in outline(plan).leaf_nodes()})


def _edges(program: Program) -> dict[str, list[str]]:
    return {leaf.path: [program.leaves[source].path for source in leaf.after] for leaf in program.leaves}


def test_a_composite_waits_and_is_waited_for_by_its_entries_and_exits():
    program = compile_program(
        _route(
            _task("first"),
            _task("c", _task("x"), _task("y", after=("x",)), after=("first",)),
            _task("last", after=("c",)),
        ),
        _REGISTRY,
    )
    assert _edges(program) == {"first": [], "c/x": ["first"], "c/y": ["first", "c/x"], "last": ["c/y"]}


def test_siblings_without_an_edge_have_no_barrier():
    program = compile_program(
        _route(_task("a", _task("x"), _task("y")), _task("b", _task("z", after=("a/x",)), _task("w"))), _REGISTRY
    )
    assert _edges(program) == {"a/x": [], "a/y": [], "b/z": ["a/x"], "b/w": []}


def test_a_wide_composite_before_another_shares_its_edges():
    left = [_task(f"l{i}") for i in range(300)]
    right = [_task(f"r{i}") for i in range(300)]
    program = compile_program(_route(_task("a", *left), _task("b", *right, after=("a",))), _REGISTRY)
    assert program.leaves[300].after == tuple(range(300))
    assert program.leaves[300].after is program.leaves[599].after


def test_a_reference_makes_an_edge():
    program = compile_program(_route(_task("a", outputs=["k"]), _task("b", inputs={"x": "{a.k}"})), _REGISTRY)
    assert _edges(program)["b"] == ["a"]
    assert program.leaves[1].sources == {"a.k": 0}


def test_estimates_fall_back_to_the_default_and_the_agents_price():
    program = compile_program(
        _route(_task("a"), _task("b", estimate={"seconds": 3, "tokens": 1500}), _task("c", estimate={"usd": 0.5})),
        _REGISTRY,
        default_seconds=7,
    )
    assert [leaf.seconds for leaf in program.leaves] == [7, 3, 7]
    assert [float(leaf.usd) for leaf in program.leaves] == [0, 3.0, 0.5]


def test_fingerprints_follow_the_work_and_not_the_name():
    def prints(**change: object) -> list[str]:
        head = {"vars": {"path": ".", "unused": "x"}}
        first = {"inputs": {"p": "{path}"}, **change}
        routed = _route(_task("a", **first), _task("b", after=("a",)), **head)
        return [leaf.fingerprint for leaf in compile_program(routed, _REGISTRY).leaves]

    base = prints()
    assert prints() == base
    assert prints(timeout_s=5, retries=3, labels={"a": "b"}, estimate={"seconds": 9}) == base
    changed = prints(inputs={"p": "{path}/sub"})
    assert changed[0] != base[0]
    assert changed[1] != base[1]


def test_a_used_variable_changes_the_fingerprint_and_an_unused_one_does_not():
    def first(**values: str) -> str:
        routed = _route(_task("a", inputs={"p": "{path}"}), vars={"path": ".", **values})
        return compile_program(routed, _REGISTRY).leaves[0].fingerprint

    assert first() == first(other="x")
    assert first() != first(path="/srv")


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ((_task("a", after=("b",)), _task("b", after=("a",))), "cycle"),
        ((_task("a", _task("x", after=("a",))),), "cycle"),
        ((_task("a"), _task("a")), "two tasks have the path 'a'"),
        ((_task("a", after=("gone",)),), "depends on 'gone'"),
        ((_task("a"), _task("b", inputs={"x": "{a.gone}"})), "uses {a.gone}"),
    ],
)
def test_a_broken_plan_is_refused(tasks: tuple[dict, ...], said: str):
    with pytest.raises(PlanInvalidError) as caught:
        compile_program(_route(*tasks), _REGISTRY)
    assert said in caught.value.message


def test_a_leaf_without_an_agent_is_refused_with_the_reason():
    with pytest.raises(PlanInvalidError, match="no agent runs task 'a': no"):
        compile_program(_route(_task("a"), agent=None), _REGISTRY)


def test_a_route_to_an_unknown_agent_is_refused():
    with pytest.raises(PlanInvalidError, match="'ghost', which the registry does not have"):
        compile_program(_route(_task("a"), agent="ghost"), _REGISTRY)


def test_a_chain_of_thousands_compiles():
    tasks = [_task(f"t{i}", after=(f"t{i - 1}",) if i else ()) for i in range(5_000)]
    assert compile_program(_route(*tasks), _REGISTRY).leaves[-1].after == (4_998,)


def test_retries_with_delays_replace_the_plans_and_leave_the_fingerprint():
    long = {"times": 3, "delay_s": 5}
    plain, own = compile_program(
        _route(_task("a"), _task("b", description="a", retry=long), retries=1), _REGISTRY
    ).leaves
    assert (plain.retries, plain.retry) == (1, None)
    assert (own.retries, own.retry.delay_s) == (3, 5.0)
    assert own.fingerprint == plain.fingerprint


def test_the_values_of_the_parameters_that_a_leaf_uses_are_part_of_its_fingerprint():
    def prints(value: int) -> list[str]:
        params = {"n": {"type": "integer", "default": 1, "value": value}}
        program = compile_program(_route(_task("a", inputs={"x": "{n}"}), _task("b"), params=params), _REGISTRY)
        assert program.params == {"n": value}
        return [leaf.fingerprint for leaf in program.leaves]

    one, two = prints(1), prints(2)
    assert one[0] != two[0]
    assert one[1] == two[1]


def test_a_parameter_without_a_value_is_refused():
    with pytest.raises(PlanInvalidError, match="parameter 'n' has no value"):
        compile_program(_route(_task("a"), params={"n": {}}), _REGISTRY)


def test_variables_and_parameters_are_filled_into_descriptions_and_count_in_the_fingerprint():
    def leaf(year: int):
        task = _task("a", description="Load {year} of {city} as {{year}}, {json} and {{json}}", outputs=["k"])
        params = {"year": {"type": "integer", "default": year}}
        return compile_program(_route(task, params=params, vars={"city": "{year}"}), _REGISTRY).leaves[0]

    assert leaf(2025).description == "Load 2025 of {year} as {year}, {json} and {{json}}"
    assert leaf(2025).fingerprint != leaf(2026).fingerprint


def test_results_are_not_filled_into_descriptions():
    tasks = (_task("a", outputs=["k"]), _task("b", description="Use {a.k} and {{a.k}}", after=("a",)))
    assert compile_program(_route(*tasks), _REGISTRY).leaves[1].description == "Use {a.k} and {{a.k}}"


def test_a_description_without_references_keeps_the_fingerprint_of_earlier_versions():
    before = "387770af9c8cc8d64f1b4f501af4a80e92a29da2974c39e67d3539aa829fca9a"

    def prints(**head: object) -> str:
        task = _task("a", description="Write {json} {{x}}", inputs={"x": "{path}"})
        return compile_program(_route(task, **head), _REGISTRY).leaves[0].fingerprint

    assert prints(vars={"path": "."}) == before
    assert prints(vars={"path": "."}, params={"n": {"default": "1"}}) == before


def test_schemas_of_outputs_are_in_the_leaf_and_its_fingerprint():
    def leaf(outputs: object):
        return compile_program(_route(_task("a", outputs=outputs)), _REGISTRY).leaves[0]

    listed, mapped = leaf(["n"]), leaf({"n": {"type": "integer"}})
    assert (listed.outputs, listed.schemas) == (("n",), {})
    assert (mapped.outputs, mapped.schemas) == (("n",), {"n": {"type": "integer"}})
    assert len({listed.fingerprint, mapped.fingerprint, leaf({"n": {"type": "string"}}).fingerprint}) == 3


def test_the_environment_makes_edges_and_is_part_of_the_fingerprint():
    def leaf(env: object, **head: object):
        task = _task("b", env=env)
        return compile_program(_route(_task("a", outputs=["k"]), task, vars={"path": "."}), _REGISTRY).leaves[1]

    plain, own, other = leaf({}), leaf({"A": "{a.k}"}), leaf({"A": "x"})
    assert (own.after, own.env) == ((0,), {"A": "{a.k}"})
    assert len({plain.fingerprint, own.fingerprint, other.fingerprint}) == 3


def test_a_priority_is_that_of_the_innermost_task_with_one_and_not_in_the_fingerprint():
    inner = _task("outer", subtasks=[_task("own", priority=3), _task("inherited")], priority=-2)
    leaves = compile_program(_route(inner, _task("plain")), _REGISTRY).leaves
    assert [(leaf.path, leaf.priority) for leaf in leaves] == [("outer/own", 3), ("outer/inherited", -2), ("plain", 0)]
    without = _task("outer", subtasks=[_task("own"), _task("inherited")])
    again = compile_program(_route(without, _task("plain")), _REGISTRY).leaves
    assert [leaf.fingerprint for leaf in again] == [leaf.fingerprint for leaf in leaves]


def test_resources_are_in_the_leaf_and_not_in_its_fingerprint_and_fallbacks_offer_them():
    agents = [an_agent(name, resources=offer) for name, offer in (("a", {"gpu": 1}), ("b", {"gpu": 1}), ("c", None))]
    others = [{"agent": name, "score": 0.5} for name in ("c", "b")]
    registry = Registry(agents=tuple(agents))

    def leaf(**more: object):
        plan = a_plan(a_task("t", **more))
        return compile_program(
            RoutedPlan(plan=plan, routes={"t": Route(agent="a", alternatives=others)}), registry
        ).leaves[0]

    plain, needs = leaf(), leaf(resources={"gpu": 1})
    assert (plain.resources, plain.fallbacks) == (None, ("c", "b"))
    assert (needs.resources.gpu, needs.fallbacks) == (1, ("b",))
    assert plain.fingerprint == needs.fingerprint
