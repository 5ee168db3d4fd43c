"""Fingerprints: two leaves with the same one do the same work on the same data by the same agent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from genesis.model import AgentProfile, Task
from genesis.structure import describe_wait, fill_text, references, referring

__all__ = ["SCHEME", "Fingerprints"]

SCHEME = "1"
"""Changes when the meaning of a fingerprint changes, so that old results are not reused."""


class Fingerprints:
    """Fingerprints the leaves of one plan; shared parts are computed once."""

    def __init__(self, values: Mapping[str, JsonValue]) -> None:
        """Start a plan.

        Args:
            values: Variables and parameters of the plan; those that a leaf uses count.
        """
        self._values = values
        self._encode = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode
        self._executors: dict[tuple[str, str], dict[str, JsonValue]] = {}

    def leaf(
        self,
        task: Task,
        agent: AgentProfile,
        upstream: str,
        escaped: Sequence[str] = (),
        items: Mapping[str, JsonValue] | None = None,
        *,
        is_filled: bool = False,
    ) -> str:
        """Fingerprint a leaf.

        Args:
            task: The leaf as it is written.
            agent: The agent that runs it; its executor counts, its price and success rate do not.
            upstream: What `joint` gives for the leaves that it comes after.
            escaped: Names in its inputs that stand for themselves.
            items: In a copy, the values of `{item}`, `{item.key}` and `{index}` that its inputs and environment use.
            is_filled: Whether its description has its values already, as that of a copy.

        Returns:
            SHA-256 in hex. A leaf's name, limits and estimates do not change it.
        """
        values = self._values
        used = {name: values[name] for name in references(referring(task)) if name in values}
        executor = self._executor(agent, task.type)
        description = task.description if is_filled else fill_text(task.description, values)
        work: list[object] = [task.type, description, task.inputs, used, task.outputs, agent.name, executor]
        if task.literal_inputs or escaped:
            work += [sorted(task.literal_inputs), sorted(escaped)]
        if task.env:
            work.append({"env": task.env})
        if items:
            work.append({"items": dict(items)})
        if task.files:
            work.append({"files": task.files})
        if task.runs_in is not None:
            work.append({"runs_in": task.runs_in.model_dump(mode="json", exclude_none=True)})
        return _digest(self._encode([SCHEME, *work, upstream]))

    def waiting(self, task: Task, upstream: str, items: Mapping[str, JsonValue]) -> str:
        """Fingerprint a task that waits; `upstream` and `items` are as those of `leaf`."""
        names = references(referring(task))
        used = {name: self._values[name] for name in names if name in self._values}
        waited = describe_wait(task.wait_for) if task.wait_for is not None else None
        return _digest(self._encode([SCHEME, "wait_for", waited, used, dict(items), task.outputs, upstream]))

    def gathering(self, task: Task, upstream: str) -> str:
        """Fingerprint a `for_each` task, which gathers what its copies gave; `upstream` is theirs."""
        return _digest(self._encode([SCHEME, "for_each", task.on_failure, task.for_each, upstream]))

    def joint(self, prints: Iterable[str]) -> str:
        """Join the fingerprints of the leaves that others come after, in document order."""
        return _digest(self._encode([*prints]))

    def _executor(self, agent: AgentProfile, task_type: str) -> dict[str, JsonValue]:
        key = (agent.name, task_type)
        if key not in self._executors:
            self._executors[key] = agent.executor_for(task_type).model_dump(mode="json")
        return self._executors[key]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
