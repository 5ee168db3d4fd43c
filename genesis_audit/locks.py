"""Which applications have no lock file, where their package manager would keep one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from genesis_audit.files import SourceFile, Tree
from genesis_audit.manifests import Manifest

__all__ = ["find_unlocked", "lock_files"]

_LOCKS = {
    "uv.lock": "python",
    "poetry.lock": "python",
    "pdm.lock": "python",
    "pipfile.lock": "python",
    "pylock.toml": "python",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "yarn.lock": "npm",
    "pnpm-lock.yaml": "npm",
    "bun.lock": "npm",
    "bun.lockb": "npm",
    "deno.lock": "npm",
    "go.sum": "go",
    "go.work.sum": "go",
    "cargo.lock": "rust",
    "gemfile.lock": "ruby",
    "gems.locked": "ruby",
    "composer.lock": "composer",
    "pubspec.lock": "pub",
    "mix.lock": "hex",
    "package.resolved": "swift",
    "packages.lock.json": "nuget",
    "gradle.lockfile": "maven",
    "maven_install.json": "maven",
    "module.bazel.lock": "bazel",
    "podfile.lock": "cocoapods",
    "conan.lock": "conan",
    "cabal.project.freeze": "haskell",
    "stack.yaml.lock": "haskell",
    "conda-lock.yml": "conda",
}
_LOCKABLE = ("python", "npm", "rust", "ruby", "go", "composer", "pub", "hex")
"""Where a lock file is what an application normally commits; Maven, Gradle and NuGet fix versions in the manifest."""
_OFF = {
    ".npmrc": re.compile(r"^\s*(?:package-lock|shrinkwrap|lockfile)\s*=\s*false\b", re.MULTILINE),
    ".yarnrc": re.compile(r"^\s*--\S*no-lockfile\s+true\b", re.MULTILINE),
    "pnpm-workspace.yaml": re.compile(r"^lockfile\s*:\s*false\b", re.MULTILINE),
    "bunfig.toml": re.compile(r"^\s*save\s*=\s*false\b", re.MULTILINE),
}
"""Settings that switch a lock file off; that of npm's has no effect on others."""


def lock_files(tree: Tree, manifests: Iterable[Manifest]) -> list[tuple[SourceFile, str]]:
    """List the lock files with their ecosystems: those by name, and manifests that only fix versions."""
    found = [(file, _LOCKS[file.name.lower()]) for file in tree.files if file.name.lower() in _LOCKS]
    found += [(each.file, each.ecosystem) for each in manifests if each.is_lock]
    return sorted(found, key=lambda pair: pair[0].path)


def find_unlocked(tree: Tree, manifests: list[Manifest], locks: list[tuple[SourceFile, str]]) -> Iterator[Manifest]:
    """Find the manifests of applications whose dependencies no lock file fixes.

    A lock file counts for its folder and all below it, because a workspace has one at its root. A project that
    switches its lock file off, or keeps it out of version control, has decided.
    """
    places = {(file.path.rpartition("/")[0], ecosystem) for file, ecosystem in locks}
    decided = _find_disabled_locks(tree)
    library_folders = {each.folder for each in manifests if each.is_library and each.ecosystem in ("python", "ruby")}
    for manifest in manifests:
        folders = _upwards(manifest.folder)
        movable = [each for each in manifest.dependencies if each.pin not in ("exact", "direct")]
        if (
            manifest.ecosystem in _LOCKABLE
            and (movable or manifest.ecosystem == "go")
            and not any((folder, manifest.ecosystem) in places | decided for folder in folders)
            and not any(folder in library_folders for folder in folders)
            and _is_application(manifest, tree)
        ):
            yield manifest


def _upwards(folder: str) -> list[str]:
    """List a folder and those above it, up to the audited one."""
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:length]) for length in range(len(parts), -1, -1)]


def _find_disabled_locks(tree: Tree) -> set[tuple[str, str]]:
    off: set[tuple[str, str]] = set()
    for file in tree.named(*_OFF, ".gitignore"):
        folder = file.path.rpartition("/")[0]
        text = tree.text_of(file) or ""
        if file.name != ".gitignore":
            off |= {(folder, "npm")} if _OFF[file.name.lower()].search(text) else set()
            continue
        names = {line.strip().rpartition("/")[2].lower() for line in text.split("\n")}
        off |= {(folder, _LOCKS[name]) for name in names & _LOCKS.keys()}
        off |= {(folder, ecosystem) for name, ecosystem in _LOCKS.items() if f"*.{name.rpartition('.')[2]}" in names}
    return off


def _is_application(manifest: Manifest, tree: Tree) -> bool:
    """Whether a manifest describes something that is run, and not a package for others or a tool of its developers."""
    if manifest.is_library:
        return False
    folder = tree.root / manifest.folder
    if manifest.ecosystem == "rust":
        return (folder / "src/main.rs").is_file() and not (folder / "src/lib.rs").is_file()
    if manifest.ecosystem == "go":
        return not (folder / "vendor").is_dir()  # which git may ignore, and which pins versions itself
    return any(each.group == "runtime" for each in manifest.dependencies) or manifest.ecosystem == "npm"
