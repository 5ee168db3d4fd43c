"""Any selector on any plan: what is left is what a search over the compiled plan finds, in the order that it had."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.compile import compile_program
from genesis.errors import GenesisError, UsageError
from genesis.planning import Selectors, select_tasks
from genesis.structure import outline
from genesis.testing import a_plan, a_task, an_agent, route_to

_IDS = ("a", "b", "c", "d")


@st.composite
def tasks(draw, depth=2, prefix=""):
    made = []
    for number, name in enumerate(_IDS[: draw(st.integers(1, 4))]):
        after = draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else ()
        inner = draw(tasks(depth - 1)) if depth and draw(st.integers(0, 2)) == 0 else ()
        more = {} if inner else {"type": draw(st.sampled_from(["x", "y"])), "agent": draw(st.sampled_from(["p", "q"]))}
        made.append(a_task(name, *inner, after=tuple(_IDS[each] for each in sorted(after)), **more))
    return tuple(made)


@st.composite
def criteria(draw):
    pattern = draw(st.sampled_from(["a", "b", "c", "a/b", "b/a", "*", "a*", "b/*", "type:x", "type:?", "agent:q"]))
    form = draw(st.sampled_from(["{}", "+{}", "{}+", "+{}+", "1+{}", "{}+1", "2+{}+1", "@{}"]))
    return pattern, form


_SELECTORS = st.lists(st.lists(criteria(), min_size=1, max_size=2), min_size=1, max_size=2)


def _text(selector):
    return " ".join(",".join(form.format(pattern) for pattern, form in each) for each in selector)


class _Search:
    """The same by sets of paths and one step at a time, over what the program's leaves come after."""

    def __init__(self, program):
        self.before = {leaf.path: {program.leaves[each].path for each in leaf.after} for leaf in program.leaves}
        self.leaves = program.leaves
        self.steps_before = {}
        self._list_steps(program.source.plan.tasks, "", set())
        self.steps_after = {
            path: {other for other, found in self.steps_before.items() if path in found} for path in self.before
        }

    def _list_steps(self, tasks, prefix, entry):
        """List for each leaf those one step before it: ends of its siblings, else what its composite comes after."""
        known = {task.id: task for task in tasks}
        for task in tasks:
            found = set().union(*[self._ends(known[name], prefix) for name in task.depends_on]) or entry
            if task.subtasks:
                self._list_steps(task.subtasks, f"{prefix}{task.id}/", found)
            else:
                self.steps_before[f"{prefix}{task.id}"] = found

    def _ends(self, task, prefix):
        path = f"{prefix}{task.id}"
        if not task.subtasks:
            return {path}
        needed = {name for each in task.subtasks for name in each.depends_on}
        return set().union(*[self._ends(each, f"{path}/") for each in task.subtasks if each.id not in needed])

    def named(self, pattern):
        kind, colon, value = pattern.partition(":")
        if colon:
            have = {leaf.path: leaf.type if kind == "type" else leaf.agent for leaf in self.leaves}
            return {path for path, each in have.items() if value in ("?", each)}
        found = set()
        for path in self.before:
            parts = path.split("/")
            ancestors = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
            for each in ancestors:
                name = each if "/" in pattern else each.rpartition("/")[2]
                is_glob = pattern.endswith("*") and name.startswith(pattern[:-1])
                if name == pattern or is_glob:
                    found.add(path)
        return found

    def walk(self, found, edges, steps):
        for _ in range(len(self.before) if steps is None else steps):
            found = found | {other for each in found for other in edges[each]}
        return found

    def of(self, pattern, form):
        named = self.named(pattern)
        if form == "@{}":
            return self.walk(self.walk(named, self.steps_after, None), self.steps_before, None)
        before, after = form.split("{}")
        found = set(named)
        if before:
            found |= self.walk(named, self.steps_before, int(before[:-1]) if before[:-1] else None)
        if after:
            found |= self.walk(named, self.steps_after, int(after[1:]) if after[1:] else None)
        return found

    def all_of(self, selector):
        return set().union(*[set.intersection(*[self.of(*each) for each in word]) for word in selector])

    def order(self):
        found = {path: self.walk(self.before[path], self.before, None) for path in self.before}
        return {(path, other) for path, others in found.items() for other in others}


@settings(max_examples=400, deadline=None)
@given(tasks(), _SELECTORS, st.none() | _SELECTORS)
def test_a_selection_is_what_a_search_finds_in_the_order_that_it_had(made, select, except_):
    agents = (an_agent("p"), an_agent("q"))
    routed, registry = route_to(a_plan(*made), *agents)
    search = _Search(compile_program(routed, registry))
    texts = ((_text(select),), (_text(except_),) if except_ else ())
    words = [each for word in [*select, *(except_ or [])] for each in word]
    if not all(search.named(pattern) for pattern, _ in words):
        with pytest.raises(UsageError, match="names no task"):
            select_tasks(routed, Selectors(*texts))
        return
    wanted = search.all_of(select) - (search.all_of(except_) if except_ else set())
    if not wanted:
        with pytest.raises(UsageError, match="nothing is selected"):
            select_tasks(routed, Selectors(*texts))
        return
    smaller = select_tasks(routed, Selectors(*texts))
    now = _Search(compile_program(smaller, registry))
    assert set(now.before) == wanted
    assert now.order() == {(path, other) for path, other in search.order() if path in wanted and other in wanted}
    left_out = smaller.plan.left_out
    assert {path for path in search.before if any(f"{path}/".startswith(f"{each}/") for each in left_out)} == (
        set(search.before) - wanted
    )
    assert select_tasks(smaller, Selectors(("*",))).plan.tasks == smaller.plan.tasks


_TOKENS = st.lists(
    st.sampled_from(["a", "+", "@", ",", " ", ":", "*", "[", "]", "!", "1", "type:", "é", "/", "\\", "("]), max_size=8
)


@settings(max_examples=300, deadline=None)
@given(tasks(), st.lists(_TOKENS.map("".join), max_size=2), st.lists(_TOKENS.map("".join), max_size=2))
def test_any_text_is_a_selector_or_refused_on_purpose(made, select, except_):
    routed, registry = route_to(a_plan(*made), an_agent("p"), an_agent("q"))
    try:
        smaller = select_tasks(routed, Selectors(tuple(select), tuple(except_)))
    except GenesisError:
        return
    assert len(outline(smaller.plan).leaves) == len(compile_program(smaller, registry).leaves)
