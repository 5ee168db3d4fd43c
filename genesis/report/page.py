"""The whole page of a report: one HTML document that loads nothing, and can be read without its script."""

from __future__ import annotations

import html
from collections.abc import Mapping
from urllib.parse import urlsplit

from genesis.model import Program
from genesis.report.dag import dag
from genesis.report.evidence import Evidence
from genesis.report.facts import ReportFacts, facts_of
from genesis.report.failures import failures
from genesis.report.markup import clock, format_duration, lines, number, pill, text, words
from genesis.report.results import results
from genesis.report.spans import axis_of
from genesis.report.style import SCRIPT, STYLE, policy
from genesis.report.tables import (
    agents_table,
    amendments,
    attempts_table,
    check,
    dearest_table,
    moments_table,
    routing_table,
    tasks_table,
)
from genesis.report.timeline import timeline
from genesis.text import cost, one_line, rehearsal

__all__ = ["report_page"]

_LONG_REQUEST = 200
_LONGEST_REQUEST = 20_000


def report_page(evidence: Evidence) -> str:
    """Make the page of a run. A pure function; the run may be in any state.

    Args:
        evidence: All that is known of the run.

    Returns:
        One HTML document, everything in it; its size is bounded whatever the results are.
    """
    facts = facts_of(evidence)
    numbers = {task.id: count for count, task in enumerate(facts.tasks)}
    parts = _sections(facts, evidence, numbers)
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in parts)
    sections = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>{body}</section>'
        for name, title, body in parts
    )
    mark = "Rehearsal, " if facts.run.rehearsal is not None else ""
    title = html.escape(f"{mark}{facts.run.state.replace('_', ' ')}: {one_line(facts.request, 80)}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy())}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>"
        '<a class="skip" href="#main">Skip to the content</a>'
        f'{_header(facts)}<nav aria-label="Parts of the report"><ul>{links}</ul></nav>'
        f'<main id="main" tabindex="-1">{_cards(facts)}{sections}</main>'
        f"<footer>Made {clock(facts.made_at, day=True)} UTC from the ledger <code>{text(facts.ledger, 600)}</code>."
        " Times are in UTC.</footer>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _sections(facts: ReportFacts, evidence: Evidence, numbers: Mapping[str, int]) -> list[tuple[str, str, str]]:
    axis = axis_of(facts.run, evidence.moments.moments, facts.made_at)
    why = failures(facts.explanation, numbers) if facts.explanation is not None else ""
    critical = frozenset(numbers[path] for path in facts.critical_path)
    states = {numbers[task.id]: task.state for task in facts.tasks}
    found = [
        ("why", "Why it did not complete", why),
        ("timeline", "Timeline", _critical(facts) + _filter(facts) + timeline(facts, axis, dict(numbers))),
        ("graph", "Graph", dag(evidence.program, states, critical)),
        ("tasks", "Tasks", tasks_table(facts, numbers)),
        ("costs", "Costs", agents_table(facts) + dearest_table(facts, numbers)),
        ("attempts", "Retries and errors", attempts_table(facts.run.tasks, numbers)),
        ("moments", "Breakers, detours and other moments", moments_table(facts)),
        ("routing", "Routing", routing_table(facts, numbers)),
        ("check", "Check of the plan", _render_planner_note(facts, evidence.program) + check(facts)),
        ("changes", "Changes of the plan", amendments(facts)),
        ("results", "Tasks and results in full", results(facts, evidence.large)),
    ]
    return [part for part in found if part[2]]


def _header(facts: ReportFacts) -> str:
    run = facts.run
    rows = [
        ("Run", f"<code>{text(run.run_id)}</code>"),
        ("Correlation id", f"<code>{text(run.correlation_id)}</code>"),
        ("Planned by", {"llm": "a language model", "file": "a plan file"}.get(run.planner, f"{run.planner} rules")),
        ("Started", f"{clock(run.started_at, day=True)} UTC{_again(facts)}"),
        ("Ended", f"{clock(run.ended_at, day=True)} UTC" if run.ended_at else "not yet, as far as is known"),
    ]
    rows += [("Rehearsal", rehearsal(run.rehearsal).removeprefix("Rehearsal: "))] if run.rehearsal is not None else []
    rows += [("Trace", f"<code>{text(facts.trace_id)}</code>")] if facts.trace_id else []
    rows += [("Prefect UI", _link(run.ui_url))] if run.ui_url else []
    said = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    what = "run" if run.rehearsal is None else "rehearsal"
    return (
        f'<header><p class="kicker">Report of a {what} of Genesis</p>'
        f"<h1>{_request(facts.request)} {pill(run.state)}</h1>"
        f'{_whole(facts.request)}<dl class="facts">{said}</dl></header>'
    )


def _again(facts: ReportFacts) -> str:
    count = facts.summary.executions
    return f", the last of {count} times" if count > 1 else ""


def _request(request: str) -> str:
    return text(request, _LONG_REQUEST)


def _whole(request: str) -> str:
    """Show a long request in full, folded."""
    if len(request) <= _LONG_REQUEST and "\n" not in request:
        return ""
    shown = lines(request[:_LONGEST_REQUEST])
    return f"<details><summary>The whole request</summary><pre>{shown}</pre></details>"


def _link(url: str) -> str:
    """Lead to the Prefect UI, and nowhere but to a page."""
    shown = text(url, 600)
    if urlsplit(url).scheme not in ("http", "https"):
        return shown
    return f'<a href="{html.escape(one_line(url))}" rel="noreferrer">{shown}</a>'


def _cards(facts: ReportFacts) -> str:
    summary = facts.summary
    share = summary.critical_s / summary.duration_s if summary.duration_s else 0.0
    cards = [
        ("Tasks done", f"{summary.done:,} of {summary.tasks:,}", ""),
        ("Time", format_duration(summary.duration_s), "pauses left out" if summary.executions > 1 else ""),
        (
            "Critical path",
            format_duration(summary.critical_s),
            f"at work, {share:.0%} of the time; waiting {format_duration(summary.critical_wait_s)}",
        ),
        ("Parallelism", f"{summary.parallelism:.1f}", f"on the average; at most {summary.most_at_once} at once"),
        ("Attempts", number(summary.attempts), f"{number(summary.retries)} of them repeats"),
    ]
    known, tokens = cost(facts.run), f"{number(summary.tokens)} tokens" if summary.tokens else ""
    cards += [("Cost", known or "not known", tokens)] if known or tokens else []
    shown = "".join(
        f"<div><dt>{name}</dt><dd>{value}{f'<small>{more}</small>' if more else ''}</dd></div>"
        for name, value, more in cards
    )
    states = "".join(
        f"<li>{pill(state)} <b>{count:,}</b></li>"
        for state, count in sorted(summary.states.items(), key=lambda i: -i[1])
    )
    return f'<dl class="cards">{shown}</dl><ul class="states" aria-label="Tasks by state">{states}</ul>'


def _critical(facts: ReportFacts) -> str:
    if not facts.critical_path:
        return ""
    summary = facts.summary
    named = [text(path, 80) for path in facts.critical_path]
    shown = named if len(named) <= 8 else [*named[:4], f"… {len(named) - 7} more …", *named[-3:]]  # noqa: PLR2004
    return (
        f"<p>The chain of {len(named)} that determined the end: {' → '.join(shown)}. It was at work for "
        f"{format_duration(summary.critical_s)} of {format_duration(summary.duration_s)}; otherwise it waited "
        "for a slot or an agent. "
        f'The same in words: <a href="#tasks">the table of all tasks</a>.</p>'
    )


def _filter(facts: ReportFacts) -> str:
    """Offer to show some tasks only. Without the script it is not there, since it could do nothing."""
    options = "".join(f'<option value="{state}">{words(state)}</option>' for state in facts.summary.states)
    return (
        '<form id="filter" hidden aria-label="Show some tasks only"><div><label for="words">Words</label>'
        '<input id="words" type="search" autocomplete="off"></div><div><label for="state">State</label>'
        f'<select id="state"><option value="">any</option>{options}</select></div>'
        '<button type="reset">Show all</button><span id="count" role="status" class="dim"></span></form>'
    )


def _render_planner_note(facts: ReportFacts, program: Program) -> str:
    note = facts.planner_note.removeprefix(f"{program.source.plan.planner}: ")
    return f"<p>{text(note, 2_000)}</p>" if note else ""
