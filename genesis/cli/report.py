"""`genesis report`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import notes, print_document
from genesis.cli.prefect import before_prefect

__all__ = ["report"]


@click.command(epilog="Example: genesis report 20261122-142530-3f9a1c -o run.html")
@click.argument("run", metavar="RUN")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=None,
    metavar="FILE",
    help="Output file; - for stdout (default: RUN.html in the current folder).",
)
@json_option
@debug_option
def report(run: str, output: Path | None, as_json: bool) -> None:
    """Write an HTML report of RUN: one page that needs no server and no network.

    RUN is a run's id, or a correlation id that one run has. The page has the timeline with its critical path,
    graph, costs, retries, breakers and failovers, why each task went to its agent, the findings of the check, and all
    results.
    """
    before_prefect()
    from genesis.document import write_for_people
    from genesis.ledger.catalogue import one_of
    from genesis.report import facts_of, report_page
    from genesis.report.gather import gather_evidence

    settings = load_settings()
    run_id = asyncio.run(one_of(run))
    evidence = asyncio.run(gather_evidence(run_id, settings))
    if as_json:
        print_document(facts_of(evidence).model_dump(mode="json"))
        return
    page = report_page(evidence)
    if output is not None and str(output) == "-":
        sys.stdout.buffer.write(page.encode())
        sys.stdout.buffer.flush()
        return
    file = output or Path(f"{run_id}.html")
    write_for_people(file, page)
    notes().print(f"The report is in {file} ({len(page.encode()) / 1000:,.0f} kB)", soft_wrap=True)
