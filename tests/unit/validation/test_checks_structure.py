"""Structure: cycles, names, duplicates, sizes."""

import pytest

from genesis.settings import Limits


def task(name, description=None, **more):
    return {"id": name, "description": description or f"Handle the {name} item", **more}


def test_empty_plan_is_an_error(find):
    assert find("GEN-PLAN-EMPTY", [])


def test_cycle_names_its_path_in_message_and_evidence(find):
    [found] = find("GEN-CYCLE", [task("a", depends_on=["c"]), task("b", depends_on=["a"]), task("c", depends_on=["b"])])
    assert found.severity == "error"
    assert "a → b → c → a" in found.message
    assert found.evidence == {"cycle": ["a", "b", "c", "a"], "length": 3}
    assert found.task == "a"


def test_self_dependency_is_a_cycle_of_one(find):
    [found] = find("GEN-CYCLE", [task("a", depends_on=["a"])])
    assert found.message == "task 'a' depends on itself"
    assert found.evidence["cycle"] == ["a", "a"]


def test_separate_cycles_are_all_reported(find):
    tasks = [
        task("a", depends_on=["b"]),
        task("b", depends_on=["a"]),
        task("c", depends_on=["d"]),
        task("d", depends_on=["c"]),
    ]
    assert [d.task for d in find("GEN-CYCLE", tasks)] == ["a", "c"]


def test_cycle_through_a_used_result_is_found(find):
    tasks = [task("a", inputs={"x": "{b.out}"}), task("b", depends_on=["a"], outputs=["out"])]
    [found] = find("GEN-CYCLE", tasks)
    assert found.evidence["cycle"] == ["a", "b", "a"]


def test_cycle_between_composites_is_found(find):
    tasks = [
        task("p", depends_on=["q"], subtasks=[task("x")]),
        task("q", subtasks=[task("y", depends_on=["p/x"])]),
    ]
    [found] = find("GEN-CYCLE", tasks)
    assert {"p", "q/y"} <= set(found.evidence["cycle"])


def test_a_cycle_of_1500_is_told_in_short_and_kept_whole_in_the_evidence(find):
    tasks = [task(f"t{n}", depends_on=[f"t{(n - 1) % 1500}"]) for n in range(1500)]
    [found] = find("GEN-CYCLE", tasks, how={"limits": Limits(leaves=5000)})
    assert len(found.message) < 300
    assert len(found.evidence["cycle"]) == 1501


@pytest.mark.parametrize(
    ("tasks", "who"),
    [
        ([task("p", depends_on=["p/x"], subtasks=[task("x")])], "p"),
        ([task("p", subtasks=[task("x", depends_on=["p"])])], "p/x"),
        ([task("p", depends_on=["p/q/x"], subtasks=[task("q", subtasks=[task("x"), task("y")])])], "p"),
    ],
)
def test_dependency_between_a_composite_and_its_inside_has_a_code_of_its_own(check, tasks, who):
    report = check(tasks)
    assert [(d.code, d.task) for d in report.errors] == [("GEN-DEPENDENCY-WITHIN", who)]


def test_dangling_dependency_suggests_the_closest_name(find):
    [found] = find("GEN-DEPENDENCY-DANGLING", [task("build"), task("deploy", depends_on=["biuld"])])
    assert "'deploy' depends on 'biuld'" in found.message
    assert found.hint == "did you mean 'build'?"


def test_dangling_dependency_without_a_close_name_says_what_to_do(find):
    [found] = find("GEN-DEPENDENCY-DANGLING", [task("build", depends_on=["zzzzzz"])])
    assert "full path" in found.hint


def test_dependency_on_a_cousin_by_id_is_dangling_and_its_path_is_suggested(find):
    tasks = [task("p", subtasks=[task("x1")]), task("q", subtasks=[task("y", depends_on=["p/x2"])])]
    [found] = find("GEN-DEPENDENCY-DANGLING", tasks)
    assert found.hint == "did you mean 'p/x1'?"


def test_duplicate_sibling_ids_are_an_error_once(find):
    tasks = [task("p", subtasks=[task("x")]), task("p", subtasks=[task("x")]), task("a")]
    [found] = find("GEN-ID-DUPLICATE", tasks)
    assert found.task == "p"


def test_one_id_under_two_parents_is_fine(codes):
    tasks = [task("p", subtasks=[task("x", "Sort apples"), task("z", "Peel them")]),
             task("q", subtasks=[task("x", "Sort pears"), task("z", "Cut those")])]  # fmt: skip
    assert codes(tasks, "error") == []


def test_leaf_limit_counts_leaves(find):
    tasks = [task(f"t{n}") for n in range(11)]
    assert find("GEN-LEAF-LIMIT", tasks, how={"limits": Limits(leaves=10)})
    assert not find("GEN-LEAF-LIMIT", tasks[:10], how={"limits": Limits(leaves=10)})
    assert find("GEN-LEAF-LIMIT-NEAR", tasks[:10], how={"limits": Limits(leaves=10)})


def test_request_longer_than_the_limit_is_an_error(find):
    assert find("GEN-REQUEST-LENGTH", [task("a")], request="x" * 5001)
    assert not find("GEN-REQUEST-LENGTH", [task("a")], request="x" * 5000)


def make_nested(depth):
    node = task(f"d{depth}")
    for level in range(depth - 1, 0, -1):
        node = task(f"d{level}", subtasks=[node])
    return [node]


@pytest.mark.parametrize(("planner", "code"), [("llm", "GEN-PLAN-DEPTH"), ("file", "GEN-NESTING-DEEP")])
def test_depth_beyond_the_limit_is_an_error_for_planners_and_a_warning_for_people(check, planner, code):
    found = [d for d in check(make_nested(6), planner=planner).diagnostics if d.severity != "info"]
    assert [(d.code, d.severity) for d in found] == [(code, "error" if planner == "llm" else "warning")]
    assert found[0].evidence == {"depth": 6, "limit": 5}
    assert all(d.severity == "info" for d in check(make_nested(5), planner=planner).diagnostics)


def test_planned_overrides_what_the_plan_says(codes):
    assert "GEN-PLAN-DEPTH" in codes(make_nested(6), how={"planned": True})


def test_fan_out_is_limited_for_planners_only(codes):
    tasks = [task("p", subtasks=[task(f"t{n}") for n in range(21)])]
    assert "GEN-PLAN-FAN-OUT" in codes(tasks, planner="heuristic")
    assert "GEN-PLAN-FAN-OUT" not in codes(tasks, planner="file")


def test_a_flat_list_of_200_by_a_person_is_clean(check):
    report = check([task(f"t{n}", f"Convert document {n}") for n in range(200)])
    assert report.ok
    assert report.warnings == ()


def test_repeated_dependency_is_a_warning(find):
    tasks = [task("p", subtasks=[task("x"), task("y", depends_on=["x", "p/x"])])]
    [found] = find("GEN-DEPENDENCY-REPEATED", tasks)
    assert "twice, also as 'x'" in found.message
    assert not find("GEN-DEPENDENCY-REPEATED", [task("a", depends_on=["gone", "gone2"])])


def test_implied_dependencies_are_one_info(find):
    tasks = [task("a"), task("b", depends_on=["a"]), task("c", depends_on=["b"]), task("d", depends_on=["a", "c"])]
    [found] = find("GEN-DEPENDENCY-REDUNDANT", tasks)
    assert found.severity == "info"
    assert found.evidence["edges"] == ["d → a"]


def test_a_dependency_on_a_task_and_on_the_composite_around_it_is_implied(find):
    inside = [task("x"), task("y", depends_on=["x"])]
    [found] = find("GEN-DEPENDENCY-REDUNDANT", [task("p", subtasks=inside), task("q", depends_on=["p", "p/y"])])
    assert found.evidence["edges"] == ["q → p/y"]


def test_many_implied_dependencies_are_summarised(find):
    tasks = [task(f"t{n}", depends_on=[f"t{m}" for m in range(n)]) for n in range(6)]
    [found] = find("GEN-DEPENDENCY-REDUNDANT", tasks)
    assert "and 7 more" in found.message


def test_single_subtask_is_an_info(find):
    [found] = find("GEN-COMPOSITE-SINGLE", [task("p", subtasks=[task("x")])])
    assert found.severity == "info"


def test_a_leaf_that_stands_apart_is_an_info(find):
    chain = [task("a"), *(task(f"b{n}", depends_on=["a"]) for n in range(4))]
    assert [d.task for d in find("GEN-LEAF-UNCONNECTED", [*chain, task("z")])] == ["z"]
    assert not find("GEN-LEAF-UNCONNECTED", chain)
    assert not find("GEN-LEAF-UNCONNECTED", [task("a"), task("b"), task("c")])
    used = [task("a", outputs=["o"]), *(task(f"b{n}", inputs={"x": "{a.o}"}) for n in range(4))]
    assert not find("GEN-LEAF-UNCONNECTED", used)


def test_long_description_is_a_warning(find):
    assert find("GEN-DESCRIPTION-LONG", [task("a", "word " * 1100)])
