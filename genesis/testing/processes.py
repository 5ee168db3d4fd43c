"""Whether processes run, for tests: one that has ended and that nobody has waited for yet does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["group_is_running", "is_running"]


def is_running(pid: int) -> bool:
    """Whether a process runs."""
    return any(state not in "ZX" for state, _group in _stat(Path(f"/proc/{pid}")))


def group_is_running(group: int) -> bool:
    """Whether any process of a group runs."""
    seen = (stat for folder in Path("/proc").glob("[0-9]*") for stat in _stat(folder))
    return any(of == group and state not in "ZX" for state, of in seen)


def _stat(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the state and the group of a process, if there is one."""
    try:
        state, _parent, group, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return
    yield state, int(group)
