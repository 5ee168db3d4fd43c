"""What a planner is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from genesis.model import Plan, PlannerLevel
from genesis.settings import Limits

__all__ = ["Planner", "PlanningCall", "PlanningContext", "UnavailablePlanner"]


@dataclass(frozen=True, slots=True)
class PlanningCall:
    """A call to a language model that is about to be made for a plan."""

    model: str
    call: int
    """Which call it is, from 1."""
    attempt: int
    """How often the plan's top has been asked for, from 1; a model is asked again about faults of its answer."""


def _skip_tell(_asking: PlanningCall) -> None:
    return None


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """What a planner may use besides the request."""

    task_types: tuple[str, ...] = ()
    """Types that some agent of the registry takes."""
    skills: tuple[str, ...] = ()
    """Skills that some agent of the registry has."""
    vars: Mapping[str, str] = field(default_factory=dict)
    """Variables given by the person; they win over what is read from the request."""
    limits: Limits = field(default_factory=Limits)
    tell: Callable[[PlanningCall], None] = _skip_tell
    """Is told of each call to a model before it is made: it takes the longest of all."""


class Planner(Protocol):
    """One level of planning: LLM, heuristic or minimal."""

    level: PlannerLevel

    def plan(self, request: str, context: PlanningContext) -> Plan:
        """Turn a request into a plan.

        Raises:
            PlanningError: This level has nothing to say about the request; the next one is asked.
            ModelError: The model of this level cannot be used; the next one is asked.
        """
        ...


@dataclass(slots=True)
class UnavailablePlanner:
    """A level that could not be made: it is passed over with what was raised then."""

    level: PlannerLevel
    error: Exception

    def plan(self, request: str, context: PlanningContext) -> Plan:
        """Raise what was raised when the level was made."""
        del request, context
        raise self.error
