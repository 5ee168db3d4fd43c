"""Where the embedded server keeps its things, and what is written down about it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from genesis.errors import ResourceError, ServiceError, UsageError
from genesis.model import Model
from genesis.security.known_secrets import secrets_of_process
from genesis.server.backends import Backends
from genesis.server.limits import POLL_S

__all__ = ["ServerFiles", "ServerRecord", "explain_os_errors", "take_lock"]

_PASSWORD_BYTES = 32
_TAIL_BYTES = 20_000
"""Bytes at the end of the server's log in which the cause of a failed start is sought."""


class ServerRecord(Model):
    """What is written down about the server when it is started."""

    pid: int | None = None
    """None when it was stopped; the port is kept for the next start."""
    identity: str = ""
    """Tells this process from others with the same number."""
    host: str
    port: int
    prefect: str = ""
    """Version of Prefect that it runs."""
    python: str = ""
    """The interpreter that runs it."""
    started_at: datetime | None = None
    database: str = ""
    """Address of its PostgreSQL database, without the password; empty for SQLite."""
    redis: str = ""
    """Address of its Redis server, without the password; empty where its events stay in its own memory."""
    asks_password: bool = False
    """Whether it asks for the password of this home; servers that Genesis 0.1 started do not."""


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """The files of the embedded server, below the home of Genesis."""

    home: Path

    @property
    def folder(self) -> Path:
        """Folder of all of them; the server's own `PREFECT_HOME`, so that a person's settings do not reach it."""
        return self.home.absolute() / "server"

    @property
    def state(self) -> Path:
        """The record."""
        return self.folder / "state.json"

    @property
    def start_lock(self) -> Path:
        """Held by who starts or stops the server."""
        return self.folder / "start.lock"

    @property
    def owner(self) -> Path:
        """Locked by the server as long as it lives; holds a copy of the record."""
        return self.folder / "owner.lock"

    @property
    def database(self) -> Path:
        """The SQLite database."""
        return self.folder / "prefect.db"

    @property
    def addresses(self) -> Path:
        """Addresses of PostgreSQL and Redis, with their passwords; missing for SQLite."""
        return self.folder / "addresses.json"

    @property
    def password_file(self) -> Path:
        """The password that the server asks for, its API and its pages alike."""
        return self.folder / "password"

    @property
    def application(self) -> str:
        """What the server calls itself to PostgreSQL, which shows it beside each connection."""
        return f"genesis {socket.gethostname()[:40]} {sha256(str(self.folder).encode()).hexdigest()[:8]}"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.folder / "server.log"

    def make_folder(self) -> None:
        """Make the folder, readable by its user only: the database holds what runs worked on.

        Raises:
            ResourceError: It cannot be made or written.
        """
        with explain_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(self.folder, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))

    def read(self) -> ServerRecord | None:
        """Read the record, or the server's copy where the record is lost; None where neither can be understood.

        The copy may be of a server that is long gone; its identity decides whether it is alive.
        """
        return _read(self.state) or _read(self.owner)

    def is_corrupt(self) -> bool:
        """Whether there is a record that cannot be understood."""
        return self.state.exists() and _read(self.state) is None

    def write(self, record: ServerRecord) -> None:
        """Write the record, whole or not at all.

        Raises:
            ResourceError: There is no space, or the folder cannot be written.
        """
        self._put(self.state, record.model_dump_json())

    def backends(self) -> Backends:
        """Read what the server stands on: what was remembered by the last start that said it.

        Raises:
            ServiceError: It was PostgreSQL, and the address is lost. SQLite instead would hide what is there.
        """
        record = self.read()
        try:
            text = self.addresses.read_text(encoding="utf-8")
        except FileNotFoundError:
            if record is None or not record.database:
                return Backends()
            raise self._make_lost_error(record.database) from None
        except OSError as error:
            raise self._make_lost_error(f"what {self.addresses} names ({error.strerror})") from error
        try:
            return Backends.from_document(json.loads(text))
        except (ValueError, TypeError, AttributeError, UsageError):
            raise self._make_lost_error(record.database if record else "") from None

    def remember(self, backends: Backends) -> None:
        """Write down what the server stands on, whole or not at all, readable by its user only.

        Raises:
            ResourceError: There is no space, or the folder cannot be written.
        """
        if backends.postgres is not None:
            self._put(self.addresses, json.dumps(backends.document()))
            return
        with explain_os_errors(self.folder):
            self.addresses.unlink(missing_ok=True)

    def password(self) -> str | None:
        """Read the password, as Prefect's settings have it: `name:secret`. None where there is none yet.

        Raises:
            ResourceError: It cannot be read.
        """
        try:
            known = self.password_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ResourceError(
                f"the password of the Prefect server in {self.password_file} cannot be read",
                hint="make it readable for its user; or: genesis server down, remove it, and start the server again",
            ) from error
        secrets_of_process().add(known, known.rpartition(":")[2])
        return known or None

    def make_password(self) -> str:
        """Return the password; where there is none, write one of 256 random bits, for its user alone.

        Raises:
            ResourceError: It cannot be read or written.
        """
        if (known := self.password()) is not None:
            self.password_file.chmod(0o600)
            return known
        made = f"genesis:{secrets.token_urlsafe(_PASSWORD_BYTES)}"
        self._put(self.password_file, made)
        return self.password() or made

    def _make_lost_error(self, what: str) -> ServiceError:
        return ServiceError(
            f"the Prefect server of this home used {what or 'PostgreSQL'}, and {self.addresses} cannot be understood",
            hint="run: genesis server up --postgres URL, or: genesis server up --sqlite",
        )

    def _put(self, path: Path, text: str) -> None:
        """Write a file that only its user can read, whole or not at all."""
        partial = path.with_suffix(f".{os.getpid()}")
        with explain_os_errors(self.folder):
            try:
                descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # a descriptor
                    file.write(text)
                os.replace(partial, path)  # noqa: PTH105  # atomic
            finally:
                partial.unlink(missing_ok=True)

    @contextmanager
    def lock(self, timeout_s: float) -> Iterator[None]:
        """Hold the lock for starting and stopping. It is freed by the system when its holder dies.

        Raises:
            ResourceError: The folder cannot be written.
            ServiceError: Another process holds it for longer than the timeout.
        """
        self.make_folder()
        with explain_os_errors(self.folder):
            descriptor = os.open(self.start_lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not take_lock(descriptor, timeout_s):
                raise ServiceError(
                    f"another process has been starting or stopping the Prefect server for {timeout_s:g} s",
                    hint=f"wait for it, or end the process that holds {self.start_lock}",
                )
            yield
        finally:
            os.close(descriptor)

    def last_lines(self, count: int = 8) -> str:
        """Return the last lines of the log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join([line for line in lines if line.strip()][-count:])


@contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn the machine's refusals about a path into errors that say how to fix them.

    Raises:
        ResourceError: No space, no permission, a read-only file system, or a file where a folder should be.
    """
    try:
        yield
    except OSError as error:
        elsewhere = "or set GENESIS_HOME to another folder"
        raise ResourceError.of(error, f"{path} cannot be written", hint=elsewhere, path=path) from error


def _read(path: Path) -> ServerRecord | None:
    try:
        return ServerRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def take_lock(descriptor: int, timeout_s: float) -> bool:
    """Lock an open file for this process and who inherits it; whether that worked within the timeout."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_S)
        else:
            return True
