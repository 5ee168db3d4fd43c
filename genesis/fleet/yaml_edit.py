"""Edit a list of mappings in a YAML text, and leave every other character of it as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["Edit", "YamlList", "apply_edits", "find_value_edits"]


class Edit(NamedTuple):
    """Replace a part of a text; an empty part is an insertion."""

    start: int
    end: int
    text: str


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Make all edits, which do not overlap. Of two at one place the one named first comes first."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


class YamlList(NamedTuple):
    """A list of mappings under a key of the document.

    Attributes:
        text: The whole document.
        key: The list's key.
        node: The list's value as it is; None where the document does not have the key.
        items: Its mappings.
    """

    text: str
    key: str
    node: Node | None
    items: tuple[MappingNode, ...]

    @classmethod
    def of(cls, text: str, key: str) -> YamlList:
        """Find the list. The text has been found to be a mapping, or empty."""
        root = yaml.compose(text, yaml.SafeLoader)
        node = _value(root, key) if isinstance(root, MappingNode) else None
        items = (
            tuple(item for item in node.value if isinstance(item, MappingNode))
            if isinstance(node, SequenceNode)
            else ()
        )
        return cls(text, key, node, items)

    @property
    def is_block(self) -> bool:
        """Whether it has nothing yet, or an item a line."""
        return not self.items or (isinstance(self.node, SequenceNode) and not self.node.flow_style)

    @property
    def indent(self) -> int:
        """Blanks before the dash of an item."""
        if not self.items:
            return 2
        dash = self._dash(0)
        return dash - _line_start(self.text, dash)

    def remove(self, places: Iterable[int]) -> list[Edit]:
        """Take items out, each with its lines and an empty line before it."""
        edits = []
        for at in places:
            start = _line_start(self.text, self._dash(at))
            start -= self.text[:start].endswith("\n\n")
            edits.append(Edit(start, _line_end(self.text, _last(self.text, self.items[at])), ""))
        return edits

    def add(self, blocks: list[str]) -> Edit:
        """Add items at the end of the list, before whatever follows it.

        Args:
            blocks: Items as text, with their indentation and a line break at the end.
        """
        joined = "\n".join(blocks)
        if self.items:
            end = _line_end(self.text, _last(self.text, self.items[-1]))
            before = "\n" if self.text[:end].endswith("\n") else "\n\n"
            return Edit(end, end, before + joined)
        if self.node is None:
            before = "" if not self.text or self.text.endswith("\n") else "\n"
            return Edit(len(self.text), len(self.text), f"{before}{self.key}:\n{joined}")
        end = _last(self.text, self.node)
        rest = self.text[end : _line_end(self.text, end)].rstrip("\n")  # a comment after an empty list stays
        return Edit(self.node.start_mark.index, _line_end(self.text, end), f"{rest}\n{joined}")

    def _dash(self, at: int) -> int:
        return self.text.rindex("-", 0, self.items[at].start_mark.index)


def find_value_edits(
    text: str, node: MappingNode, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> tuple[list[str], list[Edit]]:
    """Find the edits that give a mapping the wanted values, where they differ.

    Args:
        text: The whole document.
        node: The mapping in it.
        found: What the mapping means.
        wanted: Plain values; of those that are mappings, only the keys they have.

    Returns:
        The keys that differ, and the edits.
    """
    names: list[str] = []
    edits: list[Edit] = []
    for key, value in wanted.items():
        old, place = found.get(key), _value(node, key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and isinstance(place, MappingNode) and old:
            inner, more = find_value_edits(text, place, old, value)
            names += [f"{key}.{name}" for name in inner]
            edits += more
        elif key not in found or old != value:
            names.append(key)
            edits.append(_set(text, node, place, key, value))
    return names, edits


def _set(text: str, node: MappingNode, place: Node | None, key: str, value: Any) -> Edit:
    written = _inline(value)
    if place is not None:
        start, end = place.start_mark.index, _last(text, place)
        return Edit(start, end, written if start < end else f" {written}")
    first = node.value[0][0].start_mark
    joint = ", " if node.flow_style else f"\n{' ' * first.column}"
    return Edit(first.index, first.index, f"{key}: {written}{joint}")


def _inline(value: Any) -> str:
    """Write a value on one line."""
    written = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9, sort_keys=False)
    return written.strip().removesuffix("...").strip()


def _value(node: MappingNode, key: str) -> Node | None:
    return next((value for name, value in node.value if isinstance(name, ScalarNode) and name.value == key), None)


def _last(text: str, node: Node) -> int:
    """Return the index after the last character that belongs to a node; its own mark may be lines later."""
    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last(text, last[1] if isinstance(last, tuple) else last)
    start, end = node.start_mark.index, node.end_mark.index
    return start + len(text[start:end].rstrip())


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1
