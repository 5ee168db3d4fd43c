"""Notice that the worker of a child has gone.

Heartbeats are compared while the API answers: an API that was away could not be told that a worker is alive.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State, StateType, Worker
from prefect.exceptions import ObjectNotFound

from genesis.execute.dispatch.child import Child
from genesis.execute.dispatch.line import Line
from genesis.resilience.heartbeats import Heartbeats

__all__ = ["CLAIMED_BY", "Losses", "claimant"]

CLAIMED_BY = "claimed by "
_PAGE = 200


def claimant(states: Iterable[State[Any]]) -> str:
    """Name who took a flow run last, from its states in the order of time; empty where none says so."""
    said = [state.message or "" for state in states if state.type is StateType.PENDING]
    claims = [message.removeprefix(CLAIMED_BY) for message in said if message.startswith(CLAIMED_BY)]
    return claims[-1] if claims else ""


class Losses:
    """Watches the workers of children that are quiet.

    Args:
        line: The way to the API.
        lost_after_s: How long a heartbeat may stay the same.
        longest_gap_s: Two looks further apart than this prove nothing about the time between them.
    """

    def __init__(self, line: Line, *, lost_after_s: float, longest_gap_s: float):
        self._line = line
        self._beats = Heartbeats[tuple[str, str]](lost_after_s=lost_after_s, longest_gap_s=longest_gap_s)
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
        for child in watched:
            beats.setdefault((child.pool, child.claimed_by or ""), None)
        now = self._line.clock()
        if self._failures != self._line.failures:
            self._beats.forget()
        self._failures = self._line.failures
        self._beats.compare(now, beats)
        return [
            (child, name)
            for child in watched
            if (name := child.claimed_by) and self._beats.is_lost((child.pool, name), now)
        ]

    async def _claimant(self, child: Child) -> str:
        """Read who took a child; empty where it does not say, as with workers of other types."""
        return claimant(await self._line.once("read_states", lambda client: client.read_flow_run_states(child.id)))

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
