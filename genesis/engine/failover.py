"""Who does a leaf when its agent cannot: the next capable agent, or the same one later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from genesis.engine.limits import BREAKER_POLL_S
from genesis.engine.run_context import RunContext
from genesis.model import ErrorInfo, Leaf, Outcome
from genesis.resilience.taxonomy import meaning_of

__all__ = ["OPEN", "Failover", "FailoverDecision"]

OPEN = "GEN-BREAKER-OPEN"
_ELSEWHERE = ("reroute", "fall_back", "wait")
"""What is done about errors that another agent may not meet."""
_LATER = {OPEN, "GEN-QUOTA"}
"""Codes of what was not tried: it is not the leaf's failure, and its agent can be asked later."""


@dataclass(frozen=True, slots=True)
class FailoverDecision:
    """What becomes of a leaf that could not be done."""

    kind: Literal["other", "later", "end"]
    leaf: Leaf
    after_s: float = 0.0
    """How long it rests first, in seconds."""


@dataclass(slots=True)
class _Way:
    """What one leaf has been through."""

    tried: set[str] = field(default_factory=set)
    waits_since: float | None = None


class Failover:
    """Chooses, and watches the agents' circuit breakers.

    A leaf goes to another agent where a runner-up of its routing can take it: not where a person chose the agent, not
    where it changes something outside of the run, and not where the other one would only write a work order, so that a
    run ends as completed whose work was not done. It keeps its fingerprint: what is to be done is the same, and the
    record says who did it.

    Args:
        session: The run.
        changed: Called when an agent's breaker has opened or closed.
        clock: Seconds that never go back.
    """

    def __init__(
        self, session: RunContext, changed: Callable[[], None], *, clock: Callable[[], float] = time.monotonic
    ):
        self._session = session
        self._changed = changed
        self._clock = clock
        self._ways: dict[int, _Way] = {}
        self._closed_for: dict[str, float] = {}
        self._trial: set[str] = set()
        """Agents whose breakers let one call through, to see how it goes."""
        self.agents = {leaf.agent for leaf in session.program.leaves if leaf.agent}
        """Agents whose breakers matter: those that leaves have now, and those that they were given."""

    def open_agents(self) -> set[str]:
        """Return the agents that nothing is to be given to now."""
        return {agent for agent, seconds in self._closed_for.items() if seconds > 0}

    def may_start(self, agent: str) -> bool:
        """Whether one more leaf may be given to an agent now. While it is on trial it gets one."""
        if self._closed_for.get(agent, 0.0) > 0:
            return False
        if agent in self._trial:
            self._trial.discard(agent)
            self._shut(agent)
        return True

    def find_timed_out(self, waiting: Iterable[Leaf]) -> list[Leaf]:
        """Return those of some leaves that have waited for their agents for as long as they may."""
        now, longest = self._clock(), self._session.settings.resilience.wait_s
        late = []
        for leaf in waiting:
            way = self._way(leaf)
            if way.waits_since is None:
                way.waits_since = now
            elif now - way.waits_since >= longest:
                late.append(leaf)
        return late

    def around(self, leaf: Leaf) -> FailoverDecision | None:
        """Return a leaf whose agent's breaker is open to another agent, if there is one."""
        reason = f"{leaf.agent} is not called at present"
        return self._other(leaf, reason)

    def after(self, leaf: Leaf, outcome: Outcome) -> FailoverDecision:
        """Decide what becomes of a leaf that failed."""
        error = outcome.error or ErrorInfo(code="GEN-TASK", message="it failed")
        if self._session.breaker(leaf.agent) is not None and (error.code == OPEN or not self._admits(leaf.agent)):
            self._shut(leaf.agent)
        if error.code in _LATER:
            return self._later(leaf, error)
        self._way(leaf).tried.add(leaf.agent)
        if meaning_of(error.code).recovery not in _ELSEWHERE:
            return FailoverDecision("end", leaf)
        return self._other(leaf, f"{leaf.agent} failed: {error.code}: {error.message}"[:500]) or FailoverDecision(
            "end", leaf
        )

    def find_tried(self, leaf: Leaf) -> frozenset[str]:
        """Return the agents that have failed a leaf."""
        return frozenset(self._way(leaf).tried)

    def _later(self, leaf: Leaf, error: ErrorInfo) -> FailoverDecision:
        """Decide what becomes of a leaf that was not tried.

        What its own agent's breaker refused goes to another agent, or waits until that breaker is looked at anew. What
        another breaker refused, of a host or a model that the agent uses, goes elsewhere too, or rests until the time
        that was named. A rate limit is only rested for: its time comes for certain.
        """
        if error.code != OPEN:
            return self._resting(leaf, error.retry_after_s or BREAKER_POLL_S)
        if (turn := self.around(leaf)) is not None:
            return turn
        if self.find_timed_out([leaf]):
            return FailoverDecision("end", leaf)
        if not self._admits(leaf.agent):
            return FailoverDecision("later", leaf)
        waited_s = self._clock() - (self._way(leaf).waits_since or 0.0)
        left_s = max(BREAKER_POLL_S, self._session.settings.resilience.wait_s - waited_s)
        return self._resting(leaf, min(error.retry_after_s or BREAKER_POLL_S, left_s))

    def _resting(self, leaf: Leaf, seconds: float) -> FailoverDecision:
        """Let a leaf rest, if it can continue before the run's deadline."""
        if seconds >= self._session.left_s:
            return FailoverDecision("end", leaf)
        return FailoverDecision("later", leaf, after_s=max(BREAKER_POLL_S, seconds))

    async def watch(self) -> None:
        """Look at the breakers again and again; those that are shared are read off the event loop."""
        while self._session.breakers is not None:
            await self.look()
            await asyncio.sleep(BREAKER_POLL_S)

    async def look(self) -> None:
        """Look once."""
        if self._session.breakers is None:
            return
        before = self.open_agents()
        self._closed_for, self._trial = await asyncio.to_thread(self._read, sorted(self.agents))
        if self.open_agents() != before or before:
            self._changed()

    def _read(self, agents: Sequence[str]) -> tuple[dict[str, float], set[str]]:
        found = {agent: self._session.breaker(agent) for agent in agents}
        known = {agent: breaker for agent, breaker in found.items() if breaker is not None}
        closed_for = {agent: breaker.retry_after_s() for agent, breaker in known.items()}
        trial = {agent for agent, breaker in known.items() if breaker.state != "closed" and closed_for[agent] <= 0}
        return closed_for, trial

    def _other(self, leaf: Leaf, reason: str) -> FailoverDecision | None:
        way, shut = self._way(leaf), self.open_agents()
        for agent in leaf.fallbacks:
            if agent in way.tried or agent in shut or agent == leaf.agent:
                continue
            if not self._admits(agent) or self._only_writes_it_down(leaf, agent):
                continue
            self.agents.add(agent)
            way.waits_since = None
            return FailoverDecision(
                "other", leaf.model_copy(update={"agent": agent, "note": f"{reason}; {agent} took it over"})
            )
        return None

    def _shut(self, agent: str) -> None:
        """Assign nothing to an agent until its breaker has been read again."""
        self._closed_for[agent] = max(BREAKER_POLL_S, self._closed_for.get(agent, 0.0))

    def _admits(self, agent: str) -> bool:
        """Whether an agent's breaker is closed, by what is known here."""
        breaker = self._session.breaker(agent)
        return breaker is None or breaker.state == "closed"

    def _only_writes_it_down(self, leaf: Leaf, agent: str) -> bool:
        """Whether an agent would write a work order for what the leaf's own agent was to do."""
        profile, model = self._session.program.profile, self._session.planner_model
        own, other = (profile(name).executor_for(leaf.type, model=model).kind for name in (leaf.agent, agent))
        return other == "brief" != own

    def _way(self, leaf: Leaf) -> _Way:
        return self._ways.setdefault(leaf.index, _Way())
