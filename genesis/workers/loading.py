"""Find the flow of a flow run, in a child."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prefect import Flow
from prefect.deployments.steps.core import run_steps
from prefect.filesystems import WritableFileSystem
from prefect.flows import load_flow_from_entrypoint
from prefect.results import aget_default_result_storage

__all__ = ["Flows", "back_home", "is_module"]

_log = logging.getLogger(__name__)
_INSTALLED = "genesis."
"""Modules that need no pull step."""
_STORAGE_KNOWN_S = 60.0
"""How long the default result storage is taken to be the same."""


def is_module(entrypoint: str, *, pulls: Sequence[dict[str, Any]]) -> bool:
    """Whether a deployment's entrypoint names a module that is imported once and kept.

    Args:
        entrypoint: `package.module.flow`, or `file.py:flow`.
        pulls: The steps by which its code is fetched.
    """
    return ":" not in entrypoint and (not pulls or entrypoint.startswith(_INSTALLED))


class Flows:
    """Gives flows, and keeps those that are imported as modules."""

    def __init__(self) -> None:
        self._kept: dict[str, Flow[Any, Any]] = {}
        self._storage: WritableFileSystem | None = None
        self._storage_known_at = float("-inf")

    async def find(self, entrypoint: str, *, pulls: Sequence[dict[str, Any]]) -> Flow[Any, Any]:
        """Return the flow of an entry point. What cannot be imported raises whatever its import raises.

        The deployment is not read again, as Prefect's own function does: it could have changed since it was checked.

        Args:
            entrypoint: As it was checked.
            pulls: The operator's pull steps, which are run first where the flow is not a module of Genesis.
        """
        if not is_module(entrypoint, pulls=pulls):
            fetched = await run_steps([*pulls], print_function=_log.info)
            if folder := fetched.get("directory"):
                os.chdir(folder)
            return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
        if entrypoint not in self._kept:
            self._kept[entrypoint] = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
        flow = self._kept[entrypoint]
        if flow.result_storage is None or flow.result_storage is self._storage:
            flow.result_storage = await self._default_storage()
        return flow

    async def _default_storage(self) -> WritableFileSystem:
        """Return the default result storage, which the engine would otherwise ask the API for in each flow run."""
        if time.monotonic() - self._storage_known_at > _STORAGE_KNOWN_S:
            self._storage = await aget_default_result_storage()
            self._storage_known_at = time.monotonic()
        assert self._storage is not None  # noqa: S101  # for the type checker
        return self._storage


@contextmanager
def back_home(folder: str | None) -> Iterator[None]:
    """Work in a folder, and come back afterwards from wherever loading a flow has gone.

    Args:
        folder: Where to go; None to start where the process is.
    """
    home, path = os.getcwd(), list(sys.path)  # noqa: PTH109  # as a string, to go back by
    if folder is not None:
        os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(home)
        sys.path[:] = path
