"""A plan with the keys that decide what runs, and how each of its leaves has to end whatever is killed meanwhile."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

__all__ = ["WantedRun", "keys_plan"]

_ALWAYS = 1_000
"""Failures of a leaf that never succeeds."""
_FILES = [{"name": name, "fails": _ALWAYS if name == "c" else 0} for name in "abcde"]


@dataclass(frozen=True)
class WantedRun:
    """A plan, and how it has to end."""

    document: dict[str, Any]
    state: str
    states: dict[str, str]
    """State of each leaf, by path; that of a finished leaf is `completed`."""
    redone: frozenset[str] = frozenset()
    """Leaves that run because another one failed: where a resume does that one again, it does these, too."""

    @property
    def acting(self) -> set[str]:
        """The leaves that leave rows."""
        quiet = {task["id"] for task in self.document["tasks"] if "for_each" in task}
        return {path for path, state in self.states.items() if state != "skipped" and path not in quiet}


def keys_plan(name: str, database: str, rng: random.Random, *, fails: bool) -> WantedRun:
    """Make a plan with a list from a result, conditions, rules, allowed failures and retries.

    Args:
        name: Of the run.
        database: Where leaves leave their rows.
        rng: Source of durations.
        fails: Whether a leaf fails for good, so that the run has to fail, and what mends it to run.
    """

    def leaf(path: str, *after: str, failures: int = 0, **keys: Any) -> dict[str, Any]:
        inputs = {"database": database, "run": name, "leaf": path, "seconds": round(rng.uniform(0.2, 0.5), 2)}
        more = keys.pop("inputs", {})
        return {
            "id": path,
            "type": "function",
            "agent": "function_agent",
            "description": f"Leave row {path}",
            "depends_on": list(after),
            "inputs": {**inputs, **({"fails": failures} if failures else {}), **more},
            **keys,
        }

    copies = {"for_each": "{scan.files}", "max_parallel": 2, "on_failure": "any"}
    of_copy = {"leaf": "check/{index}-{item.name}-{item.fails}", "fails": "{item.fails}"}
    tasks = [
        leaf("scan", outputs=["files"], inputs={"result": {"files": _FILES}}),
        leaf("check", "scan", inputs=of_copy, **copies),
        leaf("few", "scan", when="len({scan.files}) > 9"),
        leaf("many", "scan", when="len({scan.files}) <= 9"),
        leaf("join", "few", "many", run_if="any_succeeded"),
        leaf("flaky", failures=1, retry={"times": 2, "delay_s": 0}),
        leaf("optional", failures=_ALWAYS, allow_failure=True),
        leaf("next", "optional", "flaky"),
        leaf("risky", failures=_ALWAYS if fails else 0),
        leaf("mend", "risky", run_if="any_failed"),
        leaf("end", "check", "join", "next"),
        leaf("last", "end", "mend", run_if="always"),
    ]
    states = dict.fromkeys((task["id"] for task in tasks), "completed")
    states |= {f"check/{at}-{file['name']}-{file['fails']}": "completed" for at, file in enumerate(_FILES)}
    states |= {f"check/2-c-{_ALWAYS}": "failed", "few": "skipped", "optional": "failed"}
    states |= {"risky": "failed"} if fails else {"mend": "skipped"}
    document = {"version": 1, "request": f"Chaos {name}", "tasks": tasks}
    redone = frozenset(("mend", "last") if fails else ())
    return WantedRun(document, "failed" if fails else "completed", states, redone)
