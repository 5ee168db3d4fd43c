"""Labels of tasks in drawn graphs, in characters that are safe in every format."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

__all__ = ["clean_text", "make_label", "plain_attribute", "shorten"]

_LONGEST = 60
"""Most characters of a label."""
_JOINERS = "\u200c\u200d"
"""Invisible characters that words and emoji need."""
_NO_XML = "\ufffe\uffff"


def clean_text(text: str) -> str:
    """Remove invisible characters: controls, changes of direction, lone surrogates.

    Lines end with a line feed. The rest is valid in XML and safe on a terminal.
    """
    if text.isascii() and text.isprintable():
        return text
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in lines if char in "\n\t" or _is_visible(char))


def _is_visible(char: str) -> bool:
    category = unicodedata.category(char)
    return category not in ("Cc", "Cs") and (category != "Cf" or char in _JOINERS) and char not in _NO_XML


def shorten(text: str, most: int = _LONGEST) -> str:
    """Return a text in one line of a maximum length, with an ellipsis where it is cut."""
    line = " ".join(clean_text(text).split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def make_label(path: str, attributes: Mapping[str, Any]) -> list[str]:
    """Return the lines of a task's label: its id, its description, and its agent with the estimated seconds."""
    seconds = attributes.get("seconds")
    known = [attributes.get("agent"), None if seconds is None else f"{seconds:g} s"]
    lines = [path.rpartition("/")[2], attributes.get("description", ""), " · ".join(filter(None, known))]
    return [line for text in lines if (line := shorten(text))]


def plain_attribute(value: Any) -> str | int | float | bool | None:
    """Convert an attribute to what every format supports: text, a number or a boolean; several texts are joined.

    Returns:
        The value, or None where it is empty.
    """
    if isinstance(value, bool | int | float):
        return value
    text = clean_text(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
    return text or None
