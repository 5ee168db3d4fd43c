"""Executors run the work of leaves: one module per kind, independent of Prefect."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genesis.agents.build import ExecutorContext, ExecutorFactory, build_executor
    from genesis.agents.contract import Executor, Result, Work
    from genesis.agents.decorator import agent, functions_of, profile_of, with_agents
    from genesis.agents.input_probe import InputProbe
    from genesis.agents.probe import LocalProbe
    from genesis.security.parameters import DATA, EXECUTES, READ_PATH, WRITE_PATH

_HOMES = {
    "DATA": "genesis.security.parameters",
    "EXECUTES": "genesis.security.parameters",
    "READ_PATH": "genesis.security.parameters",
    "WRITE_PATH": "genesis.security.parameters",
    "ExecutorContext": "genesis.agents.build",
    "Executor": "genesis.agents.contract",
    "InputProbe": "genesis.agents.input_probe",
    "LocalProbe": "genesis.agents.probe",
    "ExecutorFactory": "genesis.agents.build",
    "Result": "genesis.agents.contract",
    "Work": "genesis.agents.contract",
    "agent": "genesis.agents.decorator",
    "build_executor": "genesis.agents.build",
    "functions_of": "genesis.agents.decorator",
    "profile_of": "genesis.agents.decorator",
    "with_agents": "genesis.agents.decorator",
}

__all__ = [
    "DATA",
    "EXECUTES",
    "READ_PATH",
    "WRITE_PATH",
    "Executor",
    "ExecutorContext",
    "ExecutorFactory",
    "InputProbe",
    "LocalProbe",
    "Result",
    "Work",
    "agent",
    "build_executor",
    "functions_of",
    "profile_of",
    "with_agents",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first access, so that no command imports executors that it does not use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'genesis.agents' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
