# ruff: noqa: PTH110, PTH114, PTH118, PTH123, PTH208  # tens of thousands of files are looked at, and a Path for each costs more than looking
"""The files of an audited folder: which there are, and how they are read safely."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from genesis.agents.toolkit.budget import Budget
from genesis.agents.toolkit.git import Repository, find_repository
from genesis.errors import TaskError

__all__ = [
    "MAX_FILES",
    "MAX_READ_BYTES",
    "SourceFile",
    "Tree",
    "audited_folder",
    "folder_problem",
    "printable",
    "survey",
]

MAX_FILES = 200_000
MAX_READ_BYTES = 2_000_000
_LISTING_S = 60.0
_ADDRESS = re.compile(r"(?i)^(?:[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:)")
_SNIFFED_BYTES = 8_192


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER_ENTERED = _names(
    ".git .hg .svn .jj .bzr node_modules bower_components __pycache__ .venv .tox .nox .mypy_cache .ruff_cache "
    ".pytest_cache .hypothesis .eggs site-packages .terraform .gradle .direnv .idea .next .nuxt .parcel-cache"
)
"""Folders that hold no source of the project, even where somebody committed them."""

_BUILT = _names("build dist target out venv env htmlcov coverage vendor .cache .coverage tmp")
"""Folders that are usually made by a tool: left out where there is no .gitignore that git could apply."""

_TEST_FOLDERS = _names(
    "test tests testing testdata test_data test-data fixtures fixture __tests__ __mocks__ mocks spec specs e2e"
)
_EXAMPLE_FOLDERS = _names("example examples sample samples demo demos doc docs documentation tutorial")


def printable(path: str) -> str:
    """Give a path as text that every JSON writer takes: bytes that are not UTF-8 are shown as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file below the audited folder."""

    path: str
    """Relative, with `/`; may hold surrogate escapes, so show `shown` instead."""
    size: int

    @property
    def shown(self) -> str:
        """The path to show and to hand on."""
        return printable(self.path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The extension with its dot in lower case, or an empty text."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def is_test(self) -> bool:
        """Whether it looks like a test, or like data of one."""
        *folders, name = self.path.lower().split("/")
        stem = name.partition(".")[0]
        return (
            not _TEST_FOLDERS.isdisjoint(folders)
            or stem.startswith("test_")
            or stem.endswith(("_test", "_spec"))
            or stem == "conftest"
            or ".test." in name
            or ".spec." in name
        )

    @property
    def is_example(self) -> bool:
        """Whether it looks like documentation or an example."""
        *folders, name = self.path.lower().split("/")
        return (
            not _EXAMPLE_FOLDERS.isdisjoint(folders)
            or name.endswith((".example", ".sample", ".template", ".dist", ".md", ".rst"))
            or ".example." in name
        )


@dataclass(frozen=True)
class Tree:
    """The files of a folder, sorted by path, and what was left out."""

    root: Path
    files: tuple[SourceFile, ...]
    listed_by: Literal["git", "walk"]
    """`git` honours .gitignore; `walk` leaves out folders that tools usually make."""
    symlinks: int = 0
    """Symbolic links, none of which is followed."""
    unreadable: int = 0
    """Folders and entries that could not be looked at."""
    ignored: int = 0
    """Tracked files in folders such as node_modules."""
    truncated: bool = False
    """Whether there are more files than `MAX_FILES`, or listing them took too long."""

    def bytes_of(self, file: SourceFile, limit: int = MAX_READ_BYTES) -> bytes | None:
        """Read a file, without following a link and without waiting on a device.

        Returns:
            The content, or `None` where the file is larger than `limit` or cannot be read.
        """
        if file.size > limit:
            return None
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            with open(os.open(self.root / file.path, flags), "rb") as stream:
                content = stream.read(limit + 1)
        except (OSError, ValueError):
            return None
        return content if len(content) <= limit else None

    def text_of(self, file: SourceFile, limit: int = MAX_READ_BYTES) -> str | None:
        r"""Read a text file; bytes that are not UTF-8 become replacement characters.

        Returns:
            The text with `\n` line ends, or `None` where the file is binary, too large or unreadable.
        """
        content = self.bytes_of(file, limit)
        if content is None:
            return None
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = content.decode("utf-16", "replace")
        elif is_binary(content):
            return None
        else:
            text = content.decode("utf-8-sig", "replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def named(self, *names: str) -> Iterator[SourceFile]:
        """Give the files with one of these names, in any folder and any case."""
        wanted = {name.lower() for name in names}
        return (file for file in self.files if file.name.lower() in wanted)

    def get(self, path: str) -> SourceFile | None:
        """Give the file at a relative path, if there is one."""
        return next((file for file in self.files if file.path == path), None)


def is_binary(content: bytes) -> bool:
    """Whether content is not text, by git's own test: a NUL byte near the beginning."""
    return b"\0" in content[:_SNIFFED_BYTES]


def audited_folder(path: object) -> Path:
    """Check the folder that is to be audited.

    Raises:
        TaskError: It does not exist, is not a folder, or cannot be read.
    """
    text = str(path).strip()
    if not text or "\0" in text:
        raise _refused("the path to audit is empty or not a path", "give a folder, for example path=.")
    if _ADDRESS.match(text):
        raise _refused(f"{printable(text)!r} is an address, not a folder", "clone it first, then audit the clone")
    try:
        folder = Path(text).expanduser().resolve()
        if not folder.exists():
            raise _refused(f"there is no folder {printable(text)!r} to audit", "check the path")
        if not folder.is_dir():
            raise _refused(f"{printable(text)!r} is not a folder", "give the folder, not a file in it")
        os.listdir(folder)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused(f"the folder {printable(text)!r} cannot be read: {reason}", "check its rights") from error
    return folder


def folder_problem(inputs: Mapping[str, object]) -> str | None:
    """Say why the folder that a task is to audit cannot be, or None; validation asks before anything runs."""
    try:
        audited_folder(inputs.get("path", "."))
    except TaskError as error:
        return f"{error.message}; {error.hint}"
    return None


def _refused(message: str, hint: str) -> TaskError:
    return TaskError(message, hint=hint, code="GEN-TASK-INPUT")


def survey(path: object, *, max_files: int = MAX_FILES) -> Tree:
    """List the files of a folder: by git where it is in a work tree, else by walking it.

    Args:
        path: The folder.
        max_files: Where listing stops.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    root = audited_folder(path)
    repository = find_repository(root)
    if isinstance(repository, Repository):
        tree = _listed_by_git(root, repository, max_files)
        if tree is not None:
            return tree
    return _walked(root, max_files)


@dataclass
class _Collector:
    """Gathers entries, and keeps those that are regular files reached without a link."""

    root: str
    files: dict[str, SourceFile] = field(default_factory=dict)
    symlinks: int = 0
    unreadable: int = 0
    _real_folders: dict[str, bool] = field(default_factory=lambda: {"": True})

    def add(self, path: str) -> None:
        if not self._is_real_folder(path.rpartition("/")[0]):
            self.symlinks += 1
            return
        try:
            status = os.lstat(os.path.join(self.root, path))
        except FileNotFoundError:
            return
        except (OSError, ValueError):
            self.unreadable += 1
            return
        if stat.S_ISLNK(status.st_mode):
            self.symlinks += 1
        elif stat.S_ISREG(status.st_mode):
            self.files[path] = SourceFile(path, status.st_size)

    def _is_real_folder(self, folder: str) -> bool:
        unknown: list[str] = []
        while folder not in self._real_folders:
            unknown.append(folder)
            folder = folder.rpartition("/")[0]
        real = self._real_folders[folder]
        for each in reversed(unknown):
            real = real and not os.path.islink(os.path.join(self.root, each))
            self._real_folders[each] = real
        return real

    def sorted_files(self) -> tuple[SourceFile, ...]:
        return tuple(self.files[path] for path in sorted(self.files))


def _listed_by_git(root: Path, repository: Repository, max_files: int) -> Tree | None:
    """Give git's list, or `None` where git fails or knows no file here (the folder itself may be ignored)."""
    listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    done = repository.run(*listing, timeout_s=_LISTING_S, output_limit=max_files * 200)
    if not done.ok or not done.stdout:
        return None
    names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    collector, ignored = _Collector(str(root)), 0
    for name in names:
        if not _NEVER_ENTERED.isdisjoint(name.split("/")[:-1]):
            ignored += 1
        elif len(collector.files) < max_files and ".." not in name.split("/"):
            collector.add(name.rstrip("/"))
    return Tree(
        root,
        collector.sorted_files(),
        "git",
        symlinks=collector.symlinks,
        unreadable=collector.unreadable,
        ignored=ignored,
        truncated=len(collector.files) >= max_files,
    )


def _walked(root: Path, max_files: int) -> Tree:
    collector, budget, truncated = _Collector(str(root)), Budget(_LISTING_S), False
    folders = [""]
    while folders and not truncated:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(os.path.join(root, folder)), key=lambda entry: entry.name)
        except OSError:
            collector.unreadable += 1
            continue
        for entry in entries:
            relative = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if not _is_made_by_a_tool(entry):
                    folders.append(relative)
            else:
                collector.add(relative)
        truncated = len(collector.files) >= max_files or budget.spent
    return Tree(
        root,
        collector.sorted_files()[:max_files],
        "walk",
        symlinks=collector.symlinks,
        unreadable=collector.unreadable,
        truncated=truncated,
    )


def _is_made_by_a_tool(entry: os.DirEntry[str]) -> bool:
    return (
        entry.name in _NEVER_ENTERED
        or entry.name in _BUILT
        or entry.name.endswith(".egg-info")
        or os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
    )
