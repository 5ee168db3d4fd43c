"""Plan files and agents files of end-to-end tests: each task has the type of its own name, and each type an agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

__all__ = ["a_task", "agents", "commands", "plan_of"]


def a_task(name: str, **more: Any) -> dict[str, Any]:
    """Make a task whose type is its name."""
    return {"id": name, "type": name, "description": f"Do {name}", **more}


def plan_of(*tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Make a plan file's document."""
    return {"version": 1, "request": "work", "tasks": list(tasks)}


def agents(sandbox: str = "preferred", **executors: Mapping[str, Any]) -> str:
    """Make an agents file with an agent for each executor, which takes the type of its own name."""
    made = [
        {
            "name": f"{name}_agent",
            "description": f"Does {name}",
            "task_types": [name],
            "executor": executor,
            "sandbox": sandbox,
        }
        for name, executor in executors.items()
    ]
    return yaml.safe_dump({"agents": made})


def commands(sandbox: str = "preferred", **argvs: Sequence[str]) -> str:
    """Make an agents file as `agents` does, of commands."""
    return agents(sandbox, **{name: {"kind": "command", "argv": [*argv]} for name, argv in argvs.items()})
