"""Split a text into sentences; dots that do not end a sentence are ignored.

What must stay whole (quoted text, code, URLs, paths, file names, decimals, abbreviations) is masked first: each of its
characters is replaced, so that positions stay the same and the cutting rules see no punctuation there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["TextSpan", "mask", "sentences"]

MASKED = "\ue000"
"""A private-use character, which no rule looks for."""

_WHOLE = re.compile(
    r"""
      ```.*?(?:```|\Z)                                         # fenced code
    | `[^`\n]+`                                                # code
    | "[^"\n]{1,400}" | “[^”\n]{1,400}” | «[^»\n]{1,400}» | „[^“”\n]{1,400}[“”]
    | (?<![^\s(\[{=:,])'[^'\n]{1,200}'(?![^\W_])               # a quote, not an apostrophe
    | (?<![^\s(\[])\u2018[^\u2019\n]{1,200}\u2019(?![^\W_])
    | \b[a-zA-Z][a-zA-Z0-9+.\-]{1,15}://[^\s<>"']*[^\s<>"'.,;:!?)\]]
    | [\w.+\-]{1,64}@[\w\-]+(?:\.[\w\-]+)+
    | (?<![\w/.\-])(?:[\w\-]+/)+[\w\-]+(?:\.[A-Za-z0-9_]+)+    # a path to a file
    | (?<![\w/.])(?:~|\.{1,2})?/[\w.@%+~/\-]*[\w/]             # a path
    | (?<!\S)\.{1,2}(?=[,;:!?)]*(?:\s|$))                      # this folder, the one above
    | \b(?:e\.g|i\.e|a\.k\.a|a\.m|p\.m|cf|vs|approx|resp|incl|excl|est|fig|no|vol|dept|dr|mr|mrs|ms|prof|inc|ltd|corp
        |co|st|jr|sr|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|bzw|usw|d\.h|z\.b)\.(?=,|\s+[a-z0-9]|\s*[,;)])
    | \b(?:dr|mr|mrs|ms|prof|st|e\.g|i\.e|vs)\.
    | \betc\.(?=\s*[a-z,;)])
    | \b(?:[A-Za-z]\.){2,} | (?-i:\b(?:[A-Z]\.\s){2,}(?=[A-Z]))
    | (?<![\w.])\d{1,2}\.\s(?=(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zä]*\b)   # a date
    | (?<!\d)\d+(?:[.,:]\d+)+
    | (?<![\w\-])\w[\w\-]*(?:\.[A-Za-z0-9_]+)+\b                        # a file name, a host, a version
    | \b(?:R&D|Q&A|M&A|A/B)\b
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)

_END = re.compile(r"[.!?…]+[\"'”\u2019)\]]*(?=\s|$)|[。\uff01\uff1f]+|\n\s*\n")


_SENTENCE_STARTS = re.compile(r"\s+(?=[A-Z\d])|\s*$")


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A piece of a text together with its mask, both of the same length."""

    text: str
    mask: str

    def cut(self, start: int, end: int) -> TextSpan:
        """Take a part out, without white space at its ends."""
        while start < end and self.text[start].isspace():
            start += 1
        while end > start and self.text[end - 1].isspace():
            end -= 1
        return TextSpan(self.text[start:end], self.mask[start:end])

    def collapse_spaces(self) -> TextSpan:
        """Make each run of white space outside of what is masked one space."""
        kept = [
            index
            for index, character in enumerate(self.mask)
            if not (character.isspace() and index and self.mask[index - 1].isspace())
        ]
        text = "".join(" " if self.mask[index].isspace() else self.text[index] for index in kept)
        return TextSpan(text, "".join(" " if self.mask[index].isspace() else self.mask[index] for index in kept))

    def __bool__(self) -> bool:
        return bool(self.text)


def mask(text: str) -> TextSpan:
    """Mask what must stay whole; a quote that ends a sentence keeps its final mark."""

    def mask_match(match: re.Match[str]) -> str:
        whole = match[0]
        if whole[-1] in "\"'”\u2019»" and whole[-2] in ".!?" and _SENTENCE_STARTS.match(text, match.end()):
            return MASKED * (len(whole) - 2) + whole[-2:]
        return MASKED * len(whole)

    return TextSpan(text, _WHOLE.sub(mask_match, text))


def sentences(span: TextSpan) -> list[TextSpan]:
    """Cut at the ends of sentences and at blank lines; each keeps its final mark."""
    found: list[TextSpan] = []
    start = 0
    for match in _END.finditer(span.mask):
        found.append(span.cut(start, match.end()))
        start = match.end()
    found.append(span.cut(start, len(span.text)))
    return [sentence for sentence in found if any(character.isalnum() for character in sentence.text)]
