"""Environment variables that tasks set."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.model import CommandSpec
from genesis.security.secret_names import is_secret_name, only_describes
from genesis.structure import references
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = ["env_secret", "env_unused", "runs_in_unused"]

_READERS = frozenset({"command", "python", "plugin"})
"""Kinds of executors that can read the variables of a task."""


@check(
    "GEN-ENV-UNUSED",
    "warning",
    finds="a variable in `env` that does not reach the task's program: its executor starts none, or the agent sets it",
    remedy="pass the value as an input, route the task to an agent with a command, or take the variable out",
)
def env_unused(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find variables that nothing reads, and those that the agent's own settings replace."""
    if "env" not in facts.given:
        return
    for node, agent in facts.assigned:
        if not node.task.env:
            continue
        spec = facts.spec(node, agent)
        if spec.kind not in _READERS:
            message = (
                f"task {node.path!r} sets environment variables, and {agent.name!r} ({spec.kind}) starts no program"
            )
            yield CheckFinding(node.index, message, evidence={"variables": [*node.task.env], "kind": spec.kind})
            continue
        own = {*agent.secrets, *(spec.env if isinstance(spec, CommandSpec) else ())}
        if replaced := [name for name in node.task.env if name in own]:
            message = (
                f"task {node.path!r} sets {', '.join(map(repr, replaced))}, which agent {agent.name!r} sets itself"
            )
            yield CheckFinding(node.index, message, evidence={"variables": [*replaced], "kind": spec.kind})


@check(
    "GEN-RUNS-IN-UNUSED",
    "warning",
    finds="a `runs_in` on a task whose executor starts neither a program nor a Python function",
    remedy="route the task to an agent with a command or a Python function, or take `runs_in` out",
)
def runs_in_unused(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find environments that nothing runs in."""
    if "runs_in" not in facts.given:
        return
    for node, agent in facts.assigned:
        kind = facts.kind(node, agent)
        if node.task.runs_in is not None and kind not in ("command", "python"):
            message = (
                f"task {node.path!r} has runs_in, and {agent.name!r} ({kind}) runs neither a program nor a function"
            )
            yield CheckFinding(node.index, message, evidence={"kind": kind})


@check(
    "GEN-ENV-SECRET",
    "warning",
    finds="a variable in `env` whose name is that of a secret, with its value in the plan",
    remedy="list the secret in the agent's `secrets`, and set it where the agent runs",
)
def env_secret(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find secrets that are written into the plan, which is kept and shown."""
    if "env" not in facts.given:
        return
    for node in facts.leaves:
        for name, value in node.task.env.items():
            if value and is_secret_name(name) and not only_describes(name) and not references(value):
                message = f"task {node.path!r} sets {name!r} to a value that the plan has"
                yield CheckFinding(node.index, message, evidence={"variable": name})
