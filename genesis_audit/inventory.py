"""Which languages a folder holds, how much of each, where it is entered, and its largest files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from genesis.security.parameters import DATA, READ_PATH
from genesis_audit.entry_points import find_entry_points
from genesis_audit.facts import FileFacts
from genesis_audit.files import SourceFile, Tree
from genesis_audit.finding import AuditFinding, ToolResult, dump, plural
from genesis_audit.inputs import whole_number
from genesis_audit.scan import scan_of

__all__ = ["run"]

_LARGE_BYTES = 5_000_000
_LONG_SOURCE_LINES = 2_000
_SHOWN_WITHOUT_PROGRAMS = frozenset({"HTML", "CSS", "SCSS", "Less", "SQL"})


def run(
    path: Annotated[object, READ_PATH] = ".",
    *,
    top: Annotated[object, DATA] = 20,
    time_limit_s: Annotated[object, DATA] = 90,
) -> ToolResult:
    """Take stock of a folder.

    Args:
        path: The folder.
        top: How many of the largest files are listed.
        time_limit_s: When counting stops; what is not counted by then is marked.

    Returns:
        `languages` `[{language, files, bytes, code, comment, blank, lines, is_source}]` by code, `totals` `{files,
        bytes, text_files, binary_files, unknown_files, not_read, code, comment, blank, lines}`, `entry_points`
        `[{kind, name, target, where}]`, `largest_files` `[{path, bytes, lines}]`, `main_language`, `listed_by`
        (`git` or `walk`), `skipped` `{symlinks, unreadable, ignored}`, `truncated`, `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=1_000)
    scan = scan_of(path, time_limit_s=whole_number(time_limit_s, "time_limit_s", least=1, most=3_600))
    tree, stock = scan.tree, _Stock()
    for file, facts in scan:
        stock.add(file, facts)
    languages = stock.rows()
    entries, more_entries = find_entry_points(scan)
    main = stock.main_language()
    return {
        "languages": languages,
        "totals": stock.totals(tree),
        "entry_points": entries,
        "entry_points_not_shown": more_entries,
        "largest_files": stock.largest(tree, limit),
        "main_language": main,
        "listed_by": tree.listed_by,
        "skipped": {"symlinks": tree.symlinks, "unreadable": tree.unreadable, "ignored": len(tree.ignored)},
        "truncated": tree.truncated or stock.unread > 0,
        "summary": _summary(tree, stock, main),
        "findings": dump(_findings(tree, stock)),
    }


@dataclass
class _Tally:
    is_source: bool
    files: int = 0
    bytes: int = 0
    code: int = 0
    comment: int = 0
    blank: int = 0
    own_code: int = 0
    """Code that the project wrote itself, not as a copy of another project's and not by a program."""


@dataclass
class _Stock:
    """What has been counted so far."""

    by_language: dict[str, _Tally] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    binary: int = 0
    unknown: int = 0
    unread: int = 0
    long_sources: list[tuple[SourceFile, int]] = field(default_factory=list)

    def add(self, file: SourceFile, facts: FileFacts) -> None:
        if facts.state != "text":
            self.unread += facts.state == "unread"
            self.binary += facts.state == "binary"
            return
        self.lines[file.path] = facts.lines
        if facts.language is None:
            self.unknown += 1
            return
        tally = self.by_language.setdefault(facts.language, _Tally(facts.is_source))
        tally.files += 1
        tally.bytes += file.size
        tally.code += facts.code
        tally.comment += facts.comment
        tally.blank += facts.blank
        tally.own_code += facts.code * (facts.origin == "own")
        if facts.is_source and facts.origin == "own" and facts.lines > _LONG_SOURCE_LINES and not file.is_test:
            self.long_sources.append((file, facts.lines))

    def main_language(self) -> str | None:
        """Name the programming language with most code of the project's own, else the style or markup language."""
        ranked = [
            (tally.is_source, tally.own_code, name)
            for name, tally in sorted(self.by_language.items(), reverse=True)
            if tally.own_code and (tally.is_source or name in _SHOWN_WITHOUT_PROGRAMS)
        ]
        return max(ranked, default=(False, 0, None))[2]

    def rows(self) -> list[ToolResult]:
        ordered = sorted(self.by_language.items(), key=lambda pair: (-pair[1].code, pair[0]))
        return [
            {
                "language": name,
                "files": tally.files,
                "bytes": tally.bytes,
                "code": tally.code,
                "comment": tally.comment,
                "blank": tally.blank,
                "lines": tally.code + tally.comment + tally.blank,
                "is_source": tally.is_source,
            }
            for name, tally in ordered
        ]

    def totals(self, tree: Tree) -> ToolResult:
        tallies = list(self.by_language.values())
        code, comment, blank = (sum(getattr(tally, kind) for tally in tallies) for kind in ("code", "comment", "blank"))
        return {
            "files": len(tree.files),
            "bytes": sum(file.size for file in tree.files),
            "text_files": sum(tally.files for tally in tallies) + self.unknown,
            "binary_files": self.binary,
            "unknown_files": self.unknown,
            "not_read": self.unread,
            "code": code,
            "comment": comment,
            "blank": blank,
            "lines": code + comment + blank,
        }

    def largest(self, tree: Tree, limit: int) -> list[ToolResult]:
        ordered = sorted(tree.files, key=lambda file: (-file.size, file.path))[:limit]
        return [{"path": file.shown, "bytes": file.size, "lines": self.lines.get(file.path)} for file in ordered]


def _summary(tree: Tree, stock: _Stock, main: object) -> str:
    source = [tally for tally in stock.by_language.values() if tally.is_source]
    lines = sum(tally.code for tally in source)
    text = f"{plural(len(tree.files), 'file')}, {plural(lines, 'line')} of code in {plural(len(source), 'language')}"
    return f"{text}, mostly {main}." if main else f"{plural(len(tree.files), 'file')}, no source code."


def _findings(tree: Tree, stock: _Stock) -> list[AuditFinding]:
    if not tree.files:
        return [
            AuditFinding(
                severity="medium", title="The folder holds no files", advice="Check the path that was audited."
            )
        ]
    findings = [
        AuditFinding(
            severity="low",
            title=f"A file of {file.size / 1e6:,.1f} MB is kept with the sources",
            where=file.shown,
            advice="Keep large files in Git LFS or in an artifact store, so that clones stay small.",
        )
        for file in sorted(tree.files, key=lambda file: -file.size)[:5]
        if file.size > _LARGE_BYTES
    ]
    findings += [
        AuditFinding(
            severity="low",
            title=f"A source file has {lines:,} lines",
            where=file.shown,
            advice="Split it by subject; files of this size are hard to review and often conflict.",
        )
        for file, lines in sorted(stock.long_sources, key=lambda pair: (-pair[1], pair[0].path))[:5]
    ]
    if tree.truncated or stock.unread:
        counted = len(tree.files) - stock.unread
        findings.append(
            AuditFinding(
                severity="low",
                title=f"{counted:,} of {plural(len(tree.files), 'file')} were read",
                detail="The others are larger than 2 MB, cannot be read, or came after the time limit"
                + ("; there are more files than were listed." if tree.truncated else "."),
                advice="Audit a subfolder to see the rest, if it matters.",
            )
        )
    if tree.ignored:
        findings.append(
            AuditFinding(
                severity="medium",
                title=f"{plural(len(tree.ignored), 'tracked file')} in folders that tools make, such as node_modules",
                where=tree.ignored[0],
                advice="Remove them from version control, and add the folders to .gitignore.",
            )
        )
    return findings
