"""What repair does to each fault, and what it says about it."""

from __future__ import annotations

import time

import pytest

from genesis.model import Plan, Task
from genesis.settings import Limits
from genesis.structure import outline
from genesis.structure.feedback_arcs import feedback_edges
from genesis.structure.repair import repair, slug, unique_slugs


def task(name: str, *after: str, subtasks=(), **more) -> Task:
    return Task(id=name, description=f"Do {name}", depends_on=after, subtasks=tuple(subtasks), **more)


def plan(*tasks: Task, **more) -> Plan:
    return Plan(request="r", tasks=tasks, **more)


def mended(*tasks: Task, limits: Limits | None = None, **more):
    result = repair(plan(*tasks, **more), limits)
    return result.plan.tasks, [(item.code, item.task) for item in result.repairs]


def test_unknown_dependency_is_dropped_and_said():
    tasks, repairs = mended(task("a"), task("b", "a", "nowhere"))
    assert tasks[1].depends_on == ("a",)
    assert repairs == [("GEN-REPAIR-UNKNOWN", "b")]


@pytest.mark.parametrize("written", ["Build_API", "build-apis", "build api", "phase/build-api"])
def test_close_name_is_matched(written):
    tasks, repairs = mended(task("build-api"), task("deploy", written))
    assert tasks[1].depends_on == ("build-api",)
    assert repairs == [("GEN-REPAIR-MATCHED", "deploy")]


def test_name_that_is_close_to_two_is_dropped():
    tasks, _ = mended(task("test-1"), task("test-2"), task("report", "test-3"))
    assert tasks[2].depends_on == ()


def test_name_that_two_spell_alike_is_dropped():
    tasks, _ = mended(task("run_it"), task("run-it"), task("report", "RunIt"))
    assert tasks[2].depends_on == ()


def test_name_without_letters_is_dropped():
    assert mended(task("a"), task("b", "???"))[0][1].depends_on == ()


def test_long_names_and_many_siblings_are_not_searched():
    many = [task(f"t{number:04}x") for number in range(100)]
    started = time.monotonic()
    tasks, _ = mended(*many, task("z", "t0007", "w" * 5000))
    assert tasks[-1].depends_on == ()
    assert mended(task("a"), task("z", "w" * 5000))[0][1].depends_on == ()
    assert time.monotonic() - started < 15


def test_self_dependency_is_dropped():
    tasks, repairs = mended(task("a", "a"))
    assert tasks[0].depends_on == ()
    assert repairs == [("GEN-REPAIR-SELF", "a")]


def test_dependency_on_what_holds_it_or_is_in_it_is_dropped():
    tasks, repairs = mended(task("a", "a/b", subtasks=[task("b", "a"), task("c", "b")]))
    assert tasks[0].depends_on == ()
    assert tasks[0].subtasks[0].depends_on == ()
    assert tasks[0].subtasks[1].depends_on == ("b",)
    assert repairs == [("GEN-REPAIR-NESTED", "a"), ("GEN-REPAIR-NESTED", "a/b")]


def test_second_task_of_an_id_is_renamed_and_references_keep_the_first():
    tasks, repairs = mended(task("a"), task("a"), task("a-2"), task("z", "a", "a-3"))
    assert [item.id for item in tasks] == ["a", "a-4", "a-2", "z"]
    assert tasks[3].depends_on == ("a", "a-2") or tasks[3].depends_on == ("a",)
    assert repairs[0] == ("GEN-REPAIR-DUPLICATE", "a")


def test_longest_id_can_still_be_renamed():
    tasks, _ = mended(task("x" * 200), task("x" * 200))
    assert tasks[1].id == "x" * 190 + "-2"


def test_cycle_of_two_loses_the_edge_back_in_the_document():
    tasks, repairs = mended(task("a", "b"), task("b", "a"))
    assert [item.depends_on for item in tasks] == [(), ("a",)]
    assert repairs == [("GEN-REPAIR-CYCLE", "a")]


def test_one_edge_that_closes_two_cycles_is_the_one_that_goes():
    # c waits for a by two ways; a waits for c. Cutting "a waits for c" fixes both.
    tasks, repairs = mended(task("a", "c"), task("b1", "a"), task("b2", "a"), task("c", "b1", "b2"))
    assert tasks[0].depends_on == ()
    assert len(repairs) == 1


def test_list_in_reverse_loses_one_edge_and_not_all_but_one():
    size = 50
    chain = [task(f"t{number}", f"t{(number + 1) % size}") for number in range(size)]
    assert len(mended(*chain)[1]) == 1


@pytest.mark.parametrize("step", [1, -1])
def test_cycle_of_1500_is_cut_once_and_quickly(step):
    size = 1500
    ring = [task(f"t{number}", f"t{(number + step) % size}") for number in range(size)]
    started = time.monotonic()
    _, repairs = mended(*ring)
    assert len(repairs) == 1
    assert time.monotonic() - started < 30


def test_cycle_through_a_composite_is_cut():
    tasks, repairs = mended(
        task("build", subtasks=[task("api", "test/unit"), task("ui")]), task("test", "build", subtasks=[task("unit")])
    )
    assert tasks[0].subtasks[0].depends_on == ()
    assert tasks[1].depends_on == ("build",)
    assert len(repairs) == 1


def test_edges_between_parts_of_two_composites_are_no_cycle():
    tasks = (
        task("a", subtasks=[task("x"), task("w", "b/z")]),
        task("b", subtasks=[task("y", "a/x"), task("z")]),
    )
    assert repair(plan(*tasks)).repairs == ()


def test_cycle_made_by_a_reference_becomes_text():
    tasks, repairs = mended(task("a", inputs={"p": "use {b.result}, {who}"}), task("b", "a"), vars={"who": "me"})
    assert tasks[0].inputs == {"p": "use {{b.result}}, {who}"}
    assert repairs == [("GEN-REPAIR-CYCLE", "a")]


def test_dependency_and_reference_of_one_edge_go_together():
    tasks, _ = mended(task("a", "b", inputs={"p": "{b.result}"}), task("b", "a"))
    assert tasks[0].depends_on == ()
    assert tasks[0].inputs == {"p": "{{b.result}}"}


def test_two_cycles_through_one_task_lose_both_edges():
    tasks, repairs = mended(task("a", "b", "c"), task("b", "a"), task("c", "a"))
    assert tasks[0].depends_on == ()
    assert len(repairs) == 2


def test_reference_without_a_producer_becomes_text_at_any_depth():
    tasks, repairs = mended(task("a", inputs={"p": ["{a.y}", {"k": "{a.z}"}, 3, "{other}"]}))
    assert tasks[0].inputs == {"p": ["{{a.y}}", {"k": "{{a.z}}"}, 3, "{other}"]}
    assert [code for code, _ in repairs] == ["GEN-REPAIR-REFERENCE"] * 2


def test_reference_to_an_unpromised_result_takes_the_whole():
    tasks, repairs = mended(task("a"), task("b", "a", inputs={"p": "see {a.summary}"}))
    assert tasks[1].inputs == {"p": "see {a.result}"}
    assert repairs == [("GEN-REPAIR-REFERENCE", "b")]


def test_reference_to_a_composite_becomes_text():
    tasks, _ = mended(task("a", subtasks=[task("x"), task("y")]), task("b", inputs={"p": "{a.result}"}))
    assert tasks[1].inputs == {"p": "{{a.result}}"}


def test_limits_leave_out_what_is_too_much():
    wide = [task(f"t{number}") for number in range(6)]
    tasks, repairs = mended(*wide, limits=Limits(fan_out=4, leaves=3))
    assert [item.id for item in tasks] == ["t0", "t1", "t2"]
    assert repairs == [("GEN-REPAIR-LIMIT", None)] * 2


def test_composite_at_the_deepest_level_becomes_a_leaf():
    tasks, _ = mended(task("a", subtasks=[task("b", subtasks=[task("c")])]), limits=Limits(depth=2))
    assert tasks[0].subtasks[0].subtasks == ()


def test_composite_that_lost_all_its_subtasks_is_left_out():
    tasks, _ = mended(task("a"), task("b", subtasks=[task("c", subtasks=[task("d")])]), limits=Limits(leaves=1))
    assert [item.id for item in tasks] == ["a"]


def test_valid_plan_is_the_same_object():
    original = plan(task("a"), task("b", "a", "a", subtasks=[task("c", "a"), task("d", "c")]))
    assert repair(original, Limits()).plan is original


def test_deep_hierarchy_needs_no_recursion():
    deepest = Task(id="t", description="d")
    for _ in range(3000):
        deepest = Task.model_construct(**{**Task(id="t", description="d").__dict__, "subtasks": (deepest,)})
    deep = Plan.model_construct(**{**plan(task("a")).__dict__, "tasks": (deepest, deepest)})
    assert len(outline(repair(deep).plan).nodes) == 6002


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Build API", "build-api"),
        ("  a/b\\c: d ", "a-b-c-d"),
        ("Größe_1.2", "größe_1.2"),
        ("../..", "task"),
        ("", "task"),
        ("x" * 100, "x" * 60),
        ("任务 一", "任务-一"),
    ],
)
def test_slug_makes_an_id(text, expected):
    assert slug(text) == expected
    assert Task(id=slug(text), description="d").id == expected


def test_names_of_siblings_become_unique_ids():
    ids, repairs = unique_slugs(["Build API", "build-api", "build-api-2", "ok"])
    assert ids == ["build-api", "build-api-3", "build-api-2", "ok"]
    assert [item.code for item in repairs] == ["GEN-REPAIR-ID", "GEN-REPAIR-DUPLICATE"]


def test_fixed_edges_are_never_cut():
    assert feedback_edges(2, [(0, 1)], [(1, 0)], [0, 1]) == [(1, 0)]
    assert feedback_edges(3, [(0, 1), (1, 2)], [(2, 0), (0, 2)], [0, 1, 2]) == [(2, 0)]
    assert feedback_edges(2, [], [(0, 0), (0, 1)], [0, 1]) == [(0, 0)]
