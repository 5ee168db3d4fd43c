"""End a run from outside: ask whoever orchestrates it, and end what it dispatched where nobody does any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling

from genesis.errors import RunError
from genesis.execute.history import find_run
from genesis.settings import Settings

__all__ = ["Stopped", "cancel_run"]

_LOOK_S = 0.5
_PATIENCE_S = 45.0
"""How long whoever orchestrates may take to end its work before it is taken for dead."""
_PAGE = 200


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


async def cancel_run(run_id: str, settings: Settings, say: Callable[[str], None]) -> Stopped:
    """Cancel a run, and wait until it has ended.

    Args:
        run_id: The run.
        settings: Where its ledger is.
        say: Tells a person what is waited for.

    Raises:
        UsageError: There is no such run.
        RunError: It has ended already, or nobody has ever begun to run it.
    """
    ledger, _ = await find_run(run_id, settings)
    owner = await ledger.owner()
    if owner is None:
        raise RunError(f"run {run_id!r} has not begun to run its tasks", hint=f"run: genesis runs show {run_id}")
    async with get_client() as client:
        flow_run = await _read(client, UUID(owner.flow_run_id))
        children = await _children(client, run_id)
        going = [child for child in children if not _is_final(child)]
        ended_before = flow_run is None or _is_final(flow_run)
        if ended_before and not going:
            raise RunError(f"run {run_id!r} has ended already", hint=f"run: genesis runs show {run_id}")
        if flow_run is not None and not ended_before:
            say("asking who orchestrates the run to end it")
            await client.set_flow_run_state(flow_run.id, Cancelling(message="genesis cancel"))
            ended_before = not await _ends(client, [flow_run.id])
        if ended_before:
            say("nobody orchestrates the run; what it dispatched is ended directly")
            await _end_directly(client, flow_run, going)
        elif going:
            say("waiting for the workers to end what runs")
            await _ends(client, [child.id for child in going])
        alive = await _children(client, run_id)
        left = {child.id: child for child in alive if not _is_final(child)}
        now = await _read(client, flow_run.id) if flow_run else None
    return Stopped(
        run_id=run_id,
        flow_run=(now.state.name if now and now.state else None) or "unknown",
        orchestrator_answered=not ended_before,
        children=tuple(child.name for child in going if child.id not in left),
        alive=tuple(child.name for child in left.values()),
    )


async def _end_directly(client: PrefectClient, flow_run: FlowRun | None, going: list[FlowRun]) -> None:
    for child in going:
        await client.set_flow_run_state(child.id, Cancelling(message="genesis cancel"))
    await _ends(client, [child.id for child in going])
    if flow_run is not None and not _is_final(flow_run):
        await client.set_flow_run_state(flow_run.id, Cancelled(message="genesis cancel"), force=True)


async def _ends(client: PrefectClient, ids: list[UUID]) -> bool:
    """Wait until flow runs are final; whether they are."""
    until = time.monotonic() + _PATIENCE_S
    left = set(ids)
    while left and time.monotonic() < until:
        for flow_run_id in tuple(left):
            flow_run = await _read(client, flow_run_id)
            if flow_run is None or _is_final(flow_run):
                left.discard(flow_run_id)
        if left:
            await asyncio.sleep(_LOOK_S)
    return not left


async def _children(client: PrefectClient, run_id: str) -> list[FlowRun]:
    """Read the flow runs that a run has dispatched."""
    tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"run:{run_id}"]))
    found: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(flow_run_filter=tagged, limit=_PAGE, offset=len(found))
        found += page
        if len(page) < _PAGE:
            return found


async def _read(client: PrefectClient, flow_run_id: UUID) -> FlowRun | None:
    try:
        return await client.read_flow_run(flow_run_id)
    except ObjectNotFound:
        return None


def _is_final(flow_run: FlowRun) -> bool:
    return flow_run.state is not None and flow_run.state.is_final()
