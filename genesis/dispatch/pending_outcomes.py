"""Who waits for which leaf, and what came in before anyone asked."""

from __future__ import annotations

import asyncio

from genesis.engine.run_context import RunContext
from genesis.errors import GenesisError, RunError
from genesis.model import Attempt, ErrorInfo, Leaf, Outcome, TaskState
from genesis.model.run import add_attempts

__all__ = ["PendingOutcomes"]


class PendingOutcomes:
    """Hands outcomes to those who asked for them; what is handed over is in the ledger.

    A leaf that travels with one that it comes after can end before the scheduler asks for it: its outcome waits here.

    Args:
        session: The run.
    """

    def __init__(self, session: RunContext):
        self._session = session
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._leaves: dict[int, Leaf] = {}
        self._early: dict[int, Outcome] = {}
        self._told: set[int] = set()
        self._tried: dict[int, tuple[Attempt, ...]] = dict(session.tried)

    @property
    def leaves(self) -> list[Leaf]:
        """The leaves that are waited for."""
        return list(self._leaves.values())

    def waits(self, leaf: Leaf) -> bool:
        """Whether someone waits for a leaf."""
        return leaf.index in self._waiting

    def has(self, index: int) -> bool:
        """Whether a leaf's outcome came before anyone asked."""
        return index in self._early

    def wait_for(self, leaf: Leaf) -> asyncio.Future[Outcome]:
        """Wait for a leaf, once at a time."""
        if leaf.index in self._waiting:
            raise RunError(f"task {leaf.path!r} is waited for already")
        self._leaves[leaf.index] = leaf
        self._waiting[leaf.index] = asyncio.get_running_loop().create_future()
        return self._waiting[leaf.index]

    def leave(self, leaf: Leaf) -> None:
        """Wait no longer."""
        self._waiting.pop(leaf.index, None)
        self._leaves.pop(leaf.index, None)

    async def take_early(self, leaf: Leaf) -> None:
        """Hand over what came before it was asked for."""
        await self.deliver(leaf, self._early.pop(leaf.index))

    async def deliver(self, leaf: Leaf, outcome: Outcome) -> None:
        """Make an outcome the leaf's own and hand it over, or keep it until someone asks."""
        waiting = self._waiting.get(leaf.index)
        if waiting is None:
            self._early[leaf.index] = outcome
            return
        if waiting.done():
            return
        self.report_running(leaf, outcome)
        if leaf.note and not outcome.note:  # a worker knows who does it, and not why
            outcome = outcome.model_copy(update={"note": leaf.note})
        outcome = self._with_history(leaf, outcome)
        try:
            adopted = await self._session.ledger.adopt(leaf, outcome)
        except GenesisError as error:
            if not waiting.done():
                waiting.set_exception(error)
            return
        if not waiting.done():
            waiting.set_result(adopted)

    async def conclude(self, leaf: Leaf, state: TaskState, error: ErrorInfo | None = None) -> None:
        """End a leaf that has no outcome of its own."""
        await self.deliver(leaf, self.without_record(leaf, state, error))

    def note(self, leaf: Leaf, number: int, error: ErrorInfo) -> None:
        """Note an attempt that left no record."""
        now = self._session.now()
        tried = Attempt(number=number, agent=leaf.agent, ended_at=now, code=error.code, message=error.message[:300])
        self._tried[leaf.index] = add_attempts(self._tried.get(leaf.index, ()), tried)

    def _with_history(self, leaf: Leaf, outcome: Outcome) -> Outcome:
        """Put together what several children, and earlier executions, have tried."""
        before = self._tried.get(leaf.index, ())
        history = add_attempts(before, *(tried for tried in outcome.history if tried not in before))
        if not history:
            return outcome
        self._tried[leaf.index] = history
        return outcome.model_copy(update={"history": history, "attempts": outcome.attempts or history[-1].number})

    def without_record(self, leaf: Leaf, state: TaskState, error: ErrorInfo | None = None) -> Outcome:
        """Describe the end of a leaf that left no record."""
        return Outcome(id=leaf.path, agent=leaf.agent, state=state, ended_at=self._session.now(), error=error)

    def report_running(self, leaf: Leaf, outcome: Outcome | None = None) -> None:
        """Tell the observer, once, that a leaf that is waited for runs."""
        if leaf.index in self._told or leaf.index not in self._waiting:
            return
        self._told.add(leaf.index)
        started = outcome.started_at if outcome is not None and outcome.started_at else self._session.now()
        running = Outcome(id=leaf.path, agent=leaf.agent, state="running", started_at=started)
        self._session.observer.leaf_changed(running)
