"""Build plain values from YAML events, one event at a time, without recursion and within bounds.

The loader of the YAML library composes by recursion, in C: a file of 50,000 opening brackets ends the process there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from genesis.model.scalars import WrittenTruth, number

__all__ = ["NUMBER", "Composer", "NotPlainError"]

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUTH = {"true": True, "false": False}
_OTHER_TRUTH = {"True", "TRUE", "False", "FALSE"}
NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
"""A plain scalar that is read as a number."""
_NOTHING = object()


class NotPlainError(ValueError):
    """The document uses features that are not allowed, or exceeds the bounds."""


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being filled."""

    value: list[Any] | dict[str, Any]
    anchor: str | None
    size: int = 1
    """Values in it, itself included, aliases counted as if written out."""
    key: Any = field(default=_NOTHING)


class Composer:
    """Takes the events of one document.

    Args:
        most_nodes: Maximum number of values, aliases counted as if written out.
        most_levels: Maximum nesting.
    """

    def __init__(self, *, most_nodes: int, most_levels: int):
        self.value: Any = None
        self.documents = 0
        self._most_nodes = most_nodes
        self._most_levels = most_levels
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open_anchors: set[str] = set()

    def take(self, event: yaml.Event) -> None:
        """Take the next event.

        Raises:
            NotPlainError: It is not allowed in a plain document.
        """
        match event:
            case yaml.ScalarEvent():
                value = self._scalar(event)
                self._remember(event.anchor, value, 1)
                self._place(value, 1)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._open(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                frame = self._frames.pop()
                self._open_anchors.discard(frame.anchor or "")
                self._remember(frame.anchor, frame.value, frame.size)
                self._place(frame.value, frame.size)
            case yaml.AliasEvent():
                self._alias(event.anchor or "")
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise NotPlainError("expected a single document, but another one starts here")

    def _scalar(self, event: Any) -> Any:
        self._refuse_tag(event)
        text: str = event.value
        if not event.implicit[0] or self._expects_key():
            return text
        if text in _NULL:
            return None
        if text in _TRUTH:
            return _TRUTH[text]
        if text in _OTHER_TRUTH:
            return WrittenTruth(text)
        return number(text) if NUMBER.fullmatch(text) else text

    def _expects_key(self) -> bool:
        frame = self._frames[-1] if self._frames else None
        return frame is not None and isinstance(frame.value, dict) and frame.key is _NOTHING

    def _open(self, event: Any) -> None:
        self._refuse_tag(event)
        if self._expects_key():
            raise NotPlainError("a key must be text")
        if len(self._frames) >= self._most_levels:
            raise NotPlainError(f"nested deeper than {self._most_levels} levels")
        if event.anchor:
            self._open_anchors.add(event.anchor)
        self._frames.append(_Frame([] if isinstance(event, yaml.SequenceStartEvent) else {}, event.anchor))

    def _alias(self, anchor: str) -> None:
        if anchor in self._open_anchors:
            raise NotPlainError(f"the alias {anchor!r} contains itself")
        if anchor not in self._anchors:
            raise NotPlainError(f"there is no anchor {anchor!r}")
        value, size = self._anchors[anchor]
        if self._expects_key() and not isinstance(value, str):
            raise NotPlainError("a key must be text")
        self._place(value, size)

    def _remember(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor:
            self._anchors[anchor] = (value, size)

    def _place(self, value: Any, size: int) -> None:
        """Add a value at the current position."""
        if not self._frames:
            self.value = value
            return
        frame = self._frames[-1]
        frame.size += size
        if frame.size > self._most_nodes:
            raise NotPlainError(f"it has more than {self._most_nodes:,} values once its aliases are expanded")
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is _NOTHING:
            if value in frame.value:
                raise NotPlainError(f"duplicate key {value!r}")
            frame.key = value
        else:
            frame.value[frame.key] = value
            frame.key = _NOTHING

    @staticmethod
    def _refuse_tag(event: Any) -> None:
        if event.tag is not None:
            raise NotPlainError(f"the tag {event.tag!r} is not allowed")
