"""What a worker does for an orchestrator: run some leaves of its program, and leave their outcomes in the ledger."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from typing import NamedTuple

from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event

from genesis.engine.executor_context import executors, make_executor_context
from genesis.engine.local_backend import LocalBackend
from genesis.engine.mutexes import keep_lease
from genesis.engine.observer import Observers
from genesis.engine.observers.breaker_events import emit_breaker_events
from genesis.engine.observers.log import LogObserver
from genesis.engine.observers.run_logs import lines_in_ui
from genesis.engine.run_context import RunContext
from genesis.errors import RunError, UsageError
from genesis.flows.lane import Lane
from genesis.ledger import Header, Ledger, open_store, parse_amendments, parse_header
from genesis.ledger.history import files_folder, open_ledger
from genesis.ledger.program_state import ProgramState
from genesis.model import FINISHED, KEPT, Leaf, Outcome, Program
from genesis.observability.correlation import bind_context
from genesis.observability.instruments import DISPATCH_SECONDS
from genesis.observability.metrics import metrics_of_process
from genesis.pipeline import program_of
from genesis.prefect_api.names import relate_tag, run_tag
from genesis.resilience.breakers import breakers_of, store_of
from genesis.resilience.quotas import quotas_of
from genesis.resilience.retry import RetryBudget
from genesis.resilience.scope import agent_scopes
from genesis.schedule import find_unbatched
from genesis.settings import Settings

__all__ = ["Order", "OrderResult", "measure_wait_s", "work_on"]

_KEPT_PROGRAMS = 8
"""Programs that a warm child keeps compiled: it works for several runs in turn."""


@dataclass(frozen=True, slots=True)
class Order:
    """Which leaves of which run a worker is to run, one after the other."""

    run_id: str
    tasks: Sequence[str]
    """Paths of the leaves."""
    fingerprints: Sequence[str]
    """What each leaf was when it was dispatched."""
    attempt: int
    """Number of this attempt, from 1."""
    token: str
    """The id of this flow run."""
    agent: str | None = None
    """Who does them instead of the agent that the plan has."""
    given_s: float | None = None
    """Seconds that were left until the run's deadline when this was dispatched."""
    pool: str | None = None
    """The work pool that it came through."""
    waited_s: float = 0.0
    """Seconds from its dispatch to its begin."""
    lane_s: float = 0.0
    """How long at most it waits for further leaves, each time."""

    @property
    def left_s(self) -> float:
        """Seconds until the run's deadline, when this began."""
        return math.inf if self.given_s is None else self.given_s - self.waited_s


def measure_wait_s(flow_run: FlowRun) -> float:
    """Return how long a flow run that runs has waited; both times are of the server's one clock."""
    if flow_run.created is None or flow_run.state is None:
        return 0.0
    return max(0.0, (flow_run.state.timestamp - flow_run.created).total_seconds())


class OrderResult(NamedTuple):
    """What came of an order."""

    ended: list[Outcome]
    """In order, without those left out."""
    wanted: int
    """How many leaves it was given, those of further orders as well."""
    suspended: bool
    """Whether leaves were left out because the run was suspended."""


async def work_on(order: Order, settings: Settings) -> OrderResult:
    """Run leaves, and leave each outcome as an attempt in the ledger before the next one starts.

    When all are done, the orchestrator may send more of the same agent, which are executed as well.

    A leaf that comes after one that failed here is left out, and so are those that are left when the run is suspended.

    Raises:
        RunError: The ledger is not to be found from here, or the leaves are others than those that were dispatched.
    """
    if order.pool is not None:
        metrics_of_process().observe(DISPATCH_SECONDS, order.pool, value=order.waited_s)
    ledger = open_ledger(await open_store(), order.run_id, settings)
    try:
        raw = await ledger.header_bytes()
    except UsageError as error:
        raise _not_shared(ledger) from error
    header, program_state = _load_program(order.run_id, raw, await ledger.amendments_bytes(), settings)
    program = program_state.program
    leaves = _find_leaves(program, order, header)
    outcomes = await _upstream(ledger, program, leaves, {})
    session = _session(program_state, header, ledger, order, settings)
    store = store_of(settings.resilience, settings.home)
    budget = RetryBudget(len(program.leaves), store=store, name=order.run_id)
    backend = LocalBackend(session, outcomes, attempts=order.attempt - 1, budget=budget)
    with bind_context(correlation_id=session.correlation_id, run_id=session.run_id), lines_in_ui(settings):
        async with emit_breaker_events(session), backend:
            worked = await _run_in_order(session, order, leaves, outcomes, backend)
            lane = Lane(ledger, order.token, order.lane_s)
            while _is_done(worked) and (further := await lane.next()) is not None:
                order = replace(order, tasks=further.tasks, fingerprints=further.fingerprints)
                leaves = _find_leaves(program, order, header)
                outcomes |= await _upstream(ledger, program, leaves, outcomes)
                with bind_context(traceparent=further.trace):
                    more = await _run_in_order(session, order, leaves, outcomes, backend)
                worked = OrderResult(worked.ended + more.ended, worked.wanted + more.wanted, more.suspended)
            await lane.close()
    return worked


def _is_done(worked: OrderResult) -> bool:
    """Whether all leaves so far are done, so that others can be taken on."""
    return len(worked.ended) == worked.wanted and all(outcome.state in KEPT for outcome in worked.ended)


async def _run_in_order(
    session: RunContext, order: Order, leaves: Sequence[Leaf], outcomes: dict[int, Outcome], backend: LocalBackend
) -> OrderResult:
    """Run leaves one after the other; those that come after one that failed are left out."""
    ended: list[Outcome] = []
    for leaf in leaves:
        if not _may_start(session, leaf, outcomes):
            continue
        if await session.ledger.is_suspended():
            return OrderResult(ended, len(leaves), suspended=True)
        async with keep_lease(session, leaf):
            outcome = await backend.run(leaf)
        _stop_if_cancelled()
        ended.append(outcome)
        session.observer.leaf_changed(outcome)
        _emit_outcome(order, outcome)
        if outcome.state in KEPT:
            outcomes[leaf.index] = outcome
    return OrderResult(ended, len(leaves), suspended=False)


def _may_start(session: RunContext, leaf: Leaf, outcomes: Mapping[int, Outcome]) -> bool:
    """Whether all that a leaf comes after is done; for a work order, a work order is enough.

    The orchestrator alone knows what a plan's rules say of what is not done; it sends such a leaf by itself.
    """
    enough = KEPT if session.is_brief(leaf) else FINISHED
    if leaf.rule is not None and leaf.index in find_unbatched(session.program):
        return True
    return all(source in outcomes and outcomes[source].state in enough for source in leaf.after)


def _stop_if_cancelled() -> None:
    """Continue with a cancellation: the leaf that it met has ended, and none follows.

    Raises:
        CancelledError: This flow run is being ended.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


@lru_cache(maxsize=_KEPT_PROGRAMS)
def _load_program(
    run_id: str, raw: bytes, stored: tuple[bytes, ...], settings: Settings
) -> tuple[Header, ProgramState]:
    """Compile a run's program. Kept, because a warm worker gets many leaves of one run."""
    header, amendments = parse_header(run_id, raw), parse_amendments(run_id, stored)
    return header, ProgramState(program_of(header.document, header.registry, settings, amendments), amendments)


def _not_shared(ledger: Ledger) -> RunError:
    return RunError(
        f"this worker does not find run {ledger.run_id!r} in {ledger.where()}",
        hint="use one result storage everywhere: a block as PREFECT_DEFAULT_RESULT_STORAGE_BLOCK, or a "
        "shared folder as PREFECT_LOCAL_STORAGE_PATH",
        code="GEN-RUN-STORAGE",
    )


def _find_leaves(program: Program, order: Order, header: Header) -> list[Leaf]:
    """Find the leaves, and make sure that they are what the orchestrator means by these names."""
    by_path = {leaf.path: leaf for leaf in program.leaves}
    found = [by_path.get(path) for path in order.tasks]
    for path, leaf, fingerprint in zip(order.tasks, found, order.fingerprints, strict=True):
        if leaf is None or leaf.fingerprint != fingerprint:
            raise RunError(
                f"this worker (Genesis {version('prefect-genesis')}) understands task {path!r} of run {order.run_id!r} "
                f"otherwise than Genesis {header.genesis_version}, which orchestrates it",
                hint="run one version of Genesis, with the same settings, on all hosts; then: genesis resume "
                f"{order.run_id}",
                code="GEN-RUN-VERSION",
            )
    leaves = [leaf for leaf in found if leaf is not None]
    if order.agent is None:
        return leaves
    if any(order.agent not in (leaf.agent, *leaf.fallbacks) for leaf in leaves):
        raise RunError(f"agent {order.agent!r} is none that run {order.run_id!r} has for {', '.join(order.tasks)}")
    return [leaf.model_copy(update={"agent": order.agent}) for leaf in leaves]


async def _upstream(
    ledger: Ledger, program: Program, leaves: Sequence[Leaf], known: Mapping[int, Outcome]
) -> dict[int, Outcome]:
    """Read the outcomes that the leaves need from outside of this order, and that are not known yet."""
    own = {leaf.index for leaf in leaves} | known.keys()
    needed = sorted({source for leaf in leaves for source in leaf.after} - own)
    read = {source: await ledger.outcome(program.leaves[source]) for source in needed}
    certain = {
        source for leaf in leaves if not leaf.goes_by_ends for source in leaf.after
    }  # the others may not have run
    missing = [program.leaves[source].path for source in needed if read[source] is None and source in certain]
    if missing:
        raise RunError(
            f"the results of {', '.join(map(repr, missing))} are not in {ledger.where()}",
            hint="the result storage lags behind or is not shared; the task is dispatched again on resume",
            code="GEN-RUN-STORAGE",
        )
    return {source: outcome for source, outcome in read.items() if outcome is not None}


def _session(
    program_state: ProgramState, header: Header, ledger: Ledger, order: Order, settings: Settings
) -> RunContext:
    """Equip the work as the run was started: with its model, its rehearsal and its modules."""
    llm = settings.llm.model_copy(update={"model": header.llm})
    settings = settings.model_copy(update={"llm": llm})
    sys.path += [folder for folder in header.python_path if folder not in sys.path]
    works = header.rehearse is None
    return RunContext(
        program_state=program_state,
        ledger=ledger,
        correlation_id=header.correlation_id,
        settings=settings,
        executor=executors(
            program_state.program, make_executor_context(settings), rehearse=header.rehearse, model=header.llm
        ),
        slots=1,
        files=files_folder(ledger, settings),
        observer=Observers(
            LogObserver(ledger.run_id, header.correlation_id, noun="attempt", rehearsal=header.rehearse)
        ),
        rehearse=header.rehearse,
        planner_model=header.llm,
        token=order.token,
        until=time.monotonic() + order.left_s,
        breakers=breakers_of(settings.resilience, settings.home) if works else None,
        quotas=quotas_of(settings.resilience, settings.home) if works else None,
        scopes=agent_scopes(header.registry.agents, header.code_folders, settings.resilience.share),
    )


def _emit_outcome(order: Order, outcome: Outcome) -> None:
    """Notify the orchestrator that an outcome is in the ledger; it would also find it itself a little later."""
    emit_event(
        "genesis.leaf.ended",
        resource={
            "prefect.resource.id": f"genesis.leaf.{order.run_id}/{outcome.id}",
            "prefect.resource.name": outcome.id,
        },
        related=[relate_tag(run_tag(order.run_id))],
        payload={"path": outcome.id, "state": outcome.state, "flow_run_id": order.token},
    )
