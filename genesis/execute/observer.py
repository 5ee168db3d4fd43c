"""What watches a run: the terminal, a progress artifact, later the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from genesis.model import Outcome, Program, Run

__all__ = ["Observer", "Observers", "Silent"]


class Observer(Protocol):
    """Is told of each change as it happens, in the loop that runs the leaves: it must not block."""

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Say that the run starts; `finished` holds the leaves that an earlier attempt of it has done."""

    def leaf_changed(self, outcome: Outcome) -> None:
        """Say that a leaf started or became final."""

    def plan_changed(self, program: Program) -> None:
        """Say that leaves were added: `program` is what runs from now on, the new ones at its end."""

    def run_ended(self, run: Run) -> None:
        """Say that the run ended."""


class Silent:
    """Watches nothing."""

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Do nothing."""

    def leaf_changed(self, outcome: Outcome) -> None:
        """Do nothing."""

    def plan_changed(self, program: Program) -> None:
        """Do nothing."""

    def run_ended(self, run: Run) -> None:
        """Do nothing."""


class Observers:
    """Tells several observers in turn."""

    def __init__(self, *observers: Observer):
        self._observers = observers

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.run_started(program, run, finished)

    def leaf_changed(self, outcome: Outcome) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.leaf_changed(outcome)

    def plan_changed(self, program: Program) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.plan_changed(program)

    def run_ended(self, run: Run) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.run_ended(run)
