"""Run a flow by Prefect's engine, so that it can be stopped from outside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import GeneratorType
from typing import Any, Literal, TypeVar, cast

from anyio import CancelScope
from prefect import Flow
from prefect._flow_run_suspension import FlowRunSuspensionRequest
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import AsyncFlowRunEngine, run_flow
from prefect.settings import get_current_settings
from prefect.states import Cancelling, Crashed
from prefect.utilities.callables import get_call_parameters, parameters_to_args_kwargs

from genesis.agents.threads import Threads
from genesis.prefect_api.client import ClaimedRunClient, PrefectClient

__all__ = ["Stop", "StopCause", "has_hooks", "has_time_limit", "never_suspended", "run", "run_hooks", "time_limited"]

StopCause = Literal["cancelled", "crashed", "moved"]
"""How a stopped run ends: its hooks for that state fire; none fire when it moves to another worker."""


time_limited: ContextVar[bool] = ContextVar("genesis_time_limited", default=False)
"""Whether the flow run that runs here is ended after some time, however its work stands."""


def has_time_limit() -> bool:
    """Whether the present flow run is ended after some time, so that it should take on no more than it was given."""
    return time_limited.get()


_NEVER_SUSPENDED = "__genesis_never_suspended__"
_Function = TypeVar("_Function", bound=Callable[..., Any])


def never_suspended(function: _Function) -> _Function:
    """Mark the function of a flow whose runs nobody suspends.

    For every other run of a deployment Prefect's engine starts a thread with an event loop, which subscribes to events,
    asks for the run once more, and is waited for at the beginning and at the end: 0.2 s for each run.
    """
    setattr(function, _NEVER_SUSPENDED, True)
    return function


@dataclass(slots=True)
class Stop:
    """Is set before a run's task is cancelled on purpose."""

    why: StopCause | None = None


class _Engine(AsyncFlowRunEngine[Any, Any]):
    """Prefect's engine, except that stopping on purpose is no crash: the supervisor then sets the state.

    It has to: only it knows when everything that the run started is gone.
    """

    stop: Stop
    _of_claimed: ClaimedRunClient | None = None

    @property
    def client(self) -> PrefectClient:
        """The client of this process, which for a run that nobody suspends knows what was claimed."""
        client = super().client
        if self.flow_run is None or not hasattr(self.flow.fn, _NEVER_SUSPENDED):
            return client
        if self._of_claimed is None:
            self._of_claimed = ClaimedRunClient(client, self.flow_run)
        return self._of_claimed

    @property
    def heartbeat_seconds(self) -> int | None:
        """Send no heartbeats for a flow run, unless the setting asks for them.

        The supervisor sees a process die, and is watched by its own heartbeats. The first would be sent at once, so
        that even the shortest run would cost the server an event.
        """
        if "heartbeat_frequency" in get_current_settings().flows.model_fields_set:
            return super().heartbeat_seconds
        return None

    @contextmanager
    def setup_flow_run_suspension_request(self) -> Iterator[FlowRunSuspensionRequest]:
        if hasattr(self.flow.fn, _NEVER_SUSPENDED):
            yield self._get_flow_run_suspension_request()
            return
        with super().setup_flow_run_suspension_request() as request:
            yield request

    async def handle_crash(self, exc: BaseException) -> None:
        if self.stop.why is None:
            await super().handle_crash(exc)
            return
        with CancelScope(shield=True):
            state = _hook_state(self.stop.why)
            if state is not None:
                await self.call_hooks(state)


async def run(flow: Flow[Any, Any], flow_run: FlowRun, stop: Stop, threads: Threads) -> State[Any] | None:
    """Run a flow to its end: an async one on this loop, any other in a thread.

    Args:
        flow: What to run.
        flow_run: Its run, which has been claimed.
        stop: Set it, then cancel this call, to end an async flow.
        threads: For flows that block. Cancelling leaves their thread behind.

    Returns:
        The state as the API has it.
    """
    if inspect.iscoroutinefunction(flow.fn):
        return await _run_async(flow, flow_run, stop)
    if flow.isasync:
        generator = cast("Any", run_flow)(flow, flow_run=flow_run, return_type="state")
        async for _ in generator:
            pass
        return None

    def in_thread() -> State[Any] | None:
        value = cast("Any", run_flow)(flow, flow_run=flow_run, return_type="state")
        if isinstance(value, GeneratorType):
            for _ in value:
                pass
            return None
        return cast("State[Any] | None", value)

    return await threads.run(in_thread, label=flow.name)


def has_hooks(flow: Flow[Any, Any], why: StopCause) -> bool:
    """Whether a hook of the user's is to be called at this end."""
    hooks = {"cancelled": flow.on_cancellation_hooks, "crashed": flow.on_crashed_hooks, "moved": None}
    return bool(hooks[why])


async def run_hooks(flow: Flow[Any, Any], flow_run: FlowRun, why: StopCause) -> None:
    """Fire the hooks of a run whose own process could not."""
    state = _hook_state(why)
    if state is not None and has_hooks(flow, why):
        await AsyncFlowRunEngine[Any, Any](flow=flow, flow_run=flow_run, parameters={}).call_hooks(state)


def _hook_state(why: StopCause) -> State[Any] | None:
    if why == "cancelled":
        return Cancelling(message="the flow run was cancelled")
    if why == "crashed":
        return Crashed(message="the flow run was ended")
    return None


async def _run_async(flow: Flow[Any, Any], flow_run: FlowRun, stop: Stop) -> State[Any]:
    args, kwargs = parameters_to_args_kwargs(flow.fn, flow_run.parameters)
    engine = _Engine(flow=flow, flow_run=flow_run, parameters=get_call_parameters(flow.fn, args, kwargs))
    engine.stop = stop
    async with engine.start():
        while engine.is_running():
            async with engine.run_context():
                _ = await engine.call_flow_fn()
    return engine.state
