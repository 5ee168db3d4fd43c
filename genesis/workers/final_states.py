"""Report to the API how a flow run ended that did not report it itself."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Crashed, Scheduled

from genesis.prefect_api.client import ApiUnavailable, PrefectApi, PrefectClient

__all__ = ["FinalStates"]

_log = logging.getLogger(__name__)
_TAKEOVERS = 3
"""How often a run that orchestrates is given to another child."""


class FinalStates:
    """Sets final states, and gives flow runs back.

    Args:
        api: The API.
        notify: Is given a sentence when that does not succeed.
    """

    def __init__(self, api: PrefectApi, notify: Callable[[str], None]):
        self._api = api
        self._notify = notify
        self.give_up_s: float = math.inf
        """How long to wait for an API that is away; forever while the worker serves."""

    async def report_cancelled(self, flow_run: FlowRun, what: str) -> None:
        """Report that a run was cancelled, and what was done to it."""
        await self._end(flow_run, Cancelled(message=f"cancelled: {what}"))

    async def report_crashed(self, flow_run: FlowRun, why: str) -> bool:
        """Report that a run crashed; one that was being cancelled is cancelled by that.

        Returns:
            Whether it is crashed now.
        """
        return await self._end(flow_run, Crashed(message=why), Cancelled(message=f"cancelled: {why}"))

    async def retry_elsewhere(self, flow_run: FlowRun, why: str) -> None:
        """Schedule an orchestrator again for any worker; after a few times it is crashed instead."""
        if flow_run.run_count >= _TAKEOVERS:
            await self.report_crashed(flow_run, f"{why}; it was taken over {_TAKEOVERS} times before")
            return
        again: State[Any] = AwaitingRetry(message=f"{why}; it continues in another process")
        await self._end(flow_run, again, Cancelled(message=f"cancelled: {why}"))

    async def reschedule(self, flow_run: FlowRun, why: str) -> None:
        """Have a run that was claimed and never began taken by whichever worker is free."""
        again: State[Any] = Scheduled(message=f"{why} before it began")
        await self._end(flow_run, again, Cancelled(message=f"cancelled: {why}"))

    async def _end(self, flow_run: FlowRun, state: State[Any], when_cancelling: State[Any] | None = None) -> bool:
        """Set a state, unless the run has ended meanwhile or another process has it.

        Returns:
            Whether it has that state now.
        """

        async def set_it(client: PrefectClient) -> bool:
            current = await client.read_flow_run(flow_run.id)
            if current.state is None or current.state.is_final() or _is_another_execution(current, flow_run):
                return False
            if state.is_scheduled() and current.state.is_paused():  # who resumes it schedules it
                return False
            cancelling = current.state.is_cancelling() and when_cancelling is not None
            chosen = when_cancelling if cancelling and when_cancelling is not None else state
            answer = await client.set_flow_run_state(flow_run.id, chosen)
            return answer.state is not None and answer.state.type == state.type

        try:
            return await self._api.call(set_it, give_up_s=self.give_up_s)
        except ObjectNotFound:
            return False
        except ApiUnavailable:
            self._notify(f"the end of flow run {flow_run.name!r} could not be reported to the API: {state.message}")
            return False


def _is_another_execution(current: FlowRun, claimed: FlowRun) -> bool:
    """Whether a flow run was scheduled or claimed once more since it was claimed."""
    if claimed.state is None or current.state is None:
        return False
    again = current.state.is_scheduled() or current.state.is_pending()
    return current.run_count > claimed.run_count + 1 or (again and current.state.timestamp > claimed.state.timestamp)
