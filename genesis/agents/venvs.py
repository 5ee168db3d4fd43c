"""Virtual environments for tasks: made once for their requirements, and kept."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from genesis.agents.child import run_child
from genesis.agents.child_environment import common_variables
from genesis.agents.values import decode_utf8
from genesis.document import write_atomic
from genesis.errors import ResourceError, TaskError

__all__ = ["activate_venv", "prepare_venv", "venv_key"]

_LOCK_POLL_S = 0.2
"""Pause between two attempts to get the lock of an environment that another task or process makes."""
_KEPT_BYTES = 20_000
_SHOWN_LINES = 8
"""Last lines of pip's in an error."""
_INSTALL = ("-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--only-binary=:all:", "--")
"""Wheels alone: a package without one is built, which runs its code."""
_COMPLETE = ".genesis-complete"
"""The file that is written when all is installed."""


def venv_key(requirements: Sequence[str]) -> str:
    """Name an environment: by what is in it, and for which Python on which machine."""
    python = [sys.version, sys.base_prefix, os.uname().machine]
    text = json.dumps([sorted(set(requirements)), *python])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def prepare_venv(requirements: Sequence[str], *, home: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the folder of an environment with these requirements, and make it on first use.

    It is made where it stays, since programs in it name their interpreter by its path. Whoever makes it has a lock; it
    counts once the last file is written, so that one that a killed process has left is made anew.

    Args:
        requirements: Packages with their versions.
        home: Genesis' home; environments are in `venvs`. None where there is none.
        environment: This process's variables; pip gets what every program does, and its own.

    Raises:
        TaskError: It cannot be made; the message has the last lines of what pip wrote.
        ResourceError: The folder cannot be written.
    """
    if home is None:
        raise TaskError("virtual environments are not available here", hint="build the executor with a home folder")
    folder = _find_folder(home, requirements)
    if _is_complete(folder):
        return folder
    async with _locked(folder):
        if not _is_complete(folder):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            variables = {name: environment[name] for name in environment if name.startswith("PIP_")}
            variables |= common_variables(environment)
            await _run([sys.executable, "-m", "venv", str(folder)], requirements, variables)
            await _run([str(folder / "bin" / "python"), *_INSTALL, *requirements], requirements, variables)
            await asyncio.to_thread(write_atomic, folder / _COMPLETE, "\n".join(requirements), durable=True)
    return folder


def activate_venv(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which programs of a virtual environment come first."""
    path = os.pathsep.join([str(folder / "bin"), environment.get("PATH", os.defpath)])
    return {**environment, "PATH": path, "VIRTUAL_ENV": str(folder)}


def _find_folder(home: Path, requirements: Sequence[str]) -> Path:
    return home.absolute() / "venvs" / venv_key(requirements)


def _is_complete(folder: Path) -> bool:
    return (folder / _COMPLETE).is_file()


async def _run(argv: Sequence[str], requirements: Sequence[str], environment: Mapping[str, str]) -> None:
    try:
        ended = await run_child(argv, cwd=None, env=environment, stdin=b"", keep_bytes=_KEPT_BYTES)
    except OSError as error:
        raise ResourceError.of(error, f"cannot start {argv[0]!r}") from error
    if ended.code == 0:
        return
    lines = decode_utf8(ended.stdout + ended.stderr).strip().splitlines()[-_SHOWN_LINES:]
    raise TaskError(
        f"no virtual environment with {', '.join(requirements)[:200]} can be made here: " + "\n".join(lines)[-1_000:],
        hint="check the names and versions, and whether this machine reaches the package index (PIP_INDEX_URL)",
        code="GEN-TASK-VENV",
    )


@asynccontextmanager
async def _locked(folder: Path) -> AsyncIterator[None]:
    """Hold the lock of an environment, which the system releases when its holder dies."""
    handle = _open_lock(folder.with_name(f"{folder.name}.lock"))
    try:
        while True:
            if _try_lock(handle):
                break
            await asyncio.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(handle)


def _open_lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise ResourceError.of(error, f"{str(path)!r} cannot be written", path=path) from error


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
