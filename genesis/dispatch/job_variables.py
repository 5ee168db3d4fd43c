"""The job variables of a leaf's flow run: what it needs, in the words of its work pool."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from genesis.model import Resources

__all__ = ["describe_unknown", "make_job_variables", "needs_own_flow_run"]

_FLOW_RUN_BYTES = 256 * 1024**2
"""Added to what the leaf needs, for the flow run's own process: Prefect and the agent's code."""
_MEGABYTE = 1_000_000


def needs_own_flow_run(resources: Resources | None) -> bool:
    """Whether a leaf has needs that are those of its flow run, which no other leaf then shares."""
    return resources is not None and bool(resources.cpu or resources.memory or resources.gpu)


def make_job_variables(resources: Resources | None, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the job variables that tell a pool's workers what a leaf needs, of those that the pool has.

    Known are `memory_mb` of a `genesis` pool, `mem_limit` of a Docker pool, and `cpu_request`, `cpu_limit`,
    `memory_request` and `memory_limit`, which Prefect's guide to the templates of Kubernetes pools adds.

    Args:
        resources: What the leaf needs.
        template: The pool's base job template.
    """
    known = _properties(template)
    return {name: value for name, value in _list_variables(resources, known).items() if name in known}


def describe_unknown(resources: Resources | None, template: Mapping[str, Any]) -> list[str]:
    """Name what a pool cannot be told: `cpu`, `memory` or `gpu`."""
    if resources is None:
        return []
    made = make_job_variables(resources, template)
    wanted = {"cpu": resources.cpu, "memory": resources.memory, "gpu": resources.gpu}
    return [kind for kind, amount in wanted.items() if amount and not any(name.startswith(kind[:3]) for name in made)]


def _list_variables(resources: Resources | None, known: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if resources is not None and resources.cpu is not None:
        cpu = f"{ceil(resources.cpu * 1000)}m"
        found |= {"cpu_request": cpu, "cpu_limit": cpu}
    if resources is not None and resources.memory is not None:
        memory = resources.memory + _FLOW_RUN_BYTES
        found |= {"mem_limit": f"{memory}b", "memory_request": str(memory), "memory_limit": str(memory)}
        if known.get("isolation", {}).get("default") != "thread":  # else it would be the limit of all that share it
            found["memory_mb"] = ceil(memory / _MEGABYTE)
    return found


def _properties(template: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (template.get("variables") or {}).get("properties") or {}
    return found
