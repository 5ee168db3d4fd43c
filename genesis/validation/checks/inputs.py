"""Whether what each leaf uses is produced, and in time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genesis.structure import Missing, references, split
from genesis.validation.check import Finding, check
from genesis.validation.facts import Facts

__all__ = ["implied_order", "input_missing", "output_repeated", "placeholder_unfilled", "variable_unused"]

_GUESSES = 10
_PLACEHOLDER = re.compile(r"\{([\w\-]+(?:[./\-][\w\-]+)*)\}")


@check(
    "GEN-INPUT-MISSING",
    "error",
    finds="an input that nothing produces: an unknown variable, task or result",
    remedy="name the result in that task's `outputs`, give the variable with --var, or double the braces of plain text",
)
def input_missing(facts: Facts) -> Iterator[Finding]:
    """Find references that would have no value when the leaf starts."""
    for count, fault in enumerate(facts.flow.missing):
        path = facts.path(fault.node)
        guess = _guess(facts, fault) if count < _GUESSES else ""
        yield Finding(
            fault.node,
            f"task {path!r} uses {{{fault.reference}}}, but {fault.reason}",
            hint=guess,
            evidence={"reference": fault.reference, "reason": fault.reason},
        )


def _guess(facts: Facts, fault: Missing) -> str:
    """Find the reference that was meant: a variable, a task's name, or one of a task's outputs."""
    parts = split(fault.reference)
    if parts is None:
        return facts.guess(fault.reference, facts.plan.vars)
    name, key = parts
    node = facts.outline.nodes[fault.node]
    target = facts.outline.resolve(node, name)
    if target is None:
        return facts.guess(name, facts.outline.by_path)
    outputs = facts.outline.nodes[target].task.outputs
    guess = facts.guess(key, outputs)
    promised = f"it promises {', '.join(map(repr, outputs[:5]))}" if outputs else "it promises no outputs"
    return guess or (promised if target != fault.node else "")


@check(
    "GEN-ORDER-IMPLIED",
    "warning",
    finds="a leaf that uses a result without depending on the task that produces it",
    remedy="add the dependency, so that a reader sees the order; it is kept either way",
)
def implied_order(facts: Facts) -> Iterator[Finding]:
    """Find references whose producer comes first only because of the reference itself."""
    waiting = [
        (node, reference, producer)
        for node, found in facts.flow.sources.items()
        for reference, producer in found.items()
        if not _stated(facts, node, producer)
    ]
    if not waiting or facts.order is None:
        return
    ordered = facts.stated_pairs([(2 * producer, 2 * node) for node, _, producer in waiting])
    for node, reference, producer in waiting:
        if (2 * producer, 2 * node) not in ordered:
            own, other = facts.path(node), facts.path(producer)
            yield Finding(
                node,
                f"task {own!r} uses {{{reference}}} of {other!r} without depending on it",
                hint=f"add {other!r} to its depends_on; the order is kept either way",
                evidence={"reference": reference, "producer": other},
            )


def _stated(facts: Facts, node: int, producer: int) -> bool:
    """Whether the leaf, or a composite that it is in, names the producer or a composite around it."""
    nodes, before = facts.outline.nodes, facts.outline.before
    around = {producer}
    while nodes[producer].parent >= 0:
        producer = nodes[producer].parent
        around.add(producer)
    while node >= 0:
        if not around.isdisjoint(before[node]):
            return True
        node = nodes[node].parent
    return False


@check(
    "GEN-VARIABLE-UNUSED",
    "warning",
    finds="a variable that no task uses",
    remedy="use it as `{name}` in an input, or remove it",
)
def variable_unused(facts: Facts) -> Iterator[Finding]:
    """Find variables that change nothing; a misspelt name is the usual cause."""
    left = dict.fromkeys(facts.plan.vars)
    for node in facts.outline.nodes:
        if not left:
            return
        for name in references({**node.task.inputs, "": node.task.description}):
            left.pop(name, None)
    for name in left:
        yield Finding(None, f"no task uses the variable {name!r}", evidence={"variable": name})


@check(
    "GEN-PLACEHOLDER-UNFILLED",
    "warning",
    finds="a description that holds `{name}` of a variable or a result; only inputs are filled in",
    remedy="write the value into the description, or pass it as an input",
)
def placeholder_unfilled(facts: Facts) -> Iterator[Finding]:
    """Find descriptions that expect to be filled in."""
    for node in facts.outline.nodes:
        text = node.task.description
        if "{" not in text:
            continue
        for name in dict.fromkeys(_PLACEHOLDER.findall(text)):
            if name in facts.plan.vars or _is_result(facts, node.index, name):
                message = f"the description of task {node.path!r} holds {{{name}}}, which is not filled in there"
                yield Finding(node.index, message, evidence={"placeholder": name})


def _is_result(facts: Facts, node: int, name: str) -> bool:
    parts = split(name)
    if parts is None:
        return False
    target = facts.outline.resolve(facts.outline.nodes[node], parts[0])
    return target is not None and parts[1] in facts.outline.nodes[target].task.outputs


@check(
    "GEN-OUTPUT-REPEATED",
    "warning",
    finds="a task that promises one output twice",
    remedy="keep one of them; perhaps another name was meant",
)
def output_repeated(facts: Facts) -> Iterator[Finding]:
    """Find output names that a task lists more than once."""
    if "outputs" not in facts.given:
        return
    for node in facts.outline.nodes:
        outputs = node.task.outputs
        if len(outputs) > 1 and len(set(outputs)) < len(outputs):
            twice = next(name for position, name in enumerate(outputs) if name in outputs[:position])
            message = f"task {node.path!r} promises the output {twice!r} twice"
            yield Finding(node.index, message, evidence={"output": twice})
