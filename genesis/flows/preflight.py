"""The pre-flight: nothing runs before the plan has passed it."""

from __future__ import annotations

from prefect import flow
from prefect.states import Completed, Failed

from genesis.engine.observers.artifacts import Publisher, publish_safely
from genesis.model import Program, Report
from genesis.pipeline import check_plan
from genesis.report.markdown import report_markdown
from genesis.settings import Settings
from genesis.text import one_line
from genesis.validation import Probe

__all__ = ["publish_report", "run_preflight"]


async def publish_report(report: Report) -> None:
    """Publish a report as an artifact of the current flow run."""
    await Publisher().markdown(
        "genesis-report", report_markdown(report), "Pre-flight: what the checks of the plan found"
    )


async def run_preflight(program: Program, settings: Settings, probe: Probe | None) -> Report:
    """Check a program's plan in a flow run of its own; the report is its artifact.

    Args:
        program: What is to run.
        settings: Limits and slots.
        probe: Answers what needs I/O: is an executor usable, is a secret present.
    """
    report = check_plan(program.source, program.registry, settings, probe)

    def name() -> str:
        return f"plan check · {one_line(program.request, 80)}"

    @flow(name="preflight", flow_run_name=name, validate_parameters=False, persist_result=False, log_prints=False)
    async def preflight(request: str) -> object:
        del request  # it is there for the reader of the UI
        await publish_safely("the pre-flight report", publish_report(report))
        if report.ok:
            return Completed(message=f"quality {report.score:.2f}, {len(report.warnings)} warnings")
        return Failed(message=f"{len(report.errors)} errors: {report.errors[0].message}")

    await preflight(program.request[:200], return_state=True)
    return report
