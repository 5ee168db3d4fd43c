"""Progress while a language model plans: elapsed time, model and number of the call."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from genesis.cli.output import is_live
from genesis.cli.status_line import StatusLine
from genesis.planning import PlanningCall

__all__ = ["PlanningProgress"]

_EVERY_S = 10.0
"""Pause between two lines while a model plans and no terminal is attached."""


class PlanningProgress:
    """Shows a status line on a terminal, elsewhere a message at the start and every ten seconds.

    Shows nothing if no model is called.

    Args:
        out: Where to show it.
        every_s: Seconds between two messages.
    """

    def __init__(self, out: Console, *, every_s: float = _EVERY_S) -> None:
        self._out = out
        self._every_s = every_s
        self._asking: PlanningCall | None = None
        self._begun = 0.0
        self._status = StatusLine(out, self._line)
        self._ended = threading.Event()
        self._emitter: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._status.stop()
        if self._emitter is not None:
            self._emitter.join()

    def asking(self, asking: PlanningCall) -> None:
        """Record that a call starts."""
        first, self._asking = self._asking is None, asking
        if not first:
            return
        self._begun = time.monotonic()
        if is_live(self._out):
            self._status.start()
            return
        self._out.print(f"Planning with {asking.model}; the first answer can take a while.")
        self._emitter = threading.Thread(target=self._report, name="genesis-planning-progress", daemon=True)
        self._emitter.start()

    def _report(self) -> None:
        while not self._ended.wait(self._every_s):
            self._out.print(self._line(0).plain)

    def _line(self, _room: int) -> Text:
        asking = self._asking
        if asking is None:
            return Text()
        again = f" · attempt {asking.attempt}" if asking.attempt > 1 else ""
        seconds = int(time.monotonic() - self._begun)
        return Text.assemble(
            ("Planning", "bold"),
            f" · {seconds} s · llm · {asking.model} · call {asking.call}{again}",
            " · Ctrl-C to stop",
        )
