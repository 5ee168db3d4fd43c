"""Why a run did not complete: what failed for its own reason, what was skipped because of it, and how to continue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genesis.report.explain import Explanation, RootCause, Skipped
from genesis.report.markup import SizeBudget, lines, text

__all__ = ["failures"]

_MESSAGES = 150_000
_LONGEST = 3_000
_NAMED = 10


def failures(explanation: Explanation, numbers: Mapping[str, int]) -> str:
    """Report why a run did not complete."""
    room = SizeBudget(_MESSAGES)
    parts = [f"<p><b>{text(explanation.summary, 600)}</b></p>"]
    parts += [_root(root, numbers, room) for root in explanation.roots]
    if explanation.failed > len(explanation.roots):
        parts.append(f"<p>… and {explanation.failed - len(explanation.roots):,} more tasks that failed.</p>")
    if explanation.findings:
        found = "".join(
            f"<li><code>{text(each.code, 60)}</code> {text(each.message, 600)} {text(each.hint, 400)}</li>"
            for each in explanation.findings[:_NAMED]
        )
        parts.append(f"<p>The check before the start found:</p><ul>{found}</ul>")
    if explanation.skipped:
        parts.append(f"<ul>{''.join(_render_skipped(group, numbers) for group in explanation.skipped)}</ul>")
    if explanation.cancelled:
        parts.append(f"<p>{_tasks(explanation.cancelled)} ended or not started, because the run stopped.</p>")
    steps = [f"<li>{text(step, 600)}</li>" for step in explanation.next_steps]
    steps += [f"<li><code>{text(explanation.command)}</code></li>"] if explanation.command else []
    kept = f" ({_tasks(explanation.kept)} done before and kept)" if explanation.kept else ""
    return "".join(parts) + (f"<h3>To continue{kept}</h3><ol>{''.join(steps)}</ol>" if steps else "")


def _root(root: RootCause, numbers: Mapping[str, int], room: SizeBudget) -> str:
    message, is_cut = room.take(root.message, _LONGEST)
    causes = "".join(
        f"<li>from <code>{text(each.type, 120)}</code>: {text(each.message, 400)}</li>" for each in root.causes
    )
    said = "".join(f"<li>{text(sentence, 600)}</li>" for sentence in root.tried)
    files = f"<li>its files: <code>{text(root.files, 600)}</code></li>" if root.files else ""
    agents = list(dict.fromkeys([tried.agent for tried in root.history] or [root.agent]))
    count = (
        f"{root.attempts} attempt{'' if root.attempts == 1 else 's'} by {_format_names(agents)}"
        if root.attempts
        else ""
    )
    return (
        f'<div class="root"><h3>{_link(root.task, numbers)} <code>{text(root.code, 60)}</code></h3>'
        f"<pre>{message}{'…' if is_cut else ''}</pre><ul>{causes}{f'<li>{count}</li>' if count else ''}{said}{files}"
        f"<li>to fix it: {text(root.mend, 600)}</li></ul></div>"
    )


def _render_skipped(group: Skipped, numbers: Mapping[str, int]) -> str:
    because = ", ".join(_link(name, numbers) for name in group.because)
    more = f" and {group.failed - len(group.because)} more" if group.failed > len(group.because) else ""
    others = f" and {group.count - len(group.tasks):,} more" if group.count > len(group.tasks) else ""
    named = ", ".join(_link(name, numbers) for name in group.tasks)
    return f"<li>{_tasks(group.count)} skipped because of {because or 'what failed'}{more}: {named}{others}</li>"


def _link(path: str, numbers: Mapping[str, int]) -> str:
    shown = text(path, 160)
    return f'<a href="#t{numbers[path]}">{shown}</a>' if path in numbers else shown


def _format_names(names: Sequence[str]) -> str:
    return ", ".join(text(name, 80) for name in names[:_NAMED])


def _tasks(count: int) -> str:
    return lines(f"{count:,} task{'' if count == 1 else 's'}")
