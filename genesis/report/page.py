"""The whole page of a report: one HTML document that loads nothing, and can be read without its script."""

from __future__ import annotations

import json
from collections.abc import Mapping

from markupsafe import Markup
from pydantic import JsonValue

from genesis.model import Outcome
from genesis.report.dag import draw_dag
from genesis.report.evidence import Evidence
from genesis.report.explain import RootCause
from genesis.report.facts import ReportFacts, TaskFacts, facts_of
from genesis.report.rendering import render
from genesis.report.spans import axis_of
from genesis.report.style import SCRIPT, STYLE, policy
from genesis.report.timeline import draw_timeline
from genesis.structure import as_json_text
from genesis.text import cost

__all__ = ["report_page"]

_SECTIONS: Mapping[str, str] = {
    "why": "Why it did not complete",
    "timeline": "Timeline",
    "graph": "Graph",
    "tasks": "Tasks",
    "costs": "Costs",
    "attempts": "Retries and errors",
    "moments": "Circuit breakers, failovers and other events",
    "routing": "Routing",
    "check": "Check of the plan",
    "changes": "Changes of the plan",
    "results": "Tasks and results in full",
}
"""The parts of the page in order, each with its title; each is a template of this name."""
_MOST_AGENTS = 10
"""Agents that tried a leaf, as far as they are shown."""
_LONG_CHAIN = 8
"""A longer chain is shown with a gap in the middle."""


def report_page(evidence: Evidence) -> str:
    """Render the page of a run. A pure function; the run may be in any state.

    Args:
        evidence: All that is known of the run.

    Returns:
        One HTML document, everything in it; its size is bounded whatever the results are.
    """
    facts = facts_of(evidence)
    run = facts.run
    numbers = {task.id: count for count, task in enumerate(facts.tasks)}
    states = {numbers[task.id]: task.state for task in facts.tasks}
    axis = axis_of(run, evidence.moments.moments, facts.made_at)
    outcomes = {outcome.id: outcome for outcome in run.tasks}

    return render(
        "report.html",
        facts=facts,
        run=run,
        summary=facts.summary,
        numbers=numbers,
        sections=[
            (name, title)
            for name, title in _SECTIONS.items()
            if (name != "why" or facts.explanation is not None) and (name != "results" or facts.tasks)
        ],
        policy=policy(),
        style=Markup(STYLE),  # noqa: S704  # ours, and nothing else
        script=Markup(SCRIPT),  # noqa: S704
        cost=cost(run),
        values=[(name, as_json_text(value)) for name, value in facts.values.items()],
        planner_note=facts.planner_note.removeprefix(f"{evidence.program.source.plan.planner}: "),
        agents_of=_agents_of,
        short_chain=_shorten(facts.critical_path),
        chart=draw_timeline(facts, axis),
        graph=draw_dag(evidence.program, states, frozenset(numbers[path] for path in facts.critical_path)),
        paid=_list_paid(facts),
        failed_attempts=[(outcome.id, attempt) for outcome in run.tasks for attempt in outcome.history],
        results=((task, outcomes[task.id], _result_text(outcomes[task.id], evidence.large)) for task in facts.tasks),
    )


def _agents_of(root: RootCause) -> list[str]:
    """Name the first of the agents that attempted a task."""
    return list(dict.fromkeys([attempt.agent for attempt in root.history] or [root.agent]))[:_MOST_AGENTS]


def _shorten(chain: tuple[str, ...]) -> list[str | None]:
    """Leave out the middle of a long chain; None stands for it."""
    return list(chain) if len(chain) <= _LONG_CHAIN else [*chain[:4], None, *chain[-3:]]


def _list_paid(facts: ReportFacts) -> list[TaskFacts]:
    """List the tasks that cost something, the most expensive first."""
    paid = (task for task in facts.tasks if task.usd or task.tokens)
    return sorted(paid, key=lambda task: (-task.usd, -task.tokens))


def _result_text(outcome: Outcome, large: Mapping[str, str]) -> str:
    return _format_result(outcome.result) if outcome.result_ref is None else large.get(outcome.id, "")


def _format_result(value: JsonValue) -> str:
    """Write a result as it is read best: text as text, and a mapping with its texts unfolded."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and any(isinstance(part, str) and "\n" in part for part in value.values()):
        return "\n\n".join(f"{name}:\n{_format_result(part)}" for name, part in value.items())
    return json.dumps(value, ensure_ascii=False, indent=2)
