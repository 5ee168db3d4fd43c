"""What a worker serves, and how."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genesis.errors import UsageError
from genesis.settings import PoolSettings, ResilienceSettings, Settings, WorkerSettings
from genesis.workers.slots import Slots

__all__ = ["ServiceOptions", "default_name"]

_AGENTS = 16
"""Agents' flow runs in processes that run at once by default."""
_THREADS = 200
"""Agents' flow runs in threads that run at once by default."""


def default_name() -> str:
    """Make a name for a worker: no two are alike, since a name is what a claim is recognised by."""
    return f"genesis-{socket.gethostname().split('.')[0]}-{os.getpid()}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class ServiceOptions:
    """What a worker serves, and how."""

    pools: Sequence[str]
    """Names of work pools."""
    name: str = field(default_factory=default_name)
    queues: Sequence[str] = ()
    """Work queues of the pools; all where there are none."""
    limit: int | None = None
    """Flow runs of agents at once; 16 in processes and 200 that share one if omitted."""
    settings: PoolSettings = field(default_factory=PoolSettings)
    accepts: WorkerSettings = field(default_factory=WorkerSettings)
    """What the Prefect API may choose beyond the flows of Genesis."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for its children on top of the worker's own: the registry that it was started with."""
    health: tuple[str, int] | None = None
    """Address of the health page."""
    preload: Sequence[str] = ()
    """More modules that children find imported."""
    template: dict[str, Any] | None = None
    """Base job template of pools to be created; None waits for them."""
    run_once: bool = False
    """Take what is due now, and end with it."""
    grace_s: float = 60.0
    """How long flow runs may continue once the worker is stopped."""
    home: Path = field(default_factory=lambda: Settings().home)
    """Where processes leave their figures that do not stay."""
    resilience: ResilienceSettings = field(default_factory=ResilienceSettings)
    """Who shares the state of breakers, which the metrics show."""
    blocked_s: float = 30.0
    """How long a loop that flow runs share may stand still."""

    restart_server: Callable[[], Awaitable[bool]] | None = None
    """Restarts this machine's server if it has crashed; returns whether it did."""

    def check(self) -> None:
        """Refuse what cannot be served.

        Raises:
            UsageError: There is no pool, the name is none, or this system cannot fork.
        """
        if not self.pools:
            raise UsageError("there is no work pool to serve", hint="use --all, --agents or --pool")
        if sys.platform == "win32":
            hint = "use a pool of type 'process' there"
            raise UsageError("a worker of type 'genesis' cannot run on Windows", hint=hint)
        if not self.name or any(mark in self.name for mark in "/%"):
            raise UsageError(f"{self.name!r} cannot be a worker's name: it is empty, or has a '/' or a '%' in it")

    def slots(self) -> Slots:
        """Make the slots of the worker."""
        return Slots(
            agents=_AGENTS if self.limit is None else self.limit,
            threads=_THREADS if self.limit is None else None,
            orchestrators=self.settings.orchestrators,
        )
