"""What a plan file says of a step: one function for each of its features.

Each returns the keys of the task, or reports what the plan file has no key for. Where a task without the feature would
do something that the source would not have done, such as deploy although its condition is false, the task becomes a
work order: a person decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from genesis.importers.fields import excerpt
from genesis.importers.workflow import Step
from genesis.model.task import HIGHEST_PRIORITY, Retry, is_mutex

__all__ = ["STEP_KEYS", "Written"]

_LEFT_OUT = "left out"
_MOST_RETRIES = 100
"""Retries that a plan file can say."""
_ORDER = "not evaluated: the task is a work order, and a person decides"


@dataclass(frozen=True, slots=True)
class Written:
    """One feature of a step in the plan."""

    keys: dict[str, Any] = field(default_factory=dict)
    """Keys of the task."""
    construct: str = ""
    """What is not carried over; empty if all is."""
    outcome: str = _LEFT_OUT
    """What became of it."""
    manual: bool = False
    """Whether the task must not run by itself without it."""


_ALL = Written()


def write_condition(step: Step) -> Written:
    """Write the condition under which it runs."""
    if step.condition:
        return Written(construct=f"condition: {step.condition}", outcome=_ORDER, manual=True)
    return Written(keys={"when": step.when}) if step.when else _ALL


def write_trigger(step: Step) -> Written:
    """Write how the tasks before it must have ended so that it runs.

    Without such tasks, a rule that asks for no end says nothing.
    """
    if step.trigger == "all_succeeded" or (not step.after and step.trigger in ("all_done", "always")):
        return _ALL
    return Written(keys={"run_if": step.trigger})


def write_for_each(step: Step) -> Written:
    """Write the values of which each makes a copy of it."""
    if step.copies is not None:
        most = {} if step.copies.max_parallel is None else {"max_parallel": step.copies.max_parallel}
        return Written(keys={"for_each": step.copies.values} | most)
    outcome = "one task instead of a copy for each value"
    return Written(construct=f"a copy for each of: {step.for_each}", outcome=outcome) if step.for_each else _ALL


def write_expressions(step: Step) -> Written:
    """Write what the source's system evaluates in its texts."""
    if not step.expressions:
        return _ALL
    shown = ", ".join(dict.fromkeys(step.expressions))
    return Written(construct=f"expressions: {shown}", outcome=_ORDER, manual=True)


def write_allow_failure(step: Step) -> Written:
    """Write that its failure does not fail the run."""
    return Written(keys={"allow_failure": True}) if step.allow_failure else _ALL


def write_retries(step: Step) -> Written:
    """Write how often it is repeated, and after which delays."""
    if step.retries <= 0:
        return _ALL
    if step.steps:
        return Written(construct=f"{step.retries} retries of the group")
    times = min(step.retries, _MOST_RETRIES)
    lost = [f"{step.retries} retries"] if step.retries > times else []
    lost += [step.pauses] if step.pauses else []
    retry = Retry(times=times)
    if step.delay_s is not None:
        try:
            retry = Retry(times=times, delay_s=step.delay_s, backoff=step.backoff)
        except ValidationError:
            lost.append(f"delays of {step.delay_s:g} s with the factor {step.backoff:g}")
    long = retry.model_dump(exclude_defaults=True)
    keys = {"retries": times} if set(long) == {"times"} else {"retry": long}
    return Written(keys=keys, construct=f"retries: {', '.join(lost)}" if lost else "", outcome="those of Genesis")


def write_timeout(step: Step) -> Written:
    """Write its time limit."""
    if step.timeout_s is None:
        return _ALL
    if step.steps:
        return Written(construct=f"time limit of the group: {step.timeout_s:g} s")
    return Written(keys={"timeout_s": step.timeout_s})


def write_image(step: Step) -> Written:
    """Write the container or environment that it runs in."""
    outcome = "it runs in the environment of Genesis or of the agent's worker"
    return Written(construct=f"environment: {step.image}", outcome=outcome) if step.image else _ALL


def write_resources(step: Step) -> Written:
    """Write the processors and memory that it needs; those of a group are of none of its tasks alone."""
    kept = {} if step.steps else step.needs
    lost = [excerpt(step.needs)] if step.needs and step.steps else []
    lost += [step.resources] if step.resources else []
    return Written(keys={"resources": kept} if kept else {}, construct=f"resources: {', '.join(lost)}" if lost else "")


def write_mutex(step: Step) -> Written:
    """Write what keeps it apart from other tasks."""
    outcome = "left out: nothing keeps it apart from tasks of other runs"
    if step.only_one and not step.steps and is_mutex(step.only_one):
        return Written(keys={"mutex": step.only_one})
    lost = step.mutex or step.only_one
    return Written(construct=f"concurrency: {lost}", outcome=outcome) if lost else _ALL


def write_priority(step: Step) -> Written:
    """Write its priority."""
    if step.weight is not None and abs(step.weight) <= HIGHEST_PRIORITY:
        return Written(keys={"priority": step.weight})
    return Written(construct=f"priority: {step.priority}") if step.priority else _ALL


def write_files(step: Step) -> Written:
    """Write the files that it takes and hands on."""
    outcome = "not handed on: tasks of a local run share a folder"
    return Written(construct=f"files: {step.files}", outcome=outcome) if step.files else _ALL


def write_outputs(step: Step) -> Written:
    """Write the results that it hands on."""
    return Written(construct=f"results: {step.outputs}", outcome="not promised") if step.outputs else _ALL


def write_wait(step: Step) -> Written:
    """Write what it waits for outside of the workflow."""
    if step.pause_s is not None:
        return Written(keys={"wait_for": {"time": step.pause_s}})
    return Written(construct=f"waits for {step.wait_for}", outcome=_ORDER, manual=True) if step.wait_for else _ALL


def write_sub_workflow(step: Step) -> Written:
    """Write the workflow of another file that it stands for."""
    if not step.sub_workflow:
        return _ALL
    return Written(construct=f"workflow: {step.sub_workflow}", outcome="not followed: the task is a work order")


def write_notice(step: Step) -> Written:
    """Return who is notified of its end."""
    return Written(construct=f"notice: {step.notify}") if step.notify else _ALL


STEP_KEYS: dict[str, Callable[[Step], Written]] = {
    "condition": write_condition,
    "trigger": write_trigger,
    "for_each": write_for_each,
    "expressions": write_expressions,
    "allow_failure": write_allow_failure,
    "retries": write_retries,
    "timeout_s": write_timeout,
    "image": write_image,
    "resources": write_resources,
    "mutex": write_mutex,
    "priority": write_priority,
    "files": write_files,
    "outputs": write_outputs,
    "wait_for": write_wait,
    "sub_workflow": write_sub_workflow,
    "notify": write_notice,
}
"""By the field of a step whose line is reported."""
