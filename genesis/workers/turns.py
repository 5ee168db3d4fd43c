"""Take the flow runs that wait in turn by tenant, so that one who starts many does not keep the others waiting.

A worker takes next what the tenant with the fewest flow runs here has waited for the longest: max-min fairness over
slots, as in a fair-share scheduler whose tenants all weigh the same. Flow runs without a tenant share one turn.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence

from prefect.client.schemas.objects import FlowRun

from genesis.model.tenant import tenant_in_tags

__all__ = ["TENANT_PARAMETER", "in_turn", "tenant_of"]

TENANT_PARAMETER = "tenant"
"""Parameter of `orchestrate`: a flow run that nobody has begun has no tag yet."""


def tenant_of(flow_run: FlowRun) -> str:
    """Give the tenant of a flow run: by its tag, else by its parameter; empty where neither names one."""
    tagged = tenant_in_tags(flow_run.tags)
    if tagged is not None:
        return tagged
    given = (flow_run.parameters or {}).get(TENANT_PARAMETER)
    return given if isinstance(given, str) else ""


def in_turn(waiting: Sequence[FlowRun], held: Iterable[str]) -> list[FlowRun]:
    """Order flow runs so that tenants take turns.

    Args:
        waiting: Flow runs, who waits longest first.
        held: The tenant of each flow run that has a slot now.
    """
    queues: dict[str, deque[tuple[int, FlowRun]]] = defaultdict(deque)
    for place, flow_run in enumerate(waiting):
        queues[tenant_of(flow_run)].append((place, flow_run))
    counts = Counter(held)
    heads = [(counts[tenant], queue[0][0], tenant) for tenant, queue in queues.items()]
    heapq.heapify(heads)
    ordered: list[FlowRun] = []
    while heads:
        count, _, tenant = heapq.heappop(heads)
        ordered.append(queues[tenant].popleft()[1])
        if queues[tenant]:
            heapq.heappush(heads, (count + 1, queues[tenant][0][0], tenant))
    return ordered
