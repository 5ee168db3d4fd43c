"""Take the flow runs that wait in turn by tenant, so that one who starts many does not keep the others waiting.

A worker takes next what the tenant with the fewest flow runs here has waited for the longest: max-min fairness over
slots, as in a fair-share scheduler whose tenants all weigh the same. Between equals it goes round. Flow runs without a
tenant share one turn.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence

from prefect.client.schemas.objects import FlowRun

from genesis.model.tenant import tenant_in_tags

__all__ = ["TENANT_PARAMETER", "TenantRotation", "tenant_of"]

_MOST_KNOWN = 1_000
"""Tenants whose turn is remembered."""

TENANT_PARAMETER = "tenant"
"""Parameter of `orchestrate`: a flow run that nobody has begun has no tag yet."""


def tenant_of(flow_run: FlowRun) -> str:
    """Return the tenant of a flow run: by its tag, else by its parameter; empty where neither names one."""
    tagged = tenant_in_tags(flow_run.tags)
    if tagged is not None:
        return tagged
    given = (flow_run.parameters or {}).get(TENANT_PARAMETER)
    return given if isinstance(given, str) else ""


class TenantRotation:
    """Whose turn it is, as one worker has it."""

    def __init__(self) -> None:
        self._served: dict[str, int] = {}
        """When each tenant was served last, as a number that grows; the order is that of the numbers."""
        self._number = 0

    def mark_served(self, tenant: str) -> None:
        """Note that a flow run of a tenant is taken. The tenants that were served longest ago are forgotten."""
        self._number += 1
        self._served.pop(tenant, None)
        self._served[tenant] = self._number
        if len(self._served) > _MOST_KNOWN:
            del self._served[next(iter(self._served))]

    def order(self, waiting: Sequence[FlowRun], held: Iterable[str]) -> list[FlowRun]:
        """Order flow runs so that tenants take turns.

        Next is the tenant that has the fewest flow runs, of those the one that was served longest ago, or never.

        Args:
            waiting: Flow runs, who waits longest first.
            held: The tenant of each flow run that has a slot now.
        """
        queues: dict[str, deque[tuple[int, FlowRun]]] = defaultdict(deque)
        for place, flow_run in enumerate(waiting):
            queues[tenant_of(flow_run)].append((place, flow_run))
        counts = Counter(held)
        heads = [(counts[tenant], self._served.get(tenant, 0), queue[0][0], tenant) for tenant, queue in queues.items()]
        heapq.heapify(heads)
        ordered: list[FlowRun] = []
        while heads:
            count, _, _, tenant = heapq.heappop(heads)
            ordered.append(queues[tenant].popleft()[1])
            if queues[tenant]:
                again = (count + 1, self._number + len(ordered), queues[tenant][0][0], tenant)
                heapq.heappush(heads, again)
        return ordered
