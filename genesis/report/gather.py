"""Read from the ledger what a report is made from. Nothing here needs a server."""

from __future__ import annotations

from pydantic import JsonValue

from genesis.errors import GenesisError
from genesis.ledger import Header, Ledger, trace_id
from genesis.ledger.history import find_run, load_program_state
from genesis.model import Program, Report, Run
from genesis.model.run import utc_now
from genesis.pipeline import check_plan
from genesis.prefect_api.environment import secrets_here
from genesis.report.evidence import Evidence
from genesis.report.history import explain_ledger
from genesis.security.redact import redact_values
from genesis.settings import Settings

__all__ = ["gather_evidence", "redact_plan_values"]

_MOST_LARGE = 40
"""Results that are read from files of their own: each is a read of the storage."""
_START = 4_000
"""Characters that are read of a large result."""


async def gather_evidence(run_id: str, settings: Settings) -> Evidence:
    """Read everything that is known of a run.

    Raises:
        UsageError: There is no such run.
        RunError: Its ledger is damaged.
    """
    ledger, header = await find_run(run_id, settings)
    program_state = await load_program_state(ledger, header, settings)
    run, explanation = await explain_ledger(ledger, header, program_state.program, settings)
    return Evidence(
        run=run,
        program=program_state.program,
        made_at=utc_now(),
        moments=await ledger.moments(),
        explanation=explanation,
        check=_check_plan(program_state.program, header, settings),
        amendments=program_state.amendments,
        large=await _large(run, ledger),
        ledger=ledger.where(),
        trace_id=trace_id(header),
        values=redact_plan_values(program_state.program),
    )


def redact_plan_values(program: Program) -> dict[str, JsonValue]:
    """Return the value of each variable and parameter of a plan, with secrets redacted."""
    return redact_values(program.values, secrets_here())


def _check_plan(program: Program, header: Header, settings: Settings) -> Report | None:
    """Check the plan anew as it was run; what only the machine of the run could answer is left out."""
    own = settings.model_copy(
        update={
            "run": settings.run.model_copy(update={"slots": header.slots}),
            "llm": settings.llm.model_copy(update={"model": header.llm}),
        }
    )
    try:
        return check_plan(program.source, program.registry, own)
    except GenesisError:  # a plan of another version can be beyond what checks understand
        return None


async def _large(run: Run, ledger: Ledger) -> dict[str, str]:
    with_reference = [task for task in run.tasks if task.result_ref is not None][:_MOST_LARGE]
    return {task.id: await ledger.result_start(task, _START) for task in with_reference}
