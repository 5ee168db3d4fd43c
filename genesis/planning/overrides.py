"""Bounds of a run from the command line or a call, which override its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genesis.model import Budget, Plan

__all__ = ["Overrides"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Bounds set when a run starts or resumes. Unset ones stay as in the plan."""

    budget: Budget | None = None
    """Of its two parts, an unset one stays as in the plan."""
    deadline_s: float | None = None
    retries: int | None = None
    """For tasks that do not set it."""
    correlation_id: str | None = None
    """Of a run that starts."""

    def apply(self, plan: Plan) -> Plan:
        """Return the plan with these bounds."""
        update: dict[str, Any] = {
            "deadline_s": self.deadline_s,
            "retries": self.retries,
            "correlation_id": self.correlation_id,
        }
        if self.budget is not None:
            before = plan.budget or Budget()
            update["budget"] = before.model_copy(update=self.budget.model_dump(exclude_none=True))
        return plan.model_copy(update={name: value for name, value in update.items() if value is not None})
