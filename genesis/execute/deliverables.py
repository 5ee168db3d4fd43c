"""What a run leaves for a person to read: the files that its last leaves name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genesis.model import FINISHED, Leaf, Outcome, Run

__all__ = ["Deliverable", "deliverables", "short_text"]

_READABLE = (".md", ".markdown", ".txt")
_MOST_CHARACTERS = 200_000
_LONGEST_NAME = 1024


@dataclass(frozen=True, slots=True)
class Deliverable:
    """A file that a leaf names in its result."""

    task: str
    name: str
    """The key of the result that names it."""
    file: Path

    def text(self) -> str | None:
        """Give its content, shortened when it is very long; None when it is not a text for people."""
        if self.file.suffix.lower() not in _READABLE:
            return None
        with self.file.open(encoding="utf-8", errors="replace") as file:
            content = file.read(_MOST_CHARACTERS + 1)
        return (
            content
            if len(content) <= _MOST_CHARACTERS
            else f"{content[:_MOST_CHARACTERS]}\n\n… it goes on in the file."
        )


def deliverables(run: Run, leaves: tuple[Leaf, ...]) -> list[Deliverable]:
    """Find the files that the run's last leaves name, and the briefs of all leaves, in document order."""
    inner = {source for leaf in leaves for source in leaf.after}
    found: list[Deliverable] = []
    for leaf, outcome in zip(leaves, run.tasks, strict=True):
        if outcome.state in FINISHED and (leaf.index not in inner or outcome.state == "briefed"):
            found += [Deliverable(leaf.path, name, file) for name, file in _files(outcome)]
    return found


def short_text(outcome: Outcome) -> str:
    """Give one line about what a leaf found, where its result has a `summary`."""
    summary = outcome.result.get("summary") if isinstance(outcome.result, dict) else None
    return " ".join(summary.split())[:300] if isinstance(summary, str) else ""


def _files(outcome: Outcome) -> Iterator[tuple[str, Path]]:
    if not isinstance(outcome.result, dict):
        return
    for name, value in outcome.result.items():
        if (
            isinstance(value, str)
            and 1 < len(value) < _LONGEST_NAME
            and "\n" not in value
            and ("/" in value or "." in value)
        ):
            path = Path(value)
            try:
                if path.is_file():
                    yield name, path
            except (OSError, ValueError):
                continue
