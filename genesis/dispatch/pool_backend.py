"""The agents' pools as a place where leaves run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from prefect.client.schemas.objects import FlowRunResult, StateType

from genesis.dispatch.background_tasks import BackgroundTasks
from genesis.dispatch.batcher import Batcher
from genesis.dispatch.child import ChildFlowRun
from genesis.dispatch.children import FINAL, Children
from genesis.dispatch.dispatcher import Dispatcher
from genesis.dispatch.job_variables import needs_own_flow_run
from genesis.dispatch.lanes import Lanes
from genesis.dispatch.pending_outcomes import PendingOutcomes
from genesis.dispatch.pools import AgentPools
from genesis.dispatch.previous_dispatches import earlier_children
from genesis.dispatch.retry_decision import ChildEnd
from genesis.dispatch.waiter import Waiter
from genesis.dispatch.watchdog import Watchdog, close_child, stop_child
from genesis.engine.attempts import error_info
from genesis.engine.inputs import list_upstream
from genesis.engine.run_context import RunContext
from genesis.engine.task_runs import GraphNode
from genesis.errors import RunError
from genesis.ledger import is_done
from genesis.model import FINISHED, KEPT, Leaf, Outcome
from genesis.observability.correlation import here
from genesis.prefect_api.client import ApiUnavailable, PrefectApi, connect, without_client_retries
from genesis.schedule import find_unbatched

__all__ = ["PoolBackend"]

_log = logging.getLogger(__name__)
_LAST_WORD_S = 6.0
"""How long a child whose work is done may take to say that it has ended."""
_STOPPED_S = 8.0
"""How long to wait for children that were asked to stop: their workers end them within 2 s, then by force."""


def _nothing(text: str) -> None:
    """Say nothing."""
    del text


class _Finished:
    """The leaves whose work is done, or is a person's to do."""

    def __init__(self, outcomes: Mapping[int, Outcome]):
        self._outcomes = outcomes

    def __contains__(self, index: object) -> bool:
        outcome = self._outcomes.get(index) if isinstance(index, int) else None
        return outcome is not None and outcome.state in KEPT


class PoolBackend:
    """Runs each leaf in a child flow run on the work pool of its agent. Enter it inside the orchestrating flow run.

    Args:
        session: What to run and with what.
        flow_run_id: The orchestrating flow run.
        outcomes: Outcomes of the leaves that are final, by index; the caller adds to it.
        notify: Receives what a person should know or do: a pool without workers, an API that is away.
    """

    grace_s = _STOPPED_S + 2.0

    def __init__(
        self,
        session: RunContext,
        flow_run_id: UUID,
        outcomes: Mapping[int, Outcome],
        *,
        notify: Callable[[str], None] = _nothing,
    ):
        self.stopped: list[str] = []
        """Names of the children that were asked to stop."""
        self._session = session
        self._flow_run_id = flow_run_id
        self._outcomes = outcomes
        self._notify = notify
        self._leaves = session.program.leaves
        self._apart = find_unbatched(session.program)
        self._why: str | None = None
        self._suspended = False
        self._kept_back: list[Leaf] = []
        """Leaves with other agents than the program's, which wait until the run continues."""
        self._attempts: dict[int, int] = {}
        self._ran: set[int] = set()
        self._traces: dict[int, str] = {}
        """Where leaves are in the trace; their sender may be elsewhere in it."""
        self._stack = AsyncExitStack()
        self._api: PrefectApi | None = None
        with without_client_retries():
            self._background = BackgroundTasks(copy_context())
        self._pending = PendingOutcomes(session)
        self._children = Children(
            session,
            self._pending,
            self._background,
            again=self._send_again,
            moved=self._send_held,
            ever_ran=self._ever_ran,
            clock=time.monotonic,
        )
        self._lanes = Lanes(
            session, self._children, wanted=self._is_needed, moved=self._send_held, clock=time.monotonic
        )
        self._batcher = Batcher(
            session.program,
            session.settings.pools,
            self._children.pace,
            final=_Finished(outcomes),
            free=self._is_free,
            waiting=self._children.not_begun,
            lanes=self._lanes,
            send=self._send,
            clock=time.monotonic,
        )

    async def __aenter__(self) -> Self:
        self._api = api = await self._stack.enter_async_context(connect(self._notify))
        self._pools = AgentPools(api, self._notify)
        self._dispatcher = Dispatcher(api, self._pools, self._session, self._flow_run_id)
        self._waiter = Waiter(api, self._session.run_id, self._children, lambda: list(self._children.living.values()))
        self._watchdog = Watchdog(api, self._pools, self._children, self._session)
        await self._session.ledger.suspend(suspended=False)
        self._lanes.owner = await self._session.ledger.owner()
        turns = partial(self._lanes.take_turns, api)
        for loop in (self._waiter.listen, self._waiter.poll, self._watchdog.watch, self._lanes.watch, turns):
            self._background.run_loop(loop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what is not needed any more. After a fault children are left to the next execution, which finds them."""
        if error is None:
            await asyncio.gather(*(self._leave(child) for child in tuple(self._children.living.values())))
        self._batcher.close()
        await self._background.close()
        await self._stack.aclose()
        self._api = None

    async def run(self, leaf: Leaf) -> Outcome:
        """Run a leaf, whose upstream leaves are done, until it is final. What is returned is in the ledger.

        After `cancel` a cancelled call records the leaf as cancelled. Before, it leaves everything as it is.

        Raises:
            GenesisError: The ledger cannot be written.
        """
        self._follow_plan()
        if (traceparent := here()) is not None:
            self._traces[leaf.index] = traceparent
        outcome = self._pending.wait_for(leaf)
        if leaf.index in self._ran:  # it failed, and is to be done once more
            self._children.taken.discard(leaf.index)
        try:
            if self._pending.has(leaf.index):
                await self._pending.take_early(leaf)
            elif self._stops(leaf) and leaf.index not in self._children.taken:
                await self._pending.conclude(leaf, "cancelled")
            elif leaf.index in self._children.taken:
                self._children.show(leaf)
            elif self._why is not None or leaf.agent != self._leaves[leaf.index].agent:
                self._send_alone(leaf)  # what travels together has the agents of the program
            else:
                self._batcher.put(leaf)
            return await outcome
        except asyncio.CancelledError:
            if not self._stops(leaf):  # this execution ends, and not the run: its successor finds the child
                raise
            known = await self._session.ledger.outcome(leaf)
            if known is not None and known.state in FINISHED:  # it was just being taken in
                return known
            return await self._session.ledger.adopt(leaf, self._pending.without_record(leaf, "cancelled"))
        finally:
            self._ran.add(leaf.index)
            self._batcher.drop(leaf)
            self._pending.leave(leaf)

    def suspend(self, suspended: bool) -> None:
        """Dispatch nothing for now, or continue. Workers read in the ledger that they begin no leaf meanwhile."""
        self._suspended = suspended
        self._batcher.hold(suspended)
        self._start_background(self._session.ledger.suspend(suspended=suspended), ())
        if not suspended:
            for leaf in self._kept_back:
                self._send([leaf])
            self._kept_back.clear()

    def nodes(self) -> dict[int, GraphNode]:
        """Name the flow runs of this execution's leaves, which take the place of the task runs that link them."""
        return {index: FlowRunResult(id=flow_run) for index, flow_run in self._children.links.items()}

    def cancel(self, why: str) -> None:
        """Stop the children, and dispatch no more, but for leaves that always run.

        `run` then returns what came of its leaf: as a rule, cancelled.
        """
        if self._why is not None:
            return
        self._why = why
        self._batcher.close()
        self._kept_back.clear()
        for leaf in self._pending.leaves:
            if leaf.always and leaf.index not in self._children.taken:
                self._send_alone(leaf)
        _log.info("the children are stopped", extra={"reason": why})
        for child in self._children.living.values():
            if any(map(self._stops, child.leaves)):
                self._start_background(self._stop(child), child.leaves)
        self._start_background(self._conclude_all(), ())

    async def attach(self) -> dict[int, Outcome]:
        """Find what earlier executions of the run dispatched, before anything is run.

        Children that ended have their finished leaves adopted, and so has every attempt whose record is in the ledger,
        whatever the server still knows of it. Children that live are waited for by `run`.

        Returns:
            The outcomes that were adopted, by leaf index.
        """
        adopted: dict[int, Outcome] = {}
        found = await earlier_children(self._reached, self._session.ledger, self._session.program)
        for earlier in found:
            for leaf in earlier.child.leaves:
                self._attempts[leaf.index] = max(self._attempts.get(leaf.index, 0), earlier.child.attempt)
            adopted |= await self._adopt_outcomes(earlier.child, adopted)
        for leaf, outcome in await self._session.ledger.read_attempts(self._leaves):
            if not self._is_settled(leaf, adopted) and is_done(leaf, {leaf.index: outcome}):
                adopted[leaf.index] = await self._session.ledger.adopt(leaf, outcome)
        for earlier in found:
            needed = [leaf for leaf in earlier.child.leaves if not self._is_settled(leaf, adopted)]
            if not earlier.final and not needed:
                await self._lanes.close(earlier.child)
            if not needed or not self._children.taken.isdisjoint(leaf.index for leaf in needed):
                continue
            if not earlier.final:
                self._children.add(earlier.child)
            elif earlier.lost and (unjudged := await self._find_unjudged(earlier.child, needed)):
                child = replace(earlier.child, leaves=unjudged)
                self._children.add(child)
                end = ChildEnd(child.state, earlier.lost, lost=True)
                self._start_background(self._children.finish(child, end), unjudged)
        return adopted

    async def _find_unjudged(self, child: ChildFlowRun, leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
        """Find the leaves of a child with a lost worker that no execution has judged; none if none has side effects.

        A leaf with a record was judged: whoever resumes the run after that wants it done again.
        """
        latest = [leaf for leaf in leaves if self._attempts[leaf.index] == child.attempt]
        unjudged = tuple([leaf for leaf in latest if await self._session.ledger.outcome(leaf) is None])
        return unjudged if any(leaf.side_effects for leaf in unjudged) else ()

    async def _adopt_outcomes(self, child: ChildFlowRun, adopted: Mapping[int, Outcome]) -> dict[int, Outcome]:
        new: dict[int, Outcome] = {}
        for leaf in child.leaves:
            outcome = await self._session.ledger.attempt(leaf, str(child.id))
            if outcome is None:
                continue
            child.done.add(leaf.index)
            if is_done(leaf, {leaf.index: outcome}) and not self._is_settled(leaf, adopted):
                new[leaf.index] = await self._session.ledger.adopt(leaf, outcome)
        return new

    def _is_settled(self, leaf: Leaf, adopted: Mapping[int, Outcome]) -> bool:
        return leaf.index in adopted or leaf.index in _Finished(self._outcomes)

    def _stops(self, leaf: Leaf) -> bool:
        """Whether a leaf is to end since the run was stopped."""
        return self._why is not None and not leaf.always

    @property
    def _gathered(self) -> set[str]:
        return {amendment.task for amendment in self._session.program_state.amendments}

    @property
    def _reached(self) -> PrefectApi:
        if self._api is None:
            raise RunError("leaves are run while the place is open")
        return self._api

    def _follow_plan(self) -> None:
        """Take in what was added to the plan since."""
        program = self._session.program
        if program.leaves is not self._leaves:
            self._leaves = program.leaves
            self._apart = find_unbatched(program)
            self._batcher.use(program)

    def _is_free(self, index: int) -> bool:
        """Whether a leaf may share a child.

        It is in none, was in none that went wrong, waits for no person, is work and not the sum of a group's, is no
        part of copies of which only some may run at once, needs nothing that its flow run is started with, has no pool
        or image of its own, and no mutex.
        """
        return (
            index not in self._children.taken
            and self._leaves[index].path not in self._gathered
            and index not in self._attempts
            and index not in self._outcomes
            and not self._leaves[index].approval
            and not self._leaves[index].in_copies
            and not needs_own_flow_run(self._leaves[index].resources)
            and self._leaves[index].mutex is None
            and not self._leaves[index].runs_apart
            and index not in self._apart
            and not self._waits_for_a_person(self._leaves[index])
        )

    def _waits_for_a_person(self, leaf: Leaf) -> bool:
        """Whether a leaf comes right after a work order whose result it needs."""
        if self._session.is_brief(leaf):
            return False
        done = {
            source for source in leaf.after if source in self._outcomes and self._outcomes[source].state in FINISHED
        }
        return any(self._session.is_brief(self._leaves[source]) for source in leaf.after if source not in done)

    def _send_again(self, leaf: Leaf) -> None:
        if self._why is None:
            self._batcher.put(leaf)
        else:
            self._send_alone(leaf)

    def _send_held(self) -> None:
        self._batcher.record_change()

    def _send_alone(self, leaf: Leaf) -> None:
        if self._suspended and self._why is None:
            self._kept_back.append(leaf)
        else:
            self._send([leaf])

    def _send(self, leaves: Sequence[Leaf], lane: ChildFlowRun | None = None) -> None:
        self._children.taken.update(leaf.index for leaf in leaves)
        if lane is None:
            self._start_background(self._dispatch(leaves), leaves)
            return
        for leaf in leaves:
            self._attempts[leaf.index] = 1
        self._children.add_leaves(lane, leaves)
        self._start_background(self._lanes.write_order(lane, leaves, self._trace(leaves)), leaves)

    def _is_needed(self, child: ChildFlowRun) -> bool:
        """Whether some leaf that a child could do is neither dispatched nor final."""
        agent = child.leaves[0].agent
        return any(
            leaf.agent == agent and leaf.index not in self._children.taken and leaf.index not in self._outcomes
            for leaf in self._leaves[: child.known]
        )

    async def _dispatch(self, leaves: Sequence[Leaf]) -> None:
        try:
            child = await self._dispatch_leaves(leaves)
        finally:
            self._batcher.record_sent(leaves[0].agent)
        if child.state in FINAL:  # made by an earlier execution that `attach` did not see
            await self._children.take_over(child)
            return
        self._children.add(child)
        self._lanes.wake()
        self._waiter.wake()
        self._watchdog.wake()
        if any(map(self._stops, child.leaves)):
            await self._stop(child)

    async def _dispatch_leaves(self, leaves: Sequence[Leaf]) -> ChildFlowRun:
        own = {leaf.index for leaf in leaves}
        links = self._children.links
        upstream = [source for leaf in leaves for source in list_upstream(leaf, self._leaves)]
        after = dict.fromkeys(links[s] for s in upstream if s in links and s not in own)
        attempt = self._attempts.get(leaves[0].index, 0) + 1
        for leaf in leaves:
            self._attempts[leaf.index] = attempt
        return await self._dispatcher.dispatch(leaves, attempt, after, trace=self._trace(leaves))

    def _trace(self, leaves: Sequence[Leaf]) -> str | None:
        return next((self._traces[leaf.index] for leaf in leaves if leaf.index in self._traces), None)

    async def _stop(self, child: ChildFlowRun) -> None:
        if await stop_child(self._reached, child):
            self.stopped.append(child.name)

    async def _leave(self, child: ChildFlowRun) -> None:
        """See that a child ends that is needed no more.

        One whose leaves are all in the ledger is about to report it. Where its worker was lost in that moment,
        nothing would ever end it: a flow run that is to be cancelled holds its slot until its worker says that it is.
        """
        if child.current is not None:
            await self._stop(child)
            return
        await self._lanes.close(child)
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                await child.over.wait()
        except TimeoutError:
            await close_child(self._reached, child)

    async def _conclude_all(self) -> None:
        """Wait for what was asked to stop, then for nothing more."""
        for leaf in self._pending.leaves:
            if leaf.index not in self._children.taken and self._stops(leaf):
                await self._pending.conclude(leaf, "cancelled")
        await asyncio.sleep(_STOPPED_S)
        for leaf in self._pending.leaves:
            if self._stops(leaf):
                await self._pending.conclude(leaf, "cancelled")

    async def _ever_ran(self, child: ChildFlowRun) -> bool:
        """Read whether a child ever ran; where that cannot be known it may have."""
        try:
            states = await self._reached.once(lambda client: client.read_flow_run_states(child.id))
        except ApiUnavailable:
            return True
        return any(state.type is StateType.RUNNING for state in states)

    def _start_background(self, work: Coroutine[Any, Any, None], leaves: Sequence[Leaf]) -> None:
        async def fail_leaves(error: Exception) -> None:
            for leaf in leaves:
                self._children.taken.discard(leaf.index)
                if self._pending.waits(leaf):
                    await self._pending.conclude(leaf, "failed", error_info(error))

        self._background.run(work, fail_leaves)
