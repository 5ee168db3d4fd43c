"""References to files: who they are of, and what moving, planning again and repairing a plan does to them."""

import pytest

from genesis.errors import UsageError
from genesis.planning.selection import select_tasks
from genesis.planning.selectors import Selectors
from genesis.structure import dataflow, list_edges, outline, rename_references, split_file_reference
from genesis.structure.embed import EmbeddedPlan, embed
from genesis.structure.repair import repair
from genesis.testing import a_plan, a_program, a_task, route_to

OUT = {"out": {"x": "x.csv"}}


def takes(reference, name="take", **more):
    return a_task(name, files={"in": {"in.csv": f"{{{reference}}}"}}, **more)


def flow_of(*tasks):
    plan = a_plan(*tasks)
    return dataflow(plan, outline(plan))


@pytest.mark.parametrize(
    ("reference", "parts"),
    [("a.files.x", ("a", "x")), ("a/b.files.x", ("a/b", "x")), ("a.files.files.x", ("a.files", "x")), ("files.x", None),
     ("a.x", None), (".files.x", None), ("a.files.", None)],
)  # fmt: skip
def test_a_reference_names_a_task_and_its_file(reference, parts):
    assert split_file_reference(reference) == parts


@pytest.mark.parametrize("reference", ["give.files.x", "group.files.x", "group/give.files.x"])
def test_the_leaf_that_promises_a_file_is_found_in_composites(reference):
    give = a_task("give", files=OUT)
    top = give if reference.startswith("give") else a_task("group", give, a_task("other"))
    flow = flow_of(top, takes(reference))
    assert not flow.missing_files
    [(node, files)] = flow.files.items()
    assert files["in.csv"].output == "x"
    assert flow.edges()[node] == (files["in.csv"].producer,)


def test_a_file_that_several_tasks_of_a_composite_promise_is_ambiguous():
    flow = flow_of(a_task("group", a_task("a", files=OUT), a_task("b", files=OUT)), takes("group.files.x"))
    assert "several tasks in 'group' promise the file 'x' (group/a, group/b)" in flow.missing_files[0].reason


def test_a_file_of_a_copy_is_asked_of_the_task_with_all_copies():
    each = a_task("each", a_task("do", files=OUT), a_task("then"), for_each=[1, 2])
    assert not flow_of(each, takes("each.files.x")).missing_files
    assert "{each.files.x}" in flow_of(each, takes("each/do.files.x")).missing_files[0].reason


def test_a_file_makes_an_edge_and_is_part_of_the_fingerprint():
    def leaf(files, **give):
        return a_program(
            a_task("give", files={"out": {"x": "x.csv", "y": "y"}}, **give), a_task("take", files=files)
        ).leaves[1]

    plain, one = leaf({}), leaf({"in": {"a": "{give.files.x}"}})
    assert (plain.after, plain.has_files, one.after, one.has_files) == ((), False, (0,), True)
    assert (one.files_in["a"].leaf, one.files_in["a"].output, one.files_out) == (0, "x", {})
    others = [leaf({"in": {"a": "{give.files.y}"}}), leaf({"in": {"b": "{give.files.x}"}}), leaf({"out": {"a": "a"}})]
    assert len({each.fingerprint for each in (plain, one, *others)}) == 5


def test_a_plan_without_files_keeps_its_fingerprints():
    assert a_program(a_task("a", inputs={"x": 1})).leaves[0].fingerprint == (
        "ab1d8a08c722ab49bf8cbc1c12fefb4427ff36b573811c4409c8dcce2f31b39f"
    )


def test_edges_for_people_name_the_file():
    assert list_edges(a_plan(a_task("give", files=OUT), takes("give.files.x"))) == {"take": ("give (files.x)",)}


def test_references_to_files_follow_tasks_that_move():
    task = takes("a.files.x", inputs={"v": "{a.x}"})
    moved = rename_references(task, {"a.x": "deep/a.x"}.get, moved=True)
    assert moved["files"] == {"in": {"in.csv": "{deep/a.files.x}"}}
    by_whole = rename_references(task, {"a.files.x": "deep/a.files.x"}.get)
    assert by_whole["files"] == {"in": {"in.csv": "{deep/a.files.x}"}}
    assert rename_references(task, {"a.x": "a.result"}.get)["files"] == task.files


def test_a_repair_drops_files_that_nobody_promises_and_cuts_cycles():
    unknown = repair(a_plan(a_task("give"), takes("give.files.x")))
    assert [each.code for each in unknown.repairs] == ["GEN-REPAIR-REFERENCE"]
    assert unknown.plan.tasks[1].files == {}
    first = a_task("a", files={**OUT, "in": {"i": "{b.files.x}"}})
    second = a_task("b", files={**OUT, "in": {"i": "{a.files.x}"}})
    cut = repair(a_plan(first, second))
    assert [each.code for each in cut.repairs] == ["GEN-REPAIR-CYCLE"]
    assert [task.files for task in cut.plan.tasks] == [OUT, second.files]
    assert not repair(cut.plan).repairs


def test_references_to_files_mean_the_same_in_a_plan_that_another_one_uses():
    give = a_task("give", files=OUT)
    inner = a_plan(give, a_task("group", takes("give.files.x")), takes("give.files.x", "beside"))
    outer = a_plan(a_task("part"), give, takes("part/give.files.x", "after"))
    whole = embed(outer, {0: EmbeddedPlan(inner, "inner.yaml")})
    tree = outline(whole)
    flow = dataflow(whole, tree)
    assert not flow.missing_files
    givers = {tree.nodes[node].path: tree.nodes[each["in.csv"].producer].path for node, each in flow.files.items()}
    assert givers == dict.fromkeys(("part/group/take", "part/beside", "after"), "part/give")


def test_a_selection_without_the_task_that_a_file_is_from_is_refused():
    routed, _ = route_to(a_plan(a_task("give", files=OUT), takes("give.files.x"), a_task("other")))
    with pytest.raises(UsageError, match=r"task 'take' uses \{give.files.x\} of 'give', which is not selected"):
        select_tasks(routed, Selectors(select=("take",)))
    smaller = select_tasks(routed, Selectors(select=("+take",)))
    assert [task.id for task in smaller.plan.tasks] == ["give", "take"]
