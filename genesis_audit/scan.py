"""Everything that the tools need to know about a folder's files, after each was read once and parsed once.

The files are read by worker processes, so that all cores work and a file that breaks a parser costs one worker and that
file. Leaves of a run that ask for the same folder share one scan.
"""

from __future__ import annotations

import os
import pickle  # the records come from a worker that runs this package's own code
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO

from genesis_audit.budget import TimeBudget
from genesis_audit.facts import FileFacts
from genesis_audit.files import MAX_READ_BYTES, SourceFile, Tree, survey
from genesis_audit.origin import templates_of
from genesis_audit.process import get_trusted_path, scrub_environment

__all__ = ["UNREAD", "Scan", "scan_of"]

UNREAD = FileFacts("unread")

_WORKERS = 4
_BYTES_A_WORKER = 400_000
"""A further worker pays for its start only where it has so much to read."""

_CHUNK_BYTES = 256_000
_CHUNK_FILES = 50
_CHUNK_S = 30.0
_KEPT_SCANS = 2
_MOST_BREAKS = 50
"""Workers that may break in one scan: where none can work at all, it ends."""

_MINOR = 10
"""Less than this part of a project's code, such as a script beside the sources, says little about the project."""
_START = "import sys; sys.path += sys.argv[2:]; from genesis_audit.scan_worker import main; main()"


@dataclass(frozen=True)
class Scan:
    """A folder's files and what is known about each."""

    tree: Tree
    facts: Mapping[str, FileFacts]
    """By path; a file that was not reached in time is missing."""
    time_limit_s: float
    """How long the files were allowed to take."""

    def __iter__(self) -> Iterator[tuple[SourceFile, FileFacts]]:
        """Go through the files in order of path, those that were not reached included."""
        return ((file, self.facts.get(file.path, UNREAD)) for file in self.tree.files)

    @property
    def is_complete(self) -> bool:
        """Whether every listed file was reached within the time limit."""
        return len(self.facts) == len(self.tree.files)

    @cached_property
    def languages(self) -> Counter[str]:
        """The lines of code in each programming language that the project wrote, without tests and examples."""
        lines: Counter[str] = Counter()
        for file, facts in self:
            if facts.is_source and facts.origin == "own" and not (file.is_test or file.is_example):
                lines[facts.language or ""] += facts.code
        return lines

    def is_minor(self, language: str) -> bool:
        """Whether a language is less than a tenth of the programs."""
        return self.languages[language] * _MINOR < self.languages.total()

    @property
    def truncated(self) -> bool:
        """Whether there are files that were not listed or not reached."""
        return self.tree.truncated or not self.is_complete


def scan_of(path: object, *, time_limit_s: float = 120) -> Scan:
    """Read a folder's files, or take the scan that another leaf has made of the same files.

    Args:
        path: The folder.
        time_limit_s: When reading stops.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    return _SCANS.get(survey(path), time_limit_s)


class _RecentScans:
    """The last few scans of this process; callers that arrive while a tree is being scanned wait for that scan."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scans: dict[Path, tuple[Tree, threading.Lock, list[Scan]]] = {}

    def get(self, tree: Tree, time_limit_s: float) -> Scan:
        with self._lock:
            known = self._scans.pop(tree.root, None)
            if known is None or known[0] is not tree:
                known = (tree, threading.Lock(), [])
            self._scans[tree.root] = known
            for old in list(self._scans)[:-_KEPT_SCANS]:
                del self._scans[old]
        _, lock, made = known
        with lock:
            if not made or not (made[0].is_complete or made[0].time_limit_s >= time_limit_s):
                made[:] = [_scan_files(tree, time_limit_s)]
            return made[0]


_SCANS = _RecentScans()
"""Shared by the leaves of a run in one process; a tree is the same object as long as no file of it has changed."""


def _scan_files(tree: Tree, time_limit_s: float) -> Scan:
    work = _Work(tree.root, deque(_chunks(tree.files)), TimeBudget(time_limit_s))
    readable = sum(file.size for file in tree.files if file.size <= MAX_READ_BYTES)
    count = min(os.cpu_count() or 1, _WORKERS, 1 + readable // _BYTES_A_WORKER, len(work.chunks))
    threads = [threading.Thread(target=work.drive, name=f"genesis-scan-{number}") for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for file in tree.files:
        facts = work.facts.get(file.path)
        if facts is not None and facts.origin == "own" and any(map(tree.get, templates_of(file.path))):
            work.facts[file.path] = replace(facts, origin="generated", functions=(), todos=())
    return Scan(tree, work.facts, time_limit_s)


def _chunks(files: Sequence[SourceFile]) -> Iterator[list[SourceFile]]:
    """Divide files among workers: the large ones first, so that none is left to one worker at the end."""
    chunk: list[SourceFile] = []
    size = 0
    for file in sorted(files, key=lambda file: -file.size):
        cost = file.size if file.size <= MAX_READ_BYTES else 0
        if chunk and (size + cost > _CHUNK_BYTES or len(chunk) >= _CHUNK_FILES):
            yield chunk
            chunk, size = [], 0
        chunk.append(file)
        size += cost
    if chunk:
        yield chunk


@dataclass
class _Work:
    """What the workers still have to read, and what they have read."""

    root: Path
    chunks: deque[list[SourceFile]]
    budget: TimeBudget
    facts: dict[str, FileFacts] = field(default_factory=dict)
    breaks: int = 0

    def drive(self) -> None:
        """Have one worker read chunks until there are none; a worker that breaks is replaced."""
        worker: _Worker | None = None
        try:
            while not self.budget.spent and self.breaks < _MOST_BREAKS:
                try:
                    chunk = self.chunks.popleft()
                except IndexError:
                    return
                worker = worker or _Worker(self.root)
                done = worker.read(chunk, min(_CHUNK_S, self.budget.left))
                self.facts.update(zip((file.path for file in chunk), done, strict=False))
                if len(done) < len(chunk):
                    worker.stop()
                    worker = None
                    self._give_up(chunk[len(done)], chunk[len(done) + 1 :])
        finally:
            if worker is not None:
                worker.stop()

    def _give_up(self, broken: SourceFile, rest: list[SourceFile]) -> None:
        self.breaks += 1
        if not self.budget.spent:
            self.facts[broken.path] = UNREAD
            if rest:
                self.chunks.append(rest)


class _Worker:
    """One process that reads files of a folder."""

    def __init__(self, root: Path) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, os.fspath(root), *_import_path(root)],
            cwd=os.sep,
            env=scrub_environment(get_trusted_path(root), {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def read(self, chunk: list[SourceFile], seconds: float) -> list[FileFacts]:
        """Read some files; fewer facts than files mean that the worker broke at the next one or took too long."""
        done: list[FileFacts] = []
        watch = threading.Timer(max(0.1, seconds), self._child.kill)
        watch.daemon = True
        watch.start()
        try:
            pickle.dump([(file.path, file.size) for file in chunk], _pipe(self._child.stdin))
            _pipe(self._child.stdin).flush()
            while len(done) < len(chunk):
                done.append(pickle.load(_pipe(self._child.stdout)))  # noqa: S301
        except (OSError, EOFError, pickle.UnpicklingError):
            pass
        finally:
            watch.cancel()
        return done

    def stop(self) -> None:
        """End the process and wait for it."""
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(OSError):
                _pipe(pipe).close()
        self._child.wait()


def _import_path(root: Path) -> list[str]:
    """List where this process imports from, without the audited folder: it may be the current one.

    A folder that Genesis itself is imported from stays. The worker looks there last, after its own installation.
    """
    own = Path(__file__).parents[3]
    entries = [Path(entry) for entry in sys.path if Path(entry).is_absolute()]
    return [os.fspath(entry) for entry in entries if entry == own or not entry.is_relative_to(root)]


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise OSError("the worker has no pipe")
    return pipe
