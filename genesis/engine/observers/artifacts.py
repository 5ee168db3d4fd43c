"""Publish what a person reads as artifacts of the current flow run: few, and at the right time.

An artifact is a view. If the server does not take it, the run continues, and the run's log says so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable
from typing import TypeVar
from uuid import UUID

from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from genesis.prefect_api.client import PrefectClient
from genesis.prefect_api.errors import API_ERRORS
from genesis.resilience.degradation import Degradation, describe_error, step_down
from genesis.text import one_line

__all__ = ["Publisher", "publish_safely"]

_log = logging.getLogger(__name__)
_TIMEOUT_S = 10.0
"""Time limit for one artifact; a server that does not take it is no error of the run."""
_MOST_CHARACTERS = 500_000
"""The page of a run loads all its artifacts at once. A server of one's own sets no limit: it took 20 MB here."""

_Answer = TypeVar("_Answer")


class Publisher:
    """Creates and updates artifacts of the flow run that it is made in."""

    def __init__(self) -> None:
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            raise RuntimeError("artifacts are published from inside a flow run")
        self._client: PrefectClient = context.client  # type: ignore[assignment]  # async in an async flow
        self._flow_run_id = context.flow_run.id
        self._updatable: dict[str, UUID] = {}

    async def markdown(self, key: str, text: str, description: str) -> None:
        """Publish Markdown.

        Args:
            key: Lower-case letters, digits and dashes; in the UI it is the artifact's name.
            text: What it says.
            description: One line about it. The UI reads it as Markdown: what comes from elsewhere must be escaped.
        """
        await self._create("markdown", key, _truncate(text), description)

    async def table(self, key: str, rows: list[dict[str, str]], description: str) -> None:
        """Publish a table; the arguments are as for `markdown`."""
        await self._create("table", key, json.dumps(rows), description)

    async def update(self, key: str, text: str) -> None:
        """Replace the text of an artifact that was published before; one that was not published stays so."""
        if key in self._updatable:
            update = ArtifactUpdate(data=_truncate(text))
            await self._send(key, self._client.update_artifact(self._updatable[key], update))

    async def _create(self, kind: str, key: str, data: str, description: str) -> None:
        request = ArtifactCreate(
            type=kind, key=key, description=one_line(description), data=data, flow_run_id=self._flow_run_id
        )
        created = await self._send(key, self._client.create_artifact(request))
        if created is not None:
            self._updatable[key] = created.id

    async def _send(self, key: str, call: Awaitable[_Answer]) -> _Answer | None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await call
        except API_ERRORS as error:
            reason = one_line(repr(error), 300)
            get_run_logger().warning(
                "Artifact %r is not published: %s", key, reason, extra={"artifact": key, "reason": reason}
            )
            return None


async def publish_safely(what: str, publishing: Awaitable[None]) -> None:
    """Publish something that the run can do without: whatever goes wrong in it is a line in the log.

    Args:
        what: What it shows, for that line.
        publishing: Makes and publishes it.
    """
    try:
        await publishing
    except Exception as error:  # noqa: BLE001  # the boundary of what is only shown
        reason = describe_error(error)
        _log.warning("%s is not shown", what, extra={"artifact": what, "reason": reason})
        step_down(Degradation("observing", "an artifact", "no artifact", reason))


def _truncate(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}\n\n… the rest is too long to show."
