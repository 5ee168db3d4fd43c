"""All that the ledger knows of a run, and why it did not complete."""

from __future__ import annotations

from decimal import Decimal

from genesis.ledger import Header, Ledger, leaf_name
from genesis.ledger.history import files_folder, find_run, load_program_state, mark_if_interrupted
from genesis.model import KEPT, Outcome, Program, Run
from genesis.report.explain import Explanation, explain
from genesis.settings import Settings

__all__ = ["explain_ledger", "explain_run"]


async def explain_run(run_id: str, settings: Settings) -> tuple[Run, Explanation | None]:
    """Return all that is known of a run, and where it did not complete, why and how to continue.

    Raises:
        UsageError: There is no such run.
        RunError: Its ledger is damaged.
    """
    ledger, header = await find_run(run_id, settings)
    program_state = await load_program_state(ledger, header, settings)
    return await explain_ledger(ledger, header, program_state.program, settings)


async def explain_ledger(
    ledger: Ledger, header: Header, program: Program, settings: Settings
) -> tuple[Run, Explanation | None]:
    """Do what `explain_run` does for a run whose program is at hand."""
    run = await ledger.load() or _not_started(header, program)
    known = await ledger.read_outcomes(program.leaves)
    records = {program.leaves[index].path: outcome for index, outcome in known.items()}
    tasks = tuple(_newest(run, task, records.get(task.id)) for task in run.tasks)
    cost = sum((task.spent_usd for task in tasks), Decimal(0))
    run = await mark_if_interrupted(run.model_copy(update={"tasks": tasks, "cost_usd": cost}), ledger, settings)
    files = files_folder(ledger, settings)
    found = {leaf.path: files / leaf_name(leaf) for leaf in program.leaves}
    folders = {path: str(folder) for path, folder in found.items() if folder.is_dir()}
    return run, explain(run, program.leaves, folders=folders, ledger=ledger.where())


def _newest(run: Run, task: Outcome, record: Outcome | None) -> Outcome:
    """Choose between what the run's state says of a leaf and its own record.

    A record that is not of finished work can be of an earlier execution of the run. The state is as old as the run's
    last beginning or end.
    """
    if record is None or record.state in KEPT:
        return record or task
    if run.state in ("running", "pending"):
        stale = record.ended_at is not None and run.started_at is not None and record.ended_at < run.started_at
        return task if stale else record
    return record if task.state in ("running", "pending") else task


def _not_started(header: Header, program: Program) -> Run:
    return Run(
        run_id=header.run_id,
        correlation_id=header.correlation_id,
        state="pending",
        planner=program.source.plan.planner,
        rehearsal=header.rehearse,
        started_at=header.created_at,
        cost_usd=Decimal(0),
        tasks=tuple(Outcome(id=leaf.path, agent=leaf.agent) for leaf in program.leaves),
        left_out=program.source.plan.left_out,
    )
