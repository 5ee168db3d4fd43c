"""Write documents: YAML for people, JSON for machines; files are written atomically."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from genesis.document.compose import NUMBER
from genesis.errors import ResourceError, SecurityError

__all__ = ["dump_json", "dump_yaml", "output_problem", "write_atomic", "write_for_people", "write_output"]

_PROGRAMS = (
    *(".sh", ".bash", ".zsh", ".fish", ".csh", ".ksh", ".py", ".pl", ".rb", ".js"),
    *(".bat", ".cmd", ".ps1", ".command", ".desktop", ".service"),
)
"""Endings of files that shells, interpreters and desktops run."""
_HEAD = 4_096
"""Bytes of an existing file that tell who made it."""
_Dumper: type[Any] = type("_Dumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {})
"""Quotes every text that `read` parses as a number; by YAML 1.1, the library's default, `08` and `1e5` are text."""
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, [*"-+.0123456789"])


def dump_yaml(value: Any) -> str:
    """Return plain values as YAML, keys in order, text unchanged."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def dump_json(value: Any) -> str:
    """Return plain values as indented JSON with a final line break."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def write_output(path: Path, content: str, *, like: Path | None = None) -> None:
    """Write a file of a project that its owner keeps, such as `prefect.yaml`.

    A symbolic link is followed, a file keeps its permissions, a new file gets the default ones (umask), and a device
    or a pipe (`/dev/stdout`, `/dev/full`) is written to, never replaced by a file.

    Args:
        path: Target; its folder is created.
        content: Text, written as UTF-8.
        like: A file whose permissions it gets; by default it keeps its own.

    Raises:
        ResourceError: It cannot be written.
    """
    try:
        if path.parts[:2] == ("/", "dev") or (path.exists() and not path.is_file() and not path.is_dir()):
            path.write_text(content, encoding="utf-8")
            return
        model = like or path
        mode = stat.S_IMODE(model.stat().st_mode) if model.exists() else 0o666 & ~_umask()
        target = path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself, before Python 3.13
        reason = error if isinstance(error, OSError) else OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        raise ResourceError.of(reason, f"{str(path)!r} cannot be written", path=path) from error
    write_atomic(target, content, mode=mode)


def write_for_people(path: Path, content: str, *, is_ours: Callable[[bytes], bool] | None = None) -> None:
    """Write a report, a plan or results to where somebody asked for them, and harm nothing there.

    Never through a symbolic link, never a hidden file (`.bashrc`), never one that a shell or an interpreter takes for
    a program: neither by its ending nor by its permissions. A device or a pipe (`/dev/stdout`) is written to.

    Args:
        path: Target; its folder is created.
        content: Text, written as UTF-8.
        is_ours: Whether an existing file, of which it gets the first bytes, may be replaced; by default a person named
            the file on the command line, and it may.

    Raises:
        SecurityError: The target is one of these, or the file of somebody else.
        ResourceError: It cannot be written.
    """
    if problem := output_problem(path, is_ours=is_ours):
        raise SecurityError(
            f"{str(path)!r} is not written: {problem}", hint="name another file", data={"path": str(path)}
        )
    if path.parts[:2] == ("/", "dev") or path.is_fifo() or path.is_char_device():
        write_output(path, content)
        return
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()
    write_atomic(path, content, durable=True, mode=mode & ~0o111)


def output_problem(path: Path, *, is_ours: Callable[[bytes], bool] | None = None) -> str | None:
    """Return why `write_for_people` would not write a file, or None."""
    if path.parts[:2] == ("/", "dev"):
        return None
    if path.name.startswith("."):
        return "it is a hidden file, which programs read by themselves"
    if path.suffix.lower() in _PROGRAMS:
        return f"a file that ends in {path.suffix} can be run"
    try:
        if path.is_symlink():
            return "it is a symbolic link; name the file that it points to"
        if is_ours is not None and path.is_file() and not is_ours(_read_head(path)):
            return "a file of this name exists, and Genesis did not make it"
    except OSError as error:
        return error.strerror or str(error)
    return None


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def write_atomic(path: Path, content: str | bytes, *, durable: bool = False, mode: int | None = None) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: Target, which is replaced; its folder is created.
        content: Text (as UTF-8) or bytes.
        durable: Wait until the content is on disk before the file gets its name.
        mode: The file's permissions; by default only the owner may read and write it.

    Raises:
        ResourceError: No permission, no space, too many open files, or the folder is a file.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105  # a name, not a Path
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ResourceError.of(error, f"{str(path)!r} cannot be written", path=path) from error


def _umask() -> int:
    """Read the process's mask; there is no way to read it without setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
