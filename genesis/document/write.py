"""Write documents: YAML for people, JSON for machines; files are written atomically."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import yaml

from genesis.document.compose import NUMBER
from genesis.errors import ResourceError

__all__ = ["dump_json", "dump_yaml", "write_atomic", "write_output"]

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
    """Write a user's output to the path that they named.

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
