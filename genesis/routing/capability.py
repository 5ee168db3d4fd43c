"""Which tasks each agent can take, and its fit apart from the task's description and the load.

The fit of a capable agent is a weighted sum of parts in [0, 1]:

| part | weight | 1 means |
|---|---|---|
| type | 0.35 | the task's type is the first of the agent's list; 0.7 the last; 0 not in it |
| description | 0.25 | the agent's words cover all of the task's |
| success | 0.20 | it always succeeds |
| cost | 0.10 | it is free; 0 is the price of the dearest agent of the registry |
| load | 0.10 | nothing is assigned to it yet, compared with the others that could take the task |

Skills and resources are not a part: an agent without one of them cannot take the task at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from genesis.model import AgentCost, AgentProfile, Alternative, Registry, Resources, Route
from genesis.model.resources import find_lacking
from genesis.routing.rules import GENERIC, RuleBook, TypedRule
from genesis.routing.similarity import Pieces, Similarity, SimilarityReader

__all__ = ["DESCRIPTION_WEIGHT", "LOAD_WEIGHT", "Group", "Team"]

DESCRIPTION_WEIGHT = 0.25
"""Weight of the similarity of the descriptions. The weights add up to 1."""
LOAD_WEIGHT = 0.10
"""Weight of how many leaves the agent has already."""
_TYPE_WEIGHT = 0.35
"""Weight of how early the agent lists the task's type."""
_SUCCESS_WEIGHT = 0.20
"""Weight of the agent's success rate."""
_COST_WEIGHT = 0.10
"""Weight of its price compared with the dearest."""
_LAST_TYPE = 0.7
"""Fit of the last of an agent's task types; the first has 1."""
_TOKENS = 1_000
"""Assumed tokens of a task without an estimate; used only to compare token prices."""


@dataclass(slots=True)
class Group:
    """What all tasks of one type that require the same skills and resources have in common."""

    type: str
    requires: tuple[str, ...]
    resources: Resources | None
    """What they need of the agent."""
    fit: dict[int, float]
    """For each candidate, its score when it is idle and the description matches nothing."""
    takers: tuple[int, ...]
    """Agents that list the type, and have the skills and resources."""
    skilled: tuple[int, ...]
    """Agents that have the skills and resources, regardless of their types."""
    rules: tuple[TypedRule, ...]
    """Rules that can fire and whose agent has the skills, without the default."""
    default: TypedRule | None
    """The rule for generic tasks whose description matches nothing."""
    reader: SimilarityReader
    """Compares descriptions with the candidates."""
    texts: dict[object, str] = field(default_factory=dict)
    """Sentences already made."""
    beside: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """For an agent that a rule or a pin decided on: it and the takers."""
    nobody: Route | None = None
    """The route of its tasks when no agent takes them."""
    alternatives: dict[tuple[int, int, str], Alternative] = field(default_factory=dict)
    """Cached runners-up, by position, displayed score, and what decided against a higher score."""
    routes: dict[object, Route] = field(default_factory=dict)
    """Routes already written."""


class Team:
    """The agents of a registry, indexed by what they can do."""

    def __init__(self, registry: Registry) -> None:
        self.agents: Sequence[AgentProfile] = registry.agents
        self.position = {agent.name: index for index, agent in enumerate(registry.agents)}
        self.by_type: dict[str, list[int]] = {}
        for index, agent in enumerate(registry.agents):
            for task_type in dict.fromkeys(agent.task_types):
                self.by_type.setdefault(task_type, []).append(index)
        self.paid_for_tokens = any(
            cost.usd_per_1k_tokens for agent in registry.agents for cost in (agent.cost, *agent.costs.values())
        )
        self._prices: dict[int, float] = {}
        self._rules = RuleBook(registry.rules, self.position)
        self._similarity = Similarity(registry.agents)

    @cached_property
    def skills(self) -> dict[str, list[int]]:
        """Positions of the agents that have each skill."""
        found: dict[str, list[int]] = {}
        for index, agent in enumerate(self.agents):
            for skill in dict.fromkeys(agent.skills):
                found.setdefault(skill, []).append(index)
        return found

    def pieces(self) -> Pieces:
        """Return an empty cache of descriptions for the groups of one routing."""
        return self._similarity.pieces()

    def group(
        self,
        task_type: str,
        requires: tuple[str, ...],
        tokens: int | None,
        pieces: Pieces,
        resources: Resources | None = None,
    ) -> Group:
        """Find the agents that can take tasks of a type with these skills and resources.

        Args:
            task_type: The tasks' type.
            requires: Skills that the agent must have, all of them.
            tokens: Estimated tokens of each task, for agents that are paid for tokens.
            pieces: Cache of descriptions.
            resources: What the agent must offer.
        """
        skilled = self._find_skilled(requires)
        if resources is not None:
            skilled = tuple(each for each in skilled if not find_lacking(resources, self.agents[each].resources))
        able = frozenset(skilled)
        rules = tuple(rule for rule in self._rules.for_type(task_type) if rule.agent in able)
        takers = tuple(index for index in self.by_type.get(task_type, ()) if index in able)
        asked = skilled if task_type == GENERIC else tuple(sorted({*takers, *(rule.agent for rule in rules)}))
        return Group(
            type=task_type,
            requires=requires,
            resources=resources,
            fit=self._fit(task_type, asked, tokens or _TOKENS),
            takers=takers,
            skilled=skilled,
            rules=tuple(rule for rule in rules if not rule.default),
            default=next((rule for rule in rules if rule.default), None),
            reader=self._similarity.reader(asked, pieces),
        )

    def _find_skilled(self, requires: tuple[str, ...]) -> tuple[int, ...]:
        if not requires:
            return tuple(range(len(self.agents)))
        have = [frozenset(self.skills.get(skill, ())) for skill in requires]
        return tuple(sorted(frozenset.intersection(*have)))

    def _fit(self, task_type: str, asked: Sequence[int], tokens: int) -> dict[int, float]:
        dearest = self._dearest(tokens)
        found: dict[int, float] = {}
        for index in asked:
            agent = self.agents[index]
            price = _price(agent.cost_for(task_type), tokens)
            found[index] = (
                _TYPE_WEIGHT * _type_fit(agent, task_type)
                + _SUCCESS_WEIGHT * agent.success_rate
                + _COST_WEIGHT * (1.0 - min(1.0, price / dearest) if dearest else 1.0)
                + LOAD_WEIGHT
            )
        return found

    def _dearest(self, tokens: int) -> float:
        """Return the highest price of a task in this registry."""
        if tokens not in self._prices:
            self._prices[tokens] = max((_price(agent.cost, tokens) for agent in self.agents), default=0.0)
        return self._prices[tokens]


def _type_fit(agent: AgentProfile, task_type: str) -> float:
    """Return 1 for the first type of the agent's list, falling evenly to the last."""
    types = tuple(dict.fromkeys(agent.task_types))
    if task_type not in types:
        return 0.0
    behind = types.index(task_type) / max(1, len(types) - 1)
    return 1.0 - (1.0 - _LAST_TYPE) * behind


def _price(cost: AgentCost, tokens: int) -> float:
    if cost.usd_per_task is not None:
        return float(cost.usd_per_task)
    return float(cost.usd_per_1k_tokens or 0) * tokens / 1000
