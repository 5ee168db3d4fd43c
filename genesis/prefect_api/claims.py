"""Who holds a flow run, by the messages of its states: workers write them, workers and orchestrators read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

__all__ = ["claim_message", "claimant", "format_lost_message", "is_lost_message", "last_claimant"]

_CLAIMED_BY = "claimed by "
_PENDING = "PENDING"
_LOST_WORKER = ("its worker ", " was lost")


def claim_message(worker: str) -> str:
    """Write the message of the Pending state that names who took a flow run."""
    return f"{_CLAIMED_BY}{worker}"


def claimant(state: State[Any] | None) -> str:
    """Name the worker that a claim is of; empty where a state is none."""
    said = (state.message or "") if state is not None and state.type == _PENDING else ""
    return said.removeprefix(_CLAIMED_BY) if said.startswith(_CLAIMED_BY) else ""


def last_claimant(states: Sequence[State[Any]]) -> str:
    """Name who took a flow run last, from its states in the order of time; empty where none says so."""
    return next((name for state in reversed(states) if (name := claimant(state))), "")


def format_lost_message(worker: str) -> str:
    """Write the message of a flow run whose worker has gone silent."""
    return f"{_LOST_WORKER[0]}{worker!r}{_LOST_WORKER[1]}"


def is_lost_message(message: str | None) -> bool:
    """Whether a crash's message says that a worker has gone silent."""
    return bool(message) and str(message).startswith(_LOST_WORKER[0]) and str(message).endswith(_LOST_WORKER[1])
