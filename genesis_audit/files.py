# ruff: noqa: PTH110, PTH114, PTH118, PTH123, PTH208  # tens of thousands of files are looked at, and a Path for each costs more than looking
"""The files of an audited folder: which there are, and how they are read safely."""

from __future__ import annotations

import os
import re
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genesis.errors import TaskError
from genesis_audit.budget import TimeBudget

if TYPE_CHECKING:
    from genesis_audit.git import Repository

__all__ = [
    "MAX_FILES",
    "MAX_READ_BYTES",
    "SourceFile",
    "Tree",
    "decode_text",
    "folder_problem",
    "is_binary",
    "printable",
    "read_bytes",
    "resolve_audit_folder",
    "survey",
]

MAX_FILES = 200_000
MAX_READ_BYTES = 2_000_000
_LISTING_S = 60.0
_ADDRESS = re.compile(r"(?i)^(?:[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:)")
_SNIFFED_BYTES = 8_192
_KEPT_TEXT_BYTES = 65_536
_KEPT_TEXTS = 500
_KEPT_TREES = 2
_SETTLED_NS = 50_000_000
"""A file that changed so shortly before it was listed may change again without its time being seen to change."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER_ENTERED = _names(
    ".git .hg .svn .jj .bzr node_modules bower_components __pycache__ .venv .tox .nox .mypy_cache .ruff_cache "
    ".pytest_cache .hypothesis .eggs site-packages .terraform .gradle .direnv .idea .next .nuxt .parcel-cache"
)
"""Folders that hold no source of the project, even where somebody committed them."""

_SHARED_SETTINGS = frozenset({".idea"})
"""Those of them in which projects keep some files on purpose."""

_BUILT = _names("build dist target out venv env htmlcov coverage vendor .cache .coverage tmp")
"""Folders that are usually made by a tool: left out where there is no .gitignore that git could apply."""

_TEST_PATH = re.compile(
    r"(?i:(?:^|/)(?:(?:[^/]*[._-])?(?:tests?|specs?)|(?<!packages/)(?<!crates/)testing|test[_-]?data|(?:test[_-]?)?fixtures?|__tests__|__mocks__|mocks|e2e)/"
    r"|(?:^|/)(?:tests?|conftest)(?:\.[^/]*)?$|(?:^|/)test_[^/]*$|[^/]*[._](?:tests?|spec)\.[^/]*$|_(?:tests?|spec)$|[^/]\.t$)"
    r"|[a-z0-9](?:Tests?|Specs?)(?:\.[A-Za-z]+$|/)|[a-z0-9](?:IT|TestCase|TestBase|Suite)\.(?:java|kt|scala|groovy|cs)$"
)
"""Folders and names that are given to tests and to what they read, in the customs of a dozen languages."""
_CI_FOLDER = re.compile(r"\.(?:github|gitlab|circleci|buildkite|forgejo|gitea|woodpecker)/")
"""Where continuous integration is set up: `.github/workflows/test.yml` runs tests and is none."""

_SOURCE_ROOT = re.compile(
    r"(?:^|/)src/(?:main/resources/|\w+/(?:java|kotlin|scala|groovy)/"
    r"|(?=(?:com|org|net|io|dev|edu|me)/\w+/.*\.(?:java|kt|scala|groovy)$))"
)
"""Where the packages of a JVM language begin, whose names, such as `com.example`, do not show a purpose."""

_EXAMPLE_ENVIRONMENT = re.compile(
    r"env[._-](?:examples?|samples?|templates?|dist)\b|^(?:example|sample|template)[._-]+env"
)
_EXAMPLE_FOLDERS = _names("example examples sample samples demo demos doc docs documentation tutorial")


def printable(path: str) -> str:
    """Return a path as text that every JSON writer takes: bytes that are not UTF-8 are shown as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@lru_cache(100_000)
def _is_test(path: str) -> bool:
    return _TEST_PATH.search(_place(path)) is not None and not _CI_FOLDER.match(path)


def _place(path: str) -> str:
    root = _SOURCE_ROOT.search(path) if "src/" in path else None
    return f"{path[: root.end()]}{path.rpartition('/')[2]}" if root is not None else path


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file below the audited folder."""

    path: str
    """Relative, with `/`; may hold surrogate escapes, so show `shown` instead."""
    size: int
    changed_ns: int = 0
    """When its content or its attributes last changed, by the file system's own clock (`ctime`)."""

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
        stem, _, ending = self.name.rpartition(".")
        return f".{ending.lower()}" if stem.strip(".") and ending else ""

    @property
    def is_test(self) -> bool:
        """Whether it looks like a test, or like data of one."""
        return _is_test(self.path)

    @property
    def place(self) -> str:
        """The path by which its purpose is judged: without the packages of a JVM language."""
        return _place(self.path)

    @property
    def is_example(self) -> bool:
        """Whether it looks like documentation or an example."""
        *folders, name = self.place.lower().split("/")
        return (
            not _EXAMPLE_FOLDERS.isdisjoint(folders)
            or name.endswith((".example", ".sample", ".template", ".dist", ".md", ".rst"))
            or ".example." in name
            or ("env" in name and _EXAMPLE_ENVIRONMENT.search(name) is not None)
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
    ignored: tuple[str, ...] = ()
    """The paths of tracked files in folders such as node_modules."""
    truncated: bool = False
    """Whether there are more files than `MAX_FILES`, or listing them took too long."""

    _texts: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    def bytes_of(self, file: SourceFile, limit: int = MAX_READ_BYTES) -> bytes | None:
        """Read a file, without following a link and without waiting on a device.

        Returns:
            The content, or `None` where the file is larger than `limit` or cannot be read.
        """
        return read_bytes(self.root, file, limit)

    def text_of(self, file: SourceFile, limit: int = MAX_READ_BYTES) -> str | None:
        r"""Read a text file; bytes that are not UTF-8 become replacement characters.

        Small texts are kept, so that tools that read the same manifest read it once.

        Returns:
            The text with `\n` line ends, or `None` where the file is binary, too large or unreadable.
        """
        if file.path in self._texts and file.size <= limit:
            return self._texts[file.path]
        content = self.bytes_of(file, limit)
        text = decode_text(content) if content is not None else None
        if file.size <= min(limit, _KEPT_TEXT_BYTES) and len(self._texts) < _KEPT_TEXTS:
            self._texts[file.path] = text
        return text

    def named(self, *names: str) -> Iterator[SourceFile]:
        """Return the files with one of these names, in any folder and any case."""
        wanted = {name.lower() for name in names}
        return (file for file in self.files if file.name.lower() in wanted)

    def get(self, path: str) -> SourceFile | None:
        """Return the file at a relative path, if there is one."""
        return self._by_path.get(path)

    @cached_property
    def _by_path(self) -> dict[str, SourceFile]:
        return {file.path: file for file in self.files}


def read_bytes(root: Path, file: SourceFile, limit: int = MAX_READ_BYTES) -> bytes | None:
    """Read a listed file, without following a link and without waiting on a device.

    Returns:
        The content, or `None` where the file is larger than `limit` or cannot be read.
    """
    content = read_head(root, file, limit + 1) if file.size <= limit else None
    return content if content is not None and len(content) <= limit else None


def read_head(root: Path, file: SourceFile, count: int) -> bytes | None:
    """Read a listed file's first bytes, without following a link and without waiting on a device.

    Returns:
        Up to `count` bytes, or `None` where the file cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(os.path.join(root, file.path), flags), "rb") as stream:
            is_regular = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
            return stream.read(count) if is_regular else None
    except (OSError, ValueError):
        return None


def decode_text(content: bytes) -> str | None:
    r"""Decode a text with `\n` line ends; `None` for binary content."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    elif is_binary(content):
        return None
    else:
        text = content.decode("utf-8-sig", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def is_binary(content: bytes) -> bool:
    """Whether content is not text, by git's own test: a NUL byte near the beginning."""
    return b"\0" in content[:_SNIFFED_BYTES]


def resolve_audit_folder(path: object) -> Path:
    """Check the folder that is to be audited.

    Raises:
        TaskError: It does not exist, is not a folder, or cannot be read.
    """
    text = str(path).strip()
    if not text or "\0" in text:
        raise _make_input_error("the path to audit is empty or not a path", "give a folder, for example path=.")
    if _ADDRESS.match(text):
        raise _make_input_error(
            f"{printable(text)!r} is an address, not a folder", "clone it first, then audit the clone"
        )
    try:
        folder = Path(text).expanduser().resolve()
        if not folder.exists():
            raise _make_input_error(f"there is no folder {printable(text)!r} to audit", "check the path")
        if not folder.is_dir():
            raise _make_input_error(f"{printable(text)!r} is not a folder", "give the folder, not a file in it")
        os.listdir(folder)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _make_input_error(
            f"the folder {printable(text)!r} cannot be read: {reason}", "check its rights"
        ) from error
    return folder


def folder_problem(inputs: Mapping[str, object]) -> str | None:
    """Return why a folder cannot be audited, or None; validation calls it before anything runs."""
    try:
        resolve_audit_folder(inputs.get("path", "."))
    except TaskError as error:
        return f"{error.message}; {error.hint}"
    return None


def _make_input_error(message: str, hint: str) -> TaskError:
    return TaskError(message, hint=hint, code="GEN-TASK-INPUT")


def survey(path: object, *, max_files: int = MAX_FILES) -> Tree:
    """List the files of a folder: by git where it is in a work tree, else by walking it.

    A folder in which nothing has changed since it was last listed gets the same `Tree` again, with the texts that were
    read. Callers that arrive while a folder is being listed share the next listing.

    Args:
        path: The folder.
        max_files: Where listing stops.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    return _TREES.get(resolve_audit_folder(path), max_files)


@dataclass(frozen=True)
class _Listing:
    """A tree and when it was listed."""

    began_ns: int
    """On the monotonic clock; moved on when a later listing finds the same."""
    clock_ns: int
    tree: Tree

    @property
    def is_settled(self) -> bool:
        """Whether no file could have changed again without its time being seen to change."""
        return all(file.changed_ns < self.clock_ns - _SETTLED_NS for file in self.tree.files)


class _RecentTrees:
    """The last few trees of this process, each listed by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listing: dict[tuple[Path, int], threading.Lock] = {}
        self._trees: dict[tuple[Path, int], _Listing] = {}

    def get(self, root: Path, max_files: int) -> Tree:
        key, arrived = (root, max_files), time.monotonic_ns()
        with self._lock:
            lock = self._listing.setdefault(key, threading.Lock())
        with lock:
            known = self._trees.get(key)
            if known is not None and known.began_ns >= arrived:
                return known.tree
            listing = _Listing(time.monotonic_ns(), time.time_ns(), _list_files(root, max_files))
            if known is not None and known.is_settled and known.tree == listing.tree:
                listing = replace(known, began_ns=listing.began_ns)
            self._keep(key, listing)
            return listing.tree

    def _keep(self, key: tuple[Path, int], listing: _Listing) -> None:
        with self._lock:
            self._trees.pop(key, None)
            self._trees[key] = listing
            for old in list(self._trees)[:-_KEPT_TREES]:
                del self._trees[old]
                self._listing.pop(old, None)


_TREES = _RecentTrees()
"""Shared by the leaves of a run in one process, which ask for the same folder within seconds."""


def _list_files(root: Path, max_files: int) -> Tree:
    # not for the workers of a scan, which list nothing and would pay for the modules that start programs
    from genesis_audit.git import Repository, find_repository  # noqa: PLC0415

    repository = find_repository(root)
    if isinstance(repository, Repository):
        tree = _list_files_by_git(root, repository, max_files)
        if tree is not None:
            return tree
    return _walk_folders(root, max_files)


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
            status = os.lstat(f"{self.root}/{path}")
        except FileNotFoundError:
            return
        except (OSError, ValueError):
            self.unreadable += 1
            return
        if stat.S_ISLNK(status.st_mode):
            self.symlinks += 1
        elif stat.S_ISREG(status.st_mode):
            self.files[path] = SourceFile(path, status.st_size, status.st_ctime_ns)

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

    def sort_files(self) -> tuple[SourceFile, ...]:
        return tuple(self.files[path] for path in sorted(self.files))


def _list_files_by_git(root: Path, repository: Repository, max_files: int) -> Tree | None:
    """Return git's list, or `None` where git fails or knows no file here (the folder itself may be ignored)."""
    listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    done = repository.run(*listing, timeout_s=_LISTING_S, output_limit=max_files * 200)
    if not done.ok or not done.stdout:
        return None
    names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    collector, ignored = _Collector(str(root)), list[str]()
    for name in names:
        folders = name.split("/")[:-1]
        if not _NEVER_ENTERED.isdisjoint(folders):
            ignored += [name] if _SHARED_SETTINGS.isdisjoint(folders) else []
        elif len(collector.files) < max_files and ".." not in name.split("/"):
            collector.add(name.rstrip("/"))
    return Tree(
        root,
        collector.sort_files(),
        "git",
        symlinks=collector.symlinks,
        unreadable=collector.unreadable,
        ignored=tuple(map(printable, ignored)),
        truncated=len(collector.files) >= max_files,
    )


def _walk_folders(root: Path, max_files: int) -> Tree:
    collector, budget, truncated = _Collector(str(root)), TimeBudget(_LISTING_S), False
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
        collector.sort_files()[:max_files],
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
