"""Route every leaf of a plan to an agent (HALO): pins first, then rules, then capability.

A leaf whose routing fails by an internal error goes to the agent that lists its type first; its route is `degraded`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from genesis.errors import RoutingError
from genesis.model import AgentProfile, Plan, Registry, Route, RoutedPlan, Task
from genesis.model.resources import find_lacking
from genesis.routing.assignment import Assignment
from genesis.routing.capability import Team
from genesis.routing.registry_checks import routing_problems
from genesis.routing.rules import GENERIC

__all__ = ["Router", "route"]


def route(plan: Plan, registry: Registry, *, keep: bool = False, load: Mapping[str, int] | None = None) -> RoutedPlan:
    """Route every leaf of a plan.

    The result depends only on the arguments; ties go by the order of the agents in the registry. A plan with
    structural faults is routed too, so that validation can report all faults together: of two leaves with the same
    path the first counts.

    Args:
        plan: Any plan.
        registry: Agents and rules.
        keep: Keep existing routes to an agent (a reviewed plan file).
        load: Number of tasks that each agent is running now, by name, from concurrent requests.

    Returns:
        The plan with a route for each leaf, in document order. A leaf that fits no agent has a route without an agent
        whose reason says why.

    Raises:
        RoutingError: The registry is faulty: repeated names, a rule to an unknown agent, an invalid pattern.
    """
    return Router(registry).route(plan, keep=keep, load=load)


class Router:
    """A registry, prepared for routing many plans."""

    def __init__(self, registry: Registry) -> None:
        """Index a registry.

        Raises:
            RoutingError: The registry is faulty.
        """
        problem = next(routing_problems(registry), None)
        if problem is not None:
            where, what = problem
            raise RoutingError(f"the registry cannot be used: {where}: {what}", hint="run: genesis agents check")
        self._registry = registry
        self._team: Team | Exception
        try:
            self._team = Team(registry)
        except Exception as error:  # noqa: BLE001  # the boundary of routing
            self._team = error

    def route(self, plan: Plan, *, keep: bool = False, load: Mapping[str, int] | None = None) -> RoutedPlan:
        """Route every leaf of a plan; see `route`."""
        leaves: dict[str, Task] = {}
        for path, task in _leaves(plan.tasks):
            leaves.setdefault(path, task)
        kept = {path: task.route for path, task in leaves.items() if task.route and task.route.agent} if keep else {}
        assignment = self._begin(load or {}, kept.values())
        failures: list[Exception] = []
        routes = {path: kept.get(path) or self._assign(task, assignment, failures) for path, task in leaves.items()}
        if failures:
            _report(failures)
        return RoutedPlan(plan=plan, routes=routes)

    def _begin(self, load: Mapping[str, int], kept: Iterable[Route]) -> Assignment | Exception:
        if isinstance(self._team, Exception):
            return self._team
        try:
            assignment = Assignment(self._team, load)
        except Exception as error:  # noqa: BLE001  # the boundary of routing
            return error
        for route in kept:
            assignment.count(route.agent)
        return assignment

    def _assign(self, task: Task, assignment: Assignment | Exception, failures: list[Exception]) -> Route:
        """Route one leaf; where that fails by an internal error, by the agents' profiles alone."""
        if isinstance(assignment, Exception):
            failures.append(assignment)
            return _route_by_profile(task, self._registry, assignment)
        try:
            return assignment.assign(task)
        except RoutingError:
            raise
        except Exception as error:  # noqa: BLE001  # the boundary of routing: a bug costs a leaf its best route, not the plan
            failures.append(error)
            route = _route_by_profile(task, self._registry, error)
            assignment.count(route.agent)
            return route


def _leaves(tasks: Sequence[Task]) -> Iterator[tuple[str, Task]]:
    """Yield each leaf that an agent runs, with its path, in document order; of the plan's outline those that work."""
    waiting = [("", task) for task in reversed(tasks)]
    while waiting:
        prefix, task = waiting.pop()
        path = prefix + task.id
        if task.subtasks:
            path += "/"
            waiting.extend((path, child) for child in reversed(task.subtasks))
        elif task.wait_for is None:
            yield path, task


def _route_by_profile(task: Task, registry: Registry, error: Exception) -> Route:
    """Route a leaf by what the agents list, without conditions, prices, load or descriptions.

    A pin is honoured or refused, and never goes to another agent. A type that nobody lists goes to an agent for generic
    tasks: a rule might have placed it.
    """
    from genesis.resilience.degradation import describe_error  # noqa: PLC0415  # only where something failed

    def takes(agent: AgentProfile, task_type: str) -> bool:
        return task_type in agent.task_types or any(
            rule.then == agent.name and rule.when.type == task_type for rule in registry.rules
        )

    able = [
        agent
        for agent in registry.agents
        if set(task.requires) <= set(agent.skills) and not find_lacking(task.resources, agent.resources)
    ]
    if task.agent is not None:
        able = [a for a in able if a.name == task.agent and (task.type == GENERIC or takes(a, task.type))]
        why = f"the plan asks for {task.agent}" + ("" if able else ", which does not exist or cannot take the task")
    elif listing := [agent for agent in able if task.type in agent.task_types]:
        able = sorted(listing, key=lambda agent: agent.task_types.index(task.type))
        why = f"{able[0].name} lists {task.type!r} first"
    else:
        able = [agent for agent in able if takes(agent, GENERIC)]
        why = f"no agent with its skills lists {task.type!r}" + (
            f"; {able[0].name} takes generic tasks" if able else ""
        )
    reason = f"routing failed internally ({describe_error(error)}); {why}"
    return Route(agent=able[0].name if able else None, reason=reason, degraded=True)


def _report(failures: Sequence[Exception]) -> None:
    """Count and log the leaves whose routing failed."""
    from genesis.resilience.degradation import Degradation, describe_error, step_down  # noqa: PLC0415

    step = Degradation("routing", "capability", "profiles", describe_error(failures[0]))
    step_down(step, times=len(failures), error=failures[0])
