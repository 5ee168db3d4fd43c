"""Remove old flow runs of Genesis from a Prefect server, with their subflows, task runs, logs and artifacts.

The server deletes the task runs, states and logs of a flow run with it. Artifacts it does not: they are deleted here,
after their flow runs, so that one that is being retried keeps its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from genesis.errors import GenesisError
from genesis.prefect_api.client import PrefectClient
from genesis.prefect_api.errors import API_ERRORS
from genesis.prefect_api.names import OWN_TAG
from genesis.retention.removal import why_not
from genesis.retention.report import Purging

__all__ = ["IsOpen", "purge_flow_runs"]

IsOpen = Callable[[FlowRun], Awaitable[bool]]
"""Says whether a flow run is of a run of Genesis that has not ended, although the flow run has."""
_PAGE = 50
"""As many as the server deletes at once."""
_BULK_DELETE = "/flow_runs/bulk_delete"
_OPEN = "its run has not ended"
_GOES_ON = "a flow run inside it has not ended, or ended later"


async def purge_flow_runs(purging: Purging, client: PrefectClient, is_open: IsOpen) -> None:
    """Remove flow runs with the tag `genesis` that ended long ago, each with the subflows in it.

    A flow run of another owner's deployment, which an agent started, stays.

    Args:
        purging: What is old, and whether to remove it. It receives what was done.
        client: The server.
        is_open: Keeps flow runs of runs that may be resumed.
    """
    tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[OWN_TAG]), **_make_end_filter(purging))
    left, seen = 0, set[UUID]()
    try:
        while page := await client.read_flow_runs(
            flow_run_filter=tagged, sort=FlowRunSort.ID_DESC, limit=_PAGE, offset=left
        ):
            left += len(page) - await _purge_page(purging, client, page, is_open, seen)
    except (GenesisError, *API_ERRORS) as error:  # the boundary: the rest is for the next purge
        purging.record_failed("flow_runs", "the Prefect API", why_not(error))


async def _purge_page(
    purging: Purging, client: PrefectClient, page: Sequence[FlowRun], is_open: IsOpen, seen: set[UUID]
) -> int:
    """Purge some flow runs, and say how many of them are gone.

    Args:
        purging: What is old, and whether to remove it.
        client: The server.
        page: Flow runs that ended before the time.
        is_open: Keeps those of runs that may be resumed.
        seen: What was removed, or would be, with another one; it is added to.
    """
    inside = await _subflows(client, [flow_run.id for flow_run in page])
    for flow_run in page:
        if flow_run.id in seen:
            continue
        below = await _descendants(client, flow_run) if inside else []
        if why := await _stays(purging, flow_run, below, is_open):
            purging.record_kept("flow_runs", flow_run.name, why)
            continue
        names = {each.id: each.name for each in (flow_run, *below) if each.id not in seen}
        removed = list(names) if purging.dry_run else await _delete(purging, client, list(names))
        for flow_run_id in removed:
            purging.record_removed("flow_runs", names[flow_run_id])
        seen |= set(removed)
    return 0 if purging.dry_run else sum(flow_run.id in seen for flow_run in page)


async def _stays(purging: Purging, flow_run: FlowRun, below: Sequence[FlowRun], is_open: IsOpen) -> str:
    """Describe why a flow run stays; empty where it need not."""
    if await is_open(flow_run):
        return _OPEN
    return "" if all(_is_old(each, purging) for each in below) else _GOES_ON


async def _delete(purging: Purging, client: PrefectClient, ids: Sequence[UUID]) -> list[UUID]:
    """Delete those of some flow runs that are still old, and their artifacts."""
    removed: list[UUID] = []
    for start in range(0, len(ids), _PAGE):
        asked = FlowRunFilter(id=FlowRunFilterId(any_=list(ids[start : start + _PAGE])), **_make_end_filter(purging))
        body = {"flow_runs": asked.model_dump(mode="json", exclude_unset=True), "limit": _PAGE}
        answer = await client.request("POST", _BULK_DELETE, json=body)  # type: ignore[arg-type]  # its list lags behind
        answer.raise_for_status()
        removed += [UUID(each) for each in answer.json()["deleted"]]
    if removed:
        await _delete_artifacts(client, removed)
    return removed


async def _delete_artifacts(client: PrefectClient, flow_runs: Sequence[UUID]) -> None:
    of_them = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=list(flow_runs)))
    while page := await client.read_artifacts(artifact_filter=of_them, limit=_PAGE):
        for artifact in page:
            try:
                await client.delete_artifact(artifact.id)
            except ObjectNotFound:
                continue


async def _descendants(client: PrefectClient, flow_run: FlowRun) -> list[FlowRun]:
    """Find the flow runs inside a flow run, at any depth."""
    found: dict[UUID, FlowRun] = {}
    parents = [flow_run.id]
    while parents:
        new = {each.id: each for each in await _subflows(client, parents) if each.id not in found}
        found |= new
        parents = list(new)
    return list(found.values())


async def _subflows(client: PrefectClient, parents: Sequence[UUID]) -> list[FlowRun]:
    """Find the flow runs directly in some others, without those of other owners' deployments."""
    inside = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=list(parents)))
    found: list[FlowRun] = []
    while page := await client.read_flow_runs(flow_run_filter=inside, sort=FlowRunSort.ID_DESC, offset=len(found)):
        found += page
    return [each for each in found if each.deployment_id is None or OWN_TAG in each.tags]


def _make_end_filter(purging: Purging) -> dict[str, Any]:
    """Return what a filter needs, so that only flow runs are met that ended before the time."""
    final = FlowRunFilterStateType(any_=sorted(TERMINAL_STATES))
    return {
        "state": FlowRunFilterState(type=final),
        "end_time": FlowRunFilterEndTime(before_=purging.before),
    }


def _is_old(flow_run: FlowRun, purging: Purging) -> bool:
    ended_at = flow_run.end_time
    return flow_run.state_type in TERMINAL_STATES and ended_at is not None and ended_at < purging.before
