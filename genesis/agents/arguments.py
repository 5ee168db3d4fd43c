"""A command's arguments with the inputs filled in, safe against injection."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydantic import JsonValue

from genesis.agents.contract import Work
from genesis.document import close_matches
from genesis.errors import SecurityError, TaskError
from genesis.model import ParameterKind
from genesis.structure import is_name

__all__ = ["fill_arguments", "program_problem"]

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")
"""A doubled brace, or a text in braces."""


def program_problem(program: str) -> str | None:
    """Return why the first word of a command cannot be run as written, or None."""
    if any(token[1] and is_name(token[1]) for token in _TOKEN.finditer(program)):
        return f"the program {program!r} may not come from an input; name it in the agents file"
    return None


def fill_arguments(
    argv: Sequence[str], work: Work, kinds: Mapping[str, ParameterKind] = MappingProxyType({})
) -> list[str]:
    """Fill `{input}` in a command's arguments. Doubled braces stand for single ones; braces without a name are text.

    No shell sees the command, and a value never becomes several arguments, so blanks, quotes and `;` in a value are
    harmless. The remaining risks are a value that a program parses as an option (a file "named" `--output=/etc/passwd`)
    and one whose file it reads (`@/etc/passwd`). So a value at the very start of an argument must not begin with a
    dash, unless the command says `--` before it; a number may, after an argument that is an option. A value after
    `--name=` is always a value. At the start of an argument and after a `=` only a labelled path may begin with `@`.

    Args:
        argv: The command as the agents file has it.
        work: The attempt.
        kinds: Kinds of the inputs that are labelled.

    Raises:
        TaskError: The task has no input of this name, or a value contains a NUL character.
        SecurityError: A value would be read as an option.
    """
    problem = program_problem(argv[0])
    if problem:
        raise SecurityError(problem)
    filled = [argv[0]]
    for position, argument in enumerate(argv[1:], start=1):
        text = _TOKEN.sub(lambda token: _fill_token(token, work), argument)
        if "\0" in text:
            raise TaskError(f"{work.path!r}: an input for argument {argument!r} contains a NUL character")
        if (
            text.startswith("-")
            and "--" not in argv[:position]
            and _starts_with_value(argument, work, argv[position - 1])
        ):
            raise SecurityError(
                f"{work.path!r}: the value {text[:80]!r} for argument {argument!r} would be read as an option",
                hint="write the argument as --name={input}, or put -- before it",
            )
        if name := _find_file_reference(argument, work, kinds):
            raise SecurityError(
                f"{work.path!r}: for argument {argument!r} a program may read the file that {name!r} names, "
                "since its value begins with @",
                hint="let the program read the value on stdin, or label it: `parameters: {NAME: read_path}`",
            )
        filled.append(text)
    return filled


def _fill_token(token: re.Match[str], work: Work) -> str:
    name = token[1]
    if name is None:
        return token[0][0]
    return _text(_input(name, work)) if name in work.inputs or is_name(name) else token[0]


def _starts_with_value(argument: str, work: Work, before: str) -> bool:
    """Whether an argument begins with an input that could be taken for an option: numbers are values of options."""
    first = _TOKEN.match(argument)
    if first is None or first[1] is None or first[1] not in work.inputs:
        return False
    return not (isinstance(work.inputs[first[1]], int | float) and before.startswith("-"))


def _find_file_reference(argument: str, work: Work, kinds: Mapping[str, ParameterKind]) -> str | None:
    """Name an input of data that begins with `@` where programs take the rest for a file's name."""
    for token in _TOKEN.finditer(argument):
        name = token[1]
        is_start = token.start() == 0 or argument[token.start() - 1] in "=:,;"
        if (
            name in work.inputs
            and is_start
            and kinds.get(name, "data") == "data"
            and _text(work.inputs[name])[:1] == "@"
        ):
            return str(name)
    return None


def _input(name: str, work: Work) -> JsonValue:
    if name not in work.inputs:
        given = ", ".join(map(repr, work.inputs)) or "none"
        raise TaskError(
            f"{work.path!r}: the command uses input {name!r}, which the task does not have (its inputs: {given})",
            hint=close_matches(name, work.inputs) or "add it to the task's inputs",
        )
    return work.inputs[name]


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
