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

from genesis.errors import GenesisError, ResourceError, ServiceError, UsageError
from genesis.model import Model
from genesis.prefect_api.configured import no_home
from genesis.server.backends import Backends
from genesis.server.files import ServerFiles, ServerRecord
from genesis.server.health import active_flow_runs, has_database, is_healthy, url_host
from genesis.server.limits import POLL_S
from genesis.server.notes import backends_note, death_note, other_address, start_note, version_note
from genesis.server.processes import end, is_running
from genesis.server.reach import look, require
from genesis.server.spawn import get_prefect_version, spawn
from genesis.settings import NO_HOME, Settings

__all__ = [
    "ServerInfo",
    "Starting",
    "begin_start",
    "down",
    "password_of",
    "revive",
    "server_process",
    "status",
    "up",
    "wait_ready",
]

_GRACE_S = 8.0
"""How long the server has to end before it is killed."""
_LOCK_S = 60.0
"""How long to wait for another command that starts or stops the server."""
_DATABASE_S = 3.0
"""How long a database that does not answer is waited for before an error says so."""

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
    database: str
    """Path of the SQLite database, or address of the PostgreSQL one without its password."""
    database_detail: str = ""
    """What PostgreSQL says about itself, where it was asked."""
    redis: str | None = None
    """Address of the Redis server that carries its events, without the password."""
    redis_detail: str = ""
    """What Redis says about itself, where it was asked."""
    log_path: Path
    password_file: Path | None = None
    """The file with the password that its API and its pages ask for; None where it asks for none."""
    note: str = ""
    """What a person should know: it was found dead, it runs another version, its port changed."""


@dataclass(frozen=True, slots=True)
class Starting:
    """A server that was found or has just been started; `wait_ready` gives it once it answers."""

    settings: Settings
    record: ServerRecord
    note: str = ""
    spawned: bool = False
    """Whether this process has just started it."""
    before: Backends | None = None
    """What it stood on before, where this start has changed that: it is remembered again if the start fails."""

    @property
    def files(self) -> ServerFiles:
        """Its files."""
        return ServerFiles(self.settings.home)


def begin_start(settings: Settings, backends: Backends | None = None) -> Starting:
    """Find the living server or start one, without waiting until it answers.

    Starting takes seconds, importing Prefect as well: call this first and `wait_ready` after the import.

    Args:
        settings: Where and how.
        backends: What it is to stand on; what it stood on last where missing. It is remembered for later starts.

    Raises:
        ResourceError: The home cannot be written, or there is no space.
        ServiceError: The port that the settings ask for is taken, or PostgreSQL or Redis cannot be used.
        UsageError: The address that the settings ask for cannot be used, or a living server stands on something else.
    """
    if settings.home == NO_HOME:
        raise no_home()
    files = ServerFiles(settings.home)
    found = _living(files)
    if found is not None and _is_up_to_date(found):
        _refuse_change(files, backends)
        return Starting(settings, found, other_address(found, settings))
    with files.lock(_LOCK_S):
        before = files.read()
        found = _living(files)
        if found is not None and not _makes_way(files, found):
            _refuse_change(files, backends)
            return Starting(settings, found, version_note(found))
        known = _load_backends(files, backends)
        chosen = backends if backends is not None else known
        notes = [backends_note(files, before, known, backends), *require(chosen, files.application)]
        wanted = settings.server.port
        port = wanted or (before.port if before else 0)
        files.remember(chosen)
        try:
            record = spawn(
                files,
                host=settings.server.host,
                port=port,
                wanted_port=wanted,
                backends=chosen,
                allowed_hosts=settings.server.allowed_hosts,
            )
        except GenesisError:
            files.remember(known)
            raise
        notes.insert(0, start_note(before, found, record, port))
        return Starting(
            settings, record, "; ".join(filter(None, notes)), spawned=True, before=known if known != chosen else None
        )


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
            if record.database and not starting.spawned:
                _wait_for_database(files, record)
            return _info(files, record, "running", starting.note)
        if not _runs(record):
            if starting.spawned:
                raise _fail_start(starting)
            starting = begin_start(starting.settings)  # the one that was found was just ending
        elif time.monotonic() >= until:
            raise ServiceError(
                f"the Prefect server (process {record.pid}, port {record.port}) does not answer after {timeout_s:g} s"
                f"{_format_log_tail(files)}",
                hint="run: genesis server down, then try again; or raise GENESIS_SERVER__START_TIMEOUT_S",
            )
        time.sleep(POLL_S)


def up(settings: Settings, backends: Backends | None = None) -> ServerInfo:
    """Return the running server, starting it where there is none.

    Args:
        settings: Where and how.
        backends: As for `begin_start`.

    Raises:
        ResourceError, ServiceError, UsageError: As `begin_start` and `wait_ready`.
    """
    return wait_ready(begin_start(settings, backends))


def revive(settings: Settings, api_url: str) -> bool:
    """Restart the server if it has crashed, but not one that was stopped, and no other one.

    Args:
        settings: Where it is.
        api_url: The API that is missed.

    Returns:
        Whether it was started.

    Raises:
        ResourceError, ServiceError, UsageError: As `begin_start` and `wait_ready`.
    """
    written = ServerFiles(settings.home).read()
    if written is None or written.pid is None or _runs(written):
        return False
    if not _is_api_of(written, api_url):
        return False
    up(settings)
    return True


def status(settings: Settings, *, ask: bool = True) -> ServerInfo:
    """Look at the server without changing anything; a home that cannot be written is no obstacle.

    Args:
        settings: Where it is.
        ask: Whether to ask PostgreSQL and Redis, where it stands on them.
    """
    files = ServerFiles(settings.home)
    if settings.home == NO_HOME:
        return _info(files, None, "stopped", str(no_home()))
    info = _inspect_server(files, settings)
    try:
        found = look(files.backends(), files.application) if ask else ()
    except ServiceError as error:
        return info.model_copy(update={"note": "; ".join(filter(None, (info.note, str(error))))})
    looks = [one for one in found if one is not None]
    problems = [f"{one.problem} ({one.fix})" for one in looks if one.problem]
    notes = dict.fromkeys(filter(None, (info.note, *problems, *(note for one in looks for note in one.notes))))
    details = dict(zip(("database_detail", "redis_detail"), (one.said if one else "" for one in found), strict=False))
    state = "unresponsive" if problems and info.state == "running" else info.state
    return info.model_copy(update={**details, "state": state, "note": "; ".join(notes)})


def password_of(settings: Settings, api_url: str) -> str | None:
    """Return the password of an API that is this home's server; None for any other, and for one without a password.

    Raises:
        ResourceError: It cannot be read.
    """
    if settings.home == NO_HOME:
        return None
    files = ServerFiles(settings.home)
    record = files.read()
    if record is None or not record.asks_password or not _is_api_of(record, api_url):
        return None
    return files.password()


def _is_api_of(record: ServerRecord, api_url: str) -> bool:
    return api_url.rstrip("/") == f"http://{url_host(record.host)}:{record.port}/api"


def server_process(settings: Settings) -> int | None:
    """Return the process of the embedded server that runs, without asking it anything."""
    record = _living(ServerFiles(settings.home))
    return record.pid if record is not None else None


def _inspect_server(files: ServerFiles, settings: Settings) -> ServerInfo:
    record = _living(files)
    if record is None:
        written = files.read()
        return _info(files, written, "stopped", death_note(files, written))
    if is_healthy(record.host, record.port, timeout_s=3.0):
        if record.database and has_database(record.host, record.port) is False:
            return _info(files, record, "unresponsive", "its database does not answer; it continues when that is back")
        return _info(files, record, "running", version_note(record))
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
    with files.lock(_LOCK_S):
        record = _living(files)
        if record is None:
            written = files.read()
            if written is not None:
                files.write(_mark_stopped(written))
            return _info(files, written, "stopped", "it was not running")
        _end(files, record)
        return _info(files, record, "stopped", f"process {record.pid} was stopped")


def _living(files: ServerFiles) -> ServerRecord | None:
    record = files.read()
    return record if record is not None and _runs(record) else None


def _runs(record: ServerRecord) -> bool:
    return record.pid is not None and is_running(record.pid, record.identity)


def _is_up_to_date(record: ServerRecord) -> bool:
    """Whether a server runs the installed version and asks for a password."""
    return record.prefect == get_prefect_version() and record.asks_password


def _makes_way(files: ServerFiles, found: ServerRecord) -> bool:
    """End a server that is not up to date, unless flow runs are active on it; whether it ended."""
    password = files.password() if found.asks_password else None
    if _is_up_to_date(found) or active_flow_runs(found.host, found.port, password) != 0:
        return False
    _end(files, found)
    return True


def _end(files: ServerFiles, record: ServerRecord) -> None:
    try:
        end(record.pid or 0, record.identity, grace_s=_GRACE_S)
    except PermissionError as error:
        raise ResourceError(
            f"the Prefect server (process {record.pid}) belongs to another user", hint="stop it as that user"
        ) from error
    if _runs(record):
        raise ServiceError(f"the Prefect server (process {record.pid}) cannot be stopped", hint="restart the machine")
    files.write(_mark_stopped(record))


def _mark_stopped(record: ServerRecord) -> ServerRecord:
    return record.model_copy(update={"pid": None, "identity": ""})


def _refuse_change(files: ServerFiles, backends: Backends | None) -> None:
    """Refuse to give a living server another database.

    Raises:
        ServiceError: What it stands on is lost.
        UsageError: It stands on something else.
    """
    if backends is None or backends == (known := files.backends()):
        return
    same = " with another password" if backends.shown == known.shown else ""
    raise UsageError(
        f"the Prefect server runs on {known.shown}, not on {backends.shown}{same}",
        hint="run: genesis server down, and then this again; what is in the old database stays there",
    )


def _load_backends(files: ServerFiles, backends: Backends | None) -> Backends:
    """Return the databases of the server; lost ones do not matter if the call names them."""
    try:
        return files.backends()
    except ServiceError:
        if backends is None:
            raise
        return Backends()


def _wait_for_database(files: ServerFiles, record: ServerRecord) -> None:
    """Wait a moment for the database of a living server, and say why it does not answer.

    Raises:
        ServiceError: It does not.
    """
    until = time.monotonic() + _DATABASE_S
    while not has_database(record.host, record.port):
        if time.monotonic() >= until:
            require(files.backends(), files.application)
            return  # it responds to us; the server reconnects itself
        time.sleep(10 * POLL_S)


def _fail_start(starting: Starting) -> ServiceError:
    """Forget what was to be remembered, and say why the server ended."""
    files = starting.files
    error = _make_ended_error(files)
    if starting.before is not None:
        with files.lock(_LOCK_S):
            files.remember(starting.before)
            files.write(_mark_stopped(starting.record).model_copy(update=_addresses(starting.before)))
    return error


def _addresses(backends: Backends) -> dict[str, str]:
    """Return the fields of a record that say what the server stands on."""
    return {
        "database": backends.postgres.shown if backends.postgres else "",
        "redis": backends.redis.shown if backends.redis else "",
    }


def _make_ended_error(files: ServerFiles) -> ServiceError:
    return ServiceError(
        f"the Prefect server ended while it was starting{_format_log_tail(files)}",
        hint=f"run: genesis doctor; the whole log is {files.log}",
    )


def _format_log_tail(files: ServerFiles) -> str:
    lines = files.backends().hide_passwords(files.last_lines())
    return f"; its log ends with:\n{lines}" if lines else "; its log is empty"


def _info(files: ServerFiles, record: ServerRecord | None, state: ServerState, note: str) -> ServerInfo:
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
        database=(record.database if record is not None else "") or str(files.database),
        redis=record.redis or None if record is not None else None,
        log_path=files.log,
        password_file=files.password_file if record is not None and known and record.asks_password else None,
        note=note,
    )
