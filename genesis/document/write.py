"""Write documents: YAML for people, JSON for machines, files all or nothing."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

from genesis.document.compose import NUMBER
from genesis.errors import ResourceError

__all__ = ["dump_json", "dump_yaml", "write_atomic", "write_output"]

_Dumper: type[Any] = type("_Dumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {})
"""Quotes every text that `read` takes for a number; by YAML 1.1, the library's own, `08` and `1e5` are text."""
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, [*"-+.0123456789"])


def dump_yaml(value: Any) -> str:
    """Give plain values as YAML, keys in their order, text as it is."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def dump_json(value: Any) -> str:
    """Give plain values as indented JSON with a final line break."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def write_atomic(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: Target; its folder is made.
        content: Text (as UTF-8) or bytes.
        durable: Wait until the content is on disk before the file gets its name.

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
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105  # a name, not a Path
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ResourceError.of(error, f"{str(path)!r} cannot be written", path=path) from error


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file that a person names: a regular one whole or not at all; a device, a pipe or a link stays what it is.

    Raises:
        ResourceError: No permission, no space, or it is a folder.
    """
    try:
        is_special = path.exists() and not path.is_file()
        if is_special:
            path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    except OSError as error:
        raise ResourceError.of(error, f"{str(path)!r} cannot be written", path=path) from error
    if not is_special:
        write_atomic(path.resolve(), content)
