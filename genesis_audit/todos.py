"""Find what people promised themselves in comments: TODO, FIXME, XXX, HACK, and since when."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from genesis.security.parameters import DATA, READ_PATH
from genesis_audit.budget import TimeBudget
from genesis_audit.facts import Todo
from genesis_audit.files import SourceFile
from genesis_audit.finding import AuditFinding, ToolResult, dump, plural
from genesis_audit.git import Repository, find_repository
from genesis_audit.inputs import whole_number
from genesis_audit.scan import scan_of

__all__ = ["run"]

_BLAME_HEADER = re.compile(r"^[0-9a-f]{40,64} \d+ (\d+)")
_YEAR_3000 = 32_503_680_000
_BLAMED_FILES = 60
_BLAMED_LINES = 100
_BLAME_S = 25
_BLAME_ONE_S = 10.0
_OLD_DAYS = 365


@dataclass(frozen=True)
class _Todo:
    file: SourceFile
    todo: Todo


def run(
    path: Annotated[object, READ_PATH] = ".",
    *,
    top: Annotated[object, DATA] = 200,
    time_limit_s: Annotated[object, DATA] = 90,
    now: Annotated[object, DATA] = None,
) -> ToolResult:
    """Find markers in comments of source files.

    Python is tokenised, so that a marker in a string does not count; other languages are read line by line. The age is
    that of the line in the last commit, for the files with most markers and as far as time allows.

    Args:
        path: The folder.
        top: How many are listed.
        time_limit_s: When searching stops.
        now: The time from which ages count, as seconds since 1970; by default the clock's.

    Returns:
        `todos` `[{path, line, marker, text, author, date, age_days}]` (the last three may be null), the oldest first,
        `count`, `by_marker`, `by_file` `[{path, count}]`, `oldest_days`, `not_shown`, `truncated`, `summary`,
        `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=100_000)
    moment = datetime.now(UTC).timestamp() if now is None else float(str(now))
    scan = scan_of(path, time_limit_s=whole_number(time_limit_s, "time_limit_s", least=1, most=3_600))
    found = [_Todo(file, todo) for file, facts in scan for todo in facts.todos]
    repository = find_repository(scan.tree.root)
    origins = _origins(repository, found) if isinstance(repository, Repository) else {}
    rows = sorted((_row(todo, origins.get(todo), moment) for todo in found), key=_by_age)
    ages = [age for row in rows if isinstance(age := row["age_days"], int)]
    by_file = Counter(todo.file.shown for todo in found)
    return {
        "todos": rows[:limit],
        "count": len(found),
        "not_shown": max(0, len(rows) - limit),
        "by_marker": dict(sorted(Counter(each.todo.marker for each in found).items())),
        "by_file": [{"path": name, "count": count} for name, count in _most(by_file)],
        "oldest_days": max(ages, default=None),
        "truncated": scan.truncated,
        "summary": _summary(found, ages),
        "findings": dump(_findings(rows, ages)),
    }


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:20]


def _origins(repository: Repository, found: list[_Todo]) -> dict[_Todo, tuple[str, int]]:
    """Return each marker's author and time in the last commit, as far as files and time allow."""
    by_file: dict[SourceFile, list[_Todo]] = defaultdict(list)
    for todo in found:
        by_file[todo.file].append(todo)
    budget = TimeBudget(_BLAME_S)
    origins: dict[_Todo, tuple[str, int]] = {}
    ordered = sorted(by_file, key=lambda file: (-len(by_file[file]), file.path))
    for file in ordered[:_BLAMED_FILES]:
        if budget.spent:
            break
        origins.update(_blame_lines(repository, file, by_file[file], budget))
    return origins


def _blame_lines(
    repository: Repository, file: SourceFile, todos: list[_Todo], budget: TimeBudget
) -> Iterator[tuple[_Todo, tuple[str, int]]]:
    """Blame the last commit, never the work tree: reading that would run the repository's filters.

    So would a text conversion, which `blame` makes unless that is switched off.
    """
    by_line = _lines_in_commit(repository, file, todos[:_BLAMED_LINES])
    if not by_line:
        return
    ranges = [part for line in sorted(by_line) for part in ("-L", f"{line},{line}")]
    options = ("--no-textconv", "--no-ext-diff", "--line-porcelain", *ranges)
    seconds = max(1.0, min(_BLAME_ONE_S, budget.left))
    done = repository.run("blame", *options, "HEAD", "--", file.path, timeout_s=seconds, output_limit=2_000_000)
    number, author, moment = 0, "", 0
    for raw in done.stdout.decode("utf-8", "replace").split("\n") if done.ok else ():
        if raw.startswith("\t"):
            if number in by_line:
                yield by_line[number], (author, moment)
        elif raw.startswith("author "):
            author = raw[7:]
        elif raw.startswith("author-time "):
            moment = int(raw[12:]) if raw[12:].isdecimal() else 0
        else:
            match = _BLAME_HEADER.match(raw)
            number = int(match[1]) if match else number


def _lines_in_commit(repository: Repository, file: SourceFile, todos: list[_Todo]) -> dict[int, _Todo]:
    """Find the markers' lines in the last commit: at the same place, or once elsewhere where they have moved."""
    done = repository.run("cat-file", "blob", f"HEAD:./{file.path}", timeout_s=_BLAME_ONE_S, output_limit=2_000_000)
    if not done.ok:
        return {}
    lines = [line.rstrip("\r") for line in done.stdout.decode("utf-8", "replace").split("\n")]
    found: dict[int, _Todo] = {}
    for todo in todos:
        if lines[todo.todo.line - 1 : todo.todo.line] == [todo.todo.source]:
            found[todo.todo.line] = todo
        elif lines.count(todo.todo.source) == 1:
            found.setdefault(lines.index(todo.todo.source) + 1, todo)
    return found


def _row(todo: _Todo, origin: tuple[str, int] | None, now: float) -> ToolResult:
    marker = todo.todo
    row: ToolResult = {"path": todo.file.shown, "line": marker.line, "marker": marker.marker, "text": marker.text}
    if origin is None or not 0 < origin[1] < _YEAR_3000:
        return {**row, "author": None, "date": None, "age_days": None}
    date = datetime.fromtimestamp(origin[1], UTC).date().isoformat()
    return {**row, "author": origin[0][:100], "date": date, "age_days": max(0, int((now - origin[1]) // 86_400))}


def _by_age(row: ToolResult) -> tuple[int, str, int]:
    age, line = row["age_days"], row["line"]
    return -age if isinstance(age, int) else 1, str(row["path"]), line if isinstance(line, int) else 0


def _summary(found: list[_Todo], ages: list[int]) -> str:
    files = len({todo.file for todo in found})
    if not found:
        return "No TODO, FIXME, XXX or HACK in comments."
    text = f"{plural(len(found), 'marker')} in {plural(files, 'file')}"
    return f"{text}, the oldest {plural(max(ages), 'day')} old." if ages else f"{text}."


def _findings(rows: list[ToolResult], ages: list[int]) -> Iterator[AuditFinding]:
    urgent = [row for row in rows if row["marker"] in ("FIXME", "XXX", "HACK")]
    old = [age for age in ages if age > _OLD_DAYS]
    if rows:
        first = rows[0]
        yield AuditFinding(
            severity="low",
            title=f"{plural(len(rows), 'open marker')} in comments, {len(urgent):,} of them FIXME, XXX or HACK",
            detail=f"Older than a year: {len(old):,}." if ages else "",
            where=f"{first['path']}:{first['line']}",
            advice="Make issues of those that matter and delete the rest; begin with the oldest.",
        )
