"""The protocol of a planner and its context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from genesis.model import Plan, PlannerLevel
from genesis.settings import Limits

__all__ = ["Planner", "PlanningCall", "PlanningContext", "UnavailablePlanner"]


@dataclass(frozen=True, slots=True)
class PlanningCall:
    """A call to a language model for a plan, about to be made."""

    model: str
    call: int
    """Number of the call, from 1."""
    attempt: int
    """Number of the attempt at the top of the plan, from 1; a model is asked again about faults of its answer."""


def _skip_call(_asking: PlanningCall) -> None:
    return None


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """What a planner may use in addition to the request."""

    task_types: tuple[str, ...] = ()
    """Types that some agent of the registry takes."""
    skills: tuple[str, ...] = ()
    """Skills that some agent of the registry has."""
    vars: Mapping[str, str] = field(default_factory=dict)
    """Variables set by the user; they take precedence over those found in the request."""
    limits: Limits = field(default_factory=Limits)
    on_call: Callable[[PlanningCall], None] = _skip_call
    """Called before each call to a model, the slowest part of planning."""


class Planner(Protocol):
    """One level of planning: LLM, heuristic or minimal."""

    level: PlannerLevel

    def plan(self, request: str, context: PlanningContext) -> Plan:
        """Turn a request into a plan.

        Raises:
            PlanningError: This level cannot plan the request; the next one is tried.
            ModelError: The model of this level cannot be used; the next one is tried.
        """
        ...


@dataclass(slots=True)
class UnavailablePlanner:
    """A level that could not be created: it is skipped with the error of its creation."""

    level: PlannerLevel
    error: Exception

    def plan(self, request: str, context: PlanningContext) -> Plan:
        """Raise the error of the level's creation."""
        del request, context
        raise self.error
