"""The breaker against its specification: any order of calls, results and waits, by two processes' worth of breakers."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from genesis.errors import BreakerOpenError
from genesis.resilience import Breaker, BreakerRules, SqliteStore
from genesis.resilience.breaker_machine import LEGAL

RULES = BreakerRules(
    failures=3, minimum_calls=6, window_s=10.0, cooling_s=4.0, longest_cooling_s=10.0, successes=2, probe_s=6.0
)


class Seconds:
    """A monotonic clock that goes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class BreakerModel(RuleBasedStateMachine):
    """Two breakers with one store, as two processes have them, and what must hold whatever they do."""

    permits = Bundle("permits")

    @initialize(shared=st.booleans())
    def begin(self, shared):
        self.clock = Seconds()
        self.folder = tempfile.TemporaryDirectory()
        file = Path(self.folder.name) / "state.sqlite"
        self.stores = [SqliteStore(file, clock=self.clock) for _ in range(2 if shared else 0)]
        self.changes = []
        self.breakers = [
            Breaker("x", RULES, store=store, clock=self.clock, listen=self.changes.append)
            for store in (self.stores or [None])
        ]
        self.state, self.opened_at, self.cooling, self.seen = "closed", 0.0, RULES.cooling_s, 0
        self.probe = None

    def teardown(self):
        for store in getattr(self, "stores", ()):
            store.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def breaker(self, which):
        return self.breakers[which % len(self.breakers)]

    def follow(self):
        """Check each change of state, and note when it opened and for how long."""
        for change in self.changes[self.seen :]:
            assert (change.before, change.after) in LEGAL
            assert change.before == self.state
            self.state = change.after
            self.probe = None
            if change.after == "open":
                probe_failed = change.before == "half_open"
                self.cooling = min(RULES.longest_cooling_s, self.cooling * 2) if probe_failed else RULES.cooling_s
                self.opened_at = self.clock()
        self.seen = len(self.changes)

    @rule(target=permits, which=st.integers(0, 1))
    def admit(self, which):
        now = self.clock()
        try:
            permit = self.breaker(which).admit()
        except BreakerOpenError as error:
            refused_s = error.data["retry_after_s"]
        else:
            refused_s = None
        self.follow()
        if refused_s is not None:
            assert self.state != "closed"
            left_s = self.opened_at + self.cooling - now
            assert self.probe is not None if self.state == "half_open" else 0 < left_s < refused_s + 0.01
            return None
        if permit.probe:
            assert self.state == "half_open"
            assert self.probe is None or now - self.probe[1] >= RULES.probe_s
            self.probe = (permit, now)
        return permit

    @rule(
        permit=consumes(permits),
        which=st.integers(0, 1),
        verdict=st.sampled_from(["success", "failure", "failure", "neutral"]),
    )
    def report(self, permit, which, verdict):
        if permit is None:
            return
        before = len(self.changes)
        self.breaker(which).report(permit, verdict)
        is_probe = self.probe is not None and permit == self.probe[0]
        if is_probe:
            self.probe = None
        if len(self.changes) > before:
            change = self.changes[-1]
            assert verdict != "neutral"
            assert (change.after == "open") == (verdict == "failure")
            assert change.before == "closed" or is_probe
        self.follow()

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 3.0, 5.0, 11.0]))
    def wait(self, seconds):
        self.clock.now += seconds

    @precondition(lambda self: hasattr(self, "breakers"))
    @invariant()
    def asking_changes_nothing_and_tells_the_truth(self):
        for breaker in self.breakers:
            may_be_old = breaker._store is not None and breaker._is_fresh()
            wait = breaker.retry_after_s()
            assert wait >= 0
            if self.state == "open" and not may_be_old:
                assert abs(wait - max(0.0, self.opened_at + self.cooling - self.clock())) < 1e-6
        assert self.seen == len(self.changes)


BreakerModel.TestCase.settings = settings(max_examples=150, stateful_step_count=80, deadline=None)
test_breaker_keeps_to_its_specification = BreakerModel.TestCase
