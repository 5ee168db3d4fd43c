"""Put the plan files that tasks `use` in place of their names, before anything else sees the plan.

Files are read from the folder of the first plan file and below, each once. The values of `with` are filled in with
those of the plan that uses; a reference to a result, or to the value of a copy, is handed on as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from genesis.document import close_matches, parse, read_text, validate_model
from genesis.errors import DocumentError, SecurityError, UsageError
from genesis.model import Plan, Task
from genesis.model.plan_reference import FINGERPRINT_LENGTH, split_reference
from genesis.planning.values import set_parameters
from genesis.settings import Limits
from genesis.structure import (
    EmbeddedPlan,
    EmbedError,
    Node,
    Outline,
    embed,
    fill,
    find_meaning,
    is_item_name,
    is_unread,
    missing_parameters,
    outline,
    plan_values,
    splits,
    tokens,
    value_names,
)

__all__ = ["expand_uses"]

_MOST_NESTED = 10
"""Files that use each other in a chain, the first one included."""


@dataclass(frozen=True, slots=True)
class _PlanFile:
    """A plan file that was read, and all that it uses."""

    path: Path
    plan: Plan
    fingerprint: str
    """SHA-256 in hex over its values and those of the files that it uses."""
    leaves: int
    """Leaves once all that it uses is in place."""
    depth: int
    """Files in the longest chain of files that use each other, from this one on."""


def expand_uses(plan: Plan, file: Path | str, limits: Limits) -> Plan:
    """Put the plans that the tasks of a plan use below these tasks.

    Args:
        plan: The plan, with its variables and parameters set. What is in place already stays as it is.
        file: The file that it is from. Files that are used are in its folder, or in folders in there.
        limits: Bounds on documents, and on the leaves of all together.

    Raises:
        DocumentError: A file cannot be read, is no plan, uses itself, or has another content than was asked for; a
            value of `with` does not fit; or there are more leaves or more files in a chain than the limits allow.
        SecurityError: A path leads out of the folder.
    """
    if not _has_use(plan.tasks):
        return plan
    first = Path(file).resolve()
    reader = _Reader(first, limits)
    reader.look_through(plan, first)
    made = _expand(plan, first, reader)
    notes = ". ".join(filter(None, [plan.planner_note, *reader.notes]))
    return made.model_copy(update={"planner_note": notes}) if reader.notes else made


def _has_use(tasks: tuple[Task, ...]) -> bool:
    """Whether a task uses a plan that is not in place; the outline that says which takes longer."""
    waiting = [*tasks]
    while waiting:
        task = waiting.pop()
        if is_unread(task):
            return True
        waiting += task.subtasks
    return False


def _uses(view: Outline) -> Iterator[tuple[Node, str]]:
    """Yield the tasks whose plan is not in place yet, each with its `use`."""
    for node in view.nodes:
        if node.task.use is not None and is_unread(node.task):
            yield node, node.task.use


def _expand(plan: Plan, file: Path, reader: _Reader) -> Plan:
    """Put plans below the tasks that use them, from the outside in: values are known before they are needed."""
    view = outline(plan)
    parts: dict[int, EmbeddedPlan] = {}
    for node, use in _uses(view):
        used = reader.load(use, node, file)
        try:
            values, handed_on = _divide_values(plan, view, node)
            bound = _bind(used.plan, values, handed_on)
        except UsageError as error:
            raise _fault(reader.name(file), node, f"{use}: {error.message}", "GEN-USE-WITH", error.hint) from error
        source = f"{reader.name(used.path)}@{used.fingerprint[:FINGERPRINT_LENGTH]}"
        parts[node.index] = EmbeddedPlan(_expand(bound, used.path, reader), source, handed_on)
    try:
        return embed(plan, parts)
    except EmbedError as error:
        node = view.nodes[error.node]
        raise _fault(reader.name(file), node, f"{node.task.use}: {error}", "GEN-USE-WITH") from error


def _bind(plan: Plan, values: dict[str, JsonValue], handed_on: dict[str, str]) -> Plan:
    """Set parameters and variables of a used plan.

    Raises:
        UsageError: It has no value of a name, a value does not fit, or a parameter has none.
    """
    known = value_names(plan)
    for name in (*values, *handed_on):
        if name not in known:
            listed = (
                f"its parameters and variables: {', '.join(known)}" if known else "it has no `params` and no `vars`"
            )
            raise UsageError(
                f"that plan has no parameter or variable {name!r}", hint=close_matches(name, known) or listed
            )
    texts: dict[str, str] = {}
    for name, value in values.items():
        if name in plan.vars:
            if not isinstance(value, str):
                raise UsageError(f"variable {name!r} is {value!r:.80}; expected: a text", hint="quote it in `with`")
            texts[name] = value
    bound = set_parameters(plan, {name: value for name, value in values.items() if name in plan.params})
    if missing := [name for name in missing_parameters(bound) if name not in handed_on]:
        expected = plan.params[missing[0]].expected()
        raise UsageError(
            f"parameter {missing[0]!r} has no value; expected: {expected}", hint=f"add it: with: {{{missing[0]}: …}}"
        )
    return bound.model_copy(update={"vars": {**bound.vars, **texts}})


def _divide_values(plan: Plan, view: Outline, node: Node) -> tuple[dict[str, JsonValue], dict[str, str]]:
    """Divide the values of `with` into those that are known now, filled in, and references that are handed on.

    Raises:
        UsageError: Text around a reference whose value is not known now.
    """
    known = plan_values(plan)
    names = value_names(plan)

    def is_later(name: str) -> bool:
        if node.index in view.scopes and is_item_name(name):
            return True
        return name not in known and (name in names or _names_a_result(view, node, name))

    values: dict[str, JsonValue] = {}
    handed_on: dict[str, str] = {}
    for name, value in node.task.with_.items():
        later = [each for each, is_reference in tokens(value) if is_reference and is_later(each)]
        if later and value == f"{{{later[0]}}}":
            handed_on[name] = later[0]
        elif later and later[0] not in names:
            raise UsageError(
                f"{name!r} has {{{later[0]}}} with something around it, and its value is not known before the run",
                hint=f'hand it on as a whole, {name}: "{{{later[0]}}}", and put the rest into the plan that is used',
            )
        else:
            values[name] = fill(value, lambda each: each in known or is_later(each), lambda each: known.get(each, ""))
    return values, handed_on


def _names_a_result(view: Outline, node: Node, name: str) -> bool:
    """Whether a name means a result, which may be one of a task that is not in place yet."""
    if find_meaning(view, node, name) is not None:
        return True
    for task, _ in splits(name):
        above = task
        while above := above.rpartition("/")[0]:
            target = view.resolve(node, above)
            if target is not None and is_unread(view.nodes[target].task):
                return True
    return False


def _fault(name: str, node: Node, problem: str, code: str, hint: str = "") -> DocumentError:
    return DocumentError(
        f"task {node.path!r} of {name} uses {problem}",
        hint=hint,
        code=code,
        data={"source": name, "where": node.path},
    )


class _Reader:
    """Reads the files that plans use, each once, with all that they use."""

    def __init__(self, first: Path, limits: Limits) -> None:
        self._folder = first.parent
        self._limits = limits
        self._files: dict[Path, _PlanFile] = {}
        self._chain: list[Path] = []
        self.notes: dict[str, None] = {}
        """What of the files does not count where they are used, for people."""

    def name(self, path: Path) -> str:
        """Name a file for people: relative to the folder of the first one."""
        return path.relative_to(self._folder).as_posix()

    def load(self, use: str, node: Node, file: Path) -> _PlanFile:
        """Read the file that a task of another one uses; see `expand_uses` for the errors."""
        written, wanted = split_reference(use)
        path = self._find(written, node, file)
        self._refuse_chain(path, 1, written, node, file)
        used = self._files.get(path) or self._read(path, written, node, file)
        self._refuse_chain(path, used.depth, written, node, file)
        if not used.fingerprint.startswith(wanted):
            problem = f"{use}, and that file has the fingerprint {used.fingerprint[:FINGERPRINT_LENGTH]} now"
            hint = f"look at what has changed; then write {written}@{used.fingerprint[:FINGERPRINT_LENGTH]}"
            raise _fault(self.name(file), node, problem, "GEN-USE-VERSION", hint)
        return used

    def look_through(self, plan: Plan, file: Path) -> tuple[int, int, list[str]]:
        """Read all files that a plan uses before any is put in place.

        Returns:
            The number of its leaves with theirs, the length of the longest chain of files, and their fingerprints.
        """
        self._chain.append(file)
        view = outline(plan)
        used = [self.load(use, node, file) for node, use in _uses(view)]
        self._chain.pop()
        leaves = len(view.leaves) + sum(each.leaves - 1 for each in used)
        most = self._limits.leaves
        if leaves > most:
            raise DocumentError(
                f"{self.name(file)} has {leaves:,} leaves with the plans that it uses; the limit is {most:,}",
                hint="use fewer plans, or raise GENESIS_LIMITS__LEAVES",
                code="GEN-USE-LIMIT",
                data={"source": self.name(file)},
            )
        return leaves, 1 + max((each.depth for each in used), default=0), [each.fingerprint for each in used]

    def _find(self, written: str, node: Node, file: Path) -> Path:
        """Find a file, and refuse one outside of the folder, links followed."""
        try:
            path = (file.parent / written).resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself, before Python 3.13
            raise _fault(self.name(file), node, f"{written!r}, which cannot be found", "GEN-USE-FILE") from error
        if not path.is_relative_to(self._folder):
            raise SecurityError(
                f"task {node.path!r} of {self.name(file)} uses {written!r}, which is outside of {str(self._folder)!r}",
                hint="plans that are used lie in the folder of the first plan file, or in folders in there",
                code="GEN-USE-OUTSIDE",
            )
        return path

    def _refuse_chain(self, path: Path, depth: int, written: str, node: Node, file: Path) -> None:
        """Refuse a file that uses itself, and one that makes a chain of files too long."""
        names = [self.name(each) for each in (*self._chain, path)]
        if path in self._chain:
            shown = " → ".join(names[self._chain.index(path) :])
            raise _fault(self.name(file), node, f"{written!r}, which uses itself: {shown}", "GEN-USE-CYCLE")
        if self._chain and len(self._chain) + depth > _MOST_NESTED:
            problem = f"{written!r}, which makes a chain of {len(self._chain) + depth} files: {' → '.join(names)}"
            hint = f"use at most {_MOST_NESTED} files in a chain"
            raise _fault(self.name(file), node, problem, "GEN-USE-LIMIT", hint)

    def _read(self, path: Path, written: str, node: Node, file: Path) -> _PlanFile:
        name = self.name(path)
        if path.exists() and not path.is_file():
            raise _fault(self.name(file), node, f"{written!r}, which is no file", "GEN-USE-FILE")
        try:
            text = read_text(path, self._limits)
            value = parse(text, source=name, limits=self._limits, as_json=path.suffix == ".json")
            plan = validate_model(Plan, value, source=name, noun="plan")
        except (UsageError, DocumentError) as error:
            made = _fault(self.name(file), node, f"{written!r}: {error.message}", "GEN-USE-FILE", error.hint)
            made.data |= {key: each for key, each in error.data.items() if key in ("line", "errors")}
            raise made from error
        if not plan.tasks:
            raise _fault(self.name(file), node, f"{written!r}, which has no tasks", "GEN-USE-FILE")
        leaves, depth, prints = self.look_through(plan, path)
        if unused := [key for key in ("budget", "deadline_s", "schedules", "notify") if getattr(plan, key)]:
            self.notes[f"{' and '.join(f'`{key}`' for key in unused)} of {name} count in runs of that file only"] = None
        fingerprint = hashlib.sha256(json.dumps([value, prints], sort_keys=True).encode()).hexdigest()
        used = self._files[path] = _PlanFile(path, plan, fingerprint, leaves, depth)
        return used
