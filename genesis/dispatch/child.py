"""A child: one flow run on an agent's pool, and the leaves that it does one after the other."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import StateType

from genesis.engine.attempts import time_limit_s
from genesis.model import Leaf
from genesis.resilience.retry import RetryPolicy
from genesis.settings import Settings

__all__ = [
    "ChildFlowRun",
    "allowance_s",
    "batch_name",
    "idempotency_key",
    "parameters",
    "short_pool",
]

_MARGIN_S = 30.0
"""What a leaf may take beyond the time of its attempts: reading its inputs, writing its record, a busy machine."""


@dataclass(slots=True, eq=False)
class ChildFlowRun:
    """What is known of a child flow run."""

    id: UUID
    pool: str
    leaves: tuple[Leaf, ...]
    attempt: int
    heard_at: float
    """Monotonic time of the last news of it."""
    link: UUID | None = None
    """The task run that stands for it in the orchestrating flow run."""
    state: StateType = StateType.SCHEDULED
    state_at: float = 0.0
    """Monotonic time at which its state was seen to change, or one of its leaves to end."""
    queue: UUID | None = None
    """The queue of its pool that it is in; None where that is no more."""
    inherited: bool = False
    """Whether an earlier execution of the run dispatched it."""
    began_at: float | None = None
    """Monotonic time at which it was first seen running; None where it was not."""
    claimed_by: str | None = None
    """Name of the worker that took it, once asked for."""
    done: set[int] = field(default_factory=set)
    """Leaves whose record was found."""
    lane: bool = False
    """Whether it waits for further leaves."""
    dispatched_at: float | None = None
    """Monotonic time at which its dispatch began; None where an earlier execution did that."""
    known: int = 0
    """Leaves of the program when it was dispatched: it does not have those added since."""
    orders: list[tuple[Leaf, ...]] = field(default_factory=list)
    """Further leaves that it was given, by order."""
    open_since: float | None = None
    """Monotonic time at which it was seen waiting for an order; None while it does not."""
    closing: bool = False
    """Whether it gets no more orders."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it was dealt with; what comes later is not listened to."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def began(self) -> bool:
        """Whether it was seen running."""
        return self.began_at is not None

    @property
    def ended(self) -> bool:
        """Whether it was dealt with."""
        return self.over.is_set()

    @property
    def name(self) -> str:
        """What people see."""
        return batch_name(self.leaves)

    @property
    def current(self) -> Leaf | None:
        """The leaf that it does now, or would do first."""
        return next((leaf for leaf in self.leaves if leaf.index not in self.done), None)

    def add_order(self, leaves: Sequence[Leaf], now: float) -> None:
        """Note an order: its leaves come after those that it has done."""
        self.leaves += tuple(leaves)
        self.orders.append(tuple(leaves))
        self.open_since = None
        self.heard_at = self.state_at = now

    def leaf(self, path: str) -> Leaf | None:
        """Find one of its leaves."""
        return next((leaf for leaf in self.leaves if leaf.path == path), None)

    def record_event(self, now: float, state: StateType | None = None) -> None:
        """Note news: a state, or without one that a leaf ended."""
        self.heard_at = now
        if state != self.state:
            self.state_at = now
        if state is not None and state != self.state:
            self.state = state
            if state is not StateType.RUNNING:
                self.claimed_by = None
            elif self.began_at is None:
                self.began_at = now


def batch_name(leaves: Sequence[Leaf]) -> str:
    """Name a batch for people: its agent, its first leaf and how many more there are."""
    more = f" and {len(leaves) - 1} more" if len(leaves) > 1 else ""
    return f"{leaves[0].agent} · {leaves[0].path}{more}"


def short_pool(pool: str) -> str:
    """Return the pool's name as deployments and the command line use it."""
    return pool.removeprefix("agent-")


def parameters(
    run_id: str, leaves: Sequence[Leaf], attempt: int, left_s: float = math.inf, lane_s: float = 0.0
) -> dict[str, Any]:
    """Return the parameters of the child's flow. Nothing of the work itself: that is in the ledger.

    Args:
        run_id: The run.
        leaves: Its leaves, all of one agent.
        attempt: Number of the attempt, from 1.
        left_s: Seconds until the run's deadline. A time of day would mean another one to a host with another clock.
        lane_s: How long at most it waits for further leaves, each time.
    """
    given: dict[str, Any] = {
        "run_id": run_id,
        "tasks": [leaf.path for leaf in leaves],
        "fingerprints": [leaf.fingerprint for leaf in leaves],
        "attempt": attempt,
    }
    given |= {"agent": leaves[0].agent} if leaves[0].note else {}
    given |= {"lane_s": lane_s} if lane_s > 0 else {}
    return given | ({} if left_s == math.inf else {"left_s": round(left_s, 3)})


def idempotency_key(run_id: str, leaves: Sequence[Leaf], attempt: int) -> str:
    """Name an attempt at a batch, so that asking twice makes one flow run.

    Two leaves with other names can do the same work, and then have the same fingerprint.
    """
    digest = hashlib.sha256("\n".join(f"{leaf.path} {leaf.fingerprint}" for leaf in leaves).encode()).hexdigest()
    return f"{run_id}:{digest[:16]}:{attempt}"


def allowance_s(leaf: Leaf, settings: Settings) -> float:
    """Return how long a leaf may take in a child that runs: all its attempts and the pauses between them."""
    limit_s = time_limit_s(leaf, settings)
    pauses_s = leaf.retries * RetryPolicy.of_leaf(leaf, settings.run.retry_delay_s).longest_s
    return (leaf.retries + 1) * limit_s + pauses_s + _MARGIN_S
