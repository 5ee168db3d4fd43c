"""All runs that the ledger knows: list them, choose among them, find one by its correlation id."""

from __future__ import annotations

import glob
import json
import shlex
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from genesis.errors import GenesisError, UsageError
from genesis.execute.history import judged, open_ledger
from genesis.execute.ledger import Ledger, Store, list_runs, open_store
from genesis.model import FINISHED, Model, Run, RunState
from genesis.settings import Settings

__all__ = ["Choice", "Listed", "Logs", "choose", "find", "logs_of", "one_of"]

_MOST_GUESSES = 3
_MOST_LOG_BYTES = 100_000_000


class Listed(Model):
    """One run of a list."""

    run: Run
    request: str
    tasks_done: int
    tasks_total: int
    trace: str | None = None
    """W3C traceparent of its first execution, where it was traced."""


class Logs(Model):
    """Where the log lines of a run are."""

    file: str
    exists: bool
    """Whether it, or a file that was put aside, has lines of the run."""
    command: str
    """Shows them, those of files that were put aside too."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which runs are wanted. What is not given does not matter."""

    states: Collection[RunState] = ()
    since: datetime | None = None
    """Started, or resumed, then or later."""
    agent: str | None = None
    """Some task was given to it, at any time."""
    request: str | None = None
    """A part of the request, in whatever case."""
    correlation: str | None = None

    def takes(self, listed: Listed) -> bool:
        """Whether a run is wanted."""
        run = listed.run
        if self.states and run.state not in self.states:
            return False
        if self.since is not None and (run.started_at is None or run.started_at < self.since):
            return False
        if self.correlation is not None and run.correlation_id != self.correlation:
            return False
        if self.request is not None and self.request.casefold() not in listed.request.casefold():
            return False
        return self.agent is None or any(
            self.agent == task.agent or any(tried.agent == self.agent for tried in task.history) for task in run.tasks
        )


async def choose(settings: Settings, choice: Choice, limit: int | None = None) -> list[Listed]:
    """List runs, newest first, as they were last saved; a ledger that cannot be read is left out."""
    store = await open_store()
    found: list[Listed] = []
    async for listed in _all(store, settings, choice.correlation):
        if choice.takes(listed):
            found.append(listed)
            if len(found) == limit:
                break
    return found


async def find(word: str, settings: Settings) -> list[Listed] | str:
    """Find a run by its id, or runs by their correlation id.

    Returns:
        The run id, where the word is one; else the runs with this correlation id, newest first, at least one.

    Raises:
        UsageError: There is neither.
    """
    store = await open_store()
    try:
        if await open_ledger(store, word, settings).exists():
            return word
    except UsageError:  # a correlation id may have characters that no run id has
        pass
    if found := await choose(settings, Choice(correlation=word)):
        return found
    ids = await list_runs(store)
    if ids is None:
        raise UsageError(
            f"there is no run {word!r} in {store.url('genesis')}, and that storage cannot list its runs",
            hint="give the whole run id, which `genesis run` printed",
            code="GEN-RUN-UNKNOWN",
        )
    close = [run_id for run_id in ids if word and word in run_id][:_MOST_GUESSES]
    raise UsageError(
        f"no run has the id or the correlation id {word!r} in {store.url('genesis')}",
        hint=f"did you mean {', '.join(close)}?" if close else "run: genesis runs",
        code="GEN-RUN-UNKNOWN",
    )


async def one_of(word: str, settings: Settings) -> str:
    """Give the id of the one run that a run id or a correlation id means.

    Raises:
        UsageError: There is none, or there are several.
    """
    found = await find(word, settings)
    if isinstance(found, str):
        return found
    if len(found) > 1:
        ids = [listed.run.run_id for listed in found]
        named = ", ".join(ids[:_MOST_GUESSES]) + (", …" if len(ids) > _MOST_GUESSES else "")
        raise UsageError(
            f"{len(ids)} runs have the correlation id {word!r}: {named}",
            hint="give the id of one of them",
            code="GEN-RUN-UNKNOWN",
        )
    return found[0].run.run_id


def logs_of(correlation_id: str, settings: Settings) -> Logs:
    """Say where the log lines of a run are, and how to see them."""
    from genesis.observability.logs import log_file  # noqa: PLC0415  # a list of runs needs it not

    file = log_file(settings)
    command = f"grep -hF -- {shlex.quote(correlation_id)} {shlex.quote(str(file))}*"
    return Logs(file=str(file), exists=_has_lines(file, correlation_id), command=command)


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


async def _all(store: Store, settings: Settings, correlation: str | None) -> AsyncIterator[Listed]:
    for run_id in await list_runs(store) or []:
        ledger = open_ledger(store, run_id, settings)
        try:
            header = await _header(ledger)
            if correlation is not None and header.get("correlation_id", correlation) != correlation:
                continue  # before the state is read, which is larger
            listed = await _listed(ledger, header, settings)
        except GenesisError:
            continue
        if listed is not None:
            yield listed


async def _listed(ledger: Ledger, header: dict[str, Any], settings: Settings) -> Listed | None:
    """Put together what a run's header and its state say; None where neither can be read."""
    document = header.get("document") or {}
    saved = await ledger.load()
    run = saved or _not_started(ledger.run_id, header, document)
    if run is None:
        return None
    states = [task.state for task in run.tasks] if run.ended_at else await ledger.states()
    run = await judged(run, ledger, settings)
    trace = header.get("trace")
    return Listed(
        run=run,
        request=str(document.get("request", "")),
        tasks_done=sum(state in FINISHED for state in states),
        tasks_total=_leaves(document) if saved is None else len(run.tasks),
        trace=trace if isinstance(trace, str) else None,
    )


async def _header(ledger: Ledger) -> dict[str, Any]:
    """Read a header without checking all of it: a list needs few values of each. Give nothing where it is damaged."""
    try:
        value = json.loads(await ledger.header_bytes())
    except (UsageError, ValueError):
        return {}
    return value if isinstance(value, dict) and isinstance(value.get("document"), dict) else {}


def _not_started(run_id: str, header: dict[str, Any], document: dict[str, Any]) -> Run | None:
    """Describe a run that has a header and no state."""
    shape = {
        "run_id": run_id,
        "correlation_id": header.get("correlation_id"),
        "state": "pending",
        "planner": document.get("planner", "file"),
        "rehearsal": header.get("rehearse"),
        "started_at": header.get("created_at"),
        "cost_usd": 0,
    }
    try:
        return Run.model_validate(shape)
    except ValidationError:
        return None


def _leaves(document: dict[str, Any]) -> int:
    """Count the leaves of a plan document."""
    count, stack = 0, list(document.get("tasks") or [])
    while stack:
        task = stack.pop()
        subtasks = (task.get("subtasks") if isinstance(task, dict) else None) or []
        stack += subtasks
        count += not subtasks
    return count
