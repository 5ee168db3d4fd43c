"""The state of one routing: each agent's load, and the choice of an agent for a leaf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genesis.model import Alternative, Route, Task
from genesis.routing import explain
from genesis.routing.capability import DESCRIPTION_WEIGHT, LOAD_WEIGHT, Group, Team
from genesis.routing.rules import GENERIC

__all__ = ["Assignment"]

_ALTERNATIVES = 3
"""Runners-up that a route records."""
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


class Assignment:
    """The state of one routing: each agent's load, and cached groups."""

    def __init__(self, team: Team, load: Mapping[str, int]) -> None:
        self._team = team
        self._names = [agent.name for agent in team.agents]
        self._room = [1.0 / agent.max_concurrency for agent in team.agents]
        self._pressure = [max(0, load.get(agent.name, 0)) / agent.max_concurrency for agent in team.agents]
        self._paid_for_tokens = team.paid_for_tokens
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
            return self._route_pinned(task, task.agent, group, near)
        for rule in group.rules:
            if rule.test is None or rule.test(task):
                return self._to(rule.agent, group, near, rule.reason)
        return self._generic(group, near) if group.type == GENERIC else self._best(group.takers, group, near)

    def _group(self, task: Task) -> Group:
        tokens = task.estimate.tokens if self._paid_for_tokens and task.estimate else None
        key = task.type, task.requires, tokens, task.resources
        group = self._groups.get(key)
        if group is None:
            made = self._team.group(task.type, task.requires, tokens, self._pieces, task.resources)
            group = self._groups[key] = made
        return group

    def _route_pinned(self, task: Task, name: str, group: Group, near: _Near) -> Route:
        """Honour a pin, or refuse it with a reason."""
        agent = self._team.position.get(name, -1)
        granted = any(rule.agent == agent and (not rule.test or rule.test(task)) for rule in group.rules)
        if agent in group.skilled and (agent in group.takers or granted or group.type == GENERIC):
            return self._to(agent, group, near, explain.by_pin(self._team.agents[agent]))
        reason = group.texts.get(name)
        if reason is None:
            reason = group.texts[name] = explain.describe_refused_pin(self._team, group, name)
        return Route(agent=None, reason=reason)

    def _generic(self, group: Group, near: _Near) -> Route:
        """Route a generic task: by its description if that is clear, else to an agent that takes generic tasks."""
        clear = _clear(near)
        if clear is not None:
            return self._to(clear, group, near, explain.by_description(self._team.agents[clear]))
        if group.default is not None:
            return self._to(group.default.agent, group, near, group.default.reason)
        return self._best(group.takers or (group.skilled if group.requires else ()), group, near)

    def _best(self, able: Sequence[int], group: Group, near: _Near) -> Route:
        """Route to the best score among the agents that can take the task."""
        if not able:
            if group.nobody is None:
                group.nobody = Route(agent=None, reason=explain.nobody(self._team, group))
            return group.nobody
        ranked, fittest = self._rank_agents(able, group, near)
        agent = ranked[0][1]
        key = (agent, fittest)
        reason = group.texts.get(key)
        if reason is None:
            reason = group.texts[key] = explain.by_capability(self._team, group, agent, fittest, of=len(able))
        return self._route(ranked, 0, group, reason)

    def _to(self, agent: int, group: Group, near: _Near, reason: str) -> Route:
        """Route to a given agent, with the other capable agents as alternatives."""
        able = group.beside.get(agent)
        if able is None:
            able = group.beside[agent] = tuple(sorted({agent, *group.takers}))
        if group.type == GENERIC:
            able = tuple(sorted({*able, *near}))
        ranked, _ = self._rank_agents(able, group, near)
        return self._route(ranked, [row[1] for row in ranked].index(agent), group, reason, decided=True)

    def _rank_agents(self, able: Sequence[int], group: Group, near: _Near) -> tuple[list[_Row], int]:
        """Score agents against each other.

        An agent's load is its tasks over its concurrency. It counts as a share of the load of all who could take the
        task, so that it weighs as much in a large plan as in a small one; the 1 keeps the first few tasks from
        counting as a burden.

        Returns:
            The agents, best first, ties by position; and the one that would be first if all were idle.
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

    def _route(self, ranked: list[_Row], at: int, group: Group, reason: str, *, decided: bool = False) -> Route:
        """Route the leaf to one of the ranked agents; leaves whose routes read the same share one.

        Args:
            ranked: The agents, best first.
            at: Which of them gets it.
            group: The task's group.
            reason: Why.
            decided: Whether something other than the score decided, so that others may score higher.
        """
        if at:
            ranked.insert(0, ranked.pop(at))
        shown = tuple([(agent, int(0.5 - score * _STEPS)) for score, agent in ranked[: _ALTERNATIVES + 1]])
        made = group.routes.get((reason, shown))
        if made is None:
            made = group.routes[reason, shown] = self._make_route(group, reason, shown, decided=decided)
        chosen = ranked[0][1]
        self._pressure[chosen] += self._room[chosen]
        return made

    def _make_route(self, group: Group, reason: str, shown: Sequence[_Shown], *, decided: bool) -> Route:
        agent, score = shown[0]
        higher = [row for row in shown[1:] if row[1] > score] if decided else []
        alternatives = tuple([self._alternative(group, row, reason if row in higher else "") for row in shown[1:]])
        if higher:
            reason = explain.although(reason, [self._names[row[0]] for row in higher])
        return Route(agent=self._names[agent], score=score / _STEPS, reason=reason, alternatives=alternatives)

    def _alternative(self, group: Group, shown: _Shown, decision: str) -> Alternative:
        """Describe a runner-up; if it scores higher than the choice, with what decided instead."""
        key = (*shown, decision)
        made = group.alternatives.get(key)
        if made is None:
            agent, score = shown
            reason = explain.runner_up(self._team, group, agent)
            if decision:
                reason = explain.describe_outranked(reason, decision)
            made = group.alternatives[key] = Alternative(agent=self._names[agent], score=score / _STEPS, reason=reason)
        return made


def _clear(near: _Near) -> int | None:
    """Find the agent that a description points at, if it points at one clearly."""
    if not near:
        return None
    first = max(near, key=near.__getitem__)
    second = max((value for agent, value in near.items() if agent != first), default=0.0)
    return first if near[first] >= max(_CLEAR, _AHEAD * second) else None
