"""How close a task's description is to what an agent says of itself.

BM25 (Robertson and Zaragoza, 2009) over stemmed words, from bm25s: an agent's name, description, types and skills are
its document, the task's description is the query. The weights are taken out of the index into one dictionary, so that
a look-up costs a microsecond or two and no array library is on the path of a single task.

Stemming, stop words and names split at their capitals are what helped when this was measured (`python -m
bench.routing`); n-grams of letters, pairs of words, repeated names and other BM25 parameters changed nothing that
counts. Words of another language match where an agent's own text has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from genesis.model import AgentProfile

__all__ = ["Reader", "Similarity"]

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
_DIGITS = 6
"""Weights are rounded, so that a platform's last bit decides nothing."""

_Entry = tuple[float, tuple[tuple[int, float], ...]]
"""The most that a word is worth, and the agents that have it, by position, with what it is worth there."""
_NOTHING: _Entry = (0.0, ())


class Similarity:
    """The agents' texts, indexed."""

    def __init__(self, agents: Sequence[AgentProfile]) -> None:
        self._stem = _stemmer()
        self._terms = _index([self._split(_document(agent)) for agent in agents])
        self._unknown = max((worth for worth, _ in self._terms.values()), default=1.0), ()

    def reader(self, only: Collection[int] | None = None) -> Reader:
        """Give a reader that compares texts with these agents, by position, or with all."""
        return Reader(self, only)

    def look_up(self, word: str) -> _Entry:
        """Look a lower-case word up.

        Returns:
            The word's entry. A word that no agent has is worth as much as the rarest one. Numbers are worth nothing.
        """
        if word in _STOP or word.isdigit():
            return _NOTHING
        return self._terms.get(self._stem(word), self._unknown)

    def _split(self, text: str) -> list[str]:
        return [self._stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP]


class Reader:
    """Compares texts with agents, and remembers the words it has seen; make one for each piece of work."""

    def __init__(self, index: Similarity, only: Collection[int] | None) -> None:
        self._seen = _Seen(index, only)

    def read(self, text: str) -> Mapping[int, float]:
        """Compare a text.

        Returns:
            Similarity in (0, 1] by the agent's position, for the agents that share a word with the text: how much of
            what the text's words are worth the agent covers.
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


class _Seen(dict[str, _Entry]):
    """Pieces of text between blanks, with what look-up gave for the words in them; taking them apart costs the most."""

    def __init__(self, index: Similarity, only: Collection[int] | None) -> None:
        super().__init__()
        self._index = index
        self._only = None if only is None else frozenset(only)

    def __missing__(self, piece: str) -> _Entry:
        if piece.isdigit():
            return _NOTHING
        words = (piece.lower(),) if piece.isalnum() else _WORD.findall(piece.lower())
        found = [self._index.look_up(word) for word in words]
        hits = [hit for _, hits in found for hit in hits if self._only is None or hit[0] in self._only]
        self[piece] = entry = (sum(worth for worth, _ in found), tuple(hits))
        return entry


def _document(agent: AgentProfile) -> str:
    name = _CAMEL.sub(" ", agent.name.removesuffix("_agent"))
    return " ".join((name, agent.description, *agent.task_types, *agent.skills))


def _stemmer() -> Callable[[str], str]:
    from Stemmer import Stemmer  # type: ignore[import-not-found]  # noqa: PLC0415 - a compiled module without types

    stem: Callable[[str], str] = Stemmer("english").stemWord
    return stem


def _index(documents: list[list[str]]) -> dict[str, _Entry]:
    """Index documents, and take the weight of each term in each document out of the index."""
    if not any(documents):
        return {}
    import bm25s  # type: ignore[import-untyped]  # noqa: PLC0415 - it imports numpy, the slowest thing here

    model = bm25s.BM25(method="lucene")
    model.index(documents, show_progress=False)
    weights = [round(weight, _DIGITS) for weight in model.scores["data"].tolist()]
    owners, starts = model.scores["indices"].tolist(), model.scores["indptr"].tolist()
    found: dict[str, _Entry] = {}
    for term, column in model.vocab_dict.items():
        start, end = (*starts[column : column + 2], 0)[:2]
        if start < end:
            found[term] = max(weights[start:end]), tuple(zip(owners[start:end], weights[start:end], strict=True))
    return found
