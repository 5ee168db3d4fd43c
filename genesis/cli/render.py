"""How plans, reports, simulations and runs look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from genesis.execute.deliverables import short_text
from genesis.execute.plain import duration
from genesis.model import FINISHED, Diagnostic, Outcome, Report, RoutedPlan, Run, Task

if TYPE_CHECKING:
    from genesis.pipeline import Simulation

__all__ = [
    "STATE_STYLES",
    "OneLine",
    "diagnostics_table",
    "duration",
    "plan_view",
    "report_view",
    "run_view",
    "simulation_view",
    "tasks_table",
]

_MOST_ROWS = 60
_MOST_FAILURES = 10
_BAR_WIDTH = 30
_WIDEST_CELL = 32
_NARROWEST_CELL = 8
_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}
STATE_STYLES = {
    "completed": "green",
    "cached": "green",
    "briefed": "cyan",
    "failed": "bold red",
    "skipped": "yellow",
    "cancelled": "yellow",
    "running": "bold",
    "budget_exceeded": "yellow",
    "refused": "bold red",
}


def plan_view(routed: RoutedPlan, report: Report, forecast: Simulation | None = None) -> RenderableType:
    """Show a plan: its tree with agents, reasons and estimates, then what validation found.

    Args:
        routed: The plan.
        report: What validation found.
        forecast: Its simulation, for the totals; none where the plan cannot run.
    """
    plan = routed.plan
    head = Text.assemble((" ".join(plan.request.split()), "bold"), (f"  planned by {plan.planner}", "dim"))
    tree = Tree(head, guide_style="dim")
    shown = 0
    stack: list[tuple[Task, str, Tree]] = [(task, task.id, tree) for task in reversed(plan.tasks)]
    while stack and shown < _MOST_ROWS:
        task, path, parent = stack.pop()
        branch = parent.add(_task_line(task, path, routed))
        shown += 1
        stack.extend((child, f"{path}/{child.id}", branch) for child in reversed(task.subtasks))
    parts: list[RenderableType] = [tree]
    if stack:
        parts.append(Text("… the rest is in the plan file (-o FILE) or in --json", style="dim"))
    if forecast is not None:
        parts.append(_totals(forecast))
    if plan.planner_note:
        parts.append(Text(plan.planner_note, style="dim"))
    parts.append(report_view(report))
    return Group(*parts)


def _task_line(task: Task, path: str, routed: RoutedPlan) -> Text:
    line = Text.assemble((task.id, "bold"), ("  ", ""), task.description)
    if task.depends_on and task.subtasks:
        line.append(f"  after {', '.join(task.depends_on)}", style="dim")
    if task.subtasks:
        return line
    route = routed.routes.get(path)
    if route is None or route.agent is None:
        line.append(f"\n→ nobody: {route.reason if route else 'not routed'}", style="bold red")
        return line
    line.append(f"\n→ {route.agent}", style="cyan")
    if task.estimate is not None and task.estimate.seconds is not None:
        line.append(f" · {task.estimate.seconds:g} s", style="dim")
    if task.depends_on:
        line.append(f" · after {', '.join(task.depends_on)}", style="dim")
    # Of the many tasks that are routed by their type alone, each says only what differs.
    line.append(f" · {route.reason.replace(f' that take {task.type!r} (', ' (')}", style="dim")
    return line


def _totals(forecast: Simulation) -> Text:
    leaves, agents = len(forecast.timeline), len({row.agent for row in forecast.timeline})
    return Text(
        f"{_count(leaves, 'task')} on {_count(agents, 'agent')} · about {duration(forecast.makespan_s)} on "
        f"{_count(forecast.slots, 'slot')} · about ${forecast.cost_usd:.2f}",
        style="bold",
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def report_view(report: Report) -> RenderableType:
    """Show a validation report."""
    verdict = ("the plan can run", "green") if report.ok else ("the plan cannot run", "bold red")
    shown = ", ".join(f"{name} {value:.2f}" for name, value in report.parts.model_dump().items())
    line = Text.assemble(verdict, f" · quality {report.score:.2f}", (f" ({shown})", "dim"))
    if not report.diagnostics:
        return line
    return Group(line, diagnostics_table(report.diagnostics))


def diagnostics_table(diagnostics: Iterable[Diagnostic]) -> RenderableType:
    """Show findings: what was found, and below it what to do."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("code", no_wrap=True)
    table.add_column("finding", overflow="fold")
    rows = list(diagnostics)
    for found in rows[:_MOST_ROWS]:
        said = Text(found.message)
        if found.task and found.task not in found.message:
            said = Text.assemble((f"{found.task}: ", "bold"), said)
        if found.hint:
            said.append(f"\n→ {found.hint}", style="dim")
        table.add_row(Text(found.code, style=_STYLES[found.severity]), said)
    if len(rows) > _MOST_ROWS:
        table.add_row("", Text(f"… and {len(rows) - _MOST_ROWS} more in --json", style="dim"))
    return table


def simulation_view(simulation: Simulation) -> RenderableType:
    """Show a predicted timeline as bars."""
    span = simulation.makespan_s or 1.0
    table = Table(box=None, pad_edge=False)
    table.add_column("task", overflow="ellipsis", no_wrap=True)
    table.add_column("agent", overflow="ellipsis", no_wrap=True)
    for column in ("start", "end"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", min_width=_BAR_WIDTH, no_wrap=True)
    for row in simulation.timeline[:_MOST_ROWS]:
        length = min(_BAR_WIDTH, max(1, round(_BAR_WIDTH * (row.end_s - row.start_s) / span)))
        before = min(round(_BAR_WIDTH * row.start_s / span), _BAR_WIDTH - length)
        bar = Text(" " * before + "█" * length, style="cyan")
        table.add_row(row.task, row.agent, f"{row.start_s:.1f}", f"{row.end_s:.1f}", bar)
    parts: list[RenderableType] = [table]
    if len(simulation.timeline) > _MOST_ROWS:
        parts.append(Text(f"… and {len(simulation.timeline) - _MOST_ROWS:,} more in --json", style="dim"))
    total = (
        f"{duration(simulation.makespan_s)} on {_count(simulation.slots, 'slot')} · "
        f"critical path {duration(simulation.critical_path_s)} · "
        f"work {duration(simulation.total_work_s)} · ${simulation.cost_usd:.2f}"
    )
    parts.append(Text(total, style="bold"))
    return Group(*parts)


def run_view(run: Run, *, with_tasks: bool = True, explained: RenderableType | None = None) -> RenderableType:
    """Show how a run ended: a line for each leaf, then what went wrong in full.

    Args:
        run: The run.
        with_tasks: Whether the lines are wanted; not where the reader has just seen each leaf end.
        explained: Its explanation, which takes the place of the bare errors.
    """
    parts: list[RenderableType] = []
    if with_tasks:
        parts.append(tasks_table(run))
        if len(run.tasks) > _MOST_ROWS:
            parts.append(Text(f"… and {len(run.tasks) - _MOST_ROWS:,} more in --json", style="dim"))
    failures = [task for task in run.tasks if task.state == "failed" and task.error is not None and explained is None]
    parts += [_failure(task) for task in failures[:_MOST_FAILURES]]
    if len(failures) > _MOST_FAILURES:
        parts.append(Text(f"… and {len(failures) - _MOST_FAILURES} more in --json", style="dim"))
    done = sum(task.state in FINISHED for task in run.tasks)
    orders = sum(task.state == "briefed" for task in run.tasks)
    parts.append(
        Text.assemble(
            (run.state.replace("_", " "), f"bold {STATE_STYLES.get(run.state, '')}".strip()),
            f" · {_count(orders, 'work order')} for people, " if orders else " · ",
            f"{done} of {_count(len(run.tasks), 'task')} done in {duration(run.duration_s)} · ${run.cost_usd:.2f}",
        )
    )
    if explained is not None:
        parts.append(explained)
    elif run.error is not None:
        parts.append(
            Text.assemble((run.error.message, "red"), (f"\n→ {run.error.hint}" if run.error.hint else "", "dim"))
        )
    return Group(*parts)


def tasks_table(run: Run) -> Table:
    """Show a line for each leaf."""
    shown = run.tasks[:_MOST_ROWS]
    table = Table(box=None, pad_edge=False)
    columns = {"task": [task.id for task in shown], "agent": [task.agent for task in shown]}
    columns |= {"state": [task.state for task in shown], "seconds": [_seconds(task) for task in shown]}
    for name, cells in columns.items():  # only the last column gives way to a narrow terminal
        width = min(_WIDEST_CELL, max(map(len, (name, *cells))))
        table.add_column(
            name, width=width, no_wrap=True, overflow="ellipsis", justify="right" if name == "seconds" else "left"
        )
    table.add_column("what happened")
    for task in shown:
        state = Text(task.state, style=STATE_STYLES.get(task.state, ""))
        said = task.error.message.splitlines()[0] if task.error and task.error.message else short_text(task)
        table.add_row(Text(task.id), task.agent, state, _seconds(task), OneLine(said))
    return table


class OneLine:
    """Text that takes the room that is left, and is cut there. Rich lets only what may wrap give way to the rest."""

    def __init__(self, text: str):
        self._text = Text(text)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(_NARROWEST_CELL, self._text.cell_len), self._text.cell_len)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self._text.copy()
        text.truncate(options.max_width, overflow="ellipsis")
        yield text


def _failure(task: Outcome) -> Text:
    if task.error is None:
        return Text()
    text = Text.assemble((f"✗ {task.id}: ", "bold red"), task.error.message)
    if task.error.hint:
        text.append(f"\n  → {task.error.hint}", style="dim")
    return text


def _seconds(task: Outcome) -> str:
    return f"{(task.ended_at - task.started_at).total_seconds():.1f}" if task.started_at and task.ended_at else ""
