"""Playbooks: what a kind of request means as a network of tasks.

A playbook is a method of a hierarchical task network (Nau et al., SHOP2, 2003): `match` selects its requests,
`parameters` are taken from the request, `tasks` is the network, and `refine` details tasks of a type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from genesis.document import close_matches, normalize_values, read, validate_model
from genesis.errors import DocumentError, GenesisError, UsageError
from genesis.fleets import DISTRIBUTION, FleetPlugin, InstalledFleet, NameOwners, find_fleets, warn_left_out
from genesis.model import Model, Task, TaskId
from genesis.model.base import Text
from genesis.planning.network import network_problems
from genesis.planning.words import content_stems
from genesis.settings import Limits

__all__ = ["Match", "Parameter", "Playbook", "load_playbook", "load_playbooks", "own_playbook_files"]

_SHOWN = 5
"""Problems of a playbook that one error lists."""
_SUFFIXES = (".yaml", ".yml", ".json")


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern {pattern!r} is not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]
"""A Python regular expression; case does not matter."""

Phrase = Annotated[Text, Field(min_length=1)]


class Match(Model):
    """Which requests a playbook applies to."""

    phrases: tuple[Phrase, ...] = ()
    """What such a request asks for, as verb and object ("audit the repository"). All content words have to be
    in the request, near each other and where its command is; small typos are tolerated."""
    patterns: tuple[Pattern, ...] = ()
    """Regular expressions, searched in the request without its polite wrapping."""
    examples: tuple[Phrase, ...] = ()
    """Whole requests; a request with nearly the same words matches as well."""
    covers: tuple[Phrase, ...] = ()
    """Phrases of further wishes that the playbook already covers, so that they add no task."""


class Parameter(Model):
    """A value that the playbook takes from the request; it becomes a variable of the plan."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$", max_length=60)]
    description: str = ""
    """What it stands for."""
    patterns: tuple[Pattern, ...] = ()
    """Tried in order; the value comes from the first match: its group `value`, its first group, or all of it."""
    default: Text | None = None
    """Value when the request has none; `{request}` in it is the request, `{-NAME}` the last part of the
    path that an earlier parameter NAME is, with a dash before it. Without a default the request must specify it."""
    each: bool = False
    """Whether several values in one wish mean several uses of the playbook: "audit ./api and ./web"."""
    distinct: bool = False
    """Whether two uses of the playbook in one plan need different values; a repeated one gets a number."""


class Playbook(Model):
    """One kind of request, and its tasks."""

    version: Literal[1] = 1
    """Version of the playbook document."""
    name: TaskId
    """Unique; a team's playbook replaces the packaged one of its name."""
    description: str = ""
    """What the playbook does, for people."""
    match: Match
    parameters: tuple[Parameter, ...] = ()
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    """The network: tasks as in a plan file; `{parameter}` may stand in descriptions, labels and inputs."""
    refine: dict[str, Annotated[tuple[Task, ...], Field(min_length=1)]] = {}
    """Subtasks by task type; `{description}` in them is the description of the refined task."""


def load_playbook(source: Path | str | dict[str, Any], *, limits: Limits | None = None) -> Playbook:
    """Load one playbook from a file or from plain values, and check its network.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        DocumentError: It is not a valid playbook; the message has the location.
    """
    if isinstance(source, dict):
        return _check_playbook(normalize_values(source, source="the playbook"), "the playbook", limits or Limits())
    return _check_playbook(read(source, limits), str(source), limits or Limits())


def load_playbooks(folder: Path | str | None = None, *, limits: Limits | None = None) -> tuple[Playbook, ...]:
    """Load a team's playbooks, then those of Genesis and the installed fleets that they do not replace, by their names.

    A playbook of a fleet that cannot be used is left out with a warning.

    Args:
        folder: The team's folder; its `.yaml`, `.yml` and `.json` files are read in order of their names.
        limits: Bounds on documents and plans; by default those of the settings.

    Raises:
        UsageError: The folder does not exist or cannot be read.
        DocumentError: A file of the team is not a valid playbook, or two have one name; or two fleets have the same
            name, and the team does not replace it.
    """
    limits = limits or Limits()
    found: dict[str, Playbook] = {}
    origin: dict[str, str] = {}
    for path in _team_files(folder):
        playbook = load_playbook(path, limits=limits)
        if playbook.name in found:
            raise DocumentError(
                f"{str(path)!r} and {origin[playbook.name]!r} are both called {playbook.name!r}",
                hint="rename one of them",
                data={"source": str(path), "where": "name"},
            )
        found[playbook.name], origin[playbook.name] = playbook, str(path)
    owners = NameOwners("playbook")
    contributed: dict[str, Playbook] = {}
    for fleet in (_load_packaged(), *find_fleets()):
        for playbook in _load_of_fleet(fleet, limits):
            if playbook.name not in found:
                owners.add(playbook.name, fleet)
                contributed[playbook.name] = playbook
    return (*found.values(), *(contributed[name] for name in sorted(contributed)))


def own_playbook_files() -> tuple[Path, ...]:
    """Return the files of the playbooks that come with Genesis, in order of their names."""
    own = (_load_packaged(), *(fleet for fleet in find_fleets() if fleet.distribution == DISTRIBUTION))
    return tuple(sorted((path for fleet in own for path in _files_of_fleet(fleet)), key=lambda path: path.name))


def _team_files(folder: Path | str | None) -> list[Path]:
    if folder is None:
        return []
    try:
        return _list_files(Path(folder))
    except OSError as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise UsageError(f"the playbook folder {str(folder)!r} {what}", hint="check --playbooks") from error


def _list_files(folder: Path) -> list[Path]:
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    return [path for path in entries if path.suffix in _SUFFIXES and not path.name.startswith(".") and path.is_file()]


def _load_packaged() -> InstalledFleet:
    """Return the packaged playbooks as if they belonged to a fleet."""
    folder = Path(str(resources.files("genesis.defaults") / "playbooks"))
    return InstalledFleet("defaults", DISTRIBUTION, "genesis", FleetPlugin(playbooks=folder))


def _files_of_fleet(fleet: InstalledFleet) -> list[Path]:
    if fleet.fleet.playbooks is None:
        return []
    try:
        return _list_files(fleet.fleet.playbooks)
    except OSError as error:
        warn_left_out("the playbooks", fleet, f"{str(fleet.fleet.playbooks)!r} cannot be read: {error.strerror}")
        return []


def _load_of_fleet(fleet: InstalledFleet, limits: Limits) -> Iterator[Playbook]:
    for path in _files_of_fleet(fleet):
        try:
            playbook = load_playbook(path, limits=limits)
        except GenesisError as error:
            warn_left_out(f"the playbook {path.name!r}", fleet, error.message)
        else:
            yield playbook


def _check_playbook(value: Any, source: str, limits: Limits) -> Playbook:
    playbook = validate_model(Playbook, value, source=source, noun="playbook")
    names = [parameter.name for parameter in playbook.parameters]
    problems = [f"parameters: two are called {name!r}" for name in sorted(set(names)) if names.count(name) > 1]
    match = playbook.match
    if not (match.phrases or match.patterns or match.examples):
        problems.append("match: it has no phrases, patterns or examples, so no request matches it")
    problems += [
        f"match.phrases: {phrase!r} is a single content word, which matches too much; add its object or use a pattern"
        for phrase in match.phrases
        if len(content_stems(phrase)) <= 1
    ]
    problems += network_problems(playbook.tasks, playbook.refine, names, limits)
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        guess = _guess(problems, names)
        raise DocumentError(
            f"{source}: the playbook {playbook.name!r} is not valid: {'; '.join(problems[:_SHOWN])}{more}",
            hint=guess or "run: genesis schema playbook",
            data={"source": source, "where": problems[0].split(":", 1)[0], "errors": problems},
        )
    return playbook


def _guess(problems: list[str], names: list[str]) -> str:
    """Suggest the parameter that an unknown variable was meant to be."""
    for problem in problems:
        unknown = re.search(r"\{(\w+)\}", problem)
        if unknown and (guess := close_matches(unknown[1], names)):
            return guess
    return ""
