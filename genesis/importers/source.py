"""A file of another system: its text, its content, and the line at which each part of it stands. Nothing of it runs."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from genesis.document import parse, read_text
from genesis.errors import DocumentError, GenesisError, UsageError
from genesis.importers.fields import excerpt
from genesis.importers.limits import MOST_STEPS
from genesis.importers.workflow import Loss
from genesis.settings import Limits

__all__ = ["Source"]


_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},]|[^\s\[\]{},:"]+')
_LONGEST_SEGMENT = 1_000
"""Bytes of a line of Python that are decoded for a message, which shows fewer."""
_ENDINGS = (".yaml", ".yml", ".json", ".py", ".cwl")

Path_ = tuple[str | int, ...]
"""Keys and positions from the root of a document to a part of it."""


@dataclass(frozen=True)
class Source:
    """A file that is imported.

    Args:
        path: Where it is.
        text: Its content.
        limits: Bounds on documents.
    """

    path: Path
    text: str
    limits: Limits

    @classmethod
    def read(cls, path: Path, limits: Limits) -> Source:
        """Read a file.

        Raises:
            UsageError: It does not exist, cannot be opened, or its ending is that of no format.
            DocumentError: It is empty, too large, or not UTF-8.
        """
        if path.suffix.lower() not in _ENDINGS:
            raise UsageError(
                f"{str(path)!r} has no ending of a file that can be imported",
                hint=f"these can: {', '.join(_ENDINGS)}",
            )
        text = read_text(path, limits)
        if not text.strip():
            raise DocumentError(
                f"{str(path)!r} is empty", hint="name a workflow file of another system", data={"source": str(path)}
            )
        return cls(path, text, limits)

    @property
    def name(self) -> str:
        """The file's name in messages."""
        return str(self.path)

    @property
    def is_python(self) -> bool:
        """Whether it is parsed as Python and not as a document."""
        return self.path.suffix.lower() == ".py"

    @property
    def _is_json(self) -> bool:
        return self.path.suffix.lower() == ".json"

    @cached_property
    def document(self) -> Any:
        """The document as plain values.

        Raises:
            DocumentError: It is not YAML or JSON, or beyond the limits; the message has line and column.
        """
        try:
            return parse(self.text, source=self.name, limits=self.limits, as_json=self._is_json)
        except DocumentError as error:
            if "another one starts here" in error.message:
                hint = "write each document of the file into a file of its own, and import these"
                raise DocumentError(error.message, hint=hint, code=error.code, data=error.data) from error
            raise

    @cached_property
    def module(self) -> ast.Module:
        """The file as Python's syntax tree; it is parsed, never run.

        Raises:
            DocumentError: It is not Python, or nested too deeply.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about escapes in the foreign file
                return ast.parse(self.text)
        except SyntaxError as error:
            raise DocumentError(
                f"{self.name}, line {error.lineno or 1}: {error.msg}",
                hint="it must be Python 3",
                data={"source": self.name, "line": error.lineno},
            ) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise DocumentError(
                f"{self.name} cannot be parsed as Python: {error or 'it is nested too deeply'}",
                hint="it must be Python 3",
                data={"source": self.name},
            ) from error

    def line(self, *path: str | int) -> int:
        """Return the line, from 1, of a part of the document; of the nearest part around it where it has none."""
        for end in range(len(path), 0, -1):
            if found := self._lines.get(path[:end]):
                return found
        return 1

    def leftover(
        self, value: Mapping[str, Any], known: Collection[str], *path: str | int, outcome: str = "left out"
    ) -> list[Loss]:
        """Report each key of a mapping that an importer does not know."""
        return [
            Loss(self.line(*path, key), f"key {key!r}", outcome, file=self.name) for key in value if key not in known
        ]

    def check_size(self, steps: int) -> None:
        """Refuse a file that stands for too many tasks.

        Raises:
            DocumentError: It does.
        """
        if steps > MOST_STEPS:
            raise DocumentError(
                f"{self.name} stands for more than {MOST_STEPS:,} tasks",
                hint="import a part of it",
                code="GEN-DOCUMENT-SIZE",
                data={"source": self.name},
            )

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """Return the first line of a part of a Python file, as it is written."""
        line, start = self._text_lines[node.lineno - 1], node.col_offset
        end = node.end_col_offset if node.end_lineno == node.lineno and node.end_col_offset else len(line)
        return excerpt(line[start : min(end, start + _LONGEST_SEGMENT)].decode("utf-8", "replace"))

    def beside(self, name: str) -> Source | str:
        """Read another file in the folder of this one, or below it.

        Returns:
            The file, or why it is not read.
        """
        folder = self.path.parent
        try:
            target = (folder / name).resolve()
            if not target.is_relative_to(folder.resolve()):
                return f"{name!r} is outside of the folder of {self.path.name!r}"
            return Source.read(folder / name, self.limits)
        except (GenesisError, OSError, ValueError, RuntimeError) as error:
            return error.message if isinstance(error, GenesisError) else f"{name!r} cannot be read"

    @cached_property
    def _text_lines(self) -> list[bytes]:
        return re.split(rb"\r\n|\r|\n", self.text.encode())

    @cached_property
    def _lines(self) -> dict[Path_, int]:
        return _lines_of_json(self.text) if self._is_json else _lines_of_yaml(self.text)


class _Cursor:
    """Where a walk through the parts of a document is."""

    def __init__(self) -> None:
        self.lines: dict[Path_, int] = {}
        self._path: list[str | int] = []
        self._is_mapping: list[bool] = []
        self._key_next: list[bool] = []

    def take_scalar(self, text: str, line: int) -> None:
        """Take a scalar: a key, or a value."""
        if self._key_next and self._key_next[-1]:
            self._path[-1] = text
            self._key_next[-1] = False
            self.lines.setdefault(tuple(self._path), line)
            return
        self._begin_value(line)
        self._end_value()

    def open(self, line: int, *, mapping: bool) -> None:
        """Enter a list or a mapping."""
        self._begin_value(line)
        self._path.append("" if mapping else -1)
        self._is_mapping.append(mapping)
        self._key_next.append(mapping)

    def close(self) -> None:
        """Leave the list or the mapping."""
        self._path.pop()
        self._is_mapping.pop()
        self._key_next.pop()
        self._end_value()

    def _begin_value(self, line: int) -> None:
        if self._is_mapping and not self._is_mapping[-1]:
            last = self._path[-1]
            self._path[-1] = last + 1 if isinstance(last, int) else 0
            self.lines.setdefault(tuple(self._path), line)

    def _end_value(self) -> None:
        if self._is_mapping:
            self._key_next[-1] = self._is_mapping[-1]


def _lines_of_yaml(text: str) -> dict[Path_, int]:
    """Find the line of each key and item of a document that has been parsed before."""
    cursor = _Cursor()
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1  # type: ignore[union-attr]  # the parser sets it
        match event:
            case yaml.ScalarEvent():
                cursor.take_scalar(event.value, line)
            case yaml.AliasEvent():
                cursor.take_scalar(event.anchor or "", line)
            case yaml.SequenceStartEvent():
                cursor.open(line, mapping=False)
            case yaml.MappingStartEvent():
                cursor.open(line, mapping=True)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                cursor.close()
    return cursor.lines


def _lines_of_json(text: str) -> dict[Path_, int]:
    """Find the line of each key and item of a JSON document that has been parsed before."""
    cursor, line, seen = _Cursor(), 1, 0
    for token in _JSON_TOKEN.finditer(text):
        line += text.count("\n", seen, token.start())
        seen = token.start()
        match token[0]:
            case "{" | "[":
                cursor.open(line, mapping=token[0] == "{")
            case "}" | "]":
                cursor.close()
            case ",":
                continue
            case word:
                cursor.take_scalar(word[1:-1] if word[0] == '"' else word, line)
    return cursor.lines
