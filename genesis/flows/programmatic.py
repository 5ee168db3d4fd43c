"""The Python face of execution: run a program, or continue with a run, from a script or from inside a Prefect flow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from prefect.context import FlowRunContext

from genesis.agents import functions_of
from genesis.engine.observer import NullObserver, Observer
from genesis.flows.connection import connect
from genesis.flows.launch import Launch, resume_run, start_run
from genesis.model import Program, Run
from genesis.server import ensure_api
from genesis.settings import Settings

__all__ = ["resume", "run"]


async def run(
    program: Program,
    *,
    slots: int | None = None,
    rehearse: float | None = None,
    functions: Iterable[Callable[..., Any]] = (),
    observer: Observer | None = None,
    settings: Settings | None = None,
) -> Run:
    """Run a program and say what happened. Inside a flow, its leaves are task runs of that flow.

    Args:
        program: What `compile_program` gave.
        slots: Leaves running at once; 16 where neither this nor the settings say otherwise.
        rehearse: Replace every agent by a timer of its leaf's estimate times this.
        functions: Functions marked with `genesis.agent` that cannot be imported, such as those of a notebook.
        observer: Called on each change.
        settings: Read from the environment where missing.

    Raises:
        ServiceError: The Prefect API cannot be reached.
        ResourceError: The ledger cannot be written.
    """
    launch = _launch(settings, slots, rehearse, functions, observer)
    return await _anywhere(launch, lambda how: start_run(program, how))


async def resume(
    run_id: str,
    *,
    functions: Iterable[Callable[..., Any]] = (),
    observer: Observer | None = None,
    settings: Settings | None = None,
) -> Run:
    """Continue with a run: what is done stays done, the rest runs.

    Raises:
        UsageError: There is no such run.
        RunError: Another process works on it.
        ServiceError: The Prefect API cannot be reached.
    """
    launch = _launch(settings, None, None, functions, observer)
    return await _anywhere(launch, lambda how: resume_run(run_id, how))


def _launch(
    settings: Settings | None,
    slots: int | None,
    rehearse: float | None,
    functions: Iterable[Callable[..., Any]],
    observer: Observer | None,
) -> Launch:
    settings = settings or Settings()
    if slots is not None:
        settings = settings.model_copy(update={"run": settings.run.model_copy(update={"slots": slots})})
    return Launch(settings, rehearse, observer or NullObserver(), functions=functions_of(functions))


async def _anywhere(launch: Launch, start: Callable[[Launch], Awaitable[Run]]) -> Run:
    if FlowRunContext.get() is not None:
        return await start(launch)

    async def restart_server() -> None:
        await asyncio.to_thread(ensure_api, launch.settings)

    api = await asyncio.to_thread(ensure_api, launch.settings)
    with connect(api):
        return await start(replace(launch, restart_server=restart_server) if api.embedded else launch)
