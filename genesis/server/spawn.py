"""Start the server's process, detached from this one."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from genesis.errors import ResourceError, ServiceError, UsageError
from genesis.prefect_api.configured import get_server_environment
from genesis.server.backends import Backends
from genesis.server.files import ServerFiles, ServerRecord, explain_os_errors, take_lock
from genesis.server.health import url_host
from genesis.server.limits import LOG_BYTES
from genesis.server.own_sites import OWN_NAMES, own_names
from genesis.server.processes import identity

__all__ = ["free_bytes", "get_prefect_version", "listening_socket", "spawn"]

_HOST = Path(__file__).with_name("host.py")
_BACKLOG = 2_048
"""Connections that wait to be accepted while the server starts: workers reconnect all at once."""
_ABOVE_THE_TARGETS = 10
"""Lowest file descriptor for copies, so that they do not overwrite the ones that are handed down."""
_NEEDED_BYTES = 50_000_000
"""Free bytes without which SQLite cannot start."""
_DYING_S = 5.0
"""How long a previous server that is dying may hold its lock."""
_SQLITE = Backends()
_REDIS = {
    "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
    "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
    "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
    "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
}


def get_prefect_version() -> str:
    """Return the version of Prefect that is installed here, without importing it."""
    return version("prefect")


def free_bytes(folder: Path) -> int:
    """Return the space that is left where a folder is."""
    return shutil.disk_usage(folder).free


def listening_socket(host: str, port: int) -> socket.socket:
    """Bind a socket and listen on it; port 0 takes a free one.

    The socket is bound here and handed to the server, so that no other process can take the port in between, and who
    connects early waits instead of being refused.

    Raises:
        ServiceError: The port is taken.
        UsageError: The address is not one of this machine, or the port may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise ServiceError(
                f"port {port} on {host} is in use by another process",
                hint="end that process, or set GENESIS_SERVER__PORT to another port or to 0 for a free one",
                code="GEN-SERVER-PORT",
            ) from error
        raise UsageError(
            f"cannot listen on {host!r} port {port}: {error.strerror or error}",
            hint="correct GENESIS_SERVER__HOST and GENESIS_SERVER__PORT",
        ) from error
    return made


def spawn(
    files: ServerFiles,
    *,
    host: str,
    port: int,
    wanted_port: int,
    backends: Backends = _SQLITE,
    allowed_hosts: Sequence[str] = (),
    free: Callable[[Path], int] = free_bytes,
) -> ServerRecord:
    """Start the server and write down what was started. The start lock has to be held.

    Args:
        files: Where it keeps its things.
        host: Address to listen on.
        port: The port that it is to have; 0 when none is known yet.
        wanted_port: The port that the settings ask for; 0 lets another one be taken when `port` is in use.
        backends: What it stands on.
        allowed_hosts: More names by which it may be addressed.
        free: Gives the space that is left.

    Raises:
        ResourceError: There is no space, or the folder cannot be written.
        ServiceError: The port is taken, or a server that cannot be seen from here uses the same database.
        UsageError: The address cannot be used.
    """
    if (left := free(files.folder)) < _NEEDED_BYTES:
        raise ResourceError(
            f"{files.folder} has {left / 1e6:.0f} MB left, and the Prefect server needs {_NEEDED_BYTES / 1e6:.0f} MB",
            hint="free some space, or set GENESIS_HOME to another folder",
        )
    owner = _own(files)
    try:
        with _listen(host, port, wanted_port) as listening:
            actual: int = listening.getsockname()[1]
            environment = _environment(files, host, actual, backends, allowed_hosts)
            pid = _start(files, environment, json.dumps(_secrets(files, backends)), listening.fileno(), owner)
            record = ServerRecord(
                pid=pid,
                identity=identity(pid) or "",
                host=host,
                port=actual,
                prefect=get_prefect_version(),
                python=sys.executable,
                started_at=datetime.now(UTC),
                database=backends.postgres.shown if backends.postgres else "",
                redis=backends.redis.shown if backends.redis else "",
                asks_password=True,
            )
            os.pwrite(owner, record.model_dump_json().encode(), 0)
            files.write(record)
            return record
    finally:
        os.close(owner)


def _own(files: ServerFiles) -> int:
    """Take the lock that the server will hold for life, and empty its copy of the record.

    A server that was killed a moment ago may hold it until the last of its threads is gone.
    """
    with explain_os_errors(files.folder):
        owner = os.open(files.owner, os.O_RDWR | os.O_CREAT, 0o600)
    if not take_lock(owner, _DYING_S):
        os.close(owner)
        raise ServiceError(
            f"a Prefect server that cannot be seen from here uses {files.database}",
            hint="it may run in another container; stop it there, or set GENESIS_HOME to another folder",
        )
    os.ftruncate(owner, 0)
    return owner


def _listen(host: str, port: int, wanted_port: int) -> socket.socket:
    try:
        return listening_socket(host, port)
    except ServiceError:
        if wanted_port:
            raise
        return listening_socket(host, 0)


def _start(files: ServerFiles, environment: dict[str, str], secrets: str, listening: int, owner: int) -> int:
    """Start the process in a session of its own, with its output in the log and two descriptors handed on.

    What has a password comes by its standard input: a process's variables can be read by `ps`.
    """
    _rotate(files.log)
    reading, writing = os.pipe()
    os.write(writing, secrets.encode())  # far less than a pipe holds
    os.close(writing)
    handed = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE_THE_TARGETS) for fd in (listening, owner, reading)]
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        with explain_os_errors(files.folder):
            return os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", str(_HOST), str(files.log)],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, handed[2], 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(files.log), log_flags, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                    (os.POSIX_SPAWN_DUP2, handed[0], 3),
                    (os.POSIX_SPAWN_DUP2, handed[1], 4),
                ],
                setsid=True,
            )
    finally:
        for descriptor in (*handed, reading):
            os.close(descriptor)


def _rotate(log: Path) -> None:
    with explain_os_errors(log.parent):
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_name(log.name + ".1"))


def _environment(
    files: ServerFiles, host: str, port: int, backends: Backends = _SQLITE, allowed_hosts: Sequence[str] = ()
) -> dict[str, str]:
    """Return the server's variables: nothing of the person's Prefect settings, and its own addresses."""
    base = f"http://{url_host(host)}:{port}"
    names = own_names(host, allowed_hosts)
    made = get_server_environment() | {
        "PREFECT_HOME": str(files.folder),
        "PREFECT_SERVER_API_HOST": host,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_API_URL": f"{base}/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{name}:{port}" for name in names),
        OWN_NAMES: json.dumps([host, *names]),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # The default takes one event at a time: measured, 200 task runs then cost the server 7.0 s instead of 2.3 s.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        # In memory, a restart would forget the leases, and leave their slots taken forever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT__SERVER_FINAL": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
    }
    found = importlib.util.find_spec("prefect")
    if found is not None and found.origin and not os.access(Path(found.origin).parent / "server", os.W_OK):
        made["PREFECT_UI_STATIC_DIRECTORY"] = str(files.folder / "ui")
    if backends.postgres is not None:
        made["PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_APPLICATION_NAME"] = files.application
        # Prefect has several hundred statements. The drivers keep 100, so that most are parsed and planned every time.
        for kept in ("STATEMENT_CACHE_SIZE", "PREPARED_STATEMENT_CACHE_SIZE"):
            made[f"PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_{kept}"] = "2000"
    return made | (_REDIS if backends.redis is not None else {})


def _secrets(files: ServerFiles, backends: Backends) -> dict[str, str]:
    """Return the settings that hold passwords. The queue of worker clean-ups has an address of its own in Prefect."""
    made = {"PREFECT_SERVER_API_AUTH_STRING": files.make_password()}
    if backends.postgres is None:
        return made | {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{files.database}"}
    made["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = backends.postgres.sqlalchemy_url
    if backends.redis is not None:
        made |= dict.fromkeys(
            ("PREFECT_REDIS_MESSAGING_URL", "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL"), backends.redis.url
        )
    return made
