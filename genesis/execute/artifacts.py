"""Publish what a person reads as artifacts of the current flow run: few, and at the right time.

An artifact is a view. If the server does not take it, the run goes on, and the log says so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException

__all__ = ["Publisher"]

_log = logging.getLogger(__name__)
_TIMEOUT_S = 10.0


class Publisher:
    """Creates and updates artifacts of the flow run that it is made in."""

    def __init__(self) -> None:
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            raise RuntimeError("artifacts are published from inside a flow run")
        self._client: PrefectClient = context.client  # type: ignore[assignment]  # async in an async flow
        self._flow_run_id = context.flow_run.id
        self._updatable: dict[str, Any] = {}

    async def markdown(self, key: str, text: str, description: str) -> None:
        """Publish Markdown."""
        await self._create("markdown", key, text, description)

    async def table(self, key: str, rows: list[dict[str, str]], description: str) -> None:
        """Publish a table."""
        await self._create("table", key, json.dumps(rows), description)

    async def update(self, key: str, text: str) -> None:
        """Replace the text of an artifact that was published before."""
        if key in self._updatable:
            await self._send(key, self._client.update_artifact(self._updatable[key], ArtifactUpdate(data=text)))

    async def _create(self, kind: str, key: str, data: str, description: str) -> None:
        request = ArtifactCreate(type=kind, key=key, description=description, data=data, flow_run_id=self._flow_run_id)
        created = await self._send(key, self._client.create_artifact(request))
        if created is not None:
            self._updatable[key] = created.id

    async def _send(self, key: str, call: Any) -> Any:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await call
        except (httpx.HTTPError, PrefectException, OSError, TimeoutError) as error:
            _log.warning("artifact not published", extra={"artifact": key, "reason": repr(error)})
            return None
