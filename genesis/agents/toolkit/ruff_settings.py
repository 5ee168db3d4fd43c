"""Which of a repository's ruff settings may be used on it.

Ruff's configuration runs nothing, but `extend` can point at any file of the machine, whose lines ruff would then quote
in its error, and `cache-dir`, `include` or `src` can point outside too. So a configuration of ours is written from the
repository's own: only settings that choose and tune rules, read by this process from files inside the folder.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from genesis.agents.toolkit.documents import BrokenDocument, load_toml, mapping, string
from genesis.agents.toolkit.files import Tree

__all__ = ["RuffSettings", "ruff_settings"]

_SOURCES = (".ruff.toml", "ruff.toml", "pyproject.toml")
_MAX_EXTENDS = 5
_TOP = ("line-length", "target-version", "indent-width", "builtins", "exclude", "extend-exclude")
_LINT = (
    "select",
    "ignore",
    "extend-select",
    "extend-ignore",
    "external",
    "per-file-ignores",
    "extend-per-file-ignores",
    "dummy-variable-rgx",
    "task-tags",
    "typing-modules",
    "explicit-preview-rules",
    "exclude",
)
_PLUGIN = re.compile(
    r"^(?:flake8-[a-z-]+|isort|mccabe|pep8-naming|pycodestyle|pydoclint|pydocstyle|pyflakes|pylint|pyupgrade)$"
)
_BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+$")
_DEFAULT_SELECT = ["E4", "E7", "E9", "F", "B"]
_KNOWN_MINORS = range(7, 15)
_REQUIRES_PYTHON = re.compile(r"(?:>=|~=|==)\s*3\.(\d{1,2})")


@dataclass(frozen=True)
class RuffSettings:
    """A configuration for ruff, and where it comes from."""

    toml: str
    source: str
    """The repository's file, or an empty text where it has none and our own selection is used."""
    refused: tuple[str, ...] = ()
    """What was not followed, for a finding."""


def ruff_settings(tree: Tree) -> RuffSettings:
    """Give the settings that a folder's sources are linted with: its own, made safe, or a plain selection."""
    for name in _SOURCES:
        table = _table(tree, name)
        if table is not None:
            merged, refused = _merged(tree, name, table)
            merged.setdefault("target-version", _target_version(tree))
            return RuffSettings(_to_toml(merged), name, tuple(refused))
    return RuffSettings(_to_toml({"target-version": _target_version(tree), "lint": {"select": _DEFAULT_SELECT}}), "")


def _table(tree: Tree, path: str) -> dict[str, object] | None:
    """Give the ruff table of a file in the folder, or `None` where there is no such file or table."""
    file = tree.get(path)
    text = tree.text_of(file) if file is not None else None
    if text is None:
        return None
    try:
        document = load_toml(text)
    except BrokenDocument:
        return None
    if PurePosixPath(path).name != "pyproject.toml":
        return mapping(document)
    tool = mapping(document, "tool")
    return mapping(tool, "ruff") if "ruff" in tool else None


def _merged(tree: Tree, path: str, table: dict[str, object]) -> tuple[dict[str, object], list[str]]:
    """Follow `extend` as long as it stays in the folder; the nearer file wins, as ruff has it."""
    chain, refused = [table], []
    seen = {path}
    while (target := string(chain[-1].get("extend"))) and len(chain) <= _MAX_EXTENDS:
        path = _joined(path, target)
        extended = _table(tree, path) if path and path not in seen else None
        if extended is None:
            refused.append(f"extend = {target[:80]!r}")
            break
        seen.add(path)
        chain.append(extended)
    merged: dict[str, object] = {}
    lint: dict[str, object] = {}
    for each in reversed(chain):
        merged.update({key: each[key] for key in _TOP if key in each})
        lint.update(_lint_of(each))
    merged["lint"] = lint
    return merged, refused


def _joined(path: str, target: str) -> str:
    """Resolve a relative path against a file's folder; empty where it leaves the audited folder."""
    if target.startswith(("/", "~", "$")) or "\\" in target:
        return ""
    parts: list[str] = list(PurePosixPath(path).parts[:-1])
    for part in PurePosixPath(target).parts:
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _lint_of(table: dict[str, object]) -> dict[str, object]:
    """Take the lint settings, which older configurations write at the top level."""
    lint = mapping(table, "lint")
    known = {key: source[key] for source in (table, lint) for key in _LINT if key in source}
    known.pop("exclude", None)
    if "exclude" in lint:
        known["exclude"] = lint["exclude"]
    plugins = {key: value for source in (table, lint) for key, value in source.items() if _PLUGIN.match(key)}
    return {**known, **plugins}


def _target_version(tree: Tree) -> object:
    file = tree.get("pyproject.toml")
    text = tree.text_of(file) if file is not None else None
    try:
        wanted = string(mapping(load_toml(text or ""), "project").get("requires-python"))
    except BrokenDocument:
        return None
    match = _REQUIRES_PYTHON.search(wanted)
    return f"py3{match[1]}" if match and int(match[1]) in _KNOWN_MINORS else None


def _to_toml(table: dict[str, object], name: str = "") -> str:
    """Write plain values and tables as TOML; what is neither is left out."""
    lines = [f"[{name}]"] if name else []
    tables: list[str] = []
    for key, value in table.items():
        shown = key if _BARE_KEY.match(key) else _quoted(key)
        if isinstance(value, dict):
            tables.append(_to_toml(mapping(value), f"{name}.{shown}" if name else shown))
        elif (text := _value(value)) is not None:
            lines.append(f"{shown} = {text}")
    return "\n".join([*lines, *tables]) + "\n"


def _value(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        parts = [_value(item) for item in value]
        return "[" + ", ".join(part for part in parts if part is not None) + "]"
    return None


def _quoted(text: str) -> str:
    """Write a basic string; JSON's escapes are TOML's, except that TOML also forbids a raw DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
