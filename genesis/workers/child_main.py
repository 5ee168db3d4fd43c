"""A warm child: a forked process that executes flow runs on request, one at a time or many on one loop.

Its main thread does nothing but listen to the supervisor, so that it ends at once when the supervisor does, even while
the loop is blocked. The loop has a thread of its own; Prefect's engine then leaves the process's signals alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, NoReturn

from prefect.client.schemas.objects import FlowRun, State
from prefect.context import AsyncClientContext, SyncClientContext, refresh_global_settings_context
from prefect.events.worker import EventsWorker
from prefect.exceptions import Abort, Pause
from prefect.logging.handlers import APILogWorker

from genesis.agents.fork_safety import reset_signals_in_forked_children
from genesis.agents.processes import kill_all
from genesis.agents.threads import Threads
from genesis.errors import ForeignError
from genesis.observability.correlation import bind_context
from genesis.observability.metrics import metrics_of_process
from genesis.observability.span import Value
from genesis.observability.tracing import span, tracing_of_process
from genesis.prefect_api.errors import API_ERRORS
from genesis.prefect_api.events_client import know_related, retry_events
from genesis.settings import Settings
from genesis.workers.engine import Stop, run, run_hooks, time_limited
from genesis.workers.environment import apply_environment
from genesis.workers.limits import CHILD_HEARTBEAT_S
from genesis.workers.loading import Flows, back_home, is_module
from genesis.workers.logs import begin_logs
from genesis.workers.protocol import Message, MessageSocket
from genesis.workers.run_correlation import correlation_of

__all__ = ["work"]

_log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FORK_SERVER_S = 3.0
"""How long a child whose worker is gone waits for the fork server to end it."""
_DRAIN_S = 10.0
"""How long a child sends its last states and log lines."""
_LONGEST_PAUSE_S = 5.0
"""Longest pause between attempts to reach the API."""
_TEXT = 2_000
"""Most characters of an error in a message to the worker."""


def work(end: socket.socket, env: Mapping[str, str]) -> None:
    """Work for the supervisor at the other end until it says stop, or is gone.

    Args:
        end: Socket to the supervisor.
        env: Variables to add to the environment.
    """
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the programs it starts would inherit
    reset_signals_in_forked_children(_SIGNALS)
    if env:
        apply_environment(dict(env))
        if any(name.startswith("PREFECT_") for name in env):
            refresh_global_settings_context()
    begin_logs("agent")
    wire = MessageSocket(end)
    loop = asyncio.new_event_loop()
    child = _Child(wire, loop)
    threading.Thread(target=child.live, name="flow runs", daemon=True).start()
    for message in wire:
        loop.call_soon_threadsafe(child.inbox.put_nowait, message)
    _die()


def _die() -> NoReturn:
    """End now, and take everything along that was started from here.

    The fork server has lost the supervisor too. It stops this process before it ends what was started from here, so
    that the work does not take that for its result and write it down; done from here, that could not be helped.
    """
    time.sleep(_FORK_SERVER_S)
    kill_all(os.getpid())
    os._exit(1)


class _Child:
    """The child's loop.

    Args:
        wire: To the supervisor.
        loop: What it lives on.
    """

    def __init__(self, wire: MessageSocket, loop: asyncio.AbstractEventLoop):
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._wire = wire
        self._loop = loop
        self._flows = Flows()
        self._threads = Threads()
        self._working: dict[str, tuple[asyncio.Task[None], Stop]] = {}

    def live(self) -> None:
        """Run the loop to its end, which is the process's."""
        code = 0
        try:
            self._loop.run_until_complete(self._main())
        except BaseException:  # noqa: BLE001  # the boundary of the process: the supervisor sees its code
            threading.excepthook(threading.ExceptHookArgs((*_exc_info(), threading.current_thread())))
            code = 1
        os._exit(code)

    async def _main(self) -> None:
        settings = Settings()
        metrics_of_process().most_series = settings.observability.most_series
        tracing_of_process().start(settings.observability, role="agent")
        retry_events()
        beat = asyncio.create_task(self._beat())
        async with AsyncExitStack() as stack:
            await self._connect(stack)
            self._wire.send({"op": "ready"})
            while (message := await self.inbox.get())["op"] != "stop":
                self._obey(message)
        beat.cancel()
        await asyncio.gather(_drain(), asyncio.to_thread(tracing_of_process().stop))

    async def _connect(self, stack: AsyncExitStack) -> None:
        """Connect once for all flow runs; an API that is away is waited for."""
        pause_s = 0.2
        while True:
            try:
                context = await stack.enter_async_context(AsyncClientContext.get_or_create())
                stack.enter_context(SyncClientContext.get_or_create())
                # Only after a first answer does the client try again when a connection is refused.
                if (failure := await context.client.api_healthcheck()) is None:
                    return
                _log.debug("the API is not healthy", extra={"reason": repr(failure)})
            except (*API_ERRORS, RuntimeError) as error:  # the last is how it says "not a Prefect API"
                _log.debug("the API cannot be reached", extra={"reason": repr(error)})
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def _beat(self) -> None:
        while True:
            self._wire.send({"op": "beat", **_collect_metrics()})
            await asyncio.sleep(CHILD_HEARTBEAT_S)

    def _obey(self, message: Message) -> None:
        if message["op"] == "end":
            found = self._working.get(message["id"])
            if found is not None:
                task, stop = found
                stop.why = message["why"]
                task.cancel()
            return
        stop = Stop()
        one = self._hooks(message) if message["op"] == "hooks" else self._one(message, stop)
        task = asyncio.create_task(one)
        self._working[message["id"]] = (task, stop)
        task.add_done_callback(lambda _: self._working.pop(message["id"], None))

    async def _one(self, message: Message, stop: Stop) -> None:
        """Run one flow run and report its end. This is the boundary for everything that it raises."""
        report: Message = {"op": "ended", "id": message["id"], "state": None, "error": None, "refused": None}
        try:
            report |= await self._run_traced(message, stop)
        except (Abort, Pause) as error:
            report["aborted"] = str(error)[:_TEXT]
        except asyncio.CancelledError:
            report["error"] = None if stop.why else "its task was cancelled"
        except BaseException as error:  # noqa: BLE001  # the named boundary of a flow run
            report["error"] = _describe_error(error)
        with suppress(OSError):
            self._wire.send(report | _collect_metrics())

    async def _run_traced(self, message: Message, stop: Stop) -> Message:
        """Run one flow run in a span of its own, which is a part of the supervisor's."""
        flow_run = FlowRun.model_validate(message["flow_run"])
        correlation_id = correlation_of(flow_run)
        about: dict[str, Value | None] = {
            "prefect.flow_run.id": str(flow_run.id),
            "genesis.correlation_id": correlation_id,
        }
        with (
            bind_context(correlation_id=correlation_id, traceparent=message["trace"]),
            span("genesis.flow_run", about) as made,
        ):
            report = await self._run(message, stop)
            if report.get("error"):
                made.mark_failed("crashed", report["error"])
        return report

    async def _run(self, message: Message, stop: Stop) -> Message:
        flow_run = FlowRun.model_validate(message["flow_run"])
        time_limited.set(message["limited"])
        entrypoint, pulls, shared = message["entrypoint"], message["pulls"], message["shared"]
        if shared:
            if not is_module(entrypoint, pulls=pulls):
                return {"refused": "its code is no module, and loading it would change the working directory of others"}
            return await self._load_and_run(message, flow_run, stop)
        with back_home(message["working_dir"]):
            return await self._load_and_run(message, flow_run, stop)

    async def _load_and_run(self, message: Message, flow_run: FlowRun, stop: Stop) -> Message:
        entrypoint = message["entrypoint"]
        try:
            flow = await self._flows.find(entrypoint, pulls=message["pulls"])
        except Exception as error:  # noqa: BLE001  # importing a team's code can raise anything
            return {"error": f"its flow {entrypoint!r} cannot be loaded here: {_describe_error(error)}"[:_TEXT]}
        if message["shared"] and not flow.isasync:
            return {"refused": "it is not async, and a thread cannot be stopped"}
        know_related(flow_run, flow=flow.name, deployment=message["deployment"], queue=message["queue"])
        return {"state": _shape(await run(flow, flow_run, stop, self._threads))}

    async def _hooks(self, message: Message) -> None:
        """Fire the hooks of a run that could not itself."""
        report: Message = {"op": "ended", "id": message["id"], "state": None, "error": None, "refused": None}
        try:
            flow_run = FlowRun.model_validate(message["flow_run"])
            flow = await self._flows.find(message["entrypoint"], pulls=message["pulls"])
            await run_hooks(flow, flow_run, message["why"])
        except Exception as error:  # noqa: BLE001  # the named boundary of a user's hooks
            report["error"] = _describe_error(error)
        with suppress(OSError):
            self._wire.send(report)


def _collect_metrics() -> Message:
    """Return what was counted since the last time, where there is anything."""
    document = metrics_of_process().drain_changes()
    return {"metrics": document} if document else {}


def _shape(state: State[Any] | None) -> Message | None:
    if state is None:
        return None
    return {"type": state.type.value, "name": state.name, "message": (state.message or "")[:_TEXT]}


def _describe_error(error: BaseException) -> str:
    """Format an exception and its causes as text, for the supervisor and the API."""
    causes = ForeignError.of(error).to_dict().get("causes", ())
    said = [f"{each['type'].rpartition('.')[2]}: {each['message']}" for each in causes]
    return ", from ".join([f"{type(error).__name__}: {error}", *said])[:_TEXT]


def _exc_info() -> tuple[Any, Any, Any]:
    import sys  # noqa: PLC0415  # only when all is lost

    return sys.exc_info()


async def _drain() -> None:
    """Send what is left for the UI, within reason."""
    for worker in (EventsWorker, APILogWorker):
        await worker.drain_all(timeout=_DRAIN_S, at_exit=False)  # type: ignore[misc]  # a coroutine, on a loop
