"""Small plans, written in a line."""

from __future__ import annotations

from typing import Any

from genesis.compile import compile_program
from genesis.model import AgentProfile, Plan, Program, Registry, Route, RoutedPlan, Task
from genesis.structure import outline

__all__ = ["a_plan", "a_program", "a_task", "an_agent", "route_to"]


def a_task(name: str, *subtasks: Task, after: tuple[str, ...] = (), **more: Any) -> Task:
    """Make a task whose description is its name; `more` are further keys of the plan document."""
    fields = {"description": name, **more, "id": name, "depends_on": after, "subtasks": subtasks}
    return Task.model_validate(fields)


def a_plan(*tasks: Task, request: str = "do it", **more: Any) -> Plan:
    """Make a plan; `more` are further keys of the plan document."""
    return Plan.model_validate({"version": 1, "request": request, "tasks": tasks, **more})


def an_agent(name: str = "worker", **more: Any) -> AgentProfile:
    """Make an agent; `more` are further keys of the agents document."""
    return AgentProfile.model_validate({"name": name, **more})


def route_to(plan: Plan, *agents: AgentProfile) -> tuple[RoutedPlan, Registry]:
    """Route each leaf that works to the agent that it pins, else to the first agent."""
    agents = agents or (an_agent(),)
    routes = {
        node.path: Route(agent=node.task.agent or agents[0].name, score=1.0, reason="the test says so")
        for node in outline(plan).leaf_nodes()
        if node.task.wait_for is None
    }
    return RoutedPlan(plan=plan, routes=routes), Registry(agents=agents)


def a_program(*tasks: Task, agents: tuple[AgentProfile, ...] = (), **more: Any) -> Program:
    """Make a program of these tasks; `more` are further keys of the plan document."""
    return compile_program(*route_to(a_plan(*tasks, **more), *agents))
