"""What executors may use in a run, and the executor of each leaf."""

from __future__ import annotations

from collections.abc import Callable

from genesis.agents import Executor, ExecutorContext, ExecutorFactory, build_executor
from genesis.agents.functions import Functions
from genesis.model import DeploymentSpec, ExecutorSpec, Leaf, Program, RehearsalSpec
from genesis.prefect_api.environment import child_environment, secret
from genesis.settings import Settings

__all__ = ["executors", "make_executor_context"]


def _deployment(spec: ExecutorSpec) -> Executor:
    from genesis.engine.deployment import DeploymentRunner  # noqa: PLC0415  # Prefect, which `agents check` does without

    if not isinstance(spec, DeploymentSpec):
        raise TypeError(f"a deployment is made from its own spec, not from {spec.kind!r}")
    return DeploymentRunner(spec)


def make_executor_context(settings: Settings, functions: Functions | None = None) -> ExecutorContext:
    """Collect what executors may use on this machine."""
    makers: dict[str, ExecutorFactory] = {"deployment": _deployment}
    return ExecutorContext(
        settings=settings,
        environment=child_environment(),
        secrets=secret,
        functions=functions or {},
        makers=makers,
    )


def executors(
    program: Program, tools: ExecutorContext, *, rehearse: float | None, model: str | None
) -> Callable[[Leaf], Executor]:
    """Return a function from a leaf to its executor; each kind of work has one executor for the whole run.

    Args:
        program: What runs.
        tools: What the executors may use.
        rehearse: Replace every executor by a timer of the leaf's estimate times this; None for real work.
        model: Language model of agents without an executor of their own.
    """
    made: dict[tuple[str, str], Executor] = {}

    def executor(leaf: Leaf) -> Executor:
        key = (leaf.agent, leaf.type)
        if key not in made:
            spec = program.profile(leaf.agent).executor_for(leaf.type, model=model)
            if rehearse is not None:
                spec = RehearsalSpec(kind="rehearsal", scale=rehearse)
            made[key] = build_executor(spec, tools)
        return made[key]

    return executor
