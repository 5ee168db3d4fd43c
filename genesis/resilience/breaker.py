"""A circuit breaker: stop calling what fails, and try it again carefully.

The steps are those of `genesis.resilience.breaker_machine`. A breaker of one process keeps its state in memory. One
with a store shares it with other processes: failures, probes and changes of state go through the store, atomically;
successes of a healthy breaker are counted here and handed in with the next such step, so that a healthy call costs no
I/O.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from genesis.errors import BreakerOpenError, TaskTimeoutError
from genesis.resilience.breaker_machine import (
    BreakerRules,
    BreakerState,
    CallVerdict,
    Machine,
    Permit,
    Refusal,
    Transition,
)
from genesis.resilience.limits import STORE_RETRY_S, WINDOW_PARTS
from genesis.resilience.store import StateStore, StoreError
from genesis.resilience.taxonomy import health_of

__all__ = ["Breaker", "BreakerEvent"]

_T = TypeVar("_T")
_FRESH_S = 0.25
"""How old what is known of a shared state may be when a call is let through."""


@dataclass(frozen=True, slots=True)
class BreakerEvent:
    """What listeners receive."""

    name: str
    before: BreakerState
    after: BreakerState
    reason: str
    degraded: bool = False
    """Whether it is about the store: that it cannot be used, or can be used again; `before` is `after` then."""


class _Known(NamedTuple):
    machine: Machine
    offset_s: float
    """What the store's clock is ahead of ours."""
    at: float
    """When it was read, by our clock."""


class Breaker:
    """One breaker. It can be used from many threads and event loops at once.

    Args:
        name: Of what it protects.
        rules: When it opens and closes.
        store: Shares its state with other processes.
        clock: Seconds that never go back.
        listen: Is told of each change of state that this process made, outside of all locks.
        judge: Says what an exception of a call says about the other side's health.
        key: Its name in the store, where that is another: processes share the breakers of the same key.
        hint: What a person does once the other side is well again.
    """

    def __init__(
        self,
        name: str,
        rules: BreakerRules | None = None,
        *,
        store: StateStore | None = None,
        clock: Callable[[], float] = time.monotonic,
        listen: Callable[[BreakerEvent], None] | None = None,
        judge: Callable[[BaseException], CallVerdict] = health_of,
        key: str | None = None,
        hint: str = "",
    ):
        self.name = name
        self._key = key or name
        self._hint = hint
        self.rules = rules or BreakerRules()
        self._store = store
        self._clock = clock
        self._listen = listen
        self._judge = judge
        self._lock = threading.Lock()
        self._known = _Known(Machine(self.rules), 0.0, float("-inf"))
        self._pending = 0
        self._pending_since = 0.0
        self._store_again = float("-inf")
        self._degraded = False

    # ── for callers ──

    @property
    def state(self) -> BreakerState:
        """Its state as it is known here."""
        return self._known.machine.state

    @property
    def reason(self) -> str:
        """Why it has opened last, as it is known here."""
        return self._known.machine.reason

    @property
    def degraded(self) -> bool:
        """Whether it has a store that cannot be used at present."""
        return self._degraded

    def retry_after_s(self) -> float:
        """How long it lets nothing through, in seconds; 0 when a call may be tried. It changes nothing.

        Routing and scheduling ask this; a call still has to be admitted.
        """
        if self._store is not None and not self._is_fresh():
            self._look()
        known = self._known
        return known.machine.retry_after_s(self._clock() + known.offset_s)

    def admit(self) -> Permit:
        """Let a call through; its end has to be reported.

        Raises:
            BreakerOpenError: It is open, or a probe is under way.
        """
        if self._store is not None and not self._is_fresh() and not self._hands_in():
            self._look()
        machine = self._known.machine
        if machine.state == "closed" and (self._store is None or self._is_fresh()):
            return Permit(machine.epoch)
        answer, change = self._apply(lambda machine, now: machine.admit(now))
        self._notify(change)
        if isinstance(answer, Refusal):
            raise BreakerOpenError(
                f"{self.name} is not called: {answer.reason}",
                hint=f"it is tried again in {answer.retry_after_s:.0f} s"
                + (f"; once it is fixed: {self._hint}" if self._hint else ""),
                data={"breaker": self.name, "retry_after_s": round(answer.retry_after_s, 3)},
            )
        return answer

    def report(self, permit: Permit, verdict: CallVerdict) -> None:
        """Report how a call that was let through has ended.

        Args:
            permit: What let it through.
            verdict: How it ended.
        """
        if self._store is None:  # the usual way of one process, without a detour
            with self._lock:
                change = self._known.machine.report(permit, verdict, self._clock())
            self._notify(change)
        elif not self._count_locally(permit, verdict):
            self._notify(self._apply(lambda machine, now: machine.report(permit, verdict, now)))

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let what is inside through, and report how it ended.

        Raises:
            BreakerOpenError: It is open, or a probe is under way.
        """
        permit = self.admit()
        try:
            yield
        except BaseException as error:
            self.report(permit, self._judge(error))
            raise
        self.report(permit, "success")

    @asynccontextmanager
    async def guarding(self, *, again: bool = False) -> AsyncIterator[None]:
        """Do what `guard` does without blocking the event loop on the store.

        Args:
            again: Whether it repeats a call that has failed: while the breaker is closed, its failure is no news, or
                one piece of work that cannot succeed would shut everybody out. Running out of time counts all the same.

        Raises:
            BreakerOpenError: It is open, or a probe is under way.
        """
        local = self._store is None or (self.state == "closed" and self._is_fresh())
        permit = self.admit() if local else await asyncio.to_thread(self.admit)
        try:
            yield
        except BaseException as error:
            verdict = self._judge(error)
            if again and not permit.probe and verdict == "failure" and not isinstance(error, TaskTimeoutError):
                verdict = "neutral"
            await self._report_off_loop(permit, verdict)
            raise
        await self._report_off_loop(permit, "success")

    # ── with and without a store ──

    def _apply(self, step: Callable[[Machine, float], _T]) -> _T:
        """Make a step on the state that counts: the store's, or our own while there is none."""
        if self._store is not None and self._clock() >= self._store_again:
            try:
                return self._apply_shared(self._store, step)
            except StoreError as error:
                self._use_local_state(error)
        with self._lock:
            known = self._known
            return step(known.machine, self._clock() + known.offset_s)

    def _apply_shared(self, store: StateStore, step: Callable[[Machine, float], _T]) -> _T:
        with self._lock:
            handed_in, self._pending = self._pending, 0

        def apply_step(kept: str | None, now: float) -> tuple[str | None, tuple[Machine, float, _T]]:
            machine = self._machine_of(kept)
            machine.count_successes(handed_in, now)
            value = step(machine, now)
            text = machine.dumps()
            return (None if text == kept else text), (machine, now, value)

        try:
            machine, now, value = store.change(self._key, apply_step)
        except StoreError:
            with self._lock:
                self._pending += handed_in
            raise
        self._learn(machine, now)
        return value

    def _look(self) -> None:
        """Read what others made of it."""
        assert self._store is not None  # noqa: S101  # for the type checker: callers have looked
        if self._clock() < self._store_again:
            return
        try:
            kept, now = self._store.read(self._key)
        except StoreError as error:
            self._use_local_state(error)
            return
        self._learn(self._machine_of(kept), now)

    def _learn(self, machine: Machine, now: float) -> None:
        with self._lock:
            at = self._clock()
            self._known = _Known(machine, now - at, at)
            back, self._degraded = self._degraded, False
        if back:
            self._notify_listener(
                BreakerEvent(self.name, machine.state, machine.state, "its store is back", degraded=True)
            )

    def _use_local_state(self, error: StoreError) -> None:
        """Continue with what is known here, and say so once."""
        with self._lock:
            self._store_again = self._clock() + STORE_RETRY_S
            known, self._degraded = self._degraded, True
            state = self._known.machine.state
        if not known:
            reason = f"its state is this process's own now: {error.message}"
            self._notify_listener(BreakerEvent(self.name, state, state, reason, degraded=True))

    def _machine_of(self, kept: str | None) -> Machine:
        """Read a state; what cannot be read counts as a breaker that nobody has used."""
        try:
            return Machine(self.rules) if kept is None else Machine.loads(self.rules, kept)
        except ValueError:
            return Machine(self.rules)

    def _is_fresh(self) -> bool:
        now = self._clock()
        return now < self._store_again or now - self._known.at < _FRESH_S

    def _count_locally(self, permit: Permit, verdict: CallVerdict) -> bool:
        """Count a result here, if it changes nothing that others have to know at once."""
        if verdict != "success" or self._store is None or self._degraded:
            return False
        machine = self._known.machine
        if machine.state != "closed" or machine.in_a_row or permit.epoch != machine.epoch:
            return False
        with self._lock:
            if not self._pending:
                self._pending_since = self._clock()
            self._pending += 1
        return True

    def _hands_in(self) -> bool:
        """Whether successes that were counted here are so old that they would soon be counted as too recent."""
        return self._pending > 0 and self._clock() - self._pending_since > self.rules.window_s / WINDOW_PARTS

    async def _report_off_loop(self, permit: Permit, verdict: CallVerdict) -> None:
        if self._store is None:
            self.report(permit, verdict)
        elif not self._count_locally(permit, verdict):
            await asyncio.to_thread(self.report, permit, verdict)

    # ── notifying ──

    def _notify(self, change: Transition | None) -> None:
        if change is not None:
            self._notify_listener(BreakerEvent(self.name, change.before, change.after, change.reason))

    def _notify_listener(self, event: BreakerEvent) -> None:
        if self._listen is not None:
            self._listen(event)
