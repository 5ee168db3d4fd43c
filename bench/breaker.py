"""Our circuit breaker beside four others: what it lets through, what a healthy call costs, and what opens it.

    python -m bench.breaker [--quick] [--json] [--data DIR]

All in one run and in turns: pybreaker, purgatory, aiobreaker and circuitbreaker (the extra `bench`; one that is missing
is left out and named), each opened by 5 failures and cooling for a fraction of a second.

- *probes*: the breaker is open and its cooling time is over; 1, 10 and 100 callers come at the same moment, with work
  that takes 50 ms. How many are let through before the first of them is done. One is right: a service that is just
  getting up is not greeted by a crowd. pybreaker calls synchronous functions only, so its callers are threads.
- *healthy call*: time added to a call that does nothing, the median of many rounds of both in turns; synchronous where
  there is a synchronous way, with the lowest layer that each offers.
- *throughput*: 100 healthy calls of 50 ms at once, as a multiple of one call's time. 1 is right.
- *half of the calls fail*, in turns with successes: whether it opens within 200 calls.
- *too many requests*: whether a refusal that is no sign of ill health (429) leaves it closed.
"""

from __future__ import annotations

import asyncio
import importlib
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from bench.report import Bench, Target, arguments
from genesis.resilience import Breaker, BreakerRules

__all__ = ["SIDES", "BreakerSide", "main", "measure"]

_FAILURES = 5
_WORK_S = 0.05
_CROWDS = (1, 10, 100)
_OVERHEAD_US = 5.0
_NEVER_S = 3600.0


class _DownError(Exception):
    """The service is down."""


@dataclass
class CountedWork:
    """What is called: it counts who is inside before the first is done."""

    seconds: float = 0.0
    error: Exception | None = None
    begun: int = 0
    before_first_end: int = 0
    ended: bool = field(default=False, init=False)

    def enter(self) -> None:
        self.begun += 1
        if not self.ended:
            self.before_first_end += 1

    def leave(self) -> None:
        self.ended = True
        if self.error is not None:
            raise self.error

    async def slow(self) -> None:
        self.enter()
        await asyncio.sleep(self.seconds)
        self.leave()

    def blocking(self) -> None:
        self.enter()
        time.sleep(self.seconds)
        self.leave()


class BreakerSide:
    """One library: makes breakers, and calls through them."""

    name = ""
    module = ""

    def __init__(self, cooling_s: float):
        self.cooling_s = cooling_s

    async def call(self, work: CountedWork) -> None:
        """Call work through the breaker; raises whatever the breaker or the work raises."""
        raise NotImplementedError

    def healthy(self) -> Callable[[], Any] | None:
        """Return a synchronous call of a function that does nothing, through the breaker; None where there is none."""
        return None

    def close(self) -> None:
        """Give back what the side holds."""


def _nothing() -> None:
    return None


class _Genesis(BreakerSide):
    name, module = "genesis", "genesis.resilience"

    def __init__(self, cooling_s: float):
        super().__init__(cooling_s)
        self._breaker = Breaker("bench", BreakerRules(failures=_FAILURES, cooling_s=cooling_s, successes=2))

    async def call(self, work: CountedWork) -> None:
        async with self._breaker.guarding():
            await work.slow()

    def healthy(self) -> Callable[[], Any]:
        breaker = self._breaker

        def call() -> Any:
            permit = breaker.admit()
            value = _nothing()
            breaker.report(permit, "success")
            return value

        return call


class _Pybreaker(BreakerSide):
    name = module = "pybreaker"

    def __init__(self, cooling_s: float):
        super().__init__(cooling_s)
        import pybreaker  # noqa: PLC0415

        self._breaker = pybreaker.CircuitBreaker(fail_max=_FAILURES, reset_timeout=cooling_s, success_threshold=2)
        self._threads = ThreadPoolExecutor(max(_CROWDS))

    async def call(self, work: CountedWork) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._breaker.call, work.blocking)

    def healthy(self) -> Callable[[], Any]:
        breaker = self._breaker
        return lambda: breaker.call(_nothing)

    def close(self) -> None:
        self._threads.shutdown(wait=True)


class _Purgatory(BreakerSide):
    name = module = "purgatory"

    def __init__(self, cooling_s: float):
        super().__init__(cooling_s)
        import purgatory  # noqa: PLC0415

        self._factory = purgatory.AsyncCircuitBreakerFactory(default_threshold=_FAILURES, default_ttl=cooling_s)
        self._breaker: Any = None
        self._sync = purgatory.SyncCircuitBreakerFactory(default_threshold=_FAILURES, default_ttl=cooling_s)

    async def call(self, work: CountedWork) -> None:
        async with await self._factory.get_breaker("bench"):
            await work.slow()

    def healthy(self) -> Callable[[], Any]:
        factory = self._sync

        def call() -> Any:
            with factory.get_breaker("bench"):
                return _nothing()

        return call


class _Aiobreaker(BreakerSide):
    name = module = "aiobreaker"

    def __init__(self, cooling_s: float):
        super().__init__(cooling_s)
        import aiobreaker  # noqa: PLC0415

        self._breaker = aiobreaker.CircuitBreaker(fail_max=_FAILURES, timeout_duration=timedelta(seconds=cooling_s))

    async def call(self, work: CountedWork) -> None:
        await self._breaker.call_async(work.slow)

    def healthy(self) -> Callable[[], Any]:
        breaker = self._breaker
        return lambda: breaker.call(_nothing)


class _Circuitbreaker(BreakerSide):
    name = module = "circuitbreaker"

    def __init__(self, cooling_s: float):
        super().__init__(cooling_s)
        import circuitbreaker  # noqa: PLC0415

        made = circuitbreaker.CircuitBreaker(failure_threshold=_FAILURES, recovery_timeout=cooling_s)

        async def call(work: CountedWork) -> None:
            await work.slow()

        self._call = made(call)
        self._nothing = made(lambda: None)

    async def call(self, work: CountedWork) -> None:
        await self._call(work)

    def healthy(self) -> Callable[[], Any]:
        call: Callable[[], Any] = self._nothing
        return call


SIDES: tuple[type[BreakerSide], ...] = (_Genesis, _Pybreaker, _Purgatory, _Aiobreaker, _Circuitbreaker)


async def _try(side: BreakerSide, work: CountedWork) -> bool:
    """Call, and return whether the work was reached."""
    before = work.begun
    with suppress(Exception):  # a refusal or the work's own error, of any library
        await side.call(work)
    return work.begun > before


async def _open_run(kind: type[BreakerSide], cooling_s: float) -> BreakerSide:
    side = kind(cooling_s)
    for _ in range(_FAILURES):
        await _try(side, CountedWork(error=_DownError()))
    if await _try(side, CountedWork()):
        raise SystemExit(f"{side.name} is not open after {_FAILURES} failures")
    return side


async def _probes(kind: type[BreakerSide], callers: int, cooling_s: float) -> int:
    """Count who is let through before the first is done."""
    side = await _open_run(kind, cooling_s)
    await asyncio.sleep(cooling_s * 1.5)
    work = CountedWork(seconds=_WORK_S)
    await asyncio.gather(*(_try(side, work) for _ in range(callers)))
    side.close()
    return work.before_first_end


async def _throughput(kind: type[BreakerSide], callers: int) -> float:
    """Return the time of this many calls at once, as a multiple of a single one's."""
    side = kind(_NEVER_S)
    work = CountedWork(seconds=_WORK_S)
    await _try(side, work)  # what is made at the first call
    begun = time.perf_counter()
    await asyncio.gather(*(_try(side, work) for _ in range(callers)))
    took_s = time.perf_counter() - begun
    side.close()
    return took_s / _WORK_S


async def _opens_at_half(kind: type[BreakerSide]) -> bool:
    side = kind(_NEVER_S)
    reached = [await _try(side, CountedWork(error=_DownError() if turn % 2 else None)) for turn in range(200)]
    side.close()
    return not all(reached)


async def _takes_429_for_ill(kind: type[BreakerSide]) -> bool:
    side = kind(_NEVER_S)
    request = httpx.Request("GET", "http://127.0.0.1/")
    refusal = httpx.HTTPStatusError("too many", request=request, response=httpx.Response(429, request=request))
    reached = [await _try(side, CountedWork(error=refusal)) for _ in range(2 * _FAILURES)]
    side.close()
    return not all(reached)


def _overhead_us(kind: type[BreakerSide], rounds: int, calls: int) -> float | None:
    """Return the time that the breaker adds to a healthy call: the median over rounds, in turns with the bare call."""
    side = kind(_NEVER_S)
    through = side.healthy()
    if through is None:
        return None
    through()
    added = [(_each_s(through, calls) - _each_s(_nothing, calls)) * 1e6 for _ in range(rounds)]
    side.close()
    return statistics.median(added)


def _each_s(call: Callable[[], Any], calls: int) -> float:
    begun = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begun) / calls


def measure(
    bench: Bench, sides: tuple[type[BreakerSide], ...], *, rounds: int, calls: int, cooling_s: float = 0.2
) -> None:
    """Measure all sides and judge ours."""
    found = [kind for kind in sides if _there(kind, bench)]
    overheads: dict[str, list[float]] = {kind.name: [] for kind in found}
    for _ in range(rounds):
        for kind in found:
            added = _overhead_us(kind, 3, calls)
            if added is not None:
                overheads[kind.name].append(added)
    rows = [_row(kind, statistics.median(overheads[kind.name]), cooling_s) for kind in found]
    for row in rows:
        bench.add(**row)
    ours, others = rows[0], rows[1:]
    beaten = [key for key in _BEHAVIOUR if any(_better(other, ours, key) for other in others)]
    bench.targets += [
        *(Target.at_most(f"probes let through, {n} callers", 1, ours[f"probes_of_{n}"]) for n in _CROWDS),
        Target.at_most("healthy call, microseconds", _OVERHEAD_US, ours["healthy_us"]),
        Target.at_least("opens when half of the calls fail", 1, int(ours["opens_at_half"])),
        Target.at_most("opens for too many requests", 0, int(ours["opens_for_429"])),
        Target.at_most("rows of behaviour in which another is better", 0, len(beaten)),
    ]


_BEHAVIOUR = ("probes_of_1", "probes_of_10", "probes_of_100", "hundred_at_once", "opens_at_half", "opens_for_429")
_NOISE = 0.5
"""Two throughputs that differ by less than half of a call's time are equal."""


def _better(other: dict[str, Any], ours: dict[str, Any], key: str) -> bool:
    if key.startswith("probes"):
        return abs(other[key] - 1) < abs(ours[key] - 1)
    if key == "hundred_at_once":
        return bool(other[key] < ours[key] - _NOISE)
    return bool(other[key] > ours[key]) if key == "opens_at_half" else bool(other[key] < ours[key])


def _row(kind: type[BreakerSide], healthy_us: float, cooling_s: float) -> dict[str, Any]:
    def run(work: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await work

        return asyncio.run(wait())

    probes = {f"probes_of_{n}": run(_probes(kind, n, cooling_s)) for n in _CROWDS}
    return {
        "breaker": kind.name,
        **probes,
        "healthy_us": round(healthy_us, 2),
        "hundred_at_once": round(run(_throughput(kind, max(_CROWDS))), 2),
        "opens_at_half": run(_opens_at_half(kind)),
        "opens_for_429": run(_takes_429_for_ill(kind)),
    }


def _there(kind: type[BreakerSide], bench: Bench) -> bool:
    try:
        importlib.import_module(kind.module)
    except ImportError:
        bench.add(missing=kind.name, install="pip install 'prefect-genesis[bench]'")
        return False
    return True


def main() -> None:
    """Run the bench."""
    chosen = arguments("circuit breakers, side by side").parse_args()
    bench = Bench("breaker")
    rounds, calls = (3, 2_000) if chosen.quick else (15, 20_000)
    measure(bench, SIDES, rounds=rounds, calls=calls)
    bench.show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
