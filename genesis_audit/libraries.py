"""Where a library is entered by those who import it: what its manifest and the customs of its language say."""

from __future__ import annotations

import re
from collections.abc import Callable

from genesis_audit.documents import items, load_json, load_toml, mapping, read, string
from genesis_audit.files import SourceFile, Tree, printable

__all__ = ["find_library"]

_PUBLISHED_POM = re.compile(r"<scm\b")
_PUBLISHED_SCRIPT = re.compile(r"\bjava-library\b|\bmaven-?[pP]ublish\b")
_PACKED = re.compile(
    r"<(?:PackageId|PackageTags|PackageReleaseNotes)>|<IsPackable>\s*true|<GeneratePackageOnBuild>\s*true",
    re.IGNORECASE,
)
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
            place = next((f"{folder}{path}" for path in paths if _is_there(tree, f"{folder}{path}")), None)
            return (name, printable(place)) if name and place is not None else None
    return None


def _is_there(tree: Tree, path: str) -> bool:
    """Whether a file is in the tree or, where the path ends with a slash, anything in that folder."""
    if not path.endswith("/"):
        return tree.get(path) is not None
    return any(file.path.startswith(path) for file in tree.files)


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


def _read_autoload(tree: Tree, manifest: SourceFile) -> tuple[str, list[str]]:
    document = mapping(read(load_json, tree.text_of(manifest)))
    loaded = mapping(document, "autoload")
    folders = [each for key in ("psr-4", "psr-0") for value in mapping(loaded, key).values() for each in _texts(value)]
    paths = [f"{folder.removeprefix('./').rstrip('/')}/".lstrip("/") for folder in folders if folder]
    is_library = document.get("type", "library") != "project"
    return string(document.get("name")) if is_library else "", [*paths, *_texts(loaded.get("files"))]


def _texts(value: object) -> list[str]:
    return [string(each) for each in items(value)] or [string(value)]


def _artifact(tree: Tree, manifest: SourceFile) -> tuple[str, list[str]]:
    """Take a pom with what the central repository asks for, or a build script that publishes, for a library's."""
    text = tree.text_of(manifest) or ""
    is_pom = manifest.suffix == ".xml"
    if not (_PUBLISHED_POM.search(text) if is_pom else _PUBLISHED_SCRIPT.search(text)) or "spring-boot" in text:
        return "", []
    own = re.sub(r"<(parent|dependencies|dependencyManagement|build|profiles)>[\s\S]*?</\1>", "", text)
    named = re.search(r"<artifactId>\s*([\w.-]+)", own) if is_pom else None
    name = named[1] if named else manifest.path.rpartition("/")[0].rpartition("/")[2] or tree.root.name
    return name, [
        f"src/{each}/" for each in ("main/java", "main/kotlin", "main/scala", "commonMain/kotlin", "main/groovy")
    ]


def _assembly(tree: Tree, manifest: SourceFile) -> tuple[str, list[str]]:
    text = tree.text_of(manifest) or ""
    named = re.search(r"<(?:PackageId|AssemblyName)>\s*([\w.-]+)\s*<", text)
    name = named[1] if named else manifest.name.rpartition(".")[0]
    is_library = _PACKED.search(text) is not None and not manifest.is_test
    return name if is_library else "", [manifest.name]


def _swift_product(tree: Tree, manifest: SourceFile) -> tuple[str, list[str]]:
    match = re.search(r"\.library\(\s*name:\s*\"([^\"\n]+)\"", tree.text_of(manifest) or "")
    return (match[1], [f"Sources/{match[1]}/", "Sources/", "Source/"]) if match else ("", [])


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
    (re.compile(r"package\.swift"), _swift_product),
    (re.compile(r"composer\.json"), _read_autoload),
    (re.compile(r"pom\.xml|build\.gradle(?:\.kts)?"), _artifact),
    (re.compile(r".+\.(?:cs|fs|vb)proj"), _assembly),
)
