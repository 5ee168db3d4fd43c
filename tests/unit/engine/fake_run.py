"""A run without a server: leaves end as a test says, and agents are called or not as it says."""

import asyncio
from contextlib import asynccontextmanager

from genesis.compile import compile_program
from genesis.engine.observer import NullObserver
from genesis.model import Alternative, ErrorInfo, Outcome, Route
from genesis.testing import a_plan, an_agent, route_to

WORKS = {"kind": "rehearsal", "scale": 0}
"""An executor that is no work order, which is what agents without one have."""
HANGS = "hangs"
"""A leaf that runs until the backend is cancelled."""


def failed(code="GEN-TASK", message="it broke", **more):
    """Make the error of a leaf whose own retries are used up."""
    return ErrorInfo(code=code, message=message, **more)


def program_of(*tasks, agents=("first", "second"), at_once=4, **plan):
    """Route every task to the first agent, with the others as runners-up."""
    profiles = [
        an_agent(agent, task_types=["generic"], max_concurrency=at_once, executor=WORKS)
        if isinstance(agent, str)
        else agent
        for agent in agents
    ]
    routed, registry = route_to(a_plan(*tasks, **plan), *profiles)
    routes = {
        path: Route(
            agent=route.agent,
            score=1.0,
            reason="the test says so",
            alternatives=tuple(
                Alternative(agent=profile.name, score=0.5) for profile in profiles if profile.name != route.agent
            ),
        )
        for path, route in routed.routes.items()
    }
    return compile_program(routed.model_copy(update={"routes": routes}), registry)


class FakeBackend:
    """Ends each leaf at once: by path, one end after the other, the last one again and again.

    An end is a state, an error, keys of the outcome, or an exception to raise. A leaf that is not listed completes.
    """

    grace_s = 0.0

    def __init__(self, ends=None):
        self.ends = ends or {}
        self.runs = []
        self.suspensions = []
        self.cancelled = ""
        self.running = self.most_at_once = 0
        self._cancelled = asyncio.Event()

    async def run(self, leaf):
        self.runs.append((leaf.path, leaf.agent))
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            return await self._end(leaf)
        finally:
            self.running -= 1

    async def _end(self, leaf):
        await asyncio.sleep(0)
        ends = self.ends.get(leaf.path, ["completed"])
        end = ends[min(sum(path == leaf.path for path, _ in self.runs), len(ends)) - 1]
        if isinstance(end, BaseException):
            raise end
        if end == HANGS:
            await self._cancelled.wait()
            end = "cancelled"
        more = {"state": "failed", "error": end} if isinstance(end, ErrorInfo) else end
        more = {"state": more} if isinstance(more, str) else more
        return Outcome(**{"id": leaf.path, "agent": leaf.agent, "attempts": 1, **more})

    def suspend(self, suspended):
        self.suspensions.append(suspended)

    def cancel(self, why):
        self.cancelled = why
        self._cancelled.set()


class Seen(NullObserver):
    """Keeps what an observer is told."""

    def __init__(self):
        self.ended, self.diverted, self.grown = [], [], 0

    def leaf_changed(self, outcome):
        self.ended.append((outcome.id, outcome.state))

    def leaf_diverted(self, leaf, kind, reason):
        self.diverted.append((leaf.path, leaf.agent, kind, reason))

    def plan_changed(self, program):
        self.grown += 1


class FakeBreaker:
    """A circuit breaker that is as a test sets it."""

    def __init__(self, state="closed", retry_after_s=0.0):
        self.state, self.after_s = state, retry_after_s

    def retry_after_s(self):
        return self.after_s


class FakeBreakers:
    """Circuit breakers by agent; one that is not listed is closed."""

    def __init__(self, **breakers):
        self.by_agent = breakers

    def of(self, kind, name, scope=""):
        return self.by_agent.setdefault(name, FakeBreaker())


@asynccontextmanager
async def within(seconds=10.0):
    """Fail a test whose run does not end."""
    async with asyncio.timeout(seconds):
        yield
