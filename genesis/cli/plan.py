"""`genesis plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from genesis.cli.options import (
    debug_option,
    is_plan_file,
    json_option,
    load_settings,
    parameters,
    planning_options,
    selection_options,
    selectors,
    variables,
)
from genesis.cli.output import console, notes, print_document, print_text
from genesis.cli.telemetry import trace_command
from genesis.errors import UsageError

if TYPE_CHECKING:
    from genesis.pipeline import Prepared

__all__ = ["FORMATS", "plan"]

FORMATS = ("yaml", "json", "dot", "graphml", "mmd")
"""Output formats of a plan: the first two are the plan, the others its graph."""
_ENDINGS = {"yml": "yaml", **{form: form for form in FORMATS}}


@click.command(epilog='Example: genesis plan "Audit the repository at ." -o audit.yaml')
@click.argument("request")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the plan (.yaml, .json) or its graph (.dot, .graphml, .mmd) to a file.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS, case_sensitive=False),
    default=None,
    help="Format of the -o file, regardless of its ending; without -o, print this instead of the summary.",
)
@selection_options
@planning_options
@json_option
@debug_option
def plan(
    request: str,
    output: Path | None,
    form: str | None,
    select: tuple[str, ...],
    except_: tuple[str, ...],
    pairs: tuple[str, ...],
    params: tuple[str, ...],
    playbooks: Path | None,
    agents: Path | None,
    llm: str | None,
    as_json: bool,
) -> int:
    """Plan REQUEST, route its tasks to agents and check the result. Nothing is run.

    REQUEST is a text, or a plan file (.yaml, .yml, .json) to route and check again.
    """
    from genesis.cli.planning import forecast_plan, prepare_plan
    from genesis.cli.render import plan_view
    from genesis.document import write_for_people
    from genesis.planning import plan_document

    chosen = form or (None if output is None else _format_of(output))
    if as_json and chosen is not None and output is None:
        raise UsageError("--json and --format both print on stdout", hint="leave one out, or name a file with -o")
    settings = load_settings(llm=llm)
    with trace_command(settings, "plan"):
        prepared = prepare_plan(
            request,
            settings,
            agents=agents,
            playbooks=playbooks,
            variables=variables(pairs),
            params=parameters(params),
            selectors=selectors(select, except_),
        )
    if output is not None and chosen is not None:
        write_for_people(output, _format_plan(prepared, chosen))
        notes().print(_note(output, chosen), soft_wrap=True)
    elif chosen is not None:
        print_text(_format_plan(prepared, chosen))
    if as_json:
        print_document(plan_document(prepared.routed, prepared.report))
    elif output is not None or chosen is None:
        console().print(plan_view(prepared.routed, prepared.report, forecast_plan(prepared, settings)))
    elif not prepared.report.ok:
        notes().print(plan_view(prepared.routed, prepared.report, None))
    return 0 if prepared.report.ok else 1


def _format_of(path: Path) -> str:
    """Return the format that a file's ending stands for.

    Raises:
        UsageError: The ending is unknown.
    """
    name = str(path).lower()
    for ending, form in _ENDINGS.items():
        if name.endswith(f".{ending}") and "\n" not in name:
            return form
    if path.exists() and not path.is_file():  # a device or a pipe, whose name has no ending
        return "yaml"
    raise UsageError(
        f"the ending of {str(path)!r} names no format",
        hint="a plan ends in .yaml, .yml or .json, a graph in .dot, .graphml or .mmd; "
        f"or choose one with --format: {', '.join(FORMATS)}",
    )


def _format_plan(prepared: Prepared, form: str) -> str:
    """Write the plan, or its graph, in a format."""
    from genesis.document import dump_json, dump_yaml
    from genesis.graph.formats import GRAPH_FORMATS
    from genesis.planning import plan_document

    if form in GRAPH_FORMATS:
        return GRAPH_FORMATS[form](prepared.routed.graph())
    terse = plan_document(prepared.routed, prepared.report, terse=True)
    return dump_json(terse) if form == "json" else dump_yaml(terse)


def _note(output: Path, form: str) -> str:
    if form not in ("yaml", "json"):
        return f"The graph is in {output}."
    run = f" Run it: genesis run {output}" if is_plan_file(str(output)) else ""
    return f"The plan is in {output}.{run}"
