"""Airflow's operators as steps: what each runs, and the options that all of them have."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from genesis.importers.copies import read_copies
from genesis.importers.expressions import find_expressions
from genesis.importers.fields import excerpt, items_of
from genesis.importers.literals import UNKNOWN, Duration, evaluate
from genesis.importers.source import Source
from genesis.importers.workflow import Command, Loss, Slot, Step, Trigger, WorkflowParameter

__all__ = ["make_step", "read_mapping"]

_OPENINGS = ("{{", "{%")
_PARAMETER = re.compile(r"\{\{-?\s*params\.([A-Za-z_]\w*)\s*-?\}\}", re.ASCII)
_NOTHING = ("EmptyOperator", "DummyOperator")
_TRIGGERS: dict[str, Trigger] = {
    "all_success": "all_succeeded",
    "all_done": "all_done",
    "one_failed": "any_failed",
    "one_success": "any_succeeded",
    "always": "all_done",
    "dummy": "all_done",
}
"""Rules that the plan file has. With `always` the time is free: after all others is one of those."""
_WIDER = (
    "none_failed", "none_failed_min_one_success", "none_failed_or_skipped", "none_skipped", "one_done",
    "all_done_setup_success", "all_done_min_one_success",
)  # fmt: skip
"""Rules that hold whenever all have succeeded, and in further cases."""
_OPTIONS = {
    "task_id", "dag", "task_group", "retries", "retry_delay", "retry_exponential_backoff", "max_retry_delay",
    "execution_timeout", "trigger_rule", "pool", "pool_slots", "priority_weight", "weight_rule",
    "depends_on_past", "wait_for_downstream", "queue", "executor_config", "on_failure_callback",
    "on_success_callback", "on_retry_callback", "email", "email_on_failure", "email_on_retry", "owner",
    "start_date", "end_date", "doc", "doc_md", "python_callable",
}  # fmt: skip
_BASH = {"bash_command", "env", "append_env", "cwd"}


def make_step(
    source: Source,
    kind: str,
    call: ast.Call,
    given: Mapping[str, ast.expr],
    *,
    names: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> Step:
    """Make the step of an operator, without its place and order.

    Args:
        source: The file.
        kind: The operator's name.
        call: Where it is made.
        given: Its keyword arguments.
        names: Values of names at that place.
        defaults: `default_args` of its DAG.
    """
    values = {name: evaluate(node, names) for name, node in given.items()}
    task_id = values.get("task_id")
    title = task_id if isinstance(task_id, str) and task_id else "task"
    step = Step("", kind, call.lineno, name=title, description=title)
    if not isinstance(task_id, str):
        shown = source.segment(given["task_id"])
        step.losses.append(Loss(call.lineno, f"task_id={shown}", f"not known before the file runs: {title!r}"))
    step.lines = {_FIELDS.get(name, name): node.lineno for name, node in given.items()}
    _read_options(step, {**defaults, **values}, given, source)
    if kind in _NOTHING:
        step.command = Command(("true",))
    elif kind == "BashOperator":
        _read_bash(step, values, given, source)
    else:
        _read_other(step, kind, values, given, source)
    return step


_FIELDS = {
    "execution_timeout": "timeout_s",
    "retry_delay": "retries",
    "trigger_rule": "trigger",
    "pool": "mutex",
    "priority_weight": "priority",
    "queue": "image",
    "executor_config": "resources",
    "on_failure_callback": "notify",
    "bash_command": "expressions",
    "env": "environment",
}
"""Fields of a step by the argument that they come from."""


def _read_options(step: Step, values: dict[str, Any], given: Mapping[str, ast.expr], source: Source) -> None:
    """Read the options that all operators have."""

    def show(name: str) -> str:
        return source.segment(given[name]) if name in given else excerpt(_plain(values[name]))

    retries, limit = values.get("retries"), values.get("execution_timeout")
    step.retries = retries if isinstance(retries, int) and retries > 0 else 0
    step.timeout_s = limit.seconds if isinstance(limit, Duration) and limit.seconds > 0 else None
    for name, value in (("retries", retries), ("execution_timeout", limit)):
        if value is UNKNOWN:
            step.losses.append(Loss(step.line, f"{name}={show(name)}", "not known before the file runs: left out"))
    _read_delays(step, values, show)
    if "trigger_rule" in values:
        rule = values["trigger_rule"]
        name = rule.lower() if isinstance(rule, str) else show("trigger_rule").rpartition(".")[2].lower()
        step.trigger = _TRIGGERS.get(name, "all_succeeded")
        if name in _WIDER:
            line = step.lines.get("trigger", step.line)
            step.losses.append(Loss(line, f"trigger rule {name}", "it runs if all before it succeeded"))
        elif name not in _TRIGGERS:
            step.condition = f"trigger_rule={show('trigger_rule')}"
    step.mutex = f"pool {show('pool')}" if "pool" in values else ""
    weight = values.get("priority_weight")
    if values.get("weight_rule") == "absolute" and isinstance(weight, int) and not isinstance(weight, bool):
        step.weight = weight
    step.priority = show("priority_weight") if "priority_weight" in values else ""
    step.image = f"queue {show('queue')}" if "queue" in values else ""
    step.resources = show("executor_config") if "executor_config" in values else ""
    if any(values.get(name) for name in ("depends_on_past", "wait_for_downstream")):
        step.wait_for = "the same task of the run before"
    notices = [name for name in ("on_failure_callback", "on_success_callback", "email_on_failure") if values.get(name)]
    step.notify = ", ".join(f"{name}={show(name)}" for name in notices)


def _read_delays(step: Step, values: dict[str, Any], show: Callable[[str], str]) -> None:
    """Read the delays between attempts."""
    delay, growth = values.get("retry_delay"), values.get("retry_exponential_backoff")
    if isinstance(delay, Duration | int | float) and not isinstance(delay, bool):
        step.delay_s = delay.seconds if isinstance(delay, Duration) else float(delay)
        factor = 2.0 if growth is True else growth
        step.backoff = float(factor) if isinstance(factor, int | float) and factor else 1.0
    unread = ["max_retry_delay"]
    unread += [] if step.delay_s is not None else ["retry_delay"]
    unread += [] if growth is None or isinstance(growth, bool | int | float) else ["retry_exponential_backoff"]
    step.pauses = ", ".join(f"{name}={show(name)}" for name in unread if name in values)


def _read_bash(step: Step, values: dict[str, Any], given: Mapping[str, ast.expr], source: Source) -> None:
    """Read a command for bash, which Airflow hands to `bash -c` as it is."""
    script, folder = values.get("bash_command"), values.get("cwd")
    for name in ("bash_command", "cwd", "env"):
        if name in given and not _is_known(values[name]):
            step.expressions.append(f"{name}={source.segment(given[name])}")
    if isinstance(script, str):
        step.expressions += map(excerpt, find_expressions(script, *_OPENINGS))
        if script.rstrip(" ").endswith((".sh", ".bash")) and not script.endswith(" "):
            step.expressions.append(f"the template file {script}")
        step.command = Command(("bash", "-c", "--"), script, folder if isinstance(folder, str) else None)
    env = values.get("env")
    for name, value in env.items() if isinstance(env, dict) else ():
        text = value if isinstance(value, str) else ""
        if found := _PARAMETER.fullmatch(text.strip()):
            step.environment_parameters[name] = found[1]
            continue
        step.expressions += [f"{name}={excerpt(each)}" for each in find_expressions(text, *_OPENINGS)]
        step.environment[name] = text
    step.losses += [
        Loss(node.lineno, f"{name}={source.segment(node)}", "left out")
        for name, node in given.items()
        if name not in _OPTIONS | _BASH
    ]


def _read_other(step: Step, kind: str, values: dict[str, Any], given: Mapping[str, ast.expr], source: Source) -> None:
    """Read an operator that runs code of Airflow or of the file: a person does what it stands for."""
    for name, value in values.items():
        if name not in _OPTIONS or name == "python_callable":
            step.inputs[name] = _plain(value) if _is_known(value) else source.segment(given[name])
    if kind.endswith("Sensor") or kind == "task.sensor":
        step.wait_for = kind
    elif kind == "TriggerDagRunOperator":
        step.sub_workflow = excerpt(step.inputs.get("trigger_dag_id", "another DAG"))
    else:
        step.losses.append(Loss(step.line, f"operator {kind}", "nothing of it runs: the task is a work order"))


def read_mapping(
    step: Step, lists: dict[str, Any], shown: str, options: Collection[str], parameters: list[WorkflowParameter]
) -> None:
    """Read the values that a task is mapped over.

    Args:
        step: The task.
        lists: Its arguments in `expand`; empty where one is no literal.
        shown: What it is mapped over, for a message.
        options: Names of all its arguments.
        parameters: All of the file.
    """
    copies = read_copies(lists, parameters)
    commands = items_of(lists.get("bash_command"))
    is_bash = step.kind == "BashOperator"
    if is_bash and (lists.keys() != {"bash_command"} or "cwd" in options or not all(map(_is_command, commands))):
        copies = None
    step.copies, step.for_each = copies, "" if copies else shown
    if copies is not None:
        step.inputs = {name: value for name, value in step.inputs.items() if name not in lists}
        step.command = Command(("bash", "-c", "--", Slot("item.bash_command"))) if is_bash else step.command


def _is_command(value: Any) -> bool:
    """Whether a value is a command for bash, and no name of a file with one."""
    return isinstance(value, str) and not value.rstrip().endswith((".sh", ".bash"))


def _is_known(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_known, value.values()))
    if isinstance(value, list):
        return all(map(_is_known, value))
    return value is not UNKNOWN


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Duration):
        return f"{value.seconds:g} s"
    return "not known before the file runs" if value is UNKNOWN else value
