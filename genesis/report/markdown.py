"""What a person reads in the Prefect UI, as Markdown and table rows. Pure text, no Prefect.

Whatever comes from a plan, an agent or an error is escaped by the templates and bounded: a cell by its length, a
document by the number of its characters, so that the largest plan still makes a page that opens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from genesis.model import Leaf, Outcome, Plan, Program, Report, Route, Run, Severity
from genesis.report.explain import explain
from genesis.report.picture import Picture
from genesis.report.rendering import format_rounded, render
from genesis.structure import fill_text, list_edges, plan_values
from genesis.text import cost, fit_line, money, one_line
from genesis.text.markdown import CELL_CHARACTERS, escape_markdown

__all__ = ["plan_markdown", "progress_markdown", "report_markdown", "routing_rows", "run_markdown"]

_MOST_ROWS = 500
"""Most rows of a table: the UI renders a Markdown artifact at once."""
_MOST_CHARACTERS = 120_000
"""Most characters of an artifact's list."""
_TREE_CELLS = 72
"""Columns of a line in the tree of tasks."""
_GATHERS = Route(agent=None, reason="it gathers what its copies gave")
_WAITS = Route(agent=None, reason="it waits, without an agent")
_MOST_NAMES = 3
"""Most names in one cell."""
_SEPARATORS = len("|  |")
"""Characters that Markdown needs for a cell besides its text."""
_SHOWN_SEVERITIES: dict[Severity, str] = {"error": "Errors", "warning": "Warnings", "info": "Notes"}


def plan_markdown(program: Program, picture: Picture, *, rehearse: float | None = None) -> str:
    """Show the plan: the request, a picture of its DAG, its tree, and what each leaf comes after."""
    plan = program.source.plan
    return render(
        "plan.md",
        plan=plan,
        leaves=program.leaves,
        agents=program.agents,
        estimates=_format_estimates(program.leaves),
        note=plan.planner_note.removeprefix(f"{plan.planner}: "),
        picture=picture,
        svg=picture.by_agent(),
        tree=_tree(plan),
        rows=_fit_rows(
            (
                leaf.path,
                leaf.agent,
                format_rounded(leaf.seconds) if leaf.seconds_known else "–",
                _names([program.leaves[source].path for source in leaf.after]) or "–",
            )
            for leaf in program.leaves[:_MOST_ROWS]
        ),
        rehearse=rehearse,
    )


def _format_estimates(leaves: Sequence[Leaf]) -> str:
    """Add up the estimates of the plan that there are."""
    timed, priced = [leaf for leaf in leaves if leaf.seconds_known], [leaf for leaf in leaves if leaf.usd_known]
    parts = [
        f"{'' if len(known) == len(leaves) else 'at least '}{said}"
        for known, said in (
            (timed, f"{format_rounded(sum(leaf.seconds for leaf in timed))} of work"),
            (priced, money(sum((leaf.usd for leaf in priced), Decimal(0)))),
        )
        if known
    ]
    return f"{' and '.join(parts)} as estimated" if parts else "no estimates"


def routing_rows(program: Program) -> list[dict[str, str]]:
    """Return one row a leaf: who runs it, why, and who else could. Table cells show text as it is."""
    rows: list[dict[str, str]] = []
    room = _MOST_CHARACTERS
    for leaf in program.leaves[:_MOST_ROWS]:
        own = _GATHERS if leaf.wait_for is None else _WAITS
        route = program.source.routes[leaf.path] if leaf.agent else own
        others = "; ".join(f"{other.agent} {other.score:.2f}" for other in route.alternatives)
        row = {
            "task": leaf.path,
            "agent": leaf.agent,
            "score": "" if route.score is None else f"{route.score:.2f}",
            "reason": route.reason,
            "alternatives": others,
        }
        rows.append({key: one_line(value, CELL_CHARACTERS) for key, value in row.items()})
        room -= sum(map(len, rows[-1].values()))
        if room < 0:
            break
    if len(rows) < len(program.leaves):
        more = f"… and {len(program.leaves) - len(rows)} more"
        rows.append({"task": more, "agent": "", "score": "", "reason": "the plan has them all", "alternatives": ""})
    return rows


def report_markdown(report: Report) -> str:
    """Show the validation report: what was found, the worst first, each with what to do about it."""
    groups, room, left_out = [], _MOST_CHARACTERS, len(report.diagnostics)
    for severity, title in _SHOWN_SEVERITIES.items():
        found = [diagnostic for diagnostic in report.diagnostics if diagnostic.severity == severity]
        shown = []
        for diagnostic in found[:_MOST_ROWS]:
            room -= _room_of((diagnostic.code, diagnostic.message, diagnostic.hint))
            shown.append(diagnostic)
            if room < 0:
                break
        left_out -= len(shown)
        if found:
            groups.append((title, len(found), shown))
    return render("validation.md", report=report, groups=groups, left_out=left_out)


def progress_markdown(
    program: Program, outcomes: Mapping[int, Outcome], picture: Picture, *, rehearse: float | None = None
) -> str:
    """Show how many leaves are in which state, a picture of that, and which run or failed.

    Args:
        program: What runs.
        outcomes: What is known, by leaf index.
        picture: The program's picture.
        rehearse: Scale of a rehearsal.
    """
    total = len(program.leaves)
    counts = Counter(outcome.state for outcome in outcomes.values())
    counts["pending"] += total - len(outcomes)
    done = sum(outcome.is_settled for outcome in outcomes.values())
    states = {index: outcome.state for index, outcome in outcomes.items()}
    return render(
        "progress.md",
        total=total,
        done=done,
        filled=round(20 * done / total) if total else 20,
        counts=counts,
        outcomes=list(outcomes.values()),
        picture=picture,
        svg=picture.by_state(states),
        rehearse=rehearse,
    )


def run_markdown(run: Run, picture: Picture, *, said: Mapping[str, str], files: Sequence[tuple[str, str]]) -> str:
    """Show how the run ended, what went wrong, what it left, and what each leaf did.

    Args:
        run: The run.
        picture: Its program's picture.
        said: A short text for leaves whose result a person should read, by path.
        files: Description and place of each file that it left.
    """
    explained = explain(run, ()) if run.state != "completed" else None
    states = {index: outcome.state for index, outcome in enumerate(run.tasks)}
    return render(
        "result.md",
        run=run,
        cost=cost(run),
        counts=Counter(outcome.state for outcome in run.tasks),
        command=explained.command if explained is not None else "",
        failed=[outcome for outcome in run.tasks if outcome.has_failed],
        files=files,
        picture=picture,
        svg=picture.by_state(states),
        rows=_fit_rows(
            (
                outcome.id,
                outcome.agent,
                outcome.state.replace("_", " ") + (" (allowed)" if outcome.failure_allowed else ""),
                str(outcome.attempts),
                _format_elapsed(outcome),
                outcome.error.message if outcome.error else said.get(outcome.id, ""),
            )
            for outcome in run.tasks[:_MOST_ROWS]
        ),
    )


def _fit_rows(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the first of the rows, as many as there is room for once they are escaped."""
    fitting, room = [], _MOST_CHARACTERS
    for row in rows:
        room -= _room_of(row)
        if room < 0:
            break
        fitting.append(row)
    return fitting


def _room_of(cells: Iterable[str]) -> int:
    return sum(len(escape_markdown(cell)) + _SEPARATORS for cell in cells)


def _tree(plan: Plan) -> list[str]:
    """Draw the hierarchy, one task a line."""
    lines: list[str] = []
    edges, values = list_edges(plan), plan_values(plan)
    top = plan.tasks
    stack = [(task, task.id, "", number == len(top) - 1) for number, task in reversed(list(enumerate(top)))]
    while stack and len(lines) < _MOST_ROWS:
        task, path, indent, is_last = stack.pop()
        after = f" (after {_names(edges[path])})" if path in edges else ""
        text = f"{task.id}{after}: {one_line(fill_text(task.description, values), CELL_CHARACTERS)}"
        branch = "└─ " if is_last else "├─ "
        lines.append(fit_line(f"{indent}{branch}{one_line(text, 2 * CELL_CHARACTERS)}", _TREE_CELLS))
        below = f"{indent}{'   ' if is_last else '│  '}"
        children = list(enumerate(task.subtasks))
        stack.extend(
            (child, f"{path}/{child.id}", below, number == len(children) - 1) for number, child in reversed(children)
        )
    return [*lines, "…"] if stack else lines


def _names(paths: Sequence[str]) -> str:
    shown = ", ".join(one_line(path, 80) for path in paths[:_MOST_NAMES])
    return f"{shown} and {len(paths) - _MOST_NAMES} more" if len(paths) > _MOST_NAMES else shown


def _format_elapsed(outcome: Outcome) -> str:
    if outcome.started_at is None or outcome.ended_at is None:
        return "–"
    return format_rounded(max(0.0, (outcome.ended_at - outcome.started_at).total_seconds()))
