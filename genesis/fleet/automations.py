"""The automations that let another worker take over a run whose orchestrator died.

They are two, because the server's event queue may lose an event: on SQLite under load it was seen to drop some, each
after four tries with a locked database. With one automation that schedules the run again, a run whose end it missed
would start anew. So the first only marks the run as crashed, which the server refuses for a run that has ended or is
being cancelled; the second schedules a run again that the first has marked.
"""

from __future__ import annotations

from typing import Any

from genesis.model.base import Model
from genesis.prefect_api.names import FLOW_RUN

__all__ = ["ALIVE_EVENT", "LOST_STATE", "QUIET_S", "AutomationSpec", "takeover"]

ALIVE_EVENT = "genesis.orchestrator.alive"
"""An orchestrating flow sends it for itself every ten seconds, and stops before it ends."""
LOST_STATE = "Lost"
"""Name of the crashed state of a run whose orchestrator was lost. Whoever sets it has the run taken over."""

QUIET_S = 60
"""Six missed heartbeats. On a machine with five times the load that it can bear, some were 38 s apart."""
_ENDS = (
    "Completed", "Failed", "TimedOut", "Cancelled", "Cancelling", "Crashed", LOST_STATE,
    "Paused", "Suspended", "Scheduled", "AwaitingRetry", "Resuming",
)  # fmt: skip
"""States in which nobody has to be alive."""
_RUN = {"prefect.resource.id": f"{FLOW_RUN}*"}


class AutomationSpec(Model):
    """An automation as it should be, in the words of Prefect's API."""

    name: str
    description: str
    trigger: dict[str, Any]
    actions: tuple[dict[str, Any], ...]


def takeover(quiet_s: int = QUIET_S) -> tuple[AutomationSpec, ...]:
    """Return the automations: one notices that an orchestrator is lost, the other has its run taken over.

    Args:
        quiet_s: Seconds without a heartbeat after which it counts as lost; Prefect requires at least 10.
    """
    notice = AutomationSpec(
        name="genesis: notice a lost orchestrator",
        description="A run whose orchestrator sends no heartbeat is marked as lost.",
        trigger={
            "type": "event",
            "posture": "Proactive",
            "match": _RUN,
            "for_each": ["prefect.resource.id"],
            "after": [ALIVE_EVENT],
            "expect": sorted({ALIVE_EVENT, *(f"{FLOW_RUN}{state}" for state in _ENDS)}),
            "threshold": 1,
            "within": quiet_s,
        },
        actions=(_state("CRASHED", LOST_STATE, f"its orchestrator sent no heartbeat for {quiet_s} s"),),
    )
    take = AutomationSpec(
        name="genesis: take over a lost orchestrator",
        description="A run that is marked as lost is scheduled again; the next worker continues from the ledger.",
        trigger={
            "type": "event",
            "posture": "Reactive",
            "match": _RUN,
            "for_each": ["prefect.resource.id"],
            "after": [],
            "expect": [f"{FLOW_RUN}{LOST_STATE}"],
            "threshold": 1,
            "within": 0,
        },
        actions=(_state("SCHEDULED", "AwaitingRetry", "another worker takes it over"),),
    )
    return notice, take


def _state(kind: str, name: str, message: str) -> dict[str, Any]:
    return {"type": "change-flow-run-state", "state": kind, "name": name, "message": message, "force": False}
