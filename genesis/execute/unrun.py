"""Leaves that never ran, in the UI's graph: each is a task run in a final state, behind what it comes after.

Prefect's engine tells the server of a task run by events; so does this, one event a leaf, without a call for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

from prefect.client.schemas.objects import FlowRunResult, State, StateDetails, TaskRun, TaskRunResult
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Pending
from prefect.utilities.engine import emit_task_run_state_change_event

from genesis.model import Leaf, Outcome, Program

__all__ = ["Node", "show_unrun"]

Node = TaskRunResult | FlowRunResult
"""What stands for a leaf in the graph."""

_MOST = 1_000
"""More than that nobody finds anything in; and each is an event that the end of the run waits for."""
_MOST_EDGES = 50
_STATES = ("skipped", "cancelled")


def show_unrun(program: Program, outcomes: Mapping[int, Outcome], nodes: Mapping[int, Node]) -> int:
    """Show skipped and cancelled leaves in the graph of the current flow run, the first of them in document order.

    Args:
        program: What ran.
        outcomes: How its leaves ended, by index.
        nodes: The leaves that are in the graph already.

    Returns:
        How many were shown.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return 0
    left = [
        leaf
        for leaf in program.leaves
        if leaf.index in outcomes and outcomes[leaf.index].state in _STATES and leaf.index not in nodes
    ][:_MOST]
    graph = {**nodes, **{leaf.index: TaskRunResult(id=uuid4()) for leaf in left}}
    for leaf in left:
        _tell(leaf, outcomes[leaf.index], graph, context.flow_run.id)
    return len(left)


def _tell(leaf: Leaf, outcome: Outcome, graph: Mapping[int, Node], flow_run_id: UUID) -> None:
    identity = graph[leaf.index].id
    message = outcome.error.message if outcome.error is not None else "the run stopped before it could start"
    details = StateDetails(task_run_id=identity, flow_run_id=flow_run_id)
    before: State[None] = Pending(state_details=details)
    ended: State[None] = Cancelled(name=outcome.state.capitalize(), message=message, state_details=details)
    upstream = [graph[source] for source in leaf.after if source in graph][:_MOST_EDGES]
    task_run = TaskRun(
        id=identity,
        name=f"{leaf.agent} · {leaf.path}",
        flow_run_id=flow_run_id,
        task_key=leaf.agent,
        dynamic_key=str(identity),
        task_inputs={"after": upstream},
        expected_start_time=before.timestamp,
        end_time=ended.timestamp,
        state_id=ended.id,
        state_type=ended.type,
        state_name=ended.name,
        state=ended,
    )
    emit_task_run_state_change_event(task_run, initial_state=before, validated_state=ended)
