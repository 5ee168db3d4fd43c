"""References in inputs, `env` and `wait_for`: `{var}` is a variable or a parameter, `{task.key}` an upstream result.

`{task.result}` is the whole result of a task. An input that is one reference and nothing else takes the value with its
type; inside other text it becomes text. Only the name of a variable, or of a task with a key, makes a reference: all
other braces are text and stay as they are. Around such a name, two braces stand for one, as in Python's format strings:
`{{x}}` is the text `{x}`, and `{{{x}}}` is the value in braces. Inputs that `literal_inputs` names hold no references.
In descriptions variables and parameters are references by the same rules, and results are not.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from genesis.model import Task, WaitFor
from genesis.model.scalars import canonical

__all__ = [
    "WHOLE_RESULT",
    "as_json_text",
    "as_text",
    "copy_json",
    "describe_wait",
    "escape_text",
    "file_references",
    "fill",
    "fill_text",
    "fillable",
    "is_name",
    "move_names",
    "references",
    "referring",
    "rename_references",
    "replace_references",
    "split",
    "split_file_reference",
    "splits",
    "tokens",
]

WHOLE_RESULT = "result"
"""The key that stands for all that a task returned."""

_TOKEN = re.compile(r"(?<!\{)(\{++)([^{}]++)(\}++)")
"""A text in braces, with all braces directly around it. Which of these are references depends on the plan."""
_PATH = re.compile(r"[^\s\"'`(),:;=\[\]<>|&]{1,1200}")
"""As much of a token as may be a task's path."""
_FILES = ".files."
"""What stands between a task and the name of its file."""
_SEPARATORS = re.compile(r"[./]")
_MARKS = frozenset({"Mn", "Mc", "Me", "Pc"})
_JOINERS = "\u200c\u200d"

Rename = Callable[[str], str | None]
"""Gives another name for a name in braces, or None to leave it."""


def references(value: JsonValue) -> list[str]:
    """List the names that are references in a value if the plan knows them, in order, repeats included."""
    return [name for name, is_reference in tokens(value) if is_reference]


def tokens(value: JsonValue) -> list[tuple[str, bool]]:
    """Find the names in braces, each with whether the braces make a reference, or stand for half of them."""
    found: list[tuple[str, bool]] = []
    stack: list[JsonValue] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "{" in item:
                for opening, name, closing in _TOKEN.findall(item):
                    found.append((canonical(name), min(len(opening), len(closing)) % 2 == 1))
        elif isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            stack.extend(reversed(item.values()))
    return found


def is_name(text: str) -> bool:
    """Whether a text looks like the name of a variable, or of a task and a key: parts of letters, digits, `_` and `-`.

    The letters are those of all scripts, with the marks that combine with them, as in a task's id.
    """
    return all(part and all(map(_is_letter, part)) for part in _SEPARATORS.split(text))


def _is_letter(char: str) -> bool:
    return char.isalnum() or char in "_-" or unicodedata.category(char) in _MARKS or char in _JOINERS


def split(reference: str) -> tuple[str, str] | None:
    """Split `task.key` at its last dot into the task's name and the key; None for a variable's name."""
    task, dot, key = reference.rpartition(".")
    return (task, key) if dot else None


def splits(reference: str) -> Iterator[tuple[str, str]]:
    """Split `task.key` at each dot that may end a task's name, the last one first: keys may hold dots, too."""
    found = _PATH.match(reference)
    end = found.end() if found else 0
    while (end := reference.rfind(".", 0, end)) > 0:
        if end + 1 < len(reference):
            yield reference[:end], reference[end + 1 :]


def file_references(task: Task) -> dict[str, str]:
    """Return the references in `files.in` of a task, without their braces, by path in its folder."""
    return {path: text[1:-1] for path, text in task.files.get("in", {}).items()}


def split_file_reference(reference: str) -> tuple[str, str] | None:
    """Split `task.files.name` into the task's name and that of its file; None where it has another form."""
    task, found, name = reference.rpartition(_FILES)
    return (task, name) if found and task and name else None


def fillable(task: Task) -> dict[str, JsonValue]:
    """Return the inputs of a task that may hold references."""
    if not task.literal_inputs:
        return task.inputs
    return {name: value for name, value in task.inputs.items() if name not in task.literal_inputs}


def referring(task: Task) -> JsonValue:
    """Return all of a task that may hold references to variables and results: inputs, environment, `wait_for`."""
    inputs = dict(fillable(task))
    more: list[JsonValue] = [dict(task.env)] if task.env else []
    more += [describe_wait(task.wait_for)] if task.wait_for is not None else []
    return [inputs, *more] if more else inputs


def describe_wait(wait: WaitFor) -> dict[str, JsonValue]:
    """Return a `wait_for` as it is written, for `fill`."""
    return wait.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def fill(value: JsonValue, known: Callable[[str], bool], lookup: Callable[[str], JsonValue]) -> JsonValue:
    """Replace the references in a value, each once: what comes in is not searched again.

    Args:
        value: Text, or lists and mappings with text in them; other values, and keys, stay as they are.
        known: Whether a name is that of a variable or a result; braces around other text are left alone.
        lookup: Gives the value of a reference.
    """
    if isinstance(value, str):
        return _fill_text(value, known, lookup) if "{" in value else value
    if isinstance(value, list):
        return [fill(item, known, lookup) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, known, lookup) for key, item in value.items()}
    return value


def _fill_text(text: str, known: Callable[[str], bool], lookup: Callable[[str], JsonValue]) -> JsonValue:
    whole = _TOKEN.fullmatch(text)
    if whole and len(whole[1]) == len(whole[3]) == 1 and known(canonical(whole[2])):
        return copy_json(lookup(canonical(whole[2])))

    def one(match: re.Match[str]) -> str:
        name = canonical(match[2])
        if not known(name):
            return match[0]
        pairs, is_reference = divmod(_braces(match), 2)
        middle = as_json_text(lookup(name)) if is_reference else match[2]
        return _around(match, f"{'{' * pairs}{middle}{'}' * pairs}")

    return _TOKEN.sub(one, text)


def fill_text(text: str, values: Mapping[str, JsonValue]) -> str:
    """Replace the names of variables and parameters in a description, each once; values become text."""
    return as_json_text(_fill_text(text, values.__contains__, values.__getitem__)) if "{" in text else text


def as_json_text(value: JsonValue) -> str:
    """Return a value as it stands inside of text: text as it is, all others as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def copy_json(value: JsonValue) -> JsonValue:
    """Copy a JSON value, so that its receiver may change it."""
    if isinstance(value, list):
        return [copy_json(item) for item in value]
    if isinstance(value, dict):
        return {key: copy_json(item) for key, item in value.items()}
    return value


def rename_references(task: Task, rename: Rename, *, moved: bool = False) -> dict[str, Any]:
    """Change references in the inputs, the environment, the files and the `wait_for` of a task; return these fields.

    Args:
        task: Its literal inputs stay as they are.
        rename: Gives the new name of a reference. One to a file is asked for as it is written, then as `task.name`.
        moved: Whether the old names are unknown from now on: then doubled braces around them are halved, which keeps
            the text that they stand for.
    """

    def one(match: re.Match[str]) -> str:
        pairs, is_reference = divmod(_braces(match), 2)
        better = rename(canonical(match[2])) if is_reference or moved else None
        if better is None:
            return match[0]
        braces = 2 * pairs + 1 if is_reference else pairs
        return _around(match, f"{'{' * braces}{better if is_reference else match[2]}{'}' * braces}")

    changed = _change_references(task, one)
    files_in = task.files.get("in")
    if not files_in:
        return changed
    renamed = {path: _rename_file(text, rename) for path, text in files_in.items()}
    return {**changed, "files": {**task.files, "in": renamed}}


def _rename_file(text: str, rename: Rename) -> str:
    """Change the task in a reference to a file; its name stays."""
    parts = split_file_reference(text[1:-1])
    if parts is None:
        return text
    if (whole := rename(text[1:-1])) is not None:
        return f"{{{whole}}}"
    short = rename(f"{parts[0]}.{parts[1]}")
    if short is None or not short.endswith(f".{parts[1]}"):
        return text
    return f"{{{short.removesuffix(parts[1])}files.{parts[1]}}}"


def move_names(value: JsonValue, rename: Rename, was: Callable[[str], bool], will_be: Callable[[str], bool]) -> Any:
    """Rewrite the names in braces of a value that moves to where other names are known, so that it means the same.

    Args:
        value: Text, or lists and mappings with text in them; other values, and keys, stay as they are.
        rename: Gives the new name of a reference, or None where it stays.
        was: Whether a name is known where the value is from.
        will_be: Whether a name is known where the value goes: text in braces then gets doubled ones, and doubled braces
            around a name that is unknown there are halved.
    """

    def one(match: re.Match[str]) -> str:
        name = canonical(match[2])
        if not was(name):
            return _double_braces(match, will_be)
        pairs, is_reference = divmod(_braces(match), 2)
        if is_reference:
            better = rename(name) or match[2]
            return _around(match, f"{'{' * (2 * pairs + 1)}{better}{'}' * (2 * pairs + 1)}")
        return match[0] if will_be(name) else _around(match, f"{'{' * pairs}{match[2]}{'}' * pairs}")

    return _change_texts(value, one)


def as_text(task: Task, names: Callable[[str], bool]) -> dict[str, Any]:
    """Write references in inputs and `env` so that they stand for their own characters; return these fields."""

    def one(match: re.Match[str]) -> str:
        return match[0] if _braces(match) % 2 == 0 else _double_braces(match, names)

    return _change_references(task, one)


def escape_text(text: str, names: Callable[[str], bool]) -> str:
    """Write a text so that it is what `fill_text` makes of it, whatever the values of these names are."""
    return _TOKEN.sub(lambda match: _double_braces(match, names), text)


def _double_braces(match: re.Match[str], names: Callable[[str], bool]) -> str:
    if not names(canonical(match[2])):
        return match[0]
    braces = 2 * _braces(match)
    return _around(match, f"{'{' * braces}{match[2]}{'}' * braces}")


def replace_references(text: str, lookup: Rename) -> str:
    """Put values in place of the references that the lookup knows; everything else stays as it is written."""

    def one(match: re.Match[str]) -> str:
        found = lookup(canonical(match[2])) if _braces(match) % 2 else None
        inner = "{" * (_braces(match) - 1), "}" * (_braces(match) - 1)
        return match[0] if found is None else _around(match, f"{inner[0]}{found}{inner[1]}")

    return _TOKEN.sub(one, text) if "{" in text else text


def _change_references(task: Task, change: Callable[[re.Match[str]], str]) -> dict[str, Any]:
    inputs = {
        name: value if name in task.literal_inputs else _change_texts(value, change)
        for name, value in task.inputs.items()
    }
    changed: dict[str, Any] = {"inputs": inputs}
    if task.env:
        changed["env"] = _change_texts(task.env, change)
    if task.wait_for is not None:
        changed["wait_for"] = task.wait_for.model_copy(update=_change_texts(describe_wait(task.wait_for), change))
    return changed


def _change_texts(value: Any, change: Callable[[re.Match[str]], str]) -> Any:
    """Change each name in braces in a value."""
    if isinstance(value, str):
        return _TOKEN.sub(change, value) if "{" in value else value
    if isinstance(value, list):
        return [_change_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _change_texts(item, change) for key, item in value.items()}
    return value


def _braces(match: re.Match[str]) -> int:
    """Count the pairs of braces around a name; what one side has more is text beside it."""
    return min(len(match[1]), len(match[3]))


def _around(match: re.Match[str], middle: str) -> str:
    """Put the braces that one side has more around a text again."""
    pairs = _braces(match)
    return f"{match[1][pairs:]}{middle}{match[3][pairs:]}"
