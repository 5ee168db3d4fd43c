"""Render the package's templates, and what they need for it.

In HTML and SVG every value is escaped by `escape_html`, in Markdown by `escape_markdown`; templates have to ask for the
opposite. A name that is not defined is an error. Jinja2 is imported with the first template, not before.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from markupsafe import Markup

from genesis.report.graph_layout import BOX_HEIGHT, BOX_WIDTH, curve
from genesis.text import duration, money, one_line, rehearsal, size_text
from genesis.text.html import escape_html, link_address
from genesis.text.markdown import code_span, escape_markdown

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["MARKS", "SizeBudget", "format_rounded", "percent", "render"]

MARKS: Mapping[str, str] = {
    "completed": "✓",
    "cached": "↺",
    "briefed": "✎",
    "failed": "✗",
    "skipped": "–",
    "cancelled": "■",
    "running": "▶",
    "pending": "·",
    "awaiting_approval": "?",
}
"""What distinguishes states besides their colours."""
_LEAST_S, _FEW_S, _MINUTE_S = 0.1, 10, 60
_PIECES = 500
"""Joined at a time: of some hundred thousand pieces at once the garbage collector would make a third of the time."""
_LINES = 256
"""Lines that are kept: the agents and types of a run are few, and each task shows them several times."""
_FENCE = re.compile("`{3,}|~{3,}")


def render(template: str, **values: object) -> str:
    """Fill in a template of this package.

    Args:
        template: Its file's name without `.j2`; the ending before that decides how values are escaped.
        values: What it shows.

    Raises:
        jinja2.UndefinedError: It uses a name that is not among them.
    """
    pieces = _environment(template.endswith(".md")).get_template(f"{template}.j2").generate(values)
    chunks = []
    while some := tuple(islice(pieces, _PIECES)):
        chunks.append("".join(some))
    return "".join(chunks)


@cache
def _environment(is_markdown: bool) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  # only who renders pays for it

    made = Environment(
        loader=PackageLoader("genesis.report"),
        autoescape=True,
        finalize=_finalize_markdown if is_markdown else escape_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"marks": MARKS, "size_budget": SizeBudget, "box_width": BOX_WIDTH, "box_height": BOX_HEIGHT}
    made.filters |= {
        "bounded": _shorten,
        "code": _code,
        "count_of": _count_of,
        "curve": curve,
        "data_uri": _data_uri,
        "elapsed": _format_elapsed,
        "fenced": _fence,
        "general": _general,
        "hundredths": _hundredths,
        "limit": _limit,
        "link_address": link_address,
        "line": lru_cache(_LINES)(one_line),
        "money": money,
        "number": _number,
        "one_space": _one_space,
        "size": size_text,
        "percent": percent,
        "px": _px,
        "rehearsal": rehearsal,
        "rounded": format_rounded,
        "sentence": _sentence,
        "timestamp": datetime.timestamp,
        "utc": _utc,
        "words": _words,
    }
    return made


def _finalize_markdown(value: object) -> Markup:
    """Escape whatever a template shows; `Markup` has been escaped, or is of our own making."""
    return value if isinstance(value, Markup) else Markup(escape_markdown(str(value)))  # noqa: S704


def _limit(text: str, most: int) -> Markup:
    """Escape text for Markdown that may be longer than a cell."""
    return Markup(escape_markdown(text, most))  # noqa: S704


def _code(text: str) -> Markup:
    """Put text into a code span of Markdown."""
    return Markup(code_span(one_line(text)))  # noqa: S704


def _fence(lines: Sequence[str]) -> Markup:
    """Put lines into a fenced block of Markdown; none of them can end it."""
    return Markup("\n".join(_FENCE.sub(lambda found: "'" * len(found[0]), line) for line in lines))  # noqa: S704


def _data_uri(svg: str) -> Markup:
    """Embed a picture: both faces of the Prefect UI show that, and neither shows SVG as it is."""
    return Markup(f"data:image/svg+xml;base64,{base64.b64encode(svg.encode(errors='replace')).decode()}")  # noqa: S704


def _words(name: str) -> str:
    """Write a name of ours for people."""
    return name.replace("_", " ")


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _count_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _format_elapsed(seconds: float) -> str:
    """Write a duration with three figures at most."""
    return f"{seconds * 1000:.0f} ms" if 0 < seconds < 0.1 else duration(seconds)  # noqa: PLR2004  # below a tenth


def format_rounded(seconds: float) -> str:
    """Write a duration to about two figures."""
    if 0 < seconds < _LEAST_S:
        return f"< {_LEAST_S} s"
    if seconds < _MINUTE_S:
        return f"{f'{seconds:.1f}'.removesuffix('.0') if seconds < _FEW_S else f'{seconds:.0f}'} s"
    minutes = round(seconds / _MINUTE_S)
    if minutes < _MINUTE_S:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def percent(part: float) -> str:
    """Write a part of a whole as a length of CSS."""
    return f"{100 * part:.2f}".rstrip("0").rstrip(".") + "%"


def _one_space(text: str) -> str:
    """Put any text in one line."""
    return " ".join(text.split())


def _px(value: float) -> str:
    return f"{value:.1f}"


def _general(value: float) -> str:
    """Write a number for sorting."""
    return f"{value:g}"


def _hundredths(value: float) -> str:
    return f"{value:.2f}"


def _utc(at: datetime) -> str:
    """Write a time to a millisecond; templates take the parts of it that they show."""
    return at.astimezone(UTC).isoformat(" ", "milliseconds")[:23]


def _sentence(text: str) -> str:
    """Begin a clause with a capital and end it with a full stop, unless it is a command or a quotation."""
    line = text.strip()
    first = line[:1].upper() if line[:1].islower() and not line.startswith("run: ") else line[:1]
    return f"{first}{line[1:]}{'' if line.endswith(('.', '!', '?', ')', ':', '…')) or 'run: ' in line else '.'}"


class SizeBudget:
    """How many bytes some part of the page may still take.

    Args:
        size: Bytes in all.
    """

    def __init__(self, size: int):
        self._left = size

    def take(self, value: str, most: int) -> tuple[Markup, bool]:
        """Escape the beginning of an untrusted text that there is room for.

        Args:
            value: The text, of many lines.
            most: Characters at most.

        Returns:
            The text for the page, and whether something of it is missing.
        """
        count = min(most, len(value))
        shown = escape_html(value[:count])
        size = len(shown.encode())
        if size > self._left:
            count = count * self._left // size
            shown = escape_html(value[:count])
            size = min(self._left, len(shown.encode()))
        self._left -= size
        return shown, count < len(value)


def _shorten(value: str, budget: SizeBudget, most: int) -> Markup:
    """Escape the beginning of an untrusted text that there is room for, with an ellipsis if something is missing."""
    shown, is_cut = budget.take(value, most)
    return shown + "…" if is_cut else shown
