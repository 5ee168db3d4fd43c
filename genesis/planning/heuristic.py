"""The heuristic level: playbooks, and steps that the request spells out. No model, no network, no randomness."""

from __future__ import annotations

from collections.abc import Sequence

from genesis.errors import PlanningError
from genesis.model import Plan, PlannerLevel
from genesis.planning.compose import compose
from genesis.planning.planner import PlanningContext
from genesis.planning.playbook import Playbook
from genesis.planning.structural import structural_problems

__all__ = ["HeuristicPlanner"]


class HeuristicPlanner:
    """Plans from a playbook or from the steps that the request spells out; raises when it has neither.

    Args:
        playbooks: In the order in which they are tried; `load_playbooks` returns the team's playbooks first.
    """

    level: PlannerLevel = "heuristic"

    def __init__(self, playbooks: Sequence[Playbook]) -> None:
        self._playbooks = tuple(playbooks)

    def plan(self, request: str, context: PlanningContext) -> Plan:
        """Turn a request into a plan.

        Raises:
            PlanningError: No playbook matches the request and it spells out no steps, or the result is not a
                valid plan within the limits.
        """
        made = compose(request, self._playbooks, context)
        note = "; ".join(made.notes)
        if not made.tasks:
            raise PlanningError(
                note or "no playbook matches the request, and it spells out no steps",
                hint="name the steps (first …, then …), or write a playbook",
            )
        plan = Plan(
            request=request,
            tasks=made.tasks,
            planner=self.level,
            planner_note=note,
            vars=made.variables,
            trusted_vars=made.defaults,
        )
        problems = structural_problems(plan, context.limits)
        if problems:
            raise PlanningError(f"{note}: not a valid plan: {'; '.join(problems)}", hint="shorten or split the request")
        return plan
