"""Notice that the worker of a child has gone.

Heartbeats are compared while the API answers: an API that was away could not receive a worker's heartbeats.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from prefect.client.schemas.objects import Worker

from genesis.dispatch.child import ChildFlowRun
from genesis.prefect_api.claims import last_claimant
from genesis.prefect_api.client import PrefectApi, PrefectClient
from genesis.prefect_api.heartbeats import Heartbeats, read_heartbeats
from genesis.prefect_api.limits import PAGE

__all__ = ["HeartbeatMonitor"]


class HeartbeatMonitor:
    """Watches the workers of children that are quiet.

    Args:
        api: The client of the Prefect API.
        lost_after_s: How long a heartbeat may stay the same.
        longest_gap_s: Two looks further apart than this prove nothing about the time between them.
    """

    def __init__(self, api: PrefectApi, *, lost_after_s: float, longest_gap_s: float):
        self._api = api
        self._beats = Heartbeats[tuple[str, str]](lost_after_s=lost_after_s, longest_gap_s=longest_gap_s)
        self._failures = 0

    async def look(self, quiet: Iterable[ChildFlowRun]) -> list[tuple[ChildFlowRun, str]]:
        """Look after the workers of quiet children.

        Returns:
            The children whose worker is lost, each with the worker's name.

        Raises:
            ApiUnavailable: The API does not answer now.
        """
        children = list(quiet)
        for child in children:
            if child.claimed_by is None:
                child.claimed_by = await self._claimant(child)
        watched = [child for child in children if child.claimed_by]
        beats = await read_heartbeats((child.pool for child in watched), self._page)
        for child in watched:
            beats.setdefault((child.pool, child.claimed_by or ""), None)
        now = self._api.clock()
        if self._failures != self._api.failures:
            self._beats.forget()
        self._failures = self._api.failures
        self._beats.compare(now, beats)
        silent = [child for child in watched if self._beats.is_lost((child.pool, child.claimed_by or ""), now)]
        return [(child, child.claimed_by or "") for child in silent if await self._is_still_its(child)]

    async def _is_still_its(self, child: ChildFlowRun) -> bool:
        """Whether a child is still that of the watched worker: another one may have given it back meanwhile."""
        name = await self._claimant(child)
        known, child.claimed_by = child.claimed_by, name
        return name == known

    async def _claimant(self, child: ChildFlowRun) -> str:
        """Read who took a child; empty where it does not say, as with workers of other types."""
        return last_claimant(await self._api.once(lambda client: client.read_flow_run_states(child.id)))

    async def _page(self, pool: str, offset: int) -> list[Worker]:
        def read(client: PrefectClient) -> Awaitable[list[Worker]]:
            return client.read_workers_for_work_pool(pool, offset=offset, limit=PAGE)

        return await self._api.once(read)
