"""Leaves that are ready and not yet dispatched, and which of them go when and together.

A server takes a few flow runs a second. While it is behind, a short leaf is better held for a moment: others of its
agent become ready meanwhile and share its flow run, and it would only have waited there instead of here. The same holds
for a leaf that a flow run of its agent can take over before another one would have begun.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Sequence

from genesis.dispatch.child import ChildFlowRun
from genesis.dispatch.duration_estimator import DurationEstimator
from genesis.dispatch.lanes import Lanes
from genesis.model import Leaf, Program
from genesis.schedule import ScheduleJob
from genesis.schedule.batches import Batches, BatchRules
from genesis.settings import PoolSettings

__all__ = ["Batcher"]

_TOGETHER_S = 0.005
"""Leaves that are handed in within this time are ready together."""
_HELD_S = 0.5
"""What is held is looked at again after this at the latest."""
_BEHIND = 4
"""Children not begun from which on the server or the workers count as behind."""


class Batcher:
    """Groups leaves of one agent, and sends each group once.

    Args:
        program: All leaves.
        how: Bounds on groups.
        pace: How long leaves take.
        final: The leaves whose work is done.
        free: Whether a leaf may share a child.
        waiting: Gives the children that have not begun.
        lanes: The children that take further groups.
        send: Sends a group to a child that waits for one, or else in a new one; then `sent` is to be called once it is
            out.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        program: Program,
        how: PoolSettings,
        pace: DurationEstimator,
        *,
        final: Container[int],
        free: Callable[[int], bool],
        waiting: Callable[[], Sequence[ChildFlowRun]],
        lanes: Lanes,
        send: Callable[[Sequence[Leaf], ChildFlowRun | None], None],
        clock: Callable[[], float],
    ):
        self._how = how
        self._pace = pace
        self._final = final
        self._free = free
        self._waiting = waiting
        self._lanes = lanes
        self._send = send
        self._clock = clock
        self._ready: dict[int, float] = {}
        self._under_way: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._held = False
        self.use(program)

    def use(self, program: Program) -> None:
        """Group the leaves of this program from now on: it is the one before with leaves added."""
        self._leaves = program.leaves
        jobs = [ScheduleJob(leaf.seconds, leaf.after, leaf.agent, priority=leaf.priority) for leaf in program.leaves]
        self._batches = Batches(jobs, BatchRules(leaves=self._how.batch_leaves, ahead_s=self._how.batch_seconds))

    def put(self, leaf: Leaf) -> None:
        """Take in a leaf that is ready."""
        self._ready[leaf.index] = self._clock()
        self._look_in(_TOGETHER_S)

    def drop(self, leaf: Leaf) -> None:
        """Send a leaf no more, if it is still here."""
        self._ready.pop(leaf.index, None)

    def record_sent(self, agent: str) -> None:
        """Note that a group of an agent is out, or was given up."""
        self._under_way[agent] -= 1
        self.record_change()

    def record_change(self) -> None:
        """Note that a child began or ended, so that what is held may go."""
        if self._ready:
            self._look_in(_TOGETHER_S)

    def hold(self, held: bool) -> None:
        """Send nothing for now, or continue."""
        self._held = held
        self.record_change()

    def close(self) -> None:
        """Send nothing more."""
        self._ready.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Send what is to go now, and hold the rest."""
        self._timer = None
        if self._held:
            return
        ready = sorted(self._ready, key=lambda index: -self._leaves[index].priority)
        planned = self._batches.plan(ready, final=self._final, free=self._free, expected_s=self._estimate_s)
        late = [child.leaves[0].agent for child in self._waiting()]
        soon: dict[str, list[float]] = {}
        for batch in planned:
            leaves = [self._leaves[index] for index in batch]
            agent = leaves[0].agent
            lane = self._lane(leaves)
            if lane is None:
                lanes = soon.setdefault(agent, self._lanes.soon(agent))
                if self._is_better_held(batch, late) or self._takes_over_soon(batch, lanes):
                    continue
                self._under_way[agent] += 1
            for index in batch:
                self._ready.pop(index, None)
            self._send(leaves, lane)
        if self._ready:
            patience_s = max(self._how.batch_seconds, self._lanes.dispatch_s)
            self._look_in(min(_HELD_S, max(_TOGETHER_S, min(self._ready.values()) + patience_s - self._clock())))

    def _lane(self, leaves: Sequence[Leaf]) -> ChildFlowRun | None:
        """Find a child that takes these leaves now."""
        if not all(self._free(leaf.index) for leaf in leaves):
            return None
        child = self._lanes.idle(leaves[0].agent)
        return child if child is not None and all(leaf.index < child.known for leaf in leaves) else None

    def _takes_over_soon(self, batch: Sequence[int], lanes: list[float]) -> bool:
        """Whether a child will take a group earlier than another one would begin; each child counts for one group."""
        patience_s = self._lanes.dispatch_s
        waited_s = self._clock() - min(self._ready[index] for index in batch if index in self._ready)
        if not lanes or not all(map(self._free, batch)) or lanes[0] + waited_s > patience_s:
            return False
        lanes.pop(0)
        return True

    def _is_better_held(self, batch: Sequence[int], late: Sequence[str]) -> bool:
        """Whether a short group waits for company: its agent has one on its way, or all are behind and it is too."""
        head, agent = batch[0], self._leaves[batch[0]].agent
        room = len(batch) < self._how.batch_leaves and self._free(head)
        short = sum(map(self._estimate_s, batch)) < self._how.batch_seconds
        patient = self._clock() - min(self._ready[index] for index in batch if index in self._ready)
        if not (room and short and patient < self._how.batch_seconds):
            return False
        return self._under_way[agent] > 0 or (len(late) >= _BEHIND and agent in late)

    def _estimate_s(self, index: int) -> float:
        return self._pace.expected_s(self._leaves[index])
