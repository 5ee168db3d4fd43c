"""Notice while a run continues that the Prefect server has gone, and bring an embedded one back.

Leaves do not need the server while they run, and the ledger is the truth. But Prefect's client waits for a server that
has gone: a minute and more at the end of a flow, and seconds for each event. So it is looked after from the side.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from prefect.context import FlowRunContext

from genesis.engine.limits import SERVER_POLL_S
from genesis.errors import GenesisError
from genesis.prefect_api.health import HealthProbe

__all__ = ["RestartServer", "ServerWatch"]

_log = logging.getLogger(__name__)
_TIMEOUT_S = 2.0
"""Time limit for the answer to a health request."""
_STRIKES = 3
"""Failed health requests in a row before the embedded server is restarted."""

RestartServer = Callable[[], Awaitable[None]]
"""Brings the server back; raises a `GenesisError` when it cannot."""


class ServerWatch:
    """Asks the API of the current flow run every two seconds. Enter it inside the flow run.

    Args:
        fix: Brings the server back; None where it is not ours.
    """

    def __init__(self, restart_server: RestartServer | None):
        self.gone = False
        """Whether the server did not answer several times running and could not be brought back."""
        self._restart_server = restart_server
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        context = FlowRunContext.get()
        if context is not None and context.client is not None:
            self._task = asyncio.create_task(self._look(str(context.client.api_url)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()

    async def check(self) -> None:
        """Look once more, now: before the end of a flow, which waits long for a server that has gone."""
        context = FlowRunContext.get()
        if context is None or context.client is None:
            return
        async with HealthProbe(str(context.client.api_url), _TIMEOUT_S) as probe:
            for _ in range(_STRIKES):
                if await probe.answers():
                    self.gone = False
                    return
        await self._handle_loss()

    async def _look(self, url: str) -> None:
        strikes = 0
        async with HealthProbe(url, _TIMEOUT_S) as probe:
            while True:
                await asyncio.sleep(SERVER_POLL_S)
                if await probe.answers():
                    strikes, self.gone = 0, False
                    continue
                strikes += 1
                if strikes == _STRIKES:
                    await self._handle_loss()
                    strikes = 0

    async def _handle_loss(self) -> None:
        if self._restart_server is None:
            self.gone = True
            _log.warning("the Prefect server has gone; the run continues without it")
            return
        _log.warning("the Prefect server has gone and is started again")
        try:
            await self._restart_server()
            self.gone = False
        except GenesisError as error:
            self.gone = True
            _log.warning("the Prefect server has gone and does not start again", extra={"reason": error.message})
