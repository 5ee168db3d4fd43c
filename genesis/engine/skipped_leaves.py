"""Leaves that never ran, in the UI's graph: each is a task run in a final state, behind what it comes after.

Prefect's engine reports a task run to the server by events; so does this, one event a leaf, without a call for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

from prefect.client.schemas.objects import TaskRunResult

from genesis.engine.task_runs import GraphNode, emit_task_run
from genesis.model import Outcome, Program

__all__ = ["show_unrun"]

_MOST = 1_000
"""More than that nobody finds anything in; and each is an event that the end of the run waits for."""
_STATES = ("skipped", "cancelled")


def show_unrun(
    program: Program, outcomes: Mapping[int, Outcome], nodes: Mapping[int, GraphNode], flow_run_id: UUID
) -> tuple[dict[int, GraphNode], int]:
    """Show skipped and cancelled leaves in the graph of a flow run, the first of them in document order.

    Args:
        program: What ran.
        outcomes: How its leaves ended, by index.
        nodes: The leaves that are in the graph already.
        flow_run_id: The flow run.

    Returns:
        All that is in the graph now, by index, and how many were left out.
    """
    unrun = [
        leaf
        for leaf in program.leaves
        if leaf.index in outcomes and outcomes[leaf.index].state in _STATES and leaf.index not in nodes and leaf.agent
    ]
    graph = {**nodes, **{leaf.index: TaskRunResult(id=uuid4()) for leaf in unrun[:_MOST]}}
    for leaf in unrun[:_MOST]:
        emit_task_run(leaf, outcomes[leaf.index], graph, flow_run_id)
    return graph, len(unrun[_MOST:])
