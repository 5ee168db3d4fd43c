"""`genesis import`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genesis.cli.options import debug_option, is_plan_file, json_option, load_settings
from genesis.cli.output import console, notes, print_document
from genesis.errors import UsageError

if TYPE_CHECKING:
    from genesis.importers import Imported
    from genesis.model import Report

__all__ = ["import_"]


@click.command("import", epilog="Example: genesis import .github/workflows/ci.yml -o ci.yaml")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR|PLAN",
    help="Write plan.yaml and agents.yaml into DIR; or PLAN (.yaml, .yml, .json), and its agents beside it.",
)
@click.option(
    "--format",
    "form",
    default=None,
    metavar="FORMAT",
    help="github, airflow, dbt, cwl, argo, kestra or crewai (default: found out).",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@json_option
@debug_option
def import_(file: Path, output: Path | None, form: str | None, force: bool, as_json: bool) -> int:
    """Turn FILE, a workflow of another system, into a plan and an agents file. Nothing of FILE runs.

    What the plan cannot say is listed with its line. Without -o nothing is written.
    """
    from genesis.importers import import_workflow
    from genesis.pipeline import prepare

    settings = load_settings()
    targets = _targets(output, force=force) if output else None
    imported = import_workflow(file, form=form, limits=settings.limits)
    report = prepare(imported.plan, imported.registry, settings=settings).report
    if targets:
        _write(imported, targets)
    if as_json:
        print_document(_document(imported, report, targets))
    else:
        _show(imported, report)
        _show_next(file, targets)
    return 0 if report.ok else 1


def _targets(output: Path, *, force: bool) -> tuple[Path, Path]:
    """Return the paths of the plan and of its agents file.

    Raises:
        UsageError: One of them exists, or the folder is a file.
    """
    if is_plan_file(str(output)) and not output.is_dir():
        found = output, output.with_name(f"{output.stem}.agents{output.suffix}")
    elif os.path.lexists(output) and not output.is_dir():
        raise UsageError(f"{str(output)!r} is not a folder", hint="name a folder, or a plan file that ends in .yaml")
    else:
        found = output / "plan.yaml", output / "agents.yaml"
    for path in found:
        if os.path.lexists(path) and not force:
            raise UsageError(f"{str(path)!r} exists", hint="name another with -o, or replace it with --force")
    return found


def _write(imported: Imported, targets: tuple[Path, Path]) -> None:
    from genesis.document import dump_json, dump_yaml, write_output
    from genesis.planning import plan_document

    agents = imported.registry.model_dump(mode="json", exclude_defaults=True)
    for path, value in zip(targets, (plan_document(imported.plan, terse=True), agents), strict=True):
        write_output(path, dump_json(value) if path.suffix.lower() == ".json" else dump_yaml(value))


def _document(imported: Imported, report: Report, targets: tuple[Path, Path] | None) -> dict[str, object]:
    from genesis.planning import plan_document

    return {
        "format": imported.format,
        "source": imported.source,
        "plan": plan_document(imported.plan, report),
        "agents": imported.registry.model_dump(mode="json", exclude_defaults=True),
        "not_carried_over": [
            {
                "file": each.file,
                "line": each.line,
                "task": each.task,
                "construct": each.construct,
                "outcome": each.outcome,
            }
            for each in imported.losses
        ],
        "written": [str(path) for path in targets or ()],
    }


def _show(imported: Imported, report: Report) -> None:
    from genesis.cli.rows import Rows
    from genesis.importers import FORMATS
    from genesis.structure import outline

    tasks = outline(imported.plan)
    kinds = {agent.name: agent.executor.kind if agent.executor else "llm" for agent in imported.registry.agents}
    orders = sum(kinds[tasks.nodes[leaf].task.agent or ""] == "brief" for leaf in tasks.leaves)
    out = console()
    counts = f"{len(tasks.leaves)} tasks, {orders} of them work orders, {len(kinds)} agents"
    out.print(f"{imported.source} ({FORMATS[imported.format].title}): {counts}", soft_wrap=True)
    if imported.losses:
        table = Rows(("line", "task", "not carried over", "what became of it"))
        for each in imported.losses:
            place = f"{each.file}:{each.line}" if each.file != imported.source else str(each.line)
            table.add(place, each.task, each.construct, each.outcome)
        out.print(table)
    else:
        out.print("All of it was carried over.")
    for finding in report.diagnostics:
        if finding.severity == "error":
            out.print(f"Error: {finding.message}  [{finding.code}]", style="bold red", soft_wrap=True)


def _show_next(file: Path, targets: tuple[Path, Path] | None) -> None:
    if targets is None:
        again = f"genesis import {shlex.quote(str(file))} -o DIR"
        notes().print(f"Nothing was written. To write it: {again}", soft_wrap=True)
        return
    plan, agents = (shlex.quote(str(path)) for path in targets)
    notes().print(f"The plan is in {plan}, its agents are in {agents}.", soft_wrap=True)
    notes().print(f"Try it without its commands: genesis run {plan} --agents {agents} --rehearse 0.1", soft_wrap=True)
