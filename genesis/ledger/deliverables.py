"""What a run leaves for a person to read: the files that its last leaves name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genesis.model import KEPT, RESULT_FILE, KeptFile, Leaf, Outcome, Run
from genesis.text import one_line, size_text
from genesis.text.markdown import escape_document, outside_fences

__all__ = [
    "Deliverable",
    "KeptOutput",
    "deliver_command",
    "deliverables",
    "file_rows",
    "list_kept",
    "short_text",
    "work_orders",
]

_READABLE = (".md", ".markdown", ".txt")
_MOST_CHARACTERS = 200_000
"""Characters of that page, and of one file that is read for it."""
_MOST_ORDERS = 50
"""Work orders that the page of deliverables includes."""
_MOST_ROWS = 500
"""Kept files in the table of a run."""
_CELL = 200
"""Characters in a cell of it."""
_LONGEST_PATH = 1024
"""A longer text is no path of a file."""
_CLOCK_SLACK_S = 2.0
"""File systems may keep times in steps of up to two seconds."""
_HEADING = re.compile(r"#{1,5} ")


@dataclass(frozen=True, slots=True)
class Deliverable:
    """A file that a leaf names in its result."""

    task: str
    name: str
    """The key of the result that names it."""
    file: Path
    briefed: bool = False
    """Whether it is a work order."""

    def text(self) -> str | None:
        """Return its content, shortened when very long; None when it is not a text for people or cannot be read."""
        if self.file.suffix.lower() not in _READABLE:
            return None
        try:
            with self.file.open(encoding="utf-8", errors="replace") as file:
                content = file.read(_MOST_CHARACTERS + 1)
        except OSError:
            return None
        return (
            content
            if len(content) <= _MOST_CHARACTERS
            else f"{content[:_MOST_CHARACTERS]}\n\n… it continues in the file."
        )


@dataclass(frozen=True, slots=True)
class KeptOutput:
    """A file, or a folder of files, that a task promised and a run keeps."""

    task: str
    name: str
    """Its name in `files.out`."""
    kept: KeptFile


def deliverables(run: Run, leaves: tuple[Leaf, ...]) -> list[Deliverable]:
    """Find the files that the run's last leaves name, and the work orders of all leaves, in document order.

    Only what was written since the run began counts: a result may name any file of this machine, and what the run did
    not make is not its own to show. A result from the cache names a file that an earlier run made.
    """
    inner = {source for leaf in leaves if leaf.gathers is None for source in leaf.after}
    for leaf in leaves:
        if leaf.gathers is not None and leaf.index in inner:
            inner.update(leaf.after)
    began = min((task.started_at.timestamp() for task in run.tasks if task.started_at), default=0.0) - _CLOCK_SLACK_S
    found: dict[Path, Deliverable] = {}
    by_path = {outcome.id: outcome for outcome in run.tasks}
    for leaf in leaves:
        outcome = by_path.get(leaf.path)
        if outcome is None:
            continue
        is_briefed = outcome.state == "briefed"
        if outcome.state not in KEPT or (leaf.index in inner and not is_briefed):
            continue
        since = 0.0 if outcome.state == "cached" else began
        for name, file in _files(outcome, since):
            found.setdefault(file.absolute(), Deliverable(leaf.path, name, file, is_briefed))
    return list(found.values())


def deliver_command(run_id: str, briefed: Outcome) -> str:
    """Name the command that hands in the result of a work order: from the file that the order asks for, or as text."""
    order = briefed.result.get("brief") if isinstance(briefed.result, dict) else None
    result = str(Path(order).with_name(RESULT_FILE)) if isinstance(order, str) else "FILE|TEXT"
    return shlex.join(["genesis", "deliver", run_id, briefed.id, "--result", result])


def short_text(outcome: Outcome) -> str:
    """Return one line about what a leaf found, where its result has a `summary`, or about why it was skipped."""
    if outcome.state == "briefed":
        return "a work order for a person was written"
    if outcome.delivered is not None:
        return f"delivered by {one_line(outcome.delivered.by, 100)}"
    if outcome.skipped_by:
        return one_line(outcome.skipped_by, 300)
    summary = outcome.result.get("summary") if isinstance(outcome.result, dict) else None
    return " ".join(summary.split())[:300] if isinstance(summary, str) else ""


def list_kept(run: Run, task: str | None = None) -> list[KeptOutput]:
    """List what the tasks of a run promised in `files.out` and left, in document order.

    The copies of a `for_each` task are left out where it has the files of all of them.

    Args:
        run: The run.
        task: The path of a task; with it only its files, or those of the tasks in it.
    """
    giving = [outcome for outcome in run.tasks if outcome.files]
    paths = {outcome.id for outcome in giving}
    if task is not None:
        giving = [outcome for outcome in giving if f"{outcome.id}/".startswith(f"{task}/")]
        paths = {outcome.id for outcome in giving}
    return [
        KeptOutput(outcome.id, name, kept)
        for outcome in giving
        if paths.isdisjoint(outcome.id[:end] for end, char in enumerate(outcome.id) if char == "/")
        for name, kept in outcome.files.items()
    ]


def file_rows(run: Run) -> list[dict[str, str]]:
    """Return a row for each file, or folder of files, that a run keeps; the first of them where there are many."""
    kept = list_kept(run)
    rows = [
        {
            "task": one_line(each.task, _CELL),
            "name": each.name,
            "file": _describe_kept(each.kept),
            "size": size_text(each.kept.bytes),
            "copy it": shlex.join(["genesis", "files", run.run_id, each.task, "-o", "."]),
        }
        for each in kept[:_MOST_ROWS]
    ]
    if len(kept) > _MOST_ROWS:
        rows.append(dict.fromkeys(rows[0], "") | {"task": f"… and {len(kept) - _MOST_ROWS:,} more"})
    return rows


def _describe_kept(kept: KeptFile) -> str:
    return one_line(kept.name, _CELL) if kept.count is None else f"a folder of {kept.count:,} files"


def work_orders(orders: list[Deliverable]) -> str:
    """Put work orders one below the other, their headings one level down.

    Args:
        orders: Work orders; their files are read.
    """
    parts: list[str] = []
    room = _MOST_CHARACTERS
    for order in orders[:_MOST_ORDERS]:
        text = _lower_headings(escape_document(order.text() or "")).strip()
        if len(text) > room:
            break
        room -= len(text)
        parts.append(text)
    title = f"# {len(orders)} work order{'' if len(orders) == 1 else 's'} for people"
    left_out = len(orders) - len(parts)
    more = [f"… and {left_out} more, in the folder of the run."] if left_out else []
    return "\n\n".join([title, "\n\n---\n\n".join(parts), *more])


def _lower_headings(text: str) -> str:
    """Make each heading one level smaller."""
    return outside_fences(text, lambda line: f"#{line}" if _HEADING.match(line) else line)


def _files(outcome: Outcome, since: float) -> Iterator[tuple[str, Path]]:
    if not isinstance(outcome.result, dict):
        return
    for name, value in outcome.result.items():
        if (
            isinstance(value, str)
            and 1 < len(value) < _LONGEST_PATH
            and "\n" not in value
            and ("/" in value or "." in value)
        ):
            path = Path(value)
            try:
                if path.is_file() and path.stat().st_mtime >= since:
                    yield name, path
            except (OSError, ValueError):
                continue
