"""Notice that a worker has gone, without comparing the clocks of two machines.

A worker's heartbeat moves a time in the API on. What that time says does not matter; how long it stays the same does,
measured here, while the API answers: an API that was away could not be told that a worker is alive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType, Worker
from prefect.exceptions import ObjectNotFound

from genesis.execute.dispatch.child import Child
from genesis.execute.dispatch.line import Line

__all__ = ["CLAIMED_BY", "Losses"]

CLAIMED_BY = "claimed by "
_PAGE = 200


@dataclass(slots=True)
class _Beat:
    said: datetime | None
    since: float


class Losses:
    """Watches the workers of children that are quiet.

    Args:
        line: The way to the API.
        lost_after_s: How long a heartbeat may stay the same.
        longest_gap_s: Two looks further apart than this prove nothing about the time between them.
    """

    def __init__(self, line: Line, *, lost_after_s: float, longest_gap_s: float):
        self._line = line
        self._lost_after_s = lost_after_s
        self._longest_gap_s = longest_gap_s
        self._beats: dict[tuple[str, str], _Beat] = {}
        self._looked_at = 0.0
        self._failures = 0

    async def look(self, quiet: Iterable[Child]) -> list[tuple[Child, str]]:
        """Look after the workers of quiet children.

        Returns:
            The children whose worker is lost, each with the worker's name.

        Raises:
            Away: The API does not answer now.
        """
        children = list(quiet)
        for child in children:
            if child.claimed_by is None:
                child.claimed_by = await self._claimant(child)
        watched = [child for child in children if child.claimed_by]
        beats: dict[tuple[str, str], datetime | None] = {}
        for pool in dict.fromkeys(child.pool for child in watched):
            beats |= await self._read(pool)
        now = self._line.clock()
        for child in watched:
            beats.setdefault((child.pool, child.claimed_by or ""), None)
        self._compare(now, beats)
        return [
            (child, name)
            for child in watched
            if (name := child.claimed_by) and now - self._beats[child.pool, name].since >= self._lost_after_s
        ]

    def _compare(self, now: float, beats: dict[tuple[str, str], datetime | None]) -> None:
        """Take in what was read: a heartbeat that moved, or a break in the looking, starts the time anew."""
        broken = self._failures != self._line.failures or now - self._looked_at > self._longest_gap_s
        self._failures, self._looked_at = self._line.failures, now
        if broken:
            self._beats.clear()
        for key, said in beats.items():
            known = self._beats.get(key)
            if known is None or known.said != said:
                self._beats[key] = _Beat(said, now)
        for key in self._beats.keys() - beats.keys():
            del self._beats[key]

    async def _claimant(self, child: Child) -> str:
        """Read who took a child; empty where it does not say, as with workers of other types."""
        states = await self._line.once("read_states", lambda client: client.read_flow_run_states(child.id))
        said = [state.message or "" for state in states if state.type is StateType.PENDING]
        claims = [message.removeprefix(CLAIMED_BY) for message in said if message.startswith(CLAIMED_BY)]
        return claims[-1] if claims else ""

    async def _read(self, pool: str) -> dict[tuple[str, str], datetime | None]:
        beats: dict[tuple[str, str], datetime | None] = {}

        async def page(client: PrefectClient) -> list[Worker]:
            return await client.read_workers_for_work_pool(pool, offset=len(beats), limit=_PAGE)

        while True:
            try:
                workers = await self._line.once("read_workers", page)
            except ObjectNotFound:
                return beats
            beats |= {(pool, worker.name): worker.last_heartbeat_time for worker in workers}
            if len(workers) < _PAGE:
                return beats
