"""Route every leaf of a plan to an agent (HALO): pins first, then rules, then capability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from genesis.errors import RoutingError
from genesis.model import Alternative, Plan, Registry, Route, RoutedPlan, Task
from genesis.routing import explain
from genesis.routing.capability import DESCRIPTION_WEIGHT, LOAD_WEIGHT, Group, Team
from genesis.routing.registry_file import routing_problems
from genesis.routing.rules import GENERIC, TypedRule

__all__ = ["Router", "route"]

_ALTERNATIVES = 3
_CLEAR = 0.2
"""Least similarity at which a description points at an agent."""
_AHEAD = 1.25
"""Least ratio between the best similarity and the second for the description to be clear."""
_STEPS = 100
"""Scores are shown in hundredths; they are compared as they are."""

_Near = Mapping[int, float]
"""Similarity by the agent's position."""
_Row = tuple[float, int]
"""An agent's score, negated, and its position: rows sort best first."""
_Shown = tuple[int, int]
"""An agent's position and its score in steps."""


def route(plan: Plan, registry: Registry, *, keep: bool = False, load: Mapping[str, int] | None = None) -> RoutedPlan:
    """Route every leaf of a plan.

    The result depends on the arguments alone; ties go by the order of the agents in the registry. A plan with
    structural faults is routed too, so that a check can show all that is wrong with it at once: of two leaves with one
    path the first counts.

    Args:
        plan: Any plan.
        registry: Agents and rules.
        keep: Leave the leaves that already have a route with an agent as they are (a reviewed plan file).
        load: Tasks that each agent is running now, by name, so that requests at the same time see each other.

    Returns:
        The plan with a route for each leaf, in document order. A leaf that fits no agent has a route without an agent
        whose reason says why.

    Raises:
        RoutingError: The registry itself is faulty: repeated names, a rule to an unknown agent, a bad pattern.
    """
    return Router(registry).route(plan, keep=keep, load=load)


class Router:
    """A registry, prepared for routing many plans."""

    def __init__(self, registry: Registry) -> None:
        """Index a registry.

        Raises:
            RoutingError: The registry itself is faulty.
        """
        problem = next(routing_problems(registry), None)
        if problem is not None:
            where, what = problem
            raise RoutingError(f"the registry cannot be used: {where}: {what}", hint="run: genesis agents check")
        self._team = Team(registry)

    def route(self, plan: Plan, *, keep: bool = False, load: Mapping[str, int] | None = None) -> RoutedPlan:
        """Route every leaf of a plan; see `route`."""
        leaves: dict[str, Task] = {}
        for path, task in _leaves(plan.tasks):
            leaves.setdefault(path, task)
        assignment = _Assignment(self._team, load or {})
        kept = {path: task.route for path, task in leaves.items() if task.route and task.route.agent} if keep else {}
        for known in kept.values():
            assignment.count(known.agent)
        routes = {path: kept.get(path) or assignment.assign(task) for path, task in leaves.items()}
        return RoutedPlan(plan=plan, routes=routes)


def _leaves(tasks: Sequence[Task]) -> Iterator[tuple[str, Task]]:
    """Give each leaf with its path, in document order; the same leaves as the plan's outline has."""
    waiting = [("", task) for task in reversed(tasks)]
    while waiting:
        prefix, task = waiting.pop()
        path = prefix + task.id
        if task.subtasks:
            path += "/"
            waiting.extend((path, child) for child in reversed(task.subtasks))
        else:
            yield path, task


class _Assignment:
    """The state of one routing: who has got how much, and what was already worked out."""

    def __init__(self, team: Team, load: Mapping[str, int]) -> None:
        self._team = team
        self._names = [agent.name for agent in team.agents]
        self._room = [1.0 / agent.max_concurrency for agent in team.agents]
        self._pressure = [max(0, load.get(agent.name, 0)) / agent.max_concurrency for agent in team.agents]
        self._groups: dict[object, Group] = {}
        self._pieces = team.pieces()

    def count(self, name: str | None) -> None:
        """Count a leaf that an agent already has."""
        position = self._team.position.get(name or "")
        if position is not None:
            self._pressure[position] += self._room[position]

    def assign(self, task: Task) -> Route:
        """Route one leaf and count it."""
        group = self._group(task)
        near = group.reader.read(task.description)
        if task.agent is not None:
            return self._pinned(task, task.agent, group, near)
        for rule in group.rules:
            if rule.test is None or rule.test(task):
                return self._ruled(rule, group, near)
        if group.type == GENERIC:
            return self._generic(group, near)
        return self._best(group.takers, group, near)

    def _group(self, task: Task) -> Group:
        tokens = task.estimate.tokens if task.estimate and self._team.paid_for_tokens else None
        key = (task.type, task.requires, tokens)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = self._team.group(*key, self._pieces)
        return group

    def _pinned(self, task: Task, name: str, group: Group, near: _Near) -> Route:
        agent = self._team.position.get(name, -1)
        granted = any(rule.agent == agent and (not rule.test or rule.test(task)) for rule in group.rules)
        if agent in group.skilled and (agent in group.takers or granted or group.type == GENERIC):
            return self._to(agent, group, near, explain.by_pin(self._team.agents[agent]))
        reason = group.texts.get(name)
        if reason is None:
            reason = group.texts[name] = explain.refused_pin(self._team, group, name)
        return Route(agent=None, reason=reason)

    def _ruled(self, rule: TypedRule, group: Group, near: _Near) -> Route:
        return self._to(rule.agent, group, near, rule.reason)

    def _generic(self, group: Group, near: _Near) -> Route:
        """Route a task of no particular kind: by its words where they are clear, else to whoever takes such tasks."""
        clear = _clear(near)
        if clear is not None:
            return self._to(clear, group, near, explain.by_description(self._team.agents[clear]))
        if group.default is not None:
            return self._ruled(group.default, group, near)
        return self._best(group.takers or (group.skilled if group.requires else ()), group, near)

    def _best(self, able: Sequence[int], group: Group, near: _Near) -> Route:
        """Route to the best score among the agents that can take the task."""
        if not able:
            if group.nobody is None:
                group.nobody = Route(agent=None, reason=explain.nobody(self._team, group))
            return group.nobody
        ranked, fittest = self._ranked(able, group, near)
        agent = ranked[0][1]
        key = (agent, fittest)
        reason = group.texts.get(key)
        if reason is None:
            reason = group.texts[key] = explain.by_capability(self._team, group, agent, fittest, of=len(able))
        return self._route(ranked, 0, group, reason)

    def _to(self, agent: int, group: Group, near: _Near, reason: str) -> Route:
        """Route to an agent that is decided already, with the others that could take the task as alternatives."""
        able = group.beside.get(agent)
        if able is None:
            able = group.beside[agent] = tuple(sorted({agent, *group.takers}))
        if group.type == GENERIC:
            able = tuple(sorted({*able, *near}))
        ranked, _ = self._ranked(able, group, near)
        return self._route(ranked, [row[1] for row in ranked].index(agent), group, reason)

    def _ranked(self, able: Sequence[int], group: Group, near: _Near) -> tuple[list[_Row], int]:
        """Score agents against each other.

        An agent's load is its tasks over its concurrency. It counts as a share of the load of all who could take the
        task, so that it weighs as much in a large plan as in a small one; the 1 keeps the first few tasks from
        counting as a burden.

        Returns:
            The agents, best first, ties by position; and the one that would be first if nobody had anything to do.
        """
        fit, pressure = group.fit, self._pressure
        total = 1.0
        for agent in able:
            total += pressure[agent]
        share = LOAD_WEIGHT / total
        ranked: list[_Row] = []
        fittest, most = able[0], -1.0
        for agent in able:
            idle = fit[agent] + DESCRIPTION_WEIGHT * near.get(agent, 0.0)
            if idle > most:
                fittest, most = agent, idle
            ranked.append((share * pressure[agent] - idle, agent))
        ranked.sort()
        return ranked, fittest

    def _route(self, ranked: list[_Row], at: int, group: Group, reason: str) -> Route:
        """Give the leaf to one of the ranked agents; leaves whose routes read the same share one."""
        if at:
            ranked.insert(0, ranked.pop(at))
        chosen = ranked[0][1]
        self._pressure[chosen] += self._room[chosen]
        shown = tuple([(agent, int(0.5 - score * _STEPS)) for score, agent in ranked[: _ALTERNATIVES + 1]])
        made = group.routes.get((reason, shown))
        if made is None:
            made = group.routes[reason, shown] = self._written(group, reason, shown)
        return made

    def _written(self, group: Group, reason: str, shown: Sequence[_Shown]) -> Route:
        agent, score = shown[0]
        alternatives = tuple([self._alternative(group, row) for row in shown[1:]])
        return Route(agent=self._names[agent], score=score / _STEPS, reason=reason, alternatives=alternatives)

    def _alternative(self, group: Group, shown: _Shown) -> Alternative:
        made = group.alternatives.get(shown)
        if made is None:
            agent, score = shown
            reason = explain.runner_up(self._team, group, agent)
            made = Alternative(agent=self._names[agent], score=score / _STEPS, reason=reason)
            group.alternatives[shown] = made
        return made


def _clear(near: _Near) -> int | None:
    """Find the agent that a description points at, if it points at one clearly."""
    if not near:
        return None
    first = max(near, key=near.__getitem__)
    second = max((value for agent, value in near.items() if agent != first), default=0.0)
    return first if near[first] >= max(_CLEAR, _AHEAD * second) else None
