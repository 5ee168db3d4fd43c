"""Lists in a text: numbered, lettered or bulleted lines, steps numbered within a line, and one command a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from genesis.planning.intent import is_command
from genesis.planning.sentences import TextSpan
from genesis.planning.words import is_verb, strip_polite, word_set, words

__all__ = ["Block", "Item", "blocks"]

_ITEM = re.compile(
    r"""^(?P<indent>[ \t]*)
    (?: \(?(?P<number>\d{1,3})[.):](?=\s)
      | (?:\*\*)?(?:step|task|phase|schritt|étape|paso)\ ?(?P<step>\d{1,3})(?:\*\*)?\s*[:.)\-\u2013]
      | \(?(?P<letter>[a-zA-Z])\)(?=\s) | (?P<bullet>[-*•‣\u2013\u2014·+])(?=\s) )
    \s*(?:\[[ xX]?\]\s+)?(?P<text>\S.*)$""",
    re.VERBOSE | re.IGNORECASE,
)

_INLINE = tuple(
    re.compile(rf"(?<!\S){mark}\s+", re.IGNORECASE)
    for mark in (
        r"\(?(?P<number>\d{1,2})[.)]",
        r"(?:step|task|phase)\s+(?P<number>\d{1,2})\s*[:.)\-\u2013]",
        r"(?P<number>\d{1,2}):",
        r"(?P<bare>\d{1,2})\s+[-\u2013]",
        r"#(?P<bare>\d{1,2})[:.)]?",
        r"\(?(?P<letter>[a-z])[.)]",
        r"\(?(?P<roman>i{1,3}|iv|vi{0,3}|ix|x)[.)]",
        *(rf"(?P<bullet>{re.escape(bullet)})" for bullet in "-*•‣·\u2013\u2014+"),
    )
)
"""Marks of the entries of a list within a paragraph, one expression for each way to write them."""
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_COUNTED = word_set(
    """
    version versions release releases section sections chapter chapters page pages part parts level levels type types
    figure table item items line lines row column day week month year room option options plan plans node number no v
    appendix article paragraph point points question issue ticket grade class group tier stage round season volume
    python java django node.js ruby php go rust angular react vue
    """
)
"""Words after which a number or a letter names one of several things and begins no entry."""
_EMPTY = word_set("please do all the of this these following steps things tasks")
"""Words before a list that ask for nothing besides it."""
_DATED = word_set(
    """
    january february march april may june july august september october november december januar februar märz mai juni
    juli oktober dezember
    """
)
_GOES_ON = word_set("of in to with using from for and or by on at as is are was were holds that which than")
"""Words that continue with a sentence after a reference such as "(1)"."""
_BOUNDARY = re.compile(r"(?:^|[.:;,!?\n)\u2013\u2014-])\s*(?:(?:and|or|then|finally)\s+)?$", re.IGNORECASE)

_UNFINISHED = re.compile(r"(?:,|\b(?:and|or|the|a|to|of|for|with))$", re.IGNORECASE)


@dataclass(slots=True)
class Item:
    """One entry of a list."""

    span: TextSpan
    label: str
    """Its number or letter; empty for a bullet."""
    indent: int
    children: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Block:
    """A stretch of prose, or a list with the line that introduces it."""

    prose: TextSpan | None = None
    items: list[Item] = field(default_factory=list)
    ordered: bool = False
    """Whether its entries are numbered or lettered."""
    header: str = ""
    """The line before the list, when it ends in a colon."""


def blocks(span: TextSpan) -> list[Block]:
    """Cut a text into prose and lists, in order."""
    found = _lines(span)
    listed = [block.items for block in found if block.items]
    if sum(map(len, listed)) <= 1 and (inline := _inline(span)):
        return inline
    if not listed and (commands := _command_lines(span)):
        return [commands]
    return _with_headers(found)


def _lines(span: TextSpan) -> list[Block]:
    """Group lines into lists and the prose between them."""
    found: list[Block] = []
    start = 0
    for line in span.text.splitlines(keepends=True):
        end = start + len(line)
        match = _ITEM.match(line.rstrip())
        if match and not set(span.mask[start : start + match.start("text")]) & {"\ue000"}:
            item = _item(span, start, match)
            if not found or not found[-1].items:
                found.append(Block(ordered=bool(item.label)))
            found[-1].items.append(item)
        elif found and found[-1].items and line.strip() and (line[0].isspace() or not _blank_before(span, start)):
            last = found[-1].items[-1]
            last.span = TextSpan(f"{last.span.text} {line.strip()}", f"{last.span.mask} {span.cut(start, end).mask}")
        elif line.strip() or (found and found[-1].prose is not None):
            _extend_prose(found, span, start, end)
        start = end
    for block in found:
        if block.prose is not None:
            block.prose = block.prose.cut(0, len(block.prose.text))
        block.items = _nest_items(block.items)
    return found


def _item(span: TextSpan, start: int, match: re.Match[str]) -> Item:
    label = match["number"] or match["step"] or match["letter"] or ""
    text = span.cut(start + match.start("text"), start + match.end("text"))
    return Item(text, label, len(match["indent"].expandtabs(4)))


def _blank_before(span: TextSpan, start: int) -> bool:
    return span.text[:start].endswith("\n\n") or span.text[:start].rstrip(" \t").endswith("\n\n")


def _extend_prose(found: list[Block], span: TextSpan, start: int, end: int) -> None:
    piece = TextSpan(span.text[start:end], span.mask[start:end])
    if found and found[-1].prose is not None:
        before = found[-1].prose
        found[-1].prose = TextSpan(before.text + piece.text, before.mask + piece.mask)
    else:
        found.append(Block(prose=piece))


def _nest_items(items: list[Item]) -> list[Item]:
    """Put items that are indented deeper under the one before them."""
    top: list[Item] = []
    open_items: list[Item] = []
    for item in items:
        while open_items and open_items[-1].indent >= item.indent:
            open_items.pop()
        (open_items[-1].children if open_items else top).append(item)
        open_items.append(item)
    return top


def _with_headers(found: list[Block]) -> list[Block]:
    """Move a last prose line that ends in a colon into the list that it introduces."""
    kept: list[Block] = []
    for block in found:
        if block.items and kept and kept[-1].prose is not None:
            prose = kept[-1].prose
            if prose.text.endswith(":"):
                cut = max(prose.mask.rfind(mark) for mark in (". ", "! ", "? ", "\n"))
                block.header = prose.text[cut + 1 :].strip()
                kept[-1].prose = prose.cut(0, cut + 1)
                if not kept[-1].prose:
                    kept.pop()
        kept.append(block)
    return kept


def _inline(span: TextSpan) -> list[Block]:
    """Find a list within a paragraph: numbers, letters or bullets between words. The one that begins first counts."""
    series = [found for expression in _INLINE if (found := _series(span, expression))]
    if not series:
        return []
    marks = min(series, key=lambda found: found[0].start())
    before = span.cut(0, marks[0].start())
    is_bulleted = "bullet" in marks[0].re.groupindex
    labels = [""] * len(marks) if is_bulleted else [str(index) for index in range(1, len(marks) + 1)]
    items = [Item(item, label, 0) for item, label in zip(_between(span, marks), labels, strict=True)]
    if not all(item.span.text.strip() for item in items):
        return []
    block = Block(items=items, ordered=not is_bulleted)
    if before.text.endswith(":"):
        block.header = before.text
    elif before and not set(words(before.text)) <= _EMPTY:
        return [Block(prose=before), block]
    return [block]


def _series(span: TextSpan, expression: re.Pattern[str]) -> list[re.Match[str]]:
    """Find the marks of one list: counted from the first on, and each before something to do."""
    marks: list[re.Match[str]] = []
    for match in expression.finditer(span.mask):
        label = _label(match)
        if label is None or (label == len(marks) + 1 and not _is_counted(span, match)):
            marks.append(match)
    if len(marks) <= 1:
        return []
    items = _between(span, marks)
    if not all(item.text[:1].isalpha() or item.text[:1] in "\"'`\u201c(" for item in items):
        return []
    if any(words(item.text)[:1] and words(item.text)[0] in _DATED for item in items):
        return []
    begins = [_BOUNDARY.search(span.mask[: mark.start()]) is not None for mark in marks]
    commands = all(is_command(item.text) for item in items)
    if "bullet" in expression.groupindex:  # a dash between words is rarely a bullet
        introduced = span.mask[: marks[0].start()].rstrip()[-1:] in ("", ":")
        return marks if introduced else []
    if "bare" in expression.groupindex:
        return marks if commands else []
    if commands or all(begins):
        return marks
    enclosed = all(mark[0].startswith("(") and _label(mark) for mark in marks)
    return marks if enclosed and not any(words(item.text)[0] in _GOES_ON for item in items if words(item.text)) else []


def _label(match: re.Match[str]) -> int | None:
    """Return the place in its list that a mark names; None for a bullet."""
    (kind,) = match.re.groupindex
    said = match[kind].lower()
    if kind == "letter":
        return ord(said) - ord("a") + 1
    if kind == "roman":
        return _ROMAN.index(said) + 1
    return None if kind == "bullet" else int(said)


def _is_counted(span: TextSpan, match: re.Match[str]) -> bool:
    """Whether a mark belongs to the word before it: "version 1.", "Type 2)"."""
    before = span.text[: match.start()].rstrip()
    last = words(before.rpartition(" ")[2])
    return bool(last) and before[-1].isalnum() and last[-1] in _COUNTED


def _between(span: TextSpan, marks: Sequence[re.Match[str]]) -> list[TextSpan]:
    ends = [match.start() for match in marks[1:]] + [len(span.text)]
    return [_without_comma(span.cut(match.end(), end)) for match, end in zip(marks, ends, strict=True)]


def _without_comma(span: TextSpan) -> TextSpan:
    text = re.sub(r"[,;]?\s*(?:\band\b|\bor\b|\bthen\b)?\s*$", "", span.text)
    return span.cut(0, len(text)) if text else span


def _command_lines(span: TextSpan) -> Block | None:
    """Take two lines or more that each begin with a verb as a list."""
    items: list[Item] = []
    start = 0
    for line in span.text.splitlines(keepends=True):
        piece = span.cut(start, start + len(line))
        start += len(line)
        if not piece:
            continue
        first = words(strip_polite(piece.text))[:1]
        wrapped = items and (
            piece.text[0].isupper() != items[0].span.text[0].isupper() or _UNFINISHED.search(items[-1].span.text)
        )
        if not first or not is_verb(first[0]) or wrapped:
            return None
        items.append(Item(piece, "", 0))
    return Block(items=items) if len(items) > 1 else None
