"""Route every leaf of a plan to an agent (HALO): pins first, then rules, then capability.

On an internal error the next layer routes the leaf: see `genesis.routing.fallback_router`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from genesis.errors import RoutingError
from genesis.model import Plan, Registry, RoutedPlan, Task
from genesis.routing.capability import Team
from genesis.routing.fallback_router import FallbackRouter
from genesis.routing.registry_checks import routing_problems

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
        except Exception as error:  # noqa: BLE001  # the boundary of routing's layers: see `StepByStep`
            self._team = error

    def route(self, plan: Plan, *, keep: bool = False, load: Mapping[str, int] | None = None) -> RoutedPlan:
        """Route every leaf of a plan; see `route`."""
        leaves: dict[str, Task] = {}
        for path, task in _leaves(plan.tasks):
            leaves.setdefault(path, task)
        routing = FallbackRouter(self._registry, self._team, load or {})
        kept = {path: task.route for path, task in leaves.items() if task.route and task.route.agent} if keep else {}
        for known in kept.values():
            routing.count(known.agent)
        routes = {path: kept.get(path) or routing.assign(task) for path, task in leaves.items()}
        routing.report()
        return RoutedPlan(plan=plan, routes=routes)


def _leaves(tasks: Sequence[Task]) -> Iterator[tuple[str, Task]]:
    """Yield each leaf with its path, in document order; the same leaves as the plan's outline has."""
    waiting = [("", task) for task in reversed(tasks)]
    while waiting:
        prefix, task = waiting.pop()
        path = prefix + task.id
        if task.subtasks:
            path += "/"
            waiting.extend((path, child) for child in reversed(task.subtasks))
        else:
            yield path, task
