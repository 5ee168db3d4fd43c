"""A planner that says what the test wrote down."""

from __future__ import annotations

from genesis.model import Plan, PlannerLevel
from genesis.planning import PlanningContext

__all__ = ["ScriptedPlanner"]


class ScriptedPlanner:
    """Gives its answers one after the other, the last one again and again; an error is raised.

    Attributes:
        requests: What it was asked.
    """

    def __init__(self, *answers: Plan | Exception, level: PlannerLevel = "llm"):
        self.level = level
        self.requests: list[str] = []
        self._answers = answers

    def plan(self, request: str, context: PlanningContext) -> Plan:
        """Return the next answer."""
        del context
        answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
        self.requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer
