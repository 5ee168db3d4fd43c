"""Rows of cells, readable at any width: a table where there is room, else a few lines per row.

Nothing is cut. The last column is wrapped in the remaining width; where that is too narrow, each row's
first cell has a separate line, and the others follow below it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from genesis.cli.limits import INDENT
from genesis.cli.output import printable

__all__ = ["Rows", "hanging"]

_GAP = 2
"""Columns between two cells."""
_LEAST_LAST = 28
"""Minimum width of the last column at which prose is readable."""


class Rows:
    """Rows of cells.

    Args:
        header: Names of the columns; none are shown where all are empty.
        right: Columns that are right-aligned.
        named: Columns whose name precedes the cell when there is no table.
    """

    def __init__(self, header: Sequence[str], *, right: Collection[str] = (), named: Collection[str] = ()) -> None:
        self._header = tuple(header)
        self._right = [name in right for name in header]
        self._named = [name in named for name in header]
        self._rows: list[list[Text]] = []

    def add(self, *cells: Text | str) -> None:
        """Add a row with a cell for each column."""
        self._rows.append([cell if isinstance(cell, Text) else Text(cell) for cell in cells])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the rows out in the available width."""
        rows = [[printable(cell, options.encoding) for cell in row] for row in self._rows]
        header = [[Text(name, style="bold") for name in self._header]] if any(self._header) else []
        widths = [max(map(_width, column)) for column in zip(*header, *rows, strict=True)]
        room = options.max_width - sum(width + _GAP for width in widths[:-1])
        if widths and room >= min(widths[-1], _LEAST_LAST):
            for row in [*header, *rows]:
                yield from self._align_row(row, widths, console, room)
        else:
            for row in rows:
                yield from self._stack_row(row, console, options.max_width)

    def _align_row(self, row: Sequence[Text], widths: Sequence[int], console: Console, room: int) -> Iterator[Text]:
        front = Text()
        for cell, width, right in zip(row[:-1], widths[:-1], self._right, strict=False):
            space = " " * (width - cell.cell_len)
            front.append_text(Text.assemble(space, cell) if right else Text.assemble(cell, space)).append(" " * _GAP)
        last = row[-1]
        if self._right[-1] and "\n" not in last.plain:
            last = Text.assemble(" " * (min(widths[-1], room) - last.cell_len), last)
        yield from _behind(front, last, console, room)

    def _stack_row(self, row: Sequence[Text], console: Console, width: int) -> Iterator[Text]:
        yield row[0]
        cells = [
            Text.assemble(f"{name} ", cell) if named else cell
            for name, cell, named in zip(self._header[1:-1], row[1:-1], self._named[1:-1], strict=True)
            if cell
        ]
        for below in (Text(" · ").join(cells), row[-1]):
            if below:
                yield from hanging(below, console, width, first=INDENT)


def hanging(text: Text, console: Console, width: int, *, first: int = 0, indent: int = INDENT) -> Iterator[Text]:
    """Wrap a text with an indent, and a different one for the first line; without indents where there is no room."""
    indent = indent if width > 2 * indent else 0
    first = min(first, indent)
    for number, line in enumerate(text.wrap(console, max(1, width - indent))):
        whole = Text.assemble(" " * (indent if number else first), line)
        whole.rstrip()
        yield whole


def _behind(front: Text, last: Text, console: Console, room: int) -> Iterator[Text]:
    """Place the lines of the last cell below each other, next to the first cells."""
    lines = list(last.wrap(console, max(1, room))) if last else [Text()]
    for number, line in enumerate(lines):
        whole = Text.assemble(" " * front.cell_len if number else front, line)
        whole.rstrip()
        yield whole


def _width(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split("\n")))
