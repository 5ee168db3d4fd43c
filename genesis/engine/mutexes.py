"""The mutexes of tasks, over all runs of one Prefect server: a global concurrency limit of one slot for each.

A slot is held by a lease, which is renewed while the task runs: by the orchestrator, and on a work pool by the task's
own flow run, too. Where both are killed the lease expires, and the server frees the slot. The lease's id is in the
ledger, so that the next execution of the run continues it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Container
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Self
from uuid import UUID

from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from genesis.engine.limits import MUTEX_POLL_S, MUTEX_RENEW_S
from genesis.engine.run_context import RunContext
from genesis.errors import ServiceError
from genesis.model import Leaf
from genesis.prefect_api.client import ApiUnavailable, PrefectApi, connect
from genesis.prefect_api.errors import ApiRefused, service_errors, status_of

__all__ = ["LOST", "Mutexes", "keep_lease", "limit_name"]

LOST = "GEN-MUTEX-LOST"
_log = logging.getLogger(__name__)
_LEASE_S = 60.0
"""How long a slot stays taken whose holder was killed: the shortest lease that Prefect has."""
_FIRST_PAUSE_S = 0.1
_GROWTH = 1.5
_RELEASE_S = 5.0
"""How long a release is tried; then the lease expires."""
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})

Connect = Callable[[Callable[[str], None]], AbstractAsyncContextManager[PrefectApi]]


def limit_name(mutex: str) -> str:
    """Name the global concurrency limit of a mutex; other flows can take part in it by this name."""
    return f"mutex:{mutex}"


class Mutexes:
    """The mutexes that leaves of one run wait for and hold. Enter it for as long as leaves run.

    A rehearsal takes none: it must not hold up real work.

    Args:
        session: The run.
        lost: Called with the index of a leaf whose mutex another task has now, though it still runs.
        connect: Connects to the API, when the first mutex is asked for.
    """

    def __init__(self, session: RunContext, lost: Callable[[int], None], *, connect: Connect = connect):
        self._session = session
        self._lost = lost
        self._connect = connect
        self._stack = AsyncExitStack()
        self._api: PrefectApi | None = None
        self._held: dict[int, UUID] = {}
        """The lease of each leaf that has its mutex."""
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """One leaf of the run asks for a mutex at a time."""
        self._known: set[str] = set()
        self._releases: set[asyncio.Task[None]] = set()
        self._suspended = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for index in tuple(self._held):
            self.release(index)
        await asyncio.gather(*self._releases, return_exceptions=True)
        await self._stack.aclose()
        self._api = None

    def is_needed(self, leaf: Leaf) -> bool:
        """Whether a leaf has to wait for its mutex before it runs."""
        return leaf.mutex is not None and self._session.rehearse is None and leaf.index not in self._held

    async def acquire(self, leaf: Leaf) -> None:
        """Wait until a leaf has its mutex.

        Raises:
            GenesisError: The limit cannot be used, or the ledger cannot be written.
        """
        mutex = leaf.mutex or ""
        async with self._turns[mutex]:
            with service_errors():
                api = await self._reach()
                lease = await self._continue(api, leaf)
                pause_s, waits = _FIRST_PAUSE_S, False
                while lease is None and (self._suspended or (lease := await self._try(api, mutex)) is None):
                    if not waits and not self._suspended:
                        waits = True
                        self._session.observer.leaf_diverted(
                            leaf, "later", f"another task has the mutex {mutex!r}, and this one waits for it"
                        )
                    await asyncio.sleep(pause_s)
                    pause_s = min(MUTEX_POLL_S, _GROWTH * pause_s)
            self._held[leaf.index] = lease
            await self._session.ledger.write_mutex(leaf, str(lease))

    def suspend(self, suspended: bool, *, running: Container[int]) -> None:
        """Take no mutex for now, and release those of leaves that have not begun; or continue."""
        self._suspended = suspended
        for index in [index for index in self._held if suspended and index not in running]:
            self.release(index)

    def release(self, index: int) -> None:
        """Release the mutex of a leaf, if it has one; the call is made beside."""
        lease = self._held.pop(index, None)
        if lease is not None:
            task = asyncio.create_task(self._release(lease))
            self._releases.add(task)
            task.add_done_callback(self._releases.discard)

    async def watch(self) -> None:
        """Renew the leases again and again. A leaf whose slot another one has taken is reported as lost."""
        leaves = self._session.program_state
        while True:
            await asyncio.sleep(MUTEX_RENEW_S)
            for index, lease in tuple(self._held.items()):
                api = await self._reach()
                if await _renew(api, lease) or self._held.get(index) != lease:
                    continue
                leaf = leaves.program.leaves[index]
                again = await self._try(api, leaf.mutex or "")
                if self._held.get(index) != lease:  # it has ended meanwhile
                    if again is not None:
                        await self._release(again)
                elif again is None:
                    self._held.pop(index)
                    self._lost(index)
                else:
                    self._held[index] = again
                    await self._session.ledger.write_mutex(leaf, str(again))

    async def _reach(self) -> PrefectApi:
        if self._api is None:
            self._api = await self._stack.enter_async_context(self._connect(_log.info))
        return self._api

    async def _continue(self, api: PrefectApi, leaf: Leaf) -> UUID | None:
        """Return the lease that an earlier execution of the run left, if it has not expired."""
        left = await self._session.ledger.read_mutex(leaf)
        return UUID(left) if left is not None and await _renew(api, UUID(left)) else None

    async def _try(self, api: PrefectApi, mutex: str) -> UUID | None:
        """Take the slot if it is free. Where the answer is lost, and the call repeated, the slot is free after a lease.

        Raises:
            ServiceError: The limit was changed.
        """
        name = limit_name(mutex)
        if name not in self._known:
            await _make_limit(api, name)
            self._known.add(name)
        try:
            answer = await api.call(
                lambda client: client.increment_concurrency_slots_with_lease([name], 1, "concurrency", _LEASE_S)
            )
        except ApiRefused as error:
            if status_of(error) == HTTPStatus.LOCKED:
                return None
            raise
        found = answer.json()
        if not found["limits"]:  # it was deleted: the server takes what it does not know as free
            self._known.discard(name)
            return None
        return UUID(found["lease_id"])

    async def _release(self, lease: UUID) -> None:
        try:
            api = await self._reach()
            await api.call(lambda client: client.release_concurrency_slots_with_lease(lease), give_up_s=_RELEASE_S)
        except (ApiUnavailable, ApiRefused) as error:
            _log.warning("a mutex could not be released; its lease expires", extra={"reason": str(error)})


@asynccontextmanager
async def keep_lease(session: RunContext, leaf: Leaf, *, connect: Connect = connect) -> AsyncIterator[None]:
    """Renew the lease of a leaf's mutex while it runs in a worker's flow run: its orchestrator may be killed."""
    left = None if leaf.mutex is None or session.rehearse is not None else await session.ledger.read_mutex(leaf)
    if left is None:
        yield
        return
    async with connect(_log.info) as api:
        task = asyncio.create_task(_keep(api, UUID(left)))
        try:
            yield
        finally:
            task.cancel()


async def _keep(api: PrefectApi, lease: UUID) -> None:
    while True:
        if not await _renew(api, lease):
            break
        await asyncio.sleep(MUTEX_RENEW_S)
    _log.info("the lease of a mutex is not renewed any more: its orchestrator has another one", extra={"lease": lease})


async def _renew(api: PrefectApi, lease: UUID) -> bool:
    """Renew a lease; return whether it was still there."""
    try:
        await api.call(lambda client: client.renew_concurrency_lease(lease, _LEASE_S))
    except ApiRefused as error:
        if status_of(error) in _GONE:
            return False
        raise
    return True


async def _make_limit(api: PrefectApi, name: str) -> None:
    """Create the limit of a mutex where there is none.

    Raises:
        ServiceError: It was changed by hand, so that it keeps nothing apart.
    """
    try:
        found = await api.call(lambda client: client.read_global_concurrency_limit_by_name(name))
    except ObjectNotFound:
        try:
            made = GlobalConcurrencyLimitCreate(name=name, limit=1, active=True)
            await api.call(lambda client: client.create_global_concurrency_limit(made))
        except ObjectAlreadyExists:
            return
        return
    if found.limit != 1 or not found.active:
        fault = f"has {found.limit} slots" if found.active else "is inactive"
        raise ServiceError(
            f"the global concurrency limit {name!r} {fault}, so that it keeps no two tasks apart",
            hint=f"run: prefect global-concurrency-limit update {name} --limit 1 --enable",
            code="GEN-MUTEX-LIMIT",
        )
