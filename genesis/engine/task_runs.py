"""See to it that Prefect's API has every task run of a large run in its final state, and say how many it lacks.

States of task runs reach the server as events, which nothing confirms: a connection that breaks, a server that starts
again, or a queue in it that is full (10,000 messages, where its broker is in memory) loses some. The ledger has all
outcomes, so what is missing at the end is emitted once more, from there, in portions that such a queue takes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from functools import partial
from uuid import UUID

from prefect.client.schemas.filters import (
    TaskRunFilter,
    TaskRunFilterId,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import (
    TERMINAL_STATES,
    FlowRunResult,
    State,
    StateDetails,
    StateType,
    TaskRun,
    TaskRunResult,
)
from prefect.states import Pending
from prefect.utilities.engine import emit_task_run_state_change_event

from genesis.engine.limits import TASK_RUN_POLL_S
from genesis.model import Leaf, Outcome, Program, TaskState
from genesis.prefect_api.client import PrefectApi, PrefectClient, connect
from genesis.prefect_api.errors import API_ERRORS
from genesis.prefect_api.limits import PAGE

__all__ = ["GraphNode", "emit_task_run", "missing_task_runs", "settle_task_runs"]

_log = logging.getLogger(__name__)

GraphNode = TaskRunResult | FlowRunResult
"""What stands for a leaf in the graph."""

_FEW = 100
"""A run of fewer leaves that was short does not wait for the server to have recorded them."""
_SHORT_S = 10.0
"""What such a run would wait, up to a second, is little beside a longer one."""
_PORTION = 500
"""Task runs that are emitted again before the next look: a burst would fill the server's queue."""
_STALLED_S = 10.0
"""How long nothing may arrive before what is missing is emitted again."""
_TURNS = 3
"""Portions in a row of which nothing arrives."""
_LONGEST_S = 600.0
"""How long the end of a run waits for its task runs in all."""
_MOST_EDGES = 50
"""Predecessors of one leaf that the UI's graph shows."""
_TYPES: Mapping[TaskState, StateType] = {
    "completed": StateType.COMPLETED,
    "cached": StateType.COMPLETED,
    "briefed": StateType.COMPLETED,
    "failed": StateType.FAILED,
}


async def settle_task_runs(
    program: Program,
    outcomes: Mapping[int, Outcome],
    nodes: Mapping[int, GraphNode],
    flow_run_id: UUID,
    *,
    ran_s: float,
) -> int | None:
    """Wait until the API has the task runs of a run as final; emit again what does not arrive.

    A small run that was short does not wait: the server gets its few states a moment later.

    Args:
        program: What ran.
        outcomes: How its leaves ended, by index.
        nodes: What stands for the leaves in the graph. Task runs that the API itself made are not looked at.
        flow_run_id: The flow run that the task runs are of.
        ran_s: How long it ran.

    Returns:
        How many the API still lacks or has as not final; None where that was not looked at, or the API does not answer.
    """
    wanted = {node.id: index for index, node in nodes.items() if isinstance(node, TaskRunResult) and index in outcomes}
    if not wanted or (len(wanted) < _FEW and ran_s < _SHORT_S):
        return None
    left = set(wanted)
    try:
        async with asyncio.timeout(_LONGEST_S), connect(_log.info, give_up_s=0.0) as api:
            portion, in_vain = set(wanted), 0
            while left:
                arrived = await _wait_for_arrival(api, portion)
                left -= arrived
                in_vain = 0 if arrived else in_vain + 1
                if in_vain == _TURNS:
                    break
                portion = set(sorted(left, key=wanted.__getitem__)[:_PORTION])
                for index in sorted(wanted[identity] for identity in portion):
                    emit_task_run(program.leaves[index], outcomes[index], nodes, flow_run_id)
    except API_ERRORS as error:
        _log.warning("whether the API has every task run is not known", extra={"reason": repr(error)})
        return None
    return len(left)


async def _wait_for_arrival(api: PrefectApi, portion: set[UUID]) -> set[UUID]:
    """Wait until the API has all of a portion as final, or nothing more arrives, and give those that it has."""
    left, since = set(portion), time.monotonic()
    while left:
        missing = await missing_task_runs(api, left)
        if len(missing) < len(left):
            left, since = missing, time.monotonic()
        elif time.monotonic() - since >= _STALLED_S:
            break
        if left:
            await asyncio.sleep(TASK_RUN_POLL_S)
    return portion - left


async def missing_task_runs(api: PrefectApi, identities: Iterable[UUID]) -> set[UUID]:
    """Return those of some task runs that the API lacks, or has as not final."""
    left = sorted(identities)
    missing = set(left)
    final = TaskRunFilterState(type=TaskRunFilterStateType(any_=sorted(TERMINAL_STATES)))
    for start in range(0, len(left), PAGE):
        asked = TaskRunFilter(id=TaskRunFilterId(any_=left[start : start + PAGE]), state=final)
        found = await api.call(partial(_read_task_runs, asked))
        missing -= {task_run.id for task_run in found}
    return missing


async def _read_task_runs(asked: TaskRunFilter, client: PrefectClient) -> list[TaskRun]:
    return await client.read_task_runs(task_run_filter=asked, limit=PAGE)


def emit_task_run(leaf: Leaf, outcome: Outcome, nodes: Mapping[int, GraphNode], flow_run_id: UUID) -> None:
    """Tell the server of a leaf's task run in its final state, by one event.

    Args:
        leaf: The leaf; it has a node.
        outcome: How it ended.
        nodes: What stands for the leaves in the graph.
        flow_run_id: The flow run that it is of.
    """
    identity = nodes[leaf.index].id
    details = StateDetails(task_run_id=identity, flow_run_id=flow_run_id)
    before: State[None] = Pending(state_details=details)
    kind = StateType.COMPLETED if outcome.skipped_by else _TYPES.get(outcome.state, StateType.CANCELLED)
    message = outcome.error.message if outcome.error is not None else outcome.skipped_by or None
    if kind is StateType.CANCELLED and message is None:
        message = "the run stopped before it could start"
    ended: State[None] = State(type=kind, name=outcome.state.capitalize(), message=message, state_details=details)
    upstream = [nodes[source] for source in leaf.after if source in nodes][:_MOST_EDGES]
    task_run = TaskRun(
        id=identity,
        name=f"{leaf.agent} · {leaf.path}",
        flow_run_id=flow_run_id,
        task_key=leaf.agent,
        dynamic_key=str(identity),
        task_inputs={"after": upstream},
        run_count=outcome.attempts,
        expected_start_time=outcome.started_at or before.timestamp,
        start_time=outcome.started_at,
        end_time=outcome.ended_at or ended.timestamp,
        state_id=ended.id,
        state_type=ended.type,
        state_name=ended.name,
        state=ended,
    )
    emit_task_run_state_change_event(task_run, initial_state=before, validated_state=ended)
