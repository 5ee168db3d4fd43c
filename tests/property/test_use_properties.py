"""Any plan below a task of any other: every task does there what it does alone, in the same order."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.compile import compile_program
from genesis.document import dump_yaml
from genesis.errors import GenesisError
from genesis.model import Plan
from genesis.planning import load_plan
from genesis.structure import (
    EmbeddedPlan,
    EmbedError,
    dataflow,
    embed,
    fill,
    find_conditions,
    is_item_name,
    junctions,
    outline,
    plan_values,
)
from genesis.structure.dataflow import find_meaning
from genesis.testing import route_to

_IDS = ("a", "b", "a.b")
_NAMES = ("v", "w", "a.k", "b/v", "t/v")
_TOKENS = (
    "v",
    "w",
    "a.k",
    "b.k",
    "a/b.k",
    "b/a.k",
    "a.b.k",
    "t/a.k",
    "t.k",
    "item",
    "index",
    "x",
    "b/v",
    "t/v",
    "a.no",
)
_TEXT = st.lists(
    st.sampled_from([*(f"{{{name}}}" for name in _TOKENS), "{", "}", "{{", "}}", " ", "é"]), max_size=5
).map("".join)
_CONDITIONS = st.sampled_from([f"{{{name}}} == 'x'" for name in _TOKENS])


@st.composite
def tasks(draw, depth=1):
    made = []
    for name in draw(st.lists(st.sampled_from(_IDS), min_size=1, max_size=3, unique=True)):
        task = {"id": name, "description": draw(_TEXT) or "d", "outputs": ["k"] if draw(st.booleans()) else []}
        task["inputs"] = {"x": draw(_TEXT), "l": draw(_TEXT)}
        task["literal_inputs"] = draw(st.sampled_from([[], ["l"]]))
        task["depends_on"] = draw(st.lists(st.sampled_from(["a", "b", "a/b", "b/a", "t", "t/a"]), max_size=2))
        if draw(st.booleans()):
            task["env"] = {"E": draw(_TEXT)}
        if draw(st.integers(0, 3)) == 0:
            task["when"] = draw(_CONDITIONS)
        if draw(st.integers(0, 3)) == 0:
            task["for_each"] = draw(st.sampled_from([[1, "{v}"], "{v}", "{a.k}", "{item}", {"a": "{w}", "b": [1]}]))
        if depth and draw(st.booleans()):
            task["subtasks"] = draw(tasks(depth - 1))
        made.append(task)
    return made


@st.composite
def plans(draw):
    values = draw(st.dictionaries(st.sampled_from(_NAMES), st.sampled_from(["[]", "[1]", "{v}", "{a.k}"]), max_size=3))
    return {"request": "r", "vars": values, "tasks": draw(tasks())}


def _meaning_of(plan, tree, below="", handed_on=None):
    """What every text of each task says, with the path of the producer in place of each reference to a result.

    `handed_on` has what a value of the plan is said to be instead.
    """

    def name_of(index):
        path = tree.nodes[index].path
        return path.removeprefix(below) if path.startswith(below) else f"OUTSIDE {path}"

    values = plan_values(plan)
    flow, conditions = dataflow(plan, tree), find_conditions(plan, tree)
    found = {}
    for node in tree.nodes:
        task, is_copied = node.task, node.index in tree.scopes

        def known(name, node=node, is_copied=is_copied):
            is_item = is_copied and is_item_name(name)
            return is_item or name in values or find_meaning(tree, node, name) is not None

        def lookup(name, node=node, is_copied=is_copied):
            if is_copied and is_item_name(name):
                return f"ITEM {name}"
            if name in (handed_on or {}):
                return handed_on[name]
            if name in values:
                return f"VALUE {values[name]}"
            meaning = find_meaning(tree, node, name)
            return f"RESULT {name_of(tree.resolve(node, meaning.task))} {meaning.key}"

        def value_only(name, is_copied=is_copied):
            return (is_copied and is_item_name(name)) or name in values

        resolved = conditions.by_node.get(node.index)
        inputs = {name: each for name, each in task.inputs.items() if name not in task.literal_inputs}
        lists = task.for_each.values() if isinstance(task.for_each, dict) else [task.for_each]
        around = node.parent in tree.scopes

        def of_list(name, around=around, known=known, lookup=lookup, node=node):
            if is_item_name(name):
                return f"ITEM {name}" if around else "NOTHING"
            return lookup(name) if known(name) else "NOTHING"

        found[name_of(node.index)] = (
            fill(inputs, known, lookup),
            {name: task.inputs[name] for name in task.literal_inputs},
            fill(dict(task.env), known, lookup),
            fill(task.description, value_only, lookup),
            [of_list(part[1:-1]) if isinstance(part, str) else part for part in lists],
            None if resolved is None else [lookup(name) for name in resolved.condition.references],
            [name_of(each) for each in tree.before[node.index]],
            any(fault.node == node.index for fault in tree.unresolved),
            any(fault.node == node.index for fault in flow.missing),
        )
    return found


def _order_of(tree, flow, below=""):
    """The pairs of tasks of which one directly comes before the other, by path."""
    before = junctions(tree, flow.edges()).before
    names = {2 * node.index + end: (node.path, end) for node in tree.nodes for end in (0, 1)}
    return {
        (names[vertex][0].removeprefix(below), names[vertex][1], names[source][0].removeprefix(below), names[source][1])
        for vertex, sources in enumerate(before)
        for source in sources
        if names[vertex][0].startswith(below) and names[source][0].startswith(below)
    }


def _say_at(plan, tree, node, name, *, has_copies):
    """What a reference of the outer plan says at a task; None where it says nothing that can be handed on."""
    if is_item_name(name):
        return f"ITEM {name}" if node.index in tree.scopes and not has_copies else None
    values = plan_values(plan)
    if name in values:
        return f"VALUE {values[name]}"
    meaning = find_meaning(tree, node, name)
    if meaning is None or meaning.producer is None:
        return None
    return f"RESULT OUTSIDE {tree.nodes[tree.resolve(node, meaning.task)].path} {meaning.key}"


@settings(max_examples=300, deadline=None)
@given(plans(), plans(), st.booleans(), st.data())
def test_every_task_says_below_another_plan_what_it_says_alone(inner, outer, is_copied, data):
    alone = Plan.model_validate(inner)
    user = {"id": "t", "description": "t"} | ({"for_each": [1]} if is_copied else {})
    plan = Plan.model_validate({**outer, "tasks": [*outer["tasks"], user]})
    whole, tree = outline(plan), outline(alone)
    place = next(node for node in whole.nodes if node.path == "t")
    if any(f"t/{name}" in plan.vars for name in alone.vars):
        return
    said = {
        name: _say_at(plan, whole, place, name, has_copies=bool(tree.scopes)) for name in ("v", "a.k", "b.k", "item")
    }
    usable = sorted(name for name, text in said.items() if text is not None)
    handed_on = {name: data.draw(st.sampled_from(usable)) for name in alone.vars if usable and data.draw(st.booleans())}
    try:
        merged = embed(plan, {place.index: EmbeddedPlan(alone, "f.yaml@0", handed_on)})
    except EmbedError:  # a result in a description
        assert any(said[each].startswith("RESULT") for each in handed_on.values())
        return
    below = outline(merged)
    found = _meaning_of(merged, below, "t/")
    wanted = _meaning_of(alone, tree, handed_on={name: said[each] for name, each in handed_on.items()})
    assert {path: found[path] for path in wanted} == wanted
    assert _order_of(below, dataflow(merged, below), "t/") == _order_of(tree, dataflow(alone, tree))
    # the outer plan means what it meant, but for the names of what is new in it
    was, now = _meaning_of(plan, whole), _meaning_of(merged, below)
    kept = [path for path in was if path != "t" and not _names_t(plan, path)]
    assert [now[path][:6] for path in kept] == [was[path][:6] for path in kept]


def _names_t(plan, path):
    """Whether a task of the outer plan has a name that only the tasks below `t` give a meaning."""
    node = next(node for node in outline(plan).nodes if node.path == path)
    return "{t" in str([node.task.description, node.task.inputs, node.task.env, node.task.when])


_WITH = st.dictionaries(st.sampled_from(["v", "w", "p", "x"]), _TEXT | st.integers() | st.lists(_TEXT), max_size=2)


@settings(max_examples=150, deadline=None)
@given(st.lists(plans(), min_size=3, max_size=3), st.data())
def test_random_files_that_use_each_other_are_taken_or_refused_on_purpose(documents, data):
    with tempfile.TemporaryDirectory() as folder:
        for number, document in enumerate(documents):
            for task in document["tasks"]:
                if not task.get("subtasks") and data.draw(st.booleans()):
                    task["use"] = data.draw(st.sampled_from(["f1.yaml", "f2.yaml", "f2.yaml", "../x.yaml", "f0.yaml"]))
                    task["with"] = data.draw(_WITH)
            document["params"] = data.draw(st.sampled_from([{}, {"p": {}}, {"p": {"default": "{a.k}"}}]))
            (Path(folder) / f"f{number}.yaml").write_text(dump_yaml(document), encoding="utf-8")
        try:
            plan = load_plan(Path(folder) / "f0.yaml")
            compile_program(*route_to(plan))
        except GenesisError:
            return
