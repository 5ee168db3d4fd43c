"""The life of a run inside its flow run: check, run the leaves, publish, and keep the ledger's state."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from prefect.context import FlowRunContext

from genesis.engine.attempts import fault_info
from genesis.engine.driver import Driver
from genesis.engine.ending import Ending
from genesis.engine.leaf_backend import LeafBackend
from genesis.engine.local_backend import LocalBackend
from genesis.engine.observer import Observers
from genesis.engine.observers.artifacts import Publisher, publish_safely
from genesis.engine.observers.progress import ProgressArtifact
from genesis.engine.observers.run_journal import RunJournal
from genesis.engine.run_context import RunContext
from genesis.engine.skipped_leaves import show_unrun
from genesis.engine.task_runs import settle_task_runs
from genesis.engine.working_folder import find_damaged
from genesis.errors import GenesisError, ResourceError
from genesis.ledger import find_kept
from genesis.ledger.control import Control
from genesis.ledger.deliverables import deliverables, file_rows, short_text, work_orders
from genesis.model import Outcome, Program, Run
from genesis.report.markdown import plan_markdown, routing_rows, run_markdown
from genesis.report.picture import Picture
from genesis.resilience.degradation import Degradation, innermost, step_down
from genesis.text.markdown import escape_document, escape_markdown

__all__ = ["BackendFactory", "RunRecord", "run_leaves"]

_log = logging.getLogger(__name__)
_MOST_REPORTS = 10
"""Reports of last leaves that become artifacts: the page of a run loads all of them."""

BackendFactory = Callable[[RunContext, dict[int, Outcome]], LeafBackend]
"""Makes the backend that runs the leaves of a session; it sees the outcomes as they come in."""


class RunRecord:
    """The run as the ledger and the observers see it, from its start to its end.

    Args:
        session: The run.
        ui_url: Its page in the Prefect UI.
        journal: Records what happens, if the ledger is to have it; the session's observer calls it.
    """

    def __init__(self, session: RunContext, ui_url: str | None, journal: RunJournal | None = None):
        self._session = session
        self._journal = journal
        self._followed = False
        self._ui_url = ui_url
        self._started_at = session.now()
        self.outcomes: dict[int, Outcome] = {}
        """What is known of the leaves, by index, for the case that the run breaks."""
        self.unshown = 0
        """Leaves that the Prefect UI lacks or shows as not final, if that was checked."""

    async def record_start(self, finished: dict[int, Outcome]) -> None:
        """Note that the run runs."""
        run = self._run(Ending("running"), finished, None)
        await self._follow()
        await self._session.ledger.save(run)
        self._session.observer.run_started(self._session.program, run, finished)

    async def record_end(self, ending: Ending, outcomes: dict[int, Outcome]) -> Run:
        """Note how the run ended."""
        run = self._run(ending, outcomes, self._session.now())
        await self._follow()
        await self._save_end(run)
        self._session.observer.run_ended(run)
        await self._write_moments()
        return run

    async def record_fault(self, error: Exception) -> Run:
        """Record that an unexpected error ended the run. What is finished stays so, and a resume continues.

        Args:
            error: What was raised.

        Raises:
            Exception: `error` itself, where the ledger does not take the run's state.
        """
        error = innermost(error)
        info = fault_info(error, self._session.run_id)
        _log.error("the run ended with an unexpected error", extra={"reason": info.message}, exc_info=error)
        step_down(Degradation("execution", "the run", "a saved state", info.message))
        try:
            kept = await self._session.ledger.read_finished(self._session.program.leaves)
            return await self.record_end(Ending("failed", info), kept | self.outcomes)
        except Exception as unsaved:  # what ended the run is what its caller has to know
            raise error from unsaved

    async def _follow(self) -> None:
        """Read what earlier executions noted, once; without it, the run continues all the same."""
        if self._journal is None or self._followed:
            return
        self._followed = True
        ledger = self._session.ledger
        try:
            self._journal.resume_from(await ledger.moments(), await ledger.load())
        except GenesisError as error:
            _log.warning("what happened in the run before cannot be read", extra={"reason": error.message})

    async def _write_moments(self) -> None:
        """Write down what happened; no run fails because that cannot be done."""
        if self._journal is None:
            return
        try:
            await self._session.ledger.write_moments(self._journal.collect())
        except GenesisError as error:
            _log.warning("what happened in the run cannot be written down", extra={"reason": error.message})

    async def _save_end(self, run: Run) -> None:
        """Save how the run ended; on a disk that is full, as little as says it, and else nothing.

        The results are in the leaves' own records, too, which are read before the state.
        """
        try:
            await self._session.ledger.save(run)
        except ResourceError as error:
            _log.warning("how the run ended cannot be written down", extra={"reason": error.message})
            brief = tuple(task.model_copy(update={"result": None}) for task in run.tasks)
            with suppress(ResourceError):
                await self._session.ledger.save(run.model_copy(update={"tasks": brief}))

    def _run(self, ending: Ending, outcomes: dict[int, Outcome], ended_at: datetime | None) -> Run:
        session = self._session
        leaves = session.program.leaves
        tasks = tuple(outcomes.get(leaf.index) or Outcome(id=leaf.path, agent=leaf.agent) for leaf in leaves)
        until = ended_at or self._started_at
        return Run(
            run_id=session.run_id,
            correlation_id=session.correlation_id,
            state=ending.state,
            planner=session.program.source.plan.planner,
            rehearsal=session.rehearse,
            started_at=self._started_at,
            ended_at=ended_at,
            duration_s=max(0.0, (until - self._started_at).total_seconds()),
            cost_usd=sum((task.spent_usd for task in tasks), Decimal(0)),
            tasks=tasks,
            ui_url=self._ui_url,
            error=ending.error,
            findings=ending.findings,
            left_out=session.program.source.plan.left_out,
            unshown=self.unshown,
        )


async def run_leaves(
    session: RunContext, control: Control, record: RunRecord, backend: BackendFactory = LocalBackend
) -> Run:
    """Run the leaves of a session inside the current flow run, with its artifacts.

    Leaves that the ledger has as done are kept and not run again.

    Args:
        session: What to run and with what.
        control: Asks it to stop.
        record: Keeps the run's state.
        backend: Makes the backend that runs the leaves, from the session and the outcomes so far.
    """
    program, began = session.program, time.monotonic()
    known = await session.ledger.read_outcomes(program.leaves)
    for damaged in await find_damaged(session, known):
        del known[damaged]
    finished = record.outcomes = find_kept(program.leaves, known)
    tried = {index: outcome.history for index, outcome in known.items() if index not in finished}
    publisher, picture = Publisher(), Picture(program)
    progress = ProgressArtifact(publisher, program, picture, finished, rehearse=session.rehearse)
    until = math.inf if program.deadline_s is None else time.monotonic() + program.deadline_s
    watched = replace(session, observer=Observers(session.observer, progress), tried=tried, until=until)
    async with backend(watched, finished) as where:
        attached = await where.attach()
        finished.update(attached)
        for outcome in attached.values():
            progress.leaf_changed(outcome)
        await asyncio.gather(
            publish_safely("the plan", _publish_plan(publisher, session, picture)),
            publish_safely("progress", progress.publish()),
        )
        await record.record_start(finished)
        driver = Driver(watched, control, where, finished)
        kept_up = asyncio.create_task(publish_safely("progress", progress.update()))
        try:
            ending = await driver.run()
            shown = _in_graph(program, driver.outcomes, where, record, ran_s=time.monotonic() - began)
            await publish_safely("what ran and what did not", shown)
        finally:
            kept_up.cancel()
            with suppress(asyncio.CancelledError):
                await kept_up
    run = await record.record_end(ending, driver.outcomes)
    await asyncio.gather(
        publish_safely("progress", progress.show()),
        publish_safely("the result", _publish_end(publisher, run, session.program, progress.picture)),
    )
    return run


async def _in_graph(
    program: Program, outcomes: dict[int, Outcome], backend: LeafBackend, record: RunRecord, *, ran_s: float
) -> None:
    """Put the leaves that did not run into the UI's graph, and note what it lacks all the same."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    graph, left_out = show_unrun(program, outcomes, backend.nodes(), context.flow_run.id)
    missing = await settle_task_runs(program, outcomes, graph, context.flow_run.id, ran_s=ran_s)
    record.unshown = left_out if missing is None else left_out + missing


async def _publish_plan(publisher: Publisher, session: RunContext, picture: Picture) -> None:
    """Publish the plan and its routing side by side: a server that hangs is waited for once."""
    program = session.program
    plan = plan_markdown(program, picture, rehearse=session.rehearse)
    await asyncio.gather(
        publisher.markdown("genesis-plan", plan, "Plan: its DAG, its tree and its tasks"),
        publisher.table("genesis-routing", routing_rows(program), "Routing: which agent runs which task, and why"),
    )


async def _publish_end(publisher: Publisher, run: Run, program: Program, picture: Picture) -> None:
    """Publish how the run ended, and what it left for people to read."""
    left = await asyncio.to_thread(deliverables, run, program.leaves)
    said = {outcome.id: short_text(outcome) for outcome in run.tasks}
    files = [(f"{'Work order for' if found.briefed else 'From'} {found.task}", str(found.file)) for found in left]
    orders = [found for found in left if found.briefed]
    reports = [found for found in left if not found.briefed][:_MOST_REPORTS]
    texts = await asyncio.gather(*(asyncio.to_thread(found.text) for found in reports))
    named = [
        (escape_markdown(f"{found.file.name}, from {found.task}"), text)
        for found, text in zip(reports, texts, strict=True)
    ]
    publications = [
        publisher.markdown(f"genesis-report-{number}", escape_document(text), f"Report: {name}")
        for number, (name, text) in enumerate(named, 1)
        if text is not None
    ]
    if orders:
        text = await asyncio.to_thread(work_orders, orders)
        publications.append(publisher.markdown("genesis-work-orders", text, "Work orders: what people are to do"))
    if rows := file_rows(run):
        publications.append(publisher.table("genesis-files", rows, "Files: what tasks kept, and how to copy it"))
    result = run_markdown(run, picture, said=said, files=files)
    await asyncio.gather(publisher.markdown("genesis-result", result, "Result: how the run ended"), *publications)
