"""References in inputs: `{var}` stands for a variable, `{task.key}` for an upstream result.

`{task.result}` is the whole result of a task. Doubled braces stand for themselves: `{{x}}` is the text `{x}`. An input
that is one reference and nothing else takes the value with its type; inside other text it becomes text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from pydantic import JsonValue

__all__ = ["TOKEN", "WHOLE_RESULT", "fill", "literal", "references", "rewritten", "split"]

WHOLE_RESULT = "result"
"""The key that stands for all that a task returned."""

TOKEN = re.compile(r"\{\{|\}\}|\{([\w\-]+(?:[./\-][\w\-]+)*)\}")
"""A doubled brace, or a reference with its name as the group."""


def references(value: JsonValue) -> list[str]:
    """Give the references in a value as they are written between the braces, in order, repeats included."""
    found: list[str] = []
    stack: list[JsonValue] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "{" in item:
                found += filter(None, TOKEN.findall(item))
        elif isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            stack.extend(reversed(item.values()))
    return found


def split(reference: str) -> tuple[str, str] | None:
    """Split `task.key` at its last dot into the task's name and the key; None for a variable's name."""
    task, dot, key = reference.rpartition(".")
    return (task, key) if dot else None


def fill(value: JsonValue, lookup: Callable[[str], JsonValue]) -> JsonValue:
    """Replace the references in a value.

    Args:
        value: Text, or lists and mappings with text in them; other values stay as they are.
        lookup: Gives the value of a reference; it raises for an unknown one.
    """
    if isinstance(value, str):
        return _fill_text(value, lookup) if "{" in value or "}" in value else value
    if isinstance(value, list):
        return [fill(item, lookup) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, lookup) for key, item in value.items()}
    return value


def rewritten(inputs: Mapping[str, JsonValue], names: Mapping[str, str | None]) -> dict[str, JsonValue]:
    """Change references in inputs: to another reference, or with None into the same characters as plain text."""

    def change(match: re.Match[str]) -> str:
        if match[1] not in names:
            return match[0]
        better = names[match[1]]
        return f"{{{better}}}" if better else f"{{{{{match[1]}}}}}"

    def walk(value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return TOKEN.sub(change, value)
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return value

    return {key: walk(value) for key, value in inputs.items()}


def literal(text: str) -> str:
    """Write a text so that no part of it is a reference."""
    return text.replace("{", "{{").replace("}", "}}")


def _fill_text(text: str, lookup: Callable[[str], JsonValue]) -> JsonValue:
    whole = TOKEN.fullmatch(text)
    if whole and whole[1]:
        return lookup(whole[1])

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        found = lookup(match[1])
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

    return TOKEN.sub(replace, text)
