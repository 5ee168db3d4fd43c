"""The folder in which a leaf with `files` works: what is there before it starts, and what of it is kept.

Each attempt has a new folder, so that nothing of an earlier attempt, or of another process that still works on the
leaf, is taken for its own. It is removed when the attempt ends.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from genesis.engine.run_context import RunContext
from genesis.errors import ResourceError, TaskError
from genesis.ledger import is_done, leaf_name
from genesis.ledger.files import (
    is_whole,
    keep_content,
    keep_file,
    keep_list,
    list_files,
    make_size_error,
    write_kept,
)
from genesis.model import KEPT, KeptFile, Leaf, Outcome
from genesis.model.files import file_name_problem, is_glob
from genesis.retention.removal import delete

__all__ = ["find_damaged", "find_files", "gather_files", "invent_outputs", "keep_outputs", "working_folder"]

_SHOWN = 5
"""Names in an error message."""


def find_files(session: RunContext, leaf: Leaf, outcomes: Mapping[int, Outcome]) -> dict[str, KeptFile]:
    """Find the files that a leaf asks for, by path in its folder.

    One of a leaf that failed or did not run, where the plan's rules let this one run all the same, is left out.

    Args:
        session: The run.
        leaf: The leaf.
        outcomes: Those of the leaves that it comes after, by index.

    Raises:
        TaskError: A leaf that has a result did not leave the file.
    """
    found: dict[str, KeptFile] = {}
    for path, source in leaf.files_in.items():
        outcome = outcomes.get(source.leaf)
        if outcome is None or outcome.state not in KEPT:
            continue
        if source.output not in outcome.files:
            giver = session.program.leaves[source.leaf].path
            how = "a person delivered its result" if outcome.delivered is not None else f"it is {outcome.state}"
            raise TaskError(
                f"task {leaf.path!r} asks for the file {source.output!r} of {giver!r}, which has left none: {how}",
                hint="let an agent do that task, or hand over a result instead of a file",
                code="GEN-TASK-FILE-MISSING",
            )
        found[path] = outcome.files[source.output]
    return found


async def find_damaged(session: RunContext, known: Mapping[int, Outcome]) -> set[int]:
    """Find the leaves that are to be done again on a resume, since a file of theirs is not whole in the storage.

    Only what a leaf asks for that is still to be done is read.

    Args:
        session: The run.
        known: The outcomes so far, by index.
    """
    leaves = session.program.leaves
    checked: set[int] = set()
    damaged: set[int] = set()
    waiting = [leaf for leaf in leaves if leaf.files_in and not (leaf.index in known and is_done(leaf, known))]
    while waiting:
        for source in _list_givers(waiting.pop(), leaves):
            if source in checked or source not in known:
                continue
            checked.add(source)
            for kept in known[source].files.values():
                if not await is_whole(session.ledger, kept):
                    damaged.add(source)
                    waiting.append(leaves[source])
                    break
    return damaged


def _list_givers(leaf: Leaf, leaves: Sequence[Leaf]) -> list[int]:
    """List the leaves whose files a leaf asks for, and for a `for_each` task those of its copies as well."""
    found: list[int] = []
    waiting = [source.leaf for source in leaf.files_in.values()]
    while waiting:
        source = waiting.pop()
        found.append(source)
        if leaves[source].gathers is not None:
            waiting += leaves[source].after
    return found


@asynccontextmanager
async def working_folder(session: RunContext, leaf: Leaf, files: Mapping[str, KeptFile]) -> AsyncIterator[Path]:
    """Make the folder of an attempt, with the files that the leaf asks for.

    Raises:
        TaskError: A file was changed in the storage, or is missing there.
        ResourceError: The folder cannot be written.
    """
    folder = session.files / leaf_name(leaf) / f"work-{secrets.token_hex(6)}"
    try:
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise ResourceError.of(error, f"{str(folder)!r} cannot be created", path=folder) from error
        for path, kept in files.items():
            await write_kept(session.ledger, kept, folder, path)
        yield folder.absolute()
    finally:
        with suppress(OSError):  # what a program still writes to stays, and is removed with the run
            await asyncio.to_thread(delete, folder)


async def keep_outputs(session: RunContext, leaf: Leaf, folder: Path) -> dict[str, KeptFile]:
    """Keep what a leaf promised of its folder, by name.

    Raises:
        TaskError: It is not there, is no file inside of the folder, or is too large.
        GenesisError: The storage does not take it.
    """
    return {name: await _keep_output(session, leaf, folder, name, path) for name, path in leaf.files_out.items()}


async def invent_outputs(session: RunContext, leaf: Leaf) -> dict[str, KeptFile]:
    """Keep small files in the place of what a rehearsed leaf promised."""
    invented: dict[str, KeptFile] = {}
    for name, path in leaf.files_out.items():
        content = f"(rehearsed {name} of {leaf.path})\n".encode()
        kept = await keep_content(session.ledger, content, "rehearsed.txt" if is_glob(path) else _last(path))
        invented[name] = await keep_list(session.ledger, [kept], name) if is_glob(path) else kept
    return invented


async def gather_files(
    session: RunContext, copies: Mapping[str, Sequence[Leaf]], outcomes: Mapping[int, Outcome]
) -> dict[str, KeptFile]:
    """Return the files of the copies of a `for_each` task: for each name a folder, with a folder for each copy.

    Args:
        session: The run.
        copies: The leaves of each copy, by its id.
        outcomes: Those of the leaves, by index; one without the file adds nothing.

    Raises:
        TaskError: A list is missing in the storage, or there are more files than may be kept.
    """
    found: dict[str, list[KeptFile]] = {}
    for copy, leaves in copies.items():
        ends = [outcomes[leaf.index].files for leaf in leaves if leaf.index in outcomes]
        names = [name for files in ends for name in files]
        for files in ends:
            for name, kept in files.items():
                if names.count(name) == 1:
                    inside = await list_files(session.ledger, kept)
                    moved = [file.model_copy(update={"name": f"{copy}/{file.name}"}) for file in inside]
                    found.setdefault(name, []).extend(moved)
    for name, listed in found.items():
        _check_count(session, name, len(listed))
    return {name: await keep_list(session.ledger, listed, name) for name, listed in found.items()}


async def _keep_output(session: RunContext, leaf: Leaf, folder: Path, name: str, path: str) -> KeptFile:
    files = await asyncio.to_thread(_find_output, leaf, folder, name, path)
    most = session.settings.limits.file_bytes
    if isinstance(files, Path):
        return await keep_file(session.ledger, files, _last(path), most_bytes=most)
    _check_count(session, name, len(files))
    kept: list[KeptFile] = []
    total = 0
    for inside, file in files.items():
        kept.append(await keep_file(session.ledger, file, inside, most_bytes=most))
        total += kept[-1].bytes
        if total > most:
            raise make_size_error(
                f"the files of {name!r} have more than {total - 1:,} bytes", f"{most:,}", "GENESIS_LIMITS__FILE_BYTES"
            )
    return await keep_list(session.ledger, kept, name)


def _check_count(session: RunContext, name: str, count: int) -> None:
    most = session.settings.limits.file_count
    if count > most:
        raise make_size_error(f"{name!r} has {count:,} files", f"{most:,}", "GENESIS_LIMITS__FILE_COUNT")


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _find_output(leaf: Leaf, folder: Path, name: str, path: str) -> Path | dict[str, Path]:
    """Find a promised file; of a glob or a folder the files, by their paths below the part without wildcards."""
    if not is_glob(path):
        file = folder / path
        if file.is_dir() and not file.is_symlink():
            found = {inside: _resolve(file / inside, folder, leaf, name) for inside in _walk(file)}
            return _require(found, leaf, folder, name, path)
        if not os.path.lexists(file):
            raise _make_missing_error(leaf, folder, name, path)
        return _resolve(file, folder, leaf, name)
    parts = path.split("/")
    fixed = next(place for place, part in enumerate(parts) if is_glob(part))
    base = folder.joinpath(*parts[:fixed])
    given = tuple(f"{asked}/" for asked in leaf.files_in)
    matching = {
        inside: _resolve(base / inside, folder, leaf, name)
        for inside in _walk(base)
        if _matches(inside.split("/"), parts[fixed:]) and not f"{'/'.join((*parts[:fixed], inside))}/".startswith(given)
    }
    return _require(matching, leaf, folder, name, path)


def _require(found: dict[str, Path], leaf: Leaf, folder: Path, name: str, path: str) -> dict[str, Path]:
    """Make sure that a task has left something, under names that can be kept.

    Raises:
        TaskError: It has not.
    """
    if not found:
        raise _make_missing_error(leaf, folder, name, path)
    for inside in found:
        if problem := file_name_problem(inside):
            raise TaskError(
                f"task {leaf.path!r} left {inside[:100]!r} for {name!r}, which cannot be kept: {problem}",
                hint="give the file another name",
                code="GEN-TASK-FILE",
            )
    return found


def _make_missing_error(leaf: Leaf, folder: Path, name: str, path: str) -> TaskError:
    there = list(islice(_walk(folder), _SHOWN + 1))
    shown = ", ".join(map(repr, there[:_SHOWN])) + (" and more" if len(there) > _SHOWN else "")
    return TaskError(
        f"task {leaf.path!r} promised the file {name!r}, and its folder has no {path!r}",
        hint=f"it has {shown}" if there else "it is empty; a program gets it as GENESIS_TASK_FOLDER",
        code="GEN-TASK-FILE-MISSING",
        data={"output": name, "path": path},
    )


def _resolve(file: Path, folder: Path, leaf: Leaf, name: str) -> Path:
    """Return what a link stands for, and all else as it is.

    Raises:
        TaskError: It leads out of the folder, to nothing, or to a folder.
    """
    real = Path(os.path.realpath(file))
    if not real.is_relative_to(os.path.realpath(folder)):
        why = "leads out of the task's folder"
    elif file.is_symlink() and not real.is_file():
        why = "is a link to nothing, or to what is no file"
    else:
        return real
    raise TaskError(
        f"task {leaf.path!r} promised the file {name!r}, and {str(file.relative_to(folder))!r} {why}",
        hint="leave the file itself in the task's folder",
        code="GEN-TASK-FILE",
    )


def _walk(folder: Path) -> Iterator[str]:
    """List all that is below a folder and is no folder, in order, with its path there. Links are not followed."""
    waiting = [""]
    while waiting:
        above = waiting.pop()
        try:
            entries = sorted(os.scandir(folder / above), key=lambda entry: entry.name)
        except OSError as error:
            if above or folder.exists():
                raise TaskError(
                    f"the folder {str(folder / above)!r} cannot be read: {error.strerror}", code="GEN-TASK-FILE"
                ) from error
            return
        yield from (f"{above}{entry.name}" for entry in entries if not entry.is_dir(follow_symlinks=False))
        waiting += [f"{above}{entry.name}/" for entry in reversed(entries) if entry.is_dir(follow_symlinks=False)]


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path matches a glob, part by part; `**` stands for any number of parts, none as well."""
    places = _after_stars({0}, pattern)
    for part in path:
        stay = {place for place in places if place < len(pattern) and pattern[place] == "**"}
        go = {place + 1 for place in places - stay if place < len(pattern) and fnmatchcase(part, pattern[place])}
        places = _after_stars(stay | go, pattern)
    return len(pattern) in places


def _after_stars(places: set[int], pattern: Sequence[str]) -> set[int]:
    """Add to places in a pattern those behind a `**`, which may stand for nothing."""
    found: set[int] = set()
    waiting = list(places)
    while waiting:
        place = waiting.pop()
        found.add(place)
        if place < len(pattern) and pattern[place] == "**":
            waiting.append(place + 1)
    return found
