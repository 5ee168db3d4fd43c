"""Render plans, reports, simulations and runs on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from genesis.cli.forecast import Forecast, cost_in_words, count, in_words
from genesis.cli.limits import INDENT
from genesis.cli.output import STATE_STYLES
from genesis.cli.rows import Rows
from genesis.ledger.deliverables import short_text
from genesis.model import Diagnostic, Outcome, Report, Route, RoutedPlan, Run, Task, WaitFor
from genesis.structure import fill_text, get_known_seconds, list_edges, plan_values
from genesis.text import cost, describe_rehearsal, duration, escape_terminal, one_line

if TYPE_CHECKING:
    from genesis.pipeline import Simulation

__all__ = [
    "diagnostics_table",
    "duration",
    "plan_view",
    "report_view",
    "run_view",
    "simulation_view",
    "tasks_table",
]

_MOST_ROWS = 60
"""Most leaves and findings in a table; the plan file has all."""
_MOST_FAILURES = 10
"""Failed leaves that the summary of a run shows."""
_BAR_WIDTH = 30
"""Columns of a bar in the timeline."""
_LONGEST = 5_000
"""Most characters of a description."""
_MOST_NAMES = 20
"""Most names in one sentence."""
_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


def plan_view(
    routed: RoutedPlan, report: Report, forecast: Forecast | None = None, *, most: int = _MOST_ROWS
) -> RenderableType:
    """Show a plan: its tree with agents, reasons and estimates, then the findings of validation.

    Args:
        routed: The plan.
        report: The findings of validation.
        forecast: Forecast of its run, for the totals; None where the plan cannot run.
        most: Maximum number of tasks shown.
    """
    plan = routed.plan
    head = Text.assemble((" ".join(plan.request.split()), "bold"), (f"  planned by {plan.planner}", "dim"))
    tree = Tree(head, guide_style="dim")
    edges, values = list_edges(plan), plan_values(plan)
    shown = 0
    stack: list[tuple[Task, str, Tree]] = [(task, task.id, tree) for task in reversed(plan.tasks)]
    while stack and shown < most:
        task, path, parent = stack.pop()
        description = one_line(fill_text(task.description, values), _LONGEST)
        branch = parent.add(_task_line(task, description, routed.routes.get(path), edges.get(path, ())))
        shown += 1
        stack.extend((child, f"{path}/{child.id}", branch) for child in reversed(task.subtasks))
    parts: list[RenderableType] = [tree]
    if stack:
        parts.append(Text("… the rest is in the plan file (-o FILE) or in --json", style="dim"))
    if forecast is not None:
        parts.append(Text(in_words(forecast), style="bold"))
    if plan.left_out:
        parts.append(Text(f"Left out: {_format_names(plan.left_out)}", style="yellow"))
    if plan.planner_note:
        parts.append(Text(one_line(plan.planner_note, _LONGEST), style="dim"))
    parts.append(report_view(report))
    return Group(*parts)


def _task_line(task: Task, description: str, route: Route | None, after: Sequence[str]) -> Text:
    line = Text.assemble((task.id, "bold"), ("  ", ""), description)
    order = " · ".join(filter(None, (_describe_copies(task), f"after {_format_names(after)}" if after else "")))
    if task.wait_for is not None:
        line.append(f"\n→ waits for {_describe_wait(task.wait_for)}", style="cyan")
        return line.append(f" · {order}" if order else "", style="dim")
    if task.subtasks:
        order = " · ".join(filter(None, (f"from {task.use}" if task.use else "", order)))
        return line.append(f"  {order}" if order else "", style="dim")
    if route is None or route.agent is None:
        line.append(f"\n→ no agent: {one_line(route.reason) if route else 'not routed'}", style="bold red")
        return line.append(f" · {order}" if order else "", style="dim")
    seconds = get_known_seconds(task)
    # most tasks are routed by their type alone; show only what differs
    reason = one_line(route.reason).replace(f" that take {task.type!r} (", " (")
    parts = ["" if seconds is None else f"{seconds:g} s", order, reason]
    line.append(f"\n→ {route.agent}", style="cyan")
    return line.append("".join(f" · {part}" for part in parts if part), style="dim")


def _describe_copies(task: Task) -> str:
    """Say of what a task has copies; empty where it has no `for_each`."""
    if task.for_each is None:
        return ""
    if isinstance(task.for_each, list):
        return f"for each of {len(task.for_each):,} value{'' if len(task.for_each) == 1 else 's'}"
    if isinstance(task.for_each, dict):
        return f"for each combination of {_format_names(list(task.for_each))}"
    return f"for each of {task.for_each}"


def _describe_wait(wait: WaitFor) -> str:
    """Say what a task waits for."""
    if wait.time is not None:
        return f"{wait.time:g} s" if isinstance(wait.time, int | float) else wait.time
    return f"run {wait.run}" if wait.run is not None else f"event {wait.event}"


def _format_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def report_view(report: Report) -> RenderableType:
    """Show a validation report."""
    verdict = ("the plan can run", "green") if report.ok else ("the plan cannot run", "bold red")
    shown = ", ".join(f"{name} {value:.2f}" for name, value in report.parts.model_dump().items())
    line = Text.assemble(verdict, f" · quality {report.score:.2f}", (f" ({shown})", "dim"))
    if not report.diagnostics:
        return line
    return Group(line, diagnostics_table(report.diagnostics))


def diagnostics_table(diagnostics: Iterable[Diagnostic]) -> RenderableType:
    """Show findings, each with its hint below."""
    table = Rows(("", ""))
    rows = list(diagnostics)
    for found in rows[:_MOST_ROWS]:
        said = Text(_hang(found.message))
        if found.task and found.task not in found.message:
            said = Text.assemble((f"{found.task}: ", "bold"), said)
        if found.hint:
            said.append(f"\n→ {_hang(found.hint)}", style="dim")
        table.add(Text(found.code, style=_STYLES[found.severity]), said)
    if len(rows) > _MOST_ROWS:
        return Group(table, Text(f"… and {len(rows) - _MOST_ROWS} more in --json", style="dim"))
    return table


def simulation_view(simulation: Simulation, forecast: Forecast, default_s: float) -> RenderableType:
    """Show a predicted timeline as bars.

    Args:
        simulation: The timeline.
        forecast: Has which durations and costs are known.
        default_s: Duration of a task without an estimate.
    """
    span = simulation.makespan_s or 1.0
    table = Rows(("task", "agent", "start", "end", ""), right=("start", "end"), named=("start", "end"))
    for row in simulation.timeline[:_MOST_ROWS]:
        length = min(_BAR_WIDTH, max(1, round(_BAR_WIDTH * (row.end_s - row.start_s) / span)))
        before = min(round(_BAR_WIDTH * row.start_s / span), _BAR_WIDTH - length)
        bar = (
            Text("skipped if nothing fails", style="dim")
            if row.skipped
            else Text(" " * before + "█" * length, style="cyan")
        )
        table.add(row.task, Text(row.agent, style="dim"), f"{row.start_s:.1f}", f"{row.end_s:.1f}", bar)
    parts: list[RenderableType] = [table]
    if len(simulation.timeline) > _MOST_ROWS:
        parts.append(Text(f"… and {len(simulation.timeline) - _MOST_ROWS:,} more in --json", style="dim"))
    total = (
        f"{duration(simulation.makespan_s)} on {count(simulation.slots, 'slot')} · "
        f"critical path {duration(simulation.critical_path_s)} · "
        f"work {duration(simulation.total_work_s)}{cost_in_words(forecast)}"
    )
    parts.append(Text(total, style="bold"))
    if guessed := forecast.works - forecast.timed:
        which = f"{guessed:,} of {count(forecast.works, 'task')} have no" if forecast.timed else "No task has an"
        parts.append(Text(f"{which} estimate; each counts as {default_s:g} s", style="yellow"))
    return Group(*parts)


def run_view(run: Run, *, with_tasks: bool = True, explained: RenderableType | None = None) -> RenderableType:
    """Show how a run ended: a line per leaf, then the failures in full.

    Args:
        run: The run.
        with_tasks: Whether to show the lines; False where live progress has shown them.
        explained: Its explanation, shown instead of the bare errors.
    """
    parts: list[RenderableType] = []
    if with_tasks:
        parts.append(tasks_table(run))
        if len(run.tasks) > _MOST_ROWS:
            parts.append(Text(f"… and {len(run.tasks) - _MOST_ROWS:,} more in --json", style="dim"))
    failures = [task for task in run.tasks if task.has_failed and task.error is not None and explained is None]
    parts += [_failure(task) for task in failures[:_MOST_FAILURES]]
    if len(failures) > _MOST_FAILURES:
        parts.append(Text(f"… and {len(failures) - _MOST_FAILURES} more in --json", style="dim"))
    parts.append(_summary(run))
    if run.shortfall:
        parts.append(Text(run.shortfall, style="yellow"))
    if explained is not None:
        parts.append(explained)
    elif run.error is not None:
        parts.append(
            Text.assemble(
                (_hang(run.error.message), "red"), (f"\n→ {_hang(run.error.hint)}" if run.error.hint else "", "dim")
            )
        )
    return Group(*parts)


def _summary(run: Run) -> Text:
    done = sum(task.is_settled for task in run.tasks)
    skipped = sum(bool(task.skipped_by) for task in run.tasks)
    allowed = sum(task.failure_allowed for task in run.tasks)
    orders = sum(task.state == "briefed" for task in run.tasks)
    parts = [f"{done} of {count(len(run.tasks), 'task')} done in {duration(run.duration_s)}", cost(run)]
    if run.left_out:
        parts.append(f"{count(len(run.left_out), 'task')} of the plan left out")
    if skipped:
        parts.append(f"{skipped:,} skipped by the plan")
    if allowed:
        parts.append(f"{count(allowed, 'failure')} allowed")
    if orders:
        parts[0] = f"{count(orders, 'work order')} for people, {parts[0]}"
    line = Text(run.state.replace("_", " "), style=f"bold {STATE_STYLES.get(run.state, '')}".strip())
    if run.rehearsal is not None:
        line.append(f" · {describe_rehearsal(run.rehearsal)}", style="bold magenta")
    return Text.assemble(line, *(f" · {part}" for part in parts if part))


def tasks_table(run: Run) -> Rows:
    """Show a line per leaf."""
    table = Rows(("task", "agent", "state", "seconds", "what happened"), right=("seconds",), named=("seconds",))
    for task in run.tasks[:_MOST_ROWS]:
        words = task.state.replace("_", " ") + (" (allowed)" if task.failure_allowed else "")
        state = Text(words, style="yellow" if task.failure_allowed else STATE_STYLES.get(task.state, ""))
        said = task.error.message.splitlines()[0] if task.error and task.error.message else short_text(task)
        table.add(task.id, Text(task.agent, style="dim"), state, _seconds(task), said)
    return table


def _failure(task: Outcome) -> Text:
    if task.error is None:
        return Text()
    text = Text.assemble((f"✗ {task.id}: ", "bold red"), _hang(task.error.message))
    if task.error.hint:
        text.append(f"\n  → {_hang(task.error.hint)}", style="dim")
    return text


def _hang(text: str) -> str:
    """Indent the further lines of a message, so that none of them passes for a line of the command."""
    return escape_terminal(text, indent=INDENT + 2)


def _seconds(task: Outcome) -> str:
    return f"{(task.ended_at - task.started_at).total_seconds():.1f}" if task.started_at and task.ended_at else ""
