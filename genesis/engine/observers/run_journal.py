"""What happens in a run besides its leaves' outcomes: breakers that open, detours, changes of the plan, its executions.

The leaves' records say what became of each leaf, and not why it waited or who opened a breaker meanwhile. That is noted
here as it happens, and written into the ledger when the run ends; an execution that dies loses its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from genesis.engine.budget import Spending
from genesis.engine.run_context import RunContext
from genesis.ledger import Moments
from genesis.ledger.program_state import ProgramState
from genesis.model import Amendment, Leaf, Moment, MomentKind, Outcome, Program, Run, Task
from genesis.resilience.breaker import BreakerEvent
from genesis.resilience.breakers import Breakers
from genesis.text import one_line

__all__ = ["RunJournal"]

_MOST = 900
"""What is kept of a run, besides its starts and ends."""
_MOST_DETOURS = 600
"""A thousand leaves that wait for one agent leave room for what else happens."""
_MOST_EXECUTIONS = 100
"""Starts and ends that are kept."""
_LONGEST = 500
"""Most characters of a journal entry."""
_LIFE: frozenset[MomentKind] = frozenset({"started", "resumed", "ended"})
_DETOURS: frozenset[MomentKind] = frozenset({"other_agent", "waits"})
_BREAKER: dict[str, MomentKind] = {
    "open": "breaker_opened",
    "half_open": "breaker_half_open",
    "closed": "breaker_closed",
}


class RunJournal:
    """An observer that notes what happens. Breakers may call it from any thread.

    A breaker that another process opens is seen when one of the run's leaves changes.

    Args:
        run_id: The run.
        program_state: What it does, with the changes so far.
        breakers: Circuit breakers to listen to, while the run continues.
        now: The time in UTC.
        scopes: By agent, what distinguishes it from other projects' agents of that name.
    """

    def __init__(
        self,
        run_id: str,
        program_state: ProgramState,
        *,
        breakers: Breakers | None,
        now: Callable[[], datetime],
        scopes: Mapping[str, str] | None = None,
    ):
        self._run_id = run_id
        self._program_state = program_state
        self._breakers = breakers
        self._scopes = scopes or {}
        self._now = now
        self._lock = threading.Lock()
        self._kept: list[Moment] = []
        self._left_out = 0
        self._life = 0
        self._detours = 0
        self._last: dict[str, tuple[MomentKind, str]] = {}
        self._states: dict[str, str] = {}
        self._agents: set[str] = set()
        self._watched: set[str] = set()
        """Agents that leaves of the run have, or had."""
        self._amendments = len(program_state.amendments)
        self._spending = Spending(None, ())
        self._spent_at: datetime | None = None
        self._before: Run | None = None
        self._begun = False

    @classmethod
    def of(cls, session: RunContext) -> RunJournal:
        """Make the journal of a session."""
        return cls(
            session.run_id, session.program_state, breakers=session.breakers, now=session.now, scopes=session.scopes
        )

    def resume_from(self, earlier: Moments, before: Run | None) -> None:
        """Take over what earlier executions of the run noted.

        Args:
            earlier: Their moments.
            before: The state that the last one left; None where this is the first.
        """
        with self._lock:
            self._kept = list(earlier.moments)
            self._left_out = earlier.left_out
            self._life = sum(moment.kind in _LIFE for moment in self._kept)
            self._detours = sum(moment.kind in _DETOURS for moment in self._kept)
        self._before = before

    def collect(self) -> Moments:
        """Return all moments, to be kept."""
        with self._lock:
            return Moments(moments=tuple(self._kept), left_out=self._left_out)

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Note a start or a resume, and listen to the breakers."""
        self._begin(run)
        self._spending = Spending(program.budget, finished.values())
        self._agents = {agent.name for agent in program.registry.agents}
        self._watched = {leaf.agent for leaf in program.leaves if leaf.agent}
        if self._breakers is not None:
            self._breakers.listen(self.record_breaker)
        self._look()

    def leaf_changed(self, outcome: Outcome) -> None:
        """Note when the budget is spent, and look at the breakers."""
        if outcome.ended_at is not None:
            self._spending.add(outcome)
            if self._spent_at is None and self._spending.over() is not None:
                self._spent_at = self._now()
        self._look()

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Note a detour; the same one again and again is one."""
        self._watched.add(leaf.agent)
        self._look()
        self._note("other_agent" if kind == "other" else "waits", leaf.path, reason)

    def plan_changed(self, program: Program) -> None:
        """Note what was added, and for which task."""
        self._watched |= {leaf.agent for leaf in program.leaves if leaf.agent}
        for amendment in self._program_state.amendments[self._amendments :]:
            kind: MomentKind = "planned_again" if amendment.kind == "replan" else "grown"
            self._note(kind, amendment.task, _describe_amendment(amendment), at=amendment.at)
        self._amendments = len(self._program_state.amendments)

    def run_ended(self, run: Run) -> None:
        """Note the end, and listen no more."""
        if self._breakers is not None:
            self._breakers.unlisten(self.record_breaker)
        self._begin(run)
        self._look()
        if run.state == "budget_exceeded":
            said = run.error.message if run.error is not None else ""
            self._note("budget_exceeded", self._run_id, said, at=self._spent_at or run.ended_at)
        said = run.state.replace("_", " ") + (f": {run.error.message}" if run.error is not None else "")
        self._note("ended", self._run_id, said, at=run.ended_at)

    def record_breaker(self, event: BreakerEvent) -> None:
        """Note that this process changed a breaker that the run may use; what is about the breakers' store is none."""
        kind, _, name = event.name.partition(" ")
        if not event.degraded and (kind != "agent" or name in self._agents):
            self._record_state(event.name, event.before, event.after, event.reason)

    def _begin(self, run: Run) -> None:
        """Note that an execution begins, once; one before it that left no word is known from its state alone."""
        if self._begun:
            return
        self._begun = True
        before, noted = self._before, bool(self._kept)
        if before is None and not noted:
            self._note("started", self._run_id, at=run.started_at)
            return
        if not noted and before is not None and before.started_at is not None:
            self._note("started", self._run_id, at=before.started_at)
        is_cut_off = before is not None and before.state in ("running", "pending")
        said = "its process had ended before the run did" if is_cut_off else ""
        self._note("resumed", self._run_id, said, at=run.started_at)

    def _look(self) -> None:
        """Record what other processes did to the agents' breakers, if it is known here."""
        if self._breakers is None:
            return
        for agent in sorted(self._watched):
            breaker = self._breakers.of("agent", agent, self._scopes.get(agent, ""))
            before = self._states.get(breaker.name, "closed")
            if breaker.state != before:
                self._record_state(breaker.name, before, breaker.state, breaker.reason)

    def _record_state(self, name: str, before: str, after: str, reason: str) -> None:
        with self._lock:
            if self._states.get(name, "closed") == after:
                return
            self._states[name] = after
        self._note(_BREAKER[after], name, f"was {before.replace('_', ' ')}{f': {reason}' if reason else ''}")

    def _note(self, kind: MomentKind, subject: str, text: str = "", *, at: datetime | None = None) -> None:
        moment = Moment(at=at or self._now(), kind=kind, subject=subject, text=one_line(text, _LONGEST))
        with self._lock:
            if kind not in _LIFE and self._last.get(subject) == (kind, moment.text):
                return
            self._last[subject] = (kind, moment.text)
            if self._has_room(kind):
                self._life += kind in _LIFE
                self._detours += kind in _DETOURS
                self._kept.append(moment)
            else:
                self._left_out += 1

    def _has_room(self, kind: MomentKind) -> bool:
        if kind in _LIFE:
            return self._life < _MOST_EXECUTIONS
        is_crowd = kind in _DETOURS and self._detours >= _MOST_DETOURS
        return not is_crowd and len(self._kept) - self._life < _MOST


def _describe_amendment(amendment: Amendment) -> str:
    if amendment.kind == "for_each":
        return amendment.reason
    count = _leaves(amendment.group)
    return f"{amendment.reason}: {count} task{'' if count == 1 else 's'} in {amendment.group.id!r}"


def _leaves(task: Task) -> int:
    return sum(map(_leaves, task.subtasks)) if task.subtasks else 1
