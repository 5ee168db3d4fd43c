"""Live progress of a run: a line per finished task, and on a terminal a status line below."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

from rich.console import Console
from rich.text import Text

from genesis.cli.estimate import TimeLeft, format_time_left
from genesis.cli.forecast import count
from genesis.cli.rows import hanging
from genesis.cli.status_line import StatusLine
from genesis.ledger.deliverables import short_text
from genesis.model import FINISHED, Leaf, Outcome, Program, Resources, Run
from genesis.schedule import PoolCosts
from genesis.text import rehearsal

__all__ = ["LiveProgress"]

_MARKS = {
    "completed": ("✓", "green"),
    "cached": ("✓", "green"),
    "briefed": ("✎", "cyan"),
    "failed": ("✗", "bold red"),
    "skipped": ("–", "yellow"),
    "cancelled": ("–", "yellow"),
}
_MOST_LINES = 60
"""Finished leaves that get a line of their own; later ones are only counted."""
_MOST_NAMES = 3
"""Running leaves that the status line names."""
_WIDEST = 40
"""Most columns of a leaf's path, and of its agent."""
_BAR, _LEAST_FOR_BAR = 20, 72
_BELOW = 2
"""Indent of the lines below a leaf's line, in columns."""
_FRAMES = "|/-\\"


class LiveProgress:
    """An observer that shows each leaf as it ends, with the running leaves and the time left below.

    Args:
        out: Where to show it.
        slots: Leaves that run concurrently, for the estimate.
        scale: Seconds that one estimated second lasts in a rehearsal.
        pools: Overhead of work pools, where leaves run on them.
        machine: What the machine has that runs the leaves; None where they run elsewhere.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        out: Console,
        slots: int,
        scale: float = 1.0,
        pools: PoolCosts | None = None,
        machine: Resources | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = out
        self._clock = clock
        self._time_left = TimeLeft(slots, scale, pools, machine)
        self._running: dict[str, Outcome] = {}
        self._lines = 0
        self.leaves: tuple[Leaf, ...] = ()
        """The leaves of the current program."""
        self._widths = [0, 0]
        self._done = 0
        self._begun = clock()
        self._status = StatusLine(out, self._about)

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Show the run's address in the UI and start the status line."""
        self._take_in(program)
        self._done, self._begun = len(finished), self._clock()
        self._time_left.begin(program, finished)
        self._out.print(Text.assemble("\n", ("Run ", "bold"), run.run_id), soft_wrap=True)
        if run.rehearsal is not None:
            self._out.print(Text(rehearsal(run.rehearsal), style="bold magenta"))
        if run.ui_url:
            self._out.print(Text(run.ui_url, style="dim"), soft_wrap=True)
        if finished:
            self._out.print(
                f"{len(finished)} of {count(len(program.leaves), 'task')} were finished before and are kept."
            )
        self._status.start()

    def leaf_changed(self, outcome: Outcome) -> None:
        """Show that a leaf started or ended."""
        self._time_left.record_change(outcome)
        if outcome.state == "running":
            self._running[outcome.id] = outcome
            return
        self._running.pop(outcome.id, None)
        self._done += 1
        self._line(outcome)

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Remove a leaf that was put back from the running ones; the log has the reason."""
        del kind, reason
        self._running.pop(leaf.path, None)
        self._time_left.put_back(leaf.path)

    def plan_changed(self, program: Program) -> None:
        """Report and count the added tasks."""
        added = len(program.leaves) - len(self.leaves)
        self._take_in(program)
        self._out.print(f"The plan has {added} more task{'s' if added > 1 else ''}.", style="yellow")
        self._time_left.begin(program)

    def run_ended(self, run: Run) -> None:
        """Remove the status line."""
        del run
        self.close()

    def show_message(self, text: str) -> None:
        """Show a message above the status line."""
        self._out.print(Text(text, style="yellow"))

    def close(self) -> None:
        """Restore the terminal; safe to call twice."""
        self._status.stop()

    def _take_in(self, program: Program) -> None:
        self.leaves = program.leaves
        self._widths = [
            min(_WIDEST, max((len(word) for word in words), default=0))
            for words in ((leaf.path for leaf in program.leaves), (leaf.agent for leaf in program.leaves))
        ]

    def _about(self, room: int) -> Text:
        """Format the status line; called repeatedly, so its clock advances while no leaf ends."""
        total, passed = len(self.leaves), int(self._clock() - self._begun)
        line = Text(f"{_FRAMES[int(4 * self._clock()) % len(_FRAMES)]} ", style="cyan")
        if room >= _LEAST_FOR_BAR:
            full = _BAR * self._done // max(1, total)
            line = Text.assemble(line, ("━" * full, "green"), ("━" * (_BAR - full), "dim"), " ")
        parts = [f"{self._done}/{total}", f"{passed // 60}:{passed % 60:02}"]
        if self._done < total and (left := _format_remaining(self._time_left)):
            parts.append(left)
        if self._running:
            parts.append(self._describe())
        return Text.assemble(line, " · ".join(parts))

    def _describe(self) -> str:
        running = list(self._running)
        more = f" and {len(running) - _MOST_NAMES} more" if len(running) > _MOST_NAMES else ""
        return f"{', '.join(running[:_MOST_NAMES])}{more}"

    def _line(self, outcome: Outcome) -> None:
        self._lines += 1
        if outcome.state in FINISHED and self._lines > _MOST_LINES:
            return
        mark, style = _MARKS.get(outcome.state, ("·", ""))
        path, agent = self._widths
        took = _format_seconds(outcome)
        said = Text(_format_result(outcome), style="dim" if outcome.error is None else style)
        line = Text.assemble(
            (f"{mark} ", style), f"{outcome.id:<{path}}", (f"  {outcome.agent:<{agent}}  {took:>7}  ", "dim"), said
        )
        line.rstrip()
        if line.cell_len <= self._out.width or not self._out.is_terminal:
            self._out.print(line, soft_wrap=True)
            return
        # Two columns would leave too little of each: the message goes below.
        head = Text.assemble((f"{mark} ", style), outcome.id, (f"  {outcome.agent}  {took}", "dim"))
        lines = [
            line
            for text, first in ((head, 0), (said, _BELOW))
            for line in hanging(text, self._out, self._out.width, first=first, indent=_BELOW)
        ]
        self._out.print(Text("\n").join(lines))


def _format_seconds(outcome: Outcome) -> str:
    if outcome.started_at is None or outcome.ended_at is None:
        return ""
    return f"{(outcome.ended_at - outcome.started_at).total_seconds():.1f} s"


def _format_result(outcome: Outcome) -> str:
    """Format in one line how a leaf ended."""
    if outcome.error is not None:
        return (outcome.error.message.splitlines() or [""])[0]
    return short_text(outcome)


def _format_remaining(time_left: TimeLeft) -> str:
    """Format the time left; empty where it is unknown."""
    if not time_left.known:
        return ""
    seconds, overdue = time_left.estimate_left()
    words = format_time_left(seconds, overdue=overdue)
    return words if overdue or time_left.known == "all" else f"at least {words.removeprefix('about ')}"
