"""The files of a team's project: what `genesis init` writes, keeps, and keeps in step."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Literal

from genesis.document import dump_yaml, parse, write_output
from genesis.errors import DocumentError, ResourceError, UsageError
from genesis.fleet.desired import fleet_of
from genesis.fleet.entries import FLOWS
from genesis.fleet.prefect_yaml import in_step, project_in
from genesis.fleet.trusted import AGENTS_FILE, PLAYBOOKS
from genesis.model import Registry
from genesis.model.base import Model
from genesis.planning.playbook import own_playbook_files
from genesis.routing import load_registry
from genesis.routing.registry_file import find_fleet_agents_files
from genesis.settings import Limits

__all__ = ["FileStep", "Project", "folder_project", "plan_project", "project_name", "write_project"]

_PREFECT_FILE = Path("prefect.yaml")
_FLOW_LINE = "# Kept in step by `genesis init`. Without this line the file is yours, state hooks and all.\n"
_ASIDE = ".bak"
_LONGEST_NAME = 40
"""Most characters of a project name that is derived from a folder."""
_PROJECT_LINE = re.compile(r"^project:.*$", re.MULTILINE)
_AGENTS_LINE = re.compile(r"^agents:", re.MULTILINE)

_ABOUT = {
    "orchestrate": "plan, check and run a request or a plan",
    "preflight": "check a request or a plan, and run nothing",
    "agent_task": "run tasks of one agent on its work pool",
    "housekeeping": "tidy up what finished runs leave behind",
}

Action = Literal["write", "replace", "keep"]


class FileStep(Model):
    """What happens to one file."""

    path: str
    """Relative to the project's folder."""
    action: Action
    note: str = ""
    before: str | None = None
    after: str | None = None

    @property
    def changes(self) -> bool:
        """Whether the file is written."""
        return self.action != "keep"

    def diff(self) -> str:
        """Show what changes in the file, as a unified diff."""
        old, new = (self.before or "").splitlines(keepends=True), (self.after or "").splitlines(keepends=True)
        named = "/dev/null" if self.before is None else f"a/{self.path}"
        lines = unified_diff(old, new, named, f"b/{self.path}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


class Project(Model):
    """What a project's folder gets."""

    root: Path
    steps: tuple[FileStep, ...]
    agents: int
    """How many agents the registry has."""

    @property
    def in_step(self) -> bool:
        """Whether nothing would be written."""
        return not any(step.changes for step in self.steps)


def plan_project(
    root: Path,
    *,
    agents: Path | None = None,
    project: str | None = None,
    force: bool = False,
    check: bool = False,
    limits: Limits | None = None,
) -> Project:
    """Decide what to write. Nothing is written yet.

    Args:
        root: The project's folder; it may be missing.
        agents: Agents file to begin with, instead of the agents of the installed fleets.
        project: Name that the pools and deployments are to carry; as the agents file has it if omitted.
        force: Replace what the team edits, too.
        check: The question is only whether the files are in step with `agents`, or with the project's own agents file.
        limits: Bounds on the agents file.

    Raises:
        UsageError: The folder is a file, or the project has another agents file than the given one.
        DocumentError: The agents file or `prefect.yaml` cannot be used.
        ResourceError: A file cannot be read.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(f"{str(root)!r} is a file, not a folder", hint="name the folder of the project")
    registry, step = _agents(root, agents, force=force, check=check, limits=limits)
    if project is not None and project != registry.project:
        registry, step = _set_project_name(root, step, project, limits)
    steps = [step, *_playbooks(root, force=force), *_flows(root, force=force), _prefect(root, registry, force=force)]
    return Project(root=root, steps=tuple(steps), agents=len(registry.agents))


def project_name(root: Path) -> str:
    """Read a project's name from its `prefect.yaml`; empty where it has none.

    Raises:
        DocumentError: `prefect.yaml` cannot be understood.
    """
    text = _content(root / _PREFECT_FILE)
    return "" if text is None else project_in(text)


def folder_project(root: Path) -> str:
    """Make a project's name of its folder's, as names of pools and deployments can have it."""
    words = re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-")
    return words[:_LONGEST_NAME].strip("-") or "project"


def write_project(project: Project) -> None:
    """Write what was decided. A file that is replaced although the team may have edited it is kept as `NAME.bak`.

    Raises:
        ResourceError: A file cannot be written. Those before it are; a repeated call does the rest.
    """
    for step in project.steps:
        if not step.changes or step.after is None:
            continue
        path = project.root / step.path
        if step.action == "replace" and step.before is not None:
            write_output(path.with_name(f"{path.name}{_ASIDE}"), step.before, like=path)
        write_output(path, step.after)


def _agents(
    root: Path, given: Path | None, *, force: bool, check: bool, limits: Limits | None
) -> tuple[Registry, FileStep]:
    """Load the registry that the project has, or will have, and decide about its file."""
    place = root / AGENTS_FILE
    before = _content(place)
    path = AGENTS_FILE.as_posix()
    if given is not None and place.exists() and place.samefile(given):
        given = None
    if before is not None and (check or not force):
        after = None if given is None else _read_agents_file(given, limits)
        if after not in (None, before) and not check:
            raise UsageError(
                f"the project has an agents file already, {str(place)!r}, and it is not the same as {str(given)!r}",
                hint="without --agents its own is kept; with --force it is replaced",
            )
        return load_registry(given or place, limits=limits), FileStep(path=path, action="keep", note="the team's")
    registry = load_registry(given, limits=limits)
    after = _read_fleet_agents(registry) if given is None else _read_agents_file(given, limits)
    source = "of the installed fleets" if given is None else f"a copy of {given}"
    return registry, _step(path, before, after, source)


def _read_fleet_agents(registry: Registry) -> str:
    """Return the agents of the installed fleets as a file: where a single fleet has some, its own with its comments."""
    files = find_fleet_agents_files()
    if files is not None and len(files) == 1:
        return files[0].read_text(encoding="utf-8")
    shape = registry.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    return f"# The agents of the fleets that were installed when this file was written.\n\n{dump_yaml(shape)}"


def _set_project_name(root: Path, step: FileStep, project: str, limits: Limits | None) -> tuple[Registry, FileStep]:
    """Put the project's name into the agents file, and leave everything else in it as it is."""
    before = _content(root / AGENTS_FILE)
    text = step.after if step.after is not None else before or ""
    line = f"project: {json.dumps(project)}"
    after = _PROJECT_LINE.sub(line, text, count=1)
    if after == text:
        after = _AGENTS_LINE.sub(lambda found: f"{line}\n\n{found[0]}", text, count=1)
    registry = load_registry(parse(after, source=str(root / AGENTS_FILE), limits=limits), limits=limits)
    if registry.project != project:
        hint = f"write it into {AGENTS_FILE}, beside `agents`: {line}"
        raise DocumentError(f"the project's name cannot be put into {str(root / AGENTS_FILE)!r}", hint=hint)
    return registry, _step(AGENTS_FILE.as_posix(), before, after, f"of project {project!r}", replaces=False)


def _read_agents_file(path: Path, limits: Limits | None) -> str:
    load_registry(path, limits=limits)  # says what is wrong with it
    return path.read_text(encoding="utf-8-sig")


def _playbooks(root: Path, *, force: bool) -> Iterator[FileStep]:
    """Write the packaged playbooks once; which of them a team removes or edits is up to the team."""
    folder = root / PLAYBOOKS
    if folder.is_dir() and not force:
        count = sum(path.is_file() for path in folder.iterdir())
        yield FileStep(path=PLAYBOOKS.as_posix(), action="keep", note=f"the team's, {count} files")
        return
    for file in own_playbook_files():
        path = PLAYBOOKS / file.name
        yield _step(path.as_posix(), _content(root / path), file.read_text(encoding="utf-8"), "as packaged")


def _flows(root: Path, *, force: bool) -> Iterator[FileStep]:
    for flow in FLOWS:
        path = Path("flows") / f"{flow}.py"
        before, after = _content(root / path), _flow_file(flow)
        if before is not None and _FLOW_LINE.strip() not in before and not force:
            yield FileStep(path=path.as_posix(), action="keep", note="yours")
        else:
            yield _step(path.as_posix(), before, after, "entry point", replaces=force)


def _flow_file(flow: str) -> str:
    about = f'"""Entry point of the flow `{flow}`: {_ABOUT[flow]}."""\n\n'
    return f'{about}{_FLOW_LINE}from genesis.flows.deployed import {flow}\n\n__all__ = ["{flow}"]\n'


def _prefect(root: Path, registry: Registry, *, force: bool) -> FileStep:
    path = _PREFECT_FILE.as_posix()
    before = _content(root / _PREFECT_FILE)
    new = fleet_of(registry, orchestrators=1, project=project_in(json.dumps({"name": root.resolve().name})))
    try:
        known = registry.project or ("" if before is None else project_in(before))
        fleet = new if before is None else new.model_copy(update={"project": known})
        synced = in_step(before, fleet)
    except DocumentError:
        if not force:
            raise
        return _step(path, before, in_step(None, new).text, "written anew")
    return _step(path, before, synced.text, "; ".join(synced.notes), replaces=False)


def _step(path: str, before: str | None, after: str, note: str, *, replaces: bool = True) -> FileStep:
    """Decide about a file that is as it should be, missing, or other than it should be.

    Args:
        path: Relative path.
        before: What it has.
        after: What it should have.
        note: What is said about it.
        replaces: Whether what is lost could be the team's, so that a copy is kept.
    """
    if before == after:
        return FileStep(path=path, action="keep", note="in step")
    action: Action = "replace" if before is not None and replaces else "write"
    return FileStep(path=path, action=action, note=note, before=before, after=after)


def _content(path: Path) -> str | None:
    """Read a file that may be missing, with its line ends as they are."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise DocumentError(f"{str(path)!r} is not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error
    except OSError as error:
        raise ResourceError(f"{str(path)!r} cannot be read: {error.strerror}", hint="check its permissions") from error
