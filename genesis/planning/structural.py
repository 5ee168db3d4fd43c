"""Check the structure of a planner's plan: names, order, data flow and limits."""

from __future__ import annotations

from itertools import islice

from genesis.model import Plan
from genesis.settings import Limits
from genesis.structure import Shape, find_problems

__all__ = ["structural_problems"]

_SHOWN = 8
"""Problems that a repair turn is about."""


def structural_problems(plan: Plan, limits: Limits) -> list[str]:
    """Return the structural problems of a plan; an empty list means that it can be routed and run.

    Only plans of planners and playbooks must keep to depth and fan-out; a plan file may be wider.

    Args:
        plan: The plan.
        limits: Bounds on depth, fan-out and leaves.
    """
    return [problem.message for problem in islice(find_problems(Shape(plan, limits)), _SHOWN)]
