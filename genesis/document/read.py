"""Read a YAML or JSON document into plain values, within bounds.

YAML here is the JSON-compatible part of YAML 1.2: `yes` and `on` are text, dates are text, tags and duplicate keys are
errors, and aliases may not multiply the document beyond the limit (the "billion laughs" attack).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from genesis.document.compose import Composer, NotPlainError
from genesis.errors import DocumentError, UsageError
from genesis.foreign import encodable
from genesis.model.scalars import is_deeper, number
from genesis.settings import Limits

__all__ = ["parse", "read", "read_text"]

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path | str, limits: Limits | None = None) -> Any:
    """Read a document from a file.

    Args:
        path: A `.yaml` or `.yml` file, or a `.json` one.
        limits: Bounds on its size; by default those of the settings.

    Raises:
        UsageError: The file does not exist or cannot be opened.
        DocumentError: It is too large, not UTF-8, not YAML or JSON, or uses what is not allowed.
    """
    source = Path(path)
    return parse(read_text(source, limits), source=str(source), limits=limits, as_json=source.suffix.lower() == ".json")


def read_text(path: Path | str, limits: Limits | None = None) -> str:
    """Read a text file within the bounds of a document.

    Args:
        path: Any file.
        limits: Bounds on its size; by default those of the settings.

    Raises:
        UsageError: The file does not exist or cannot be opened.
        DocumentError: It is too large, or not UTF-8.
    """
    limits = limits or Limits()
    source = Path(path)
    try:
        if source.is_dir():
            raise UsageError(f"{str(source)!r} is a folder, not a file", hint="name a .yaml, .yml or .json file")
        size = source.stat().st_size
        if size > limits.document_bytes:
            raise DocumentError(
                f"{str(source)!r} has {size:,} bytes; the limit is {limits.document_bytes:,}",
                hint="split it, or raise GENESIS_LIMITS__DOCUMENT_BYTES",
                data={"source": str(source)},
            )
        raw = source.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {str(source)!r}", hint="check the path") from error
    except OSError as error:
        raise UsageError(f"{str(source)!r} cannot be read: {error.strerror}", hint="check its permissions") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{str(source)!r} is not UTF-8 (byte {error.start})", hint="save it as UTF-8", data={"source": str(source)}
        ) from error


def parse(text: str, *, source: str = "the document", limits: Limits | None = None, as_json: bool = False) -> Any:
    """Parse a YAML or JSON text into dicts, lists, text, numbers, booleans and None.

    Args:
        text: The document.
        source: Its name in messages.
        limits: Bounds on its size; the defaults where missing.
        as_json: Take it as strict JSON, with JSON's own escapes.

    Raises:
        DocumentError: It is empty, not YAML or JSON, or beyond the limits; the message has line and column.
    """
    limits = limits or Limits()
    if not text.strip():
        raise _empty(source)
    return _parse_json(text, source, limits) if as_json else _parse_yaml(text, source, limits)


def _parse_yaml(text: str, source: str, limits: Limits) -> Any:
    composer = Composer(most_nodes=limits.document_nodes, most_levels=limits.document_depth)
    mark = None
    try:
        for event in yaml.parse(text, Loader=_Loader):
            mark = event.start_mark
            composer.take(event)
    except NotPlainError as error:
        raise _fault(str(error), mark, source) from error
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise _fault(problem, getattr(error, "problem_mark", None), source) from error
    if composer.documents == 0:
        raise _empty(source)
    return composer.value


def _parse_json(text: str, source: str, limits: Limits) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            keys = [key for key, _ in items]
            repeated = next(key for key in keys if keys.count(key) > 1)
            raise NotPlainError(f"duplicate key {repeated!r}")
        return found

    def constant(name: str) -> Any:
        raise NotPlainError(f"{name} is not JSON")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_float=number, parse_int=number)
        if is_deeper(value, limits.document_depth):
            raise NotPlainError(f"nested deeper than {limits.document_depth} levels")
        return encodable(value) if "\\u" in text else value
    except NotPlainError as error:
        raise _fault(str(error), None, source) from error
    except RecursionError as error:
        raise _fault("nested too deeply", None, source) from error
    except ValueError as error:
        at = f", line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        problem = error.msg.removesuffix(" starting at") if isinstance(error, json.JSONDecodeError) else str(error)
        raise DocumentError(f"{source}{at}: {problem}", hint="it must be JSON", data={"source": source}) from error


def _empty(source: str) -> DocumentError:
    return DocumentError(
        f"{source} is empty",
        hint="for its format, run: genesis schema plan, or: genesis schema agents",
        data={"source": source},
    )


def _fault(problem: str, mark: Any, source: str) -> DocumentError:
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return DocumentError(
        f"{source}{place}: {problem}",
        hint="a document is plain YAML or JSON: one document, no tags, no duplicate keys",
        data={"source": source, "line": mark.line + 1 if mark else None},
    )
