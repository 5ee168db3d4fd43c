"""Each leaf in full, folded: its work, its error, its result. Markdown and HTML are shown as the text that they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from genesis.model import Outcome
from genesis.report.facts import ReportFacts, TaskFacts
from genesis.report.markup import MARKS, SizeBudget, clock, format_duration, text, words

__all__ = ["results"]

_RESULTS = 500_000
"""Bytes that the results of all leaves may take."""
_TEXTS = 250_000
"""The same for what they are to do, and for their errors."""
_LONGEST_RESULT = 20_000
_LONGEST_TEXT = 5_000


def results(facts: ReportFacts, large: Mapping[str, str]) -> str:
    """Show each leaf in full.

    Args:
        facts: The run.
        large: How the results begin that are too large for their records, by the leaf's path.
    """
    shown = _Results(facts.ledger, large)
    outcomes = {outcome.id: outcome for outcome in facts.run.tasks}
    return "".join(shown.task(number, task, outcomes[task.id]) for number, task in enumerate(facts.tasks))


class _Results:
    """Writes the leaves while there is room."""

    def __init__(self, ledger: str, large: Mapping[str, str]):
        self._ledger = ledger
        self._large = large
        self._room = SizeBudget(_RESULTS)
        self._texts = SizeBudget(_TEXTS)

    def task(self, number: int, task: TaskFacts, outcome: Outcome) -> str:
        """Write one leaf."""
        said = f"{words(task.state)} · {text(task.agent, 80)}"
        said += f" · {format_duration(task.duration_s)}" if task.started_at else ""
        body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in self._rows(task, outcome))
        return (
            f'<details class="task" id="t{number}" data-t="{number}" data-s="{task.state}"><summary>'
            f'<span class="mk {task.state}" aria-hidden="true">{MARKS[task.state]}</span> {text(task.id, 200)} '
            f'<span class="dim">{said}</span></summary><dl>{body}</dl></details>'
        )

    def _rows(self, task: TaskFacts, outcome: Outcome) -> Iterator[tuple[str, str]]:
        yield "To do", self._long(task.description)
        yield "Type", text(task.type, 80)
        if task.started_at is not None:
            end = f" to {clock(task.ended_at)}" if task.ended_at else ""
            yield "Time (UTC)", f"{clock(task.started_at, day=True)}{end}"
        if (error := outcome.error) is not None:
            yield f"Error <code>{text(error.code, 60)}</code>", self._long(error.message)
            if error.hint:
                yield "To fix it", self._long(error.hint)
            for cause in error.causes:
                yield f"From <code>{text(cause.type, 120)}</code>", self._long(cause.message)
        if outcome.note:
            yield "Note", self._long(outcome.note)
        if outcome.result is not None or outcome.result_ref is not None:
            yield "Result", self._result(outcome)

    def _result(self, outcome: Outcome) -> str:
        reference = outcome.result_ref
        whole = _format_result(outcome.result) if reference is None else self._large.get(outcome.id, "")
        shown, is_cut = self._room.take(whole, _LONGEST_RESULT)
        place = f"{self._ledger}/{reference}" if reference else f"{self._ledger}/leaves"
        note = f'<p class="dim">It is cut here. The whole is in the ledger: <code>{text(place, 600)}</code></p>'
        return (f'<pre tabindex="0">{shown}</pre>' if shown else "") + (note if is_cut or reference is not None else "")

    def _long(self, value: str) -> str:
        shown, is_cut = self._texts.take(value, _LONGEST_TEXT)
        return f'<div class="long" dir="auto">{shown}{"…" if is_cut else ""}</div>'


def _format_result(value: JsonValue) -> str:
    """Write a result as it is read best: text as text, and a mapping with its texts unfolded."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and any(isinstance(part, str) and "\n" in part for part in value.values()):
        return "\n\n".join(f"{name}:\n{_format_result(part)}" for name, part in value.items())
    return json.dumps(value, ensure_ascii=False, indent=2)
