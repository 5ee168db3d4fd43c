"""`genesis init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, print_document, print_notice

if TYPE_CHECKING:
    from genesis.fleet.project import Project
    from genesis.settings import Settings

__all__ = ["init"]

_SAID = {"write": ("written", "green"), "replace": ("replaced", "yellow"), "keep": ("kept", "dim")}


@click.command(epilog="Example: genesis init && genesis pools sync")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 and a diff when a file is out of date.")
@click.option(
    "--agents",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Initial agents file (default: the agents of the installed fleets).",
)
@click.option(
    "--project",
    default=None,
    metavar="NAME",
    help="Prefix the names of pools and deployments with NAME (default: only if another project uses the server).",
)
@click.option("--force", is_flag=True, help="Also replace files that you edited; each is kept as NAME.bak.")
@json_option
@debug_option
def init(folder: Path, check: bool, agents: Path | None, project: str | None, force: bool, as_json: bool) -> int:
    """Write the files of a fleet into DIR: agents, playbooks, flows and prefect.yaml. Run it again to update them."""
    from genesis.fleet.project import plan_project, write_project
    from genesis.fleet.trusted import mark_trusted

    settings = load_settings(named_project=False)
    if project is None and not check:
        project = _beside_others(folder, settings)
    files = plan_project(folder, agents=agents, project=project, force=force, check=check, limits=settings.limits)
    if not check:
        write_project(files)
        mark_trusted(folder, settings.home)
    if as_json:
        print_document(_document(files, check))
    elif check:
        _show_check(files)
    else:
        _show(files)
    return 1 if check and not files.in_step else 0


def _beside_others(folder: Path, settings: Settings) -> str | None:
    """Return the name of a new project where the server already has another project's pools, else None."""
    from genesis.fleet.project import folder_project
    from genesis.fleet.shared_server import project_on_server
    from genesis.fleet.trusted import AGENTS_FILE

    if (folder / AGENTS_FILE).exists():
        return None
    own = folder_project(folder)
    other = project_on_server(settings)
    if not other or other == own:
        return None
    print_notice(
        f"The Prefect server has the pools of project {other!r}; this project's pools are prefixed with {own!r}."
    )
    return own


def _document(project: Project, check: bool) -> dict[str, object]:
    files = [
        {
            "path": step.path,
            "action": step.action,
            "note": step.note,
            **({"diff": step.diff()} if check and step.changes else {}),
        }
        for step in project.steps
    ]
    return {
        "folder": str(project.root.resolve()),
        "in_step": project.in_step,
        "written": not check and not project.in_step,
        "agents": project.agents,
        "files": files,
        "next": [] if check else _next(project),
    }


def _show_check(project: Project) -> None:
    out = console()
    for step in project.steps:
        if step.changes:
            out.print(step.diff(), end="", soft_wrap=True)
    wrong = sum(step.changes for step in project.steps)
    out.print("In step." if not wrong else f"{wrong} files are out of date; to update them: genesis init")


def _show(project: Project) -> None:
    from rich.text import Text

    from genesis.cli.rows import Rows

    table = Rows(("", "", ""))
    for step in project.steps:
        table.add(Text(*_SAID[step.action]), step.path, step.note)
    out = console()
    out.print(table)
    if project.in_step:
        out.print("All files were up to date.")
    out.print(f"Commands in this folder use its agents: {project.root.resolve()} is trusted.", soft_wrap=True)
    out.print("Next:")
    for line in _next(project):
        out.print(f"  {line}", soft_wrap=True)


def _next(project: Project) -> list[str]:
    """Return the commands to run next."""
    root = project.root.resolve()
    there = [] if root == Path.cwd() else [f"cd {shlex.quote(str(root))}"]
    return [
        *there,
        "genesis pools sync",
        "prefect deploy --all",
        "genesis worker --all",
    ]
