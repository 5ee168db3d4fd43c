"""What a person reads in the Prefect UI, as Markdown and table rows. Pure text, no Prefect.

Whatever comes from a plan, an agent or an error is escaped and bounded: a cell by its length, a document by the number
of its characters, so that the largest plan still makes a page that opens.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from genesis.model import FINISHED, ErrorInfo, Leaf, Outcome, Plan, PlannerLevel, Program, Report, Run, Severity
from genesis.report.explain import explain
from genesis.report.picture import Picture, as_image
from genesis.structure import list_edges
from genesis.text import cost, fit_line, money, one_line, rehearsal

__all__ = ["escape_markdown", "plan_markdown", "progress_markdown", "report_markdown", "routing_rows", "run_markdown"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&!])")
_CELL = 300
_MOST_ROWS = 500
_MOST_CHARACTERS = 120_000
_TREE_CELLS = 72
_MOST_NAMES = 3
_MOST_LISTED = 20
_LEAST_S, _FEW_S, _MINUTE_S = 0.1, 10, 60
_LEVELS: dict[PlannerLevel, str] = {
    "llm": "Planned by a **language model**",
    "heuristic": "Planned by the **heuristics**",
    "minimal": "Planned **minimally**",
    "file": "Planned by a person: it comes from a **plan file**",
}
_SHOWN_SEVERITIES: dict[Severity, str] = {"error": "Errors", "warning": "Warnings", "info": "Notes"}


def escape_markdown(text: str, most: int = _CELL) -> str:
    """Make untrusted text safe in one line or table cell of Markdown, and at most so many characters long."""
    return _SPECIAL.sub(r"\\\1", one_line(text, most))


def plan_markdown(program: Program, picture: Picture, *, rehearse: float | None = None) -> str:
    """Show the plan: the request, a picture of its DAG, its tree, and what each leaf comes after."""
    plan = program.source.plan
    note = plan.planner_note.removeprefix(f"{plan.planner}: ")
    counts = f"{_format_count(len(program.leaves), 'task')} for {_format_count(len(program.agents), 'agent')}"
    known = _format_estimates(program.leaves)
    rows = []
    for leaf in program.leaves[:_MOST_ROWS]:
        after = _names([program.leaves[source].path for source in leaf.after])
        rows.append((leaf.path, leaf.agent, _duration(leaf.seconds) if leaf.seconds_known else "–", after or "–"))
    return "\n".join(
        [
            *([_rehearsal(rehearse), ""] if rehearse is not None else []),
            f"**Request:** {escape_markdown(plan.request, 5000)}",
            "",
            f"{counts} · {known}",
            "",
            f"{_LEVELS[plan.planner]}{': ' if note else '.'}{escape_markdown(note, 2000)}",
            "",
            *_render_picture(picture, picture.by_agent(), "the tasks and what each comes after"),
            "## Tree",
            "",
            "```text",
            *_tree(plan),
            "```",
            "",
            "## Tasks",
            "",
            *_table(("task", "agent", "estimate", "comes after"), rows, len(program.leaves)),
        ]
    )


def _format_estimates(leaves: Sequence[Leaf]) -> str:
    """Describe what the plan's estimates come to, as far as there are any."""
    timed, priced = [leaf for leaf in leaves if leaf.seconds_known], [leaf for leaf in leaves if leaf.usd_known]
    parts = [
        f"{'' if len(known) == len(leaves) else 'at least '}{said}"
        for known, said in (
            (timed, f"{_duration(sum(leaf.seconds for leaf in timed))} of work"),
            (priced, money(sum((leaf.usd for leaf in priced), Decimal(0)))),
        )
        if known
    ]
    return f"{' and '.join(parts)} as estimated" if parts else "no estimates"


def _rehearsal(scale: float) -> str:
    return f"**{rehearsal(scale)}**"


def routing_rows(program: Program) -> list[dict[str, str]]:
    """Return one row a leaf: who runs it, why, and who else could. Table cells show text as it is."""
    rows: list[dict[str, str]] = []
    room = _MOST_CHARACTERS
    for leaf in program.leaves[:_MOST_ROWS]:
        route = program.source.routes[leaf.path]
        others = "; ".join(f"{other.agent} {other.score:.2f}" for other in route.alternatives)
        row = {
            "task": leaf.path,
            "agent": leaf.agent,
            "score": "" if route.score is None else f"{route.score:.2f}",
            "reason": route.reason,
            "alternatives": others,
        }
        rows.append({key: one_line(value, _CELL) for key, value in row.items()})
        room -= sum(map(len, rows[-1].values()))
        if room < 0:
            break
    if len(rows) < len(program.leaves):
        more = f"… and {len(program.leaves) - len(rows)} more"
        rows.append({"task": more, "agent": "", "score": "", "reason": "the plan has them all", "alternatives": ""})
    return rows


def report_markdown(report: Report) -> str:
    """Show the validation report: what was found, the worst first, each with what to do about it."""
    parts = report.parts
    verdict = (
        "The plan can run." if report.ok else f"The plan cannot run: {_format_count(len(report.errors), 'error')}."
    )
    scores = ", ".join(f"{name} {value:.2f}" for name, value in parts)
    lines = [f"**{verdict}** Quality {report.score:.2f} of 1: {scores}."]
    if not report.diagnostics:
        lines += ["", "Nothing was found."]
    room, shown = _MOST_CHARACTERS, 0
    for severity, title in _SHOWN_SEVERITIES.items():
        found = [diagnostic for diagnostic in report.diagnostics if diagnostic.severity == severity]
        if found:
            lines += ["", f"## {title} ({len(found)})", ""]
        for diagnostic in found[:_MOST_ROWS]:
            hint = f" *{escape_markdown(_sentence(diagnostic.hint))}*" if diagnostic.hint else ""
            lines.append(
                f"- **{escape_markdown(diagnostic.code)}**: {escape_markdown(_sentence(diagnostic.message))}{hint}"
            )
            room, shown = room - len(lines[-1]), shown + 1
            if room < 0:
                break
    return "\n".join([*lines, *_cut(len(report.diagnostics) - shown, "`genesis validate` shows them all")])


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
    done = sum(counts[state] for state in FINISHED)
    share = done / total if total else 1.0
    lines = [
        f"{'█' * round(20 * share)}{'░' * (20 - round(20 * share))} **{done} of {total} done** · "
        + " · ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items() if count),
        "",
    ]
    if rehearse is not None:
        lines[:0] = [_rehearsal(rehearse), ""]
    states = {index: outcome.state for index, outcome in outcomes.items()}
    lines += _render_picture(picture, picture.by_state(states), "the state of each task")
    for state in ("failed", "running"):
        some = [outcome for outcome in outcomes.values() if outcome.state == state]
        lines += [f"- {state}: {_format_leaf(outcome)}" for outcome in some[:_MOST_LISTED]]
        lines += [f"- … and {len(some) - _MOST_LISTED} more {state}"] if len(some) > _MOST_LISTED else []
    return "\n".join(lines)


def run_markdown(run: Run, picture: Picture, *, said: Mapping[str, str], files: Sequence[tuple[str, str]]) -> str:
    """Show how the run ended, what went wrong, what it left, and what each leaf did.

    Args:
        run: The run.
        picture: Its program's picture.
        said: A short text for leaves whose result a person should read, by path.
        files: Description and place of each file that it left.
    """
    counts = Counter(outcome.state for outcome in run.tasks)
    known = cost(run)
    lines = [
        f"**{run.state.replace('_', ' ').capitalize()}** after {_duration(run.duration_s)} · "
        + (f"{known} · " if known else "")
        + " · ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items()),
        "",
    ]
    if run.rehearsal is not None:
        lines[:0] = [_rehearsal(run.rehearsal), ""]
    if run.error:
        lines += [f"{_error(run.error)}", ""]
    if run.shortfall:
        lines += [f"{escape_markdown(run.shortfall[0].upper() + run.shortfall[1:])}", ""]
    if run.state != "completed":
        command = explained.command if (explained := explain(run, ())) is not None else ""
        lines += [f"Continue with it: `{one_line(command)}`", ""] if command else []
    failed = [outcome for outcome in run.tasks if outcome.state == "failed"]
    if failed:
        lines += ["## What failed", "", *(f"- {_format_leaf(outcome)}" for outcome in failed[:_MOST_LISTED]), ""]
    if files:
        lines += ["## What it left", ""]
        lines += [f"- {escape_markdown(name)}: {escape_markdown(place)}" for name, place in files[:_MOST_LISTED]]
        lines += [*_cut(len(files) - _MOST_LISTED, "the folder of the run has them all"), ""]
    states = {index: outcome.state for index, outcome in enumerate(run.tasks)}
    lines += _render_picture(picture, picture.by_state(states), "how each task ended")
    rows = [
        (
            outcome.id,
            outcome.agent,
            outcome.state.replace("_", " "),
            str(outcome.attempts),
            _format_elapsed(outcome),
            text,
        )
        for outcome in run.tasks[:_MOST_ROWS]
        for text in [outcome.error.message if outcome.error else said.get(outcome.id, "")]
    ]
    header = ("task", "agent", "state", "attempts", "time", "what happened")
    return "\n".join([*lines, "## Tasks", "", *_table(header, rows, len(run.tasks))])


def _render_picture(picture: Picture, svg: str, what: str) -> list[str]:
    if not svg:
        return ["The plan is too large or too plain for a picture.", ""]
    summed_up = "" if picture.shows_leaves else "Each box stands for the tasks of one part of the plan.\n\n"
    return [f"{summed_up}{as_image(svg, f'Picture: {what}')}", ""]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], total: int) -> list[str]:
    """Make a table of as many rows as there is room for; say how many are left out."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    room, shown = _MOST_CHARACTERS, 0
    for row in rows:
        line = f"| {' | '.join(escape_markdown(cell) for cell in row)} |"
        room -= len(line)
        if room < 0:
            break
        lines.append(line)
        shown += 1
    return [*lines, *_cut(total - shown, "the run's ledger has them all")]


def _cut(left_out: int, where: str) -> list[str]:
    return ["", f"… and {left_out} more; {where}."] if left_out > 0 else []


def _tree(plan: Plan) -> list[str]:
    """Draw the hierarchy, one task a line."""
    lines: list[str] = []
    edges = list_edges(plan)
    top = plan.tasks
    stack = [(task, task.id, "", number == len(top) - 1) for number, task in reversed(list(enumerate(top)))]
    while stack and len(lines) < _MOST_ROWS:
        task, path, indent, is_last = stack.pop()
        after = f" (after {_names(edges[path])})" if path in edges else ""
        text = f"{task.id}{after}: {one_line(task.description, _CELL)}".replace("```", "'''")
        branch = "└─ " if is_last else "├─ "
        lines.append(fit_line(f"{indent}{branch}{one_line(text, 2 * _CELL)}", _TREE_CELLS))
        below = f"{indent}{'   ' if is_last else '│  '}"
        children = list(enumerate(task.subtasks))
        stack.extend(
            (child, f"{path}/{child.id}", below, number == len(children) - 1) for number, child in reversed(children)
        )
    return [*lines, "…"] if stack else lines


def _names(paths: Sequence[str]) -> str:
    shown = ", ".join(one_line(path, 80) for path in paths[:_MOST_NAMES])
    return f"{shown} and {len(paths) - _MOST_NAMES} more" if len(paths) > _MOST_NAMES else shown


def _format_leaf(outcome: Outcome) -> str:
    """Name a leaf, its agent, and its error where it has one."""
    named = f"**{escape_markdown(outcome.id)}** ({escape_markdown(outcome.agent)})"
    return f"{named}: {_error(outcome.error)}" if outcome.error else named


def _error(error: ErrorInfo) -> str:
    hint = f" *{escape_markdown(_sentence(error.hint))}*" if error.hint else ""
    return f"{escape_markdown(_sentence(error.message), 1000)}{hint}"


def _sentence(text: str) -> str:
    """Begin a clause with a capital and end it with a full stop, unless it is a command or a quotation."""
    line = text.strip()
    first = line[:1].upper() if line[:1].islower() and not line.startswith("run: ") else line[:1]
    return f"{first}{line[1:]}{'' if line.endswith(('.', '!', '?', ')', ':', '…')) or 'run: ' in line else '.'}"


def _format_elapsed(outcome: Outcome) -> str:
    if outcome.started_at is None or outcome.ended_at is None:
        return "–"
    return _duration(max(0.0, (outcome.ended_at - outcome.started_at).total_seconds()))


def _duration(seconds: float) -> str:
    """Say a duration as people do, to about two figures."""
    if 0 < seconds < _LEAST_S:
        return f"< {_LEAST_S} s"
    if seconds < _MINUTE_S:
        return f"{f'{seconds:.1f}'.removesuffix('.0') if seconds < _FEW_S else f'{seconds:.0f}'} s"
    minutes = round(seconds / _MINUTE_S)
    if minutes < _MINUTE_S:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def _format_count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
