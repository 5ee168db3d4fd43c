"""Read the manifests that are JSON, TOML or YAML tables of names and versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from genesis_audit.documents import BrokenDocument, items, load_json, load_toml, load_yaml, mapping, string
from genesis_audit.files import SourceFile
from genesis_audit.manifests import Dependency, Manifest, group_of
from genesis_audit.pins import pin_of

__all__ = ["TABLES", "read_catalog", "read_table", "table_entries"]

_Table: TypeAlias = dict[str, object]


@dataclass(frozen=True)
class _Format:
    """A manifest format: where its tables are, which names are no packages, and what is a package for others."""

    ecosystem: str
    load: Callable[[str], object]
    groups: dict[str, str]
    """The path of a table, with `/`, to the group of its dependencies; `*` stands for any key."""
    ignored: str = ""
    is_library: Callable[[_Table], bool] = lambda _document: False


def _load_first(text: str) -> object:
    return next(iter(load_yaml(text)), None)


def _is_npm_library(document: _Table) -> bool:
    """Whether a package is published: a private one is not, and one that is only started is an application."""
    if document.get("private") is True or not document.get("name"):
        return False
    published = {"bin", "exports", "files", "module", "peerDependencies", "publishConfig", "types", "typings"}
    return not published.isdisjoint(document) or "start" not in mapping(document, "scripts")


_CARGO_GROUPS = {
    f"{holder}{table}": group
    for holder in ("", "workspace/", "target/*/")
    for table, group in (("dependencies", "runtime"), ("dev-dependencies", "dev"), ("build-dependencies", "build"))
}
_NPM_GROUPS = {
    "dependencies": "runtime",
    "devDependencies": "dev",
    "optionalDependencies": "optional",
    "peerDependencies": "peer",
}
_PUB_GROUPS = {"dependencies": "runtime", "dev_dependencies": "dev"}
_CONDA = _Format("conda", _load_first, {"dependencies": "runtime"}, r"python|pip")
TABLES = {
    "package.json": _Format("npm", load_json, _NPM_GROUPS, is_library=_is_npm_library),
    "composer.json": _Format(
        "composer",
        load_json,
        {"require": "runtime", "require-dev": "dev"},
        r"php(?:-\w+)?|hhvm|(?:ext|lib)-.*|composer(?:-\w+)*",
        lambda document: document.get("type") != "project",
    ),
    "cargo.toml": _Format("rust", load_toml, _CARGO_GROUPS, is_library=lambda document: "lib" in document),
    "pipfile": _Format("python", load_toml, {"packages": "runtime", "dev-packages": "dev"}),
    "pubspec.yaml": _Format(
        "pub", _load_first, _PUB_GROUPS, is_library=lambda document: document.get("publish_to") != "none"
    ),
    "vcpkg.json": _Format("vcpkg", load_json, {"dependencies": "runtime"}),
    "environment.yml": _CONDA,
    "environment.yaml": _CONDA,
}
_CONDA_ENTRY = re.compile(r"^(?:[\w-]+::)?([\w.-]+)\s*(.*)$")
_CATALOG_USE = r"\b(?P<use>\w+)[ (]+(?:(?:enforcedP|p)latform\()?(?:rootProject\.)?libs\.(?P<alias>[\w.]+)"
_BLOCK = re.compile(rf"(?P<head>[^\n{{}}]*)\{{|(?P<end>\}})|{_CATALOG_USE}")
_TEST_BLOCK = re.compile(r"\w*Test\b|\btest\b")
_TOOL_FOLDER = re.compile(r"(?:^|/)(?:vendor-bin|tools)/")
"""Where composer packages are kept that only developers run."""
_DIRECT_KEYS = ("git", "path", "url", "file", "ref")


def read_table(file: SourceFile, text: str) -> Iterator[Manifest]:
    """Read a manifest whose name is in `TABLES`."""
    known = TABLES[file.name.lower()]
    manifest = Manifest(file, known.ecosystem, file.name)
    try:
        document = mapping(known.load(text))
    except BrokenDocument as error:
        manifest.problem, manifest.is_broken = str(error), True
        yield manifest
        return
    manifest.is_library = known.is_library(document)
    is_tool = known.ecosystem == "composer" and _TOOL_FOLDER.search(file.path) is not None
    for path, written in known.groups.items():
        group = "dev" if is_tool else written
        for table in _at(document, path.split("/")):
            found = table_entries(table, group, known.ecosystem)
            manifest.dependencies += (each for each in found if not re.fullmatch(known.ignored, each.name))
    if manifest.dependencies:
        yield manifest


def _at(value: object, keys: list[str]) -> Iterator[object]:
    """Find the values at a path of keys, in which `*` is any key."""
    for depth, key in enumerate(keys):
        if key == "*":
            for each in mapping(value).values():
                yield from _at(each, keys[depth + 1 :])
            return
        value = mapping(value).get(key)
    yield value


def table_entries(table: object, group: str, ecosystem: str) -> Iterator[Dependency]:
    """Read a table of names and constraints, or a list of names.

    Members of a workspace that inherit a version are left out: the workspace's own manifest has it.
    """
    for each in items(table):
        entry = _CONDA_ENTRY.match(string(each) or string(mapping(each).get("name")))
        if entry:
            spec = entry[2].strip() or string(mapping(each).get("version>="))
            yield Dependency(entry[1], spec, pin_of(spec, ecosystem), group)
    for name, value in mapping(table).items():
        details = mapping(value)
        if details.get("workspace") is True or "sdk" in details:
            continue
        spec = string(details.get("version")) if details else string(value)
        source = next((string(details[key]) or "direct" for key in _DIRECT_KEYS if key in details), "")
        package = string(details.get("package")) or name
        pin = "direct" if source and not spec else pin_of(spec, ecosystem)
        yield Dependency(package, spec or source, pin, group)


def read_catalog(file: SourceFile, text: str, scripts: list[str]) -> Iterator[Manifest]:
    """Read a Gradle version catalogue: its libraries and plugins, with the versions that they refer to.

    Args:
        file: The catalogue.
        text: Its text.
        scripts: The texts of the build scripts, whose configurations show what a library is used for.
    """
    manifest = Manifest(file, "maven", "version catalog")
    try:
        document = load_toml(text)
    except BrokenDocument as error:
        manifest.problem, manifest.is_broken = str(error), True
        yield manifest
        return
    versions = mapping(document, "versions")
    uses: dict[str, set[str]] = {}
    for alias, group in (use for script in scripts for use in _catalog_uses(script)):
        uses.setdefault(alias, set()).add(group)
    for table, kind in (("libraries", "runtime"), ("plugins", "build")):
        for alias, value in mapping(document, table).items():
            used = uses.get(re.sub("[-_]", ".", alias), {kind})
            group = kind if kind in used else min(used)
            details = mapping(value)
            name = string(details.get("module")) or string(details.get("id"))
            name = name or ":".join(string(details[key]) for key in ("group", "name") if key in details)
            version = details.get("version")
            if isinstance(value, str):
                name, _, version = value.rpartition(":")
            spec = _catalog_version(version, versions)
            manifest.dependencies.append(Dependency(name, spec, pin_of(spec) if spec else "exact", group))
    if manifest.dependencies:
        yield manifest


def _catalog_uses(script: str) -> Iterator[tuple[str, str]]:
    """Find the libraries that a build script uses, and for what: its configuration or the source set around it."""
    blocks: list[bool] = []
    for match in _BLOCK.finditer(script):
        if match["end"]:
            del blocks[-1:]
        elif match["alias"]:
            yield match["alias"], "test" if any(blocks) else group_of(match["use"])
        else:
            blocks.append(_TEST_BLOCK.search(match["head"]) is not None)


def _catalog_version(version: object, versions: _Table) -> str:
    reference = string(mapping(version).get("ref"))
    value = versions.get(reference) if reference else version
    details = mapping(value)
    return string(next((details[key] for key in ("strictly", "require", "prefer") if key in details), value))
