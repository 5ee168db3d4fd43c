"""The deployments of a fleet, as entries of `prefect.yaml`."""

from __future__ import annotations

from typing import Any

from genesis.fleet.desired import Fleet
from genesis.model.base import Model
from genesis.prefect_api.names import OWN_TAG, PROJECT_TAG

__all__ = ["FLOWS", "KEPT_KEY", "KEPT_VALUE", "Entry", "entries_of", "flow_of", "name_entrypoint"]

FLOWS = ("orchestrate", "preflight", "agent_task", "housekeeping")
"""The flows of `genesis.flows.deployed`."""
KEPT_KEY, KEPT_VALUE = "managed_by", "genesis"
"""Marks an entry that is kept in step. Prefect ignores the key."""

_MODULE = "genesis.flows.deployed"
_TAGS = [OWN_TAG]
_EXAMPLE = {"request": "Audit the repository at ."}
_TIDY = {"keep_days": 30, "dry_run": True, "flow_runs": False}
"""To remove something is for a team to decide: until then the daily run says what it would remove."""
_ABOUT = {
    "orchestrate": "Plan, check and run a request or a plan with the fleet",
    "preflight": "Check a request or a plan, and run nothing",
    "housekeeping": "Tidy up what finished runs leave behind",
}
_SCHEDULES: dict[str, list[dict[str, Any]]] = {
    "orchestrate": [
        {"slug": "weekdays", "cron": "0 6 * * 1-5", "timezone": "UTC", "active": False, "parameters": _EXAMPLE},
        {
            "slug": "every-six-hours",
            "interval": 21600,
            "anchor_date": "2026-01-01T00:00:00+00:00",
            "active": False,
            "parameters": _EXAMPLE,
        },
    ],
    "housekeeping": [
        {"slug": "daily", "cron": "17 3 * * *", "timezone": "UTC", "active": True, "parameters": _TIDY},
    ],
}
_AGENT_LONGEST = 300
"""Most characters of a deployment's description."""


class Entry(Model):
    """A deployment: what is kept in step, and what it starts with."""

    flow: str
    name: str
    kept: dict[str, Any]
    """Values that are set again whenever they differ; those of `work_pool` one by one."""
    first: dict[str, Any]
    """Values that a new entry gets, and that are the team's from then on."""

    @property
    def whole(self) -> dict[str, Any]:
        """The entry as it is first written."""
        return {"name": self.name, KEPT_KEY: KEPT_VALUE, **self.kept, **self.first}


def entries_of(fleet: Fleet, *, from_files: bool) -> tuple[Entry, ...]:
    """Return every deployment, in the order in which they are first written.

    Args:
        fleet: The pools.
        from_files: Whether a worker fetches the project, so that entry points are files of `flows/`; else they are
            modules of the installed package, which a worker imports once.
    """
    agents = [
        _entry("agent_task", pool.deployment, pool.name, f"Tasks of {', '.join(pool.agents)}", from_files)
        for pool in fleet.agent_pools
    ]
    pool = fleet.pools[0].name
    whole = {flow: _entry(flow, fleet.deployment, pool, about, from_files) for flow, about in _ABOUT.items()}
    entries = (whole["orchestrate"], whole["preflight"], whole["housekeeping"], *agents)
    if not fleet.project:
        return entries
    tags = {"tags": [*_TAGS, f"{PROJECT_TAG}{fleet.project}"]}
    return tuple(entry.model_copy(update={"first": {**entry.first, **tags}}) for entry in entries)


def flow_of(entrypoint: str) -> str:
    """Name the flow of an entry point, be it a module's or a file's."""
    return entrypoint.rpartition(":")[2].rpartition(".")[2]


def name_entrypoint(flow: str) -> str:
    """Name the entry point of a flow in the installed package."""
    return f"{_MODULE}.{flow}"


def _entry(flow: str, name: str, pool: str, about: str, from_files: bool) -> Entry:
    first: dict[str, Any] = {"tags": list(_TAGS)}
    if flow in _SCHEDULES:
        first["schedules"] = _SCHEDULES[flow]
    return Entry(
        flow=flow,
        name=name,
        kept={
            "entrypoint": f"flows/{flow}.py:{flow}" if from_files else name_entrypoint(flow),
            "description": about[:_AGENT_LONGEST],
            # of a child run the parameters are made by the orchestrator, and checking them takes the server's time
            "enforce_parameter_schema": flow != "agent_task",
            "work_pool": {"name": pool},
        },
        first=first,
    )
