"""Write `prefect.yaml`, and keep its entries in step without touching anything else in it.

The file is edited as text, at the places that YAML's parser gives: comments, order and style of what is not changed
stay. In the end the new text is read again and compared with what it should mean; where an entry is written in a way
that cannot be edited so, nothing is written and the error says so.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import yaml

from genesis.errors import DocumentError
from genesis.fleet.desired import Fleet
from genesis.fleet.entries import KEPT_KEY, KEPT_VALUE, Entry, entries_of, flow_of
from genesis.fleet.yaml_edit import Edit, YamlList, apply_edits, find_value_edits

__all__ = ["Synced", "in_step", "project_in"]

_HEAD = """\
# Deployments of the fleet, for: prefect deploy --all
#
# `genesis init` keeps the entries with `managed_by: genesis` in step with deployments/agents.yaml: it sets their entry
# point, description, enforce_parameter_schema and pool, adds those of new agents and removes those of agents that are
# gone. Schedules, parameters, tags, job variables and whatever else you write into them are yours. So is an entry
# without that line, and all the rest of this file.
#
# The name is the project's: on a server that several projects share, pools and deployments carry it.
name: {name}

build: []
push: []

# How a worker gets the code. Genesis is installed wherever its flows run, so nothing is fetched, and the entry points
# are modules, which a warm worker imports once. Where agents or state hooks in flows/ need code of your own that is not
# installed, name here what fetches it, and run `genesis init` again: the entry points become the files in flows/.
pull: []
# pull:
#   - prefect.deployments.steps.set_working_directory:
#       directory: /srv/fleet
# pull:
#   - prefect.deployments.steps.git_clone:
#       repository: https://git.example.com/team/fleet.git
#       branch: main

deployments:
"""
_UNUSABLE = re.compile(r"[^\w .-]+")
_HINT = "fix it, or run: genesis init --force, which keeps it as prefect.yaml.bak and writes a new one"


class Synced(NamedTuple):
    """A `prefect.yaml` in step."""

    text: str
    notes: tuple[str, ...]
    """What was added, changed, removed and left alone."""


def in_step(text: str | None, fleet: Fleet) -> Synced:
    """Bring the file in step with a fleet.

    Args:
        text: The file as it is; None where there is none.
        fleet: The pools.

    Raises:
        DocumentError: It is no YAML that can be edited; the message says where.
    """
    data = {} if text is None else _parse_yaml(text)
    wanted = entries_of(fleet, from_files=bool(data.get("pull")))
    if text is None or not text.strip():
        whole = "\n".join(_block(entry, 2) for entry in wanted)
        return Synced(f"{_HEAD.format(name=json.dumps(fleet.project or 'genesis'))}{whole}", ())
    found = YamlList.of(text, "deployments")
    old = data.get("deployments") or []
    if not found.is_block:
        raise _make_uneditable_error()
    edits, notes = _edits(found, old, wanted)
    new = apply_edits(text, edits)
    _check(data, new, wanted)
    return Synced(new, tuple(notes))


def project_in(text: str) -> str:
    """Read a project's name from the text of its `prefect.yaml`; empty where it has none that can be used.

    Raises:
        DocumentError: The text is no YAML that can be edited.
    """
    name = _parse_yaml(text).get("name")
    return "" if not isinstance(name, str | int) else _UNUSABLE.sub("-", str(name)).strip("- ")


def _edits(found: YamlList, old: list[dict[str, Any]], wanted: tuple[Entry, ...]) -> tuple[list[Edit], list[str]]:
    places = {_identity(entry): at for at, entry in enumerate(old)}
    edits: list[Edit] = []
    notes: list[str] = []
    missing: list[Entry] = []
    for entry in wanted:
        at = places.get((entry.flow, entry.name))
        if at is None:
            missing.append(entry)
        elif old[at].get(KEPT_KEY) != KEPT_VALUE:
            notes.append(f"{entry.flow}/{entry.name} is yours and stays as it is")
        else:
            names, changes = find_value_edits(found.text, found.items[at], old[at], entry.kept)
            edits += changes
            notes += [f"{entry.flow}/{entry.name}: {', '.join(names)} brought up to date"] if names else []
    gone = [at for at, entry in enumerate(old) if _is_gone(entry, wanted)]
    edits += found.remove(gone)
    notes += [f"{'/'.join(_identity(old[at]))} removed: its agent is gone" for at in gone]
    if missing:
        edits.append(found.add([_block(entry, found.indent) for entry in missing]))
        notes += [f"{entry.flow}/{entry.name} added" for entry in missing]
    return edits, notes


def _identity(entry: dict[str, Any]) -> tuple[str, str]:
    return flow_of(str(entry.get("entrypoint") or "")), str(entry.get("name") or "")


def _is_gone(entry: dict[str, Any], wanted: tuple[Entry, ...]) -> bool:
    kept = entry.get(KEPT_KEY) == KEPT_VALUE
    return kept and _identity(entry) not in {(found.flow, found.name) for found in wanted}


class _Dumper(yaml.SafeDumper):
    """Writes lists indented and nothing by reference, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 (the library's)
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (the library's)
        return True


def _block(entry: Entry, indent: int) -> str:
    """Write an entry as an item of a list, with its line break at the end."""
    lines = yaml.dump(entry.whole, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110).splitlines()
    return "".join(f"{' ' * indent}{'  ' if at else '- '}{line}\n" for at, line in enumerate(lines))


def _parse_yaml(text: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or type(error).__name__
        raise DocumentError(f"prefect.yaml is not YAML{where}: {what}", hint=_HINT) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise DocumentError("prefect.yaml is not a mapping with the key `deployments`", hint=_HINT)
    entries = data.get("deployments") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DocumentError("`deployments` in prefect.yaml is not a list of deployments", hint=_HINT)
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if _identity(entry) in seen and entry.get(KEPT_KEY) == KEPT_VALUE:
            raise DocumentError(f"prefect.yaml has {'/'.join(_identity(entry))} twice", hint="remove one of them")
        seen.add(_identity(entry))
    return data


def _check(before: dict[str, Any], text: str, wanted: tuple[Entry, ...]) -> None:
    """Compare what the new text means with what it should.

    Raises:
        DocumentError: The file is written in a way that was not edited right; nothing of it may be kept.
    """
    try:
        after = yaml.safe_load(text)
    except yaml.YAMLError:
        after = None
    if after != _merge_entries(before, wanted):
        raise _make_uneditable_error()


def _make_uneditable_error() -> DocumentError:
    return DocumentError(
        "the deployments in prefect.yaml are written in a way that cannot be brought in step",
        hint="write them as a list with one key a line, without anchors; or run: genesis init --force",
    )


def _merge_entries(before: dict[str, Any], wanted: tuple[Entry, ...]) -> dict[str, Any]:
    by_identity = {(entry.flow, entry.name): entry for entry in wanted}
    entries: list[dict[str, Any]] = []
    for entry in before.get("deployments") or []:
        if _is_gone(entry, wanted):
            continue
        found = by_identity.pop(_identity(entry), None)
        if found is None or entry.get(KEPT_KEY) != KEPT_VALUE:
            entries.append(entry)
            continue
        pool = {**(entry.get("work_pool") or {}), **found.kept["work_pool"]}
        entries.append({**entry, **found.kept, "work_pool": pool})
    entries += [entry.whole for entry in wanted if (entry.flow, entry.name) in by_identity]
    return {**before, "deployments": entries}
