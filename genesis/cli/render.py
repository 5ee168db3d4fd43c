"""How plans, reports, simulations and runs look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from genesis.model import Diagnostic, Report, RoutedPlan, Run, Task
from genesis.pipeline import Simulation

__all__ = ["diagnostics_table", "plan_view", "report_view", "run_view", "simulation_view"]

_MOST_ROWS = 60
_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}
_STATE_STYLES = {
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


def plan_view(routed: RoutedPlan, report: Report) -> RenderableType:
    """Show a plan: its tree with agents, reasons and estimates, then what validation found."""
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
    if plan.planner_note:
        parts.append(Text(plan.planner_note, style="dim"))
    parts.append(report_view(report))
    return Group(*parts)


def _task_line(task: Task, path: str, routed: RoutedPlan) -> Text:
    line = Text.assemble((task.id, "bold"), " ", task.description)
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
    line.append(f" · {route.reason}", style="dim")
    return line


def report_view(report: Report) -> RenderableType:
    """Show a validation report."""
    verdict = ("the plan can run", "green") if report.ok else ("the plan cannot run", "bold red")
    parts = report.parts
    line = Text.assemble(
        verdict,
        f" · quality {report.score:.2f}",
        (
            f" (success {parts.success:.2f}, quality {parts.quality:.2f}, cost {parts.cost:.2f}, time {parts.time:.2f})",
            "dim",
        ),
    )
    if not report.diagnostics:
        return line
    return Group(line, diagnostics_table(report.diagnostics))


def diagnostics_table(diagnostics: Iterable[Diagnostic]) -> RenderableType:
    """Show findings, one row each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for column in ("code", "task", "finding"):
        table.add_column(column, overflow="fold")
    rows = list(diagnostics)
    for found in rows[:_MOST_ROWS]:
        said = Text(found.message)
        if found.hint:
            said.append(f"  {found.hint}", style="dim")
        table.add_row(Text(found.code, style=_STYLES[found.severity]), found.task or "", said)
    if len(rows) > _MOST_ROWS:
        table.add_row("", "", Text(f"… and {len(rows) - _MOST_ROWS} more in --json", style="dim"))
    return table


def simulation_view(simulation: Simulation) -> RenderableType:
    """Show a predicted timeline as bars."""
    width, span = 40, simulation.makespan_s or 1.0
    table = Table(box=None, pad_edge=False)
    for column in ("task", "agent", "start", "end", ""):
        table.add_column(column, justify="right" if column in ("start", "end") else "left")
    for row in simulation.timeline[:_MOST_ROWS]:
        before = int(width * row.start_s / span)
        length = max(1, int(width * (row.end_s - row.start_s) / span))
        bar = " " * min(before, width - 1) + "█" * length
        table.add_row(row.task, row.agent, f"{row.start_s:.1f}", f"{row.end_s:.1f}", Text(bar, style="cyan"))
    total = (
        f"{simulation.makespan_s:.1f} s on {simulation.slots} slots · critical path {simulation.critical_path_s:.1f} s · "
        f"work {simulation.total_work_s:.1f} s · ${simulation.cost_usd:.2f}"
    )
    return Group(table, Text(total, style="bold"))


def run_view(run: Run) -> RenderableType:
    """Show how a run ended, leaf by leaf."""
    table = Table(box=None, pad_edge=False)
    for column in ("task", "agent", "state", "seconds", "what happened"):
        table.add_column(column, overflow="fold", justify="right" if column == "seconds" else "left")
    for task in run.tasks[:_MOST_ROWS]:
        seconds = (
            f"{(task.ended_at - task.started_at).total_seconds():.1f}" if task.started_at and task.ended_at else ""
        )
        said = task.error.message if task.error else ""
        state = Text(task.state, style=_STATE_STYLES.get(task.state, ""))
        table.add_row(task.id, task.agent, state, seconds, said)
    line = Text.assemble(
        (run.state, _STATE_STYLES.get(run.state, "")), f" in {run.duration_s:.1f} s · ${run.cost_usd:.2f}"
    )
    parts: list[RenderableType] = [table, line]
    if run.error is not None:
        parts.append(Text.assemble((run.error.message, "red"), (f"  {run.error.hint}", "dim")))
    return Group(*parts)
