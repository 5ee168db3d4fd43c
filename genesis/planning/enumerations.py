"""Lists in a text: numbered, lettered or bulleted lines, steps numbered within a line, and one command a line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from genesis.planning.sentences import Span
from genesis.planning.words import is_verb, strip_polite, words

__all__ = ["Block", "Item", "blocks"]

_ITEM = re.compile(
    r"""^(?P<indent>[ \t]*)
    (?: \(?(?P<number>\d{1,3})[.):](?=\s)
      | (?:\*\*)?(?:step|task|phase|schritt|étape|paso)\ ?(?P<step>\d{1,3})(?:\*\*)?\s*[:.)\-\u2013]
      | \(?(?P<letter>[a-zA-Z])\)(?=\s) | (?P<bullet>[-*•‣\u2013\u2014·+])(?=\s) )
    \s*(?:\[[ xX]?\]\s+)?(?P<text>\S.*)$""",
    re.VERBOSE | re.IGNORECASE,
)

_INLINE = re.compile(r"(?<!\S)(?:\((\d{1,2})\)|(\d{1,2})[.)]|step\s+(\d{1,2})\s*[:.)\-\u2013])\s+", re.IGNORECASE)

_UNFINISHED = re.compile(r"(?:,|\b(?:and|or|the|a|to|of|for|with))$", re.IGNORECASE)


@dataclass(slots=True)
class Item:
    """One entry of a list."""

    span: Span
    label: str
    """Its number or letter; empty for a bullet."""
    indent: int
    children: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Block:
    """A stretch of prose, or a list with the line that introduces it."""

    prose: Span | None = None
    items: list[Item] = field(default_factory=list)
    ordered: bool = False
    """Whether its entries are numbered or lettered."""
    header: str = ""
    """The line before the list, when it ends in a colon."""


def blocks(span: Span) -> list[Block]:
    """Cut a text into prose and lists, in order."""
    found = _lines(span)
    if not any(block.items for block in found):
        inline = _inline(span)
        if inline:
            return inline
        if commands := _command_lines(span):
            return [commands]
    return _with_headers(found)


def _lines(span: Span) -> list[Block]:
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
            last.span = Span(f"{last.span.text} {line.strip()}", f"{last.span.mask} {span.cut(start, end).mask}")
        elif line.strip() or (found and found[-1].prose is not None):
            _extend_prose(found, span, start, end)
        start = end
    for block in found:
        if block.prose is not None:
            block.prose = block.prose.cut(0, len(block.prose.text))
        block.items = _nested(block.items)
    return found


def _item(span: Span, start: int, match: re.Match[str]) -> Item:
    label = match["number"] or match["step"] or match["letter"] or ""
    text = span.cut(start + match.start("text"), start + match.end("text"))
    return Item(text, label, len(match["indent"].expandtabs(4)))


def _blank_before(span: Span, start: int) -> bool:
    return span.text[:start].endswith("\n\n") or span.text[:start].rstrip(" \t").endswith("\n\n")


def _extend_prose(found: list[Block], span: Span, start: int, end: int) -> None:
    piece = Span(span.text[start:end], span.mask[start:end])
    if found and found[-1].prose is not None:
        before = found[-1].prose
        found[-1].prose = Span(before.text + piece.text, before.mask + piece.mask)
    else:
        found.append(Block(prose=piece))


def _nested(items: list[Item]) -> list[Item]:
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


def _inline(span: Span) -> list[Block]:
    """Find steps numbered 1, 2, 3 … within a line."""
    marks: list[re.Match[str]] = []
    for match in _INLINE.finditer(span.mask):
        if int(match[1] or match[2] or match[3]) == len(marks) + 1:
            marks.append(match)
    if len(marks) <= 1:
        return []
    ends = [match.start() for match in marks[1:]] + [len(span.text)]
    items = [
        Item(_without_comma(span.cut(match.end(), end)), str(index), 0)
        for index, (match, end) in enumerate(zip(marks, ends, strict=True), 1)
    ]
    before = span.cut(0, marks[0].start())
    found = [Block(items=[item for item in items if item.span], ordered=True)]
    if before.text.endswith(":"):
        found[0].header = before.text
    elif before:
        found.insert(0, Block(prose=before))
    return found


def _without_comma(span: Span) -> Span:
    text = re.sub(r"[,;]?\s*(?:\band\b|\bthen\b)?\s*$", "", span.text)
    return span.cut(0, len(text)) if text else span


def _command_lines(span: Span) -> Block | None:
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
