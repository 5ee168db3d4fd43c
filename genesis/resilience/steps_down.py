"""What gave way to what in this process: counted for the metrics, and a line in the log for each.

A layer that has a bug gives way to the next one: the model's plan to a playbook, rules to capability, all checks to the
structural ones. The plan says so to its reader; here it is counted for whoever runs many plans.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

__all__ = ["Layer", "StepDown", "StepsDown", "described", "step_down", "steps_down"]

Layer = Literal["planning", "routing", "validation", "execution", "observing"]

_log = logging.getLogger(__name__)
_MOST_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class StepDown:
    """One step from a better way to a lesser one. The first three are from closed sets, the reason is free text."""

    layer: Layer
    from_: str
    to: str
    reason: str = ""


class StepsDown:
    """Counts steps by layer, from and to; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, step: StepDown, times: int = 1) -> None:
        """Count a step."""
        with self._lock:
            self._counts[step.layer, step.from_, step.to] += times

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Give how often each step was made, by `(layer, from, to)`."""
        with self._lock:
            return dict(self._counts)


@lru_cache(maxsize=1)
def steps_down() -> StepsDown:
    """Give the steps that this process has made."""
    return StepsDown()


def step_down(step: StepDown, *, times: int = 1, error: BaseException | None = None) -> None:
    """Count a step, and log it: as a warning where a bug is the reason, whose traceback is for those who debug.

    Args:
        step: The step.
        times: How often it was made, for example for how many leaves of a plan.
        error: What nobody expected; none where the better way said by itself that it cannot.
    """
    steps_down().add(step, times)
    details = {"layer": step.layer, "from": step.from_, "to": step.to, "reason": step.reason, "times": times}
    level = logging.INFO if error is None else logging.WARNING
    _log.log(level, "%s gave way to %s in %s", step.from_, step.to, step.layer, extra=details)
    if error is not None:
        _log.debug("what %s raised", step.from_, exc_info=error)


def described(error: BaseException) -> str:
    """Say on one short line what was raised, for a sentence that a person reads."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    text = " ".join(str(error).split())
    text = text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
