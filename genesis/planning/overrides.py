"""What a call says about a run's bounds and its id, on top of its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genesis.model import Budget, Plan

__all__ = ["Overrides"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Bounds that a person gives when a run starts or continues. What is missing stays as the plan has it."""

    budget: Budget | None = None
    """Of its two parts, the one that is missing stays, too."""
    deadline_s: float | None = None
    retries: int | None = None
    """For tasks that do not say it themselves."""
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
