"""The warm children of a worker: lend one to a flow run, keep some ready, replace those that have run enough."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from genesis.agents.processes import families
from genesis.errors import GenesisError
from genesis.workers.child_process import ChildProcess
from genesis.workers.configuration import GenesisJobConfiguration
from genesis.workers.fork_client import ForkServer
from genesis.workers.limits import CHILD_POLL_S

__all__ = ["ChildPool"]

_SPARES = 2
"""Idle children that are kept ready, so that a flow run does not wait for a fork."""
_IDLE_S = 30.0
"""How long more idle children than that are kept."""
_BLOCKED_S = 30.0
"""How long the loop of a shared child may stand still before it is killed."""


class ChildPool:
    """Warm children, by the environment that they were started with.

    Args:
        modules: What children find imported.
        environment: The variables that they start with.
        notify: Is given a sentence when something is wrong that an operator should know.
        blocked_s: How long a shared child's loop may stand still.
    """

    def __init__(
        self,
        modules: Sequence[str],
        environment: Mapping[str, str],
        notify: Callable[[str], None],
        *,
        spares: int = _SPARES,
        blocked_s: float = _BLOCKED_S,
    ):
        self._server = ForkServer(modules, environment, notify)
        self._notify = notify
        self._spares = spares
        self._blocked_s = blocked_s
        self._children: list[ChildProcess] = []
        self._lent: dict[ChildProcess, int | None] = {}
        """Children at work, with their memory limits in bytes."""
        self._usual_env: Mapping[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sharing = asyncio.Lock()
        self._closed = False

    @property
    def children(self) -> tuple[ChildProcess, ...]:
        """All that live."""
        return tuple(self._children)

    async def start(self) -> None:
        """Start the fork server and the spare children, and look after them from now on.

        Raises:
            ResourceError: No process could be had.
        """
        await self._server.start()
        for _ in range(self._spares):
            await self._new(self._usual_env, shared=False)
        self._later(self._watch())

    async def take(self, job: GenesisJobConfiguration, *, shared: bool) -> ChildProcess:
        """Lend a child; give it back with `release`.

        Args:
            job: How the flow run is to run.
            shared: Take the one that runs many at once.

        Raises:
            ResourceError: No process could be had.
        """
        if shared:
            async with self._sharing:
                child = self._idle(job.variables, shared=True) or await self._new(job.variables, shared=True)
        else:
            child = self._idle(job.variables, shared=False) or await self._new(job.variables, shared=False)
        child.started += 1
        if not shared:
            self._usual_env = job.variables
            self._later(self._restock())
        limit = job.memory_mb * 1_000_000 if job.memory_mb is not None else None
        self._lent[child] = min((limit, self._lent.get(child)), key=lambda one: one or float("inf"))
        return child

    def release(self, child: ChildProcess, job: GenesisJobConfiguration) -> None:
        """Take a child back, to use it again or to replace it."""
        if not child.busy:
            self._lent.pop(child, None)
        child.idle_since = time.monotonic()
        if child.gone or child.doomed or child.started >= job.recycle_after:
            child.doomed = True
            if not child.busy:
                self._later(self._dismiss(child))

    async def kill_all(self, why: str) -> None:
        """Kill all children that are at work.

        Args:
            why: The reason reported to their flow runs.
        """
        await asyncio.gather(*(child.kill(why) for child in self._children if child.busy))

    async def close(self) -> None:
        """End all children. What they have not sent yet for the UI they may send."""
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*(child.leave() for child in self._children), return_exceptions=True)
        await self._server.close()
        await asyncio.gather(*(child.kill(None) for child in self._children), return_exceptions=True)
        self._children.clear()

    def _idle(self, env: Mapping[str, str], *, shared: bool) -> ChildProcess | None:
        """Return the child that was used last, so that those that are not needed grow old."""
        fit = [
            child
            for child in self._children
            if child.shared == shared
            and not (child.doomed or child.gone)
            and (shared or child not in self._lent)
            and child.env == env
        ]
        return max(fit, key=lambda child: (child.ready, child.idle_since), default=None)

    async def _new(self, env: Mapping[str, str], *, shared: bool) -> ChildProcess:
        child = ChildProcess(await self._server.fork(env), dict(env), shared)
        self._children.append(child)
        return child

    async def _restock(self) -> None:
        """Fork ahead of need."""
        waiting = [c for c in self._children if not c.shared and c not in self._lent and not c.doomed and not c.gone]
        if len([child for child in waiting if child.env == self._usual_env]) < self._spares:
            await self._new(self._usual_env, shared=False)

    async def _dismiss(self, child: ChildProcess) -> None:
        await child.leave()
        self._forget(child)

    def _forget(self, child: ChildProcess) -> None:
        self._lent.pop(child, None)
        if child in self._children:
            self._children.remove(child)

    async def _watch(self) -> None:
        """Look at memory, at loops that stand still, and at children that are too many, each second."""
        while True:
            await asyncio.sleep(CHILD_POLL_S)
            now = time.monotonic()
            seen = await asyncio.to_thread(families, [child.pid for child in self._lent]) if self._lent else {}
            for child in tuple(self._children):
                if child.gone and not child.busy:
                    self._later(self._dismiss(child))
                elif child in self._lent and (family := seen.get(child.pid)):
                    child.started_processes = family.below
                    self._check(child, family.memory_bytes, now)
            self._thin_out(now)

    def _check(self, child: ChildProcess, used: int, now: float) -> None:
        limit = self._lent.get(child)
        if limit is not None and used > limit:
            text = f"it used {used / 1e6:,.0f} MB of memory, more than its limit of {limit / 1e6:,.0f} MB"
            self._later(child.kill(text))
        elif child.shared and now - child.beat > self._blocked_s:
            text = f"the event loop that it shared was blocked for {self._blocked_s:g} s"
            self._notify(f"{text}: its process is restarted; use `isolation: process` for CPU-bound agents")
            self._later(child.kill(text))

    def _thin_out(self, now: float) -> None:
        idle = [c for c in self._children if not (c.shared or c in self._lent or c.doomed or c.gone)]
        idle.sort(key=lambda child: child.idle_since)
        for child in idle[: -self._spares or None]:
            if now - child.idle_since > _IDLE_S:
                child.doomed = True
                self._later(self._dismiss(child))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something without waiting for it. No process to be had is said, and tried again when one is needed."""
        if self._closed:
            work.close()
            return

        async def run_guarded() -> None:
            try:
                await work
            except GenesisError as error:
                self._notify(str(error))

        task = asyncio.create_task(run_guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
