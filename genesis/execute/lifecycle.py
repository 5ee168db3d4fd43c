"""The life of a run inside its flow run: check, run the leaves, publish, and keep the ledger's state."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from genesis.execute.artifacts import Publisher
from genesis.execute.control import Control
from genesis.execute.deliverables import deliverables, short_text
from genesis.execute.driver import Driver, Ending
from genesis.execute.markdown import plan_markdown, routing_rows, run_markdown
from genesis.execute.progress import ProgressArtifact
from genesis.execute.session import Session
from genesis.model import Outcome, Run

__all__ = ["RunRecord", "run_leaves"]

_MOST_REPORTS = 10


class RunRecord:
    """The run as the ledger and the observers see it, from its start to its end."""

    def __init__(self, session: Session, ui_url: str | None):
        self._session = session
        self._ui_url = ui_url
        self._started_at = session.now()

    async def started(self, finished: dict[int, Outcome]) -> None:
        """Note that the run runs."""
        run = self._run(Ending("running"), finished, None)
        await self._session.ledger.save(run)
        self._session.observer.run_started(self._session.program, run, finished)

    async def ended(self, ending: Ending, outcomes: dict[int, Outcome]) -> Run:
        """Note how the run ended."""
        run = self._run(ending, outcomes, self._session.now())
        await self._session.ledger.save(run)
        self._session.observer.run_ended(run)
        return run

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
            started_at=self._started_at,
            ended_at=ended_at,
            duration_s=max(0.0, (until - self._started_at).total_seconds()),
            cost_usd=sum((task.usd or Decimal(0) for task in tasks), Decimal(0)),
            tasks=tasks,
            ui_url=self._ui_url,
            error=ending.error,
        )


async def run_leaves(session: Session, control: Control, record: RunRecord) -> Run:
    """Run the leaves of a session inside the current flow run, with its artifacts.

    Leaves that the ledger has as done are kept and not run again.
    """
    program = session.program
    finished = await session.ledger.finished(program.leaves)
    publisher = Publisher()
    await publisher.markdown("genesis-plan", plan_markdown(program), "The plan and its DAG")
    await publisher.table("genesis-routing", routing_rows(program), "Which agent runs which task, and why")
    await record.started(finished)
    driver = Driver(session, control, finished)
    progress = ProgressArtifact(publisher, len(program.leaves), driver.outcomes)
    await progress.publish()
    shown = asyncio.create_task(progress.keep())
    try:
        ending = await driver.run()
    finally:
        shown.cancel()
        with suppress(asyncio.CancelledError):
            await shown
    run = await record.ended(ending, driver.outcomes)
    await progress.show()
    await publisher.markdown("genesis-result", run_markdown(run, _said(run)), "How the run ended")
    for number, found in enumerate(deliverables(run, program.leaves)[:_MOST_REPORTS], 1):
        text = await asyncio.to_thread(found.text)
        if text is not None:
            await publisher.markdown(f"genesis-report-{number}", text, f"{found.name} of {found.task}")
    return run


def _said(run: Run) -> dict[str, str]:
    return {task.id: short_text(task) for task in run.tasks}
