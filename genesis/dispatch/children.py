"""The living children of a run: the events about them, and what becomes of their leaves."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import StateType

from genesis.dispatch.background_tasks import BackgroundTasks
from genesis.dispatch.child import ChildFlowRun
from genesis.dispatch.duration_estimator import DurationEstimator
from genesis.dispatch.limits import STORAGE_RETRY_S
from genesis.dispatch.pending_outcomes import PendingOutcomes
from genesis.dispatch.retry_decision import ChildEnd, RetryDecision, describe_crash, judge
from genesis.engine.attempts import error_info
from genesis.engine.run_context import RunContext
from genesis.errors import GenesisError
from genesis.model import KEPT, Leaf
from genesis.observability.instruments import DISPATCHES, QUEUE_DEPTH
from genesis.observability.metrics import metrics_of_process
from genesis.prefect_api.claims import is_lost_message

__all__ = ["FINAL", "Children"]

_log = logging.getLogger(__name__)
FINAL = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED})
_LAGS = (0.1, 0.4, 1.0, 2.0)
"""Pauses before a record that should be there is looked for again: shared storage may show it late."""
_SHORT_LAGS = (0.2,)
"""The same for a record that an event has announced."""
_MOST_FAULTS = 20
"""A storage that cannot be read is asked for about a minute."""
_REMEMBERED = 512
"""News of children that are not known yet: they can be faster than the answer with their id."""


class Children:
    """Holds the living children, takes in their leaves' records, and judges what is left when one ends.

    Args:
        session: The run.
        pending: Receives the outcomes.
        background: Runs what has to be waited for.
        again: Dispatches a leaf again.
        moved: Called when a child began or ended.
        ever_ran: Reads in the API whether a child ever ran.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        session: RunContext,
        pending: PendingOutcomes,
        background: BackgroundTasks,
        *,
        again: Callable[[Leaf], None],
        moved: Callable[[], None],
        ever_ran: Callable[[ChildFlowRun], Awaitable[bool]],
        clock: Callable[[], float],
    ):
        self.pace = DurationEstimator()
        self.living: dict[UUID, ChildFlowRun] = {}
        self.taken: set[int] = set()
        """Leaves that were dispatched and need not be again."""
        self.links: dict[int, UUID] = {}
        """The flow run that stands for a leaf in the UI's graph: it takes the place of the task run that links it."""
        self._session = session
        self._pending = pending
        self._background = background
        self._again = again
        self._moved = moved
        self._ever_ran = ever_ran
        self._clock = clock
        self._crashes: Counter[int] = Counter()
        self._unknown: OrderedDict[UUID, list[Callable[[], object]]] = OrderedDict()

    def add(self, child: ChildFlowRun) -> None:
        """Take in a child; what was heard of it before is taken in too."""
        self.living[child.id] = child
        self._count_waiting(child.pool)
        for leaf in child.leaves:
            self.taken.add(leaf.index)
            if child.link is not None:
                self.links[leaf.index] = child.id
        self._show(child)
        for news in self._unknown.pop(child.id, ()):
            news()

    def add_leaves(self, child: ChildFlowRun, leaves: Sequence[Leaf]) -> None:
        """Add leaves to those of a child that waits for some."""
        child.add_order(leaves, self._clock())
        for leaf in leaves:
            self.taken.add(leaf.index)
            if child.link is not None:
                self.links[leaf.index] = child.id
        self._show(child)

    def not_begun(self) -> list[ChildFlowRun]:
        """Return the children that have not begun to run."""
        return [child for child in self.living.values() if not child.began and child.state not in FINAL]

    def _drop(self, child: ChildFlowRun) -> None:
        """Listen no more to a child."""
        self.living.pop(child.id, None)
        child.over.set()
        self._count_waiting(child.pool)

    def _count_waiting(self, pool: str) -> None:
        """Show how many children of a pool have not begun."""
        metrics_of_process().set(QUEUE_DEPTH, pool, value=sum(child.pool == pool for child in self.not_begun()))

    async def take_over(self, child: ChildFlowRun) -> None:
        """Take in what a child left that had ended before this execution of the run began: only what succeeded."""
        self._unknown.pop(child.id, None)  # events about it are older than this execution
        await self.finish(child, ChildEnd(child.state, stale=True))

    def show(self, leaf: Leaf) -> None:
        """Show a leaf as running that is asked for now, if a child is at it already."""
        for child in self.living.values():
            if child.current is leaf:
                self._show(child)

    def leaf_ended(self, child: UUID, path: str) -> None:
        """Hear that a leaf's record is written."""
        known = self.living.get(child)
        if known is None:
            self._remember(child, lambda: self.leaf_ended(child, path))
            return
        leaf = known.leaf(path)
        if leaf is not None and leaf.index not in known.done:
            self._start_background(known, self.collect(known, leaf))

    def child_changed(self, child: UUID, state: StateType, message: str) -> bool:
        """Hear of a child's state; says whether that was new and of weight."""
        known = self.living.get(child)
        if known is None:
            self._remember(child, lambda: self.child_changed(child, state, message))
            return False
        new = state is not known.state
        if new:
            known.record_event(self._clock(), state)
            self._count_waiting(known.pool)
            self._show(known)
            self._moved()
        if state in FINAL:
            lost = state is StateType.CRASHED and is_lost_message(message)
            self._start_background(known, self.finish(known, ChildEnd(state, message, lost=lost)))
        elif not new and len(known.leaves) - len(known.done) > 1 and state is StateType.RUNNING:
            self._start_background(known, self.collect(known))
        return new and state in FINAL

    def child_missing(self, child: UUID) -> None:
        """Hear that someone deleted a child."""
        self.child_changed(child, StateType.CRASHED, "it was deleted")

    async def collect(self, child: ChildFlowRun, leaf: Leaf | None = None) -> None:
        """Take in the records that a child has written, or that of one of its leaves."""
        async with child.lock:
            if child.ended:
                return
            try:
                await self._collect(child, [leaf] if leaf is not None else list(child.leaves))
            except GenesisError as error:  # looked for again, at the latest when the child ends
                _log.warning("the ledger cannot be read", extra={"reason": error.message})

    async def finish(self, child: ChildFlowRun, end: ChildEnd) -> None:
        """Deal with a child that is over: take in its last records, and judge the leaves that have none."""
        async with child.lock:
            if child.ended:
                return
            missing = await self._last_records(child, end)
            untaken = await self._find_untaken(child, end, missing)
            missing = [leaf for leaf in missing if leaf.index not in untaken]
            if missing and end.state is StateType.CRASHED and not end.lost and not child.began:
                end = replace(end, began=await self._ever_ran(child))
            self._drop(child)
        metrics_of_process().count(DISPATCHES, child.pool, end.state.value.lower())
        for leaf in child.leaves:
            if leaf.index in untaken:
                await self._carry_out(leaf, RetryDecision("again"), end)
        for place, leaf in enumerate(missing):
            first = place == 0
            self._crashes[leaf.index] += end.counts(first=first)
            verdict = judge(leaf, child, end, first=first, crashes=self._crashes[leaf.index])
            if first and end.began and not (end.stale or end.suspended) and verdict.action != "cancelled":
                self._pending.note(leaf, child.attempt, verdict.error or describe_crash(child, end))
            await self._carry_out(leaf, verdict, end)

    async def _carry_out(self, leaf: Leaf, verdict: RetryDecision, end: ChildEnd) -> None:
        self.taken.discard(leaf.index)
        asked = self._pending.waits(leaf)
        if verdict.action == "again":
            if asked:
                _log.warning("a leaf is dispatched again", extra={"task": leaf.path, "reason": end.message})
                self._again(leaf)
            return
        if asked or end.state is StateType.CRASHED or verdict.action == "cancelled":
            self.taken.add(leaf.index)
            await self._pending.conclude(leaf, verdict.action, verdict.error)

    async def _find_untaken(self, child: ChildFlowRun, end: ChildEnd, missing: list[Leaf]) -> set[int]:
        """Find the leaves of orders that a child had not taken any more when it ended: none was begun."""
        if not missing or not child.orders or end.state not in {StateType.COMPLETED, StateType.FAILED}:
            return set()
        state = await self._session.ledger.read_lane_state(str(child.id))
        if state is None or state.open:
            return set()
        return {leaf.index for order in child.orders[state.orders :] for leaf in order}

    async def _last_records(self, child: ChildFlowRun, end: ChildEnd) -> list[Leaf]:
        """Take in what the storage has, with patience for a storage that shows it late or fails for a while.

        Returns:
            The leaves without a record, in the order of the work.
        """
        lags = iter(_LAGS if end.state in {StateType.COMPLETED, StateType.FAILED} else _SHORT_LAGS)
        faults = 0
        while True:
            try:
                await self._collect(child, list(child.leaves), only_done=end.stale)
            except GenesisError as error:
                faults += 1
                if faults == _MOST_FAULTS:
                    raise
                _log.warning("the ledger cannot be read", extra={"reason": error.message})
                await asyncio.sleep(STORAGE_RETRY_S)
                continue
            missing = [leaf for leaf in child.leaves if leaf.index not in child.done]
            if missing and len(missing) == len(await self._find_untaken(child, end, missing)):
                return missing
            lag = next(lags, None)
            if lag is None or end.stale or end.suspended or not any(self._pending.waits(leaf) for leaf in missing):
                return missing
            await asyncio.sleep(lag)

    async def _collect(self, child: ChildFlowRun, leaves: list[Leaf], *, only_done: bool = False) -> None:
        for leaf in leaves:
            if leaf.index in child.done:
                continue
            outcome = await self._session.ledger.attempt(leaf, str(child.id))
            if outcome is None or (only_done and outcome.state not in KEPT):
                continue
            child.done.add(leaf.index)
            if not child.began and child.state not in FINAL:
                child.record_event(self._clock(), StateType.RUNNING)  # the record was faster than the event
            child.record_event(self._clock())
            self.pace.learn(leaf, outcome)
            await self._pending.deliver(leaf, outcome)
            self._show(child)

    def _show(self, child: ChildFlowRun) -> None:
        """Show the leaf that a running child is at."""
        if child.state is StateType.RUNNING and child.current is not None:
            self._pending.report_running(child.current)

    def _start_background(self, child: ChildFlowRun, work: Coroutine[Any, Any, None]) -> None:
        async def fail_leaves(error: Exception) -> None:
            self._drop(child)
            for leaf in child.leaves:
                if leaf.index not in child.done and self._pending.waits(leaf):
                    await self._pending.conclude(leaf, "failed", error_info(error))

        self._background.run(work, fail_leaves)

    def _remember(self, child: UUID, news: Callable[[], object]) -> None:
        self._unknown.setdefault(child, []).append(news)
        while len(self._unknown) > _REMEMBERED:
            self._unknown.popitem(last=False)
