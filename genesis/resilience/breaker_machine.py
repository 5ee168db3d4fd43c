"""The circuit breaker's state machine: data and steps, without clock, lock or I/O.

After M. Nygard, *Release It!* (2007), with the refinements of later implementations: failures in a row open it, and so
does a share of failures in a rolling window; the time for which it stays open grows while probes fail; one probe at a
time is let through. Results of calls that were let through before the last change of state say nothing about the state
after it, and are dropped.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from genesis.resilience.limits import WINDOW_PARTS

__all__ = ["LEGAL", "BreakerRules", "BreakerState", "CallVerdict", "Machine", "Permit", "Refusal", "Transition"]

BreakerState = Literal["closed", "open", "half_open"]
CallVerdict = Literal["success", "failure", "neutral"]
"""`neutral` says nothing about the health of the other side: a refusal that is the caller's fault, a cancelled call."""

LEGAL: frozenset[tuple[BreakerState, BreakerState]] = frozenset(
    {("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("half_open", "closed"), ("open", "closed")}
)
"""The changes of state that there are; the last is made by a person only."""
_PROBE_AGAIN_S = 1.0
"""When to ask again while a probe is under way; nobody knows when it ends."""


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, and how it closes again. Times are in seconds."""

    failures: int = 5
    """Failures in a row that open it."""
    failure_rate: float = 0.5
    """This share of failures in the window opens it."""
    minimum_calls: int = 10
    """Shares mean nothing with fewer calls in the window."""
    window_s: float = 60.0
    """How long a call counts."""
    cooling_s: float = 60.0
    """How long it stays open at first."""
    cooling_factor: float = 2.0
    """How much longer each time that a probe fails."""
    longest_cooling_s: float = 600.0
    """Never longer than this."""
    successes: int = 2
    """Successful probes in a row that close it."""
    probe_s: float = 120.0
    """A probe without a result after this time is given up, and another one is admitted."""

    def cooling_for(self, opened: int) -> float:
        """Return the cooling time of the opening with this number, from 1."""
        exponent = min(opened - 1, 64)  # a larger one overflows, long after the longest time is reached
        return min(self.longest_cooling_s, self.cooling_s * self.cooling_factor**exponent)


class Permit(NamedTuple):
    """Lets one call through; its result is reported with it."""

    epoch: int
    """Which change of state it was given after."""
    probe: int = 0
    """Number of the probe that it lets through; 0 for a call through a closed breaker."""


class Refusal(NamedTuple):
    """Lets a call not through."""

    retry_after_s: float
    """When to ask again."""
    reason: str
    """Why the breaker is open."""


class Transition(NamedTuple):
    """A change of state."""

    before: BreakerState
    after: BreakerState
    reason: str


class Machine:
    """One breaker's state. Its caller passes the time, which must not go back, and keeps callers apart.

    Args:
        rules: When it opens and closes.
    """

    __slots__ = (
        "_bucket_s",
        "_calls",
        "_failed",
        "_index",
        "_opened_at",
        "_probe",
        "_probe_at",
        "_probes",
        "_rules",
        "_totals",
        "_until",
        "closing",
        "epoch",
        "in_a_row",
        "openings",
        "reason",
        "state",
    )

    def __init__(self, rules: BreakerRules):
        self._rules = rules
        self._bucket_s = rules.window_s / WINDOW_PARTS
        self.state: BreakerState = "closed"
        self.epoch = 0
        """Counts the changes of state."""
        self.in_a_row = 0
        """Failures in a row."""
        self.openings = 0
        """How often it has opened since it was last closed."""
        self.closing = 0
        """Probes in a row that succeeded."""
        self.reason = ""
        self._opened_at = 0.0
        self._until = 0.0
        self._probes = 0
        self._probe = 0
        self._probe_at = 0.0
        self._index = -1
        self._forget()

    # ── asking ──

    def admit(self, now: float) -> tuple[Permit | Refusal, Transition | None]:
        """Let a call through, or not.

        Returns:
            The answer, and the change of state that it made, if any.
        """
        if self.state == "closed":
            return Permit(self.epoch), None
        if now < self._opened_at:  # the clock began anew, as it does when a machine is started
            self._until, self._opened_at = now + (self._until - self._opened_at), now
        change = None
        if self.state == "open":
            if now < self._until:
                return Refusal(self._until - now, self.reason), None
            change = self._become("half_open", "the cooling time is over")
        left_s = self._probe_left_s(now)
        if left_s > 0:
            return Refusal(min(_PROBE_AGAIN_S, left_s), f"{self.reason}; a probe is under way"), change
        self._probes += 1
        self._probe, self._probe_at = self._probes, now
        return Permit(self.epoch, self._probe), change

    def retry_after_s(self, now: float) -> float:
        """How long it lets nothing through, without changing anything; 0 where a call may be tried."""
        if self.state == "open":
            return max(0.0, min(self._until - now, self._rules.longest_cooling_s))
        return min(_PROBE_AGAIN_S, self._probe_left_s(now)) if self.state == "half_open" else 0.0

    # ── reporting ──

    def report(self, permit: Permit, verdict: CallVerdict, now: float) -> Transition | None:
        """Take the result of a call.

        Args:
            permit: What let it through.
            verdict: How it ended.
            now: The time at its end.

        Returns:
            The change of state that it made, if any.
        """
        if permit.epoch != self.epoch:
            return None
        if self.state == "half_open":
            return self._report_probe(verdict, now) if permit.probe == self._probe else None
        if verdict == "neutral":
            return None
        self._count(1, now, failed=verdict == "failure")
        if verdict == "success":
            self.in_a_row = 0
            return None
        self.in_a_row += 1
        if self.in_a_row >= self._rules.failures:
            return self._open(f"{self.in_a_row} failures in a row", now)
        reason = self._too_many()
        return self._open(reason, now) if reason else None

    def count_successes(self, number: int, now: float) -> None:
        """Take successes that somebody counted on their own. They end a row of failures."""
        if self.state == "closed" and number > 0:
            self._count(number, now)
            self.in_a_row = 0

    def reset(self) -> Transition | None:
        """Close it, and forget what was counted: a person knows that the other side is well again."""
        if self.state == "closed":
            self.in_a_row = 0
            self._forget()
            return None
        return self._close("it was reset")

    # ── steps ──

    def _probe_left_s(self, now: float) -> float:
        """How long the probe under way may still take; one of another clock counts as over."""
        since_s = now - self._probe_at if self._probe else math.inf
        return self._rules.probe_s - since_s if 0 <= since_s < self._rules.probe_s else 0.0

    def _report_probe(self, verdict: CallVerdict, now: float) -> Transition | None:
        self._probe = 0
        if verdict == "neutral":
            return None
        if verdict == "success":
            self.closing += 1
            if self.closing < self._rules.successes:
                return None
            return self._close(f"{self.closing} probes in a row succeeded")
        return self._open("a probe failed", now)

    def _open(self, reason: str, now: float) -> Transition:
        self.openings += 1
        self._opened_at = now
        self._until = now + self._rules.cooling_for(self.openings)
        self.reason = reason
        return self._become("open", reason)

    def _close(self, reason: str) -> Transition:
        change = self._become("closed", reason)
        self.openings, self.in_a_row, self.reason = 0, 0, ""
        self._forget()
        return change

    def _become(self, state: BreakerState, reason: str) -> Transition:
        change = Transition(self.state, state, reason)
        self.state = state
        self.epoch += 1
        self.closing = 0
        self._probe = 0
        return change

    def _too_many(self) -> str | None:
        calls, failed = self._totals
        if calls < self._rules.minimum_calls or failed < self._rules.failure_rate * calls:
            return None
        return f"{failed} of {calls} calls failed in {self._rules.window_s:g} s"

    # ── the window: counts by bucket, and their sums ──

    def _forget(self) -> None:
        self._calls, self._failed = [0] * WINDOW_PARTS, [0] * WINDOW_PARTS
        self._totals = [0, 0]

    def _advance(self, now: float) -> int:
        """Drop the buckets that are over, and give the present one."""
        index = int(now / self._bucket_s)
        if index != self._index:
            passed = index - self._index
            if self._index < 0 or not 0 < passed < WINDOW_PARTS:
                self._forget()
            else:
                for step in range(1, passed + 1):
                    at = (self._index + step) % WINDOW_PARTS
                    for total, buckets in enumerate((self._calls, self._failed)):
                        self._totals[total] -= buckets[at]
                        buckets[at] = 0
            self._index = index
        return index % WINDOW_PARTS

    def _count(self, number: int, now: float, *, failed: bool = False) -> None:
        at = self._advance(now)
        self._calls[at] += number
        self._totals[0] += number
        if failed:
            self._failed[at] += 1
            self._totals[1] += 1

    # ── keeping ──

    def dumps(self) -> str:
        """Return everything but the rules as a text, for a store."""
        kept = {
            "state": self.state, "epoch": self.epoch, "in_a_row": self.in_a_row, "openings": self.openings,
            "closing": self.closing, "reason": self.reason, "opened_at": self._opened_at, "until": self._until,
            "probe": self._probe, "probes": self._probes, "probe_at": self._probe_at, "index": self._index,
            "calls": self._calls, "failed": self._failed,
        }  # fmt: skip
        return json.dumps(kept, separators=(",", ":"))

    @classmethod
    def loads(cls, rules: BreakerRules, text: str) -> Machine:
        """Make a machine as it was kept; keys that it does not know, as other versions have them, are ignored.

        Raises:
            ValueError: This is no machine's state.
        """
        made = cls(rules)
        try:
            kept = json.loads(text)
            made.state, made.reason = _state(kept["state"]), str(kept["reason"])
            made.epoch, made.in_a_row = int(kept["epoch"]), int(kept["in_a_row"])
            made.openings, made.closing = int(kept["openings"]), int(kept["closing"])
            made._opened_at, made._until = float(kept["opened_at"]), float(kept["until"])
            made._probe, made._probes = int(kept["probe"]), int(kept["probes"])
            made._probe_at, made._index = float(kept["probe_at"]), int(kept["index"])
            made._calls, made._failed = _buckets(kept["calls"]), _buckets(kept["failed"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no state of a breaker: {error}") from error
        made._totals = [sum(made._calls), sum(made._failed)]
        return made


def _state(value: Any) -> BreakerState:
    states: tuple[BreakerState, ...] = ("closed", "open", "half_open")
    for state in states:
        if state == value:
            return state
    raise ValueError(f"{value!r} is no state of a breaker")


def _buckets(value: Any) -> list[int]:
    if len(value) != WINDOW_PARTS:
        raise ValueError(f"a window has {WINDOW_PARTS} buckets, not {len(value)}")
    return [int(count) for count in value]
