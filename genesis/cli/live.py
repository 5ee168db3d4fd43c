"""Live progress of a run: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.text import Text

from genesis.cli.estimate import TimeLeft, left_in_words
from genesis.execute.deliverables import short_text
from genesis.model import FINISHED, Leaf, Outcome, Program, Run

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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
_MOST_NAMES = 3
_WIDEST = 40


class LiveProgress:
    """An observer that shows each leaf as it ends, and below it what runs and how long it may still take.

    Args:
        out: Where to show it.
        slots: Leaves running at once, for the time that it will take.
        scale: What a second of an estimate lasts, in a rehearsal.
    """

    def __init__(self, out: Console, slots: int, scale: float = 1.0):
        self._out = out
        self._time_left = TimeLeft(slots, scale)
        self._running: dict[str, Outcome] = {}
        self._lines = 0
        self.leaves: tuple[Leaf, ...] = ()
        """The leaves of the program as it is now."""
        self._widths = [0, 0]
        self._bar: Progress | None = None
        self._bar_id: TaskID | None = None

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Show where the run can be watched, and start the bar."""
        self._take_in(program)
        if self._out.is_terminal:
            self._time_left.begin(program, finished)
        self._out.print(Text.assemble("\n", ("Run ", "bold"), run.run_id), soft_wrap=True)
        if run.ui_url:
            self._out.print(Text(run.ui_url, style="dim"), soft_wrap=True)
        if finished:
            self._out.print(f"{len(finished)} of {len(program.leaves)} tasks were done before and are kept.")
        if self._out.is_terminal:
            self._start_bar(len(program.leaves), len(finished))

    def leaf_changed(self, outcome: Outcome) -> None:
        """Show that a leaf started or ended."""
        if self._bar is not None:
            self._time_left.changed(outcome)
        if outcome.state == "running":
            self._running[outcome.id] = outcome
        else:
            self._running.pop(outcome.id, None)
            self._line(outcome)
        if self._bar is not None and self._bar_id is not None:
            self._bar.update(self._bar_id, advance=int(outcome.state != "running"), description=self._describe())

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Take a leaf that was put back out of those that run; the log says why."""
        del kind, reason
        self._running.pop(leaf.path, None)
        if self._bar is not None:
            self._time_left.put_back(leaf.path)

    def plan_changed(self, program: Program) -> None:
        """Say that tasks were added, and count them in."""
        added = len(program.leaves) - len(self.leaves)
        self._take_in(program)
        self._out.print(Text(f"The plan has {added} more task{'s' if added > 1 else ''}.", style="yellow"))
        if self._bar is not None and self._bar_id is not None:
            self._time_left.begin(program)
            self._bar.update(self._bar_id, total=len(program.leaves))

    def run_ended(self, run: Run) -> None:
        """Take the bar away."""
        del run
        self.close()

    def say(self, text: str) -> None:
        """Show a sentence above the bar."""
        self._out.print(text, style="yellow", markup=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it was; safe to call twice."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _take_in(self, program: Program) -> None:
        self.leaves = program.leaves
        self._widths = [
            min(_WIDEST, max((len(word) for word in words), default=0))
            for words in ((leaf.path for leaf in program.leaves), (leaf.agent for leaf in program.leaves))
        ]

    def _start_bar(self, total: int, done: int) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            SpinnerColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
        )

        time_left = self._time_left

        class TimeLeftColumn(ProgressColumn):
            """Asked by the bar's own thread, again and again, so that it goes on while nothing ends."""

            def render(self, task: Task) -> Text:
                return Text(_words(time_left) if not task.finished else "", style="cyan")

        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeLeftColumn(),
            TextColumn("{task.description}", markup=False),
            console=self._out,
            transient=True,
        )
        self._bar_id = self._bar.add_task(self._describe(), total=total, completed=done)
        self._bar.start()

    def _describe(self) -> str:
        names = ", ".join(list(self._running)[:_MOST_NAMES])
        more = f" and {len(self._running) - _MOST_NAMES} more" if len(self._running) > _MOST_NAMES else ""
        return f"{names}{more}"

    def _line(self, outcome: Outcome) -> None:
        self._lines += 1
        if outcome.state in FINISHED and self._lines > _MOST_LINES:
            return
        mark, style = _MARKS.get(outcome.state, ("·", ""))
        path, agent = self._widths
        line = Text.assemble((f"{mark} ", style), f"{outcome.id:<{path}}", (f"  {outcome.agent:<{agent}}", "dim"))
        if outcome.started_at and outcome.ended_at:
            seconds = (outcome.ended_at - outcome.started_at).total_seconds()
            line.append(f"  {seconds:5.1f} s", style="dim")
        if outcome.error is not None:
            line.append(f"  {(outcome.error.message.splitlines() or [''])[0]}", style=style)
        elif said := short_text(outcome):
            line.append(f"  {said}", style="dim")
        if self._out.is_terminal:
            line.truncate(self._out.width, overflow="ellipsis")
        self._out.print(line, soft_wrap=True)


def _words(time_left: TimeLeft) -> str:
    seconds, overdue = time_left.left()
    return left_in_words(seconds, overdue=overdue)
