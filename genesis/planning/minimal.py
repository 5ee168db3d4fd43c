"""The plan of last resort: one generic task, or the sentences of the request one after the other."""

from __future__ import annotations

import re

from genesis.model import Plan, PlannerLevel, Task
from genesis.planning.naming import slug, unique
from genesis.planning.planner import PlanningContext
from genesis.planning.sentences import mask, sentences

__all__ = ["MinimalPlanner"]

_TELLS = re.compile(
    r"""^(?:i|i['\u2019](?:m|ve|d|ll)|we|we['\u2019](?:re|ve)|my|our|you|he|she|they|it|it['\u2019]s|there|this|that|these|those|the|a|an
    |as|since|because|if|when|given|ich|wir|mein\w*|unser\w*|es|das|der|die|je|j['\u2019]ai|nous|mon|ma|notre|il|elle|yo|mi|mis
    |nosotros|nuestr\w*|tengo|el|la|io|mio|noi|abbiamo|ho)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Beginnings of sentences that describe a situation rather than ask for something."""


class MinimalPlanner:
    """Plans any request, because it does not interpret its words.

    Several sentences that each may be an instruction become a chain, which is the order that is safe for all languages.
    A text that describes a situation, asks a question or has too many sentences stays one task.
    """

    level: PlannerLevel = "minimal"

    def plan(self, request: str, context: PlanningContext) -> Plan:
        """Make a plan of one task, or of one per sentence."""
        parts = [sentence.text for sentence in sentences(mask(request))]
        whole = not 1 < len(parts) <= min(context.limits.fan_out, context.limits.leaves)
        if whole or any(_TELLS.match(part) or part.endswith(("?", "\uff1f", ":")) for part in parts):
            parts = [request]
        names: list[str] = []
        for part in parts:
            names.append(unique(slug(part, "task"), names))
        tasks = tuple(
            Task(id=name, description=part, depends_on=tuple(names[index - 1 : index]))
            for index, (name, part) in enumerate(zip(names, parts, strict=True))
        )
        note = "one task for the whole request" if len(tasks) == 1 else f"the request's {len(tasks)} sentences in order"
        return Plan(request=request, tasks=tasks, planner=self.level, planner_note=note, vars=dict(context.vars))
