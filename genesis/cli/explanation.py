"""Render on a terminal why a run did not complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from pydantic import JsonValue
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from genesis.cli.limits import INDENT
from genesis.cli.render import diagnostics_table, duration
from genesis.cli.rows import Rows
from genesis.model import Attempt, Run
from genesis.report.explain import Explanation, RootCause, Skipped

__all__ = ["explanation_view", "run_document"]

_MOST_ROOTS = 10
"""Failed tasks that are shown with their cause."""
_MOST_IN_SHORT = 3
"""The same at the end of `genesis run`."""
_MOST_GROUPS = 5
"""Groups of skipped tasks that are shown."""
_NAMED = 5
"""Task names that are shown of one group."""
_LONGEST = 600
"""Most characters of an error message."""


def explanation_view(explanation: Explanation, *, short: bool = False) -> RenderableType:
    """Show the root failures, the attempts, the tasks skipped because of them, and how to continue.

    Args:
        explanation: What to show.
        short: Leave out the individual attempts.
    """
    most = _MOST_IN_SHORT if short else _MOST_ROOTS
    parts: list[RenderableType] = []
    if explanation.reason != "failed" and not (explanation.reason == "invalid" and explanation.findings):
        parts.append(Text(explanation.summary, style="cyan" if explanation.reason == "briefed" else "red"))
    if explanation.findings:
        parts.append(Text("The pre-flight check found:", style="red"))
        parts.append(diagnostics_table(explanation.findings))
    for root in explanation.roots[:most]:
        parts += _root(root, short=short)
    if explanation.failed > most:
        parts.append(Text(f"… and {explanation.failed - most:,} more that failed, in --json", style="dim"))
    parts += [_format_skipped(group) for group in explanation.skipped[:_MOST_GROUPS]]
    if rest := explanation.skipped[_MOST_GROUPS:]:
        parts.append(Text(f"– {sum(group.count for group in rest):,} more skipped because of failed tasks"))
    if explanation.cancelled:
        parts.append(Text(f"– {_tasks(explanation.cancelled)} cancelled or not started because the run stopped"))
    parts.append(_render_next_steps(explanation))
    return Group(*parts)


def run_document(run: Run, explanation: Explanation | None) -> dict[str, JsonValue]:
    """Return the JSON document of a run, with its explanation where there is one."""
    document: dict[str, JsonValue] = run.model_dump(mode="json")
    return document if explanation is None else document | {"explanation": explanation.model_dump(mode="json")}


def _root(root: RootCause, *, short: bool) -> Iterator[RenderableType]:
    yield Text.assemble((f"✗ {root.task}", "bold red"), (": ", "red"), _cut(root.message), (f"  {root.code}", "dim"))
    yield from (_under(line) for line in _about(root, short=short))


def _about(root: RootCause, *, short: bool) -> Iterator[RenderableType]:
    cause = next((each for each in root.causes if each.message and each.message not in root.message), None)
    if cause is not None:
        yield Text(f"from {cause.type.removeprefix('builtins.')}: {_cut(cause.message)}", style="dim")
    if root.attempts:
        yield from _attempts(root, short=short)
    for sentence in root.tried:
        yield Text(sentence, style="dim")
    if root.files is not None and not short:
        yield Text.assemble(("its files: ", "dim"), root.files, overflow="fold")


def _attempts(root: RootCause, *, short: bool) -> Iterator[RenderableType]:
    """Show the attempts: one sentence if all ended alike, else a line for each series that did."""
    rows = [list(group) for _, group in groupby(root.history, lambda each: (each.agent, each.code, each.message))]
    agents = list(dict.fromkeys([tried.agent for tried in root.history] or [root.agent]))
    line = f"{root.attempts} attempt{'' if root.attempts == 1 else 's'} by {_format_names(agents)}"
    if len(rows) == 1:
        line += f", {_when(rows[0])}" + (", all with this error" if root.attempts > 1 else "")
    yield Text(line, style="dim")
    if short or len(rows) < 2:  # noqa: PLR2004  # one row is the sentence
        return
    table = Rows(("", "", "", ""))
    for tried in rows:
        said = tried[-1].message.splitlines() or [tried[-1].code]
        agent = Text(tried[-1].agent, style="cyan")
        table.add(Text(f"{len(tried)}×", style="dim"), Text(_when(tried), style="dim"), agent, _cut(said[0]))
    yield table


def _when(tried: Sequence[Attempt]) -> str:
    first, last = tried[0], tried[-1]
    began = first.started_at or first.ended_at
    return f"{began:%H:%M:%S} UTC ({duration((last.ended_at - began).total_seconds())})"


def _format_skipped(group: Skipped) -> Text:
    causes = _format_names(group.because, group.failed) if group.because else "failed tasks"
    verb = "depends" if group.count == 1 else "depend"
    text = Text.assemble((f"– {_tasks(group.count)} skipped", "yellow"), f" that {verb} on {causes}")
    text.append(f": {_format_names(group.tasks, group.count)}", style="dim")
    return text


def _render_next_steps(explanation: Explanation) -> RenderableType:
    """Show the steps as a list, with the command on a separate line that is never wrapped, so that it can be copied."""
    steps = explanation.next_steps
    many = len(steps) + bool(explanation.command) > 1
    parts: list[RenderableType] = [
        _under(Text(f"{number}. {step}" if many else step)) for number, step in enumerate(steps, 1)
    ]
    if explanation.command:
        number = f"{len(steps) + 1}. " if many else ""
        line = Text.assemble(" " * INDENT, number, (explanation.command, "bold"), no_wrap=True, overflow="ignore")
        parts.append(line)
    kept = f" ({_tasks(explanation.kept)} done before {'is' if explanation.kept == 1 else 'are'} kept)"
    return Group(Text.assemble(("To continue:", "bold"), (kept if explanation.kept else "", "dim")), *parts)


def _under(line: RenderableType) -> RenderableType:
    return Padding(line, (0, 0, 0, INDENT), expand=False)


def _format_names(names: Sequence[str], count: int | None = None) -> str:
    count = len(names) if count is None else count
    shown = ", ".join(names[:_NAMED])
    return shown if count <= _NAMED else f"{shown} and {count - _NAMED:,} more"


def _tasks(count: int) -> str:
    return f"{count:,} task{'' if count == 1 else 's'}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
