"""Steps that a request spells out, with the order that its words imply.

Numbered and bulleted lists, "first … then … finally", semicolons, "A, then B and C", "once X, do Y and Z", "before",
"after", "meanwhile", and plain sentences that each ask for something. What the words do not order runs in parallel,
with three exceptions that the words imply as well: numbered lists are in order; a step that speaks of "it", "them" or
"the results" comes after the step before it; and what is deployed comes after what was built and tested before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from genesis.errors import PlanningError
from genesis.model import Task
from genesis.planning.clauses import Clause, Join, clauses, is_introduction, is_prohibition, leading_join, restrains
from genesis.planning.enumerations import Block, Item, blocks
from genesis.planning.naming import slug, unique
from genesis.planning.sentences import Span, mask, sentences
from genesis.planning.task_types import guess_type
from genesis.planning.words import content_stems, is_verb, strip_polite, words

__all__ = ["Step", "spelled_steps", "step_tasks"]


@dataclass(slots=True)
class Step:
    """One step of a request."""

    text: str
    """Its own words."""
    after: list[int] = field(default_factory=list)
    """Positions of the steps that it comes after."""
    children: list[Step] = field(default_factory=list)
    """Steps that a nested list puts under it."""


_BACK = re.compile(
    r"""\b(?:it|them|its\ (?:results?|output)|the\ (?:results?|outcomes?|outputs?|findings)|these\ (?:results?|findings)
    |this\ (?:information|data|list)|that\ (?:information|data|list)|their\ \w+|both\ of\ them|the\ (?:former|latter|above))\b""",
    re.IGNORECASE | re.VERBOSE,
)
_ORDERED_HEADER = re.compile(r"\b(?:in (?:this |that |the following )?(?:order|sequence)|step by step|one after|in turn)\b", re.I)
_FREE_HEADER = re.compile(r"\b(?:in parallel|any order|simultaneously|independent(?:ly)?|at (?:the same time|once))\b", re.I)
_LABELS = re.compile(
    r"(?:\(\s*|\b)(?:after|depends\s+on|needs|requires|following|once)\s+(?P<word>(?:steps?|tasks?|items?)\s+)?"
    r"(?P<labels>#?\d{1,3}(?:\s*(?:,|and|&|\+)\s*(?:(?:steps?|tasks?|items?)\s+)?#?\d{1,3})*)(?P<close>\s*\)|\s*$|\s+(?:is|are)\b)?",
    re.IGNORECASE,
)
_LOOK_BACK = 50
_ANTECEDENTS = 3
_MAKING = frozenset("implement code build develop frontend ui backend api database bug_fix refactor".split())
_TESTING = frozenset("test test_run validation quality_assurance review".split())


@dataclass(slots=True)
class _Network:
    """The steps so far, the stage that is open, and what that stage comes after."""

    steps: list[Step] = field(default_factory=list)
    stage: list[int] = field(default_factory=list)
    base: list[int] = field(default_factory=list)
    parallel: set[int] = field(default_factory=set)

    def add(self, text: str, join: Join, after: Iterable[int] | None = None) -> int:
        """Append a step where its joining word puts it."""
        if join == "start":
            self.base, self.stage = [], []
        elif join == "then" and self.stage:
            self.base, self.stage = self._exits(self.stage), []
        elif join == "finally":
            self.base, self.stage = self._exits(range(len(self.steps))), []
        index = len(self.steps)
        before = list(after) if after is not None else list(self.base)
        if join == "and" and after is None and index and (back := _BACK.search(text)):
            before = self._with_antecedent(before, back[0].lower())
        if join == "parallel":
            self.parallel.add(index)
        self.steps.append(Step(text, before))
        self.stage.append(index)
        return index

    def _with_antecedent(self, before: list[int], pronoun: str) -> list[int]:
        """Add the step that a pronoun speaks of: for "it" the latest with a singular object, else the latest."""
        recent = list(range(len(self.steps)))[-_ANTECEDENTS:][::-1]
        chosen = next((i for i in recent if pronoun != "it" or not _plural_object(self.steps[i].text)), recent[0])
        reached = _ancestors(self.steps, before)
        return before if chosen in reached else [*(i for i in before if i not in self.steps[chosen].after), chosen]

    def resume_after(self, indexes: list[int]) -> None:
        """Let what follows come after steps that are already there."""
        self.stage = indexes

    def _exits(self, among: Iterable[int]) -> list[int]:
        chosen = list(among)
        needed = {source for index in chosen for source in self.steps[index].after}
        return [index for index in chosen if index not in needed]


def _plural_object(text: str) -> bool:
    """Whether the first noun phrase after the verb ends in a plural: "write the docs for it"."""
    head = re.split(r"\s(?:of|for|to|in|on|at|with|from|by|about|and)\s|[,.;:(]", text, maxsplit=1)[0]
    last = words(head)[-1:]
    return bool(last) and last[0].endswith("s") and not last[0].endswith(("ss", "us", "is"))


def spelled_steps(request: str) -> list[Step]:
    """Find the steps that a request spells out.

    Returns:
        The steps in text order; fewer than two mean that the request does not spell any out.
    """
    network = _Network()
    for block in blocks(mask(request)):
        if block.items:
            _add_list(network, block)
        elif block.prose is not None:
            _add_prose(network, block.prose)
    _add_life_cycle(network)
    return network.steps


def _add_prose(network: _Network, prose: Span) -> None:
    for sentence in sentences(prose):
        if not network.steps and is_introduction(sentence.text):
            continue
        for clause in _with_conditions(network, clauses(sentence)):
            if not clause.asks or (restrains(clause.span.text) and not clause.marked and network.steps):
                _restrain(network, clause.span.text)
            else:
                _add_clause(network, clause)


def _with_conditions(network: _Network, found: list[Clause]) -> Iterator[Clause]:
    """Resolve conditions that ask for nothing ("once the tests pass, …") to an earlier step, or keep them in the words."""
    words_before = ""
    for clause in found:
        if clause.condition and not clause.asks:
            earlier = _referred(network.steps, clause.condition)
            if earlier is None:
                words_before = f"{clause.span.text}, "
            else:
                network.resume_after([earlier])
        elif words_before:
            yield replace(clause, span=mask(words_before + clause.span.text), join="and")
            words_before = ""
        else:
            yield clause


def _add_clause(network: _Network, clause: Clause) -> None:
    earlier = _referred(network.steps, clause.condition) if clause.condition else None
    if earlier is None:
        network.add(_own_words(clause.span.text), clause.join)
    elif clause.condition in clause.span.text and clause.span.text != clause.condition:
        network.add(_own_words(clause.span.text), clause.join, after=[earlier])
    else:
        network.resume_after([earlier])


def _referred(steps: list[Step], condition: str) -> int | None:
    """Find the earlier step that a condition speaks of ("the tests pass"), the latest of the best."""
    wanted = set(content_stems(condition))
    best, score = None, 0.0
    for index, step in list(enumerate(steps))[-_LOOK_BACK:]:
        common = wanted & set(content_stems(step.text))
        share = len(common) / max(1, len(wanted))
        if common and share >= max(score, 0.5):
            best, score = index, share
    return best


def _restrain(network: _Network, text: str) -> None:
    """Add what is told, or must not be done, to the step before it."""
    if network.steps:
        network.steps[-1].text += f". {text}"


def _own_words(text: str) -> str:
    bare = strip_polite(text).strip() or text.strip()
    first = words(bare)[:1]
    if first and is_verb(first[0]) and bare[0].islower():
        bare = bare[0].upper() + bare[1:]
    return bare


def _add_list(network: _Network, block: Block) -> None:
    default: Join = "then" if block.ordered else "and"
    if _FREE_HEADER.search(block.header):
        default = "and"
    elif _ORDERED_HEADER.search(block.header):
        default = "then"
    first_join, _ = leading_join(mask(block.header)) if block.header else (None, None)
    labels: dict[str, int] = {}
    started = False
    for item in block.items:
        if is_prohibition(item.span.text):
            _restrain(network, item.span.text)
            continue
        join, rest = leading_join(item.span)
        usual: Join = default if started else first_join or "and"
        named = _named_labels(rest.text, labels)
        index = network.add(_own_words(_without_label(_without_mark(rest))), join or usual, named)
        network.steps[index].children = _children(item)
        labels[item.label] = index
        started = True


def _without_mark(span: Span) -> str:
    return span.text[: len(span.mask.rstrip(" .;,"))] or span.text


def _without_label(text: str) -> str:
    """Take "(after 1 and 2)" off, which the edges say already."""
    return re.sub(rf"\s*\({_LABELS.pattern}", lambda match: "" if match["close"] else match[0], text, flags=re.I) or text


def _named_labels(text: str, labels: dict[str, int]) -> list[int] | None:
    """Read "(after 1 and 2)" and "depends on step 3"."""
    found = [
        labels[number]
        for match in _LABELS.finditer(text)
        if match["word"] or (match[0].startswith("(") and match["close"])
        for number in re.findall(r"\d+", match["labels"])
        if number in labels
    ]
    return list(dict.fromkeys(found)) or None


def _children(item: Item) -> list[Step]:
    if len(item.children) < 2:
        return []
    network = _Network()
    _add_list(network, Block(items=item.children, ordered=bool(item.children[0].label)))
    return network.steps


def _add_life_cycle(network: _Network) -> None:
    """Let tests come after what was made before, and a deployment after both."""
    types = [guess_type(step.text) for step in network.steps]
    for index, step in enumerate(network.steps):
        needs = _MAKING if types[index] in _TESTING else _MAKING | _TESTING if types[index] == "deploy" else None
        if needs is None or index in network.parallel:
            continue
        reached = _ancestors(network.steps, step.after)
        for earlier in reversed(range(index)):
            if types[earlier] in needs and earlier not in reached:
                step.after.append(earlier)
                reached |= {earlier} | _ancestors(network.steps, [earlier])


def _ancestors(steps: list[Step], start: list[int]) -> set[int]:
    """Give these steps and all that they come after."""
    found: set[int] = set()
    stack = list(start)
    while stack:
        source = stack.pop()
        if source not in found:
            found.add(source)
            stack.extend(steps[source].after)
    return found


def step_tasks(
    steps: list[Step], known_types: Collection[str] = (), *, fan_out: int = 20, depth: int = 5, prefix: str = ""
) -> tuple[Task, ...]:
    """Turn steps into tasks with readable ids, in groups where there are more than may stand side by side.

    Args:
        steps: What `spelled_steps` found.
        known_types: Types that some agent takes; empty means that all are.
        fan_out: Most tasks side by side.
        depth: Levels that the tasks may take; what a nested list puts below them becomes part of a description.
        prefix: Path of the task that will hold these, with a final slash.

    Raises:
        PlanningError: There are more steps than fit into the bounds.
    """
    levels = _levels(len(steps), fan_out)
    if levels > depth:
        raise PlanningError(
            f"the request has {len(steps):,} steps; {fan_out} side by side in {depth} levels do not hold them",
            hint="split the request, or write a plan file",
        )
    names: list[str] = []
    taken: set[str] = set()
    for step in steps:
        names.append(unique(slug(step.text), taken))
        taken.add(names[-1])
    groups = [_group_path(index, fan_out, levels) for index in range(len(steps))]
    paths = [f"{prefix}{group}{name}" for group, name in zip(groups, names, strict=True)]
    tasks: list[Task] = []
    for index, step in enumerate(steps):
        after = [names[i] if groups[i] == groups[index] else paths[i] for i in sorted(set(step.after))]
        tasks.append(_task(step, names[index], after, known_types, fan_out, depth - levels, f"{paths[index]}/"))
    return _grouped(tasks, fan_out, levels)


def _levels(count: int, fan_out: int) -> int:
    """How many levels hold so many tasks."""
    levels, room = 1, fan_out
    while room < count and levels < 64 and fan_out > 1:
        levels, room = levels + 1, room * fan_out
    return levels if room >= count else 64


def _group_path(index: int, fan_out: int, levels: int) -> str:
    parts = [f"part-{index // fan_out**level % fan_out + 1}/" for level in range(levels - 1, 0, -1)]
    return "".join(parts)


def _grouped(tasks: list[Task], fan_out: int, levels: int) -> tuple[Task, ...]:
    """Put tasks into groups until no more than `fan_out` are side by side."""
    for _ in range(levels - 1):
        chunks = [tasks[start : start + fan_out] for start in range(0, len(tasks), fan_out)]
        tasks = [
            Task(
                id=f"part-{number % fan_out + 1}",
                description=f"{_first_leaf(chunk[0]).description} … {_last_leaf(chunk[-1]).description}",
                subtasks=tuple(chunk),
            )
            for number, chunk in enumerate(chunks)
        ]
    return tuple(tasks)


def _first_leaf(task: Task) -> Task:
    return _first_leaf(task.subtasks[0]) if task.subtasks else task


def _last_leaf(task: Task) -> Task:
    return _last_leaf(task.subtasks[-1]) if task.subtasks else task


def _task(
    step: Step, name: str, after: list[str], known_types: Collection[str], fan_out: int, depth: int, prefix: str
) -> Task:
    """Make the task of a step; a nested list becomes its subtasks where there is room for them."""
    if not step.children:
        return Task(id=name, type=guess_type(step.text, known_types), description=step.text, depends_on=tuple(after))
    if depth < _levels(len(step.children), fan_out):
        words_of_all = "; ".join([step.text.rstrip(":"), *_all_texts(step.children)])
        return Task(id=name, type=guess_type(step.text, known_types), description=words_of_all, depends_on=tuple(after))
    inner = step_tasks(step.children, known_types, fan_out=fan_out, depth=depth, prefix=prefix)
    return Task(id=name, description=step.text.rstrip(":"), depends_on=tuple(after), subtasks=inner)


def _all_texts(steps: list[Step]) -> list[str]:
    return [text for step in steps for text in (step.text, *_all_texts(step.children))]
