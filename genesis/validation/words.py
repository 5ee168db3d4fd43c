"""Content words of a plan, stemmed, so that two wordings of the same work can be compared.

The stemmer is Snowball's English one (Porter 2001); other languages pass through it almost unchanged, and since request
and tasks pass through the same one, equal words stay equal. What distinguishes tasks is not stemmed: numbers, versions,
file names, addresses, `C++`, and words that invert a meaning (`not`, `without`, `up`, `down`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

__all__ = ["WordAnalyzer", "split_words"]


def split_words(words: str) -> frozenset[str]:
    """Return the words of a list that is written as text with spaces between them."""
    return frozenset(words.split())


_TOKEN = re.compile(r"[^\W_]+(?:[.\-/:@'_&][^\W_]+)*[+#]*|[\U0001F000-\U0001FAFF]")
_DISTINCT = re.compile(r"[\d./:@_&+#]")
_STOP = split_words("""
    the an of for and to in by with at as this that these those its it our your their my his her be is are was were all
    any each every also so then new please will would should must can i we you
""")
_SAME = {
    "analyze": "analyse", "analysis": "analyse", "app": "application", "apps": "application", "auth": "authentication",
    "config": "configuration", "db": "database", "dev": "development", "doc": "documentation", "docs": "documentation",
    "e-mail": "email", "envs": "environment", "env": "environment", "info": "information", "infra": "infrastructure",
    "log-in": "login", "perf": "performance", "repo": "repository", "repos": "repository", "sign-up": "signup",
    "spec": "specification", "specs": "specification", "prod": "production",
}  # fmt: skip
_FOLDED = {
    "make": "create write make build develop implement add produce generate code program author construct",
    "check": "check verify validate confirm ensure",
    "study": "research investigate study explore",
    "mend": "fix repair resolve correct",
    "arrange": "configure setup",
    "judge": "review inspect examine assess evaluate audit analyse",
    "source": "codebase repository project code source",
    "fault": "problem issue bug defect error finding risk weakness flaw",
}
_FILLERS = """
    comprehensive thorough thoroughly detailed complete full entire whole proper properly carefully necessary required
    relevant appropriate various system feature functionality
"""
_MIN_WORDS = 2
"""A text that has fewer content words keeps its stop words, too."""


@cache
def _stemmer() -> Callable[[str], str]:
    import Stemmer  # type: ignore[import-not-found]  # noqa: PLC0415 - compiled, has no types, only needed here

    stem: Callable[[str], str] = Stemmer.Stemmer("english").stemWord
    return stem


def _stem(word: str) -> str:
    return _stemmer()(_SAME.get(word, word))


@cache
def _stems(words: str) -> frozenset[str]:
    """Stem a constant list; cached per process."""
    return frozenset(_stem(word) for word in words.split())


@cache
def _folds() -> dict[str, str]:
    return {_stem(word): group for group, words in _FOLDED.items() for word in words.split()}


class _Chunks(dict[str, tuple[str, ...]]):
    """The content words of what stands between two spaces, worked out when it is first met."""

    def __missing__(self, chunk: str) -> tuple[str, ...]:
        words = self[chunk] = _split(chunk)
        return words


def _split(chunk: str) -> tuple[str, ...]:
    """Split what stands between two spaces into content words."""
    if chunk == "A":
        return ("A",)  # the name of something, as in `module A`
    found: list[str] = []
    for token in _TOKEN.findall(chunk.casefold().replace("\u2019", "'")):
        word = token.removesuffix("'s")
        if word in _SAME:
            found.append(_stem(word))
        elif _DISTINCT.search(word):
            found.append(word)
        else:
            found.extend(_stem(part) for part in re.split(r"['\-]", word) if part not in _STOP and part != "a")
    return tuple(found)


class WordAnalyzer:
    """Turns text into content words; each distinct word of a plan is worked out once."""

    def __init__(self) -> None:
        self._chunks = _Chunks()
        self._folds = _folds()
        self._fillers = _stems(_FILLERS)
        self._changed = self._fillers | self._folds.keys()

    def stem(self, word: str) -> str:
        """Return the stem of one lower-case word."""
        return _stem(word)

    def stems(self, words: str) -> frozenset[str]:
        """Return the stems of words that are written with spaces between them; meant for lists in the source code."""
        return _stems(words)

    def content(self, text: str) -> tuple[str, ...]:
        """Return the content words of a text in order: lower case, stemmed, without articles and the like."""
        chunks = self._chunks
        found: list[str] = []
        for chunk in text.split():
            found += chunks[chunk]
        return tuple(found)

    def fold_words(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Fold verbs of one meaning (write, create, build) into one, and drop fillers where enough is left."""
        folds = self._folds
        if self._changed.isdisjoint(words):
            return words
        kept = [folds.get(word, word) for word in words if word not in self._fillers]
        return tuple(kept) if len(kept) >= _MIN_WORDS else tuple(folds.get(word, word) for word in words)
