"""Whether each leaf has an agent that can do it."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.model import AgentProfile, Condition, Registry
from genesis.structure import Node, count_retries
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts
from genesis.validation.limits import GUESSES

__all__ = [
    "generic_type",
    "low_success",
    "pin_changed",
    "route_degraded",
    "skill_not_covered",
    "stale_route",
    "type_not_covered",
    "unassigned",
    "unknown_agent",
]

_GENERIC = "generic"
_EVEN = 0.5
"""Failing as often as succeeding."""


@check(
    "GEN-UNASSIGNED",
    "error",
    finds="a leaf that no agent runs, with the routing's reason",
    remedy="change its type or skills, add an agent for it, or pin one with `agent`",
)
def unassigned(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find leaves that routing left without an agent."""
    for node in facts.leaves:
        route = facts.route_of[node.index]
        if route is None or route.agent is None:
            reason = (route.reason if route else "") or "it was not routed"
            yield CheckFinding(
                node.index,
                f"no agent runs task {node.path!r} of type {node.task.type!r}: {reason}",
                evidence={"type": node.task.type, "requires": [*node.task.requires], "reason": reason},
            )


@check(
    "GEN-AGENT-UNKNOWN",
    "error",
    finds="a leaf routed to an agent that the registry does not have",
    remedy="route the plan again with this registry, or add the agent to it",
)
def unknown_agent(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find routes to unknown agents, with the closest name."""
    guesses: dict[str, str] = {}
    for node in facts.leaves:
        route = facts.route_of[node.index]
        if route is None or route.agent is None or route.agent in facts.agents:
            continue
        name = route.agent
        if name not in guesses:
            guesses[name] = facts.guess(name, facts.agents) if len(guesses) < GUESSES else ""
        message = f"task {node.path!r} is routed to {name!r}, which the registry does not have"
        yield CheckFinding(node.index, message, hint=guesses[name], evidence={"agent": name})


@check(
    "GEN-TYPE-UNCOVERED",
    "error",
    finds="a leaf whose agent does not take its type, and no rule sends it there",
    remedy="route it again, correct the type, or add it to the agent's task_types",
)
def type_not_covered(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find leaves whose agent does not take their type.

    Every agent may take `generic`, and a rule may route any type to its agent, so
    neither is a fault. Nor is a leaf that a generalist has because of an internal error: that is reported separately.
    """
    covered: dict[tuple[str, str], bool] = {}
    for node, agent in facts.assigned:
        if node.task.type in agent.task_types or _stands_in(facts, node, agent):
            continue
        key = (agent.name, node.task.type)
        if key not in covered:
            covered[key] = _covers(facts.registry, agent, node.task.type)
        if not covered[key]:
            yield CheckFinding(
                node.index,
                f"task {node.path!r} has the type {node.task.type!r}, which {agent.name!r} does not take",
                hint=facts.guess(node.task.type, agent.task_types),
                evidence={"type": node.task.type, "agent": agent.name, "takes": [*agent.task_types]},
            )


def _stands_in(facts: PlanFacts, node: Node, agent: AgentProfile) -> bool:
    """Whether an agent that takes tasks of no particular kind has a leaf because rules could not be asked."""
    route = facts.route_of[node.index]
    return route is not None and route.degraded and (_GENERIC in agent.task_types or _has_generic_rule(facts, agent))


def _has_generic_rule(facts: PlanFacts, agent: AgentProfile) -> bool:
    return any(rule.then == agent.name and rule.when.type == _GENERIC for rule in facts.registry.rules)


def _covers(registry: Registry, agent: AgentProfile, task_type: str) -> bool:
    return task_type == _GENERIC or any(
        rule.then == agent.name and _can_hold(rule.when, task_type) for rule in registry.rules
    )


def _can_hold(condition: Condition, task_type: str) -> bool:
    """Whether a condition can hold for some task of this type; what does not ask for the type can."""
    return _verdict(condition, task_type) is not False


def _verdict(condition: Condition, task_type: str) -> bool | None:
    """Evaluate a condition for a type: True or False where the type decides it, None where it does not."""
    if condition.type is not None:
        accepted = (condition.type,) if isinstance(condition.type, str) else condition.type.in_
        return task_type in accepted
    if condition.all is not None:
        verdicts = [_verdict(part, task_type) for part in condition.all]
        return False if False in verdicts else None if None in verdicts else True
    if condition.any is not None:
        verdicts = [_verdict(part, task_type) for part in condition.any]
        return True if True in verdicts else None if None in verdicts else False
    if condition.not_ is not None:
        verdict = _verdict(condition.not_, task_type)
        return None if verdict is None else not verdict
    return None


@check(
    "GEN-ROUTE-DEGRADED",
    "warning",
    finds="a leaf whose routing had an internal error, with the part that failed",
    remedy="check that its agent is suitable, or pin one with `agent`; and report the error",
)
def route_degraded(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find degraded routes."""
    for node, agent in facts.assigned:
        route = facts.route_of[node.index]
        if route is not None and route.degraded:
            message = f"task {node.path!r} was routed to {agent.name!r} by a fallback: {route.reason}"
            yield CheckFinding(node.index, message, evidence={"agent": agent.name, "reason": route.reason})


@check(
    "GEN-SKILL-UNCOVERED",
    "error",
    finds="a leaf that requires a skill its agent does not have",
    remedy="route it again, drop the skill, or add it to the agent",
)
def skill_not_covered(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find leaves whose agent lacks a skill that they require."""
    if "requires" not in facts.given:
        return
    for node, agent in facts.assigned:
        if not node.task.requires:
            continue
        missing = [skill for skill in dict.fromkeys(node.task.requires) if skill not in agent.skills]
        if missing:
            names = ", ".join(map(repr, missing))
            who = [other.name for other in facts.agents.values() if set(node.task.requires) <= set(other.skills)]
            yield CheckFinding(
                node.index,
                f"task {node.path!r} requires {names}, which {agent.name!r} does not have",
                hint=f"these agents have the skills: {', '.join(who[:3])}"
                if who
                else facts.guess(missing[0], agent.skills),
                evidence={"missing": [*missing], "agent": agent.name, "agents_with_skills": [*who[:10]]},
            )


@check(
    "GEN-ROUTE-STALE",
    "warning",
    finds="a route for a path that is not a leaf of the plan",
    remedy="route the plan again",
)
def stale_route(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find routes that were made for an earlier form of the plan."""
    paths = {node.path for node in facts.leaves}
    if paths >= facts.routes.keys() or facts.outline.as_run:
        return
    for path in facts.routes:
        if path not in paths:
            yield CheckFinding(
                None, f"there is a route for {path!r}, which is not a leaf of the plan", evidence={"path": path}
            )


@check(
    "GEN-PIN-CHANGED",
    "warning",
    finds="a leaf that is pinned to one agent and routed to another",
    remedy="route the plan again, or remove the pin",
)
def pin_changed(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find pins that the route does not follow."""
    if "agent" not in facts.given:
        return
    for node in facts.leaves:
        route, pin = facts.route_of[node.index], node.task.agent
        if pin is not None and route is not None and route.agent not in (None, pin):
            message = f"task {node.path!r} is pinned to {pin!r} and routed to {route.agent!r}"
            yield CheckFinding(node.index, message, evidence={"pin": pin, "agent": route.agent})


@check(
    "GEN-SUCCESS-LOW",
    "warning",
    finds="a leaf that is more likely to fail than to succeed, its retries included",
    remedy="allow retries, use another agent, or split the task",
)
def low_success(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find leaves whose agent fails more often than not."""
    for node, agent in facts.assigned:
        if agent.success_rate < _EVEN:
            chance = 1.0 - (1.0 - agent.success_rate) ** (count_retries(node.task) + 1)
            if chance < _EVEN:
                message = f"task {node.path!r} succeeds with a chance of {chance:.0%} on {agent.name!r}"
                yield CheckFinding(node.index, message, evidence={"chance": round(chance, 4), "agent": agent.name})


@check(
    "GEN-TYPE-GENERIC",
    "info",
    finds="leaves of the type `generic` without a skill or a pin, which are routed by their description alone",
    remedy="give them a type that an agent takes",
)
def generic_type(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Count the leaves whose route rests on their description alone, as one finding."""
    vague = [
        node.path
        for node in facts.leaves
        if node.task.type == _GENERIC and not (node.task.requires or node.task.agent or node.task.labels)
    ]
    if vague:
        message = f"{len(vague)} of {len(facts.leaves)} leaves have no type of their own: {', '.join(vague[:3])}"
        yield CheckFinding(None, message + (" …" if len(vague) > 3 else ""), evidence={"tasks": [*vague[:50]]})  # noqa: PLR2004
