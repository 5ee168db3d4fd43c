"""Hints lead somewhere: the commands, options and settings that messages name are there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import genesis
from genesis.cli.app import _COMMANDS, _genesis
from genesis.settings import Settings

_PACKAGE = Path(genesis.__file__).parent
_COMMAND = re.compile(r"(?<![\w./-])genesis ([a-z]+(?: [a-z]+)?)((?: (?:--?[a-z-]+|[A-Z{}'\w.,:|/-]+))*)")
_SETTING = re.compile(r"\bGENESIS_[A-Z0-9_]*[A-Z0-9]\b")
_FOR_TASKS = re.compile(r"GENESIS_(TASK|RUN|CORRELATION|WORKER)_(?!_)|GENESIS_AUDIT_NESTED|GENESIS_(POSTGRES|REDIS)$")
"""What programs are given, what a call brings along, and what `genesis server up` takes: no settings."""
_NAMES_OF_THREADS = {"work", "spans"}


def _texts() -> Iterator[tuple[str, str]]:
    """Return all texts of the package with their places, docstrings left out; what is filled in is a word in braces."""
    for path in sorted([*_PACKAGE.rglob("*.py"), *_PACKAGE.with_name("genesis_audit").rglob("*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            where = f"{path.relative_to(_PACKAGE.parent)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | parts:
                yield where, node.value
            elif isinstance(node, ast.JoinedStr):
                yield (
                    where,
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "{x}" for part in node.values),
                )


_TEXTS = list(_texts())


def _settings() -> set[str]:
    names = set()
    for name, field in Settings.model_fields.items():
        names.add(f"GENESIS_{name.upper()}")
        group = getattr(field.annotation, "model_fields", {})
        names |= {f"GENESIS_{name.upper()}__{inner.upper()}" for inner in group}
    return names


def test_every_setting_that_a_message_names_is_one():
    known = _settings()
    named = {(where, name) for where, text in _TEXTS for name in _SETTING.findall(text)}
    assert len(named & {(where, name) for where, name in named if name in known}) > 20
    assert sorted((where, name) for where, name in named if name not in known and not _FOR_TASKS.match(name)) == []


def _commands() -> list[tuple[str, str, str]]:
    matches = ((where, match) for where, text in _TEXTS for match in _COMMAND.finditer(text))
    return [(where, match[1], match[2]) for where, match in matches if match[1] not in _NAMES_OF_THREADS]


@pytest.mark.parametrize(("where", "words", "rest"), _commands())
def test_every_command_that_a_message_names_is_one_with_these_options(where: str, words: str, rest: str):
    name, _, second = words.partition(" ")
    assert name in _COMMANDS, f"{where}: there is no command {name!r}"
    command = _genesis.get_command(click.Context(_genesis), name)
    if isinstance(command, click.Group) and second in command.commands:
        command = command.commands[second]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--debug"}
    for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
        assert option in known, f"{where}: {name!r} has no option {option!r}"


def test_no_message_names_a_page_of_the_repository():
    assert [(where, text) for where, text in _TEXTS if "docs/guide" in text and "see docs" in text] == []
