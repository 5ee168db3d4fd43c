"""The copies of `for_each` tasks in a program: order, names, values, fingerprints."""

import pytest

from genesis.compile import apply_amendments, compile_program
from genesis.errors import DocumentError, PlanInvalidError
from genesis.model import Amendment, Outcome, Plan
from genesis.model.run import utc_now
from genesis.planning import load_plan, plan_document
from genesis.testing import a_plan, a_program, a_task, route_to


def paths(program):
    return [leaf.path for leaf in program.leaves]


def test_a_list_makes_one_copy_a_value_in_order_and_a_leaf_that_gathers():
    program = a_program(a_task("lint", description="Lint {item}", for_each=["a b", 7, None, {"k": "v", "n": 2}, [1]]))
    assert paths(program) == ["lint", "lint/0-a-b", "lint/1-7", "lint/2", "lint/3-v-2", "lint/4"]
    gather, *copies = program.leaves
    assert (gather.agent, gather.gathers, gather.after) == ("", "all", (1, 2, 3, 4, 5))
    assert [leaf.description for leaf in copies] == [
        "Lint a b",
        "Lint 7",
        "Lint null",
        'Lint {"k": "v", "n": 2}',
        "Lint [1]",
    ]
    assert all(leaf.agent == "worker" and leaf.after == () for leaf in copies)


def test_a_map_of_lists_makes_each_combination_the_last_list_turning_fastest():
    program = a_program(
        a_task("t", for_each={"os": ["x", "y"], "v": "{versions}"}, inputs={"i": "{item}"}), vars={"versions": "1,2"}
    )
    assert [leaf.items["item"] for leaf in program.leaves[1:]] == [
        {"os": "x", "v": "1"},
        {"os": "x", "v": "2"},
        {"os": "y", "v": "1"},
        {"os": "y", "v": "2"},
    ]


@pytest.mark.parametrize(
    ("text", "values"), [("a, b ,,c", ["a", "b", "c"]), ("", []), (' [1, "x"]', [1, "x"]), ("{x}", ["{x}"])]
)
def test_a_variable_is_a_list_of_json_or_of_what_is_between_commas(text, values):
    program = a_program(a_task("t", for_each="{names}", inputs={"i": "{item}"}), vars={"names": text})
    assert [leaf.items["item"] for leaf in program.leaves[1:]] == values


def test_dependants_come_after_the_gathering_leaf_and_copies_after_what_the_task_comes_after():
    program = a_program(a_task("a"), a_task("b", for_each=[1, 2], after=("a",)), a_task("c", after=("b",)))
    assert [leaf.after for leaf in program.leaves] == [(), (2, 3), (0,), (0,), (1,)]


def test_the_tasks_of_a_copy_see_each_other_by_name_and_by_path():
    parts = (
        a_task("make", outputs=("b",)),
        a_task("deep", a_task("try", inputs={"x": "{make.b} {build/make.b}"}), after=("make",)),
    )
    program = a_program(a_task("build", *parts, for_each=["x", "y"]))
    assert paths(program) == ["build", "build/0-x/make", "build/0-x/deep/try", "build/1-y/make", "build/1-y/deep/try"]
    # `make` is no sibling of `try`, so that only its path names it
    assert [leaf.sources for leaf in program.leaves] == [{}, {}, {"build/make.b": 1}, {}, {"build/make.b": 3}]


def test_an_inner_list_is_a_part_of_the_outer_value():
    inner = a_task("suite", description="Run {item}", for_each="{item.suites}")
    values = [{"name": "shop", "suites": ["unit", "load"]}, {"name": "mail", "suites": []}]
    program = a_program(a_task("service", inner, for_each=values))
    assert paths(program) == [
        "service",
        "service/0-shop/suite",
        "service/0-shop/suite/0-unit",
        "service/0-shop/suite/1-load",
        "service/1-mail/suite",
    ]
    assert program.leaves[0].after == (1, 4)


def test_only_leaves_that_use_a_value_have_it_and_only_their_fingerprints_depend_on_it():
    def prints(*values):
        parts = (a_task("same"), a_task("own", inputs={"v": "{item}"}))
        program = a_program(a_task("t", *parts, for_each=[*values]))
        return {leaf.path: leaf.fingerprint for leaf in program.leaves}

    one, other = prints("x"), prints("y")
    assert one["t/0-x/same"] == other["t/0-y/same"]
    assert one["t/0-x/own"] != other["t/0-y/own"]
    assert one["t"] != other["t"]


def test_fingerprints_of_plans_without_for_each_stay_as_they_were():
    program = a_program(a_task("a", inputs={"x": "{v} {item}"}), a_task("b", after=("a",)), vars={"v": "1"})
    assert [leaf.fingerprint for leaf in program.leaves] == [
        "c35ad3a96c3447c4200484762c884411fa6f4f5cfeb24235c030d5238b35e837",
        "acf5220cf4eb82dfedb94b83c444b7b18fd2e342af407a1a540bf1ce150f58a2",
    ]


def test_a_program_can_be_compiled_again_and_its_document_is_the_plan_as_it_is_written():
    plan = a_plan(a_task("t", for_each=["x", None], inputs={"i": "{item}"}, max_parallel=1, on_failure="any"))
    routed, registry = route_to(plan)
    program = compile_program(routed, registry)
    assert compile_program(program.source, registry).leaves == program.leaves
    document = plan_document(program.source)
    assert document == plan_document(routed)
    assert load_plan(document).tasks[0].for_each == ["x", None]


def test_what_gathers_results_that_are_never_kept_gathers_them_anew():
    for task in (a_task("t", for_each=[1], cache="none"), a_task("t", a_task("x", cache="none"), for_each=[1])):
        assert a_program(task).leaves[0].cache == "none"
    assert a_program(a_task("t", for_each=[1], cache={"ttl_s": 5})).leaves[0].cache == "run"


def test_a_list_that_is_not_known_has_the_estimates_of_one_copy():
    known = {"seconds": 2, "usd": 1, "tokens": 3}
    parts = (a_task("x", estimate=known), a_task("y", estimate=known))
    program = a_program(a_task("scan", outputs=("f",)), a_task("t", *parts, for_each="{scan.f}"))
    leaf = program.leaves[1]
    assert (leaf.seconds, leaf.usd, leaf.tokens, leaf.seconds_known, leaf.usd_known) == (4, 2, 6, True, True)


def test_what_max_parallel_limits_is_known_to_all_leaves_of_a_copy():
    program = a_program(a_task("t", a_task("a"), a_task("b"), for_each=["x", "y"], max_parallel=1))
    assert program.parallel == {"t": 1}
    assert [leaf.in_copies for leaf in program.leaves] == [(), ("t/0-x",), ("t/0-x",), ("t/1-y",), ("t/1-y",)]


def amendment(number, task, values, group=None):
    outcome = Outcome(id=task, agent="")
    kind = "for_each" if group is None else "replan"
    group = group or a_task(task.rpartition("/")[2], for_each=values)
    return Amendment(number=number, kind=kind, task=task, group=group, reason="r", outcome=outcome, at=utc_now())


def test_copies_that_come_while_the_plan_runs_are_numbered_after_all_that_was_there():
    tasks = (
        a_task("scan", outputs=("f",)),
        a_task("one", for_each="{scan.f}", inputs={"i": "{item}"}),
        a_task("two", a_task("x"), for_each="{scan.f}"),
        a_task("end", after=("one",)),
    )
    routed, registry = route_to(a_plan(*tasks))
    before = paths(compile_program(routed, registry))
    assert before == ["scan", "one", "two", "end"]
    again = a_task("again-2", a_task("do", route={"agent": "worker", "reason": "r"}))
    changes = (amendment(1, "two", ["a"]), amendment(2, "end", None, again), amendment(3, "one", ["b", "c"]))
    for count, added in enumerate((["two/0-a/x"], ["again-2/do"], ["one/0-b", "one/1-c"]), 1):
        program = compile_program(apply_amendments(routed, changes[:count]), registry)
        assert paths(program)[: len(before)] == before
        before = [*before, *added]
        assert paths(program) == before
    assert program.leaves[1].after == (6, 7)
    assert program.leaves[3].after == (1, 5)


@pytest.mark.parametrize(
    ("for_each", "said"),
    [
        ("text", "tasks[0].for_each: it is the text 'text'; for_each is a list, one reference"),
        ("{a} and {b}", "one reference to a list such as {task.key}"),
        ({}, "the map has no list"),
        ({"": [1]}, "the map has a list without a name"),
        ({"a": 1}, "'a' is the value 1"),
        ({"a": {"b": []}}, "'a' is a map"),
        (5, "it is the value 5"),
        ([float("nan")], "is not a number that JSON supports"),
    ],
)
def test_another_shape_is_an_error_of_the_document(for_each, said):
    with pytest.raises(DocumentError) as caught:
        load_plan({"request": "r", "tasks": [{"id": "t", "description": "d", "for_each": for_each}]})
    assert said in caught.value.message


def test_a_list_that_cannot_be_used_is_refused_when_it_is_compiled():
    for task, said in (
        (a_task("t", for_each="{v}"), "begins with `["),
        (a_task("t", for_each=[{}], inputs={"x": "{item.a}"}), "value 0 of the list has no 'a'"),
        (a_task("t", for_each=[{}], description="{item.a}"), "value 0 of the list has no 'a'"),
    ):
        with pytest.raises(PlanInvalidError) as caught:
            a_program(task, vars={"v": "[1"})
        assert said in caught.value.message


def test_the_schema_of_a_plan_has_the_keys_and_not_what_is_made_of_them():
    task = Plan.model_json_schema()["$defs"]["Task"]["properties"]
    assert {"for_each", "max_parallel", "on_failure"} <= set(task)
    assert not {"item", "index", "template"} & set(task)
    kinds = {each.get("type") for choice in task["for_each"]["anyOf"] for each in choice.get("anyOf", [choice])}
    assert kinds == {"array", "string", "object", "null"}


def test_copies_have_the_priority_of_their_task():
    program = a_program(a_task("t", a_task("x"), a_task("y", priority=0), for_each=[1], priority=4))
    assert {leaf.path: leaf.priority for leaf in program.leaves} == {"t": 4, "t/0-1/x": 4, "t/0-1/y": 0}


def test_copies_have_the_mutex_and_the_resources_of_their_task_and_what_gathers_has_none():
    program = a_program(a_task("t", for_each=[1], mutex="m", resources={"gpu": 1}))
    assert [(leaf.mutex, leaf.resources and leaf.resources.gpu) for leaf in program.leaves] == [(None, None), ("m", 1)]
    plain = a_program(a_task("t", for_each=[1]))
    assert [leaf.fingerprint for leaf in plain.leaves] == [leaf.fingerprint for leaf in program.leaves]
