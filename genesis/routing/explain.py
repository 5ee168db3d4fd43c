"""Explain in one sentence why a leaf was routed to its agent."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Iterable, Sequence

from genesis.document import close_matches
from genesis.model import AgentProfile
from genesis.model.resources import find_lacking
from genesis.routing.capability import Group, Team
from genesis.routing.rules import GENERIC

__all__ = [
    "although",
    "by_capability",
    "by_description",
    "by_pin",
    "describe_outranked",
    "describe_refused_pin",
    "nobody",
    "parse_decision",
    "runner_up",
]

_NAMED = 3
"""Agents that one reason names."""
_PIN, _POINTS = "the plan asks for", "the description points at"
_RULE = re.compile(r"""rule ('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?:: | sends it to )""")


def by_pin(agent: AgentProfile) -> str:
    """Explain a pin that was honoured."""
    return f"{_PIN} {agent.name}"


def parse_decision(reason: str) -> tuple[str, str | None]:
    """Classify a route's reason for metrics: `pin`, `rule`, `description` or `capability`.

    Returns:
        The class, and the id of the rule if one decided. A reason written by a person counts as capability.
    """
    if (match := _RULE.match(reason)) is not None:
        return "rule", str(literal_eval(match[1]))
    if reason.startswith(_PIN):
        return "pin", None
    return ("description" if reason.startswith(_POINTS) else "capability"), None


def by_description(agent: AgentProfile) -> str:
    """Explain a generic task whose words point at an agent."""
    return f"{_POINTS} {agent.name}"


def by_capability(team: Team, group: Group, agent: int, fittest: int, *, of: int) -> str:
    """Explain the best score.

    Args:
        team: The agents.
        group: The task's group.
        agent: The chosen agent.
        fittest: The agent that would have been chosen if all were idle.
        of: Number of capable agents.
    """
    if fittest != agent:
        return f"{_able('takes', group)}; {team.agents[fittest].name} fits better but already has more to do"
    if of == 1:
        return f"the only agent that {_able('takes', group)}"
    return f"best of {of} that {_able('take', group)} (success rate {team.agents[agent].success_rate:.2f})"


def runner_up(team: Team, group: Group, agent: int) -> str:
    """Describe an alternative."""
    return f"{_able('takes', group)}; success rate {team.agents[agent].success_rate:.2f}"


def although(reason: str, higher: Sequence[str]) -> str:
    """Add the agents that score higher to a reason other than the score."""
    return f"{reason} (although {_format_words(higher)} {'scores' if len(higher) == 1 else 'score'} higher)"


def describe_outranked(offer: str, decision: str) -> str:
    """Add to an alternative with a higher score why it was not chosen."""
    return f"{offer}; scores higher, but: {decision}"


def nobody(team: Team, group: Group) -> str:
    """Explain why no agent takes a leaf, with a hint."""
    if not team.agents:
        return "the registry has no agent"
    lacking = [skill for skill in group.requires if skill not in team.skills]
    if lacking:
        return _sentence(f"no agent has the skill {lacking[0]!r}", close_matches(lacking[0], team.skills))
    if group.type != GENERIC and group.type not in team.by_type:
        return _sentence(f"no agent takes the type {group.type!r}", close_matches(group.type, team.by_type))
    if group.resources is not None and (text := _describe_lacking(team, group)):
        return text
    if not group.requires:
        return "no agent takes the type 'generic', and the description points at none; give the task a type"
    if not group.skilled:
        return f"no agent has all of the {_skills(group.requires)}"
    able = _format_words(team.agents[index].name for index in group.skilled)
    return f"no agent that takes {group.type!r} has the {_skills(group.requires)}; not taking it, but with it: {able}"


def _describe_lacking(team: Team, group: Group) -> str:
    """Explain that the agents which could take a task lack resources; empty where that is not the reason."""
    takes = [agent for agent in team.agents if group.type == GENERIC or group.type in agent.task_types]
    able = [agent for agent in takes if set(group.requires) <= set(agent.skills)]
    lacking = {agent.name: find_lacking(group.resources, agent.resources) for agent in able}
    if not all(lacking.values()):
        return ""
    what = _format_words(f"{name} lacks {' and '.join(each)}" for name, each in lacking.items())
    return f"no agent that {_able('takes', group)} offers its resources: {what}" if able else ""


def describe_refused_pin(team: Team, group: Group, name: str) -> str:
    """Explain why a pin was not honoured."""
    position = team.position.get(name)
    if position is None:
        guess = close_matches(name, team.position)
        return _sentence(f"the plan asks for {name!r}, which does not exist", guess)
    missing = [skill for skill in group.requires if skill not in team.agents[position].skills]
    if missing:
        return f"the plan asks for {name}, which does not have the {_skills(missing)}"
    if lacking := find_lacking(group.resources, team.agents[position].resources):
        return f"the plan asks for {name}, which does not offer {' and '.join(lacking)}"
    return f"the plan asks for {name}, which does not take the type {group.type!r}"


def _able(takes: str, group: Group) -> str:
    """Describe what the agents of a group can do, for one (`takes`) or for several (`take`)."""
    what = f"{takes} {group.type!r}"
    return (
        f"{what} and {'has' if takes == 'takes' else 'have'} the {_skills(group.requires)}" if group.requires else what
    )


def _skills(names: Sequence[str]) -> str:
    return f"{'skill' if len(names) == 1 else 'skills'} {_format_words(map(repr, names))}"


def _format_words(words: Iterable[str]) -> str:
    names = list(words)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _sentence(what: str, guess: str) -> str:
    return f"{what}; {guess}" if guess else what
