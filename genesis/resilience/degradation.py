"""Fallbacks that this process has used: counted for the metrics, and a line in the log for each.

A layer that has a bug is replaced by the next one: the model's plan by a playbook, capability by profiles, checks by
the structural ones. The plan shows it to its reader; here it is counted for operators.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from genesis.foreign import encodable, read_safely
from genesis.observability.instruments import STEPS_DOWN
from genesis.observability.metrics import metrics_of_process

__all__ = ["Degradation", "Layer", "describe_error", "innermost", "listening", "step_down"]

Layer = Literal["planning", "routing", "validation", "execution", "observing"]

_log = logging.getLogger(__name__)
_MOST_CHARACTERS = 300
"""Most characters of the reason."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """One step from a better way to a lesser one. The first three are from closed sets, the reason is free text."""

    layer: Layer
    from_: str
    to: str
    reason: str = ""


_listener: ContextVar[Callable[[Degradation], None] | None] = ContextVar("genesis_steps_down", default=None)


@contextmanager
def listening(listener: Callable[[Degradation], None]) -> Iterator[None]:
    """Call a listener for each step that is made inside, also in threads that carry the context on.

    Args:
        listener: Called on the thread that makes the step; it must neither block nor raise.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def step_down(step: Degradation, *, times: int = 1, error: BaseException | None = None) -> None:
    """Count a step, and log it: as a warning where a bug is the reason, whose traceback is for those who debug.

    Args:
        step: The step.
        times: How often it was made, for example for how many leaves of a plan.
        error: What nobody expected; none where the better way reported that it cannot.
    """
    metrics_of_process().count(STEPS_DOWN, step.layer, step.from_, step.to, amount=times)
    if (listener := _listener.get()) is not None:
        listener(step)
    details = {"layer": step.layer, "from": step.from_, "to": step.to, "reason": step.reason, "times": times}
    level = logging.INFO if error is None else logging.WARNING
    _log.log(level, "%s fell back from %s to %s", step.layer, step.from_, step.to, extra=details)
    if error is not None:
        _log.debug("what %s raised", step.from_, exc_info=error)


def innermost(error: Exception) -> Exception:
    """Return the first of what a group of exceptions holds, as task groups raise them; any other error as it is."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def describe_error(error: BaseException) -> str:
    """Say on one short line what was raised, for a sentence that a person reads."""
    error = innermost(error) if isinstance(error, Exception) else error
    text = " ".join(encodable(read_safely(lambda: str(error), "")).split())
    text = text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
