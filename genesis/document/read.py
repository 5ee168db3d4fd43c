"""Read a YAML or JSON document into plain values, within bounds.

YAML here is the JSON-compatible part of YAML 1.2: `yes` and `on` are text, dates are text, tags and duplicate keys are
errors, and aliases may not multiply the document beyond the limit (the "billion laughs" attack).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from genesis.errors import DocumentError, UsageError
from genesis.settings import Limits

__all__ = ["parse", "read"]

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE_SCHEMA = (
    ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
        list("-+.0123456789"),
    ),
)


def read(path: Path | str, limits: Limits | None = None) -> Any:
    """Read a document from a file.

    Args:
        path: A `.yaml`, `.yml` or `.json` file; JSON is read as YAML's subset.
        limits: Bounds on its size; the defaults where missing.

    Raises:
        UsageError: The file does not exist or cannot be opened.
        DocumentError: It is too large, not UTF-8, not YAML, or uses what is not allowed.
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
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{str(source)!r} is not UTF-8 (byte {error.start})",
            hint="save it as UTF-8",
            data={"source": str(source)},
        ) from error
    return parse(text, source=str(source), limits=limits)


def parse(text: str, *, source: str = "the document", limits: Limits | None = None) -> Any:
    """Parse a YAML or JSON text into dicts, lists, text, numbers, truth values and None.

    Raises:
        DocumentError: It is empty, not YAML, or beyond the limits; the message has line and column.
    """
    limits = limits or Limits()
    loader = _loader_class(limits)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise DocumentError(f"{source} is empty", hint="see the example in the guide", data={"source": source})
        _check_size(node, source, limits)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise _syntax_error(error, source) from error
    except RecursionError as error:
        raise DocumentError(
            f"{source} is nested too deeply", hint="use fewer levels", data={"source": source}
        ) from error
    finally:
        loader.dispose()


def _loader_class(limits: Limits) -> type[Any]:
    """Make a loader of the JSON-compatible part of YAML that refuses deep nesting while it composes."""

    class Loader(_Loader):  # type: ignore[misc]  # the base is chosen at run time: with libyaml or without
        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        _depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self._depth += 1
            if self._depth > limits.document_depth:
                raise yaml.composer.ComposerError(None, None, f"nested deeper than {limits.document_depth} levels")
            try:
                return super().compose_node(parent, index)
            finally:
                self._depth -= 1

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            mapping: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(None, None, "a key must be text", key_node.start_mark)
                key = key_node.value
                if key in mapping:
                    raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", key_node.start_mark)
                mapping[key] = self.construct_object(value_node, deep=deep)
            return mapping

        def construct_yaml_int(self, node: Any) -> int:
            return int(node.value)

    for tag, pattern, first in _CORE_SCHEMA:
        Loader.add_implicit_resolver(tag, pattern, first)
    Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)
    return Loader


def _check_size(root: Any, source: str, limits: Limits) -> None:
    """Refuse a document whose aliases expand beyond the limits, without expanding it."""
    sizes: dict[int, int] = {}
    stack: list[tuple[Any, bool]] = [(root, False)]
    open_nodes: set[int] = set()
    while stack:
        node, visited = stack.pop()
        key = id(node)
        if visited:
            open_nodes.discard(key)
            sizes[key] = 1 + sum(sizes[id(child)] for child in _children(node))
            if sizes[key] > limits.document_nodes:
                raise _too_large(source, limits)
        elif key in open_nodes:
            raise DocumentError(f"{source}: an alias contains itself", hint="write it out", data={"source": source})
        elif key not in sizes:
            open_nodes.add(key)
            stack.append((node, True))
            stack.extend((child, False) for child in _children(node) if id(child) not in sizes)


def _children(node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _too_large(source: str, limits: Limits) -> DocumentError:
    return DocumentError(
        f"{source} holds more than {limits.document_nodes:,} values once its aliases are expanded",
        hint="write fewer aliases, or raise GENESIS_LIMITS__DOCUMENT_NODES",
        data={"source": source},
    )


def _syntax_error(error: yaml.YAMLError, source: str) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    if "could not determine a constructor for the tag" in problem:
        problem = f"the tag {problem.rsplit('tag', 1)[1].strip()} is not allowed"
    return DocumentError(
        f"{source}{place}: {problem}",
        hint="a document is plain YAML or JSON: no tags, no duplicate keys",
        data={"source": source, "line": mark.line + 1 if mark else None},
    )
