"""The children that earlier executions of a run dispatched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from genesis.dispatch.child import ChildFlowRun
from genesis.ledger import Ledger
from genesis.model import Leaf, Program
from genesis.prefect_api.claims import is_lost_message
from genesis.prefect_api.client import PrefectApi, PrefectClient
from genesis.prefect_api.limits import PAGE
from genesis.prefect_api.names import run_tag

__all__ = ["PreviousDispatch", "earlier_children"]


@dataclass(frozen=True, slots=True)
class PreviousDispatch:
    """A child of an earlier execution."""

    child: ChildFlowRun
    final: bool
    lost: str = ""
    """What its state says, where it ended because its worker was lost."""


async def earlier_children(api: PrefectApi, ledger: Ledger, program: Program) -> list[PreviousDispatch]:
    """Find all children of a run, the latest attempt first; those of another plan are left out."""
    by_path = {leaf.path: leaf for leaf in program.leaves}
    found: list[PreviousDispatch] = []
    async for flow_run in _children(api, ledger.run_id):
        leaves = _leaves(flow_run.parameters, ledger.run_id, by_path)
        if leaves:
            state = flow_run.state_type or StateType.SCHEDULED
            child = _child(flow_run, leaves, state, _pool(program, leaves), api.clock())
            await _add_orders(child, ledger, by_path)
            final = flow_run.state is not None and flow_run.state.is_final()
            message = (flow_run.state.message if flow_run.state is not None else None) or ""
            lost = message if state is StateType.CRASHED and is_lost_message(message) else ""
            found.append(PreviousDispatch(child, final, lost))
    return sorted(found, key=lambda earlier: -earlier.child.attempt)


async def _children(api: PrefectApi, run_id: str) -> AsyncIterator[FlowRun]:
    tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[run_tag(run_id)]))
    read = 0

    async def page(client: PrefectClient) -> list[FlowRun]:
        return await client.read_flow_runs(
            flow_run_filter=tagged, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=PAGE, offset=read
        )

    while True:
        flow_runs = await api.call(page)
        for flow_run in flow_runs:
            yield flow_run
        if len(flow_runs) < PAGE:
            return
        read += len(flow_runs)


def _leaves(parameters: dict[str, Any], run_id: str, by_path: dict[str, Leaf]) -> tuple[Leaf, ...]:
    """Return the leaves of a flow run that is a child of this run with this plan; else none."""
    if parameters.get("run_id") != run_id or not isinstance(parameters.get("tasks"), list):
        return ()
    return tuple(_matching(parameters["tasks"], parameters.get("fingerprints") or [], by_path))


def _matching(paths: Sequence[Any], fingerprints: Sequence[Any], by_path: dict[str, Leaf]) -> Iterator[Leaf]:
    for path, fingerprint in zip(paths, fingerprints, strict=False):
        leaf = by_path.get(path)
        if leaf is not None and leaf.fingerprint == fingerprint:
            yield leaf


async def _add_orders(child: ChildFlowRun, ledger: Ledger, by_path: dict[str, Leaf]) -> None:
    """Add the leaves that a child was given after its dispatch."""
    number = 1
    while (order := await ledger.read_order(str(child.id), number)) is not None:
        child.add_order(tuple(_matching(order.tasks, order.fingerprints, by_path)), child.heard_at)
        number += 1


def _pool(program: Program, leaves: Sequence[Leaf]) -> str:
    return program.pool(leaves[0])


def _child(flow_run: FlowRun, leaves: tuple[Leaf, ...], state: StateType, pool: str, now: float) -> ChildFlowRun:
    attempt = flow_run.parameters.get("attempt")
    link: UUID | None = flow_run.parent_task_run_id
    return ChildFlowRun(
        id=flow_run.id,
        pool=pool,
        leaves=leaves,
        attempt=attempt if isinstance(attempt, int) else 1,
        heard_at=now,
        state_at=now,
        link=link,
        state=state,
        queue=flow_run.work_queue_id,
        lane="lane_s" in flow_run.parameters,
        inherited=True,
    )
