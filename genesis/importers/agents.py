"""Write the agents file: one agent for each command, role, or kind of work order."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Any

from genesis.importers.workflow import Command, Role, Slot
from genesis.model import Registry
from genesis.model.agent import is_orchestrator_pool
from genesis.routing.registry_file import load_registry
from genesis.text import one_line

__all__ = ["AgentWriter"]

_MOST = 1000
"""Tasks of one agent at once: the source has no limit, and --slots is one."""
_LONGEST_NAME = 40
"""Characters of an agent's name, which is a part of the name of its work pool."""
_NO_NAMES = ("", "all", "any", "none", "null")
"""Names that an agents file refuses."""


class AgentWriter:
    """Collects agents while a plan is written. Steps that need the same agent share it."""

    def __init__(self) -> None:
        self._agents: dict[str, dict[str, Any]] = {}
        self._pools: set[str] = set()

    def for_command(self, command: Command, kind: str, environment: dict[str, str], secrets: tuple[str, ...]) -> str:
        """Return the name of the agent that runs a command."""
        argv = [command.argv[0], *map(_argument, command.argv[1:])]
        if command.script is not None:
            argv.append("{script}")
        executor: dict[str, Any] = {"kind": "command", "argv": argv}
        if command.cwd:
            executor["cwd"] = command.cwd
        if environment:
            executor["env"] = environment
        program = PurePath(str(command.argv[0])).name
        parts: dict[str, Any] = {"description": f"Runs {one_line(program, 80)}", "executor": executor}
        return self._agent(program, kind, parts | ({"secrets": list(secrets)} if secrets else {}))

    def for_role(self, role: Role, kind: str) -> str:
        """Return the name of the agent that works with a language model."""
        parts: dict[str, Any] = {"description": role.description}
        if role.model:
            parts["executor"] = {"kind": "llm", "model": role.model}
        return self._agent(role.name, kind, parts)

    def for_person(self, kind: str) -> str:
        """Return the name of the agent for work orders of a kind."""
        text = f"Work orders of the kind {one_line(kind, 100)}; give it another executor to run them without a person"
        return self._agent(kind, kind, {"description": text, "executor": {"kind": "brief"}})

    def registry(self) -> Registry:
        """Return the agents as a registry, checked; an agents file has at least one, though all tasks may only wait."""
        if not self._agents:
            self.for_person("generic")
        return load_registry({"agents": list(self._agents.values())})

    def _agent(self, name: str, kind: str, parts: dict[str, Any]) -> str:
        key = json.dumps([parts, name if "executor" not in parts else ""], sort_keys=True)
        found = self._agents.get(key)
        if found is None:
            found = {"name": self._free_name(name), "task_types": [], "max_concurrency": _MOST, **parts}
            self._agents[key] = found
        task_type = one_line(kind, 300) or "generic"
        if task_type not in found["task_types"]:
            found["task_types"].append(task_type)
        return str(found["name"])

    def _free_name(self, wanted: str) -> str:
        """Return a name of an agent that no other has, nor its work pool."""
        base = re.sub(r"[^a-z0-9]+", "_", wanted.lower())[-_LONGEST_NAME:].strip("_")
        base = re.sub(r"(_agent)+$", "", base)
        base = "worker" if base in _NO_NAMES or is_orchestrator_pool(base.replace("_", "-")) else base
        number = 1
        while (name := base if number == 1 else f"{base}_{number}") in self._pools:
            number += 1
        self._pools.add(name)
        return name


def _argument(item: str | Slot) -> str:
    """Write an argument for an agents file, in which single braces stand for an input."""
    text = item if isinstance(item, str) else item.prefix
    escaped = text.replace("{", "{{").replace("}", "}}")
    return escaped if isinstance(item, str) else f"{escaped}{{{item.name}}}"
