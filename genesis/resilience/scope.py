"""Tell the agents of one project from another's of the same name, in what they share by a store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Literal

from genesis.model import AgentProfile, CommandSpec, PythonSpec

__all__ = ["add_scope", "agent_scope", "agent_scopes"]

_LENGTH = 12
"""Hexadecimal digits of a hash that stands for an address: 48 bits."""


def agent_scope(agent: AgentProfile, folders: Sequence[str]) -> str:
    """Digest what an agent runs: two agents with the same name and scope share a breaker and a rate limit.

    Args:
        agent: Its executors count, and neither its price nor its limits.
        folders: Where its code is, which tells projects apart whose agents files are alike; it counts for functions and
            programs alone, since a service or a deployment is the same from everywhere.
    """
    specs = {"": agent.executor, **agent.executors}
    is_local = any(isinstance(spec, PythonSpec | CommandSpec) for spec in specs.values())
    shapes = {name: spec and spec.model_dump(mode="json") for name, spec in specs.items()}
    text = json.dumps([shapes, list(folders) if is_local else []], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def agent_scopes(
    agents: Iterable[AgentProfile], folders: Sequence[str], share: Literal["memory", "machine", "redis"]
) -> dict[str, str]:
    """Return the scope of each agent by its name.

    Args:
        agents: The agents of a registry.
        folders: Where their code is, as the run's header says it: orchestrator and workers have to agree.
        share: Who shares. Hosts may have a project in different folders, so that those count on one machine only.
    """
    counted = folders if share != "redis" else ()
    return {agent.name: agent_scope(agent, counted) for agent in agents}


def add_scope(name: str, scope: str) -> str:
    """Return the key in a store of what has a name."""
    return f"{name}@{scope}" if scope else name
