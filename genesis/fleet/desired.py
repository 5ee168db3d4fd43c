"""What the registry wants of Prefect: a work pool for each agent, one for orchestrating, and a deployment on each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from genesis.errors import DocumentError
from genesis.model import AgentProfile, Registry
from genesis.model.agent import orchestrator_pool
from genesis.model.base import Model

__all__ = [
    "MARK",
    "WORKER_TYPE",
    "Fleet",
    "PoolSpec",
    "deployment_name",
    "fleet_of",
    "is_unnameable",
    "make_mark",
    "owner_of",
]

WORKER_TYPE = "genesis"
MARK = "(kept by genesis pools sync)"
"""In a pool's description: it was made here, and may be removed here. A project's own has the project's name in it."""

_WAITING_KINDS = frozenset({"llm", "http", "a2a", "deployment", "brief", "rehearsal"})
"""Executors that only wait on the network or a clock: one event loop serves many of them, and can stop them."""
_PREFIX = "agent-"
_MARKED = re.compile(re.escape(MARK[:-1]) + r"(?: for (?P<project>[^()]+))?\)")
_RESERVED_START = "prefect"
_UNNAMEABLE = re.compile(r"[/%&><\x00-\x1f]")
_LONGEST_TEXT = 300
"""Most characters of a pool's description."""

Isolation = Literal["process", "thread"]


class PoolSpec(Model):
    """A work pool as it should be."""

    name: str
    description: str
    isolation: Isolation
    """How a warm worker keeps its runs apart: a process that can be killed, or tasks of one event loop."""
    concurrency_limit: int
    """Flow runs at once, over all workers."""
    agents: tuple[str, ...] = ()
    """Who it serves; nobody for the pool of the orchestrating flows."""

    @property
    def deployment(self) -> str:
        """Name of the deployment of `agent_task` that runs on it."""
        return deployment_name(self.name)


class Fleet(Model):
    """All work pools, the orchestrating one first, then as the registry has the agents."""

    pools: tuple[PoolSpec, ...]
    project: str = ""
    """Name of the project that they are of; several projects can have pools on one server."""
    named: bool = False
    """Whether pools and deployments have the project's name in theirs."""

    @property
    def deployment(self) -> str:
        """Name of the deployments of the flows that no agent has: `default`, or the project's own."""
        return self.project if self.named else "default"

    @property
    def agent_pools(self) -> tuple[PoolSpec, ...]:
        """The pools that serve agents."""
        return tuple(pool for pool in self.pools if pool.agents)


def deployment_name(pool: str) -> str:
    """Name the deployment of `agent_task` on a pool: the pool's name without `agent-`."""
    return pool.removeprefix(_PREFIX)


def is_unnameable(name: str) -> bool:
    """Whether a name has a character that Prefect refuses."""
    return _UNNAMEABLE.search(name) is not None


def make_mark(project: str) -> str:
    """Return the mark that the pools of a project have in their descriptions."""
    return f"{MARK[:-1]} for {project})" if project else MARK


def owner_of(description: str | None) -> str | None:
    """Read the project's name from a pool's description: none of a pool that was made by hand, empty without a name."""
    found = _MARKED.search(description or "")
    return None if found is None else found["project"] or ""


def fleet_of(registry: Registry, *, orchestrators: int, project: str = "") -> Fleet:
    """Derive the fleet.

    A project that the registry names counts before a given one.

    Args:
        registry: The agents.
        orchestrators: How many runs are orchestrated at once.
        project: Name of the project that they are of.

    Raises:
        DocumentError: A pool's name cannot be used on a Prefect server, or two pools would share a deployment.
    """
    project = registry.project or project
    members: dict[str, list[AgentProfile]] = {}
    for agent in registry.agents:
        members.setdefault(agent.pool_name, []).append(agent)
    problems = [*_name_problems(members)]
    if problems:
        raise DocumentError(
            f"the agents' pools cannot be created: {'; '.join(problems)}",
            hint="set another `pool` for the agent in the agents file",
        )
    whole = PoolSpec(
        name=orchestrator_pool(registry.project),
        description=f"Orchestrating runs, pre-flight checks and housekeeping {make_mark(project)}",
        isolation="process",
        concurrency_limit=orchestrators,
    )
    pools = (whole, *(_pool(name, agents, project) for name, agents in members.items()))
    return Fleet(pools=pools, project=project, named=registry.project is not None)


def _pool(name: str, agents: list[AgentProfile], project: str) -> PoolSpec:
    says = "; ".join(f"{agent.name}: {agent.description}".removesuffix(": ") for agent in agents)
    text = " ".join(says.split())
    short = text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1].rstrip()}…"
    return PoolSpec(
        name=name,
        description=f"{short} {make_mark(project)}",
        isolation="thread" if all(map(_only_waits, agents)) else "process",
        concurrency_limit=sum(agent.max_concurrency for agent in agents),
        agents=tuple(agent.name for agent in agents),
    )


def _only_waits(agent: AgentProfile) -> bool:
    """Whether all of an agent's work waits on the network; without an executor it is a model's or a brief."""
    specs = [spec for spec in (agent.executor, *agent.executors.values()) if spec is not None]
    return all(spec.kind in _WAITING_KINDS for spec in specs)


def _name_problems(members: dict[str, list[AgentProfile]]) -> Iterator[str]:
    taken: dict[str, str] = {}
    for pool, agents in members.items():
        who, name = agents[0].name, deployment_name(pool)
        if not name.strip("' \"") or is_unnameable(pool):
            yield f"{pool!r} of {who!r} has no name left, or a character that Prefect refuses (/ % & < >)"
        elif pool.lower().startswith(_RESERVED_START):
            yield f"{pool!r} of {who!r} starts with 'prefect', which the server keeps for itself"
        other = taken.setdefault(name, pool)
        if other != pool:
            yield f"{pool!r} of {who!r} and {other!r} would both have the deployment agent_task/{name}"
