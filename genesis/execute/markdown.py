"""What a person reads in the Prefect UI, as Markdown and table rows. Pure text, no Prefect."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from genesis.model import Outcome, Program, Report, Run, Task

__all__ = ["escaped", "plan_markdown", "progress_markdown", "report_markdown", "routing_rows", "run_markdown"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#])")
_MOST_ROWS = 500


def escaped(text: str) -> str:
    """Make untrusted text safe in one line or table cell of Markdown."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def plan_markdown(program: Program) -> str:
    """Show the plan: the request, its tree, and its DAG as a table of what each leaf comes after."""
    plan = program.source.plan
    lines = [
        f"**Request:** {escaped(plan.request)}",
        "",
        f"Planned by **{plan.planner}**. {escaped(plan.planner_note)}",
        "",
    ]
    lines += [
        "```text",
        *_tree(plan.tasks),
        "```",
        "",
        "| task | agent | comes after | estimate |",
        "|---|---|---|---|",
    ]
    for leaf in program.leaves[:_MOST_ROWS]:
        after = ", ".join(escaped(program.leaves[source].path) for source in leaf.after[:8])
        after += f" and {len(leaf.after) - 8} more" if len(leaf.after) > 8 else ""
        lines.append(f"| {escaped(leaf.path)} | {escaped(leaf.agent)} | {after or '–'} | {leaf.seconds:g} s |")
    return "\n".join([*lines, *_cut(len(program.leaves))])


def routing_rows(program: Program) -> list[dict[str, str]]:
    """Give one row a leaf: who runs it, why, and who else could."""
    rows = []
    for leaf in program.leaves[:_MOST_ROWS]:
        route = program.source.routes[leaf.path]
        others = "; ".join(f"{other.agent} {other.score:.2f}" for other in route.alternatives)
        score = "" if route.score is None else f"{route.score:.2f}"
        rows.append(
            {"task": leaf.path, "agent": leaf.agent, "score": score, "reason": route.reason, "alternatives": others}
        )
    return rows


def report_markdown(report: Report) -> str:
    """Show the validation report."""
    parts = report.parts
    verdict = "The plan can run." if report.ok else f"The plan cannot run: {len(report.errors)} errors."
    lines = [
        f"**{verdict}** Quality {report.score:.2f} (success {parts.success:.2f}, quality {parts.quality:.2f}, "
        f"cost {parts.cost:.2f}, time {parts.time:.2f}).",
        "",
    ]
    if report.diagnostics:
        lines += ["| severity | code | task | finding | what to do |", "|---|---|---|---|---|"]
    for found in report.diagnostics[:_MOST_ROWS]:
        cells = (found.severity, found.code, found.task or "–", found.message, found.hint)
        lines.append(f"| {' | '.join(escaped(cell) for cell in cells)} |")
    return "\n".join([*lines, *_cut(len(report.diagnostics))])


def progress_markdown(total: int, outcomes: Iterable[Outcome]) -> str:
    """Show how many leaves are in which state, and which run or failed."""
    known = list(outcomes)
    counts = Counter(outcome.state for outcome in known)
    counts["pending"] += total - len(known)
    done = sum(counts[state] for state in ("completed", "cached", "briefed"))
    lines = [
        f"**{done} of {total} done.** " + ", ".join(f"{count} {state}" for state, count in counts.items() if count),
        "",
    ]
    for state in ("running", "failed"):
        some = [outcome for outcome in known if outcome.state == state][:20]
        lines += [f"- {state}: {escaped(outcome.id)} ({escaped(outcome.agent)})" for outcome in some]
    return "\n".join(lines)


def run_markdown(run: Run, results: Mapping[str, str]) -> str:
    """Show how the run ended, leaf by leaf.

    Args:
        run: The run.
        results: A short text for leaves whose result a person should read, by path.
    """
    lines = [f"**{run.state}** after {run.duration_s:.1f} s, ${run.cost_usd:.2f}.", ""]
    if run.error:
        lines += [f"{escaped(run.error.message)}. {escaped(run.error.hint)}", ""]
    lines += ["| task | agent | state | attempts | what happened |", "|---|---|---|---|---|"]
    for outcome in run.tasks[:_MOST_ROWS]:
        said = outcome.error.message if outcome.error else results.get(outcome.id, "")
        cells = (outcome.id, outcome.agent, outcome.state, str(outcome.attempts), said)
        lines.append(f"| {' | '.join(escaped(cell) for cell in cells)} |")
    return "\n".join([*lines, *_cut(len(run.tasks))])


def _cut(count: int) -> list[str]:
    return (
        ["", f"… and {count - _MOST_ROWS} more; the whole list is in the run's ledger."] if count > _MOST_ROWS else []
    )


def _tree(tasks: Iterable[Task]) -> list[str]:
    lines: list[str] = []
    stack: list[tuple[Task, int]] = [(task, 0) for task in reversed(list(tasks))]
    while stack and len(lines) < _MOST_ROWS:
        task, depth = stack.pop()
        after = f"  <- {', '.join(task.depends_on)}" if task.depends_on else ""
        described = " ".join(task.description.split()).replace("```", "'''")[:100]
        lines.append(f"{'  ' * depth}{task.id}: {described}{after}")
        stack.extend((child, depth + 1) for child in reversed(task.subtasks))
    return lines
