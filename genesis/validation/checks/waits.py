"""Tasks that wait for an event, another run or a moment."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.structure import WHOLE_RESULT, Node, read_wait_time, references
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = ["wait_output_unknown", "wait_settings_unused", "wait_time_invalid", "wait_without_limit"]

_OUTPUTS = {
    "event": ("id", "event", "occurred", "resource", "payload"),
    "run": ("id", "state"),
    "time": ("time",),
}
"""What a task has as its result, by what it waits for."""
_OF_AGENTS = ("agent", "requires", "inputs", "env", "retries", "retry", "side_effects", "runs_in", "use", "files")
"""Fields of a task that are about an agent's work."""


def _tasks(facts: PlanFacts) -> list[tuple[Node, str]]:
    """Return the tasks that wait, each with the kind of what it waits for."""
    if "wait_for" not in facts.given:
        return []
    return [
        (node, next(kind for kind in _OUTPUTS if getattr(node.task.wait_for, kind) is not None))
        for node in facts.outline.nodes
        if node.task.wait_for is not None and not (facts.outline.as_run and node.task.for_each is not None)
    ]


@check(
    "GEN-WAIT-SETTINGS",
    "error",
    finds="a `wait_for` on a composite, or beside settings for the work of an agent: a task that waits has none",
    remedy="let a task of its own wait, and put what it comes before into `depends_on`",
)
def wait_settings_unused(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find tasks that wait and are to do something else, too."""
    for node, _ in _tasks(facts):
        names = [name for name in _OF_AGENTS if getattr(node.task, name)]
        names += ["subtasks"] if node.children else []
        if names:
            message = f"task {node.path!r} has both wait_for and {', '.join(names)}"
            yield CheckFinding(node.index, message, evidence={"settings": [*names]})


@check(
    "GEN-WAIT-LIMIT",
    "error",
    finds="a task that waits for an event or a run without a `timeout_s`: it could wait for ever",
    remedy="set `timeout_s` to the seconds after which the wait has failed",
)
def wait_without_limit(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find waits without an end."""
    for node, kind in _tasks(facts):
        if kind != "time" and node.task.timeout_s is None:
            yield CheckFinding(node.index, f"task {node.path!r} waits for {_article(kind)} without a timeout_s")


def _article(kind: str) -> str:
    return "an event" if kind == "event" else f"a {kind}"


@check(
    "GEN-WAIT-TIME",
    "error",
    finds="a `time` that is neither seconds nor a time with its zone, as far as it is known before the run",
    remedy="write seconds, or a time such as 2026-12-01T06:00:00+01:00",
)
def wait_time_invalid(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find moments that nothing can wait for. In a copy of a `for_each` task the run finds them."""
    for node, _ in _tasks(facts):
        try:
            time = read_wait_time(node.task.wait_for, facts.values)
        except ValueError as error:
            yield CheckFinding(node.index, f"task {node.path!r} waits for a time: {error}")
            continue
        text = node.task.wait_for.time if node.task.wait_for is not None else None
        known = {*facts.flow.sources.get(node.index, ()), *facts.flow.items.get(node.index, ())}
        unknown = [name for name in references(text) if name not in known and name not in facts.names]
        if time is None and unknown and node.index not in facts.outline.scopes:
            message = (
                f"task {node.path!r} waits for the time {{{unknown[0]}}}, which is neither a variable nor a result"
            )
            yield CheckFinding(node.index, message, hint=facts.guess(unknown[0], facts.names))


@check(
    "GEN-WAIT-OUTPUT",
    "error",
    finds="an output that a task which waits cannot have",
    remedy="promise `id`, `event`, `occurred`, `resource` or `payload` of an event, `id` or `state` of a run, `time`",
)
def wait_output_unknown(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find promises that no wait can keep."""
    for node, kind in _tasks(facts):
        wrong = [name for name in node.task.outputs if name not in (*_OUTPUTS[kind], WHOLE_RESULT)]
        if wrong:
            names = ", ".join(_OUTPUTS[kind])
            message = f"task {node.path!r} promises {wrong[0]!r}, and {_article(kind)} gives it {names}"
            yield CheckFinding(node.index, message, hint=facts.guess(wrong[0], _OUTPUTS[kind]))
