"""The value of `files`: what a task's folder has before it starts, and what of it is kept."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict
from typing_extensions import TypedDict

from genesis.model.base import Model, Text
from genesis.model.scalars import canonical

__all__ = ["FileSource", "KeptFile", "TaskFiles", "file_name_problem", "is_glob"]

_LONGEST = 1_000
"""Bytes of a path; systems take 4,096 at most, and the run's folder stands before it."""
_LONGEST_PART = 200
"""Bytes of a name; most file systems take 255, and a name that is being written is longer."""
_REFERENCE = re.compile(r"\{[^{}]+\}")
_OUTPUT = re.compile(r"[\w\-]{1,100}")
_WILDCARDS = frozenset("*?[")


def file_name_problem(path: str) -> str | None:
    """Return why a text is no path of a file inside of a folder, or None where it is one."""
    parts = path.split("/")
    if not path:
        return "it is empty"
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in path):
        return "it has a line break or another control character, or is not UTF-8"
    if path.startswith(("/", "~")):
        return "it is not relative to the task's folder"
    if ".." in parts:
        return "it leads out of the task's folder"
    if "" in parts or "." in parts:
        return "it has an empty part or `.`"
    if len(path.encode()) > _LONGEST or max(len(part.encode()) for part in parts) > _LONGEST_PART:
        return f"it has more than {_LONGEST:,} bytes, or more than {_LONGEST_PART} between two `/`"
    return None


def is_glob(path: str) -> bool:
    """Whether a path in `files.out` is a pattern: it has `*`, `?` or `[`."""
    return not _WILDCARDS.isdisjoint(path)


def _check_path(path: str) -> str:
    if problem := file_name_problem(path):
        raise ValueError(f"{path[:100]!r} is no path of a file: {problem}")
    return path


def _check_reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is no reference to a file; write {{task.files.name}}")
    return canonical(text)


def _check_output(name: str) -> str:
    if not _OUTPUT.fullmatch(name):
        raise ValueError(f"{name[:100]!r} is no name of a file; use letters, digits, `_` and `-`, at most 100")
    return canonical(name)


def _check_places(files: dict[str, Any]) -> dict[str, Any]:
    """Refuse a file where another one needs a folder: two would write one name."""
    for path in files:
        parts = path.split("/")
        for end in range(1, len(parts)):
            if (above := "/".join(parts[:end])) in files:
                raise ValueError(f"{above!r} is a file, and the folder of {path!r}")
    return files


_Path = Annotated[Text, AfterValidator(_check_path)]

TaskFiles = TypedDict(
    "TaskFiles",
    {
        "in": Annotated[dict[_Path, Annotated[Text, AfterValidator(_check_reference)]], AfterValidator(_check_places)],
        "out": dict[Annotated[Text, AfterValidator(_check_output)], _Path],
    },
    total=False,
)
"""`in`: for each path in the task's folder the file of another task that is there before the task starts, as
`{task.files.name}`. `out`: for each name the path in the folder, or a glob, of what is kept when the task has ended."""
TaskFiles.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]  # pydantic reads it there


class FileSource(Model):
    """The file of another leaf that a leaf asks for."""

    leaf: int
    """The leaf that it is of."""
    output: str
    """Its name in `files.out` of that leaf."""


class KeptFile(Model):
    """A file, or a folder of files, that a run keeps by the hash of its content."""

    name: str
    """Its name; in the list of a folder its path there."""
    bytes: int
    """Its size; of a folder that of all its files."""
    chunks: tuple[str, ...]
    """SHA-256 of each part of its content, in order. The content of a folder is the list of its files, as JSON."""
    executable: bool = False
    count: int | None = None
    """How many files a folder has; None for a file."""
