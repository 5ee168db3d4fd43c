"""The words that a model may choose from: the types and skills that the registry's agents have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from genesis.model import AgentProfile

__all__ = ["MOST_CHOICES", "RegistryVocabulary"]

MOST_CHOICES = 100
"""Maximum number of words offered as a closed choice; beyond it answers are mapped to the closest word."""

_CUTOFF = 0.8
"""Similarity at which a word of the model counts as one of the registry's (difflib's ratio)."""
_GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class RegistryVocabulary:
    """Known types and skills, in the registry's order."""

    types: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    skills_by_type: Mapping[str, tuple[frozenset[str], ...]] = field(default_factory=dict)
    """For each type the skill sets of the agents that take it; empty where the agents are not known."""

    @classmethod
    def of(cls, types: Iterable[str], skills: Iterable[str], agents: Iterable[AgentProfile] = ()) -> RegistryVocabulary:
        """Gather the words, and from the agents which skills go with which type."""
        together: dict[str, list[frozenset[str]]] = {}
        for agent in agents:
            for kind in agent.task_types:
                together.setdefault(kind, []).append(frozenset(agent.skills))
        return cls(
            tuple(dict.fromkeys(types)),
            tuple(dict.fromkeys(skills)),
            {kind: tuple(sets) for kind, sets in together.items()},
        )

    def type_for(self, word: str) -> str:
        """Return the known type that a word means, or `generic`."""
        return self._match_word(word, self.types) or _GENERIC

    def skills_for(self, kind: str, words: Iterable[str]) -> tuple[str, ...]:
        """Return the known skills that words mean, limited to those that one agent of the type has together."""
        known = tuple(dict.fromkeys(filter(None, (self._match_word(word, self.skills) for word in words))))
        sets = self.skills_by_type.get(kind)
        if sets is None:
            return () if self.skills_by_type else known
        best = max(sets, key=lambda held: sum(skill in held for skill in known))
        return tuple(skill for skill in known if skill in best)

    @staticmethod
    def _match_word(word: str, words: tuple[str, ...]) -> str:
        if word in words:
            return word
        plain = {_plain(known): known for known in reversed(words)}
        wanted = _plain(word[:80])
        if wanted in plain:
            return plain[wanted]
        found = get_close_matches(wanted, plain, n=1, cutoff=_CUTOFF) if wanted else []
        return plain[found[0]] if found else ""


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())
