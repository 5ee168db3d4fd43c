"""Kestra: the tasks of a flow, one after another; flowable tasks become groups.

Reference: kestra.io/docs, "Workflow Components" and "Flowable Tasks".
"""

from __future__ import annotations

import re
from typing import Any

from genesis.importers.expressions import fill_expressions, find_expressions
from genesis.importers.fields import excerpt, items_of, mapping_of, seconds_of, text_of, texts_of
from genesis.importers.source import Source
from genesis.importers.workflow import Command, Loss, Parameter, Step, Workflow

__all__ = ["find_mismatch", "read_workflow"]

_DEEPEST = 40
"""Keys from the root to a flowable task whose tasks are followed, in pairs; documents end at 100 levels."""
_OPENINGS = ("{{", "{%")
_SECRET = re.compile(r"\{\{-?\s*secret\(['\"][^'\"]*['\"]\)\s*-?\}\}\Z")
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
        workflow.parameters.append(Parameter(name, source.line("inputs", place), default, text_of(spec.get("type"))))
    for place, raw in enumerate(items_of(document.get("triggers"))):
        spec = mapping_of(raw)
        kind = text_of(spec.get("type")).rpartition(".")[2]
        text = f"trigger {kind} {text_of(spec.get('cron'))}".strip()
        workflow.schedules.append((source.line("triggers", place), text))
    reader = _Reader(source)
    workflow.steps = reader.read_list(document["tasks"], ("tasks",), "", in_order=True)
    keys = [step.key for step in workflow.steps]
    for key, trigger in (("errors", "any_failed"), ("finally", "always")):
        if document.get(key):
            group = Step(key, key, source.line(key), name=key, description=f"The flow's {key}", after=list(keys))
            group.trigger = "any_failed" if trigger == "any_failed" else "always"
            group.steps = reader.read_list(document[key], (key,), f"{key}/", in_order=True)
            workflow.steps += [group] if group.steps else []
    return workflow


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._count = 0

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
        if ".flow." in kind and self._read_flowable(step, raw, kind.rpartition(".")[2], path):
            step.losses += self._source.leftover(raw, _TASK_KEYS, *path)
        else:
            self._read_work(step, raw, kind, path)
        return step

    def _read_options(self, step: Step, raw: dict[str, Any], path: _Path) -> None:
        """Read what all tasks have."""
        retry = mapping_of(raw.get("retry"))
        attempts = text_of(retry.get("maxAttempts", retry.get("maxAttempt", "")))
        step.retries = max(int(attempts[:4]) - 1, 0) if attempts.isascii() and attempts.isdecimal() else 0
        kept = {key: retry[key] for key in retry if key not in ("maxAttempt", "maxAttempts")}
        step.backoff = excerpt(kept) if kept else ""
        step.timeout_s = seconds_of(raw.get("timeout"))
        if "timeout" in raw and step.timeout_s is None:
            step.losses.append(
                Loss(self._source.line(*path, "timeout"), f"timeout {excerpt(raw['timeout'])}", "left out")
            )
        step.allow_failure = text_of(raw.get("allowFailure")) == "true" or step.kind.endswith(".AllowFailure")
        step.condition = excerpt(raw["runIf"]) if raw.get("runIf") is not None else ""
        if text_of(raw.get("disabled")) == "true":
            step.condition = "disabled"
        images = [raw.get("containerImage"), mapping_of(raw.get("docker")).get("image"), raw.get("taskRunner")]
        step.image = next((excerpt(each) for each in images if each), "")
        files = [
            f"{key} {excerpt(raw[key])}" for key in ("inputFiles", "outputFiles", "namespaceFiles") if raw.get(key)
        ]
        step.files = ", ".join(files)
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
            step.for_each = f"{kind} {excerpt(raw.get('values', raw.get('condition')))}"
            step.steps = self.read_list(raw.get("tasks"), (*path, "tasks"), inner, in_order=kind != "EachParallel")
        elif kind in ("If", "Switch"):
            self._read_choices(step, raw, kind, path)
        else:
            return False
        self._read_handlers(step, raw, path)
        return bool(step.steps)

    def _read_choices(self, step: Step, raw: dict[str, Any], kind: str, path: _Path) -> None:
        """Read the branches of a condition as groups, each with the condition of its own."""
        if kind == "If":
            condition = excerpt(raw.get("condition"))
            branches: list[tuple[tuple[str, ...], str, str]] = [
                (("then",), "then", condition),
                (("else",), "else", f"not {condition}"),
            ]
        else:
            value = excerpt(raw.get("value"))
            cases = mapping_of(raw.get("cases"))
            branches = [(("cases", name), name, f"{value} is {name!r}") for name in cases]
            branches.append((("defaults",), "defaults", f"{value} is none of the cases"))
        for place, name, condition in branches:
            tasks: Any = raw
            for key in place:
                tasks = mapping_of(tasks).get(key)
            group = Step(f"{step.key}/{name}", f"{kind} branch", self._source.line(*path, *place), name=name)
            group.description, group.condition = f"{step.name}: {name}", condition
            group.steps = self.read_list(tasks, (*path, *place), f"{group.key}/", in_order=True)
            step.steps += [group] if group.steps else []

    def _read_dag(self, step: Step, raw: dict[str, Any], path: _Path) -> None:
        entries = [mapping_of(each) for each in items_of(raw.get("tasks"))]
        keys: dict[str, str] = {}
        for place, entry in enumerate(entries):
            task = self._task(mapping_of(entry.get("task")), (*path, "tasks", place, "task"), f"{step.key}/", place)
            keys.setdefault(task.name, task.key)
            step.steps.append(task)
        for task, entry in zip(step.steps, entries, strict=True):
            task.after = [keys.get(name, name) for name in texts_of(entry.get("dependsOn"))]

    def _read_handlers(self, step: Step, raw: dict[str, Any], path: _Path) -> None:
        """Read what runs in a group after a failure, and in any case."""
        own = [each.key for each in step.steps]
        for key in ("errors", "finally"):
            if raw.get(key):
                group = Step(f"{step.key}/{key}", key, self._source.line(*path, key), name=key, after=list(own))
                group.description = f"{step.name}: {key}"
                group.trigger = "any_failed" if key == "errors" else "always"
                group.steps = self.read_list(raw[key], (*path, key), f"{group.key}/", in_order=True)
                step.steps += [group] if group.steps else []

    def _read_work(self, step: Step, raw: dict[str, Any], kind: str, path: _Path) -> None:
        """Read a task that does something: a script or commands run, anything else is done by a person."""
        language, _, form = kind.removeprefix("io.kestra.plugin.scripts.").partition(".")
        for name, value in mapping_of(raw.get("env")).items():
            self._read_variable(step, name, text_of(value))
        if kind.startswith("io.kestra.plugin.scripts.") and form in ("Commands", "Script"):
            self._read_script(step, raw, language, form, path)
        elif kind == "io.kestra.plugin.core.log.Log" and isinstance(raw.get("message"), str):
            step.command = Command(("printf", "%s\\n", raw["message"]))
            step.expressions += map(excerpt, find_expressions(raw["message"], *_OPENINGS))
        elif kind.rpartition(".")[2] in ("Subflow", "ForEachItem") and ".flow." in kind:
            step.sub_workflow = f"{excerpt(raw.get('namespace'))}.{excerpt(raw.get('flowId'))}"
        elif kind.rpartition(".")[2] == "Pause":
            step.wait_for = "a resumption"
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


def _masked(value: Any) -> Any:
    """Replace the expressions that name a secret."""
    if isinstance(value, str):
        return fill_expressions(value, "{{", lambda found: "<secret>" if "secret" in found else found)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value
