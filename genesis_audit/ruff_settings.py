"""Which of a repository's ruff configurations may be given to ruff.

Ruff's configuration runs nothing, but `extend` can point at any file of the machine, whose lines ruff would then quote
in its error. So ruff is given each configuration by name, discovers none itself, and a configuration whose `extend`
leaves the folder is given as a copy without it. What writes, `fix` and `cache-dir`, is switched off by options.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from genesis_audit.documents import BrokenDocument, load_toml, mapping, string
from genesis_audit.files import SourceFile, Tree

__all__ = ["RuffSettings", "ruff_settings"]

_SOURCES = (".ruff.toml", "ruff.toml", "pyproject.toml")
"""In one folder the first wins."""
_MAX_EXTENDS = 10
_KNOWN_MINORS = range(7, 16)
_REQUIRES_PYTHON = re.compile(r"(?:>=|~=|==)\s*3\.(\d{1,2})")


@dataclass(frozen=True)
class RuffSettings:
    """One of the repository's configurations, and the files that it is for."""

    source: str = ""
    """Its path; empty for files that no configuration is for, which get ruff's default rules."""
    files: list[SourceFile] = field(default_factory=list)
    copy: str | None = None
    """The text to use instead of the file, without what was refused."""
    refused: tuple[str, ...] = ()
    """What was not followed, for a finding."""
    required_version: str = ""
    target_version: str = ""
    """A Python version that the configuration leaves to the project's metadata."""

    @property
    def folder(self) -> str:
        """Where its relative paths begin; empty is the audited folder."""
        return self.source.rpartition("/")[0]

    def without(self, key: str) -> RuffSettings:
        """Leave out a top-level setting, whatever it is."""
        return RuffSettings(
            self.source, self.files, _without(self.copy or "", key), self.refused, "", self.target_version
        )


def ruff_settings(tree: Tree, files: Iterable[SourceFile]) -> list[RuffSettings]:
    """Divide Python files among the configurations in the folder: each belongs to the nearest one above it."""
    by_folder = _by_folder(tree)
    by_folder.setdefault("", RuffSettings(target_version=_target_version(tree, "")))
    groups: dict[str, RuffSettings] = {}
    for file in files:
        folder = file.path.rpartition("/")[0]
        while folder not in by_folder:
            folder = folder.rpartition("/")[0]
        known = by_folder[folder]
        groups.setdefault(known.source, known).files.append(file)
    return list(groups.values())


def _by_folder(tree: Tree) -> dict[str, RuffSettings]:
    found: dict[str, RuffSettings] = {}
    for name in _SOURCES:
        for file in tree.files:
            folder = file.path.rpartition("/")[0]
            if file.name == name and folder not in found:
                settings = _settings(tree, file)
                if settings is not None:
                    found[folder] = settings
    return found


def _settings(tree: Tree, file: SourceFile) -> RuffSettings | None:
    table = _table(tree, file.path)
    if table is None:
        return None
    chain, refused = _chain(tree, file.path, table)
    versions = [each for each in chain if "target-version" in each]
    return RuffSettings(
        source=file.path,
        copy=_without(tree.text_of(file) or "", "extend") if refused else tree.text_of(file),
        refused=refused,
        required_version=string(table.get("required-version")),
        target_version="" if versions else _target_version(tree, file.path.rpartition("/")[0]),
    )


def _table(tree: Tree, path: str) -> dict[str, object] | None:
    """Read the ruff table of a file in the folder; `None` where there is no such file or table."""
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


def _chain(tree: Tree, path: str, table: dict[str, object]) -> tuple[list[dict[str, object]], tuple[str, ...]]:
    """Follow `extend` as long as it stays in the folder, and report where it leaves it."""
    chain, seen = [table], {path}
    while target := string(chain[-1].get("extend")):
        path = _resolve_relative(path, target)
        extended = _table(tree, path) if path and path not in seen and len(chain) < _MAX_EXTENDS else None
        if extended is None:
            return chain[:1], (f"extend = {target[:80]!r}",)
        seen.add(path)
        chain.append(extended)
    return chain, ()


def _resolve_relative(path: str, target: str) -> str:
    """Resolve a relative path against a file's folder; empty where it leaves the audited folder."""
    if target.startswith(("/", "~")) or "\\" in target or "$" in target:
        return ""
    parts: list[str] = list(PurePosixPath(path).parts[:-1])
    for part in PurePosixPath(target).parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            return ""
    return "/".join(parts)


def _without(text: str, key: str) -> str | None:
    """Leave out the lines that give a setting; `None` where it is written in a way that this does not reach."""
    cut = re.sub(rf"^[ \t]*[\"']?{key}[\"']?[ \t]*=[^\n]*$", "", text, flags=re.MULTILINE)
    try:
        document = load_toml(cut)
    except BrokenDocument:
        return None
    left = key in document or key in mapping(document, "tool", "ruff")
    return None if left else cut


def _target_version(tree: Tree, folder: str) -> str:
    """Take the oldest Python that the nearest project says it needs, as ruff does for a pyproject.toml itself."""
    while True:
        file = tree.get(f"{folder}/pyproject.toml" if folder else "pyproject.toml")
        text = tree.text_of(file) if file is not None else None
        try:
            wanted = string(mapping(load_toml(text or ""), "project").get("requires-python"))
        except BrokenDocument:
            wanted = ""
        match = _REQUIRES_PYTHON.search(wanted)
        if match or not folder:
            return f"py3{match[1]}" if match and int(match[1]) in _KNOWN_MINORS else ""
        folder = folder.rpartition("/")[0]
