"""What really happened in a run, as seen where Genesis calls agents and tells observers."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from genesis.agents import Executor, Result, Work
from genesis.model import Leaf, Outcome, Program, Run
from genesis.resilience import BreakerEvent

__all__ = ["Effects", "Witness", "WitnessedEvent"]


@dataclass(frozen=True, slots=True)
class WitnessedEvent:
    """One thing that happened. What is listed earlier happened earlier."""

    what: Literal["began", "ended", "leaf", "breaker"]
    """A call of an agent begins, ends; a leaf, a breaker has another state."""
    at: float
    """Seconds of the monotonic clock."""
    path: str = ""
    """The leaf."""
    agent: str = ""
    state: str = ""
    """The new state of a leaf or a breaker."""
    before: str = ""
    """The old state of a breaker."""
    call: int = 0
    """Number of the call."""
    upstream: tuple[str, ...] = ()
    """Leaves whose results a call was given."""


class Witness:
    """Watches a run: as its observer, as the listener of its breakers, and around its executors.

    ```python
    witness = Witness()
    breakers = Breakers(listen=witness.heard)
    executor = witness.around(ChaosExecutor(agent, faults))
    ```

    Attributes:
        seen: All that happened, in order.
        run: How it ended.
    """

    def __init__(self) -> None:
        self.seen: list[WitnessedEvent] = []
        self.run: Run | None = None
        self._calls = 0
        self._lock = threading.Lock()

    def around(self, executor: Executor) -> Executor:
        """Watch an executor: give it the outermost one, to see what Genesis asks for."""
        return _Watched(executor, self)

    def record_change(self, event: BreakerEvent) -> None:
        """Note that a breaker has another state."""
        if not event.degraded:
            agent = event.name.removeprefix("agent ")
            self._note(WitnessedEvent("breaker", time.monotonic(), agent=agent, before=event.before, state=event.after))

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Note what was done before."""
        del program, run
        for outcome in finished.values():
            self.leaf_changed(outcome)

    def leaf_changed(self, outcome: Outcome) -> None:
        """Note that a leaf has another state."""
        self._note(WitnessedEvent("leaf", time.monotonic(), outcome.id, outcome.agent, outcome.state))

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Do nothing: what becomes of it is seen."""

    def plan_changed(self, program: Program) -> None:
        """Do nothing: the new leaves are seen as they run."""

    def run_ended(self, run: Run) -> None:
        """Keep how the run ended."""
        self.run = run

    def calls(self, agent: str | None = None, *, after: float = float("-inf")) -> list[WitnessedEvent]:
        """Return the calls that began, of all agents or of one, after a time."""
        return [seen for seen in self.seen if seen.what == "began" and agent in (None, seen.agent) and seen.at > after]

    def began(self, work: Work) -> int:
        """Note that a call begins, and number it."""
        with self._lock:
            self._calls += 1
            upstream = tuple(work.upstream)
            self.seen.append(
                WitnessedEvent(
                    "began", time.monotonic(), work.path, work.agent.name, call=self._calls, upstream=upstream
                )
            )
            return self._calls

    def record_end(self, work: Work, call: int) -> None:
        """Note that a call ended, however."""
        self._note(WitnessedEvent("ended", time.monotonic(), work.path, work.agent.name, call=call))

    def _note(self, seen: WitnessedEvent) -> None:
        with self._lock:
            self.seen.append(seen)


class _Watched:
    def __init__(self, inner: Executor, witness: Witness):
        self._inner = inner
        self._witness = witness

    async def execute(self, work: Work) -> Result:
        """Do the work, seen."""
        call = self._witness.began(work)
        try:
            return await self._inner.execute(work)
        finally:
            self._witness.record_end(work, call)


class Effects:
    """What agents have changed in the world: a line in a file each time, whole or not at all, from any process.

    Args:
        file: The file; it is made.
    """

    def __init__(self, file: Path):
        self._file = file

    def leave(self, run_id: str, path: str) -> None:
        """Leave an effect of a leaf."""
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, f"{run_id}\t{path}\n".encode())
        finally:
            os.close(handle)

    def of(self, run_id: str) -> Counter[str]:
        """Count the effects of each leaf of a run."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        found = (line.partition("\t") for line in lines)
        return Counter(path for run, _, path in found if run == run_id)
