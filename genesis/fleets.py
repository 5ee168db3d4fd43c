"""Fleets: what installed distributions contribute by the entry-point group `genesis.fleets`.

```toml
[project.entry-points."genesis.fleets"]
weather = "weather_fleet:fleet"
```

The entry point names a `FleetPlugin`. Its module is imported when agents, playbooks or executors are first needed,
so it should import little; the agents' code is named as text and imported when an agent runs. A fleet that cannot
be loaded is left out with a warning. Two fleets that contribute the same name are an error.
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
    """What a distribution contributes; every part is optional."""

    agents: Path | Mapping[str, object] | None = None
    """An agents file, or its document as plain values: agents, and rules that send tasks to them."""
    playbooks: Path | None = None
    """A folder of playbooks."""
    executors: Mapping[str, str] = field(default_factory=dict)
    """Executors by name, each as `module:function`. An agent uses one by `{kind: plugin, name: …, options: …}`;
    the function takes the options as keyword arguments and returns a `genesis.agents.Executor`."""

    def __post_init__(self) -> None:
        """Refuse parts of a wrong type early, so that the error names the fleet.

        Raises:
            TypeError: A part has a wrong type.
        """
        if not isinstance(self.agents, Path | Mapping | None):
            raise TypeError(f"agents is a {type(self.agents).__name__!r}; use a pathlib.Path or a mapping")
        if not isinstance(self.playbooks, Path | None):
            raise TypeError(f"playbooks is a {type(self.playbooks).__name__!r}; use a pathlib.Path")
        if not all(isinstance(call, str) and ":" in call for call in self.executors.values()):
            raise TypeError(f"executors must map names to 'module:function', not {dict(self.executors)!r}")


@dataclass(frozen=True, slots=True)
class InstalledFleet:
    """A fleet and its source."""

    name: str
    """Name of its entry point."""
    distribution: str
    package: str
    """The distribution with its code."""
    fleet: FleetPlugin

    @property
    def source(self) -> str:
        """Format it for people: `audit (prefect-genesis)`."""
        return f"{self.name} ({self.distribution})"


class NameOwners:
    """Records which fleet contributes a name, so that a second one is refused.

    Args:
        noun: What the names stand for, for the message.
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._owners: dict[str, InstalledFleet] = {}

    def add(self, name: str, fleet: InstalledFleet) -> None:
        """Record which fleet contributes a name.

        Raises:
            DocumentError: Another fleet has contributed it; the code is `GEN-DOCUMENT-CLASH`.
        """
        owner = self._owners.setdefault(name, fleet)
        if owner is not fleet:
            _refuse(self._noun, name, owner, fleet)


def find_fleets() -> tuple[InstalledFleet, ...]:
    """Load the installed fleets: those of Genesis first, the others by distribution and name.

    A fleet that cannot be loaded is left out with a warning. Both happen once per import path.
    """
    return _fleets_on(tuple(sys.path))


def find_executors(fleets: Iterable[InstalledFleet] | None = None) -> Mapping[str, InstalledFleet]:
    """Return the fleet that contributes each executor, by the executor's name.

    Args:
        fleets: By default the installed ones.

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
    """Load the fleets on an import path, once: a running process assumes that distributions do not change."""
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
