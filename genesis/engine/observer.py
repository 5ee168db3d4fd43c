"""What watches a run: the terminal, a progress artifact, later the metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from genesis.model import Leaf, Outcome, Program, Run
from genesis.resilience.degradation import Degradation, describe_error, step_down

__all__ = ["NullObserver", "Observer", "Observers"]

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Receives each change as it happens, in the loop that runs the leaves: it must not block."""

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Report that the run starts; `finished` holds the leaves that an earlier attempt of it has done."""

    def leaf_changed(self, outcome: Outcome) -> None:
        """Report that a leaf started or became final."""

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Report that a leaf that could not be done goes to another agent, the leaf's new one, or waits for its own."""

    def plan_changed(self, program: Program) -> None:
        """Report that leaves were added: `program` is what runs from now on, the new ones at its end."""

    def run_ended(self, run: Run) -> None:
        """Report that the run ended."""


class NullObserver:
    """Watches nothing."""

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Do nothing."""

    def leaf_changed(self, outcome: Outcome) -> None:
        """Do nothing."""

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Do nothing."""

    def plan_changed(self, program: Program) -> None:
        """Do nothing."""

    def run_ended(self, run: Run) -> None:
        """Do nothing."""


class Observers:
    """Notifies several observers in turn. One that raises is dropped: a view of the run must not end it."""

    def __init__(self, *observers: Observer):
        self._observers = list(observers)

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Tell all."""
        self._notify(lambda observer: observer.run_started(program, run, finished))

    def leaf_changed(self, outcome: Outcome) -> None:
        """Tell all."""
        self._notify(lambda observer: observer.leaf_changed(outcome))

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Tell all."""
        self._notify(lambda observer: observer.leaf_diverted(leaf, kind, reason))

    def plan_changed(self, program: Program) -> None:
        """Tell all."""
        self._notify(lambda observer: observer.plan_changed(program))

    def run_ended(self, run: Run) -> None:
        """Tell all."""
        self._notify(lambda observer: observer.run_ended(run))

    def _notify(self, what: Callable[[Observer], None]) -> None:
        for observer in tuple(self._observers):
            try:
                what(observer)
            except Exception as error:  # noqa: BLE001  # the boundary of what watches a run
                self._observers.remove(observer)
                name = type(observer).__name__
                reason = describe_error(error)
                _log.warning(
                    "%s failed and does not watch this run any longer", name, extra={"observer": name, "reason": reason}
                )
                step_down(Degradation("observing", "an observer", "no observer", reason))
