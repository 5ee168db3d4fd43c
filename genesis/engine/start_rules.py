"""Whether tasks with `run_if` and `when` start, and the outcomes of those that do not; the scheduler has the order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from genesis.engine.attempts import error_info
from genesis.engine.inputs import condition_holds
from genesis.engine.run_context import RunContext
from genesis.errors import GenesisError
from genesis.model import FINISHED, ErrorInfo, Leaf, Outcome
from genesis.model.program import StartRule, WhenCondition
from genesis.schedule import JobState, Scheduler
from genesis.structure import can_hold, parse_condition

__all__ = ["StartRules", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the condition of a leaf, or of a composite's start, holds."""

    source: int
    """The leaf by its index, or the gate as `-1 - gate`."""
    holds: bool
    failed: Outcome | None = None
    """Of a leaf whose condition has no value; it is in the ledger."""
    unclear: str = ""
    """Why the condition of a gate has no value."""


class StartRules:
    """Evaluates conditions, and says why leaves did not run.

    Args:
        session: The run.
        outcomes: Outcomes of the leaves that are final, by index.
    """

    def __init__(self, session: RunContext, outcomes: Mapping[int, Outcome]):
        self._session = session
        self._outcomes = outcomes
        self._false: dict[int, str] = {}
        """Conditions that did not hold, by leaf or gate."""
        self._unclear: dict[int, str] = {}
        """Why conditions of gates have no value."""

    def follow(self, scheduler: Scheduler, leaves: Sequence[Leaf]) -> None:
        """Use this scheduler from now on; its jobs are these leaves, and then the program's gates."""
        self._scheduler = scheduler
        self._leaves = leaves

    def take_undecided(self) -> list[int]:
        """Return the leaves and gates whose conditions are to be evaluated now; each once."""
        return [self._source(job) for job in self._scheduler.take_undecided()]

    def is_asked(self, source: int) -> bool:
        """Whether a leaf or gate waits for its condition."""
        return self._has(source, JobState.HELD)

    def decide(self, verdict: Verdict) -> None:
        """Let a leaf or gate start, or not. A gate whose condition has no value has failed."""
        source, job = verdict.source, self._job(verdict.source)
        if verdict.unclear:
            self._unclear[source] = verdict.unclear
            self._scheduler.fail(job)
        elif verdict.holds:
            self._scheduler.release(job)
        else:
            self._false[source] = self._text(source)
            self._scheduler.skip(job)

    def take_left_out(self, why: str) -> list[tuple[Leaf, Outcome]]:
        """Return the leaves that have ended without running since the last call, with their outcomes.

        Args:
            why: What has failed, for those that could not run because of that.
        """
        left_out = [self._leaves[index] for index in self._scheduler.take_left_out()]
        return [
            (leaf, self._not_met(leaf) if self._has(leaf.index, JobState.NOT_MET) else self._skipped(leaf, why))
            for leaf in left_out
        ]

    def _source(self, job: int) -> int:
        return job if job < len(self._leaves) else len(self._leaves) - 1 - job

    def _job(self, source: int) -> int:
        return source if source >= 0 else len(self._leaves) - 1 - source

    def _has(self, source: int, state: JobState) -> bool:
        return self._scheduler.state(self._job(source)) is state

    async def evaluate(self, source: int) -> Verdict:
        """Evaluate the condition of a leaf or a gate, all before which has ended.

        What did not run, or failed where that is allowed, has null for all its results. A rehearsal knows no results:
        there a condition on them holds.

        Raises:
            GenesisError: The ledger cannot be written.
        """
        when = self._rule(source).when
        if when is None:
            return Verdict(source, holds=True)
        try:
            values, leaves = self._session.program.values, self._session.program.leaves
            if self._session.rehearse is not None:
                return Verdict(source, can_hold(parse_condition(when.text), {**values, **when.items}))
            results = await self._results(when)
            gathered = {producer for producer in results if leaves[producer].gathers is not None}
            return Verdict(source, condition_holds(self._path(source), when, values, results, gathered))
        except GenesisError as error:
            if source < 0:
                return Verdict(source, holds=False, unclear=error.message)
            leaf, info = self._leaves[source], error_info(error)
            failed = Outcome(id=leaf.path, agent=leaf.agent, state="failed", error=info, ended_at=self._session.now())
            return Verdict(source, holds=False, failed=await self._session.record(leaf, failed))

    async def _results(self, when: WhenCondition) -> dict[int, JsonValue]:
        results: dict[int, JsonValue] = {}
        for producer in sorted(set(when.sources.values())):
            outcome = self._outcomes.get(producer)
            if outcome is not None and outcome.state in FINISHED:
                results[producer] = await self._session.ledger.result(outcome)
        return results

    def _path(self, source: int) -> str:
        program = self._session.program
        return program.leaves[source].path if source >= 0 else program.gates[-1 - source].path

    def _rule(self, source: int) -> StartRule:
        program = self._session.program
        rule = program.leaves[source].rule if source >= 0 else program.gates[-1 - source].rule
        return rule or StartRule()

    def _text(self, source: int) -> str:
        when = self._rule(source).when
        return when.text if when is not None else ""

    def _not_met(self, leaf: Leaf) -> Outcome:
        """Return the outcome of a leaf that its own condition or rule, or that of a composite around it, left out."""
        shut = [gate for gate in self._find_gates_around(leaf) if self._has(gate, JobState.NOT_MET)]
        source = shut[-1] if shut else leaf.index
        of = f" of {self._path(source)!r}" if shut else ""
        is_false = source in self._false
        why = f"when{of}: {self._false[source]}" if is_false else f"run_if{of}: {self._rule(source).run_if}"
        return Outcome(id=leaf.path, agent=leaf.agent, state="skipped", skipped_by=why)

    def _skipped(self, leaf: Leaf, why: str) -> Outcome:
        """Return the outcome of a leaf that could not run since something before it failed.

        That is allowed in a composite that has begun and may fail.
        """
        around = self._find_gates_around(leaf)
        unclear = [self._unclear[gate] for gate in around if gate in self._unclear]
        allowed = any(self._allows(gate) and self._has(gate, JobState.FINISHED) for gate in around)
        error = ErrorInfo(code="GEN-SKIPPED", message=unclear[-1] if unclear else why)
        return Outcome(id=leaf.path, agent=leaf.agent, state="skipped", error=error, failure_allowed=allowed)

    def _allows(self, start: int) -> bool:
        """Whether the composite with this start may fail: its end, which follows on the start, says so."""
        return self._session.program.gates[-start].rule.allow_failure

    def _find_gates_around(self, leaf: Leaf) -> list[int]:
        """Return the starts of the composites around a leaf, the inmost first."""
        found: list[int] = []
        at = leaf.rule.within if leaf.rule is not None else None
        while at is not None:
            found.append(at)
            at = self._rule(at).within
        return found

    async def record(self, left_out: Iterable[tuple[Leaf, Outcome]]) -> list[Outcome]:
        """Write down leaves that did not run and need not, all at once.

        Raises:
            GenesisError: The ledger cannot be written.
        """
        return list(await asyncio.gather(*(self._session.record(leaf, outcome) for leaf, outcome in left_out)))
