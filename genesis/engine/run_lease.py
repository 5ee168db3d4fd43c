"""Ownership of a run: record it, emit heartbeats, yield to a successor, and receive a request to cancel."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn, Self

from prefect.client.schemas.objects import FlowRun, State, StateDetails, StateType
from prefect.context import FlowRunContext
from prefect.events import emit_event

from genesis.engine.limits import ALIVE_EVENT_S, LEASE_CALL_S, LEASE_POLL_S, LOCK_POLL_S, OWNER_POLL_S
from genesis.errors import GenesisError, RunError
from genesis.fleet.automations import ALIVE_EVENT
from genesis.ledger import Ledger, Owner, RunLock
from genesis.ledger.control import Control
from genesis.prefect_api.client import PrefectClient
from genesis.prefect_api.errors import API_ERRORS
from genesis.prefect_api.names import FLOW_RUN

__all__ = ["SUPERSEDED", "RunLease", "owner_here", "take_turn"]

_log = logging.getLogger(__name__)
_FROZEN_S = 12.0
"""How long the previous orchestrator may take to yield: more than two looks at who owns it."""

SUPERSEDED = 75
"""Exit code of a process that yielded to another one on the same run: no action is needed."""


def _leave() -> NoReturn:
    os._exit(SUPERSEDED)


class RunLease:
    """Holds a run for as long as its leaves run. Enter it inside the flow run that orchestrates.

    Two processes can come to orchestrate one run when the first was taken for dead. The last one to begin has it: the
    other one finds its note in the ledger replaced, or its flow run taken from it, and ends at once, without a word to
    the server, and leaves the work that it had dispatched to its successor.

    Args:
        ledger: The run's ledger.
        control: Is asked to stop when someone cancels the flow run.
        alive: Send the event of a deployed orchestrator.
        give_way: Ends this process.
    """

    def __init__(self, ledger: Ledger, control: Control, *, alive: bool, give_way: Callable[[], NoReturn] = _leave):
        self._ledger = ledger
        self._control = control
        self._alive = alive
        self._give_way = give_way
        self._gives_way = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        context = FlowRunContext.get()
        if context is None or context.flow_run is None or not isinstance(context.client, PrefectClient):
            return self
        self._owner = owner_here(str(context.flow_run.id), context.flow_run.run_count)
        await self._ledger.take_over(self._owner)
        self._task = asyncio.create_task(self._hold(context.client, context.flow_run))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            try:
                await self._task
            except asyncio.CancelledError:
                pass
            except Exception as fault:
                if self._gives_way:
                    raise
                # The run has ended, and nothing is to be kept any more.
                _log.warning("the lease of this run was not watched", extra={"reason": repr(fault)})

    async def _hold(self, client: PrefectClient, flow_run: FlowRun) -> None:
        emitted = looked = -math.inf
        while True:
            now = time.monotonic()
            if self._alive and now - emitted >= ALIVE_EVENT_S:  # by the clock: a busy server makes each look slow
                emitted = now
                _emit_alive(flow_run)
            await asyncio.sleep(LEASE_POLL_S)
            if now - looked >= OWNER_POLL_S:
                looked = now
                await self._look_at_owner()
            await self._look_at_state(client, flow_run)

    async def _look_at_owner(self) -> None:
        try:
            owner = await self._ledger.owner()
        except GenesisError as error:
            _log.warning("the ledger does not name the orchestrator", extra={"reason": error.message})
            return
        if owner is not None and owner != self._owner:
            _log.warning("another process has taken over this run", extra={"run_id": self._ledger.run_id})
            self._yield_lease()

    def _yield_lease(self) -> NoReturn:
        self._gives_way = True
        self._give_way()

    async def _look_at_state(self, client: PrefectClient, flow_run: FlowRun) -> None:
        try:
            async with asyncio.timeout(LEASE_CALL_S):
                state = (await client.read_flow_run(flow_run.id)).state
        except API_ERRORS as error:
            _log.debug("the server does not say whether the run is cancelled", extra={"reason": repr(error)})
            return
        if state is None:
            return
        if state.is_paused() is not self._control.suspended and (state.is_paused() or state.is_running()):
            what = "suspended" if state.is_paused() else "resumed"
            _log.warning("the run is %s", what, extra={"run_id": self._ledger.run_id, "state": state.name})
            self._control.suspend(state.is_paused())
        if state.is_paused() and state.state_details.pause_reschedule and flow_run.deployment_id is None:
            await _let_resume(client, flow_run, state)
        if state.is_cancelling() or state.is_cancelled():
            self._control.cancel()
        elif self._alive and (state.is_crashed() or state.is_scheduled()):
            _log.warning("this run was taken for lost", extra={"run_id": self._ledger.run_id, "state": state.name})
            self._yield_lease()


async def _let_resume(client: PrefectClient, flow_run: FlowRun, suspended: State[Any]) -> None:
    """Turn the suspension of a flow run that has no deployment, which was forced, into a pause.

    The server resumes what is suspended by scheduling it anew. Without a deployment it refuses to, and the run's end,
    too; a paused one continues in this process.
    """
    details = StateDetails(pause_timeout=suspended.state_details.pause_timeout)
    paused: State[Any] = State(type=StateType.PAUSED, message=suspended.message, state_details=details)
    try:
        async with asyncio.timeout(LEASE_CALL_S):
            await client.set_flow_run_state(flow_run.id, paused, force=True)
    except API_ERRORS as error:  # the next look tries again
        _log.debug("the server does not take the pause of the run", extra={"reason": repr(error)})


async def take_turn(ledger: Ledger, lock: RunLock, control: Control, notify: Callable[[str], None]) -> None:
    """Lock a run that was given to this process, as soon as its previous orchestrator yields.

    One that is frozen (SIGSTOP) cannot, and must not continue later with what is this process's now: on this host it is
    ended. On another host it yields as soon as it thaws, and until then this process waits, and says so.

    Args:
        ledger: The run's ledger.
        lock: Its lock. It is held when this returns.
        control: Ends the waiting.
        notify: Tells a person what is waited for.

    Raises:
        RunError: The run was cancelled while it waited.
    """
    context = FlowRunContext.get()
    flow_run = context.flow_run if context is not None else None
    mine = owner_here(str(flow_run.id), flow_run.run_count) if flow_run else owner_here("successor")
    await ledger.take_over(mine)
    since, reported = time.monotonic(), -math.inf
    while True:
        try:
            lock.__enter__()
        except RunError:
            if control.cancelled:
                raise
        else:
            return
        now = time.monotonic()
        if now - reported >= ALIVE_EVENT_S:
            reported = now
            notify(f"run {ledger.run_id!r} waits until the process that had it yields")
            if flow_run is not None:
                _emit_alive(flow_run)
            if (await ledger.owner() or mine) != mine:
                _leave()
        if now - since >= _FROZEN_S and (frozen := lock.find_stopped_holder()) is not None:
            _log.warning("a frozen orchestrator is ended", extra={"run_id": ledger.run_id, "pid": frozen})
            with suppress(OSError):
                os.kill(frozen, signal.SIGKILL)
        await asyncio.sleep(LOCK_POLL_S)


def owner_here(flow_run_id: str, run_count: int = 0) -> Owner:
    """Describe this process as the owner of a run."""
    return Owner(flow_run_id=flow_run_id, run_count=run_count, host=socket.gethostname(), pid=os.getpid())


def _emit_alive(flow_run: FlowRun) -> None:
    emit_event(
        ALIVE_EVENT,
        resource={"prefect.resource.id": f"{FLOW_RUN}{flow_run.id}", "prefect.resource.name": flow_run.name},
    )
