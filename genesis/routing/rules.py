"""Rules as predicates, compiled once and partly evaluated for each task type.

For a type, a condition on types is already decided, so a rule either cannot fire and is dropped, or always fires, or
keeps a predicate over the rest of the task. A task therefore tries only the rules that can match it, which include
rules without a condition on types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from genesis.model import Condition, Rule, Task
from genesis.model.agent import OneOf

__all__ = ["GENERIC", "RuleBook", "TypedRule"]

GENERIC = "generic"
"""The type of a task without a specific type; every agent may take it."""

_Predicate = Callable[[Task], bool]
_Verdict = bool | _Predicate
_Matcher = Callable[[object], bool]
_SCALARS = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class TypedRule:
    """A rule, evaluated for the tasks of one type."""

    rule: Rule
    agent: int
    """Position of the agent that gets the task."""
    reason: str
    """The reason shown to the reader."""
    test: _Predicate | None
    """The remaining condition on a task; None when the type alone decides."""
    default: bool
    """Whether it routes generic tasks by type alone: then the description takes precedence."""


class RuleBook:
    """All rules of a registry, by priority and then in document order."""

    def __init__(self, rules: Iterable[Rule], position: Mapping[str, int]) -> None:
        self._rules = sorted(rules, key=lambda rule: -rule.priority)
        self._position = position

    def for_type(self, task_type: str) -> tuple[TypedRule, ...]:
        """Return the rules that can fire for a type, in the order in which they are asked."""
        found = []
        for rule in self._rules:
            verdict = _verdict(rule.when, task_type)
            if verdict is not False:
                test = None if verdict is True else verdict
                default = task_type == GENERIC and rule.when.type is not None
                found.append(TypedRule(rule, self._position[rule.then], _reason(rule), test, default))
        return tuple(found)


def _reason(rule: Rule) -> str:
    return f"rule {rule.id!r}: {rule.because}" if rule.because else f"rule {rule.id!r} sends it to {rule.then}"


def _verdict(condition: Condition, task_type: str) -> _Verdict:
    """Evaluate the parts of a condition that the type decides."""
    if condition.type is not None:
        return _matcher(condition.type)(task_type)
    if condition.all is not None:
        return _both([_verdict(part, task_type) for part in condition.all])
    if condition.any is not None:
        return _negation(_both([_negation(_verdict(part, task_type)) for part in condition.any]))
    if condition.not_ is not None:
        return _negation(_verdict(condition.not_, task_type))
    return _predicate(condition)


def _both(verdicts: list[_Verdict]) -> _Verdict:
    if any(verdict is False for verdict in verdicts):
        return False
    tests = [verdict for verdict in verdicts if not isinstance(verdict, bool)]
    return _each(tests) if tests else True


def _negation(verdict: _Verdict) -> _Verdict:
    if isinstance(verdict, bool):
        return not verdict
    return lambda task: not verdict(task)


def _predicate(condition: Condition) -> _Predicate:
    if condition.skill is not None:
        accepts = _matcher(condition.skill)
        return lambda task: any(accepts(required) for required in task.requires)
    if condition.label is not None:
        return _each([_label(key, _matcher(wanted)) for key, wanted in condition.label.items()])
    if isinstance(condition.input, dict):
        return _each([_input(key, _matcher(wanted)) for key, wanted in condition.input.items()])
    if condition.input is not None:
        accepts = _matcher(condition.input)
        return lambda task: any(accepts(name) for name in task.inputs)
    search = re.compile(condition.description or "", re.IGNORECASE).search
    return lambda task: search(task.description) is not None


def _each(tests: list[_Predicate]) -> _Predicate:
    if len(tests) == 1:
        return tests[0]
    return lambda task: all(test(task) for test in tests)


def _label(key: str, accepts: _Matcher) -> _Predicate:
    return lambda task: key in task.labels and accepts(task.labels[key])


def _input(key: str, accepts: _Matcher) -> _Predicate:
    return lambda task: key in task.inputs and accepts(task.inputs[key])


def _matcher(wanted: object) -> _Matcher:
    """Compare values with the one a rule asks for, or with the ones it accepts.

    The values of `in` are text, as labels and types are, so a scalar is compared as the text it was written as.
    """
    if isinstance(wanted, OneOf):
        accepted = frozenset(wanted.in_)
        return lambda given: isinstance(given, _SCALARS) and _as_text(given) in accepted
    truth = isinstance(wanted, bool)
    return lambda given: wanted == given and isinstance(given, bool) is truth


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
