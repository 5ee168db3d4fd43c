"""Start a run, or continue with one: ledger, lock, executors, and the flow around it all."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, chdir, nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

from prefect.context import FlowRunContext

from genesis.agents import LocalProbe
from genesis.agents.functions import Functions
from genesis.agents.machine import machine_resources
from genesis.engine.executor_context import executors, make_executor_context
from genesis.engine.leaf_backend import LeafBackend
from genesis.engine.lifecycle import BackendFactory
from genesis.engine.local_backend import LocalBackend
from genesis.engine.observer import NullObserver, Observer
from genesis.engine.observers.watch import RestartServer
from genesis.engine.run_context import RunContext
from genesis.engine.run_lease import take_turn
from genesis.errors import RunError
from genesis.flows.orchestrate import orchestrate
from genesis.ledger import Header, Ledger, RunLock, new_run_id, open_store
from genesis.ledger.control import Control
from genesis.ledger.history import files_folder, find_run, load_program_state, open_ledger, run_lock, still_there
from genesis.ledger.program_state import ProgramState
from genesis.model import Outcome, Program, Run
from genesis.model.run import utc_now
from genesis.observability.correlation import current, here, new_id
from genesis.observability.instruments import RESUMES
from genesis.observability.metrics import metrics_of_process
from genesis.planning import load_plan, plan_document
from genesis.planning.overrides import Overrides
from genesis.resilience.breakers import breakers_of
from genesis.resilience.quotas import quotas_of
from genesis.resilience.scope import agent_scopes
from genesis.settings import Settings

__all__ = ["Launch", "resume_run", "start_run"]

_log = logging.getLogger(__name__)
_IDS = 20
"""A run id that is taken is drawn again, at most so often."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run, besides what."""

    settings: Settings
    rehearse: float | None = None
    """Scale of a rehearsal; None for real work."""
    observer: Observer = field(default_factory=NullObserver)
    control: Control | None = None
    functions: Functions | None = None
    """Functions of this process that cannot be imported."""
    python_path: tuple[str, ...] = ()
    """Folders where `python` executors find the team's own modules, after all others."""
    restart_server: RestartServer | None = None
    """Brings the Prefect server back when it has gone."""
    pools: bool = False
    """Dispatch the leaves to the work pools of their agents."""
    earlier: str | None = None
    """Where the run's first execution is in a trace, where this one continues with it."""
    deployed: bool = False
    """Whether another worker may take over the run when this process dies."""
    tenant: str | None = None
    """For whom the run is; of a run that continues, who it was for if omitted."""
    overrides: Overrides = field(default_factory=Overrides)
    """Bounds on top of those of the run, when it continues."""
    notify: Callable[[str], None] = _log.warning
    """Tells a person what the run waits for."""


async def start_run(
    program: Program, launch: Launch, run_id: str | None = None, *, flow_run_id: UUID | None = None
) -> Run:
    """Run a program under a new run id.

    Args:
        program: What to run.
        launch: How.
        run_id: The new id, where it is given from outside.
        flow_run_id: The flow run that the run belongs to, where a worker runs it.

    Raises:
        ServiceError: The Prefect API cannot be reached.
        ResourceError: The ledger cannot be written.
        RunError: There is a run of the given id.
    """
    now = utc_now()
    with ExitStack() as held:
        ledger = await _new_ledger(held, launch, [run_id] if run_id else (new_run_id(now) for _ in range(_IDS)))
        header = Header(
            genesis_version=version("prefect-genesis"),
            run_id=ledger.run_id,
            correlation_id=program.source.plan.correlation_id or current().correlation_id or new_id(),
            trace=here(),
            created_at=now,
            document=plan_document(program.source),
            registry=program.registry,
            slots=launch.settings.run.slots,
            rehearse=launch.rehearse,
            llm=launch.settings.llm.model,
            python_path=launch.python_path,
            pools=launch.pools,
            folder=None if launch.pools else str(Path.cwd()),
            flow_run_id=str(flow_run_id) if flow_run_id else None,
            tenant=launch.tenant,
        )
        await ledger.begin(header)
        return await _execute(ProgramState(program), header, ledger, launch)


async def _new_ledger(held: ExitStack, launch: Launch, ids: Iterable[str]) -> Ledger:
    """Open and lock the ledger of the first of these ids that no run has.

    A deployed run has one id, and the process that was to begin it may have stopped in between, with its lock and
    without a header: that is waited for.

    Raises:
        RunError: Every id is taken.
    """
    store = await open_store()
    taken: RunError | None = None
    for run_id in ids:
        ledger = open_ledger(store, run_id, launch.settings)
        with ExitStack() as locked:
            try:
                await _hold(locked, ledger, run_lock(ledger, launch.settings), launch)
            except RunError as busy:
                taken = busy
                continue
            if not await ledger.exists():
                held.enter_context(locked.pop_all())
                return ledger
        taken = RunError(
            f"there is a run {run_id!r} already",
            hint=f"to continue with it: genesis resume {run_id}",
            code="GEN-RUN-EXISTS",
        )
    raise taken or RunError("no run id was given")


async def _hold(held: ExitStack, ledger: Ledger, lock: RunLock, launch: Launch) -> None:
    """Lock a run for as long as a stack is open. A deployed run waits until the previous holder releases it.

    Raises:
        RunError: Another process works on it; of a deployed run, it was cancelled while it was waited for.
    """
    if launch.deployed:
        await take_turn(ledger, lock, launch.control or Control(), launch.notify)
        held.push(lock)
    else:
        held.enter_context(lock)


async def resume_run(run_id: str, launch: Launch) -> Run:
    """Continue with a run: what is done stays done, the rest runs.

    The plan, the registry, the slots, the model, the rehearsal and the pools are those that it was started with. Bounds
    that the launch overrides are written down, and hold from then on.

    Raises:
        UsageError: There is no such run.
        RunError: Another process works on it.
    """
    ledger, header = await find_run(run_id, launch.settings)
    given = launch.settings
    update = {
        "run": given.run.model_copy(update={"slots": header.slots}),
        "llm": given.llm.model_copy(update={"model": header.llm}),
    }
    settings = given.model_copy(update=update)
    before, header = header, _overridden(header, launch.overrides, settings)
    header = header.model_copy(update={"tenant": launch.tenant or header.tenant})
    control = launch.control or Control()
    again = replace(
        launch, settings=settings, rehearse=header.rehearse, pools=header.pools, earlier=header.trace, control=control
    )
    metrics_of_process().count(RESUMES)
    lock = run_lock(ledger, settings, existing=True)
    with _original_folder(header, ledger), ExitStack() as held:
        await _hold(held, ledger, lock, again)
        await still_there(ledger)
        program_state = await load_program_state(
            ledger, header, settings
        )  # the previous orchestrator may have amended it
        if header != before:
            await ledger.begin(header)
        return await _execute(program_state, header, ledger, again)


def _overridden(header: Header, overrides: Overrides, settings: Settings) -> Header:
    """Put bounds into the plan that a run keeps."""
    if overrides == Overrides():
        return header
    before = load_plan(header.document, limits=settings.limits)
    plan = overrides.apply(before)
    bounds = plan.model_dump(mode="json", include={"budget", "deadline_s", "retries"}, exclude_none=True)
    return header.model_copy(update={"document": header.document | bounds})


def _original_folder(header: Header, ledger: Ledger) -> AbstractContextManager[None]:
    """Go to the folder where the run was started: what its leaves read and write there is meant by relative names.

    Raises:
        RunError: It does not exist any more.
    """
    if header.folder is None or header.folder == str(Path.cwd()):
        return nullcontext()
    if Path(header.folder).is_dir():
        return chdir(header.folder)
    if ledger.folder is None:  # the storage is shared: another host may have no such folder
        _log.warning("the run was started in %s, which is not here; it continues in this folder", header.folder)
        return nullcontext()
    raise RunError(
        f"run {header.run_id!r} was started in {header.folder}, and that folder does not exist any more",
        hint="restore it, or run the plan again where its files are",
        code="GEN-RUN-FOLDER",
    )


async def _execute(program_state: ProgramState, header: Header, ledger: Ledger, launch: Launch) -> Run:
    settings = launch.settings
    sys.path += [folder for folder in header.python_path if folder not in sys.path]
    tools = make_executor_context(settings, launch.functions)
    session = RunContext(
        program_state=program_state,
        ledger=ledger,
        correlation_id=header.correlation_id,
        settings=settings,
        executor=executors(program_state.program, tools, rehearse=launch.rehearse, model=settings.llm.model),
        slots=settings.run.slots,
        files=files_folder(ledger, settings),
        rehearse=launch.rehearse,
        planner_model=settings.llm.model,
        observer=launch.observer,
        deployed=launch.deployed,
        tenant=header.tenant,
        earlier=launch.earlier,
        breakers=breakers_of(settings.resilience, settings.home) if launch.rehearse is None else None,
        quotas=quotas_of(settings.resilience, settings.home) if launch.rehearse is None else None,
        scopes=agent_scopes(header.registry.agents, header.code_folders, settings.resilience.share),
        probe=None if launch.rehearse is not None or launch.pools else LocalProbe(tools),
        machine=None if launch.pools else machine_resources(),
    )
    backend = _pools(launch.notify) if launch.pools else LocalBackend
    ledger.reserve.hold(len(program_state.program.leaves))
    try:
        return await orchestrate(session, launch.control or Control(), launch.restart_server, backend)
    finally:
        ledger.reserve.drop()


def _pools(notify: Callable[[str], None]) -> BackendFactory:
    """Make the place on the pools, inside the flow run that orchestrates."""
    from genesis.dispatch import PoolBackend  # noqa: PLC0415  # only where there are pools

    def backend(session: RunContext, outcomes: dict[int, Outcome]) -> LeafBackend:
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            raise RunError("leaves are dispatched to pools from a flow run only")
        return PoolBackend(session, context.flow_run.id, outcomes, notify=notify)

    return backend
