"""Notice who has gone silent, without comparing the clocks of two machines.

A heartbeat moves a time in the API on. What that time says does not matter; how long it stays the same does, measured
here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from prefect.client.schemas.objects import Worker
from prefect.exceptions import ObjectNotFound

from genesis.prefect_api.limits import PAGE

__all__ = ["PAGE", "Heartbeats", "read_heartbeats"]

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(slots=True)
class _Beat:
    said: datetime | None
    since: float


class Heartbeats(Generic[_Key]):
    """Remembers since when each heartbeat has stayed the same.

    Args:
        lost_after_s: How long one may stay the same.
        longest_gap_s: Two looks further apart than this prove nothing about the time between them.
    """

    def __init__(self, *, lost_after_s: float, longest_gap_s: float):
        self._lost_after_s = lost_after_s
        self._longest_gap_s = longest_gap_s
        self._beats: dict[_Key, _Beat] = {}
        self._looked_at = 0.0

    def __len__(self) -> int:
        """Count the heartbeats that are remembered."""
        return len(self._beats)

    def forget(self) -> None:
        """Start all times anew: who could not be heard is not taken for silent."""
        self._beats.clear()

    def compare(self, now: float, said: Mapping[_Key, datetime | None]) -> None:
        """Take in what was read: a heartbeat that moved, or a break in the looking, starts the time anew."""
        if now - self._looked_at > self._longest_gap_s:
            self.forget()
        self._looked_at = now
        for key, at in said.items():
            known = self._beats.get(key)
            if known is None or known.said != at:
                self._beats[key] = _Beat(at, now)
        for key in self._beats.keys() - said.keys():
            del self._beats[key]

    def is_lost(self, key: _Key, now: float) -> bool:
        """Whether a heartbeat has stayed the same for too long."""
        known = self._beats.get(key)
        return known is not None and now - known.since >= self._lost_after_s


async def read_heartbeats(
    pools: Iterable[str], page: Callable[[str, int], Awaitable[Sequence[Worker]]]
) -> dict[tuple[str, str], datetime | None]:
    """Read when all workers of pools said last that they are alive, by pool and name; none of a pool that is gone.

    Args:
        pools: Names of work pools.
        page: Reads workers of a pool, `PAGE` at the most, from an offset on.
    """
    said: dict[tuple[str, str], datetime | None] = {}
    for pool in dict.fromkeys(pools):
        offset = 0
        workers: Sequence[Worker] | None = None
        with suppress(ObjectNotFound):
            while workers is None or len(workers) == PAGE:
                workers = await page(pool, offset)
                offset += len(workers)
                said |= {(pool, worker.name): worker.last_heartbeat_time for worker in workers}
    return said
