"""Fingerprints: two leaves with the same one do the same work on the same data by the same agent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from genesis.model import AgentProfile, Task
from genesis.structure import references

__all__ = ["SCHEME", "leaf_fingerprint"]

SCHEME = "1"
"""Changes when the meaning of a fingerprint changes, so that old results are not taken for new ones."""


def leaf_fingerprint(task: Task, agent: AgentProfile, variables: Mapping[str, str], upstream: Sequence[str]) -> str:
    """Fingerprint a leaf.

    Args:
        task: The leaf as it is written.
        agent: The agent that runs it; its executor counts, its price and success rate do not.
        variables: Variables of the plan; those that the inputs use count.
        upstream: Fingerprints of the leaves that it comes after, in document order.

    Returns:
        SHA-256 in hex. A leaf's name, limits and estimates do not change it.
    """
    used = {name: variables[name] for name in references(dict(task.inputs)) if name in variables}
    parts = [
        SCHEME,
        task.type,
        task.description,
        task.inputs,
        used,
        task.outputs,
        agent.name,
        agent.executor_for(task.type).model_dump(mode="json"),
        list(upstream),
    ]
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
