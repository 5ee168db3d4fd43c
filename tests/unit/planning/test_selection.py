"""Selecting a part of a plan."""

import pytest

from genesis.errors import UsageError
from genesis.planning import Selectors, select_tasks
from genesis.structure import outline
from genesis.testing import a_plan, a_task, an_agent, route_to


def routed(*tasks, **more):
    return route_to(a_plan(*tasks, **more), an_agent("worker"), an_agent("tester"))[0]


def chain():
    """A fan with a composite: scan → build (api, web → pack) → test → report, and lint beside it."""
    return routed(
        a_task("scan", outputs=["files"]),
        a_task(
            "build",
            a_task("api", type="build"),
            a_task("web", type="build", labels={"team": "front"}),
            a_task("pack", after=("api", "web")),
            after=("scan",),
        ),
        a_task("lint", type="test", agent="tester", labels={"slow": "yes"}),
        a_task("test", type="test", agent="tester", after=("build",)),
        a_task("report", after=("test", "lint")),
    )


def left_of(plan, select="", except_=""):
    made = select_tasks(plan, Selectors((select,) if select else (), (except_,) if except_ else ()))
    assert list(made.routes) == [node.path for node in outline(made.plan).leaf_nodes()]
    return list(made.routes)


ALL = ["scan", "build/api", "build/web", "build/pack", "lint", "test", "report"]


@pytest.mark.parametrize(
    ("select", "left"),
    [
        ("lint", ["lint"]),
        ("build", ["build/api", "build/web", "build/pack"]),
        ("pack", ["build/pack"]),
        ("build/pack", ["build/pack"]),
        ("build/*", ["build/api", "build/web", "build/pack"]),
        ("*a*", ["scan", "build/api", "build/pack"]),
        ("+pack", ["scan", "build/api", "build/web", "build/pack"]),
        ("1+pack", ["build/api", "build/web", "build/pack"]),
        ("2+pack", ["scan", "build/api", "build/web", "build/pack"]),
        ("0+pack", ["build/pack"]),
        ("scan+1", ["scan", "build/api", "build/web"]),
        ("build+", ["build/api", "build/web", "build/pack", "test", "report"]),
        ("+lint+", ["lint", "report"]),
        ("1+test+1", ["build/pack", "test", "report"]),
        ("@lint", ALL),
        ("lint pack", ["build/pack", "lint"]),
        ("build+,+test", ["build/api", "build/web", "build/pack", "test"]),
        ("build+ ,+test", ["build/api", "build/web", "build/pack", "test"]),
        ("lint build+,+test", ["build/api", "build/web", "build/pack", "lint", "test"]),
        ("type:test", ["lint", "test"]),
        ("type:t*", ["lint", "test"]),
        ("agent:tester", ["lint", "test"]),
        ("+agent:tester,type:build", ["build/api", "build/web"]),
        ("label:slow", ["lint"]),
        ("label:team=front", ["build/web"]),
    ],
)
def test_what_is_selected_is_left(select, left):
    assert left_of(chain(), select) == left


@pytest.mark.parametrize(
    ("select", "except_", "left"),
    [
        ("", "build+", ["scan", "lint"]),
        ("build+", "report", ["build/api", "build/web", "build/pack", "test"]),
        ("", "agent:tester report", ["scan", "build/api", "build/web", "build/pack"]),
    ],
)
def test_what_is_excepted_is_left_out(select, except_, left):
    assert left_of(chain(), select, except_) == left


def test_several_selectors_are_a_union():
    assert list(select_tasks(chain(), Selectors(("lint", "scan"))).routes) == ["scan", "lint"]


def test_without_selectors_the_plan_is_the_same():
    plan = chain()
    assert select_tasks(plan, Selectors()) is plan
    whole = select_tasks(plan, Selectors(("*",)))
    assert whole.plan == plan.plan


def test_what_was_left_out_is_in_the_plan_and_adds_up():
    made = select_tasks(chain(), Selectors((), ("build",)))
    assert made.plan.left_out == ("build",)
    again = select_tasks(made, Selectors(("lint",)))
    assert again.plan.left_out == ("build", "scan", "test", "report")
    assert (again.plan.selection.select, again.plan.selection.except_) == (("lint",), ())
    partly = select_tasks(chain(), Selectors(("pack",)))
    assert partly.plan.left_out == ("scan", "build/api", "build/web", "lint", "test", "report")


def order_of(plan):
    return {node.path: node.task.depends_on for node in outline(plan.plan).nodes if node.task.depends_on}


def test_the_order_over_what_is_left_out_stays():
    assert order_of(select_tasks(chain(), Selectors(("scan report",)))) == {"report": ("scan",)}
    assert order_of(select_tasks(chain(), Selectors(("scan pack report",)))) == {
        "build": ("scan",),
        "report": ("build",),
    }


def test_a_composite_before_what_is_left_out_is_named_as_one():
    plan = routed(
        a_task("a", *[a_task(f"t{number}") for number in range(100)]),
        a_task("b", after=("a",)),
        a_task("c", after=("b",)),
    )
    assert order_of(select_tasks(plan, Selectors((), ("b",)))) == {"c": ("a",)}


def test_a_task_after_a_composite_also_comes_after_what_its_missing_parts_came_after():
    plan = routed(
        a_task("y"),
        a_task("x", a_task("x1"), a_task("x2", after=("y",))),
        a_task("c", after=("x",)),
    )
    assert order_of(select_tasks(plan, Selectors((), ("x2",)))) == {"c": ("x", "y")}


def test_an_order_into_a_task_with_copies_is_one_on_the_task():
    plan = routed(
        a_task("f", a_task("f1"), a_task("f2", after=("f1",)), for_each=[1, 2]),
        a_task("b", after=("f",)),
        a_task("c", after=("b",)),
    )
    assert order_of(select_tasks(plan, Selectors((), ("b",)))) == {"f/f2": ("f1",), "c": ("f",)}
    assert order_of(select_tasks(plan, Selectors(("f1 c",)))) == {"c": ("f",)}


def test_a_name_that_a_sibling_hides_is_a_path():
    plan = routed(
        a_task("a"), a_task("b", after=("a",)), a_task("q", a_task("a"), a_task("c", after=("b",))), a_task("d")
    )
    made = select_tasks(plan, Selectors((), ("/b",)))
    assert order_of(made) == {"q/c": ("/a",)}
    view = outline(made.plan)
    assert view.before[view.by_path["q/c"]] == (view.by_path["a"],)


def refused(plan, code, select="", except_=""):
    with pytest.raises(UsageError) as caught:
        left_of(plan, select, except_)
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize(
    "text", ["", "  ", ",", "a,,b", "a,", "+", "++a", "a++", "x:a", "@+a", "@a+", "a+b", "type:", "+ a"]
)
def test_a_selector_that_cannot_be_read_is_refused(text):
    with pytest.raises(UsageError) as caught:
        select_tasks(chain(), Selectors((text,)))
    assert caught.value.code == "GEN-SELECT-SYNTAX"
    assert "--select" in caught.value.message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("lnit", "did you mean 'lint'?"),
        ("build/webb", "did you mean 'build/web'?"),
        ("zzz", "there are: scan, build, build/api, build/web, build/pack, lint, test, report"),
        ("type:tset", "did you mean 'test'?"),
        ("agent:nobody", "there are: worker, tester"),
        ("label:x", "there are: team, slow"),
    ],
)
def test_a_selector_that_names_nothing_lists_what_there_is(text, hint):
    assert refused(chain(), "GEN-SELECT-UNKNOWN", f"lint {text}").hint == hint
    assert refused(chain(), "GEN-SELECT-UNKNOWN", "", text).message == f"--except: {text!r} names no task of the plan"


@pytest.mark.parametrize(("select", "except_"), [("lint,pack", ""), ("lint", "lint"), ("", "*")])
def test_nothing_selected_is_an_error_that_lists_tasks(select, except_):
    assert "scan, build, build/api" in refused(chain(), "GEN-SELECT-EMPTY", select, except_).hint


@pytest.mark.parametrize(
    "user",
    [
        a_task("c", inputs={"x": "{a.k}"}),
        a_task("c", env={"X": "{a.k}"}),
        a_task("c", after=("a",), when="{a.k} == 1"),
        a_task("c", for_each="{a.k}"),
    ],
)
def test_a_result_of_what_is_not_selected_is_an_error_that_names_both(user):
    plan = routed(a_task("a", outputs=["k"]), user)
    error = refused(plan, "GEN-SELECT-INPUT", "c")
    assert error.message == "task 'c' uses {a.k} of 'a', which is not selected"
    assert "+c" in error.hint
    assert error.data == {"missing": [{"task": "c", "reference": "a.k", "producer": "a"}]}
    assert left_of(plan, "+c") == ["a", "c"]


def test_a_result_of_one_task_in_a_composite_is_still_known():
    plan = routed(a_task("q", a_task("a", outputs=["k"]), a_task("b")), a_task("c", inputs={"x": "{q.k}"}))
    assert left_of(plan, "", "b") == ["q/a", "c"]
    assert "{q.k} of 'q/a'" in refused(plan, "GEN-SELECT-INPUT", "", "q/a").message


def test_text_in_doubled_braces_of_a_wait_stays_the_text_that_it_is():
    plan = routed(a_task("a", outputs=["k"]), a_task("c", wait_for={"event": "{{a.k}}"}, timeout_s=60.0))
    [left] = select_tasks(plan, Selectors(("c",), ())).plan.tasks
    assert left.wait_for.event == "{a.k}"


def test_a_task_that_waits_is_selected_by_name_and_needs_the_results_that_it_names():
    plan = routed(a_task("a", outputs=["k"]), a_task("c", wait_for={"run": "{a.k}"}, timeout_s=60.0), a_task("d"))
    assert "{a.k} of 'a'" in refused(plan, "GEN-SELECT-INPUT", "c").message
    made = select_tasks(plan, Selectors(("+c", "agent:worker"), ("d",)))
    assert [task.id for task in made.plan.tasks] == ["a", "c"]


def test_text_in_doubled_braces_stays_the_text_that_it_is():
    plan = routed(
        a_task("a", outputs=["k"]),
        a_task("c", inputs={"x": "{{a.k}} {{v}} {{w}}"}, description="{{v}} {w}"),
        a_task("d", inputs={"x": "{v}"}),
        vars={"v": "1", "w": "2"},
    )
    made = select_tasks(plan, Selectors(("c",))).plan
    assert made.tasks[0].inputs == {"x": "{a.k} {v} {{w}}"}
    assert made.tasks[0].description == "{v} {w}"


def test_values_that_only_other_tasks_use_are_left_out_and_unused_ones_stay():
    plan = routed(
        a_task("a", inputs={"x": "{needed}"}),
        a_task("b", inputs={"x": "{v}"}),
        vars={"v": "1", "unused": "2"},
        params={"needed": {}},
    )
    made = select_tasks(plan, Selectors(("b",))).plan
    assert (made.vars, made.params) == ({"v": "1", "unused": "2"}, {})


def test_rules_and_copies_are_kept():
    plan = routed(
        a_task("a"),
        a_task("s", a_task("b"), a_task("t", after=("b",)), for_each=["x"], after=("a",), allow_failure=True),
    )
    made = select_tasks(plan, Selectors(("s/t",))).plan
    assert [(node.path, node.task.for_each, node.task.allow_failure) for node in outline(made).nodes] == [
        ("s", ["x"], True),
        ("s/t", None, False),
    ]


def test_a_selection_is_in_the_document_and_is_read_again():
    from genesis.planning import load_plan, plan_document

    made = select_tasks(chain(), Selectors(("lint",), ("scan",)))
    document = plan_document(made)
    assert document["selection"] == {
        "select": ["lint"],
        "except": ["scan"],
        "left_out": ["scan", "build", "test", "report"],
    }
    assert load_plan(document).selection == made.plan.selection
