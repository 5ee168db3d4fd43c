"""Environment variables that tasks set."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.model import CommandSpec
from genesis.security.secret_names import is_secret_name, only_describes
from genesis.structure import references
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = ["env_secret", "env_unused", "image_unavailable", "pool_unknown", "runs_in_unused"]

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
    finds="a virtual environment for a task whose executor starts neither a program nor a Python function",
    remedy="route the task to an agent with a command or a Python function, or take `venv` out",
)
def runs_in_unused(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find virtual environments that nothing runs in."""
    if "runs_in" not in facts.given:
        return
    for node, agent in facts.assigned:
        kind = facts.kind(node, agent)
        has_venv = node.task.runs_in is not None and node.task.runs_in.venv is not None
        if has_venv and kind not in ("command", "python"):
            what = f"{agent.name!r} ({kind}) runs neither a program nor a function"
            message = f"task {node.path!r} has a virtual environment, and {what}"
            yield CheckFinding(node.index, message, evidence={"kind": kind})


@check(
    "GEN-RUNS-IN-IMAGE",
    "error",
    finds="a task with an `image` in a run whose tasks run in its own process",
    remedy="run it with --pools, on a pool of type docker or kubernetes, or take `image` out",
)
def image_unavailable(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Ask for each image once whether tasks can run in it."""
    if "runs_in" not in facts.given or facts.probe is None:
        return
    asked: dict[str, str | None] = {}
    for node, _ in facts.assigned:
        image = node.task.runs_in.image if node.task.runs_in is not None else None
        if image is not None and image not in asked:
            asked[image] = problem = facts.probe.image_problem(image)
            if problem:
                yield CheckFinding(node.index, f"task {node.path!r}: {problem}", evidence={"image": image})


@check(
    "GEN-RUNS-IN-POOL",
    "error",
    finds="a `pool` in `runs_in` that is the pool of no agent",
    remedy="name the pool of an agent, as `genesis agents` shows it",
)
def pool_unknown(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find pools that the fleet does not have."""
    if "runs_in" not in facts.given:
        return
    pools = dict.fromkeys(agent.pool_name for agent in facts.registry.agents)
    for node in facts.leaves:
        pool = node.task.runs_in.pool if node.task.runs_in is not None else None
        if pool is not None and pool not in pools:
            message = f"task {node.path!r} is to run on the pool {pool!r}, which no agent has"
            yield CheckFinding(node.index, message, hint=facts.guess(pool, pools), evidence={"pool": pool})


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
