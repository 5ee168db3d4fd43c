"""Format durations, costs and rehearsals."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genesis.model import Run

__all__ = ["cost", "describe_rehearsal", "duration", "format_known_cost", "money", "rehearsal", "size_text"]

_CENT = Decimal("0.01")
_STEP = 1024
"""Factor between two units of size."""


def duration(seconds: float) -> str:
    """Format a duration, for example `1 min 35 s`."""
    if seconds < 10:  # noqa: PLR2004  # tenths of a second matter below ten
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


def cost(run: Run) -> str:
    """Format the cost of a run; empty where no task's cost is known, `at least …` where some are unknown."""
    return (
        ""
        if run.rehearsal is not None
        else format_known_cost(run.cost_usd, ((task.state, task.usd) for task in run.tasks))
    )


def format_known_cost(total: Decimal, tasks: Iterable[tuple[str, object]]) -> str:
    """Format the total cost of tasks, each described by its state and cost."""
    known = [usd is not None for state, usd in tasks if state == "completed" or usd]
    return f"{'' if all(known) else 'at least '}{money(total)}" if any(known) else ""


def money(usd: Decimal) -> str:
    """Format an amount in US dollars; with fractions of a cent only below one cent."""
    return f"${usd:,.4f}" if 0 < usd < _CENT else f"${usd:,.2f}"


def rehearsal(scale: float) -> str:
    """Explain in one sentence what a rehearsal does."""
    return f"Rehearsal: no agent runs; {f'timers take {scale:g} of the estimated time' if scale else 'nothing waits'}."


def describe_rehearsal(scale: float) -> str:
    """Format that a run was a rehearsal."""
    return f"rehearsed at {scale:g} of the estimated time" if scale else "rehearsed without waiting"


def size_text(size: int) -> str:
    """Return a number of bytes for a reader, for example `12.3 MB`."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < _STEP:
            break
        value, unit = value / _STEP, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
