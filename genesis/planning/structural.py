"""Is a plan that a planner made sound: names, order, data flow and limits?"""

from __future__ import annotations

from itertools import islice

from genesis.model import Plan
from genesis.settings import Limits
from genesis.structure import Shape, find_problems

__all__ = ["structural_problems"]

_SHOWN = 8


def structural_problems(plan: Plan, limits: Limits) -> list[str]:
    """Describe what is wrong with a plan's structure; an empty list means that it can be routed and run.

    Only plans of planners and playbooks are held to depth and fan-out; a person's plan file may be wide.

    Args:
        plan: The plan.
        limits: Bounds on depth, fan-out and leaves.
    """
    return [problem.message for problem in islice(find_problems(Shape(plan, limits)), _SHOWN)]
