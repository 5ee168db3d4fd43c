"""Whether the results that each leaf uses are produced, and before it starts."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.structure import (
    Missing,
    Node,
    find_unused_names,
    is_name,
    missing_parameters,
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
    "parameter_missing",
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
    outputs = tuple(facts.outline.nodes[target].task.outputs)
    guess = facts.guess(fault.key, outputs)
    promised = f"it promises {', '.join(map(repr, outputs[:5]))}" if outputs else "it promises no outputs"
    return guess or promised


@check(
    "GEN-INPUT-TEXT",
    "warning",
    finds="a name in braces that is similar to a variable, a parameter or a task; it is passed as text",
    remedy="correct the name; if an input is meant as text, put its name into `literal_inputs`",
)
def input_text(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find names in braces, of inputs and descriptions, that are perhaps misspelt references."""
    for count, (node, place, name, hint) in enumerate(_similar_names(facts)):
        if count == _TEXTS:
            return
        message = f"{place} {node.path!r} has {{{name}}}, neither a variable nor a result: it is passed as text"
        yield CheckFinding(node.index, message, hint=hint, evidence={"text": name})


def _similar_names(facts: PlanFacts) -> Iterator[tuple[Node, str, str, str]]:
    """Find the texts in braces that are nearly a name of the plan: node, location, text and the guess."""
    known = list(facts.names)
    for node in facts.outline.nodes:
        task = node.task
        if "{" in task.description:
            for name in dict.fromkeys(references(task.description)):
                if is_name(name) and name not in known and (hint := facts.guess(name, known)):
                    yield node, "the description of task", name, hint
        for name in facts.flow.unknown.get(node.index, ()):
            if is_name(name) and (hint := _guess_reference(facts, node, name)):
                yield node, "task", name, hint


def _guess_reference(facts: PlanFacts, node: Node, name: str) -> str:
    """Find the variable or the task that a name in braces nearly is; nothing where it is one, or is near to none."""
    outline = facts.outline
    if name in facts.names or any(outline.resolve(node, task) is not None for task, _ in splits(name)):
        return ""
    parts = split(name)
    if parts is None and outline.resolve(node, name) is not None:
        return f"did you mean '{name}.result'?"
    siblings = (each.task.id for each in outline.nodes if each.parent == node.parent)
    if parts:
        return facts.guess(parts[0], siblings, outline.by_path)
    return facts.guess(name, facts.names)


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
    finds="a variable or a parameter that no task uses",
    remedy="use it as `{name}` in an input, or remove it",
)
def variable_unused(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find unused variables and parameters, usually misspelt names."""
    for name in find_unused_names(facts.names, facts.outline, facts.conditions):
        noun = "parameter" if name in facts.plan.params else "variable"
        yield CheckFinding(None, f"no task uses the {noun} {name!r}", evidence={"variable": name})


@check(
    "GEN-PARAM-MISSING",
    "error",
    finds="a parameter of the plan without a default that is given no value",
    remedy="give it with --param NAME=VALUE or in `params` of the flow run, or give it a default",
)
def parameter_missing(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find required parameters without a value."""
    for name in missing_parameters(facts.plan):
        declared = facts.plan.params[name]
        about = f": {declared.description}" if declared.description else ""
        yield CheckFinding(
            None,
            f"the parameter {name!r} has no value; expected: {declared.expected()}{about}",
            hint=f"give it: --param {name}=…",
            evidence={"parameter": name, "params": [*facts.plan.params]},
        )


@check(
    "GEN-PLACEHOLDER-UNFILLED",
    "warning",
    finds="a description that contains `{task.key}` of a result; results are resolved only in inputs",
    remedy="pass the result as an input",
)
def placeholder_unfilled(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find descriptions with references to results."""
    for node in facts.outline.nodes:
        text = node.task.description
        if "{" not in text:
            continue
        for name in dict.fromkeys(references(text)):
            if name not in facts.names and _is_result(facts, node.index, name):
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
        outputs = tuple(node.task.outputs)
        if len(outputs) > 1 and len(set(outputs)) < len(outputs):
            twice = next(name for position, name in enumerate(outputs) if name in outputs[:position])
            message = f"task {node.path!r} promises the output {twice!r} twice"
            yield CheckFinding(node.index, message, evidence={"output": twice})
