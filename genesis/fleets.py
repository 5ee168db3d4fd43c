"""Fleets: what installed distributions contribute by the entry-point group `genesis.fleets`.

```toml
[project.entry-points."genesis.fleets"]
weather = "weather_fleet:fleet"
```

The entry point names a `FleetPlugin`. Its module is imported when agents, playbooks or executors are first asked for,
so it should import little; the agents' own code is named as text and imported when an agent works. A fleet that cannot
be loaded is left out with a warning. Two that contribute something of the same name are an error.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from genesis.errors import DocumentError

__all__ = [
    "DISTRIBUTION",
    "ENTRY_POINT_GROUP",
    "FleetPlugin",
    "InstalledFleet",
    "NameOwners",
    "find_executors",
    "find_fleets",
    "warn_left_out",
]

ENTRY_POINT_GROUP = "genesis.fleets"
DISTRIBUTION = "prefect-genesis"
"""The distribution of Genesis itself; its fleets come first."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FleetPlugin:
    """What a distribution contributes; each part may be missing."""

    agents: Path | Mapping[str, object] | None = None
    """An agents file, or its document as plain values: agents, and rules that send tasks to them."""
    playbooks: Path | None = None
    """A folder of playbooks."""
    executors: Mapping[str, str] = field(default_factory=dict)
    """Executors by their names, each as `module:function`. An agent uses one by `{kind: plugin, name: …, options: …}`;
    the function takes the options as keyword arguments and returns a `genesis.agents.Executor`."""

    def __post_init__(self) -> None:
        """Refuse parts of another type, so that the error names the fleet and not the place where it is used.

        Raises:
            TypeError: A part has another type.
        """
        if not isinstance(self.agents, Path | Mapping | None):
            raise TypeError(f"agents is a {type(self.agents).__name__!r}; give a pathlib.Path or a mapping")
        if not isinstance(self.playbooks, Path | None):
            raise TypeError(f"playbooks is a {type(self.playbooks).__name__!r}; give a pathlib.Path")
        if not all(isinstance(call, str) and ":" in call for call in self.executors.values()):
            raise TypeError(f"executors has to map names to 'module:function', not {dict(self.executors)!r}")


@dataclass(frozen=True, slots=True)
class InstalledFleet:
    """A fleet, and where it comes from."""

    name: str
    """Name of its entry point."""
    distribution: str
    package: str
    """The package that has its code."""
    fleet: FleetPlugin

    @property
    def source(self) -> str:
        """Name it for people: `audit (prefect-genesis)`."""
        return f"{self.name} ({self.distribution})"


class NameOwners:
    """Which fleet contributes a name, so that a second one is refused.

    Args:
        noun: What the names are of, for the message.
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._owners: dict[str, InstalledFleet] = {}

    def add(self, name: str, fleet: InstalledFleet) -> None:
        """Note who contributes a name.

        Raises:
            DocumentError: Another fleet does, too; its code is `GEN-DOCUMENT-CLASH`.
        """
        owner = self._owners.setdefault(name, fleet)
        if owner is not fleet:
            _refuse(self._noun, name, owner, fleet)


def find_fleets() -> tuple[InstalledFleet, ...]:
    """Load the fleets that are installed: those of Genesis itself first, the others by distribution and name.

    One that cannot be loaded is left out, and a warning says which and why. Both are done once for an import path.
    """
    return _fleets_on(tuple(sys.path))


def find_executors(fleets: Iterable[InstalledFleet] | None = None) -> Mapping[str, InstalledFleet]:
    """Return the executors that fleets contribute: which fleet has each, by the executor's name.

    Args:
        fleets: The installed ones where missing.

    Raises:
        DocumentError: Two fleets contribute one of the same name.
    """
    owners = NameOwners("executor")
    found: dict[str, InstalledFleet] = {}
    for fleet in find_fleets() if fleets is None else fleets:
        for name in fleet.fleet.executors:
            owners.add(name, fleet)
            found[name] = fleet
    return found


def warn_left_out(what: str, fleet: InstalledFleet, reason: str) -> None:
    """Warn that something of a fleet is not used.

    Args:
        what: Which part: "the agents".
        fleet: Whose.
        reason: What is wrong with it.
    """
    _warn(f"{what} of the fleet", fleet.name, fleet.distribution, reason)


@lru_cache(maxsize=4)
def _fleets_on(path: tuple[str, ...]) -> tuple[InstalledFleet, ...]:
    """Load the fleets on an import path. While a process runs, what is installed there is taken to stay."""
    del path
    entries = sorted(entry_points(group=ENTRY_POINT_GROUP), key=_order)
    return tuple(fleet for entry in entries if (fleet := _load(entry)) is not None)


def _order(entry: EntryPoint) -> tuple[bool, str, str]:
    distribution = _distribution_of(entry)
    return distribution != DISTRIBUTION, distribution, entry.name


def _distribution_of(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown"


def _load(entry: EntryPoint) -> InstalledFleet | None:
    distribution = _distribution_of(entry)
    try:
        found = entry.load()
    except Exception as error:  # noqa: BLE001  # a boundary: the module is anyone's code
        _warn("the fleet", entry.name, distribution, f"{entry.value!r} fails with {type(error).__name__}: {error}")
        return None
    fleet = getattr(found, "fleet", None) if isinstance(found, ModuleType) else found
    if not isinstance(fleet, FleetPlugin):
        what = "has no `fleet`" if fleet is None else f"is a {type(fleet).__name__!r}"
        _warn("the fleet", entry.name, distribution, f"{entry.value!r} {what}, not a genesis.fleets.FleetPlugin")
        return None
    return InstalledFleet(entry.name, distribution, entry.module.partition(".")[0], fleet)


def _warn(what: str, name: str, distribution: str, reason: str) -> None:
    _log.warning(
        "left out: %s %r of the distribution %r: %s; update the distribution, or remove it: pip uninstall %s",
        what,
        name,
        distribution,
        reason,
        distribution,
        extra={"event": "fleet.left_out", "fleet": name, "distribution": distribution},
    )


def _refuse(noun: str, name: str, first: InstalledFleet, second: InstalledFleet) -> NoReturn:
    raise DocumentError(
        f"the {noun} {name!r} is contributed twice: by the fleet {first.name!r} of the distribution "
        f"{first.distribution!r}, and by {second.name!r} of {second.distribution!r}",
        hint=f"uninstall one of them, or rename the {noun} in one",
        code="GEN-DOCUMENT-CLASH",
        data={"name": name, "fleets": [first.source, second.source]},
    )
