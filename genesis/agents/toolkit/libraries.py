"""Where a library is entered by those who import it: what its manifest and the customs of its language say."""

from __future__ import annotations

import re
from collections.abc import Callable

from genesis.agents.toolkit.documents import load_toml, mapping, read, string
from genesis.agents.toolkit.files import SourceFile, Tree

__all__ = ["find_library"]

_MODULE = re.compile(r"^module[ \t]+(\S+)", re.MULTILINE)
_PACKAGE = re.compile(r"^package (?!main\b)(\w+)", re.MULTILINE)


def find_library(tree: Tree, manifest: SourceFile) -> tuple[str, str] | None:
    """Find the name of the library that a manifest describes, and the file or folder that is imported.

    Returns:
        Both, or `None` where the file is no such manifest, or no library is where the language looks for it.
    """
    folder = manifest.path[: len(manifest.path) - len(manifest.name)]
    for pattern, finder in _FINDERS:
        if pattern.fullmatch(manifest.name.lower()):
            name, paths = finder(tree, manifest)
            place = next((file for path in paths if (file := tree.get(f"{folder}{path}")) is not None), None)
            return (name, place.shown) if name and place is not None else None
    return None


def _crate(tree: Tree, manifest: SourceFile) -> tuple[str, list[str]]:
    document = read(load_toml, tree.text_of(manifest))
    name = string(mapping(document, "package").get("name"))
    return name, [string(mapping(document, "lib").get("path")) or "src/lib.rs"]


def _gem(_tree: Tree, manifest: SourceFile) -> tuple[str, list[str]]:
    name = manifest.name.rpartition(".")[0]
    return name, [f"lib/{name}.rb", f"lib/{name.replace('-', '/')}.rb", f"lib/{name.replace('-', '_')}.rb"]


def _distribution(tree: Tree, manifest: SourceFile) -> tuple[str, list[str]]:
    document = read(load_toml, tree.text_of(manifest))
    name = string(mapping(document, "project").get("name") or mapping(document, "tool", "poetry").get("name"))
    stem = re.sub(r"[-.]+", "_", name)
    stems = dict.fromkeys((stem, stem.lower()))
    return name, [f"{top}{each}{end}" for top in ("src/", "") for each in stems for end in ("/__init__.py", ".py")]


def _module(tree: Tree, manifest: SourceFile) -> tuple[str, list[str]]:
    match = _MODULE.search(tree.text_of(manifest) or "")
    folder = manifest.path.rpartition("/")[0]
    beside = (
        file
        for file in tree.files
        if file.suffix == ".go" and file.path.rpartition("/")[0] == folder and not file.is_test
    )
    found = [file for file in beside if _PACKAGE.search(tree.text_of(file) or "")]
    stem = re.sub(r"/v\d+$", "", match[1]).rpartition("/")[2] if match else ""
    first = sorted(found, key=lambda file: (file.name not in (f"{stem}.go", "doc.go"), file.path))[:1]
    return match[1] if match else "", [file.name for file in first]


_Finder = Callable[[Tree, SourceFile], tuple[str, list[str]]]
_FINDERS: tuple[tuple[re.Pattern[str], _Finder], ...] = (
    (re.compile(r"cargo\.toml"), _crate),
    (re.compile(r".+\.gemspec"), _gem),
    (re.compile(r"pyproject\.toml"), _distribution),
    (re.compile(r"go\.mod"), _module),
)
