"""Write the audit's report: what was found, sorted by what to do first, with the numbers behind it."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from genesis.document import output_problem, write_for_people
from genesis.errors import GenesisError, TaskError
from genesis.security.parameters import DATA, READ_PATH, WRITE_PATH
from genesis_audit import markdown
from genesis_audit.documents import BrokenDocument, items, load_json, mapping, string
from genesis_audit.files import printable, resolve_audit_folder
from genesis_audit.finding import SEVERITIES, ToolResult, plural
from genesis_audit.inputs import whole_number
from genesis_audit.report_sections import SECTIONS

__all__ = ["DEFAULT_OUTPUT", "TOPICS", "report_problem", "run"]

TOPICS: dict[str, str] = {
    "inventory": "Languages and sizes",
    "dependencies": "Dependencies",
    "lint": "Lint and syntax",
    "tests": "Tests",
    "secrets": "Secrets",
    "todos": "Open markers",
    "history": "History",
    "licence": "Licence",
    "documentation": "Documentation",
    "complexity": "Complexity",
    "infrastructure": "CI and infrastructure",
}
"""The topics in the report's order, with their headings."""

_URGENCY = (
    *("secrets", "infrastructure", "dependencies", "tests", "licence", "lint"),
    *("complexity", "history", "documentation", "inventory", "todos"),
)
"""The topics by what goes wrong first where their findings are left alone."""
DEFAULT_OUTPUT = "genesis-audit.md"
_REFUSED = "GEN-TASK-INPUT"
_SUMMARISED = 25
_MARK = re.compile(rb"^<!-- genesis-audit report of ([0-9a-f]{16}) -->\r?$", re.MULTILINE)
"""The line by which a report of ours is known, with a hash of the folder that it is about."""
_MARKED_WITHIN = 2_000
_MAX_RESULT_CHARACTERS = 20_000_000


@dataclass(frozen=True)
class _Entry:
    topic: str
    severity: str
    title: str
    detail: str
    where: str
    advice: str


def run(
    path: Annotated[object, READ_PATH] = ".",
    *,
    output: Annotated[object, WRITE_PATH] = DEFAULT_OUTPUT,
    results: Annotated[object, DATA] = None,
    top: Annotated[object, DATA] = 15,
    now: Annotated[object, DATA] = None,
    **topics: Annotated[object, DATA],
) -> ToolResult:
    """Write one Markdown report from what the other tools gave.

    Any topic may be missing or have failed; the report then notes that in its place. All text from the audited
    folder is escaped.

    Args:
        path: The folder that was audited; for the title.
        output: The file to write; relative to the current folder. Its folder must exist. An earlier report about the
            same folder is replaced, any other file refused.
        results: Answers by topic, as one mapping or its JSON.
        top: How many rows a table has; what is left out is counted.
        now: The report's time as seconds since 1970; by default the clock's.
        topics: Answers by topic, one keyword each (see `TOPICS`): a tool's dict, its JSON, or null. They win over
            `results`. Other keywords are refused.

    Returns:
        `report` (the file's absolute path), `markdown` (its text), `findings` `{high, medium, low, total}`,
        `top_findings` `[{topic, severity, title, detail, where, advice}]` (the first 25), `topics` `{topic: reported |
        missing | failed}`, `summary`.

    Raises:
        TaskError: A topic is unknown, or the file cannot be written or is not ours to replace.
    """
    limit = whole_number(top, "top", least=1, most=1_000)
    folder = resolve_audit_folder(path)
    target = _target(output, folder)
    answers = _answers(results, topics)
    moment = datetime.fromtimestamp(float(str(now)), UTC) if now is not None else datetime.now(UTC)
    entries = _entries(answers)
    counts = Counter(entry.severity for entry in entries)
    states = {topic: _state(answers.get(topic)) for topic in TOPICS}
    lines = [*_heading(folder, moment), *_body(answers, states, entries, limit)]
    document = "\n".join(lines).rstrip() + "\n"
    _write(_target(output, folder), document)
    total = sum(counts.values())
    return {
        "report": str(target),
        "markdown": document,
        "findings": {"high": counts["high"], "medium": counts["medium"], "low": counts["low"], "total": total},
        "top_findings": [dict(vars(entry)) for entry in entries[:_SUMMARISED]],
        "topics": states,
        "summary": f"{plural(total, 'finding')}: {_levels(counts)}. The report is in {target}.",
    }


def _answers(results: object, topics: Mapping[str, object]) -> dict[str, dict[str, object]]:
    unknown = sorted(set(topics) - set(TOPICS))
    if unknown:
        raise TaskError(f"the report knows no topic {unknown[0]!r}", hint=f"use {', '.join(TOPICS)}", code=_REFUSED)
    given = {**_parse_answer(results), **{topic: value for topic, value in topics.items() if value is not None}}
    return {topic: _parse_answer(given[topic]) for topic in TOPICS if given.get(topic) is not None}


def _parse_answer(value: object) -> dict[str, object]:
    """Return an answer as a mapping; text is taken for JSON, else for the message of a tool that failed."""
    if isinstance(value, str):
        try:
            opened = load_json(value) if len(value) <= _MAX_RESULT_CHARACTERS else None
        except BrokenDocument:
            return {"error": value} if value.strip() else {}
        return mapping(opened)
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def _state(answer: dict[str, object] | None) -> str:
    if not answer:
        return "missing"
    return "failed" if answer.get("error") else "reported"


def _entries(answers: dict[str, dict[str, object]]) -> list[_Entry]:
    """Gather the findings, the most severe first, then by what their topic puts at risk, each of them once."""
    found: list[_Entry] = []
    for topic, answer in answers.items():
        for item in items(answer.get("findings")):
            finding = {key: string(value) for key, value in mapping(item).items()}
            if finding.get("severity") in SEVERITIES and finding.get("title"):
                parts = [finding.get(key, "") for key in ("severity", "title", "detail", "where", "advice")]
                found.append(_Entry(topic, *parts))
    order: dict[str, int] = {level: place for place, level in enumerate(SEVERITIES)}
    found.sort(key=lambda entry: (order[entry.severity], _URGENCY.index(entry.topic)))
    return list({(entry.title, entry.where, entry.detail): entry for entry in reversed(found)}.values())[::-1]


def _levels(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[level]:,} {level}" for level in SEVERITIES)


def _heading(folder: Path, moment: datetime) -> list[str]:
    return [
        f"# Audit of {markdown.text(printable(folder.name) or '/')}",
        "",
        f"<!-- genesis-audit report of {_hash(folder)} -->",
        "",
        f"Made by Genesis on {moment:%Y-%m-%d %H:%M} UTC. Folder: {markdown.code(printable(str(folder)))}.",
        "",
    ]


def _body(
    answers: dict[str, dict[str, object]], states: dict[str, str], entries: list[_Entry], limit: int
) -> list[str]:
    lines = ["## Summary", ""]
    lines += _summary_lines(answers, states, entries)
    for topic, heading in TOPICS.items():
        lines += [f"## {heading}", ""]
        answer = answers.get(topic, {})
        if states[topic] == "missing":
            lines += ["This was not looked at: there is no result.", ""]
        elif states[topic] == "failed":
            lines += [f"This could not be looked at: {markdown.text(_reason(answer))}", ""]
        else:
            lines += [markdown.text(answer.get("summary", ""), 600), ""]
            lines += SECTIONS[topic](answer, limit)
            lines += _topic_findings([entry for entry in entries if entry.topic == topic], limit)
    return lines


def _reason(answer: dict[str, object]) -> str:
    error = answer.get("error")
    return string(mapping(error).get("message")) if isinstance(error, Mapping) else str(error)


def _summary_lines(answers: dict[str, dict[str, object]], states: dict[str, str], entries: list[_Entry]) -> list[str]:
    counts = Counter(entry.severity for entry in entries)
    lines = [f"**{plural(len(entries), 'finding')}: {_levels(counts)}.**", ""]
    absent = [f"{TOPICS[topic].lower()} ({state})" for topic, state in states.items() if state != "reported"]
    if absent:
        lines += [f"Not covered: {', '.join(absent)}.", ""]
    partial = [TOPICS[topic].lower() for topic, answer in answers.items() if answer.get("truncated") is True]
    if partial:
        lines += [f"Covered in part, because a bound was reached: {', '.join(partial)}.", ""]
    if not entries:
        return [*lines, "Nothing needs attention in what was covered.", ""]
    rows = [
        [
            str(place),
            entry.severity,
            f"{markdown.text(entry.title)}{_evidence(entry)}",
            markdown.code(entry.where, 160),
            markdown.text(entry.advice),
        ]
        for place, entry in enumerate(entries[:_SUMMARISED], start=1)
    ]
    lines += markdown.table(["#", "Severity", "Finding", "Where", "What to do"], rows, right=(0,))
    if len(entries) > _SUMMARISED:
        lines += [f"… and {len(entries) - _SUMMARISED:,} more below, by topic.", ""]
    return lines


def _evidence(entry: _Entry) -> str:
    return f". {markdown.text(entry.detail)}" if entry.detail else ""


def _topic_findings(entries: list[_Entry], limit: int) -> list[str]:
    if not entries:
        return []
    shown = [
        f"**{entry.severity}**: {markdown.text(entry.title)}"
        + (f" at {markdown.code(entry.where, 160)}" if entry.where else "")
        + _evidence(entry)
        for entry in entries[:limit]
    ]
    more = len(entries) - limit
    return ["### Findings", "", *markdown.bullets([*shown, *([f"… and {more:,} more"] if more > 0 else [])])]


def report_problem(inputs: Mapping[str, object]) -> str | None:
    """Return why a report cannot be written, or None; validation calls it before anything runs."""
    try:
        _target(inputs.get("output", DEFAULT_OUTPUT), resolve_audit_folder(inputs.get("path", ".")))
    except TaskError as error:
        return f"{error.message}; {error.hint}"
    return None


def _target(output: object, folder: Path) -> Path:
    """Find the file to write, and refuse one that is not a report of ours about the same folder."""
    text = str(output).strip()
    if not text or "\0" in text:
        raise _make_report_error("the report has no output file", "give output=FILE.md")
    target = Path(text).expanduser().absolute()
    shown = repr(printable(str(target)))
    if target.is_dir():
        raise _make_report_error(f"{shown} is a folder, not a file to write the report to", "give output=FILE.md")
    if not target.parent.is_dir():
        raise _make_report_error(f"the folder {str(target.parent)!r} for the report does not exist", "make it first")
    if problem := output_problem(target):
        raise _make_report_error(f"{shown} is not written: {problem}", "give output=ANOTHER.md")
    if not target.exists():
        return target
    about = _read_report_folder(target)
    if about is None:
        raise _make_report_error(
            f"{shown} exists and is no audit report, so it is not replaced", "give output=ANOTHER.md"
        )
    if about != _hash(folder):
        raise _make_report_error(
            f"{shown} is the report about another folder, so it is not replaced", "give output=ANOTHER.md"
        )
    return target


def _read_report_folder(target: Path) -> str | None:
    """Read which folder an existing report is about; `None` where the file is no report of ours."""
    try:
        if not target.is_file():
            return None
        with target.open("rb") as stream:
            match = _MARK.search(stream.read(_MARKED_WITHIN))
    except OSError:
        return None
    return match[1].decode() if match else None


def _hash(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def _make_report_error(message: str, hint: str) -> TaskError:
    return TaskError(message, hint=hint, code=_REFUSED)


def _write(target: Path, document: str) -> None:
    """Write the file whole or not at all."""
    try:
        write_for_people(target, document, is_ours=_is_report)
    except GenesisError as error:
        raise TaskError(
            f"the report cannot be written to {str(target)!r}: {error.message}", hint="give another output file"
        ) from error


def _is_report(head: bytes) -> bool:
    return _MARK.search(head) is not None
