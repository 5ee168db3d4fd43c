"""CWL: steps of a workflow, each with the argument list of its tool.

Reference: www.commonwl.org, "Common Workflow Language, v1.2".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genesis.errors import GenesisError
from genesis.importers.conditions import add_alternative, translate_condition
from genesis.importers.copies import find_item_names, read_copies
from genesis.importers.fields import excerpt, items_of, mapping_of, resources_of, text_of, texts_of
from genesis.importers.limits import MOST_EXPANSIONS
from genesis.importers.parameters import find_parameter
from genesis.importers.source import Source
from genesis.importers.workflow import Command, Loss, Slot, Step, Workflow, WorkflowParameter

__all__ = ["find_mismatch", "read_workflow"]

_CLASSES = ("Workflow", "CommandLineTool", "ExpressionTool", "Operation")
_LANGUAGE = (
    "InlineJavascriptRequirement",
    "StepInputExpressionRequirement",
    "ScatterFeatureRequirement",
    "SubworkflowFeatureRequirement",
    "MultipleInputFeatureRequirement",
    "SoftwareRequirement",
)
"""Requirements of the language itself: what uses them is reported where it is used."""
_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_WORKFLOW_KEYS = {
    "cwlVersion", "class", "id", "label", "doc", "inputs", "outputs", "steps", "requirements", "hints",
    "$graph", "$namespaces", "$schemas",
}  # fmt: skip
_STEP_KEYS = {"id", "label", "doc", "in", "out", "run", "scatter", "scatterMethod", "when", "requirements", "hints"}
_TOOL_KEYS = {
    "cwlVersion", "class", "id", "label", "doc", "inputs", "outputs", "baseCommand", "arguments", "stdin",
    "stdout", "stderr", "requirements", "hints", "successCodes", "$namespaces", "$schemas",
}  # fmt: skip

_PLAIN_INPUT = {"id", "source", "default", "label"}
"""Keys of an input of a step that do not change its value."""


def find_mismatch(source: Source) -> str | None:
    """Return why a file is no CWL document."""
    document = source.document
    if not isinstance(document, dict):
        return "it is no mapping"
    if "cwlVersion" not in document:
        return "it has no key 'cwlVersion'"
    known = document.get("class") in _CLASSES or isinstance(document.get("$graph"), list)
    return None if known else f"it has no 'class' of {', '.join(_CLASSES)}, and no '$graph'"


def read_workflow(source: Source) -> Workflow:
    """Translate a workflow, or a single tool."""
    process, others = _main_process(source)
    workflow = Workflow(text_of(process.get("label")) or _last(text_of(process.get("id"))) or source.path.stem)
    reader = _Reader(source, others, workflow.parameters)
    values: dict[str, _Value] = {}
    for name, spec in _entries(process.get("inputs")):
        default = _default(spec)
        workflow.parameters.append(WorkflowParameter(name, source.line("inputs", name), default, _type(spec)))
        values[name] = _Value(parameter=name, constant=items_of(spec.get("default")) or None)
    if process.get("class") == "Workflow":
        known = _WORKFLOW_KEYS
        workflow.steps = reader.read_steps(process, values, "", 0)
    else:
        known = _TOOL_KEYS
        step = Step("tool", "CWL tool", 1, name=workflow.title)
        reader.read_tool(step, process, values)
        workflow.steps = [step]
    if "$graph" not in source.document:
        workflow.losses += source.leftover(process, known)
    return workflow


@dataclass(frozen=True, slots=True)
class _Value:
    """Where the value of an input comes from."""

    parameter: str = ""
    """A parameter of the workflow, or `item`, the value of a scatter …"""
    output: str = ""
    """… the output of a step …"""
    expression: str = ""
    """… an expression …"""
    constant: Any = None
    """… or itself; for a parameter that is a list, its default."""


class _Reader:
    def __init__(
        self, source: Source, others: Mapping[str, dict[str, Any]], parameters: list[WorkflowParameter]
    ) -> None:
        self._source = source
        self._parameters = parameters
        self._others = others
        self._files: dict[str, Source | str] = {}
        self._count = 0
        self._is_scattered = False

    def read_steps(self, process: dict[str, Any], values: Mapping[str, _Value], prefix: str, depth: int) -> list[Step]:
        """Read the steps of a workflow.

        Args:
            process: The workflow.
            values: Its inputs.
            prefix: Before the keys of its steps.
            depth: Workflows around it.
        """
        entries = list(_entries(process.get("steps")))
        names = {name for name, _ in entries}
        return [self._step(name, raw, names, values, prefix=prefix, depth=depth) for name, raw in entries]

    def _step(
        self, name: str, raw: dict[str, Any], names: set[str], values: Mapping[str, _Value], *, prefix: str, depth: int
    ) -> Step:
        self._count += 1
        self._source.check_size(self._count)
        line = self._line(name, depth)
        step = Step(f"{prefix}{name}", "CWL step", line, name=name)
        step.description = text_of(raw.get("doc")).strip() or text_of(raw.get("label")) or f"CWL step {name}"
        step.losses += [Loss(line, f"key {key!r}", "left out") for key in raw if key not in _STEP_KEYS]
        given = {key: _read_input(spec, names, values) for key, spec in _entries(raw.get("in"), short="source")}
        for _, spec in _entries(raw.get("in"), short="source"):
            for text in texts_of(spec.get("source")):
                parts = _parts(text)
                owner = next((part for part in parts[:-1] if part in names), "")
                step.after += [f"{prefix}{owner}"] if owner else []
        is_scattered = self._is_scattered
        self._read_scatter(step, raw, given)
        self._read_condition(step, raw, given)
        process = self._process(step, raw.get("run"))
        _read_requirements(step, raw)
        if process is not None and process.get("class") == "Workflow" and depth < MOST_EXPANSIONS:
            inner = {
                key: given.get(key, _Value(constant=spec.get("default")))
                for key, spec in _entries(process.get("inputs"))
            }
            _read_requirements(step, process)
            step.steps = self.read_steps(process, inner, f"{step.key}/", depth + 1)
        elif process is not None:
            self.read_tool(step, process, given)
        self._is_scattered = is_scattered
        return add_alternative(step) if step.when else step

    def _read_scatter(self, step: Step, raw: dict[str, Any], given: dict[str, _Value]) -> None:
        """Read the list of which each value makes a copy of a step, which then has the value as its input.

        One in a copy of another is none of copies: `item` would stand for the values of either.
        """
        if "scatter" not in raw:
            return
        names = [_last(each) for each in texts_of(raw["scatter"])]
        name = names[0] if len(names) == 1 else ""
        spec = dict(_entries(raw.get("in"), short="source")).get(name, {})
        value = given.get(name, _Value())
        copies = read_copies(items_of(value.constant), self._parameters)
        if self._is_scattered or not spec.keys() <= _PLAIN_INPUT or "item" not in find_item_names(copies):
            step.for_each = f"scatter {excerpt(raw['scatter'])} {text_of(raw.get('scatterMethod'))}".strip()
            return
        step.copies, self._is_scattered = copies, True
        given[name] = _Value(parameter="item")
        if value.parameter:
            construct = f"scatter over the parameter {value.parameter!r}"
            step.losses.append(Loss(step.line, construct, "the copies are those of its default"))

    def _read_condition(self, step: Step, raw: dict[str, Any], given: Mapping[str, _Value]) -> None:
        """Read a condition, on inputs of the step that are parameters of the workflow."""

        def find(name: str) -> WorkflowParameter | None:
            prefix, _, bare = name.partition(".")
            value = given.get(bare) if prefix == "inputs" else None
            return find_parameter(self._parameters, value.parameter) if value and value.parameter else None

        text = text_of(raw.get("when")).strip()
        if text.startswith("$(") and text.endswith(")"):
            step.when = translate_condition(text[2:-1], find)
        step.condition = excerpt(raw["when"]) if "when" in raw and not step.when else ""

    def _line(self, name: str, depth: int) -> int:
        """Return the line of a step; that of the workflow's steps inside of another file."""
        if depth or "$graph" in self._source.document:
            return self._source.line("steps")
        steps = self._source.document.get("steps")
        if isinstance(steps, list):
            ids = [_last(text_of(mapping_of(each).get("id"))) for each in steps]
            return self._source.line("steps", ids.index(name)) if name in ids else self._source.line("steps")
        return self._source.line("steps", name)

    def _process(self, step: Step, run: Any) -> dict[str, Any] | None:
        """Return what a step runs: written in place, in the same file, or in a file beside it."""
        if isinstance(run, dict):
            return run
        name = text_of(run)
        if found := self._others.get(_last(name)):
            return found
        other = self._read_beside(name.partition("#")[0])
        reason = other if isinstance(other, str) else ""
        if not isinstance(other, str):
            try:
                if find_mismatch(other) is None:
                    process, more = _main_process(other)
                    self._others = {**more, **self._others}
                    return process
                reason = "it is no CWL document"
            except GenesisError as error:
                reason = error.message
        step.sub_workflow = f"{name}: {reason}"
        return None

    def _read_beside(self, name: str) -> Source | str:
        """Read a file beside this one, once."""
        if name not in self._files:
            self._files[name] = self._source.beside(name)
        return self._files[name]

    def read_tool(self, step: Step, tool: dict[str, Any], given: Mapping[str, _Value]) -> None:
        """Read the argument list of a tool."""
        step.losses += [
            Loss(step.line, f"key {key!r} of its tool", "left out") for key in tool if key not in _TOOL_KEYS
        ]
        step.description = step.description or text_of(tool.get("doc")).strip() or step.name
        _read_requirements(step, tool)
        if tool.get("class") != "CommandLineTool":
            step.losses.append(Loss(step.line, f"class {excerpt(tool.get('class'))}", "the task is a work order"))
            return
        items: list[tuple[float, str, list[str | Slot]]] = []
        for place, argument in enumerate(items_of(tool.get("arguments"))):
            spec = argument if isinstance(argument, dict) else {"valueFrom": argument}
            value = _Value(constant=spec.get("valueFrom"))
            items.append((_position(spec), f"0{place:06}", list(_arguments(step, "an argument", spec, value, ""))))
        for name, spec in _entries(tool.get("inputs")):
            binding = spec.get("inputBinding")
            if isinstance(binding, dict):
                value = given.get(name, _Value())
                if value == _Value():
                    value = _Value(constant=spec.get("default"))
                if "valueFrom" in binding:
                    value = _Value(expression=f"valueFrom of {name}")
                found = list(_arguments(step, name, binding, value, _type(spec)))
                items.append((_position(binding), f"1{name}", found))
        argv = [*texts_of(tool.get("baseCommand")), *(each for item in sorted(items, key=_rank) for each in item[2])]
        if "stdin" in tool:
            step.expressions.append(f"stdin {excerpt(tool['stdin'])}")
        outputs = [name for name, _ in _entries(tool.get("outputs"))]
        step.outputs = "" if not outputs else f"{', '.join(outputs)}"
        if "stdout" in tool:
            step.files = f"stdout to {excerpt(tool['stdout'])}"
        step.command = Command(tuple(argv)) if argv else None


def _rank(item: tuple[float, str, list[str | Slot]]) -> tuple[float, str]:
    return item[:2]


def _position(binding: dict[str, Any]) -> float:
    value = binding.get("position", 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _arguments(step: Step, name: str, binding: dict[str, Any], value: _Value, kind: str) -> Iterator[str | Slot]:
    """Yield the arguments of one input; what is not known is added to the step's expressions."""
    prefix = text_of(binding.get("prefix"))
    separate = text_of(binding.get("separate", "true")) != "false"
    constant = _constant_text(value.constant)
    if value.output or value.expression:
        step.expressions.append(value.expression or f"{name} from {value.output}")
    elif value.parameter:
        if not _NAME.match(value.parameter) or "[]" in kind or kind.startswith(("boolean", "{", "[")):
            step.expressions.append(f"{name} of type {kind or 'unknown'}")
            return
        yield from [prefix] if prefix and separate else []
        yield Slot(value.parameter, "" if separate else prefix)
    elif isinstance(value.constant, bool):
        yield from [prefix] if value.constant and prefix else []
    elif isinstance(value.constant, list):
        step.expressions.append(f"the list {name}")
    elif constant is not None and ("$(" in constant or "${" in constant):
        step.expressions.append(excerpt(constant))
    elif constant is not None:
        yield from [prefix] if prefix and separate else []
        yield constant if separate else f"{prefix}{constant}"
    elif prefix and name == "an argument":
        yield prefix


def _read_requirements(step: Step, owner: dict[str, Any]) -> None:
    """Read what a step or a tool requires."""
    for section in ("requirements", "hints"):
        for name, spec in _entries(owner.get(section), key="class"):
            match name:
                case "DockerRequirement":
                    step.image = excerpt(spec.get("dockerPull") or spec)
                case "ResourceRequirement":
                    step.needs, rest = _read_resources(spec)
                    step.resources = excerpt(rest) if rest else ""
                case "InitialWorkDirRequirement" | "ShellCommandRequirement":
                    step.expressions.append(name)
                case "ToolTimeLimit":
                    limit = spec.get("timelimit")
                    step.timeout_s = float(limit) if isinstance(limit, int) and limit > 0 else None
                case "EnvVarRequirement":
                    _read_environment(step, spec.get("envDef"))
                case _ if name not in _LANGUAGE:
                    step.losses.append(Loss(step.line, f"{section[:-1]} {name}", "left out"))


def _read_resources(spec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the least processors and memory that are required, and what else is; expressions are not evaluated."""
    cores, ram = (spec.get(f"{name}Min", spec.get(f"{name}Max")) for name in ("cores", "ram"))
    needs = resources_of(
        cpu=cores if isinstance(cores, int | float) else None, memory=f"{ram}Mi" if isinstance(ram, int) else None
    )
    carried = [
        (name, amount) for name, key, amount in (("cores", "cpu", cores), ("ram", "memory", ram)) if key in needs
    ]
    rest = {key: each for key, each in spec.items() if key != "class" and (key[:-3], each) not in carried}
    return needs, rest


def _read_environment(step: Step, definitions: Any) -> None:
    for name, spec in _entries(definitions, key="envName", short="envValue"):
        value = text_of(spec.get("envValue"))
        if "$(" in value or "${" in value:
            step.expressions.append(f"{name}={excerpt(value)}")
        else:
            step.environment[name] = value


def _read_input(spec: dict[str, Any], names: set[str], values: Mapping[str, _Value]) -> _Value:
    """Return where the value of a step's input comes from."""
    if "valueFrom" in spec:
        return _Value(expression=f"valueFrom {excerpt(spec['valueFrom'])}")
    sources = texts_of(spec.get("source"))
    if not sources:
        return _Value(constant=spec.get("default"))
    if len(sources) > 1:
        return _Value(expression=f"several sources: {excerpt(sources)}")
    parts = _parts(sources[0])
    if any(part in names for part in parts[:-1]):
        return _Value(output=sources[0])
    return values.get(parts[-1], _Value(expression=f"the source {excerpt(sources[0])}"))


def _main_process(source: Source) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the process that a file is about, and the others in it by id."""
    document: dict[str, Any] = source.document
    graph = [each for each in items_of(document.get("$graph")) if isinstance(each, dict)]
    if not graph:
        return document, {}
    others = {_last(text_of(each.get("id"))): each for each in graph}
    workflows = [each for each in graph if each.get("class") == "Workflow"]
    return others.get("main") or (workflows or graph)[0], others


def _entries(value: Any, *, key: str = "id", short: str = "type") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries of a list with ids, or of a mapping; CWL allows both for most things.

    Args:
        value: The list or mapping.
        key: The name of the id in a list.
        short: The field that an entry stands for which is no mapping.
    """
    if isinstance(value, dict):
        for name, each in value.items():
            yield _last(name) if key == "id" else name, each if isinstance(each, dict) else {short: each}
    for each in items_of(value):
        if isinstance(each, dict) and each.get(key) is not None:
            name = text_of(each[key])
            yield _last(name) if key == "id" else name, each


def _parts(reference: str) -> list[str]:
    return re.split(r"[#/]", reference.removeprefix("#"))


def _last(name: str) -> str:
    return _parts(name)[-1]


def _type(spec: dict[str, Any]) -> str:
    return excerpt(spec.get("type"))


def _default(spec: dict[str, Any]) -> str | None:
    return _constant_text(spec.get("default"))


def _constant_text(value: Any) -> str | None:
    """Return a value as an argument: a scalar, or the path of a file; None for anything else."""
    if isinstance(value, dict) and value.get("class") in ("File", "Directory"):
        value = value.get("path", value.get("location"))
    return None if value is None or isinstance(value, dict | list) else text_of(value)
