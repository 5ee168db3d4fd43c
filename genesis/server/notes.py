"""What a person should know about the embedded server: why it was started, kept or moved, or how it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from genesis.server.backends import Backends
from genesis.server.files import ServerFiles, ServerRecord
from genesis.server.processes import identity
from genesis.server.spawn import free_bytes, get_prefect_version
from genesis.settings import Settings

__all__ = ["backends_note", "death_note", "other_address", "space_note", "start_note", "version_note"]

_ASKS_NOTHING = (
    "it asks for no password, and is kept because flow runs are active on it; when they are done, "
    "run: genesis server down"
)
_LOW_BYTES = 5_000_000
"""A server that runs can do with less than one that starts needs, but not with none."""


def backends_note(files: ServerFiles, before: ServerRecord | None, known: Backends, backends: Backends | None) -> str:
    """Return a note about the previous databases."""
    if backends is None:
        return f"it keeps {known.shown}" if known.postgres else ""
    if known.postgres != backends.postgres and before is not None and (known.postgres or files.database.exists()):
        return f"the runs that are in {known.shown} stay there and are not seen here"
    return ""


def other_address(record: ServerRecord, settings: Settings) -> str:
    """Report that a living server listens elsewhere than the settings ask for."""
    wanted = settings.server
    if record.host == wanted.host and wanted.port in {0, record.port}:
        return ""
    return f"it listens on {record.host}:{record.port}; to move it, run: genesis server down, then up"


def space_note(home: Path, free: Callable[[Path], int] = free_bytes) -> str:
    """Report that the disk of a server's home is full, so that it cannot store data."""
    try:
        left = free(home)
    except OSError:
        return ""
    if left >= _LOW_BYTES:
        return ""
    return (
        f"the disk of {home} has {left / 1e6:.1f} MB left: the Prefect server and its UI may not see all of what runs "
        "do; free some space"
    )


def version_note(record: ServerRecord) -> str:
    """Report that a living server that is not up to date is kept, and why."""
    installed = get_prefect_version()
    if record.prefect == installed:
        return "" if record.asks_password else _ASKS_NOTHING
    return (
        f"it runs Prefect {record.prefect} while {installed} is installed, and is kept because flow runs are active on "
        "it; when they are done, run: genesis server down"
    )


def start_note(before: ServerRecord | None, replaced: ServerRecord | None, record: ServerRecord, port: int) -> str:
    """Return why a server was started, and what has changed."""
    notes = []
    if replaced is not None and replaced.prefect == record.prefect:
        notes.append("it was restarted because it asked for no password")
    elif replaced is not None:
        notes.append(f"it was restarted because it ran Prefect {replaced.prefect}")
    elif before is not None and before.pid is not None:
        notes.append(f"it was found dead (process {before.pid}) and started again")
    if port and record.port != port:
        notes.append(f"port {port} is taken by another process, so it has port {record.port} now")
    return "; ".join(notes)


def death_note(files: ServerFiles, written: ServerRecord | None) -> str:
    """Return how a server ended that was not stopped."""
    if files.is_corrupt():
        return f"{files.state} is invalid and will be replaced"
    if written is None or written.pid is None:
        return ""
    other = identity(written.pid) is not None
    return f"process {written.pid} has exited" + (", and its number belongs to another process now" if other else "")
