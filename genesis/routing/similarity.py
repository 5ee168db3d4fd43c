"""Similarity of a task's description to an agent's profile.

BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) over the stems of Snowball's English
stemmer: an agent's name, description, types and skills are its document, the task's description is the query. The index
is one dictionary from a term to its weights, so that a look-up costs a microsecond or two.

A test compares the weights with those of the bm25s library. The library is not used because an index of a few
hundred terms is built faster than numpy is imported, and because it starts a thread for progress bars.

Stemming, stop words and splitting names at capitals improved the result when measured (`python -m
bench.routing`); n-grams of letters, pairs of words, repeated names and other BM25 parameters made no significant
difference. Words of other languages match if an agent's text has them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from genesis.model import AgentProfile

__all__ = ["Pieces", "Similarity", "SimilarityReader"]

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_STOP = frozenset(
    re.findall(
        "[a-z]+",
        "a am an and any are as at be been but by can could d did do does for from had has have how i if in into is it "
        "its ll m me my no not of on or our please re s she should so some such t than that the their them then there "
        "these they this to up us ve was we were what when where which who will with would you your",
    )
)
_K1 = 1.5
"""Saturation of term frequency; the usual value."""
_B = 0.75
"""Length normalisation; the usual value."""
_DIGITS = 6
"""Weights are rounded, so that the last bit of a platform's floats does not matter."""

_Entry = tuple[float, tuple[tuple[int, float], ...]]
"""The maximum weight of a word, and its weight for each agent that has it, by position."""
_NOTHING: _Entry = (0.0, ())


class Similarity:
    """The agents' texts, indexed."""

    def __init__(self, agents: Sequence[AgentProfile]) -> None:
        self._stem = _stemmer()
        self._terms = _index([self._split(_document(agent)) for agent in agents])
        self._unknown = max((worth for worth, _ in self._terms.values()), default=1.0), ()

    def reader(self, only: Collection[int] | None = None, pieces: Pieces | None = None) -> SimilarityReader:
        """Return a reader that compares texts with these agents, by position, or with all.

        Args:
            only: The agents.
            pieces: Cache shared by readers of the same texts, so that each piece is tokenized once.
        """
        return SimilarityReader(Pieces(self) if pieces is None else pieces, only)

    def pieces(self) -> Pieces:
        """Return an empty cache for readers to share."""
        return Pieces(self)

    def look_up(self, word: str) -> _Entry:
        """Look a lower-case word up.

        Returns:
            The word's entry. A word that no agent has weighs as much as the rarest one. Numbers have no weight.
        """
        if word in _STOP or word.isdigit():
            return _NOTHING
        return self._terms.get(self._stem(word), self._unknown)

    def _split(self, text: str) -> list[str]:
        return [self._stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP]


class SimilarityReader:
    """Compares texts with agents, and caches the words it has seen; create one per routing."""

    def __init__(self, pieces: Pieces, only: Collection[int] | None) -> None:
        self._seen = pieces if only is None else _Some(pieces, only)

    def read(self, text: str) -> Mapping[int, float]:
        """Compare a text.

        Returns:
            Similarity in (0, 1] by the agent's position, for the agents that share a word with the text: the share
            of the text's weight that the agent covers.
        """
        most = 0.0
        near: dict[int, float] = {}
        for worth, hits in map(self._seen.__getitem__, text.split()):
            most += worth
            for agent, weight in hits:
                near[agent] = near.get(agent, 0.0) + weight
        for agent in near:
            near[agent] /= most
        return near


class Pieces(dict[str, _Entry]):
    """Cache of pieces of text between blanks and their look-up results; tokenizing costs the most."""

    def __init__(self, index: Similarity) -> None:
        super().__init__()
        self._look_up = index.look_up

    def __missing__(self, piece: str) -> _Entry:
        words = (piece.lower(),) if piece.isalnum() else _WORD.findall(piece.lower())
        found = [self._look_up(word) for word in words]
        entry = (
            found[0] if len(found) == 1 else (sum([worth for worth, _ in found]), sum([hits for _, hits in found], ()))
        )
        self[piece] = entry
        return entry


class _Some(dict[str, _Entry]):
    """The same for some of the agents."""

    def __init__(self, pieces: Pieces, only: Collection[int]) -> None:
        super().__init__()
        self._pieces = pieces
        self._only = frozenset(only)

    def __missing__(self, piece: str) -> _Entry:
        entry = self._pieces[piece]
        if entry[1]:
            entry = entry[0], tuple([hit for hit in entry[1] if hit[0] in self._only])
        self[piece] = entry
        return entry


def _document(agent: AgentProfile) -> str:
    name = _CAMEL.sub(" ", agent.name.removesuffix("_agent"))
    return " ".join((name, agent.description, *agent.task_types, *agent.skills))


def _stemmer() -> Callable[[str], str]:
    from Stemmer import Stemmer  # type: ignore[import-not-found]  # noqa: PLC0415 - a compiled module without types

    stem: Callable[[str], str] = Stemmer("english").stemWord
    return stem


def _index(documents: Sequence[Sequence[str]]) -> dict[str, _Entry]:
    """Compute the BM25 weight of each term in each document, in Lucene's variant."""
    average = sum(map(len, documents)) / max(1, len(documents))
    lengths = [_K1 * (1.0 - _B + _B * len(document) / average) for document in documents if average]
    owners: dict[str, list[tuple[int, int]]] = {}
    for position, document in enumerate(documents):
        for term, count in Counter(document).items():
            owners.setdefault(term, []).append((position, count))
    found: dict[str, _Entry] = {}
    for term, rows in owners.items():
        rarity = math.log(1.0 + (len(documents) - len(rows) + 0.5) / (len(rows) + 0.5))
        hits = tuple([(owner, round(rarity * count / (count + lengths[owner]), _DIGITS)) for owner, count in rows])
        found[term] = max([weight for _, weight in hits]), hits
    return found
