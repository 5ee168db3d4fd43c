"""Load the agents file: agents, their capabilities, and the routing rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genesis.document import normalize_values, read
from genesis.errors import DocumentError, GenesisError
from genesis.fleets import InstalledFleet, NameOwners, find_executors, find_fleets, warn_left_out
from genesis.model import AgentProfile, Registry, Rule
from genesis.routing.registry_checks import check_registry, parse_registry
from genesis.settings import Limits

__all__ = ["LoadedRegistry", "find_fleet_agents_files", "load_registry", "load_registry_with_sources"]


@dataclass(frozen=True, slots=True)
class LoadedRegistry:
    """A registry, and the source of its agents."""

    registry: Registry
    sources: Mapping[str, str]
    """By an agent's name: the file, or the fleet and its distribution, as in `audit (prefect-genesis)`."""


def load_registry(path: Path | str | Mapping[str, Any] | None = None, *, limits: Limits | None = None) -> Registry:
    """Load agents and rules from a file, from plain values, or those that the installed fleets contribute.

    The registry is checked here, so that routing can rely on it.

    Args:
        path: A YAML or JSON file, or the document as plain values; by default what the installed fleets contribute.
        limits: Bounds on the file's size; by default those of the settings.

    Raises:
        UsageError: The file does not exist or cannot be opened.
        DocumentError: It is not a valid agents file; the message has the locations, `data["errors"]` all errors. Or two
            fleets contribute an agent of the same name, or none contributes any.
    """
    return load_registry_with_sources(path, limits=limits).registry


def load_registry_with_sources(
    path: Path | str | Mapping[str, Any] | None = None, *, limits: Limits | None = None
) -> LoadedRegistry:
    """Load agents and rules as `load_registry` does, with the source of each agent."""
    if path is None:
        return _load_contributed(limits)
    source = "the agents document" if isinstance(path, Mapping) else str(path)
    registry = _load_document(path, source, limits).in_project
    return LoadedRegistry(registry, dict.fromkeys((agent.name for agent in registry.agents), source))


def find_fleet_agents_files() -> tuple[Path, ...] | None:
    """Return the agents files of the installed fleets; None for a fleet with its agents as plain values."""
    given = [fleet.fleet.agents for fleet in find_fleets() if fleet.fleet.agents is not None]
    files = tuple(each for each in given if isinstance(each, Path))
    return files if len(files) == len(given) else None


def _load_document(path: Path | str | Mapping[str, Any], source: str, limits: Limits | None) -> Registry:
    value = normalize_values(path, source=source) if isinstance(path, Mapping) else read(path, limits)
    return parse_registry(value, source=source)


def _load_contributed(limits: Limits | None) -> LoadedRegistry:
    """Merge what the installed fleets contribute, in their order; one with an invalid document is left out."""
    fleets = find_fleets()
    find_executors(fleets)  # names the two that clash, if any
    agent_owners, rule_owners = NameOwners("agent"), NameOwners("rule")
    agents: list[AgentProfile] = []
    rules: list[Rule] = []
    sources: dict[str, str] = {}
    for fleet in fleets:
        registry = _load_fleet(fleet, limits)
        if registry is None:
            continue
        for agent in registry.agents:
            agent_owners.add(agent.name, fleet)
            sources[agent.name] = fleet.source
        for rule in registry.rules:
            rule_owners.add(rule.id, fleet)
        agents += registry.agents
        rules += registry.rules
    if not agents:
        raise DocumentError(
            "no installed fleet contributes agents, so no task could run",
            hint="reinstall Genesis, so that its entry points are registered (pip install prefect-genesis, or in a "
            "clone pip install -e .), or name an agents file with --agents",
        )
    made = Registry(agents=tuple(agents), rules=tuple(rules))
    check_registry(made, source=f"the merged agents of the fleets {', '.join(dict.fromkeys(sources.values()))}")
    return LoadedRegistry(made, sources)


def _load_fleet(fleet: InstalledFleet, limits: Limits | None) -> Registry | None:
    """Load a fleet's agents and rules; None where it has no usable ones."""
    if fleet.fleet.agents is None:
        return None
    source = fleet.source if isinstance(fleet.fleet.agents, Mapping) else str(fleet.fleet.agents)
    try:
        registry = _load_document(fleet.fleet.agents, source, limits)
        if registry.project is not None:
            raise DocumentError(f"{source} names a project", hint="only a team's agents file may name a project")
    except GenesisError as error:
        warn_left_out("the agents", fleet, error.message)
        return None
    return registry
