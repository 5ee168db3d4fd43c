"""The type of a check: a pure function from facts to findings, with a code, a severity and a summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pydantic import JsonValue

from genesis.model import Severity

if TYPE_CHECKING:
    from genesis.validation.facts import PlanFacts

__all__ = ["Check", "CheckFinding", "Find", "Notice", "check"]


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One finding of a check."""

    node: int | None
    """The outline's node that it is about; None for the plan as a whole."""
    message: str
    hint: str = ""
    """What to do about it; empty means the remedy of the check."""
    evidence: dict[str, JsonValue] = field(default_factory=dict)


class Find(Protocol):
    """Looks for one kind of fault."""

    def __call__(self, facts: PlanFacts, /) -> Iterable[CheckFinding]:
        """Return the findings; never raise, whatever the plan."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One kind of diagnostic."""

    code: str
    """Stable, `GEN-…`; its findings carry it."""
    severity: Severity
    finds: str
    """What it finds, as one line of the reference."""
    remedy: str
    """How to fix it."""


@dataclass(frozen=True, slots=True)
class Check(Notice):
    """One coded check."""

    find: Find


def check(code: str, severity: Severity, *, finds: str, remedy: str) -> Callable[[Find], Check]:
    """Create a check from a function."""

    def make(find: Find) -> Check:
        return Check(code, severity, finds, remedy, find)

    return make
