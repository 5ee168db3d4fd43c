import asyncio
import contextlib

import pytest

from bench import breaker
from bench.breaker import SIDES, BreakerSide, measure
from bench.report import Bench
from genesis.errors import BreakerOpenError
from genesis.resilience import Breaker, BreakerRules


class Naive(BreakerSide):
    """Opens after five failures in a row, and lets everybody through once it has cooled."""

    name, module = "naive", "genesis"

    def __init__(self, cooling_s):
        super().__init__(cooling_s)
        self.failures, self.until = 0, 0.0

    async def call(self, work):
        loop = asyncio.get_running_loop()
        if self.failures >= 5 and loop.time() < self.until:
            raise BreakerOpenError("open")
        try:
            await work.slow()
        except Exception:
            self.failures, self.until = self.failures + 1, loop.time() + self.cooling_s
            raise
        self.failures = 0

    def healthy(self):
        return lambda: None


class Missing(BreakerSide):
    name, module = "missing", "genesis.no_such_module"


def test_ours_is_measured_beside_a_naive_one_and_what_is_missing_is_named():
    bench = Bench("breaker")
    measure(bench, (SIDES[0], Naive, Missing), rounds=1, calls=50, cooling_s=0.05)
    missing, ours, naive = bench.rows
    assert missing["missing"] == "missing"
    assert [ours[f"probes_of_{n}"] for n in (1, 10, 100)] == [1, 1, 1]
    assert [naive[f"probes_of_{n}"] for n in (1, 10, 100)] == [1, 10, 100]
    assert (ours["opens_at_half"], naive["opens_at_half"]) == (True, False)
    assert (ours["opens_for_429"], naive["opens_for_429"]) == (False, True)
    behaviour = [target for target in bench.targets if "microseconds" not in target.name]
    assert all(target.met for target in behaviour[:-1])


def test_another_that_is_better_is_told(monkeypatch):
    class Crowd(Naive):
        name = "genesis"

    class One(BreakerSide):
        name, module = "one", "genesis"

        def __init__(self, cooling_s):
            super().__init__(cooling_s)
            self.breaker = Breaker("x", BreakerRules(cooling_s=cooling_s, successes=2))

        async def call(self, work):
            async with self.breaker.guarding():
                await work.slow()

        def healthy(self):
            return lambda: None

    monkeypatch.setattr(breaker, "_CROWDS", (1, 10, 100))
    bench = Bench("breaker")
    measure(bench, (Crowd, One), rounds=1, calls=50, cooling_s=0.05)
    found = {target.name: target for target in bench.targets}
    assert not found["probes let through, 10 callers"].met
    assert found["rows of behaviour in which another is better"].value >= 4


def test_a_breaker_that_does_not_open_ends_the_bench():
    class Never(Naive):
        async def call(self, work):
            with contextlib.suppress(Exception):
                await work.slow()

    with pytest.raises(SystemExit, match="not open after 5"):
        measure(Bench("breaker"), (Never,), rounds=1, calls=10, cooling_s=0.05)
