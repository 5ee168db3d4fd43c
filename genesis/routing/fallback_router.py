"""Routing that degrades on internal errors: rules, capability, plain profiles, a generalist, then unassigned.

A leaf is routed the usual way. On an unexpected error (in a rule's test, the index of descriptions, a
score), it is routed again layer by layer: the next layer replaces one that fails, and the route records
it, in its reason for people and as `degraded` for machines. The last layers need no computation, so there is
always a result:

| layer | routes the leaf to |
|---|---|
| rules | the agent of the first rule that holds |
| capability | the best score among those that take its type and have its skills |
| profiles | of these, the one that lists the type foremost; no price, no load, no description |
| generalist | the first agent that takes `generic` tasks and has the leaf's skills |
| unassigned | no agent, with the reason |

A pin is honoured or refused, and never replaced by another agent. Nor does a leaf go to a
generalist because no agent takes its type: that is a mistake in the plan, and it is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from genesis.errors import RoutingError
from genesis.model import AgentProfile, Registry, Route, Task
from genesis.routing import explain
from genesis.routing.assignment import Assignment, Near
from genesis.routing.capability import Group, Team, TeamPart
from genesis.routing.rules import GENERIC

__all__ = ["FallbackRouter"]

_Failing = Literal["team", TeamPart]
_Asked = tuple[Assignment, Group, Near]
_Step = tuple[str, str]
"""Which layer failed, and which replaced it."""
_SAID: dict[_Failing, str] = {
    "team": "the registry could not be indexed",
    "rules": "its rules could not be evaluated",
    "descriptions": "its description could not be compared",
    "scores": "the agents could not be compared",
}
_GIVES_WAY: dict[_Failing, _Step] = {
    "team": ("rules", "profiles"),
    "rules": ("rules", "capability"),
    "descriptions": ("descriptions", "capability"),
    "scores": ("capability", "profiles"),
}


@dataclass(slots=True)
class _Trouble:
    """The failures for one leaf, in order."""

    found: dict[_Failing, Exception] = field(default_factory=dict)

    def say(self, reason: str) -> str:
        """Prepend the failures to the route's reason."""
        from genesis.resilience.degradation import describe_error  # noqa: PLC0415  # only where something failed

        told = [f"{_SAID[part]} ({describe_error(error)})" for part, error in self.found.items()]
        return "; ".join([*told, reason])


class FallbackRouter:
    """Routes the leaves of one plan, each by the best layer that works.

    Args:
        registry: Agents and rules.
        team: The indexed registry, or the error of indexing it.
        load: Number of tasks that each agent is running now.
    """

    def __init__(self, registry: Registry, team: Team | Exception, load: Mapping[str, int]) -> None:
        self._agents = registry.agents
        self._rules = registry.rules
        self._usual = _usual(team, load)
        self._first = self._usual.assign if isinstance(self._usual, Assignment) else self._apart
        self._steps: Counter[_Step] = Counter()
        self._errors: dict[_Step, Exception] = {}

    def count(self, name: str | None) -> None:
        """Count a leaf that an agent already has."""
        if isinstance(self._usual, Assignment):
            self._usual.count(name)

    def assign(self, task: Task) -> Route:
        """Route one leaf and count it.

        Raises:
            RoutingError: The registry is faulty.
        """
        try:
            return self._first(task)
        except RoutingError:
            raise
        except Exception:  # noqa: BLE001  # the boundary of routing: a bug costs a leaf its best route, not the plan
            return self._apart(task)

    def report(self) -> None:
        """Count and log the degradations, each kind once per plan."""
        if self._steps:
            from genesis.resilience.degradation import Degradation, describe_error, step_down  # noqa: PLC0415

            for step, times in self._steps.items():
                error = self._errors[step]
                step_down(Degradation("routing", *step, describe_error(error)), times=times, error=error)

    def _apart(self, task: Task) -> Route:
        """Route a leaf layer by layer."""
        trouble = _Trouble()
        route = self._route_pinned(task, trouble) if task.agent is not None else self._by_layers(task, trouble)
        if not trouble.found:  # the failure did not recur
            return route
        return route.model_copy(update={"reason": trouble.say(route.reason), "degraded": True})

    def _by_layers(self, task: Task, trouble: _Trouble) -> Route:
        asked = self._find_parts(task, trouble)
        if asked is None:
            return self._by_types(task) or self._last(task, trouble)
        usual, group, near = asked
        rule = self._rule(group, task, trouble)
        if rule is not None:
            return self._route_by_rule(asked, rule, trouble)
        if "scores" not in trouble.found:
            try:
                route = usual.by_capability(group, near)
            except Exception as error:  # noqa: BLE001  # the boundary of one layer
                self._step(trouble, "scores", error)
            else:
                return route if route.agent else self._last(task, trouble, route)
        return self._by_types(task) or self._last(task, trouble)

    def _find_parts(self, task: Task, trouble: _Trouble) -> _Asked | None:
        """Return the leaf's group and the similarities of its description, without the parts that fail."""
        try:
            if isinstance(self._usual, Exception):
                raise self._usual.with_traceback(None)
            group, failed = self._usual.parts_of(task)
        except Exception as error:  # noqa: BLE001  # the boundary of all layers but the last
            self._step(trouble, "team", error)
            return None
        for part, raised in failed.items():
            self._step(trouble, part, raised)
        try:
            return self._usual, group, group.reader.read(task.description)
        except Exception as error:  # noqa: BLE001  # the boundary of one layer
            self._step(trouble, "descriptions", error)
            return self._usual, group, {}

    def _rule(self, group: Group, task: Task, trouble: _Trouble) -> tuple[int, str] | None:
        """Return the agent that the first rule sends a leaf to, and why."""
        if "rules" in trouble.found:
            return None
        try:
            found = next((rule for rule in group.rules if rule.test is None or rule.test(task)), None)
        except Exception as error:  # noqa: BLE001  # the boundary of one layer
            self._step(trouble, "rules", error)
            return None
        return (found.agent, found.reason) if found is not None else None

    def _route_by_rule(self, asked: _Asked, rule: tuple[int, str], trouble: _Trouble) -> Route:
        """Route a leaf to a rule's agent; other capable agents are listed if they can be compared."""
        usual, group, near = asked
        agent, reason = rule
        if "scores" not in trouble.found:
            try:
                return usual.to(agent, group, near, reason)
            except Exception as error:  # noqa: BLE001  # the rule has decided: only the runners-up are missing
                self._step(trouble, "scores", error)
        return self._plainly(self._agents[agent], reason)

    def _route_pinned(self, task: Task, trouble: _Trouble) -> Route:
        """Honour a pin, or refuse it; by the agent's profile if all else fails."""
        asked = self._find_parts(task, trouble)
        granted = False
        if asked is not None:
            usual, group, near = asked
            try:
                granted = any(
                    self._agents[rule.agent].name == task.agent and (rule.test is None or rule.test(task))
                    for rule in group.rules
                )
            except Exception as error:  # noqa: BLE001  # the boundary of one layer
                self._step(trouble, "rules", error)
            if not {"rules", "scores"} & trouble.found.keys():
                try:
                    return usual.route_pinned(task, task.agent or "", group, near)
                except Exception as error:  # noqa: BLE001  # the boundary of one layer
                    self._step(trouble, "scores", error)
        return self._by_profile(task, granted=granted)

    def _by_profile(self, task: Task, *, granted: bool) -> Route:
        agent = next((agent for agent in self._agents if agent.name == task.agent), None)
        if agent is None:
            return Route(agent=None, reason=f"the plan asks for {task.agent!r}, which does not exist")
        if not set(task.requires) <= set(agent.skills):
            lacking = "the skills that the task requires"
            return Route(agent=None, reason=f"the plan asks for {agent.name}, which does not have {lacking}")
        if not (granted or task.type == GENERIC or task.type in agent.task_types):
            return Route(agent=None, reason=f"the plan asks for {agent.name}, which does not take {task.type!r}")
        return self._plainly(agent, explain.by_pin(agent))

    def _by_types(self, task: Task) -> Route | None:
        """Route a leaf to the agent that lists its type foremost; ties go by the order of the registry."""
        able = [a for a in self._agents if task.type in a.task_types and set(task.requires) <= set(a.skills)]
        if not able:
            return None
        agent = min(able, key=lambda agent: agent.task_types.index(task.type))
        return self._plainly(agent, f"of the agents that take {task.type!r}, {agent.name} lists it foremost")

    def _last(self, task: Task, trouble: _Trouble, nobody: Route | None = None) -> Route:
        """Route a leaf that no agent takes to a generalist if a rule might have; else to none."""
        skilled = f" with the skills {', '.join(map(repr, task.requires))}" if task.requires else ""
        reason = f"no agent{skilled} takes {task.type!r}"
        error = trouble.found.get("rules") or trouble.found.get("team")
        if error is None:
            return nobody or Route(agent=None, reason=reason)
        sent_to = {rule.then for rule in self._rules if rule.when.type == GENERIC}
        for agent in self._agents:
            takes = GENERIC in agent.task_types or agent.name in sent_to
            if takes and set(task.requires) <= set(agent.skills):
                self._note(("capability", "generalist"), error)
                return self._plainly(agent, f"{agent.name} takes tasks of no particular kind")
        self._note(("generalist", "unassigned"), error)
        return Route(agent=None, reason=f"{reason}, nor tasks of no particular kind")

    def _plainly(self, agent: AgentProfile, reason: str) -> Route:
        self.count(agent.name)
        return Route(agent=agent.name, reason=reason)

    def _step(self, trouble: _Trouble, part: _Failing, error: Exception) -> None:
        if part not in trouble.found:
            trouble.found[part] = error
            self._note(_GIVES_WAY[part], error)

    def _note(self, step: _Step, error: Exception) -> None:
        self._steps[step] += 1
        self._errors.setdefault(step, error)


def _usual(team: Team | Exception, load: Mapping[str, int]) -> Assignment | Exception:
    if isinstance(team, Exception):
        return team
    try:
        return Assignment(team, load)
    except Exception as error:  # noqa: BLE001  # the boundary of routing's layers
        return error
