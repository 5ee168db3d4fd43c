"""Planning (HTDAG): from a request to a plan, level by level; and the plan file."""

from genesis.planning.heuristic import HeuristicPlanner
from genesis.planning.levels import make_plan
from genesis.planning.minimal import MinimalPlanner
from genesis.planning.plan_file import load_plan, plan_document
from genesis.planning.planner import Planner, PlanningCall, PlanningContext, UnavailablePlanner
from genesis.planning.playbook import Playbook, load_playbooks
from genesis.planning.request import check_request
from genesis.planning.selection import select_tasks
from genesis.planning.selectors import Selectors
from genesis.planning.values import set_parameters, set_variables

__all__ = [
    "HeuristicPlanner",
    "MinimalPlanner",
    "Planner",
    "PlanningCall",
    "PlanningContext",
    "Playbook",
    "Selectors",
    "UnavailablePlanner",
    "check_request",
    "load_plan",
    "load_playbooks",
    "make_plan",
    "plan_document",
    "select_tasks",
    "set_parameters",
    "set_variables",
]
