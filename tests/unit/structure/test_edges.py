"""What tasks come after, as people read it."""

from genesis.structure import list_edges
from genesis.testing import a_plan, a_task


def test_depends_on_stands_as_it_is_and_references_follow_with_their_keys():
    plan = a_plan(
        a_task("a", outputs=("x", "y")),
        a_task("b", after=("a",), outputs=("z",), inputs={"p": "{a.x}"}),
        a_task("c", after=("b",), inputs={"p": "{a.x} {a.y}", "q": "{b.z}", "r": "{a.x}"}),
    )
    assert list_edges(plan) == {"b": ("a",), "c": ("b", "a (x, y)")}


def test_a_whole_result_needs_no_key():
    plan = a_plan(a_task("a"), a_task("b", inputs={"p": "{a.result}"}))
    assert list_edges(plan) == {"b": ("a",)}


def test_an_entry_for_a_composite_covers_what_is_in_it():
    plan = a_plan(
        a_task("q", a_task("lint", outputs=("findings",))),
        a_task("one", after=("q",), inputs={"p": "{q/lint.findings}"}),
        a_task("two", inputs={"p": "{q/lint.findings}", "s": "{q.findings}"}),
    )
    assert list_edges(plan) == {"one": ("q",), "two": ("q/lint (findings)", "q (findings)")}


def test_a_subtask_has_its_own_edges_by_its_path():
    plan = a_plan(a_task("a", outputs=("x",)), a_task("g", a_task("h", inputs={"p": "{a.x}"}), after=("a",)))
    assert list_edges(plan) == {"g": ("a",), "g/h": ("a (x)",)}


def test_faults_are_tolerated():
    plan = a_plan(a_task("a", after=("a", "x")), a_task("a"), a_task("b", inputs={"p": "{no.where} {b.result}"}))
    assert list_edges(plan) == {"a": ("a", "x")}
