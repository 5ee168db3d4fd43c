"""Whether the results that each leaf uses are produced, and before it starts."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.structure import (
    Missing,
    Node,
    fillable,
    is_name,
    list_for_each_names,
    references,
    split,
    splits,
)
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts
from genesis.validation.limits import GUESSES

__all__ = [
    "implied_order",
    "input_missing",
    "input_text",
    "literal_input_unknown",
    "output_repeated",
    "placeholder_unfilled",
    "variable_unused",
]

_TEXTS = 20
"""Maximum number of findings about text that may be a reference."""


@check(
    "GEN-INPUT-MISSING",
    "error",
    finds="an input that names a task, but a result that the task does not promise",
    remedy="name the result in that task's `outputs`; for plain text double the braces or use `literal_inputs`",
)
def input_missing(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find references that would have no value when the leaf starts."""
    for count, fault in enumerate(facts.flow.missing):
        path = facts.path(fault.node)
        guess = _guess(facts, fault) if count < GUESSES else ""
        yield CheckFinding(
            fault.node,
            f"task {path!r} uses {{{fault.reference}}}, but {fault.reason}",
            hint=guess,
            evidence={"reference": fault.reference, "reason": fault.reason},
        )


def _guess(facts: PlanFacts, fault: Missing) -> str:
    """Find the output of the task that was meant."""
    target = facts.outline.resolve(facts.outline.nodes[fault.node], fault.task)
    if target is None or target == fault.node:
        return ""
    outputs = facts.outline.nodes[target].task.outputs
    guess = facts.guess(fault.key, outputs)
    promised = f"it promises {', '.join(map(repr, outputs[:5]))}" if outputs else "it promises no outputs"
    return guess or promised


@check(
    "GEN-INPUT-TEXT",
    "warning",
    finds="a name in braces that is similar to a variable or a task; it is passed as text",
    remedy="correct the name; if it is meant as text, put the input's name into `literal_inputs`",
)
def input_text(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find names in braces that are perhaps misspelt references."""
    count = 0
    for index, names in facts.flow.unknown.items():
        node = facts.outline.nodes[index]
        for name in names:
            if count < _TEXTS and is_name(name) and (hint := _guess_reference(facts, node, name)):
                count += 1
                message = f"task {node.path!r} has {{{name}}}, neither a variable nor a result: it is passed as text"
                yield CheckFinding(node.index, message, hint=hint, evidence={"text": name})


def _guess_reference(facts: PlanFacts, node: Node, name: str) -> str:
    """Find the variable or the task that a name in braces nearly is; nothing where it is one, or is near to none."""
    outline = facts.outline
    if name in facts.plan.vars or any(outline.resolve(node, task) is not None for task, _ in splits(name)):
        return ""
    parts = split(name)
    if parts is None and outline.resolve(node, name) is not None:
        return f"did you mean '{name}.result'?"
    siblings = (each.task.id for each in outline.nodes if each.parent == node.parent)
    return facts.guess(parts[0], siblings, outline.by_path) if parts else facts.guess(name, facts.plan.vars)


@check(
    "GEN-INPUT-LITERAL",
    "error",
    finds="a name in `literal_inputs` that is not an input of the task",
    remedy="correct the name: references in the intended input would be resolved",
)
def literal_input_unknown(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find names in `literal_inputs` that protect nothing."""
    if "literal_inputs" not in facts.given:
        return
    for node in facts.outline.nodes:
        for name in dict.fromkeys(node.task.literal_inputs):
            if name not in node.task.inputs:
                message = f"task {node.path!r} has no input {name!r}, which its literal_inputs name"
                yield CheckFinding(
                    node.index, message, hint=facts.guess(name, node.task.inputs), evidence={"input": name}
                )


@check(
    "GEN-ORDER-IMPLIED",
    "warning",
    finds="a leaf that uses a result without depending on the task that produces it",
    remedy="add the dependency for readers; the order is enforced either way",
)
def implied_order(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find references whose producer comes first only because of the reference itself."""
    waiting = [
        (node, reference, producer)
        for node, found in facts.flow.sources.items()
        for reference, producer in found.items()
        if not _is_stated(facts, node, producer)
    ]
    if not waiting or facts.order is None:
        return
    ordered = facts.find_stated_pairs([(2 * producer, 2 * node) for node, _, producer in waiting])
    for node, reference, producer in waiting:
        if (2 * producer, 2 * node) not in ordered:
            own, other = facts.path(node), facts.path(producer)
            yield CheckFinding(
                node,
                f"task {own!r} uses {{{reference}}} of {other!r} without depending on it",
                hint=f"add {other!r} to its depends_on; the order is enforced either way",
                evidence={"reference": reference, "producer": other},
            )


def _is_stated(facts: PlanFacts, node: int, producer: int) -> bool:
    """Whether the leaf, or a composite that it is in, names the producer or a composite around it."""
    nodes, before = facts.outline.nodes, facts.outline.before
    if producer in before[node]:
        return True
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
def variable_unused(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find unused variables, usually misspelt names."""
    left = dict.fromkeys(facts.plan.vars)
    for node in facts.outline.nodes:
        if not left:
            return
        used = references({**fillable(node.task), "": node.task.description})
        for name in (*used, *list_for_each_names(node.task)):
            left.pop(name, None)
    for name in left:
        yield CheckFinding(None, f"no task uses the variable {name!r}", evidence={"variable": name})


@check(
    "GEN-PLACEHOLDER-UNFILLED",
    "warning",
    finds="a description that contains `{name}` of a variable or a result; references are resolved only in inputs",
    remedy="write the value into the description, or pass it as an input",
)
def placeholder_unfilled(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find descriptions with references."""
    for node in facts.outline.nodes:
        text = node.task.description
        if "{" not in text:
            continue
        for name in dict.fromkeys(references(text)):
            if name in facts.plan.vars or _is_result(facts, node.index, name):
                message = f"the description of task {node.path!r} contains {{{name}}}, which is not resolved there"
                yield CheckFinding(node.index, message, evidence={"placeholder": name})


def _is_result(facts: PlanFacts, node: int, name: str) -> bool:
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
def output_repeated(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find output names that a task lists more than once."""
    if "outputs" not in facts.given:
        return
    for node in facts.outline.nodes:
        outputs = node.task.outputs
        if len(outputs) > 1 and len(set(outputs)) < len(outputs):
            twice = next(name for position, name in enumerate(outputs) if name in outputs[:position])
            message = f"task {node.path!r} promises the output {twice!r} twice"
            yield CheckFinding(node.index, message, evidence={"output": twice})
