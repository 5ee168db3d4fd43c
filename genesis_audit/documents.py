"""Read JSON, TOML and YAML documents that nobody vouches for, and reach into them without trusting their shape."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

import yaml

__all__ = [
    "BrokenDocument",
    "items",
    "load_json",
    "load_toml",
    "load_xml",
    "load_yaml",
    "mapping",
    "read",
    "string",
    "yaml_problem",
]

_MAX_DEPTH = 100
_MAX_ALIASES = 200
_DEEP_KEY = re.compile(r"(?<![\w.-])(?:[\w-]{1,80}\.){100}")
"""A dotted TOML key with more parts is refused, since parsing takes quadratic time."""


class BrokenDocument(ValueError):  # noqa: N818  # a finding for the audit, not one of Genesis's errors
    """A document that cannot be read. `line` counts from 1; 0 is unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class _Loader(yaml.SafeLoader if not yaml.__with_libyaml__ else yaml.CSafeLoader):  # type: ignore[misc]  # by build
    """Safe loading that takes any tag for null and never merges `<<`, which can grow exponentially."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave `<<` alone."""

    def ignore(self, node: yaml.Node) -> None:
        """Make nothing of a node."""


_Loader.add_constructor(None, _Loader.ignore)  # None is any other tag


def load_json(text: str) -> object:
    """Read JSON.

    Raises:
        BrokenDocument: It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BrokenDocument(error.msg, error.lineno) from error
    except RecursionError:
        raise BrokenDocument("nested too deeply") from None
    except ValueError as error:
        raise BrokenDocument(str(error)[:120]) from error


def load_toml(text: str) -> dict[str, object]:
    """Read TOML.

    Raises:
        BrokenDocument: It is not TOML, or nested too deeply.
    """
    if _DEEP_KEY.search(text):
        raise BrokenDocument("nested too deeply")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise BrokenDocument("nested too deeply") from None
    except ValueError as error:
        message = str(error)
        digits = message.rpartition("at line ")[2].partition(",")[0]
        raise BrokenDocument(message[:200], int(digits) if digits.isdecimal() else 0) from error


def load_xml(text: str) -> ET.Element:
    """Read XML; a text that declares entities is refused, because they can explode or name other files.

    Raises:
        BrokenDocument: It is not XML, declares entities, or is nested too deeply.
    """
    if "<!ENTITY" in text:
        raise BrokenDocument("it declares entities, so it was not read")
    try:
        return ET.fromstring(text)  # noqa: S314  # entities were refused above
    except ET.ParseError as error:
        raise BrokenDocument(str(error), error.position[0]) from error
    except (ValueError, RecursionError) as error:
        raise BrokenDocument(str(error)[:120]) from error


def load_yaml(text: str) -> list[object]:
    """Read the documents of a YAML text.

    Raises:
        BrokenDocument: It is not YAML, is nested too deeply, or has too many aliases.
    """
    problem = yaml_problem(text)
    if problem is not None:
        raise problem
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise BrokenDocument(str(error)[:120]) from error


def yaml_problem(text: str) -> BrokenDocument | None:
    """Check a YAML text's syntax and its bounds, without making anything of it."""
    depth = aliases = 0
    anchors: set[str] = set()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                depth += 1
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1
            elif isinstance(event, yaml.AliasEvent):
                aliases += 1
                if event.anchor not in anchors:
                    return BrokenDocument(f"unknown alias {str(event.anchor)[:40]!r}", _line_of(event.start_mark))
            anchors.add(getattr(event, "anchor", None) or "")
            if depth > _MAX_DEPTH or aliases > _MAX_ALIASES:
                return BrokenDocument("nested too deeply" if depth > _MAX_DEPTH else "too many aliases")
    except yaml.MarkedYAMLError as error:
        return BrokenDocument(error.problem or "not YAML", _line_of(error.problem_mark))
    except (yaml.YAMLError, ValueError) as error:
        return BrokenDocument(" ".join(str(error).split())[:120])
    return None


def _line_of(mark: object) -> int:
    line = getattr(mark, "line", None)
    return line + 1 if isinstance(line, int) else 0


def read(parse: Callable[[str], object], text: str | None) -> object:
    """Read a document where a broken one is no reason to stop: then, and for no text at all, it is `None`."""
    if text is None:
        return None
    try:
        return parse(text)
    except BrokenDocument:
        return None


def mapping(value: object, *keys: str) -> dict[str, object]:
    """Return the mapping at a path of keys, or an empty one where the document has something else there."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return {}
    return {str(key): item for key, item in value.items()}


def items(value: object) -> Iterator[object]:
    """Return a list's items, or none where the document has something else there."""
    return iter(value if isinstance(value, list) else [])


def string(value: object) -> str:
    """Return a scalar as text, or an empty text where the document has something else there."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value)
