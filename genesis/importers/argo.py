"""Argo Workflows: templates of DAGs and steps become groups, those of containers and scripts tasks.

Reference: argo-workflows.readthedocs.io, "Field Reference".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from genesis.importers.conditions import add_alternative, translate_condition
from genesis.importers.copies import find_item_names, read_copies
from genesis.importers.expressions import fill_expressions, find_expressions
from genesis.importers.fields import excerpt, items_of, mapping_of, resources_of, seconds_of, text_of, texts_of
from genesis.importers.limits import LONGEST_TEXT, MOST_EXPANSIONS, MOST_STEPS
from genesis.importers.parameters import find_parameter
from genesis.importers.source import Source
from genesis.importers.workflow import Command, Loss, Slot, Start, Step, Workflow, WorkflowParameter
from genesis.model.wait_for import LONGEST_WAIT_S

__all__ = ["find_mismatch", "read_workflow"]

_KINDS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
_OPENING = "{{"
_PARAMETER = re.compile(r"\{\{\s*(inputs|workflow)\.parameters\.([\w\-]+)\s*\}\}", re.ASCII)
_ITEM = re.compile(r"\{\{\s*(item(?:\.[A-Za-z_][\w\-]*)?)\s*\}\}", re.ASCII)
_NAMED = r"\{\{\s*workflow\.parameters\.([A-Za-z_][\w\-]*)\s*\}\}"
_TEXT = r"(?!(?:true|false)\b)([A-Za-z][\w\-]*)"
_UNQUOTED = re.compile(rf"(?<![\w'\"]){_NAMED}\s*([=!]=)\s*(['\"]?){_TEXT}\3(?=\s|\)|\Z)", re.ASCII)
_QUOTED = re.compile(rf"(['\"]){_NAMED}\1", re.ASCII)
_WORD = re.compile(rf"([=!]=)\s*{_TEXT}(?=\s|\)|\Z)", re.ASCII)
_DEPENDS = re.compile(r"[A-Za-z_][\w\-]*(?:\.\w+)?")
_SHELLS = ("sh", "bash", "ash", "dash", "zsh")
_SPEC_KEYS = {
    "entrypoint", "templates", "arguments", "onExit", "activeDeadlineSeconds", "workflowSpec", "schedule",
    "schedules", "timezone", "workflowTemplateRef",
}  # fmt: skip
_TEMPLATE_KEYS = {
    "name", "inputs", "outputs", "container", "script", "dag", "steps", "suspend", "resource", "http",
    "retryStrategy", "activeDeadlineSeconds", "timeout", "synchronization", "volumes", "metadata",
    "nodeSelector", "containerSet", "data", "plugin", "parallelism",
}  # fmt: skip
_CALL_KEYS = {
    "name", "template", "templateRef", "arguments", "dependencies", "depends", "when", "withItems",
    "withParam", "withSequence", "continueOn", "inline",
}  # fmt: skip


def find_mismatch(source: Source) -> str | None:
    """Return why a file is no manifest of Argo Workflows."""
    document = source.document
    if not isinstance(document, dict):
        return "it is no mapping"
    if not text_of(document.get("apiVersion")).startswith("argoproj.io/"):
        return "its apiVersion is not argoproj.io"
    return None if document.get("kind") in _KINDS else f"its kind is none of {', '.join(_KINDS)}"


def read_workflow(source: Source) -> Workflow:
    """Translate a manifest."""
    document: dict[str, Any] = source.document
    metadata, spec = mapping_of(document.get("metadata")), mapping_of(document.get("spec"))
    path: tuple[str, ...] = ("spec",)
    workflow = Workflow(
        text_of(metadata.get("name")) or text_of(metadata.get("generateName")).rstrip("-") or "workflow"
    )
    for key in ("schedule", "schedules"):
        workflow.starts += [_read_schedule(source.line("spec", key), each, spec) for each in texts_of(spec.get(key))]
    if "workflowSpec" in spec:
        workflow.losses += source.leftover(spec, _SPEC_KEYS | {"suspend"}, *path)
        spec, path = mapping_of(spec["workflowSpec"]), ("spec", "workflowSpec")
    workflow.losses += source.leftover(spec, _SPEC_KEYS, *path)
    workflow.deadline_s = seconds_of(spec.get("activeDeadlineSeconds"))
    for place, raw in enumerate(items_of(mapping_of(spec.get("arguments")).get("parameters"))):
        each = mapping_of(raw)
        default = text_of(each["value"]) if each.get("value") is not None else None
        line = source.line(*path, "arguments", "parameters", place)
        options = tuple(texts_of(each.get("enum")))
        workflow.parameters.append(WorkflowParameter(text_of(each.get("name")), line, default, options=options))
    _Reader(source, path, spec, workflow.parameters).read(workflow)
    return workflow


def _read_schedule(line: int, cron: str, spec: dict[str, Any]) -> Start:
    """Read one time of a CronWorkflow; one that is suspended is written, and starts nothing."""
    keys: dict[str, Any] = {"cron": cron}
    if spec.get("timezone"):
        keys["timezone"] = text_of(spec["timezone"])
    if text_of(spec.get("suspend", "false")) == "true":
        keys["active"] = False
    return Start(line, f"schedule {cron}", keys)


class _Reader:
    def __init__(
        self, source: Source, path: tuple[str, ...], spec: dict[str, Any], parameters: list[WorkflowParameter]
    ) -> None:
        self._source = source
        self._path = path
        self._spec = spec
        self._parameters = parameters
        templates = [mapping_of(each) for each in items_of(spec.get("templates"))]
        self._templates = {text_of(each.get("name")): (place, each) for place, each in enumerate(templates)}
        self._open: list[str] = []
        self._count = 0
        self._is_in_loop = False
        self._items: frozenset[str] = frozenset()

    def read(self, workflow: Workflow) -> None:
        """Read the entry point, and what runs at the end."""
        if "workflowTemplateRef" in self._spec:
            step = Step("template", "template", self._source.line(*self._path, "workflowTemplateRef"))
            step.sub_workflow = excerpt(self._spec["workflowTemplateRef"])
            workflow.steps = [step]
            return
        entry = text_of(self._spec.get("entrypoint"))
        if not entry and len(self._templates) == 1:
            entry = next(iter(self._templates))
        if entry not in self._templates:
            line = self._source.line(*self._path, "entrypoint")
            workflow.losses.append(Loss(line, f"entrypoint {entry!r}", "there is no such template: left out"))
            return
        first = Step(
            entry, "template", self._source.line(*self._path, "templates", self._templates[entry][0]), name=entry
        )
        self._fill(first, entry, {})
        workflow.steps = first.steps or [first]
        if first.steps:
            workflow.losses += [Loss(each.line, each.construct, each.outcome) for each in first.losses]
            self._lose_group(first, workflow)
        if last := text_of(self._spec.get("onExit")):
            line = self._source.line(*self._path, "onExit")
            step = Step("onExit", "template", line, name=f"exit-{last}", trigger="always")
            self._fill(step, last, {})
            step.after = [each.key for each in workflow.steps]
            workflow.steps = [*workflow.steps, step]

    @staticmethod
    def _lose_group(first: Step, workflow: Workflow) -> None:
        """Keep the options of the entry point, which is not a task itself, for each of its tasks."""
        for step in first.steps:
            step.image, step.mutex = step.image or first.image, step.mutex or first.mutex
        if first.timeout_s:
            workflow.deadline_s = min(first.timeout_s, workflow.deadline_s or first.timeout_s)
        if first.retries:
            workflow.losses.append(Loss(first.line, f"{first.retries} retries of the entry point", "left out"))

    def _fill(self, step: Step, name: str, arguments: Mapping[str, str]) -> None:
        """Fill a step with what its template does."""
        found = self._templates.get(name)
        if found is None:
            step.losses.append(
                Loss(step.line, f"template {name!r}, which is not in this file", "the task is a work order")
            )
            return
        if name in self._open or len(self._open) >= MOST_EXPANSIONS:
            step.condition = f"the template {name!r} uses itself"
            return
        self._count += 1
        self._source.check_size(self._count)
        self._open.append(name)
        place, template = found
        self._fill_inline(step, template, arguments, (*self._path, "templates", place))
        self._open.pop()

    def _fill_inline(
        self, step: Step, template: dict[str, Any], arguments: Mapping[str, str], path: tuple[str | int, ...]
    ) -> None:
        values = _inputs(template, arguments)
        step.losses += self._source.leftover(template, _TEMPLATE_KEYS, *path)
        step.losses += [
            Loss(self._source.line(*path, key), f"{key}: {excerpt(template[key])}", "left out")
            for key in ("parallelism", "metadata", "nodeSelector", "volumes")
            if template.get(key)
        ]
        _read_options(step, template)
        if isinstance(template.get("dag"), dict):
            self._read_dag(step, template["dag"], values, (*path, "dag"))
        elif isinstance(template.get("steps"), list):
            self._read_steps(step, template["steps"], values, (*path, "steps"))
        elif isinstance(template.get("container"), dict):
            _read_container(step, template["container"], values, self._items)
        elif isinstance(template.get("script"), dict):
            _read_script(step, template["script"], values, self._items)
        else:
            kinds = ("suspend", "resource", "http", "containerSet", "data", "plugin")
            kind = next((key for key in kinds if key in template), "template")
            step.kind = kind
            if kind == "suspend":
                seconds = seconds_of(mapping_of(template["suspend"]).get("duration"))
                if seconds is not None and seconds <= LONGEST_WAIT_S and not step.retries and step.timeout_s is None:
                    step.pause_s = seconds
                else:
                    step.wait_for = f"a resumption (suspend {excerpt(template['suspend'])})"
            else:
                step.inputs = {kind: template.get(kind)}
                step.losses.append(
                    Loss(self._source.line(*path, kind), f"template of {kind}", "the task is a work order")
                )

    def _read_dag(
        self, group: Step, dag: dict[str, Any], values: Mapping[str, str], path: tuple[str | int, ...]
    ) -> None:
        group.kind = "dag"
        tasks = [mapping_of(each) for each in items_of(dag.get("tasks"))]
        names = {text_of(each.get("name")) for each in tasks}
        for key in ("failFast", "target"):
            if key in dag:
                group.losses.append(Loss(self._source.line(*path, key), f"{key}: {excerpt(dag[key])}", "left out"))
        waiting: list[tuple[Step, str, set[str]]] = []
        for place, task in enumerate(tasks):
            step = self._call(group, task, values, (*path, "tasks", place))
            before = texts_of(task.get("dependencies"))
            if depends := text_of(task.get("depends")):
                found = [each.partition(".") for each in _DEPENDS.findall(depends)]
                before += [name for name, _, _ in found]
                waiting.append((step, depends, {state for _, _, state in found}))
            step.after = [f"{group.key}/{name}" if name in names else name for name in before]
        for step, depends, states in waiting:
            _read_depends(step, depends, states, [each for each in group.steps if each.key in step.after])
        group.steps = [add_alternative(step) if step.when else step for step in group.steps]

    def _read_steps(self, group: Step, rows: list[Any], values: Mapping[str, str], path: tuple[str | int, ...]) -> None:
        group.kind = "steps"
        before: list[str] = []
        for row_number, row in enumerate(rows):
            calls = row if isinstance(row, list) else [row]
            made = []
            for place, raw in enumerate(calls):
                at = (*path, row_number, place) if isinstance(row, list) else (*path, row_number)
                step = self._call(group, mapping_of(raw), values, at)
                step.after = list(before)
                made.append(step.key)
            before = made or before
        group.steps = [add_alternative(step) if step.when else step for step in group.steps]

    def _find(self, name: str) -> WorkflowParameter | None:
        prefix, _, bare = name.rpartition(".")
        return find_parameter(self._parameters, bare) if prefix == "workflow.parameters" else None

    def _call(self, group: Step, call: dict[str, Any], values: Mapping[str, str], path: tuple[str | int, ...]) -> Step:
        """Make the step of a task in a DAG, or of one of several steps, from the template that it uses."""
        name = text_of(call.get("name")) or f"step-{len(group.steps) + 1}"
        step = Step(f"{group.key}/{name}", "template", self._source.line(*path), name=name)
        group.steps.append(step)
        step.losses += self._source.leftover(call, _CALL_KEYS, *path)
        arguments = _named_values(mapping_of(call.get("arguments")), values)
        if artifacts := items_of(mapping_of(call.get("arguments")).get("artifacts")):
            step.files = f"takes {', '.join(text_of(mapping_of(each).get('name')) for each in artifacts)}"
        template = text_of(call.get("template"))
        step.description = f"{name}, by the template {template}" if template else name
        around = self._is_in_loop, self._items
        loops = self._read_loop(step, call)
        if isinstance(call.get("inline"), dict):
            self._fill_inline(step, call["inline"], arguments, (*path, "inline"))
        elif "templateRef" in call:
            step.sub_workflow = excerpt(call["templateRef"])
            step.inputs = {"arguments": dict(arguments)}
        else:
            self._fill(step, template, arguments)
        self._is_in_loop, self._items = around
        if "when" in call:
            when = _fill_values(text_of(call["when"]), values)
            step.when = translate_condition(_name_parameters(when), self._find)
            step.condition = "" if step.when or step.condition else excerpt(call["when"])
        go_on = mapping_of(call.get("continueOn"))
        step.allow_failure = text_of(go_on.get("failed")) == "true"
        if not step.allow_failure and text_of(go_on.get("error")) == "true":
            construct = "its failure is allowed where Argo could not run it"
            step.losses.append(Loss(self._source.line(*path, "continueOn"), construct, "its failure fails the run"))
        keys = {"condition": "depends" if "depends" in call else "when", "for_each": loops[0] if loops else ""}
        step.lines |= {field: self._source.line(*path, key) for field, key in keys.items() if key}
        return step

    def _read_loop(self, step: Step, call: dict[str, Any]) -> list[str]:
        """Read the values of which each makes a copy of a step, before what is in it; returns the keys that say them.

        A loop in a loop is none of copies: `item` would stand for the values of either.
        """
        loops: list[str] = [key for key in ("withItems", "withParam", "withSequence") if key in call]
        if not loops:
            return []
        if self._is_in_loop:
            step.expressions += map(excerpt, filter(_ITEM.fullmatch, find_expressions(text_of(call), _OPENING)))
        elif len(loops) == 1:
            step.copies = read_copies(_loop_values(call), self._parameters)
            self._items = find_item_names(step.copies)
        self._is_in_loop = True
        if step.copies is None:
            step.for_each = ", ".join(f"{key} {excerpt(call[key])}" for key in loops)
        return loops


def _loop_values(call: dict[str, Any]) -> list[Any]:
    """Return the literal values of a loop; none where it has others."""
    if "withSequence" not in call:
        return items_of(call.get("withItems"))
    sequence = {key: text_of(value) for key, value in mapping_of(call["withSequence"]).items()}
    if sequence.keys() not in ({"count"}, {"end"}, {"start", "end"}) or not all(
        re.fullmatch(r"0|[1-9]\d{0,8}", each, re.ASCII) for each in sequence.values()
    ):
        return []
    start, end = int(sequence.get("start", 0)), int(sequence.get("end", sequence.get("count", 0)))
    end -= "count" in sequence
    if end < 0 or abs(end - start) >= MOST_STEPS:
        return []
    return [str(each) for each in (range(start, end + 1) if start <= end else range(start, end - 1, -1))]


def _read_depends(step: Step, depends: str, states: set[str], before: list[Step]) -> None:
    """Read on which ends of the tasks before it one depends.

    Args:
        step: The task.
        depends: What it says.
        states: The ends that it names; an empty one is that of a task without an end: it succeeded, or was skipped.
        before: The tasks that it names.
    """
    operators = set(re.findall(r"&&|\|\||!", depends))
    if states == {"Failed"} and operators <= {"||"} and not any(each.after or each.allow_failure for each in before):
        step.trigger = "any_failed"  # a task after another is omitted if that fails, which is not Failed in Argo
        return
    is_skippable = "Succeeded" in states and any(each.when for each in before)
    if operators - {"&&"} or is_skippable or not states <= {"", "Succeeded"}:
        step.condition = f"depends: {excerpt(depends)}"
        step.when = ""


def _name_parameters(condition: str) -> str:
    """Write parameters of the workflow as names, and words as texts, as Argo reads both where a condition has them.

    Only words that are texts without quotes, too, are taken: Argo reads others as numbers or truth values.
    """
    named = _UNQUOTED.sub(r" workflow.parameters.\1 \2 '\4'", condition)
    return _WORD.sub(r"\1 '\2'", _QUOTED.sub(r" workflow.parameters.\2 ", named))


def _inputs(template: dict[str, Any], arguments: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a template's parameters: those that are handed to it, or its defaults."""
    found = _named_values(mapping_of(template.get("inputs")), {})
    return {**found, **arguments}


def _named_values(owner: dict[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in items_of(owner.get("parameters")):
        spec = mapping_of(each)
        if spec.get("value") is not None:
            found[text_of(spec.get("name"))] = _fill_values(text_of(spec["value"]), values)
    return found


def _fill_values(text: str, values: Mapping[str, str]) -> str:
    """Fill in the parameters whose values are in the file; other expressions stay."""

    def fill(expression: str) -> str:
        found = _PARAMETER.fullmatch(expression)
        return values.get(found[2], expression) if found and found[1] == "inputs" else expression

    filled = fill_expressions(text, _OPENING, fill)
    return filled if len(filled) <= max(LONGEST_TEXT, len(text)) else text


def _read_options(step: Step, template: dict[str, Any]) -> None:
    """Read what templates of all kinds have."""
    retry = mapping_of(template.get("retryStrategy"))
    limit = text_of(retry.get("limit", "1" if retry else "0"))
    step.retries = int(limit[:4]) if limit.isascii() and limit.isdecimal() else 0
    backoff = mapping_of(retry.get("backoff"))
    step.delay_s = seconds_of(backoff.get("duration"))
    factor = text_of(backoff.get("factor", "1"))
    step.backoff = float(factor) if re.fullmatch(r"\d{1,3}(?:\.\d+)?", factor, re.ASCII) else 0.0
    carried = ("duration", "factor") if step.delay_s else ()
    kept = {key: retry[key] for key in retry if key not in ("limit", "backoff")}
    kept |= {f"backoff.{key}": backoff[key] for key in backoff if key not in carried}
    step.pauses = excerpt(kept) if kept else ""
    step.timeout_s = seconds_of(template.get("activeDeadlineSeconds", template.get("timeout")))
    _read_synchronization(step, template.get("synchronization"))
    outputs, inputs = mapping_of(template.get("outputs")), mapping_of(template.get("inputs"))
    step.outputs = ", ".join(text_of(mapping_of(each).get("name")) for each in items_of(outputs.get("parameters")))
    artifacts = [*items_of(inputs.get("artifacts")), *items_of(outputs.get("artifacts"))]
    if artifacts:
        step.files = ", ".join(text_of(mapping_of(each).get("name")) for each in artifacts)


def _read_synchronization(step: Step, value: Any) -> None:
    """Read what keeps a step apart from others; a mutex of another namespace, or one of several, is another one."""
    sync = mapping_of(value)
    mutexes = [sync["mutex"]] if "mutex" in sync else items_of(sync.get("mutexes"))
    first = mapping_of(mutexes[0]) if len(mutexes) == 1 else {}
    if len(sync) == 1 and set(first) == {"name"} and not find_expressions(text_of(first["name"]), _OPENING):
        step.only_one = text_of(first["name"])
    elif sync:
        step.mutex = excerpt(sync)


def _read_resources(value: Any) -> tuple[dict[str, Any], str]:
    """Read the resources of a container.

    Returns:
        Its requests of processors and memory, which are its limits where it has no others, and what is left of it.
    """
    resources = mapping_of(value)
    wanted = {**mapping_of(resources.get("limits")), **mapping_of(resources.get("requests"))}
    cpu = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)(m?)", text_of(wanted.get("cpu")), re.ASCII)
    memory = re.fullmatch(r"\d{1,15}(?:[KMGT]i|[kMGT])?", text_of(wanted.get("memory")), re.ASCII)
    needs = resources_of(
        cpu=float(cpu[1]) / (1000 if cpu[2] else 1) if cpu else None, memory=memory[0] if memory else None
    )
    carried = {name: wanted[name] for name in needs}
    rest = {
        section: left if isinstance(each, dict) else each
        for section, each in resources.items()
        if (left := {key: one for key, one in mapping_of(each).items() if carried.get(key) != one})
        or not isinstance(each, dict)
    }
    return needs, excerpt(rest) if rest else ""


def _read_container(step: Step, container: dict[str, Any], values: Mapping[str, str], items: frozenset[str]) -> None:
    """Read the argument list of a container."""
    step.kind = "container"
    _read_machine(step, container, values, items)
    argv: list[str | Slot] = []
    words = [_fill_values(each, values) for key in ("command", "args") for each in texts_of(container.get(key))]
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        argv.append(_argument(step, word, items, is_script=re.fullmatch(r"-\w*c", before) is not None))
    folder = text_of(container.get("workingDir"))
    if not texts_of(container.get("command")):
        step.inputs = {"image": step.image, "args": words}
        step.losses.append(Loss(step.line, "a container whose image names the program", "the task is a work order"))
    else:
        step.command = Command(tuple(argv), cwd=folder or None)


def _argument(step: Step, word: str, items: frozenset[str], *, is_script: bool) -> str | Slot:
    """Return an argument; one that ends in a parameter of the workflow or a loop's value takes its value from there."""
    found = find_expressions(word, _OPENING)
    if not found:
        return word
    name = _find_name(found[0], items)
    prefix = word.removesuffix(found[0])
    is_last = len(found) == 1 and prefix != word and not re.search(r"\s", prefix)
    if (name in items or name.isidentifier()) and is_last and not is_script:
        return Slot(name, prefix)
    step.expressions += map(excerpt, found)
    return word


def _find_name(expression: str, items: frozenset[str]) -> str:
    """Return the name of a workflow's parameter or a loop's value that an expression is; an empty one for others."""
    if found := _ITEM.fullmatch(expression):
        return found[1] if found[1] in items else ""
    parameter = _PARAMETER.fullmatch(expression)
    return parameter[2] if parameter and parameter[1] == "workflow" else ""


def _read_script(step: Step, script: dict[str, Any], values: Mapping[str, str], items: frozenset[str]) -> None:
    """Read a script, whose text Argo hands to its interpreter as a file."""
    step.kind = "script"
    _read_machine(step, script, values, items)
    source = _fill_values(text_of(script.get("source")), values)
    step.expressions += map(excerpt, find_expressions(source, _OPENING))
    command = texts_of(script.get("command"))
    program = PurePath(command[0]).name if command else ""
    if program in _SHELLS:
        step.command = Command((*command, "-c", "--"), source)
    elif re.fullmatch(r"python[\d.]*", program):
        step.command = Command((*command, "-c"), source)
    else:
        step.inputs = {"command": command, "script": source}
        step.losses.append(Loss(step.line, f"a script for {program or 'its image'}", "the task is a work order"))


def _read_machine(step: Step, container: dict[str, Any], values: Mapping[str, str], items: frozenset[str]) -> None:
    """Read image, resources and environment of a container."""
    step.image = excerpt(container.get("image"))
    step.needs, step.resources = _read_resources(container.get("resources"))
    for each in items_of(container.get("env")):
        spec = mapping_of(each)
        name, value = text_of(spec.get("name")), _fill_values(text_of(spec.get("value")), values)
        if "secretKeyRef" in mapping_of(spec.get("valueFrom")):
            step.secrets.append(name)
        elif reference := _find_name(value.strip(), items):
            step.environment_parameters[name] = reference
        elif "valueFrom" in spec or find_expressions(value, _OPENING):
            step.expressions.append(f"the variable {name}")
        else:
            step.environment[name] = value
    for key in ("envFrom", "volumeMounts"):
        if container.get(key):
            step.expressions.append(f"{key}: {excerpt(container[key])}")
