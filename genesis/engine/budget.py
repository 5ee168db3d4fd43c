"""What a run has spent, beside what it may."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from genesis.model import Budget, Outcome

__all__ = ["Spending"]


class Spending:
    """Adds up what leaves cost.

    Args:
        budget: What the run may spend; None for no bound.
        outcomes: What leaves have cost in earlier executions of the run, those that failed as well.
    """

    def __init__(self, budget: Budget | None, outcomes: Iterable[Outcome]):
        self._budget = budget
        self._usd = Decimal(0)
        self._tokens = 0
        self._counted: dict[str, tuple[Decimal, int]] = {}
        for outcome in outcomes:
            self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """Count what a leaf has cost so far, in place of what was counted of it before."""
        before_usd, before_tokens = self._counted.get(outcome.id, (Decimal(0), 0))
        usd, tokens = self._counted[outcome.id] = outcome.spent_usd, outcome.spent_tokens
        self._usd += usd - before_usd
        self._tokens += tokens - before_tokens

    def over(self) -> str | None:
        """Say by what the budget is exceeded, where it is."""
        budget = self._budget
        if budget is None:
            return None
        if budget.usd is not None and self._usd > budget.usd:
            return f"${self._usd:.2f} of ${budget.usd:.2f}"
        if budget.tokens is not None and self._tokens > budget.tokens:
            return f"{self._tokens:,} of {budget.tokens:,} tokens"
        return None

    def more(self) -> str:
        """Suggest a higher budget, in the words of `--budget`: twice what is spent, of what has a bound."""
        budget, parts = self._budget or Budget(), []
        if budget.usd is not None:
            parts.append(f"{max(budget.usd, 2 * self._usd, Decimal('0.01')):.2f}")
        if budget.tokens is not None:
            parts.append(f"{max(budget.tokens, 2 * self._tokens)}tokens")
        return ",".join(parts)
