"""The overhead of work pools in predictions: a flow run is created, claimed and started before its first job.

A small model of the batcher and the lanes of `genesis.dispatch`: a job goes to a flow run of its agent that
is idle, or soon will be, else to a new one. The server creates one flow run at a time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

__all__ = ["PoolCosts", "PoolsInUse"]


@dataclass(frozen=True, slots=True)
class PoolCosts:
    """Seconds that work pools cost: round figures for two idle cores, with PostgreSQL.

    `bench.fleet --part mixed` measures the accuracy of the prediction: there a run takes 1.33 times as long.

    Args:
        dispatch_s: From a dispatch to the first job of its flow run, on an idle server.
        server_s: Time that the server needs per flow run; the next one waits for it.
        next_s: From the end of a job to the start of the next one in the same flow run.
        idle_s: How long a flow run waits for another job.
    """

    dispatch_s: float = 1.0
    server_s: float = 0.3
    next_s: float = 0.25
    idle_s: float = 5.0

    def on_busy_machine(self, load: float) -> PoolCosts:
        """Return the costs for a number of processes per processor."""
        share = max(1.0, load)
        dispatch_s = self.dispatch_s * share
        return PoolCosts(
            dispatch_s=dispatch_s,
            server_s=self.server_s * share,
            next_s=self.next_s * share,
            idle_s=max(self.idle_s, 2 * dispatch_s),
        )


class PoolsInUse:
    """The flow runs of a simulated run.

    Args:
        costs: Their overhead.
    """

    def __init__(self, costs: PoolCosts):
        self._costs = costs
        self._free_at: dict[str | None, list[float]] = defaultdict(list)
        """When the flow runs of an agent become idle."""
        self._server_free_at = 0.0

    def start(self, agent: str | None, now: float, duration_s: float) -> float:
        """Return the start of a job that is dispatched now, and mark its flow run busy until the job ends."""
        costs, lanes = self._costs, self._free_at[agent]
        lanes[:] = [free for free in lanes if now - free <= costs.idle_s]
        free_at = min(lanes, default=now + costs.dispatch_s + 1.0)
        if free_at - now <= costs.dispatch_s:
            lanes.remove(free_at)
            begin = max(now, free_at) + costs.next_s
        else:
            self._server_free_at = max(now, self._server_free_at) + costs.server_s
            begin = self._server_free_at - costs.server_s + costs.dispatch_s
        lanes.append(begin + duration_s)
        return begin
