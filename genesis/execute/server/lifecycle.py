"""Start, find, look at and stop the embedded Prefect server.

There is one server a home. Whoever needs it starts it, and everyone after that finds it: `state.json` says which
process it is and on which port, and a lock lets only one process start or stop it at a time. The server itself holds a
second lock as long as it lives, with a copy of what is written about it: that keeps a second one off its database even
where the first cannot be seen, as from another container.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from genesis.errors import ResourceError, ServiceError
from genesis.execute.server.files import Record, ServerFiles
from genesis.execute.server.health import active_flow_runs, is_healthy, url_host
from genesis.execute.server.processes import end, identity, is_running
from genesis.execute.server.spawn import installed_prefect, spawn
from genesis.model import Model
from genesis.settings import Settings

__all__ = ["ServerInfo", "Starting", "begin_start", "down", "status", "up", "wait_ready"]

_POLL_S = 0.03
_GRACE_S = 8.0
_LOCK_S = 60.0

ServerState = Literal["running", "starting", "unresponsive", "stopped"]


class ServerInfo(Model):
    """The embedded server as it is now."""

    state: ServerState
    url: str | None = None
    """Its pages."""
    api_url: str | None = None
    ui_url: str | None = None
    pid: int | None = None
    port: int | None = None
    """Of a stopped server: the port that it will have again."""
    version: str | None = None
    """Version of Prefect that it runs."""
    started_at: datetime | None = None
    database: Path
    log_path: Path
    note: str = ""
    """What a person should know: it was found dead, it runs another version, its port changed."""


@dataclass(frozen=True, slots=True)
class Starting:
    """A server that was found or has just been started; `wait_ready` gives it once it answers."""

    settings: Settings
    record: Record
    note: str = ""
    spawned: bool = False
    """Whether this process has just started it."""

    @property
    def files(self) -> ServerFiles:
        """Its files."""
        return ServerFiles(self.settings.home)


def begin_start(settings: Settings) -> Starting:
    """Find the living server or start one, without waiting until it answers.

    Starting takes seconds, importing Prefect as well: call this first and `wait_ready` after the import.

    Raises:
        ResourceError: The home cannot be written, or there is no space.
        ServiceError: The port that the settings ask for is taken.
        UsageError: The address that the settings ask for cannot be used.
    """
    files = ServerFiles(settings.home)
    found = _living(files)
    if found is not None and found.prefect == installed_prefect():
        return Starting(settings, found, _other_address(found, settings))
    with files.locked(_LOCK_S):
        before = files.read()
        found = _living(files)
        if found is not None and not _makes_way(files, found):
            return Starting(settings, found, _version_note(found))
        wanted = settings.server.port
        port = wanted or (before.port if before else 0)
        record = spawn(files, host=settings.server.host, port=port, wanted_port=wanted)
        return Starting(settings, record, _start_note(before, found, record, port), spawned=True)


def wait_ready(starting: Starting) -> ServerInfo:
    """Wait until the server answers, however long that takes within the timeout.

    Raises:
        ServiceError: It ended, or does not answer in time; the message has the last lines of its log.
    """
    files, timeout_s = starting.files, starting.settings.server.start_timeout_s
    until = time.monotonic() + timeout_s
    while True:
        record = starting.record
        if is_healthy(record.host, record.port):
            return _info(files, record, "running", starting.note)
        if not _runs(record):
            if starting.spawned:
                raise _ended(files)
            starting = begin_start(starting.settings)  # the one that was found was just ending
        elif time.monotonic() >= until:
            raise ServiceError(
                f"the Prefect server (process {record.pid}, port {record.port}) does not answer after {timeout_s:g} s"
                f"{_said(files)}",
                hint="run: genesis server down, then try again; GENESIS_SERVER__START_TIMEOUT_S gives it more time",
            )
        time.sleep(_POLL_S)


def up(settings: Settings) -> ServerInfo:
    """Give the running server, starting it where there is none.

    Raises:
        ResourceError, ServiceError, UsageError: As `begin_start` and `wait_ready`.
    """
    return wait_ready(begin_start(settings))


def status(settings: Settings) -> ServerInfo:
    """Look at the server without changing anything; a home that cannot be written is no obstacle."""
    files = ServerFiles(settings.home)
    record = _living(files)
    if record is None:
        written = files.read()
        return _info(files, written, "stopped", _death_note(files, written))
    if is_healthy(record.host, record.port, timeout_s=3.0):
        return _info(files, record, "running", _version_note(record))
    age = (datetime.now(UTC) - record.started_at).total_seconds() if record.started_at else 0.0
    young = age < settings.server.start_timeout_s
    note = "" if young else "it runs but does not answer; run: genesis server down"
    return _info(files, record, "starting" if young else "unresponsive", note)


def down(settings: Settings) -> ServerInfo:
    """Stop the server that was started here, and nothing else; harmless when none runs.

    Raises:
        ResourceError: It belongs to another user, or the home cannot be written.
        ServiceError: Another process keeps starting or stopping it, or it survives being killed.
    """
    files = ServerFiles(settings.home)
    if not files.folder.is_dir():
        return _info(files, None, "stopped", "it was not running")
    with files.locked(_LOCK_S):
        record = _living(files)
        if record is None:
            written = files.read()
            if written is not None:
                files.write(_stopped(written))
            return _info(files, written, "stopped", "it was not running")
        _end(files, record)
        return _info(files, record, "stopped", f"process {record.pid} was stopped")


def _living(files: ServerFiles) -> Record | None:
    record = files.read()
    return record if record is not None and _runs(record) else None


def _runs(record: Record) -> bool:
    return record.pid is not None and is_running(record.pid, record.identity)


def _makes_way(files: ServerFiles, found: Record) -> bool:
    """End a server of another version than the installed one, unless flow runs are active on it; whether it ended."""
    if found.prefect == installed_prefect() or active_flow_runs(found.host, found.port) != 0:
        return False
    _end(files, found)
    return True


def _end(files: ServerFiles, record: Record) -> None:
    try:
        end(record.pid or 0, record.identity, grace_s=_GRACE_S)
    except PermissionError as error:
        raise ResourceError(
            f"the Prefect server (process {record.pid}) belongs to another user", hint="stop it as that user"
        ) from error
    if _runs(record):
        raise ServiceError(f"the Prefect server (process {record.pid}) cannot be stopped", hint="restart the machine")
    files.write(_stopped(record))


def _stopped(record: Record) -> Record:
    return record.model_copy(update={"pid": None, "identity": ""})


def _ended(files: ServerFiles) -> ServiceError:
    return ServiceError(
        f"the Prefect server ended while it was starting{_said(files)}",
        hint=f"run: genesis doctor; the whole log is {files.log}",
    )


def _said(files: ServerFiles) -> str:
    lines = files.last_lines()
    return f"; its log ends with:\n{lines}" if lines else "; its log is empty"


def _info(files: ServerFiles, record: Record | None, state: ServerState, note: str) -> ServerInfo:
    known = record is not None and state != "stopped"
    base = f"http://{url_host(record.host)}:{record.port}" if record is not None and known else None
    return ServerInfo(
        state=state,
        url=base,
        api_url=f"{base}/api" if base else None,
        ui_url=base,
        pid=record.pid if record is not None and known else None,
        port=record.port if record is not None else None,
        version=record.prefect or None if record is not None else None,
        started_at=record.started_at if record is not None and known else None,
        database=files.database,
        log_path=files.log,
        note=note,
    )


def _other_address(record: Record, settings: Settings) -> str:
    wanted = settings.server
    if record.host == wanted.host and wanted.port in {0, record.port}:
        return ""
    return f"it listens on {record.host}:{record.port}; to move it, run: genesis server down, then up"


def _version_note(record: Record) -> str:
    installed = installed_prefect()
    if record.prefect == installed:
        return ""
    return (
        f"it runs Prefect {record.prefect} while {installed} is installed, and is kept because flow runs are active on "
        "it; when they are done, run: genesis server down"
    )


def _start_note(before: Record | None, replaced: Record | None, record: Record, port: int) -> str:
    notes = []
    if replaced is not None:
        notes.append(f"it was restarted because it ran Prefect {replaced.prefect}")
    elif before is not None and before.pid is not None:
        notes.append(f"it was found dead (process {before.pid}) and started again")
    if port and record.port != port:
        notes.append(f"port {port} is taken by another process, so it has port {record.port} now")
    return "; ".join(notes)


def _death_note(files: ServerFiles, written: Record | None) -> str:
    if files.is_corrupt():
        return f"{files.state} cannot be understood and will be written anew"
    if written is None or written.pid is None:
        return ""
    other = identity(written.pid) is not None
    return f"process {written.pid} ended by itself" + (
        ", and its number belongs to another process now" if other else ""
    )
