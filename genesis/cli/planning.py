"""From the words of a call to a prepared plan: read a file or plan a request, then route and validate."""

from __future__ import annotations

from pathlib import Path

from genesis.cli.options import is_plan_file
from genesis.model import Plan, Registry
from genesis.pipeline import Prepared, Simulation, compiled, make_plan, prepare, simulate
from genesis.planning.overrides import Overrides
from genesis.settings import Settings

__all__ = ["forecast", "load_agents", "planned", "read_plan"]

_NO_OVERRIDES = Overrides()


def load_agents(path: Path | None, settings: Settings) -> Registry:
    """Load the registry that the call, the settings or the package names, in this order."""
    from genesis.routing import load_registry

    return load_registry(path or settings.agents)


def read_plan(word: str, settings: Settings, variables: dict[str, str] | None = None) -> Plan:
    """Read a plan file; variables of the call replace those of the file."""
    from genesis.planning import load_plan

    plan = load_plan(word, limits=settings.limits)
    return plan.model_copy(update={"vars": {**plan.vars, **variables}}) if variables else plan


def planned(
    word: str,
    settings: Settings,
    *,
    agents: Path | None,
    playbooks: Path | None,
    variables: dict[str, str],
    overrides: Overrides = _NO_OVERRIDES,
) -> Prepared:
    """Turn an argument into a prepared plan.

    Args:
        word: A request, or the name of a plan file.
        settings: Limits, model and the like.
        agents: Agents file of the call.
        playbooks: Playbooks folder of the call.
        variables: Variables of the call.
        overrides: Bounds of the call.
    """
    registry = load_agents(agents, settings)
    if settings.llm.model:
        from genesis.resilience.calls import unheard

        unheard()
    if is_plan_file(word):
        given = overrides.apply(read_plan(word, settings, variables))
        return prepare(given, registry, settings=settings, keep=True)
    plan = make_plan(word, registry=registry, settings=settings, variables=variables, playbooks=playbooks)
    return prepare(overrides.apply(plan), registry, settings=settings)


def forecast(prepared: Prepared, settings: Settings) -> Simulation | None:
    """Predict how long a plan takes and what it costs, for the totals; None when it cannot run."""
    if not prepared.report.ok:
        return None
    return simulate(compiled(prepared, settings), slots=settings.run.slots)
