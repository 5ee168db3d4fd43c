"""Find out what stands in the way of a run on this machine, and how to fix it. Nothing is changed or started."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

from packaging.specifiers import SpecifierSet

from genesis.errors import GenesisError, ResourceError, ServiceError, UsageError
from genesis.llm import parse_model_name
from genesis.model import Model
from genesis.model.sandbox import SandboxRules
from genesis.prefect_api.configured import no_home
from genesis.prefect_api.environment import secret
from genesis.prefect_api.health import server_answer
from genesis.resilience.breakers import list_shared_breakers, reset_command, rules_of, state_file, store_of
from genesis.security.sandbox import INSTALL, sandbox_gap
from genesis.server import ServerInfo, find_configured_api, password_of, status
from genesis.server.files import ServerFiles
from genesis.server.health import server_version
from genesis.server.prefect_files import shut_out_current_folder
from genesis.server.reach import look
from genesis.server.spawn import free_bytes, get_prefect_version, listening_socket
from genesis.settings import NO_HOME, Settings

__all__ = ["REQUIREMENTS", "DoctorFinding", "diagnose"]

REQUIREMENTS = {"python": ">=3.11,<3.14", "prefect": ">=3.8.8,<3.10", "fastapi": ">=0.139,<0.151"}
"""What works, as the package's own metadata asks for it."""

_LOW_BYTES = 500_000_000
"""Free bytes on the disk below which `genesis doctor` warns."""
_LOCK_WAIT_S = 2.0
"""How long the doctor waits for a locked SQLite file."""
_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


class DoctorFinding(Model):
    """One thing that was looked at."""

    name: str
    """What was looked at, in a word or two."""
    ok: bool
    """Whether it is as a run needs it."""
    detail: str
    """What was found."""
    mend: str = ""
    """What to do about it; for one that is well, what could be better."""


def diagnose(settings: Settings) -> list[DoctorFinding]:
    """Look at everything that a run on this machine needs.

    Returns:
        One finding for each thing, in a fixed order; none of the looks raises, starts a server or calls a model.
    """
    server = status(settings, ask=False)
    return [
        *_versions(),
        _home(settings.home),
        _space(settings.home),
        *_settings_of_prefect(),
        *_api(settings, server),
        *_tools(),
        _sandbox(),
        *_model(settings),
        *_breakers(settings),
    ]


def _breakers(settings: Settings) -> Iterator[DoctorFinding]:
    """Name the circuit breakers that are open for all who share them."""
    resilience = settings.resilience
    if resilience.share == "memory" or (resilience.share == "machine" and not state_file(settings.home).exists()):
        return
    try:
        store = store_of(resilience, settings.home)
        found = [] if store is None else list_shared_breakers(store, rules_of(resilience))
    except GenesisError as error:
        yield DoctorFinding(name="breakers", ok=False, detail=error.message, mend=error.hint)
        return
    for each in found:
        if each.machine.state != "closed":
            when = f"; it is tried again in {each.retry_after_s:.0f} s" if each.retry_after_s > 0 else ""
            detail = f"{each.kind} {each.name} is not called: {each.machine.reason}{when}"
            fix = f"fix what it needs, then: {reset_command(each.name)}"
            yield DoctorFinding(name="breaker", ok=False, detail=detail, mend=fix)


def _versions() -> Iterator[DoctorFinding]:
    for name, wanted in REQUIREMENTS.items():
        found = platform.python_version() if name == "python" else _find_version(name)
        ok = found is not None and SpecifierSet(wanted).contains(found, prereleases=True)
        fix = "install Python 3.11, 3.12 or 3.13" if name == "python" else f"pip install '{name}{wanted}'"
        yield DoctorFinding(
            name=name,
            ok=ok,
            detail=(found or "not installed") + ("" if ok else f", and only {wanted} works"),
            mend="" if ok else fix,
        )


def _settings_of_prefect() -> Iterator[DoctorFinding]:
    """Report settings that Prefect rejects."""
    try:
        shut_out_current_folder()
    except GenesisError as error:
        yield DoctorFinding(name="settings", ok=False, detail=error.message, mend=error.hint)


def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _home(home: Path) -> DoctorFinding:
    if home == NO_HOME:
        return DoctorFinding(name="home", ok=False, detail=no_home().message, mend=no_home().hint)
    there = _existing(home)
    try:
        with tempfile.TemporaryFile(dir=there):
            return DoctorFinding(name="home", ok=True, detail=f"{home} can be written")
    except OSError as error:
        fix = "make it writable, or set GENESIS_HOME to another folder"
        return DoctorFinding(name="home", ok=False, detail=f"{there} cannot be written: {error.strerror}", mend=fix)


def _space(home: Path) -> DoctorFinding:
    if home == NO_HOME:
        return DoctorFinding(name="space", ok=True, detail="there is no home folder")
    left = free_bytes(_existing(home))
    ok = left >= _LOW_BYTES
    fix = "" if ok else "free some space, or set GENESIS_HOME to a folder on another disk"
    return DoctorFinding(name="space", ok=ok, detail=f"{left / 1e9:.1f} GB free for {home}", mend=fix)


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _api(settings: Settings, server: ServerInfo) -> Iterator[DoctorFinding]:
    """Look at the configured API, or at the embedded server where there is none."""
    try:
        configured = find_configured_api()
    except GenesisError as error:
        yield DoctorFinding(name="api", ok=False, detail=error.message, mend=error.hint)
        return
    if configured is None:
        yield DoctorFinding(name="api", ok=True, detail="none is configured, so the embedded server is used")
        yield from (_server(server), _port(settings, server), *_databases(settings, server))
        if server.state == "running" and server.port is not None:
            yield from _password(settings, server)
        return
    try:
        anybody = server_answer(configured, "/admin/version")
        password = password_of(settings, configured.url) or configured.password
        answer = server_answer(configured, "/admin/version", password=password) if anybody is None else anybody
    except (ResourceError, ServiceError) as error:
        yield DoctorFinding(name="api", ok=False, detail=error.message, mend=error.hint)
        return
    yield DoctorFinding(name="api", ok=True, detail=f"{configured.url} answers (from {configured.source})")
    if anybody is not None:
        yield DoctorFinding(name="password", ok=True, detail=f"warning: {configured.url} {_OPEN}", mend=_CLOSE)
    yield _skew(answer if isinstance(answer, str) else None, "upgrade the older of the two")


_EMBEDDED = "run: genesis server down; the next run starts the installed version"


def _password(settings: Settings, server: ServerInfo) -> Iterator[DoctorFinding]:
    """Look whether the embedded server asks for a password, and which version it is."""
    try:
        password = password_of(settings, server.api_url or "")
    except ResourceError as error:
        yield DoctorFinding(name="password", ok=False, detail=error.message, mend=error.hint)
        return
    if password is None:
        fix = "when no run is active: genesis server down; the next start makes a password"
        yield DoctorFinding(name="password", ok=True, detail=f"warning: the embedded server {_OPEN}", mend=fix)
    yield _skew(server_version(settings.server.host, server.port or 0, password), _EMBEDDED)


_OPEN = "asks for no password: whoever reaches it can start, change and delete runs"
_CLOSE = "set PREFECT_SERVER_API_AUTH_STRING for the server and PREFECT_API_AUTH_STRING for all who use it"


def _server(server: ServerInfo) -> DoctorFinding:
    """Distinguish a server that is healthy or not needed from one that died or hangs."""
    where = f" at {server.url}, process {server.pid}" if server.url else ""
    ok = server.state != "unresponsive" and not (server.state == "stopped" and server.note)
    fix = (
        ""
        if ok
        else "run: genesis server down"
        if server.url
        else f"run: genesis server up; its log is {server.log_path}"
    )
    return DoctorFinding(
        name="server", ok=ok, detail=f"{server.state}{where}" + (f": {server.note}" if server.note else ""), mend=fix
    )


def _port(settings: Settings, server: ServerInfo) -> DoctorFinding:
    if server.url:
        return DoctorFinding(name="port", ok=True, detail=f"{server.port} is the server's own")
    wanted = settings.server.port
    try:
        listening_socket(settings.server.host, wanted or server.port or 0).close()
    except UsageError as error:
        return DoctorFinding(name="port", ok=False, detail=error.message, mend=error.hint)
    except ServiceError as error:
        detail = error.message if wanted else f"{error.message}; a free one will be taken"
        return DoctorFinding(name="port", ok=not wanted, detail=detail, mend=error.hint if wanted else "")
    return DoctorFinding(name="port", ok=True, detail=f"{wanted} is free" if wanted else "a free one will be taken")


def _databases(settings: Settings, server: ServerInfo) -> Iterator[DoctorFinding]:
    """Look at what the server stands on."""
    files = ServerFiles(settings.home)
    try:
        backends = files.backends()
    except ServiceError as error:
        yield DoctorFinding(name="database", ok=False, detail=error.message, mend=error.hint)
        return
    if backends.postgres is None:
        yield _sqlite(files.database, server)
        return
    for name, found in zip(("database", "redis"), look(backends, files.application), strict=True):
        if found is not None:
            detail = found.problem or f"{found.address}: {found.said}"
            yield DoctorFinding(
                name=name, ok=not found.problem, detail=detail, mend=found.fix or "; ".join(found.notes)
            )


def _sqlite(path: Path, server: ServerInfo) -> DoctorFinding:
    """Try to begin to write, as the server would."""
    if not path.exists():
        return DoctorFinding(name="database", ok=True, detail="there is none yet")
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_LOCK_WAIT_S, isolation_level=None
        )
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        finally:
            connection.close()
    except sqlite3.Error as error:
        locked = "locked" in str(error)
        fix = (
            f"end the process that holds it (try: fuser {path})"
            + ("" if not server.url else ", or: genesis server down")
            if locked
            else f"stop the server, move {path} away, and start it again; a new database without the history is created"
        )
        return DoctorFinding(name="database", ok=False, detail=f"{path}: {error}", mend=fix)
    return DoctorFinding(name="database", ok=True, detail=f"{path} can be written ({path.stat().st_size / 1e6:.1f} MB)")


def _skew(serving: str | None, fix: str) -> DoctorFinding:
    """Compare the server's version with the client's: Prefect keeps them compatible within a minor version."""
    installed = get_prefect_version()
    if serving is None:
        return DoctorFinding(
            name="versions", ok=True, detail=f"client {installed}; the server does not report its version"
        )
    same = serving.split(".")[:2] == installed.split(".")[:2]
    return DoctorFinding(
        name="versions",
        ok=same,
        detail=f"server {serving}, client {installed}",
        mend="" if serving == installed else fix,
    )


def _tools() -> Iterator[DoctorFinding]:
    uses = {"git": "the audit's history of changes", "ruff": "the audit's lint findings"}
    for name, use in uses.items():
        beside = Path(sys.executable).with_name(name)
        found = shutil.which(name) or (str(beside) if beside.exists() else None)
        yield DoctorFinding(
            name=name,
            ok=found is not None,
            detail=found or f"not found; without it {use} are missing",
            mend="" if found else f"install {name} and put it on PATH",
        )


def _sandbox() -> DoctorFinding:
    """Say what confines the programs of command agents on this machine."""
    gap = sandbox_gap(SandboxRules())
    detail = gap or "bubblewrap confines the programs of command agents"
    return DoctorFinding(name="sandbox", ok=True, detail=detail, mend=INSTALL if gap else "")


def _model(settings: Settings) -> Iterator[DoctorFinding]:
    """Look at the language model's settings, without calling it."""
    llm = settings.llm
    extra = importlib.util.find_spec("pydantic_ai") is not None
    install = "pip install 'prefect-genesis[llm]'"
    if llm.model is None:
        detail = "none is configured: playbooks plan, and work that needs a model becomes a brief"
        yield DoctorFinding(name="model", ok=True, detail=detail, mend="set GENESIS_LLM__MODEL=openai:NAME to use one")
        has = "installed" if extra else "not installed; only models need it"
        yield DoctorFinding(name="pydantic-ai", ok=True, detail=has, mend="" if extra else install)
        return
    try:
        name = parse_model_name(llm.model)
    except GenesisError as error:
        yield DoctorFinding(name="model", ok=False, detail=error.message, mend=error.hint)
        return
    at = f" at {llm.base_url}" if llm.base_url else ""
    key = _KEYS[name.provider]
    present = llm.api_key is not None or llm.base_url is not None or secret(key) is not None
    detail = f"{name}{at}" if present else f"{name}, without a key"
    yield DoctorFinding(
        name="model", ok=present, detail=detail, mend="" if present else f"set {key} or GENESIS_LLM__API_KEY"
    )
    has = "installed" if extra else "not installed, and the model needs it"
    yield DoctorFinding(name="pydantic-ai", ok=extra, detail=has, mend="" if extra else install)
