"""`genesis plan`."""

from __future__ import annotations

from pathlib import Path

import click

from genesis.cli.options import debug_option, is_plan_file, json_option, load_settings, planning_options, variables
from genesis.cli.output import console, notes, print_document
from genesis.cli.telemetry import observed
from genesis.errors import UsageError

__all__ = ["plan"]


@click.command(epilog='Example: genesis plan "Audit the repository at ." -o audit.yaml')
@click.argument("request")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the plan to a file.")
@planning_options
@json_option
@debug_option
def plan(
    request: str,
    output: Path | None,
    pairs: tuple[str, ...],
    playbooks: Path | None,
    agents: Path | None,
    llm: str | None,
    as_json: bool,
) -> int:
    """Plan REQUEST, route its tasks to agents and check the result. Nothing is run.

    REQUEST is a text, or a plan file (.yaml, .yml, .json) to route and check again.
    """
    from genesis.cli.planning import forecast, prepare_plan
    from genesis.cli.render import plan_view
    from genesis.document import dump_json, dump_yaml, write_output
    from genesis.planning import plan_document

    if output is not None and not (is_plan_file(str(output)) or _is_special(output)):
        raise UsageError(
            f"{str(output)!r} would not be taken for a plan file",
            hint="give it a name that ends in .yaml, .yml or .json",
        )
    settings = load_settings(llm=llm)
    with observed(settings, "plan"):
        prepared = prepare_plan(request, settings, agents=agents, playbooks=playbooks, variables=variables(pairs))
    if output is not None:
        terse = plan_document(prepared.routed, prepared.report, terse=True)
        write_output(output, dump_json(terse) if output.suffix.lower() == ".json" else dump_yaml(terse))
        notes().print(f"The plan is in {output}. Run it: genesis run {output}", soft_wrap=True)
    if as_json:
        print_document(plan_document(prepared.routed, prepared.report))
    else:
        console().print(plan_view(prepared.routed, prepared.report, forecast(prepared, settings)))
    return 0 if prepared.report.ok else 1


def _is_special(path: Path) -> bool:
    """Whether a path is that of a device or a pipe, which has the name that it has."""
    return path.exists() and not path.is_file()
