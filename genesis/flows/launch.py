"""Start a run, or go on with one: ledger, lock, executors, and the flow around it all."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from genesis.agents import LocalProbe
from genesis.agents.functions import Functions
from genesis.execute.control import Control
from genesis.execute.equipment import equipment, executors
from genesis.execute.ledger import Header, Ledger, RunLock, Store, new_run_id, open_store
from genesis.execute.observer import Observer, Silent
from genesis.execute.session import Session, utc_now
from genesis.model import ErrorInfo, Program, Run
from genesis.pipeline import program_of
from genesis.planning import plan_document
from genesis.settings import Settings

__all__ = ["Launch", "resume_run", "show_run", "start_run"]


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run, besides what."""

    settings: Settings
    rehearse: float | None = None
    """Scale of a rehearsal; None for real work."""
    observer: Observer = field(default_factory=Silent)
    control: Control | None = None
    functions: Functions | None = None
    """Functions of this process that cannot be imported."""


async def start_run(program: Program, launch: Launch) -> Run:
    """Run a program under a new run id.

    Raises:
        ServiceError: The Prefect API cannot be reached.
        ResourceError: The ledger cannot be written.
    """
    now = utc_now()
    store = await open_store()
    run_id = new_run_id(now)
    header = Header(
        genesis_version=version("prefect-genesis"),
        run_id=run_id,
        correlation_id=program.correlation_id or secrets.token_hex(8),
        created_at=now,
        document=plan_document(program.source),
        registry=program.registry,
        slots=launch.settings.run.slots,
        rehearse=launch.rehearse,
        llm=launch.settings.llm.model,
    )
    ledger = _ledger(store, run_id, launch.settings)
    async with _owned(ledger, launch.settings):
        await ledger.begin(header)
        return await _execute(program, header, ledger, launch)


async def resume_run(run_id: str, launch: Launch) -> Run:
    """Go on with a run: what is done stays done, the rest runs.

    The plan, the registry, the slots, the model and the rehearsal are those that it was started with.

    Raises:
        UsageError: There is no such run.
        RunError: Another process works on it.
    """
    ledger, header = await find_run(run_id, launch.settings)
    settings = launch.settings
    settings = settings.model_copy(
        update={
            "run": settings.run.model_copy(update={"slots": header.slots}),
            "llm": settings.llm.model_copy(update={"model": header.llm}),
        }
    )
    program = program_of(header.document, header.registry, settings)
    again = Launch(settings, header.rehearse, launch.observer, launch.control, launch.functions)
    async with _owned(ledger, settings):
        return await _execute(program, header, ledger, again)


async def find_run(run_id: str, settings: Settings) -> tuple[Ledger, Header]:
    """Find a run's ledger, without any server.

    Raises:
        UsageError: There is no such run.
    """
    ledger = _ledger(await open_store(), run_id, settings)
    return ledger, await ledger.header()


async def show_run(run_id: str, settings: Settings) -> Run:
    """Give what the ledger knows of a run.

    A run whose process has ended without a word is shown as failed, with how to go on.
    """
    ledger, header = await find_run(run_id, settings)
    program = program_of(header.document, header.registry, settings)
    saved = await ledger.load()
    finished = {leaf.path: await ledger.outcome(leaf) for leaf in program.leaves}
    if saved is None:
        saved = _unstarted(header, program)
    tasks = tuple(finished.get(task.id) or task for task in saved.tasks)
    run = saved.model_copy(update={"tasks": tasks})
    if run.state not in ("running", "pending") or _lock(ledger, settings).held_elsewhere:
        return run
    error = ErrorInfo(
        code="GEN-RUN-INTERRUPTED",
        message="its process ended before the run did",
        hint=f"run: genesis resume {run_id}",
    )
    return run.model_copy(update={"state": "failed", "error": error})


def _unstarted(header: Header, program: Program) -> Run:
    from genesis.model import Outcome

    return Run(
        run_id=header.run_id,
        correlation_id=header.correlation_id,
        state="pending",
        planner=program.source.plan.planner,
        started_at=header.created_at,
        cost_usd=0,
        tasks=tuple(Outcome(id=leaf.path, agent=leaf.agent) for leaf in program.leaves),
    )


def _ledger(store: Store, run_id: str, settings: Settings) -> Ledger:
    return Ledger(store, run_id, inline_bytes=settings.limits.result_inline_bytes)


def _lock(ledger: Ledger, settings: Settings) -> RunLock:
    folder = ledger.folder or settings.home / "locks"
    return RunLock(folder / ".lock" if ledger.folder else folder / ledger.run_id, ledger.run_id)


@asynccontextmanager
async def _owned(ledger: Ledger, settings: Settings) -> AsyncIterator[None]:
    with _lock(ledger, settings):
        yield


def _files(ledger: Ledger, settings: Settings) -> Path:
    return (ledger.folder or settings.home / "runs" / ledger.run_id) / "files"


async def _execute(program: Program, header: Header, ledger: Ledger, launch: Launch) -> Run:
    from genesis.flows.orchestrate import orchestrate

    settings = launch.settings
    tools = equipment(settings, launch.functions)
    session = Session(
        program=program,
        ledger=ledger,
        correlation_id=header.correlation_id,
        settings=settings,
        executor=executors(program, tools, rehearse=launch.rehearse, model=settings.llm.model),
        slots=settings.run.slots,
        files=_files(ledger, settings),
        planner_model=settings.llm.model,
        observer=launch.observer,
    )
    probe = None if launch.rehearse is not None else LocalProbe(tools)
    return await orchestrate(session, launch.control or Control(), probe)
