"""Kestra: the tasks of a flow, one after another; flowable tasks become groups.

Reference: kestra.io/docs, "Workflow Components" and "Flowable Tasks".
"""

from __future__ import annotations

import json
import re
from typing import Any

from genesis.importers.conditions import add_alternative, negate_condition, translate_condition
from genesis.importers.copies import find_item_names, read_copies
from genesis.importers.expressions import fill_expressions, find_expressions
from genesis.importers.fields import excerpt, items_of, mapping_of, seconds_of, text_of, texts_of
from genesis.importers.kestra_files import FileReader
from genesis.importers.parameters import find_parameter
from genesis.importers.source import Source
from genesis.importers.workflow import Command, Loss, Slot, Start, Step, Trigger, Workflow, WorkflowParameter
from genesis.model.wait_for import LONGEST_WAIT_S

__all__ = ["find_mismatch", "read_workflow"]

_DEEPEST = 40
"""Keys from the root to a flowable task whose tasks are followed, in pairs; documents end at 100 levels."""
_OPENINGS = ("{{", "{%")
_SECRET = re.compile(r"\{\{-?\s*secret\(['\"][^'\"]*['\"]\)\s*-?\}\}\Z")
_SCHEDULE_KEYS = {"id", "type", "description", "cron", "timezone", "inputs", "disabled"}
_FLOW_KEYS = {
    "id", "namespace", "description", "tasks", "inputs", "triggers", "errors", "finally", "revision",
    "labels", "disabled",
}  # fmt: skip
_TASK_KEYS = {
    "id", "type", "description", "retry", "timeout", "allowFailure", "runIf", "disabled", "tasks",
    "concurrent", "condition", "then", "else", "value", "cases", "defaults", "values", "concurrencyLimit",
    "errors", "finally", "task", "dependsOn", "env", "taskRunner", "containerImage", "docker", "runner",
    "inputFiles", "outputFiles", "namespaceFiles", "commands", "script", "beforeCommands", "message",
    "interpreter", "version",
}  # fmt: skip
_IN_ORDER = ("Sequential", "WorkingDirectory", "AllowFailure", "Worker")
_LOOPS = ("ForEach", "EachSequential", "EachParallel", "LoopUntil")
_SCRIPTS = {"python": ("python3", "-c"), "node": ("node", "-e"), "shell": ("sh", "-e", "-c", "--")}
_Path = tuple[str | int, ...]
_Branch = tuple[tuple[str, ...], str, str, str]
"""Keys of its tasks, a name, its `when` or nothing, and its condition as text."""


def find_mismatch(source: Source) -> str | None:
    """Return why a file is no flow of Kestra."""
    document = source.document
    if not isinstance(document, dict):
        return "it is no mapping"
    missing = [key for key in ("id", "namespace", "tasks") if key not in document]
    if missing:
        return f"it has no key {missing[0]!r}"
    return None if isinstance(document["tasks"], list) else "its 'tasks' is no list"


def read_workflow(source: Source) -> Workflow:
    """Translate a flow."""
    document: dict[str, Any] = source.document
    workflow = Workflow(f"{text_of(document['namespace'])}.{text_of(document['id'])}")
    workflow.losses += source.leftover(document, _FLOW_KEYS)
    for place, raw in enumerate(items_of(document.get("inputs"))):
        spec = mapping_of(raw)
        value = spec.get("defaults")
        name = text_of(spec.get("id", spec.get("name")))
        default = None if value is None else text_of(value)
        line, kind, options = (
            source.line("inputs", place),
            text_of(spec.get("type")),
            tuple(texts_of(spec.get("values"))),
        )
        workflow.parameters.append(WorkflowParameter(name, line, default, kind, options))
    for place, raw in enumerate(items_of(document.get("triggers"))):
        workflow.starts.append(_read_trigger(source.line("triggers", place), mapping_of(raw)))
    reader = _Reader(source, workflow.parameters)
    workflow.steps = reader.read_list(document["tasks"], ("tasks",), "", in_order=True)
    reader.add_handlers(workflow.steps, document, (), "", "The flow's ")
    reader.files.write()
    return workflow


def _read_trigger(line: int, spec: dict[str, Any]) -> Start:
    """Read what starts the flow; a schedule with conditions of its own would start it too often without them."""
    kind = text_of(spec.get("type")).rpartition(".")[2]
    text = f"trigger {kind} {text_of(spec.get('cron'))}".strip()
    if kind != "Schedule" or not spec.keys() <= _SCHEDULE_KEYS:
        more = ", ".join(sorted(spec.keys() - _SCHEDULE_KEYS)) if kind == "Schedule" else ""
        return Start(line, f"{text} with {more}" if more else text)
    keys: dict[str, Any] = {key: text_of(spec[key]) for key in ("cron", "timezone") if key in spec}
    if text_of(spec.get("disabled", "false")) == "true":
        keys["active"] = False
    if spec.get("inputs"):
        keys["params"] = mapping_of(spec["inputs"])
    return Start(line, text, keys, name=text_of(spec.get("id")))


class _Reader:
    def __init__(self, source: Source, parameters: list[WorkflowParameter]) -> None:
        self._source = source
        self._parameters = parameters
        self._count = 0
        self.files = FileReader()
        self._shared: set[str] = set()
        """Beginnings of the keys of tasks that run more than once, or in a folder that others use, too."""
        self._items: dict[str, frozenset[str]] = {}
        """For the beginning of the keys in a loop: names of the values that tasks right inside of it can take."""

    def read_list(self, tasks: Any, path: _Path, prefix: str, *, in_order: bool) -> list[Step]:
        """Read a list of tasks.

        Args:
            tasks: The list.
            path: Where it is in the document.
            prefix: Before the keys of its steps.
            in_order: Whether they run one after another.
        """
        found: list[Step] = []
        for place, raw in enumerate(items_of(tasks)):
            step = self._task(mapping_of(raw), (*path, place), prefix, place)
            if in_order and found:
                step.after = [found[-1].key]
            found.append(step)
        return found

    def _task(self, raw: dict[str, Any], path: _Path, prefix: str, place: int) -> Step:
        self._count += 1
        self._source.check_size(self._count)
        name = text_of(raw.get("id")) or f"task-{place + 1}"
        kind = text_of(raw.get("type"))
        step = Step(f"{prefix}{place}:{name}", kind or "task", self._source.line(*path), name=name)
        step.description = text_of(raw.get("description")).strip() or f"{name}: {kind.rpartition('.')[2]}"
        self._read_options(step, raw, path)
        if kind.rpartition(".")[2] in (*_LOOPS, "WorkingDirectory"):
            self._shared.add(f"{step.key}/")
        self.files.add(step, raw, is_alone=not step.key.startswith(tuple(self._shared)))
        if ".flow." in kind and self._read_flowable(step, raw, kind.rpartition(".")[2], path):
            step.losses += self._source.leftover(raw, _TASK_KEYS, *path)
        else:
            self._read_work(step, raw, kind, path)
        return add_alternative(step) if step.when else step

    def _find(self, name: str) -> WorkflowParameter | None:
        prefix, _, bare = name.partition(".")
        return find_parameter(self._parameters, bare) if prefix == "inputs" else None

    def _read_options(self, step: Step, raw: dict[str, Any], path: _Path) -> None:
        """Read what all tasks have."""
        retry = mapping_of(raw.get("retry"))
        attempts = text_of(retry.get("maxAttempts", retry.get("maxAttempt", "")))
        step.retries = max(int(attempts[:4]) - 1, 0) if attempts.isascii() and attempts.isdecimal() else 0
        _read_delays(step, retry)
        step.timeout_s = seconds_of(raw.get("timeout"))
        if "timeout" in raw and step.timeout_s is None:
            step.losses.append(
                Loss(self._source.line(*path, "timeout"), f"timeout {excerpt(raw['timeout'])}", "left out")
            )
        step.allow_failure = text_of(raw.get("allowFailure")) == "true" or step.kind.endswith(".AllowFailure")
        step.when = translate_condition(_bare(text_of(raw.get("runIf"))), self._find)
        step.condition = excerpt(raw["runIf"]) if raw.get("runIf") is not None and not step.when else ""
        if text_of(raw.get("disabled")) == "true":
            step.when, step.condition = "", "disabled"
        images = [raw.get("containerImage"), mapping_of(raw.get("docker")).get("image"), raw.get("taskRunner")]
        step.image = next((excerpt(each) for each in images if each), "")
        fields = {"retries": "retry", "allow_failure": "allowFailure", "condition": "runIf", "image": "containerImage",
                  "files": "inputFiles", "environment": "env", "expressions": "commands"}  # fmt: skip
        step.lines = {field: self._source.line(*path, key) for field, key in fields.items()}

    def _read_flowable(self, step: Step, raw: dict[str, Any], kind: str, path: _Path) -> bool:
        """Read a task that only orders others; returns whether it is one."""
        inner = f"{step.key}/"
        if len(path) > 2 * _DEEPEST:
            return False
        if kind in _IN_ORDER or kind == "Parallel":
            step.steps = self.read_list(raw.get("tasks"), (*path, "tasks"), inner, in_order=kind != "Parallel")
            if raw.get("concurrent") not in (None, 0):
                step.mutex = f"at most {excerpt(raw['concurrent'])} at once"
        elif kind == "Dag":
            self._read_dag(step, raw, path)
        elif kind in _LOOPS:
            self._read_values(step, raw, kind, path)
            step.steps = self.read_list(raw.get("tasks"), (*path, "tasks"), inner, in_order=kind != "EachParallel")
        elif kind in ("If", "Switch"):
            self._read_choices(step, raw, kind, path)
        else:
            return False
        self.add_handlers(step.steps, raw, path, inner, f"{step.name}: ")
        return bool(step.steps)

    def _read_values(self, step: Step, raw: dict[str, Any], kind: str, path: _Path) -> None:
        """Read the values of a loop. A loop whose next round needs the success of the one before is none of copies."""
        values, limit = _literals(raw.get("values")), raw.get("concurrencyLimit", 1) if kind == "ForEach" else None
        is_limited = raw.get("concurrent") not in (None, 0)
        if (type(limit) is int and limit != 1) or (kind == "EachParallel" and not is_limited):
            step.copies = read_copies(values, self._parameters, limit or None)
        if step.copies is None:
            step.for_each = f"{kind} {excerpt(raw.get('values', raw.get('condition')))}"
            return
        self._items[f"{step.key}/"] = find_item_names(step.copies)
        if step.copies.max_parallel is not None:
            line = self._source.line(*path, "concurrencyLimit")
            construct = f"concurrencyLimit {limit} starts no value after a failure"
            step.losses.append(Loss(line, construct, "the other copies run although one fails"))

    def _find_name(self, step: Step, text: str) -> str:
        """Return the name of the input or of the loop's value that a text is; an empty one for others."""
        name = _bare(text)
        if name == "taskrun.value":
            items = self._items.get(f"{step.key.rpartition('/')[0]}/", ())
            return "item" if "item" in items else ""
        found = self._find(name)
        return found.name if found is not None else ""

    def _read_message(self, step: Step, message: str) -> None:
        """Read a message of the log, which may end in the value of a loop."""
        found = find_expressions(message, *_OPENINGS)
        if len(found) == 1 and message.endswith(found[0]) and self._find_name(step, found[0]) == "item":
            step.command = Command(("printf", "%s\\n", Slot("item", message.removesuffix(found[0]))))
            return
        step.command = Command(("printf", "%s\\n", message))
        step.expressions += map(excerpt, found)

    def _read_choices(self, step: Step, raw: dict[str, Any], kind: str, path: _Path) -> None:
        """Read the branches of a condition as groups, each with the condition of its own."""
        branches = self._if_branches(raw) if kind == "If" else self._switch_branches(raw)
        for place, name, when, condition in branches:
            tasks: Any = raw
            for key in place:
                tasks = mapping_of(tasks).get(key)
            group = Step(f"{step.key}/{name}", f"{kind} branch", self._source.line(*path, *place), name=name)
            group.description, group.when, group.condition = f"{step.name}: {name}", when, "" if when else condition
            group.steps = self.read_list(tasks, (*path, *place), f"{group.key}/", in_order=True)
            if group.steps:
                step.steps.append(group)
            elif when:
                group.description, group.command = "Do nothing", Command(("true",))
                step.steps.append(group)

    def _if_branches(self, raw: dict[str, Any]) -> list[_Branch]:
        condition = text_of(raw.get("condition"))
        when = translate_condition(_bare(condition), self._find)
        opposite = negate_condition(when) if when else ""
        shown = excerpt(condition)
        return [(("then",), "then", when, shown), (("else",), "else", opposite, f"not {shown}")]

    def _switch_branches(self, raw: dict[str, Any]) -> list[_Branch]:
        value, cases = text_of(raw.get("value")), mapping_of(raw.get("cases"))
        quoted = [name.replace("'", "''") for name in cases]
        whens = [translate_condition(f"{_bare(value)} == '{name}'", self._find) for name in quoted]
        if not all(whens) or self._find(_bare(value)) is None:
            whens = [""] * len(cases)
        shown = excerpt(value)
        found: list[_Branch] = [
            (("cases", name), name, when, f"{shown} is {name!r}") for name, when in zip(cases, whens, strict=True)
        ]
        rest = negate_condition(" or ".join(whens)) if any(whens) else ""
        return [*found, (("defaults",), "defaults", rest, f"{shown} is none of the cases")]

    def _read_dag(self, step: Step, raw: dict[str, Any], path: _Path) -> None:
        entries = [mapping_of(each) for each in items_of(raw.get("tasks"))]
        keys: dict[str, str] = {}
        for place, entry in enumerate(entries):
            task = self._task(mapping_of(entry.get("task")), (*path, "tasks", place, "task"), f"{step.key}/", place)
            keys.setdefault(task.name, task.key)
            step.steps.append(task)
        for task, entry in zip(step.steps, entries, strict=True):
            task.after = [keys.get(name, name) for name in texts_of(entry.get("dependsOn"))]

    def add_handlers(self, steps: list[Step], raw: dict[str, Any], path: _Path, prefix: str, title: str) -> None:
        """Add to some steps what runs after a failure of them, and then what runs in any case.

        Args:
            steps: The steps.
            raw: The flow, or the task that they are in.
            path: Where it is in the document.
            prefix: Before the keys of the steps.
            title: Before the descriptions.
        """
        triggers: dict[str, Trigger] = {"errors": "any_failed", "finally": "always"}
        for key, trigger in triggers.items():
            if raw.get(key):
                group = Step(f"{prefix}{key}", key, self._source.line(*path, key), name=key, trigger=trigger)
                group.description, group.after = f"{title}{key}", [each.key for each in steps]
                group.steps = self.read_list(raw[key], (*path, key), f"{group.key}/", in_order=True)
                steps += [group] if group.steps else []

    def _read_work(self, step: Step, raw: dict[str, Any], kind: str, path: _Path) -> None:
        """Read a task that does something: a script or commands run, anything else is done by a person."""
        language, _, form = kind.removeprefix("io.kestra.plugin.scripts.").partition(".")
        for name, value in mapping_of(raw.get("env")).items():
            self._read_variable(step, name, text_of(value))
        if kind.startswith("io.kestra.plugin.scripts.") and form in ("Commands", "Script"):
            self._read_script(step, raw, language, form, path)
        elif kind == "io.kestra.plugin.core.log.Log" and isinstance(raw.get("message"), str):
            self._read_message(step, raw["message"])
        elif kind.rpartition(".")[2] in ("Subflow", "ForEachItem") and ".flow." in kind:
            step.sub_workflow = f"{excerpt(raw.get('namespace'))}.{excerpt(raw.get('flowId'))}"
        elif kind.rpartition(".")[2] == "Pause":
            _read_pause(step, raw)
        else:
            step.losses.append(Loss(self._source.line(*path, "type"), f"type {kind}", "the task is a work order"))
        if step.command is None:
            keys = ("id", "type", "description", "env", "retry", "timeout")
            step.inputs = _masked({key: value for key, value in raw.items() if key not in keys})
        else:
            step.losses += self._source.leftover(raw, _TASK_KEYS, *path)

    def _read_variable(self, step: Step, name: str, value: str) -> None:
        if _SECRET.match(value.strip()):
            step.secrets.append(name)
        elif reference := self._find_name(step, value):
            step.environment_parameters[name] = reference
        elif find_expressions(value, *_OPENINGS):
            step.expressions.append(f"{name}={excerpt(value)}")
        else:
            step.environment[name] = value

    def _read_script(self, step: Step, raw: dict[str, Any], language: str, form: str, path: _Path) -> None:
        before = texts_of(raw.get("beforeCommands"))
        if form == "Commands" or language == "shell":
            lines = [*before, *texts_of(raw.get("commands")), *texts_of(raw.get("script"))]
            command = Command(_SCRIPTS["shell"], str(_masked("\n".join(lines))))
        elif language in _SCRIPTS and not before and "interpreter" not in raw:
            command = Command(_SCRIPTS[language], str(_masked(text_of(raw.get("script")))))
        else:
            what = "beforeCommands" if before else f"a script of {language}"
            step.losses.append(Loss(self._source.line(*path, "beforeCommands"), what, "the task is a work order"))
            return
        text = "\n".join([*before, *texts_of(raw.get("commands")), text_of(raw.get("script"))])
        step.expressions += [excerpt(_masked(each)) for each in find_expressions(text, *_OPENINGS)]
        step.command = command


def _literals(values: Any) -> list[Any]:
    """Return the values of a loop, a list or its JSON; none where one is there twice: Kestra takes it once."""
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except (ValueError, RecursionError):
            return []
    texts = [text_of(each) for each in items_of(values)]
    return items_of(values) if len(set(texts)) == len(texts) else []


def _bare(text: str) -> str:
    """Return an expression without the braces around all of it; an empty text for anything else."""
    text = text.strip()
    return text[2:-2].strip() if text.endswith("}}") and find_expressions(text, "{{") == [text] else ""


def _read_delays(step: Step, retry: dict[str, Any]) -> None:
    """Read the delays between attempts."""
    kind = text_of(retry.get("type"))
    known = ["maxAttempt", "maxAttempts"]
    if kind in ("constant", "exponential"):
        step.delay_s = seconds_of(retry.get("interval"))
        factor = retry.get("delayFactor", 2)
        step.backoff = 1.0 if kind == "constant" else float(factor) if isinstance(factor, int | float) else 0.0
        known += ["type", "interval", "delayFactor"] if step.delay_s else []
    kept = {key: retry[key] for key in retry if key not in known}
    step.pauses = excerpt(kept) if kept else ""


def _read_pause(step: Step, raw: dict[str, Any]) -> None:
    """Read a pause: of a duration alone, it is over by itself; any other is over when somebody resumes the flow."""
    known = {"id", "type", "description", "delay", "pauseDuration", "runIf", "allowFailure"}
    seconds = seconds_of(raw.get("pauseDuration", raw.get("delay")))
    if seconds is not None and seconds <= LONGEST_WAIT_S and raw.keys() <= known:
        step.pause_s = seconds
    else:
        step.wait_for = "a resumption"


def _masked(value: Any) -> Any:
    """Replace the expressions that name a secret."""
    if isinstance(value, str):
        return fill_expressions(value, "{{", lambda found: "<secret>" if "secret" in found else found)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value
