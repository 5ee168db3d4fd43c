"""The tables of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genesis.model import Outcome
from genesis.report.facts import AgentFacts, ReportFacts, Routing, TaskFacts
from genesis.report.markup import Column, SizeBudget, clock, format_duration, lines, number, pill, table, text, words
from genesis.text import money

__all__ = [
    "agents_table",
    "amendments",
    "attempts_table",
    "check",
    "dearest_table",
    "moments_table",
    "routing_table",
    "tasks_table",
]

_NAMED = 5
_MOST_ATTEMPTS = 300
_MOST_FINDINGS = 300
_TEXTS = 150_000
"""Bytes of reasons and messages in one table."""
_LONGEST = 500
_BREAKER = {"breaker_opened": "failed", "breaker_half_open": "running", "breaker_closed": "completed"}


def tasks_table(facts: ReportFacts, numbers: Mapping[str, int]) -> str:
    """List all leaves: the timeline and the graph in words."""
    columns = [
        *(Column(name) for name in ("Task", "State", "Agent", "Start")),
        *(Column(name, is_number=True) for name in ("Duration", "Waited", "Attempts", "Cost", "Tokens")),
        Column("Comes after"),
    ]
    rows = (_task_row(task, numbers[task.id]) for task in facts.tasks)
    return table("All tasks, in the order of the plan", columns, rows, kind="sortable tasks")


def _task_row(task: TaskFacts, count: int) -> str:
    after = ", ".join(text(name, 80) for name in task.after[:_NAMED])
    after += f" and {len(task.after) - _NAMED} more" if len(task.after) > _NAMED else ""
    critical = ' <span class="key" title="on the critical path">critical</span>' if task.is_critical else ""
    start = task.started_at.timestamp() if task.started_at else 0
    return (
        f'<tr data-t="{count}"><th scope="row"><a href="#t{count}">{text(task.id, 160)}</a>{critical}</th>'
        f"<td>{pill(task.state)}</td><td>{text(task.agent, 80)}</td>"
        f'<td data-v="{start:.3f}">{clock(task.started_at)}</td>'
        f"{_number(task.duration_s, format_duration(task.duration_s) if task.started_at else '–')}"
        f"{_number(task.waited_s, format_duration(task.waited_s) if task.waited_s else '–')}"
        f"{_number(task.attempts, number(task.attempts))}{_cost(task)}"
        f"{_number(task.tokens, number(task.tokens))}<td>{after or '–'}</td></tr>"
    )


def agents_table(facts: ReportFacts) -> str:
    """Add up what each agent did, the dearest first."""
    names = ("Tasks", "Done", "Failed", "Attempts", "Work", "Cost", "Tokens")
    columns = [Column("Agent"), *(Column(name, is_number=True) for name in names)]
    rows = (
        f'<tr><th scope="row">{text(each.agent, 80)}</th>'
        + "".join(_number(count, number(count)) for count in (each.tasks, each.done, each.failed, each.attempts))
        + f"{_number(each.work_s, format_duration(each.work_s))}{_cost(each)}"
        + f"{_number(each.tokens, number(each.tokens))}</tr>"
        for each in facts.agents
    )
    return table("What each agent did and cost", columns, rows, kind="sortable")


def _cost(each: TaskFacts | AgentFacts) -> str:
    return _number(float(each.usd), money(each.usd) if each.usd_known else "–")


def dearest_table(facts: ReportFacts, numbers: Mapping[str, int], most: int = 50) -> str:
    """List the leaves that cost something, the dearest first."""
    paid = sorted((task for task in facts.tasks if task.usd or task.tokens), key=lambda task: (-task.usd, -task.tokens))
    if not paid:
        return '<p class="dim">No task has a cost.</p>'
    columns = [Column("Task"), Column("Agent"), Column("Cost", is_number=True), Column("Tokens", is_number=True)]
    rows = (
        f'<tr><th scope="row"><a href="#t{numbers[task.id]}">{text(task.id, 160)}</a></th>'
        f"<td>{text(task.agent, 80)}</td>{_cost(task)}"
        f"{_number(task.tokens, number(task.tokens))}</tr>"
        for task in paid[:most]
    )
    more = f"… and {len(paid) - most:,} that cost less; all tasks are in the table above." if len(paid) > most else ""
    return table("What each task cost, the dearest first", columns, rows, kind="sortable", more=more)


def attempts_table(outcomes: Sequence[Outcome], numbers: Mapping[str, int]) -> str:
    """List all attempts that failed."""
    tried = [(outcome.id, attempt) for outcome in outcomes for attempt in outcome.history]
    if not tried:
        return '<p class="dim">No attempt failed.</p>'
    room = SizeBudget(_TEXTS)
    columns = [
        Column("Task"), Column("Attempt", is_number=True), Column("Agent"), Column("Began"),
        Column("Took", is_number=True), Column("Code"), Column("Message"),
    ]  # fmt: skip
    rows = []
    for path, attempt in tried[:_MOST_ATTEMPTS]:
        took = (attempt.ended_at - attempt.started_at).total_seconds() if attempt.started_at else 0.0
        rows.append(
            f'<tr><th scope="row"><a href="#t{numbers[path]}">{text(path, 160)}</a></th>'
            f"{_number(attempt.number, number(attempt.number))}<td>{text(attempt.agent, 80)}</td>"
            f"<td>{clock(attempt.started_at)}</td>{_number(took, format_duration(took))}"
            f"<td><code>{text(attempt.code, 60)}</code></td>"
            f"<td class=wide>{_render_bounded(room, attempt.message)}</td></tr>"
        )
    more = f"… and {len(tried) - _MOST_ATTEMPTS:,} more in --json." if len(tried) > _MOST_ATTEMPTS else ""
    return table("Attempts that failed", columns, rows, kind="sortable", more=more)


def moments_table(facts: ReportFacts) -> str:
    """List what happened besides the leaves' outcomes."""
    if not facts.moments:
        return (
            '<p class="dim">Nothing was noted. It is written down when a run ends; a run that continues, or whose '
            "process died, has none of its last execution.</p>"
        )
    room = SizeBudget(_TEXTS)
    rows = (
        f'<tr><th scope="row">{clock(each.at, day=True)}</th><td class="{_BREAKER.get(each.kind, "")}">'
        f"{words(each.kind)}</td><td>{text(each.subject, 160)}</td>"
        f"<td class=wide>{_render_bounded(room, each.text)}</td></tr>"
        for each in facts.moments
    )
    columns = [Column("Time (UTC)"), Column("What"), Column("Of what"), Column("More")]
    more = f"… and {facts.moments_left_out:,} more that were not kept." if facts.moments_left_out else ""
    return table("What happened besides the tasks' outcomes", columns, rows, more=more)


def routing_table(facts: ReportFacts, numbers: Mapping[str, int]) -> str:
    """Say for each leaf why its agent got it, and who else could have."""
    room = SizeBudget(2 * _TEXTS)
    columns = [Column("Task"), Column("Agent"), Column("Score", is_number=True), Column("Why"), Column("Runners-up")]
    rows = (_route_row(route, numbers, room) for route in facts.routing)
    return table("Why each task went where it went", columns, rows, kind="sortable")


def _route_row(route: Routing, numbers: Mapping[str, int], room: SizeBudget) -> str:
    others = "<br>".join(
        f"{text(other.agent, 80)} {other.score:.2f}"
        + (f' <span class="dim">{_render_bounded(room, other.reason)}</span>' if other.reason else "")
        for other in route.alternatives
    )
    name = text(route.task, 160)
    linked = f'<a href="#t{numbers[route.task]}">{name}</a>' if route.task in numbers else name
    score = "–" if route.score is None else f"{route.score:.2f}"
    return (
        f'<tr><th scope="row">{linked}</th><td>{text(route.agent or "nobody", 80)}</td>'
        f"{_number(route.score or 0.0, score)}<td class=wide>{_render_bounded(room, route.reason)}</td>"
        f"<td class=wide>{others or '–'}</td></tr>"
    )


def check(facts: ReportFacts) -> str:
    """Show the score of the plan and what its check found."""
    report = facts.check
    if report is None:
        return '<p class="dim">The plan was not checked for this page.</p>'
    parts = ", ".join(f"{name} {value:.2f}" for name, value in report.parts)
    verdict = "The plan can run" if report.ok else "The plan cannot run"
    head = f"<p><b>{verdict}</b>: quality {report.score:.2f} of 1 ({parts}).</p>"
    if not report.diagnostics:
        return f"{head}<p>Nothing was found.</p>"
    room = SizeBudget(_TEXTS)
    rows = (
        f'<tr><th scope="row"><code>{text(found.code, 60)}</code></th>'
        f'<td class="{found.severity}">{found.severity}</td>'
        f"<td>{text(found.task or '–', 160)}</td><td class=wide>{_render_bounded(room, found.message)}</td>"
        f"<td class=wide>{_render_bounded(room, found.hint)}</td></tr>"
        for found in report.diagnostics[:_MOST_FINDINGS]
    )
    left = len(report.diagnostics) - _MOST_FINDINGS
    columns = [Column("Code"), Column("Severity"), Column("Task"), Column("Finding"), Column("What to do")]
    more = f"… and {left:,} more in --json." if left > 0 else ""
    return head + table("What the check of the plan found", columns, rows, more=more)


def amendments(facts: ReportFacts) -> str:
    """List the changes of the plan while it ran."""
    if not facts.amendments:
        return '<p class="dim">The plan did not change while it ran.</p>'
    room = SizeBudget(_TEXTS)
    rows = (
        f'<tr><th scope="row">{each.number}</th><td>{clock(each.at, day=True)}</td>'
        f"<td>{'planned again' if each.kind == 'replan' else 'grown'}</td><td>{text(each.task, 160)}</td>"
        f"<td>{text(each.group.id, 80)}</td><td class=wide>{_render_bounded(room, each.reason)}</td></tr>"
        for each in facts.amendments
    )
    columns = [Column(name) for name in ("Number", "Time (UTC)", "What", "For the task", "Added group", "Why")]
    return table("Changes of the plan while it ran", columns, rows)


def _number(value: float, shown: str) -> str:
    return f'<td class="num" data-v="{value:g}">{shown}</td>'


def _render_bounded(room: SizeBudget, value: str) -> str:
    shown, is_cut = room.take(" ".join(value.split()), _LONGEST)
    return f"<bdi>{shown}</bdi>{'…' if is_cut else ''}" if shown or is_cut else lines("–")
