"""Show what a command would change on a Prefect server, and ask for confirmation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from genesis.cli.output import console, notes

if TYPE_CHECKING:
    from genesis.fleet.diff import Change, Difference

__all__ = ["confirm_changes", "describe_changes", "show_changes", "show_notes"]

_SIGNS = {"create": ("+ ", "green"), "update": ("~ ", "yellow"), "delete": ("- ", "red")}
_LONGEST_VALUE = 60
"""Most characters of a value in the list of differences."""


def confirm_changes(found: Difference) -> bool:
    """Ask for confirmation on a terminal; a script agrees by calling, except to removals, which need `--yes`."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    removes = any(change.action == "delete" for change in found.changes)
    return click.confirm("Make these changes?", default=not removes)


def show_changes(found: Difference) -> None:
    """Print a line for each change."""
    from rich.text import Text

    for change in found.changes:
        said = f"{change.kind} {change.name}{_fields(change)}"
        console().print(Text.assemble(_SIGNS[change.action], said), soft_wrap=True)


def show_notes(left: Difference) -> None:
    """Print what is left to do for a person."""
    out = notes()
    for text in left.notes:
        out.print(f"Note: {text}", style="yellow", soft_wrap=True)


def describe_changes(found: Difference) -> list[dict[str, Any]]:
    """Return the changes for JSON, without what is sent."""
    return [change.model_dump(mode="json", exclude={"values", "id", "deployment"}) for change in found.changes]


def _fields(change: Change) -> str:
    if not change.fields:
        return ""
    if change.action == "create":
        return "  " + ", ".join(f"{field.name} {field.after}" for field in change.fields)
    return "  " + ", ".join(f"{field.name}: {_short(field.before)} → {_short(field.after)}" for field in change.fields)


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
