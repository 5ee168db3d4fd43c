"""End a run from outside: ask its orchestrator, and end what it dispatched if there is none any more."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State, Worker
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling

from genesis.engine.limits import CANCEL_POLL_S
from genesis.errors import RunError
from genesis.ledger.history import find_run
from genesis.prefect_api.claims import format_lost_message, last_claimant
from genesis.prefect_api.client import PrefectApi, PrefectClient, connect
from genesis.prefect_api.errors import service_errors
from genesis.prefect_api.heartbeats import Heartbeats, read_heartbeats
from genesis.prefect_api.limits import LOOK_SLACK_S, PAGE
from genesis.prefect_api.names import run_tag
from genesis.settings import Settings

__all__ = ["Stopped", "cancel_run"]

_PATIENCE_S = 45.0
"""How long the orchestrator may take to end its work before it counts as dead."""
_AWAY_S = 60.0
"""How long an API that does not answer is waited for."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a cancellation ended."""

    run_id: str
    flow_run: str
    """State of the flow run that orchestrated, as it is now."""
    orchestrator_answered: bool
    children: tuple[str, ...]
    """Names of the flow runs on agents' pools that were ended."""
    alive: tuple[str, ...]
    """Names of those whose worker has not said yet that they have ended."""


async def cancel_run(run_id: str, settings: Settings, notify: Callable[[str], None]) -> Stopped:
    """Cancel a run, and wait until it has ended.

    Args:
        run_id: The run.
        settings: Where its ledger is.
        notify: Tells a person what is waited for.

    Raises:
        UsageError: There is no such run.
        RunError: It has ended already, or was never started.
        ServiceError: The API does not answer, or refuses a call.
    """
    ledger, _ = await find_run(run_id, settings)
    owner = await ledger.owner()
    if owner is None:
        raise RunError(f"run {run_id!r} has not begun to run its tasks", hint=f"run: genesis runs show {run_id}")
    with service_errors():
        async with connect(notify, give_up_s=_AWAY_S) as api:
            return await _cancel(api, run_id, UUID(owner.flow_run_id), settings, notify)


async def _cancel(
    api: PrefectApi, run_id: str, flow_run_id: UUID, settings: Settings, notify: Callable[[str], None]
) -> Stopped:
    flow_run = await _read(api, flow_run_id)
    children = await _children(api, run_id)
    orphans = _Orphans(api, settings)
    going = [child for child in children if not _is_final(child)]
    ended_before = flow_run is None or _is_final(flow_run)
    if ended_before and not going:
        raise RunError(f"run {run_id!r} has ended already", hint=f"run: genesis runs show {run_id}")
    if flow_run is not None and not ended_before:
        notify("asking the orchestrator to end the run")
        await _set_state(api, flow_run.id, Cancelling(message="genesis cancel"))
        answered = await _ends(api, [flow_run], orphans, [flow_run, *going])
        ended_before = not answered or flow_run.id in orphans.ended
    left = [child for child in await _children(api, run_id) if not _is_final(child)]
    if ended_before:
        notify("the run has no orchestrator; what it dispatched is ended directly")
    elif left:
        notify("waiting for the workers to end what runs")
    await _end_children(api, left, orphans)
    if ended_before and flow_run is not None and not _is_final(flow_run):
        await _set_state(api, flow_run.id, Cancelled(message="genesis cancel"), force=True)
    alive = {child.id: child for child in await _children(api, run_id) if not _is_final(child)}
    now = await _read(api, flow_run.id) if flow_run else None
    return Stopped(
        run_id=run_id,
        flow_run=(now.state.name if now and now.state else None) or "unknown",
        orchestrator_answered=not ended_before,
        children=tuple(child.name for child in going if child.id not in alive),
        alive=tuple(child.name for child in alive.values()),
    )


class _Orphans:
    """Ends flow runs that are to be cancelled and whose worker is lost: nothing else would, and they hold slots."""

    def __init__(self, api: PrefectApi, settings: Settings):
        how = settings.pools
        self._api = api
        self._pause_s = how.heartbeat_s
        self._looked_at = -math.inf
        self._beats = Heartbeats[tuple[str, str]](
            lost_after_s=how.lost_after_s, longest_gap_s=how.heartbeat_s + LOOK_SLACK_S
        )
        self._claimants: dict[UUID, str] = {}
        self.ended: set[UUID] = set()
        """Flow runs that were ended here."""

    async def look(self, children: list[FlowRun]) -> None:
        """Look after the workers of flow runs, not more often than they send heartbeats."""
        now = time.monotonic()
        if now - self._looked_at < self._pause_s:
            return
        self._looked_at = now
        for child in children:
            if child.id not in self._claimants:
                self._claimants[child.id] = await self._read_claimant(child)
        keys = {c.id: (c.work_pool_name or "", name) for c in children if (name := self._claimants[c.id])}
        said = await read_heartbeats((pool for pool, _ in keys.values()), self._page)
        self._beats.compare(now, {key: said.get(key) for key in keys.values()})
        for child_id, key in keys.items():
            if self._beats.is_lost(key, now):
                await self._end(child_id, key[1])

    async def _page(self, pool: str, offset: int) -> list[Worker]:
        return await self._api.call(lambda client: client.read_workers_for_work_pool(pool, offset=offset, limit=PAGE))

    async def _read_claimant(self, child: FlowRun) -> str:
        states = await self._api.call(lambda client: client.read_flow_run_states(child.id))
        return last_claimant(states)

    async def _end(self, child_id: UUID, worker: str) -> None:
        current = await _read(self._api, child_id)
        if current is not None and current.state is not None and current.state.is_cancelling():
            await _set_state(self._api, child_id, Cancelled(message=f"cancelled: {format_lost_message(worker)}"))
            self.ended.add(child_id)


async def _end_children(api: PrefectApi, left: list[FlowRun], orphans: _Orphans) -> None:
    """Wait for the end of what was dispatched, after asking those to end that were not asked yet."""
    for child in left:
        if child.state is None or not child.state.is_cancelling():
            await _set_state(api, child.id, Cancelling(message="genesis cancel"))
    if left:
        await _ends(api, left, orphans, left)


async def _ends(api: PrefectApi, flow_runs: list[FlowRun], orphans: _Orphans, children: list[FlowRun]) -> bool:
    """Wait until flow runs are final, and look after the workers of the children meanwhile; whether they are."""
    until = time.monotonic() + _PATIENCE_S
    left = {flow_run.id for flow_run in flow_runs}
    while left and time.monotonic() < until:
        for flow_run_id in tuple(left):
            flow_run = await _read(api, flow_run_id)
            if flow_run is None or _is_final(flow_run):
                left.discard(flow_run_id)
        await orphans.look(children)
        if left:
            await asyncio.sleep(CANCEL_POLL_S)
    return not left


async def _children(api: PrefectApi, run_id: str) -> list[FlowRun]:
    """Read the flow runs that a run has dispatched."""
    tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[run_tag(run_id)]))
    found: list[FlowRun] = []

    async def read(client: PrefectClient) -> list[FlowRun]:
        return await client.read_flow_runs(flow_run_filter=tagged, limit=PAGE, offset=len(found))

    while True:
        page = await api.call(read)
        found += page
        if len(page) < PAGE:
            return found


async def _read(api: PrefectApi, flow_run_id: UUID) -> FlowRun | None:
    try:
        return await api.call(lambda client: client.read_flow_run(flow_run_id))
    except ObjectNotFound:
        return None


async def _set_state(api: PrefectApi, flow_run_id: UUID, state: State[Any], *, force: bool = False) -> None:
    await api.call(lambda client: client.set_flow_run_state(flow_run_id, state, force=force))


def _is_final(flow_run: FlowRun) -> bool:
    return flow_run.state is not None and flow_run.state.is_final()
