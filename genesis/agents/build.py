"""Build an executor from its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from genesis.agents import brief, command, http, plugin, python, rehearsal
from genesis.agents.child_environment import SecretLookup, no_secret
from genesis.agents.contract import Executor
from genesis.agents.functions import Functions
from genesis.agents.venv_call import VenvTools
from genesis.errors import TaskError
from genesis.model import (
    BriefSpec,
    CommandSpec,
    ExecutorSpec,
    HttpSpec,
    LlmSpec,
    PluginSpec,
    PythonSpec,
    RehearsalSpec,
)
from genesis.resilience.guards import host_guard
from genesis.settings import Settings

__all__ = ["ExecutorContext", "ExecutorFactory", "build_executor"]

ExecutorFactory = Callable[[ExecutorSpec], Executor]
"""Creates executors of kinds from higher layers."""


@dataclass(frozen=True, slots=True)
class ExecutorContext:
    """The dependencies of executors, passed in."""

    settings: Settings = field(default_factory=Settings)
    environment: Mapping[str, str] = field(default_factory=dict)
    """The environment of this process; programs get it without secrets."""
    secrets: SecretLookup = no_secret
    """Returns a secret by name."""
    functions: Functions = field(default_factory=dict)
    """Functions of this process that cannot be imported; `functions_of` makes the table."""
    makers: Mapping[str, ExecutorFactory] = field(default_factory=dict)
    """Makers of executors of further kinds, such as `deployment`, or replacements for known kinds."""


def build_executor(spec: ExecutorSpec, context: ExecutorContext) -> Executor:
    """Create the executor of a spec. It imports, starts and connects to nothing before it executes.

    Args:
        spec: The spec, of the agent that runs the task: `agent.executor_for(task_type)`.
        context: What it may use.

    Raises:
        TaskError: No executor of this kind is available.
    """
    if spec.kind in context.makers:
        return context.makers[spec.kind](spec)
    executor = _processes(spec, context) or _services(spec, context) or _stand_ins(spec)
    if executor is None:
        raise TaskError(f"no {spec.kind!r} executor is available here", hint="configure another executor for the agent")
    return executor


def _processes(spec: ExecutorSpec, context: ExecutorContext) -> Executor | None:
    match spec:
        case PythonSpec():
            venvs = VenvTools(
                home=context.settings.home,
                environment=context.environment,
                secrets=context.secrets,
                output_bytes=context.settings.limits.output_bytes,
            )
            return python.PythonExecutor(spec, functions=context.functions, venvs=venvs)
        case CommandSpec():
            return command.CommandExecutor(
                spec,
                output_bytes=context.settings.limits.output_bytes,
                environment=context.environment,
                secrets=context.secrets,
                home=context.settings.home,
            )
        case _:
            return None


def _services(spec: ExecutorSpec, context: ExecutorContext) -> Executor | None:
    match spec:
        case HttpSpec():
            return http.HttpExecutor(
                spec,
                output_bytes=context.settings.limits.output_bytes,
                default_timeout_s=context.settings.run.timeout_s,
                secrets=context.secrets,
                guard=host_guard(context.settings),
            )
        case LlmSpec():
            from genesis.agents import llm  # noqa: PLC0415  # needs an extra, which need not be installed

            return llm.LlmExecutor(spec, settings=context.settings)
        case PluginSpec():
            return plugin.PluginExecutor(spec)
        case _:
            return None


def _stand_ins(spec: ExecutorSpec) -> Executor | None:
    match spec:
        case BriefSpec():
            return brief.BriefExecutor()
        case RehearsalSpec():
            return rehearsal.RehearsalExecutor(spec.scale)
        case _:
            return None
