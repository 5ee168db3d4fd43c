"""Refuse inputs that execute or write something, or read a path, and do not come from a person."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from genesis.errors import SecurityError
from genesis.model import ExecutorSpec, ParameterKind, RoutedPlan, Task
from genesis.model.scalars import canonical
from genesis.structure.plan_values import plan_values
from genesis.structure.provenance import Source

if TYPE_CHECKING:
    from genesis.agents.contract import Work

__all__ = ["NamedFolders", "refuse_untrusted", "untrusted_problem"]

_OFF = frozenset({"", "no", "false", "off", "0", "none", "never", "null"})
"""Values of a switch that leave it off."""
_WORD = re.compile("[^\\s\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb<>|,;]+")  # quotes of any kind end a path
_SOURCES: Mapping[Source, str] = {
    "request": "words of the request",
    "model": "a language model",
    "result": "another task's result",
    "service": "tasks that were added while the plan ran",
}
_HINT = "set it yourself: with --var for a variable of the plan, or in a plan file"


@dataclass(frozen=True, slots=True)
class NamedFolders:
    """Where paths may lie that no person has chosen."""

    routed: RoutedPlan
    run: tuple[Path, ...] = field(default_factory=lambda: (Path(),))
    """The folder in which the run works, and that of the run's files."""

    def has(self, path: str, *, writes: bool) -> bool:
        """Whether a path lies in one of them; links are followed.

        Args:
            path: As it was given; relative to the current folder.
            writes: Whether it is written to: then the request's words name none.
        """
        wanted = _resolve(path)
        return any(wanted.is_relative_to(folder) for folder in self._folders(writes=writes))

    def _folders(self, *, writes: bool) -> Iterator[Path]:
        yield from map(Path.resolve, self.run)
        for text in _named_by_person(self.routed):
            yield _resolve(text)
        if not writes:
            for word in _WORD.findall(self.routed.plan.request):
                text = word if word.endswith("..") else word.rstrip(".:!?)")
                if "/" in text and (folder := _resolve(text)) not in (Path("/"), Path.home()):
                    yield folder


def refuse_untrusted(work: Work, spec: ExecutorSpec, kinds: Mapping[str, ParameterKind]) -> None:
    """Refuse the inputs of an attempt that may not come from where they do.

    Args:
        work: The attempt; `sources` says where its inputs come from.
        spec: The executor; what its `parameters` says takes precedence.
        kinds: Labels of a function's annotations.

    Raises:
        SecurityError: One of them executes, writes or reads something and comes from elsewhere than a person.
    """
    if not work.sources:
        return
    declared: Mapping[str, ParameterKind] = getattr(spec, "parameters", {})
    problem = untrusted_problem(work.inputs, work.sources, {**kinds, **declared}, work.named_folders)
    if problem:
        raise SecurityError(f"{work.path!r}: {problem}", hint=_HINT, data={"task": work.path})


def untrusted_problem(
    inputs: Mapping[str, JsonValue],
    sources: Mapping[str, Source],
    kinds: Mapping[str, ParameterKind],
    folders: NamedFolders | None,
) -> str | None:
    """Say which input may not come from where it does; None where all may.

    Args:
        inputs: Values by name.
        sources: Where those come from that do not come from a person.
        kinds: What labelled inputs do.
        folders: Where paths may lie all the same.
    """
    by_name = {canonical(name): kind for name, kind in kinds.items()}
    for name, source in sources.items():
        kind = by_name.get(canonical(name), "data")
        if kind == "data" or name not in inputs:
            continue
        said = f"the input {name!r} comes from {_SOURCES[source]}"
        if kind == "executes":
            if not _is_off(inputs[name]):
                return f"{said}, and {_show(inputs[name])} would execute something"
            continue
        verb = "written to" if kind == "write_path" else "read"
        for text in _texts(inputs[name]):
            if folders is None or not folders.has(text, writes=kind == "write_path"):
                return (
                    f"{said}, and {_show(text)}, which would be {verb}, is outside of the folders that a person named"
                )
    return None


def _is_off(value: JsonValue) -> bool:
    return not value or str(value).strip().lower() in _OFF


def _show(value: JsonValue) -> str:
    return ascii(value)[:200]


def _texts(value: JsonValue) -> Iterator[str]:
    """List the texts in a value."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    elif value is not None and value != "":
        yield str(value)


def _resolve(text: str) -> Path:
    try:
        return Path(os.path.realpath(Path(text.replace("\0", "")).expanduser()))
    except (OSError, RuntimeError):  # nobody's home
        return Path(os.path.realpath(text))


def _named_by_person(routed: RoutedPlan) -> Iterator[str]:
    """List what a person wrote in a plan: its variables, the values of its parameters, the inputs of a plan file."""
    plan = routed.plan
    for name, value in plan_values(plan).items():
        if plan.planner == "file" or name in plan.trusted_vars or name in plan.params:
            yield from _texts(value)
    if plan.planner == "file":
        for task in _leaves(task for task in plan.tasks if task.id not in routed.added):
            yield from (text for text in _texts({**task.inputs}) if "/" in text and "{" not in text)


def _leaves(tasks: Iterable[Task]) -> Iterator[Task]:
    for task in tasks:
        yield from _leaves(task.subtasks) if task.subtasks else (task,)
