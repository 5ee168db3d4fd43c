"""A status line at the bottom of a terminal, rewritten while work is in progress; not shown elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from genesis.cli.output import is_live

if TYPE_CHECKING:
    from rich.live import Live

__all__ = ["StatusLine", "waiting"]

_PER_SECOND = 8
"""Refreshes per second: the spinner moves smoothly, at little CPU time."""


@contextmanager
def waiting(out: Console, what: str) -> Iterator[None]:
    """Show on a terminal what a command waits for, with the elapsed time."""
    begun = time.monotonic()
    line = StatusLine(out, lambda _room: Text(f"{what} · {int(time.monotonic() - begun)} s", style="dim"))
    line.start()
    try:
        yield
    finally:
        line.stop()


class StatusLine:
    """A line that a separate thread redraws several times a second.

    Its end is cut where it does not fit, because a line that the terminal wraps would
    leave copies behind.

    Args:
        out: Where to show it.
        make: Returns the line for a width in cells.
    """

    def __init__(self, out: Console, make: Callable[[int], Text]) -> None:
        self._out = out
        self._make = make
        self._live: Live | None = None

    def start(self) -> None:
        """Show the line, if the console is a terminal that supports it."""
        if not is_live(self._out):
            return
        from rich.live import Live  # shown to people only

        self._live = Live(
            get_renderable=self._fit_line,
            console=self._out,
            refresh_per_second=_PER_SECOND,
            transient=True,
            vertical_overflow="visible",
        )
        self._live.start(refresh=True)

    def stop(self) -> None:
        """Remove the line; safe to call twice."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _fit_line(self) -> Text:
        room = max(1, self._out.width - 1)
        line = self._make(room).split()[0]
        line.no_wrap = True
        line.truncate(room, overflow="ellipsis" if self._out.encoding.startswith("utf") else "crop")
        return line
