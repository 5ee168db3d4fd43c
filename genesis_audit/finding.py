"""What a tool found: one shape that all tools share and that the report sorts by severity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args

__all__ = ["SEVERITIES", "AuditFinding", "FindingSeverity", "ToolResult", "dump", "plural"]

FindingSeverity: TypeAlias = Literal["high", "medium", "low"]
SEVERITIES: tuple[FindingSeverity, ...] = get_args(FindingSeverity)

ToolResult: TypeAlias = dict[str, object]
"""A tool's answer: only what `json.dumps` takes."""


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that a person should know about the audited folder, with the evidence and what to do about it."""

    severity: FindingSeverity
    """`high`: act now; `medium`: plan it; `low`: good to know."""
    title: str
    """What is the case, in one line, with its number where there is one."""
    detail: str = ""
    """The evidence."""
    where: str = ""
    """A file, or `file:line`, relative to the audited folder."""
    advice: str = ""
    """What to do next."""


def dump(findings: Iterable[AuditFinding]) -> list[ToolResult]:
    """Return findings as plain dicts, the most severe first and otherwise in the order in which they came."""
    return [asdict(finding) for finding in sorted(findings, key=lambda each: SEVERITIES.index(each.severity))]


def plural(count: int, noun: str, many: str = "") -> str:
    """Write a count with its noun: `1 file`, `2,000 files`."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"
