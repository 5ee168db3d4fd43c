"""Steps that a request spells out, with the order that its words imply.

Numbered and bulleted lists, "first … then … finally", semicolons, "A, then B and C", "once X, do Y and Z", "before",
"after", "meanwhile", and plain sentences that each ask for something. Steps without an order run in parallel,
with three implied exceptions: numbered lists are in order; a step that mentions "it", "them" or
"the results" comes after the step before it; and a deployment comes after earlier builds and tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from genesis.graph import find_ancestors
from genesis.planning.clauses import SentenceClause, clauses
from genesis.planning.enumerations import Block, Item, blocks
from genesis.planning.intent import is_introduction, is_prohibition, restrains
from genesis.planning.joins import Join, leading_join
from genesis.planning.mentions import antecedent
from genesis.planning.sentences import TextSpan, mask, sentences
from genesis.planning.task_types import guess_type
from genesis.planning.words import content_stems, is_verb, strip_polite, word_set, words

__all__ = ["RequestStep", "find_steps"]


@dataclass(slots=True)
class RequestStep:
    """One step of a request."""

    text: str
    """Its own words."""
    after: list[int] = field(default_factory=list)
    """Positions of the steps that it comes after."""
    children: list[RequestStep] = field(default_factory=list)
    """Steps that a nested list puts under it."""


_ORDERED_HEADER = re.compile(
    r"\b(?:in (?:this |that |the following )?(?:order|sequence)|step by step|one after|in turn)\b", re.IGNORECASE
)
_FREE_HEADER = re.compile(
    r"\b(?:in parallel|any order|simultaneously|independent(?:ly)?|at (?:the same time|once))\b", re.IGNORECASE
)
_LABELS = re.compile(
    r"(?:\(\s*|\b)(?:after|depends\s+on|needs|requires|following|once)\s+(?P<word>(?:steps?|tasks?|items?)\s+)?"
    r"(?P<labels>#?\d{1,3}(?:\s*(?:,|and|&|\+)\s*(?:(?:steps?|tasks?|items?)\s+)?#?\d{1,3})*)"
    r"(?P<close>\s*\)|\s*$|\s+(?:is|are)\b)?",
    re.IGNORECASE,
)
_LOOK_BACK = 50
"""Earlier steps among which a reference is resolved: keeps a long request linear."""
_MEMORY = 8
"""How many steps back a step's words can point."""
_MAKING = word_set("implement code build develop frontend ui backend api database bug_fix refactor")
_TESTING = word_set("test test_run validation quality_assurance review")


@dataclass(slots=True)
class _Network:
    """The steps so far, the stage that is open, and what that stage comes after."""

    steps: list[RequestStep] = field(default_factory=list)
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
        if join == "and" and after is None:
            first = max(0, index - _MEMORY)
            found = antecedent([step.text for step in self.steps[first:]], text)
            earlier = None if found is None else first + found
            if earlier is not None and earlier not in _with_ancestors(self.steps, before):
                before = [*(i for i in before if i not in self.steps[earlier].after), earlier]
        if join == "parallel":
            self.parallel.add(index)
        self.steps.append(RequestStep(text, before))
        self.stage.append(index)
        return index

    def resume_after(self, indexes: list[int]) -> None:
        """Let what follows come after steps that are already there."""
        self.stage = indexes

    def _exits(self, among: Iterable[int]) -> list[int]:
        chosen = list(among)
        needed = {source for index in chosen for source in self.steps[index].after}
        return [index for index in chosen if index not in needed]


def find_steps(request: str) -> list[RequestStep]:
    """Find the steps that a request spells out.

    Returns:
        The steps in text order; fewer than two means that the request spells out none.
    """
    network = _Network()
    for block in blocks(mask(request)):
        if block.items:
            _add_list(network, block)
        elif block.prose is not None:
            _add_prose(network, block.prose)
    _add_life_cycle(network)
    return network.steps


def _add_prose(network: _Network, prose: TextSpan) -> None:
    for sentence in sentences(prose):
        if not network.steps and is_introduction(sentence.text):
            continue
        for clause in _with_conditions(network, clauses(sentence)):
            if not clause.asks or (restrains(clause.span.text) and not clause.marked and network.steps):
                _restrain(network, clause.span.text)
            else:
                _add_clause(network, clause)


def _with_conditions(network: _Network, found: list[SentenceClause]) -> Iterator[SentenceClause]:
    """Resolve conditions that ask for nothing ("once the tests pass, …") to an earlier step, or keep their words."""
    words_before = ""
    for clause in found:
        if clause.condition and not clause.asks:
            earlier = _find_referred_step(network.steps, clause.condition)
            if earlier is None:
                words_before = f"{clause.span.text}, "
            else:
                network.resume_after([earlier])
        elif words_before:
            yield replace(clause, span=mask(words_before + clause.span.text), join="and")
            words_before = ""
        else:
            yield clause


def _add_clause(network: _Network, clause: SentenceClause) -> None:
    earlier = _find_referred_step(network.steps, clause.condition) if clause.condition else None
    if earlier is None:
        network.add(_own_words(clause.span.text), clause.join)
    elif clause.condition in clause.span.text and clause.span.text != clause.condition:
        network.add(_own_words(clause.span.text), clause.join, after=[earlier])
    else:
        network.resume_after([earlier])


def _find_referred_step(steps: list[RequestStep], condition: str) -> int | None:
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
    """Add statements and prohibitions to the preceding step."""
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
        named = _parse_labels(rest.text, labels)
        index = network.add(_own_words(_without_label(_without_mark(rest))), join or usual, named)
        network.steps[index].children = _children(item)
        labels[item.label] = index
        started = True


def _without_mark(span: TextSpan) -> str:
    return span.text[: len(span.mask.rstrip(" .;,"))] or span.text


def _without_label(text: str) -> str:
    """Strip "(after 1 and 2)", which the edges already express."""
    return (
        re.sub(
            rf"\s*\({_LABELS.pattern}",
            lambda match: "" if match["close"] else match[0],
            text,
            flags=re.IGNORECASE,
        )
        or text
    )


def _parse_labels(text: str, labels: dict[str, int]) -> list[int] | None:
    """Read "(after 1 and 2)" and "depends on step 3"."""
    found = [
        labels[number]
        for match in _LABELS.finditer(text)
        if match["word"] or (match[0].startswith("(") and match["close"])
        for number in re.findall(r"\d+", match["labels"])
        if number in labels
    ]
    return list(dict.fromkeys(found)) or None


def _children(item: Item) -> list[RequestStep]:
    if len(item.children) <= 1:
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
        reached = _with_ancestors(network.steps, step.after)
        for earlier in reversed(range(index)):
            if types[earlier] in needs and earlier not in reached:
                behind = _with_ancestors(network.steps, [earlier])
                step.after = [*(source for source in step.after if source not in behind), earlier]
                reached |= behind


def _with_ancestors(steps: list[RequestStep], start: list[int]) -> set[int]:
    return {*start, *find_ancestors([step.after for step in steps], start)}
