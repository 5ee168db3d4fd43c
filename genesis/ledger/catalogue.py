"""All runs that the ledger knows: list them, choose among them, find one by its correlation id."""

from __future__ import annotations

import glob
import json
import shlex
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from genesis.errors import GenesisError, UsageError
from genesis.ledger.lock import RunLock, describe_interruption, is_abandoned
from genesis.ledger.store import ROOT, FolderStore, LedgerStore, is_run_id, list_runs, open_store
from genesis.model.states import FINISHED, RunState
from genesis.text import format_known_cost

if TYPE_CHECKING:
    from genesis.settings import Settings

__all__ = ["RunFilter", "RunListEntry", "RunLogs", "choose", "find", "logs_of", "one_of"]

_MOST_GUESSES = 3
"""Run ids that an error suggests."""
_MOST_LOG_BYTES = 100_000_000
"""Bytes of log files that are searched for a correlation id."""


@dataclass(frozen=True, slots=True)
class RunListEntry:
    """One run of a list, read as plain values: to check it as a model takes longer than all of the list."""

    run_id: str
    correlation_id: str
    state: RunState
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: float
    cost: str
    """What it cost, in words; nothing where that is not known."""
    is_rehearsal: bool
    agents: frozenset[str]
    """Who had a task of it, at any time."""
    settled: tuple[bool, ...]
    """Whether each of its tasks is settled, as its state says."""
    document: Mapping[str, Any] = field(repr=False)
    """The run as JSON, without its tasks."""
    request: str = ""
    tasks_done: int = 0
    tasks_total: int = 0


@dataclass(frozen=True, slots=True)
class RunLogs:
    """Where the log lines of a run are."""

    file: str
    exists: bool
    """Whether it, or a file that was put aside, has lines of the run."""
    command: str
    """Shows them, those of files that were put aside too."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are wanted. What is not given does not matter."""

    states: Collection[RunState] = ()
    since: datetime | None = None
    """Started, or resumed, then or later."""
    agent: str | None = None
    """Some task was given to it, at any time."""
    request: str | None = None
    """A part of the request, in whatever case."""
    correlation: str | None = None

    def takes(self, listed: RunListEntry) -> bool:
        """Whether a run is wanted."""
        if self.states and listed.state not in self.states:
            return False
        if self.since is not None and (listed.started_at is None or listed.started_at < self.since):
            return False
        if self.correlation is not None and listed.correlation_id != self.correlation:
            return False
        if self.request is not None and self.request.casefold() not in listed.request.casefold():
            return False
        return self.agent is None or self.agent in listed.agents


async def choose(choice: RunFilter, limit: int | None = None) -> list[RunListEntry]:
    """List runs, newest first, as they were last saved; a ledger that cannot be read is left out."""
    store = await open_store()
    found: list[RunListEntry] = []
    async for listed in _all(store, choice.correlation):
        if choice.takes(listed):
            found.append(listed)
            if len(found) == limit:
                break
    return found


async def find(word: str) -> list[RunListEntry] | str:
    """Find a run by its id, or runs by their correlation id.

    Returns:
        The run id, where the word is one; else the runs with this correlation id, newest first, at least one.

    Raises:
        UsageError: There is neither.
    """
    store = await open_store()
    if is_run_id(word) and await store.read(f"{ROOT}/{word}/run.json") is not None:
        return word
    if found := await choose(RunFilter(correlation=word)):
        return found
    ids = await list_runs(store)
    if ids is None:
        raise UsageError(
            f"there is no run {word!r} in {store.url(ROOT)}, and that storage cannot list its runs",
            hint="give the whole run id, which `genesis run` printed",
            code="GEN-RUN-UNKNOWN",
        )
    close = [run_id for run_id in ids if word and word in run_id][:_MOST_GUESSES]
    raise UsageError(
        f"no run has the id or the correlation id {word!r} in {store.url(ROOT)}",
        hint=f"did you mean {', '.join(close)}?" if close else "run: genesis runs",
        code="GEN-RUN-UNKNOWN",
    )


async def one_of(word: str) -> str:
    """Return the id of the one run that a run id or a correlation id means.

    Raises:
        UsageError: There is none, or there are several.
    """
    found = await find(word)
    if isinstance(found, str):
        return found
    if len(found) > 1:
        ids = [listed.run_id for listed in found]
        named = ", ".join(ids[:_MOST_GUESSES]) + (", …" if len(ids) > _MOST_GUESSES else "")
        raise UsageError(
            f"{len(ids)} runs have the correlation id {word!r}: {named}",
            hint="give the id of one of them",
            code="GEN-RUN-UNKNOWN",
        )
    return found[0].run_id


def logs_of(correlation_id: str, settings: Settings) -> RunLogs:
    """Describe where the log lines of a run are, and how to see them."""
    from genesis.observability.log_setup import log_file  # noqa: PLC0415  # a list of runs needs it not

    file = log_file(settings)
    command = f"grep -hF -- {shlex.quote(correlation_id)} {shlex.quote(str(file))}*"
    return RunLogs(file=str(file), exists=_has_lines(file, correlation_id), command=command)


def _has_lines(file: Path, correlation_id: str) -> bool:
    """Whether a log file, or one that was put aside, has lines with this id. Of very long ones the end is read."""
    wanted, left = correlation_id.encode("utf-8", "surrogatepass"), _MOST_LOG_BYTES
    with suppress(OSError):
        for each in sorted(file.parent.glob(f"{glob.escape(file.name)}*")):
            with each.open("rb") as lines:
                lines.seek(max(0, each.stat().st_size - left))
                found = wanted in lines.read(left)
            if found:
                return True
    return False


async def _all(store: LedgerStore, correlation: str | None) -> AsyncIterator[RunListEntry]:
    for run_id in await list_runs(store) or []:
        try:
            header = await _header(store, run_id)
            if correlation is not None and header.get("correlation_id", correlation) != correlation:
                continue  # before the state is read, which is larger
            listed = await _summarize_run(store, run_id, header)
        except GenesisError:
            continue
        if listed is not None:
            yield listed


async def _summarize_run(store: LedgerStore, run_id: str, header: dict[str, Any]) -> RunListEntry | None:
    """Put together what a run's header and its state say; None where neither can be read."""
    document = header.get("document") or {}
    saved = _read_run(await _values(store, f"{run_id}/state.json"))
    run = saved or _read_run(_not_started(run_id, header, document))
    if run is None:
        return None
    done = sum(run.settled) if run.ended_at else await _count_settled(store, run_id)
    if run.state in ("running", "pending") and await _is_abandoned(store, run_id):
        failed: RunState = "failed"
        shape = {**run.document, "state": failed, "error": describe_interruption(run_id)}
        run = replace(run, state=failed, document=shape)
    return replace(
        run,
        request=str(document.get("request", "")),
        tasks_done=done,
        tasks_total=_leaves(document) if saved is None else len(run.settled),
    )


def _read_run(values: Any) -> RunListEntry | None:
    """Take a run out of what its state has; None where it is damaged."""
    try:
        tasks = values.get("tasks", [])
        if values["state"] not in get_args(RunState):
            return None
        is_rehearsal = values.get("rehearsal") is not None
        usd = Decimal(str(values["cost_usd"]))
        return RunListEntry(
            run_id=str(values["run_id"]),
            correlation_id=str(values["correlation_id"]),
            state=values["state"],
            started_at=_time(values.get("started_at")),
            ended_at=_time(values.get("ended_at")),
            duration_s=float(values.get("duration_s", 0)),
            cost="" if is_rehearsal else format_known_cost(usd, ((task["state"], task.get("usd")) for task in tasks)),
            is_rehearsal=is_rehearsal,
            agents=frozenset(each["agent"] for task in tasks for each in (task, *task.get("history", ()))),
            settled=tuple(_is_settled(task) for task in tasks),
            document={key: value for key, value in values.items() if key != "tasks"},
        )
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _time(written: Any) -> datetime | None:
    at = None if written is None else datetime.fromisoformat(written)
    if at is not None and at.tzinfo is None:
        raise ValueError(f"{written} has no offset")
    return at


def _is_settled(outcome: dict[str, Any]) -> bool:
    """Do what `Outcome.is_settled` does, for an outcome as plain values."""
    return outcome["state"] in FINISHED or bool(outcome.get("skipped_by") or outcome.get("failure_allowed"))


async def _count_settled(store: LedgerStore, run_id: str) -> int:
    """Count the tasks whose records say that they are settled, be they of the plan as it is or not."""
    found: set[str] = set()
    for folder in ("leaves", "deliveries"):
        for name in await store.names(f"{ROOT}/{run_id}/{folder}") or ():
            values = await _values(store, f"{run_id}/{folder}/{name}")
            outcome = values.get("outcome") if isinstance(values, dict) else None
            if isinstance(outcome, dict) and "state" in outcome and _is_settled(outcome):
                found.add(name)
    return len(found)


async def _is_abandoned(store: LedgerStore, run_id: str) -> bool:
    """Whether the process of a run has gone. Only folders are listed, so that its lock is in one."""
    owner = await _values(store, f"{run_id}/owner.json")
    host = owner.get("host") if isinstance(owner, dict) else None
    return isinstance(store, FolderStore) and is_abandoned(RunLock(store.root / ROOT / run_id / ".lock", run_id), host)


async def _values(store: LedgerStore, name: str) -> Any:
    """Read a file of JSON below the folder of all runs; None where there is none, or it is damaged."""
    try:
        return json.loads(await store.read(f"{ROOT}/{name}") or b"null")
    except (ValueError, RecursionError):
        return None


async def _header(store: LedgerStore, run_id: str) -> dict[str, Any]:
    """Read a header without checking all of it: a list needs few values of each. Give nothing where it is damaged."""
    value = await _values(store, f"{run_id}/run.json")
    return value if isinstance(value, dict) and isinstance(value.get("document"), dict) else {}


def _not_started(run_id: str, header: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Describe a run that has a header and no state, as its state would."""
    rehearsal = {} if header.get("rehearse") is None else {"rehearsal": header["rehearse"]}
    return {
        "run_id": run_id,
        "correlation_id": header.get("correlation_id"),
        "state": "pending" if isinstance(header.get("correlation_id"), str) else None,
        "planner": document.get("planner", "file"),
        **rehearsal,
        "started_at": header.get("created_at"),
        "ended_at": None,
        "duration_s": 0.0,
        "cost_usd": 0,
        "ui_url": None,
        "error": None,
    }


def _leaves(document: dict[str, Any]) -> int:
    """Count the leaves of a plan document."""
    count, stack = 0, list(document.get("tasks") or [])
    while stack:
        task = stack.pop()
        subtasks = (task.get("subtasks") if isinstance(task, dict) else None) or []
        stack += subtasks
        count += not subtasks
    return count
