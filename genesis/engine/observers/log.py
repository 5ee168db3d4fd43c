"""The log lines of a run: its start and end, and those of its tasks, each with a name that does not change."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from genesis.model import KEPT, Leaf, Outcome, Program, Run

__all__ = ["LogObserver"]

_log = logging.getLogger(__name__)
_FINAL = KEPT | {"failed", "skipped", "cancelled", "awaiting_approval"}


class LogObserver:
    """Writes `run.started`, `plan.changed`, `task.started`, `.waits`, `.ended`, `plan.rejected` and `run.ended`.

    Args:
        run_id: The run.
        correlation_id: What ties it to what asked for it.
        noun: What a leaf is here: a worker makes an `attempt` at a task, and the orchestrator decides about the task.
        rehearsal: Scale of the rehearsal that the run is, which each line has then; None for real work.
    """

    def __init__(
        self,
        run_id: str,
        correlation_id: str,
        *,
        noun: Literal["task", "attempt"] = "task",
        rehearsal: float | None = None,
    ):
        self._ids = {"run_id": run_id, "correlation_id": correlation_id, "rehearsal": rehearsal}
        self._noun = noun
        self._run = f"run {run_id}" if rehearsal is None else f"rehearsal {run_id}"
        self._leaves = 0

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Log that the run starts."""
        self._leaves = len(program.leaves)
        facts = {"tasks": self._leaves, "finished": len(finished), "planner": run.planner, "ui_url": run.ui_url}
        self._log(logging.INFO, "run.started", f"{self._run} started; tasks: {self._leaves}", **facts)

    def leaf_changed(self, outcome: Outcome) -> None:
        """Log that a task starts, or how it ended. In the UI only failures: Prefect shows the rest as the task run."""
        ids = {"task": outcome.id, "agent": outcome.agent}
        if outcome.state in _FINAL:
            failed = outcome.state == "failed"
            allowed = ", which the plan allows" if outcome.failure_allowed else ""
            text = f"{self._noun} {outcome.id!r} {outcome.state}{allowed}"
            level = logging.WARNING if failed else logging.INFO
            self._log(level, f"{self._noun}.ended", text, **ids, **_facts(outcome), send_to_api=failed)
        elif outcome.state == "running":
            self._log(
                logging.DEBUG,
                f"{self._noun}.started",
                f"{self._noun} {outcome.id!r} started",
                **ids,
                attempt=outcome.attempts + 1,
            )

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Log that a leaf waits for its agent; who gives it to another one says so with a warning."""
        if kind == "later":
            text = f"{self._noun} {leaf.path!r} waits for {leaf.agent}"
            self._log(logging.INFO, f"{self._noun}.waits", text, task=leaf.path, agent=leaf.agent, reason=reason)

    def plan_changed(self, program: Program) -> None:
        """Log that tasks were added."""
        added, self._leaves = len(program.leaves) - self._leaves, len(program.leaves)
        self._log(
            logging.INFO, "plan.changed", f"the plan has grown; new tasks: {added}", tasks=self._leaves, added=added
        )

    def run_ended(self, run: Run) -> None:
        """Log how the run ended, and what the check before its start found, where that stopped it."""
        if run.findings:
            codes = sorted({finding.code for finding in run.findings})
            text = f"the plan was rejected: {run.findings[0].message}"
            self._log(logging.INFO, "plan.rejected", text, findings=len(run.findings), codes=codes)
        error = {"code": run.error.code, "message": run.error.message} if run.error is not None else None
        facts = {
            "state": run.state,
            "seconds": round(run.duration_s, 3),
            "usd": float(run.cost_usd),
            "tokens": sum(outcome.tokens for outcome in run.tasks),
            "states": dict(Counter(outcome.state for outcome in run.tasks)),
            "error": error,
        }
        self._log(logging.INFO, "run.ended", f"{self._run} {run.state.replace('_', ' ')}", **facts)

    def _log(self, level: int, event: str, text: str, **facts: Any) -> None:
        if _log.isEnabledFor(level):
            known = {name: value for name, value in {**self._ids, **facts}.items() if value is not None}
            _log.log(level, text, extra={"event": event, **known})


def _facts(outcome: Outcome) -> dict[str, Any]:
    seconds = None
    if outcome.started_at is not None and outcome.ended_at is not None:
        seconds = round((outcome.ended_at - outcome.started_at).total_seconds(), 3)
    error = {"code": outcome.error.code, "message": outcome.error.message} if outcome.error is not None else None
    return {
        "state": outcome.state,
        "seconds": seconds,
        "attempts": outcome.attempts,
        "usd": None if outcome.usd is None else float(outcome.usd),
        "tokens": outcome.tokens,
        "error": error,
        "note": outcome.note or None,
        "skipped_by": outcome.skipped_by or None,
    }
