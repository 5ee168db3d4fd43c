"""Files that tasks of Kestra hand on: `outputFiles` of one task in `inputFiles` of another.

A script of Kestra runs in a folder of its own, as a task with `files` does. What is exact is carried over: an output
that is written as a path, and that another task, all of whose input files are such ones, takes as
`{{ outputs.task.outputFiles['path'] }}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from genesis.importers.fields import excerpt, mapping_of, text_of, texts_of
from genesis.importers.workflow import Step
from genesis.model.files import file_name_problem, is_glob

__all__ = ["FileReader"]

_KEYS = ("inputFiles", "outputFiles", "namespaceFiles")
_REFERENCE = re.compile(
    r"\{\{-?\s*outputs(?:\.(\w+)|\[(['\"])([\w-]+)\2\])\.outputFiles(?:\.(\w+)|\[(['\"])([^'\"]+)\5\])\s*-?\}\}"
)
_NO_NAME = re.compile(r"[^\w-]+")
_LONGEST_NAME = 100


@dataclass(slots=True)
class _Handed:
    """A task with files, and those of them that others take."""

    step: Step
    raw: dict[str, Any]
    is_alone: bool
    """Whether it runs once, in a folder of its own."""

    def paths(self) -> list[str]:
        """List the outputs that are paths, and no patterns."""
        if not self.is_alone or self.step.command is None:
            return []
        listed = [path for path in texts_of(self.raw.get("outputFiles")) if "{" not in path and not is_glob(path)]
        return [path for path in listed if file_name_problem(path) is None]


class FileReader:
    """Collects the files of a flow's tasks while they are read, and says at the end which of them are handed on."""

    def __init__(self) -> None:
        self._handed: dict[str, _Handed] = {}

    def add(self, step: Step, raw: dict[str, Any], *, is_alone: bool) -> None:
        """Add a task.

        Args:
            step: The task.
            raw: As it is written.
            is_alone: Whether it runs once, and in a folder of its own.
        """
        if any(raw.get(key) for key in _KEYS):
            self._handed[step.name] = _Handed(step, raw, is_alone)

    def write(self) -> None:
        """Write into the steps what is handed on, and what is not."""
        for handed in self._handed.values():
            self._read_inputs(handed)
        for handed in self._handed.values():
            _report(handed)

    def _read_inputs(self, handed: _Handed) -> None:
        """Find what a task takes: all of it, or nothing, so that it finds no part of its files in its folder."""
        if not handed.is_alone or handed.step.command is None:
            return
        taken: dict[str, tuple[_Handed, str]] = {}
        for path, value in mapping_of(handed.raw.get("inputFiles")).items():
            found = _REFERENCE.fullmatch(text_of(value).strip())
            giver = self._handed.get(found[1] or found[3]) if found else None
            wanted = (found[4] or found[6]) if found else ""
            if giver is None or giver is handed or wanted not in giver.paths() or file_name_problem(text_of(path)):
                return
            taken[text_of(path)] = (giver, wanted)
        for path, (giver, wanted) in taken.items():
            handed.step.files_in[path] = (giver.step.key, _name_output(giver.step, wanted))


def _name_output(step: Step, path: str) -> str:
    """Return the name of an output, which is a new one where there is none yet."""
    for name, known in step.files_out.items():
        if known == path:
            return name
    plain = _NO_NAME.sub("-", path)[:_LONGEST_NAME].strip("-") or "file"
    name, number = plain, 1
    while name in step.files_out:
        number += 1
        name = f"{plain[: _LONGEST_NAME - len(str(number)) - 1]}-{number}"
    step.files_out[name] = path
    return name


def _report(handed: _Handed) -> None:
    """Name what of a task's files is not handed on."""
    step, raw = handed.step, handed.raw
    inputs = raw.get("inputFiles")
    if isinstance(inputs, dict):
        inputs = {path: value for path, value in inputs.items() if text_of(path) not in step.files_in}
    outputs: Any = [path for path in texts_of(raw.get("outputFiles")) if path not in step.files_out.values()]
    left = {"inputFiles": inputs, "outputFiles": outputs, "namespaceFiles": raw.get("namespaceFiles")}
    step.files = ", ".join(f"{key} {excerpt(value)}" for key, value in left.items() if value)
