"""Keep flow runs at work that have done their leaves: a lane takes one order of leaves of its agent after another.

A flow run costs the server about a hundred times what a task run costs, and a dispatch a good part of a second, on a
busy server several. So a child that has done its leaves waits for others for a moment. Orders and answers are files in
the ledger, each with one writer:

```
orchestrator   lanes/<child>/0001.json ─┐            ┌─ 0002.json …
child          state.json {0, open} ────┴▶ leaves ───▶ state.json {1, open} ─▶ … ─▶ {n, closed}
```
A lane that closes looks once more for an order. Either it finds it, says that it is open after all, and does it; or the
order comes later, and the orchestrator knows by the last answer that nothing of it was begun.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType

from genesis.dispatch.child import ChildFlowRun
from genesis.dispatch.children import FINAL, Children
from genesis.dispatch.limits import LANE_POLL_S, OBSERVATIONS
from genesis.dispatch.pools import FLOW_NAME
from genesis.engine.run_context import RunContext
from genesis.errors import GenesisError
from genesis.ledger import LaneOrder, Owner
from genesis.model import Leaf
from genesis.prefect_api.client import ApiUnavailable, PrefectApi, PrefectClient
from genesis.prefect_api.names import OWN_TAG, is_run_tag, run_tag

__all__ = ["Lanes"]

_log = logging.getLogger(__name__)
_SHARE = 20
"""Looking into the ledger takes at most this fraction (one part in N) of the time."""
_MARGIN_S = 0.3
"""A lane that is about to close gets no more orders."""
_LEAST_PATIENCE_S = 5.0
"""A child is kept at least this long: agents of a run are rarely without a leaf for longer."""
_STAY_S = 60.0
"""A lane that has run this long ends, so that its place on the pool comes free for others every now and then."""
_MOST_LEAVES = 100
"""Most leaves of a lane, for the same reason."""
_TURN_S = 3.0
"""How long a lane may run while flow runs of other runs wait for a place, and how often it is asked whether some do."""
_WAITING = 10
"""Others are looked for among this many flow runs of leaves: runs that wait to be orchestrated hold whole plans."""
_FIRST_DISPATCH_S = 1.0
"""What a dispatch is taken to last before one was seen."""


class Lanes:
    """Watches the children of one run in the ledger, and gives orders to those that wait for one.

    Args:
        session: The run.
        children: The living children.
        wanted: Whether a child may still get leaves of its agent.
        moved: Called when a child waits for an order.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        session: RunContext,
        children: Children,
        *,
        wanted: Callable[[ChildFlowRun], bool],
        moved: Callable[[], None],
        clock: Callable[[], float],
    ):
        self.owner: Owner | None = None
        """The id of the orchestrator, for the orders."""
        self._session = session
        self._children = children
        self._wanted = wanted
        self._moved = moved
        self._clock = clock
        self._idle_s = session.settings.pools.lane_idle_s
        self._dispatches: deque[float] = deque([_FIRST_DISPATCH_S], maxlen=OBSERVATIONS)
        self._begun: set[UUID] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Report that there is something to watch."""
        self._wake.set()

    @property
    def dispatch_s(self) -> float:
        """How long it takes from a dispatch to the first leaf, by those of this run."""
        return statistics.median(self._dispatches)

    @property
    def _patience_s(self) -> float:
        """How long a child is kept waiting for leaves: twice what another dispatch takes.

        Waiting about as long as it costs to begin anew is never much dearer than knowing what comes (ski rental).
        """
        return min(self._idle_s - _MARGIN_S, max(_LEAST_PATIENCE_S, 2 * self.dispatch_s))

    def idle(self, agent: str) -> ChildFlowRun | None:
        """Find a child of an agent that waits for an order."""
        now = self._clock()
        for child in self._children.living.values():
            waits = child.open_since is not None and now - child.open_since < self._patience_s
            if waits and child.leaves[0].agent == agent and not child.closing:
                return child
        return None

    def soon(self, agent: str) -> list[float]:
        """Return in how many seconds children of an agent will wait for an order, the earliest first.

        One that has done all its leaves will at once: it has not been seen to say so yet.
        """
        now = self._clock()
        running = [
            child
            for child in self._children.living.values()
            if child.leaves[0].agent == agent and child.open_since is None and _takes_orders(child)
        ]
        return sorted(max(0.0, self._estimate_left_s(child, now)) for child in running)

    async def write_order(self, child: ChildFlowRun, leaves: Sequence[Leaf], trace: str | None) -> None:
        """Write an order for a child that waits for one; `child.give` was called.

        Raises:
            GenesisError: The ledger cannot be written.
        """
        order = LaneOrder(
            tasks=tuple(leaf.path for leaf in leaves),
            fingerprints=tuple(leaf.fingerprint for leaf in leaves),
            owner=self.owner,
            trace=trace,
        )
        await self._session.ledger.order(str(child.id), len(child.orders), order)

    async def close(self, child: ChildFlowRun) -> None:
        """Have a child end that waits for an order, or will."""
        if child.closing or not child.lane:
            return
        child.closing, child.open_since = True, None
        try:
            await self._session.ledger.order(str(child.id), len(child.orders) + 1, LaneOrder(owner=self.owner))
        except GenesisError as error:  # it ends a little later anyway
            _log.warning("a flow run could not be asked to end", extra={"reason": error.message})

    async def watch(self) -> None:
        """Watch forever while children live."""
        while True:
            while not self._children.living:
                self._wake.clear()
                await self._wake.wait()
            began = self._clock()
            for child in tuple(self._children.living.values()):
                await self._look(child)
            await asyncio.sleep(max(LANE_POLL_S, _SHARE * (self._clock() - began)))

    async def take_turns(self, api: PrefectApi) -> None:
        """Let children end that keep others' flow runs from a place."""
        while True:
            await asyncio.sleep(_TURN_S)
            with suppress(ApiUnavailable):
                await self.take_turn(api)

    async def take_turn(self, api: PrefectApi) -> None:
        """Let children that have run for a while end after what they have, where flow runs of other runs wait.

        Where flow runs of this one wait for a worker, only those end that have nothing to do.

        Args:
            api: The client of the Prefect API.

        Raises:
            ApiUnavailable: The API does not answer now.
        """
        now = self._clock()
        lanes = [child for child in self._children.living.values() if _takes_orders(child)]
        late_s = max(_TURN_S, 2 * self.dispatch_s)
        if any(child.state is StateType.SCHEDULED and now - child.state_at > late_s for child in lanes):
            for child in lanes:
                if child.open_since is not None:
                    await self.close(child)
        turn_s = max(_TURN_S, self.dispatch_s)  # what it took to begin should be worth it
        old = [child for child in lanes if child.began_at is not None and now - child.began_at > turn_s]
        if old and await self._others_wait(api):
            for child in old:
                await self.close(child)

    async def _look(self, child: ChildFlowRun) -> None:
        """Take in the records that are there, and see whether a child that has done its leaves waits for an order."""
        if child.ended or child.state in FINAL:
            return
        if child.began_at is not None and child.id not in self._begun and child.dispatched_at is not None:
            self._begun.add(child.id)
            self._dispatches.append(max(0.0, child.began_at - child.dispatched_at))
        while (current := child.current) is not None:
            await self._children.collect(child, current)
            if child.current is current:
                return
        if child.open_since is not None:
            if self._clock() - child.open_since >= self._patience_s:
                await self.close(child)
        elif child.inherited:
            await self.close(child)
        elif _takes_orders(child):
            await self._look_whether_open(child)

    async def _look_whether_open(self, child: ChildFlowRun) -> None:
        try:
            state = await self._session.ledger.read_lane_state(str(child.id))
        except GenesisError as error:
            _log.warning("the ledger cannot be read", extra={"reason": error.message})
            return
        if state is None or state.orders != len(child.orders):
            return
        if not state.open:
            child.closing = True
            return
        now = self._clock()
        old = child.began_at is not None and now - child.began_at >= _STAY_S
        full = old or len(child.leaves) >= _MOST_LEAVES
        if full or not self._wanted(child):
            await self.close(child)
            return
        child.open_since = now
        self._moved()

    async def _others_wait(self, api: PrefectApi) -> bool:
        """Whether flow runs of other runs wait for a place on some pool."""
        mine = [child.id for child in self._children.not_begun()]
        waiting = FlowRunFilter(
            id=FlowRunFilterId(not_any_=mine),  # else those of a wide run fill the page
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            tags=FlowRunFilterTags(all_=[OWN_TAG]),
        )
        own, leaves = run_tag(self._session.run_id), FlowFilter(name=FlowFilterName(any_=[FLOW_NAME]))

        async def read(client: PrefectClient) -> bool:
            found = await client.read_flow_runs(flow_filter=leaves, flow_run_filter=waiting, limit=_WAITING)
            return any(own not in flow_run.tags and any(map(is_run_tag, flow_run.tags)) for flow_run in found)

        return await api.once(read)

    def _estimate_left_s(self, child: ChildFlowRun, now: float) -> float:
        left = sum(self._children.pace.expected_s(leaf) for leaf in child.leaves if leaf.index not in child.done)
        if not child.began:
            waited_s = now - child.dispatched_at if child.dispatched_at is not None else 0.0
            return left + max(0.0, self.dispatch_s - waited_s)
        return left - (now - child.state_at)


def _takes_orders(child: ChildFlowRun) -> bool:
    """Whether a child gets further leaves; one that another execution dispatched gets none."""
    return child.lane and not child.inherited and not child.closing
