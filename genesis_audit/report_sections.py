"""What each topic's section of the report shows: tables of the numbers, cut to a length, with what was left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genesis_audit.documents import items, mapping, string
from genesis_audit.markdown import bullets, code, table, text

__all__ = ["SECTIONS"]

_Answer = dict[str, object]


def _number(value: object) -> str:
    """Write a number with separators; what is no number is empty."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    return f"{value:,}"


def _size(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    for unit, divisor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= divisor:
            return f"{value / divisor:,.1f} {unit}"
    return f"{value:,} B"


def _rows(value: object) -> list[dict[str, object]]:
    return [mapping(item) for item in items(value)]


def _cut(
    heading: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    limit: int,
    *,
    right: Sequence[int] = (),
    beyond: object = 0,
) -> list[str]:
    """Write a table under a heading, and how many rows more there are, counting those the tool did not list."""
    if not rows:
        return []
    lines = [f"### {heading}", "", *table(columns, rows[:limit], right=right)]
    more = max(0, len(rows) - limit) + (beyond if isinstance(beyond, int) else 0)
    return [*lines, f"… and {more:,} more.", ""] if more > 0 else lines


def _place(row: dict[str, object]) -> str:
    line = row.get("line")
    name = string(row.get("path"))
    return code(f"{name}:{line}" if isinstance(line, int) and line > 0 else name, 200)


def _inventory(answer: _Answer, limit: int) -> list[str]:
    totals = mapping(answer, "totals")
    languages = [
        [
            text(row.get("language")),
            *(_number(row.get(key)) for key in ("files", "code", "comment", "blank")),
            _size(row.get("bytes")),
        ]
        for row in _rows(answer.get("languages"))
    ]
    keys = ("text_files", "code", "comment", "blank")
    languages.append(["**All**", *(_number(totals.get(key)) for key in keys), _size(totals.get("bytes"))])
    entries = [
        [text(row.get("kind")), code(row.get("name"), 80), code(row.get("target"), 120), code(row.get("where"), 120)]
        for row in _rows(answer.get("entry_points"))
    ]
    largest = [
        [_place(row), _size(row.get("bytes")), _number(row.get("lines"))] for row in _rows(answer.get("largest_files"))
    ]
    unknown = f"{_number(totals.get('binary_files'))} binary files; {_number(totals.get('unknown_files'))} text files"
    return [
        *_cut(
            "Languages", ["Language", "Files", "Code", "Comment", "Blank", "Size"], languages, 1_000, right=range(1, 6)
        ),
        f"The last row also counts the size of {unknown} of no known language, whose lines are not counted.",
        "",
        *_cut(
            "Entry points",
            ["Kind", "Name", "Target", "Where"],
            entries,
            2 * limit,
            beyond=answer.get("entry_points_not_shown"),
        ),
        *_cut("Largest files", ["File", "Size", "Lines"], largest, limit, right=(1, 2)),
    ]


def _dependencies(answer: _Answer, limit: int) -> list[str]:
    pins = ("exact", "bounded", "open", "unpinned", "direct")
    manifests = [
        [_place(row), text(row.get("ecosystem")), _number(row.get("count")), *(_number(row.get(pin)) for pin in pins)]
        for row in _rows(answer.get("manifests"))
    ]
    conflicts = [
        [
            code(row.get("name"), 80),
            ", ".join(
                f"{code(each.get('spec') or 'any', 60)} in {code(each.get('manifest'), 80)}"
                for each in _rows(row.get("specs"))[:6]
            ),
        ]
        for row in _rows(answer.get("conflicts"))
    ]
    locks = ", ".join(code(row.get("path"), 120) for row in _rows(answer.get("locks"))[:limit])
    runtime = [
        [code(row.get("name"), 80), code(row.get("spec") or "any", 80), text(row.get("pin")), _place_of(row)]
        for row in _rows(answer.get("dependencies"))
        if row.get("group") == "runtime"
    ]
    return [
        f"Lock files: {locks or 'none'}.",
        "",
        *_cut(
            "Manifests",
            ["Manifest", "Ecosystem", "All", "Exact", "Bounded", "Lower bound only", "Any", "Direct"],
            manifests,
            limit,
            right=range(2, 8),
        ),
        *_cut("Runtime requirements", ["Name", "Constraint", "Pin", "Manifest"], runtime, 2 * limit),
        *_cut("Constraints that exclude each other", ["Name", "Constraints"], conflicts, limit),
    ]


def _place_of(row: dict[str, object]) -> str:
    return code(row.get("manifest"), 120)


def _lint(answer: _Answer, limit: int) -> list[str]:
    rules = [
        [code(row.get("rule")), text(row.get("name")), _number(row.get("count"))]
        for row in _rows(answer.get("by_rule"))
    ]
    worst = [[_place(row), _number(row.get("count"))] for row in _rows(answer.get("worst_files"))]
    errors = [
        [_place(row), text(row.get("format")), text(row.get("message"), 160)]
        for row in _rows(answer.get("syntax_errors"))
    ]
    return [
        f"Settings: {code(mapping(answer, 'tool').get('settings'))}.",
        "",
        *_cut(
            "Violations by rule",
            ["Rule", "Name", "Count"],
            rules,
            limit,
            right=(2,),
            beyond=answer.get("rules_not_shown"),
        ),
        *_cut("Worst files", ["File", "Count"], worst, limit, right=(1,)),
        *_cut("Syntax errors", ["Where", "Format", "Message"], errors, limit),
    ]


def _tests(answer: _Answer, limit: int) -> list[str]:
    frameworks = ", ".join(text(name) for name in items(answer.get("frameworks")))
    suite = mapping(answer, "suite")
    largest = [[_place(row), _number(row.get("tests"))] for row in _rows(answer.get("largest"))]
    lines = [f"Frameworks: {frameworks or 'none recognised'}.", ""]
    if suite.get("verdict") not in (None, "not_requested", "refused_nested"):
        keys = ("passed", "failed", "errors", "skipped", "seconds")
        row = [text(suite.get("verdict")), *(_number(suite.get(key)) for key in keys)]
        lines += _cut(
            "Run", ["Verdict", "Passed", "Failed", "Errors", "Skipped", "Seconds"], [row], 1, right=range(1, 6)
        )
        failures = [code(name, 200) for name in items(suite.get("failures"))]
        lines += bullets(failures[:limit])
    return [*lines, *_cut("Largest test files", ["File", "Tests"], largest, limit, right=(1,))]


def _secrets(answer: _Answer, limit: int) -> list[str]:
    rows = [
        [
            text(row.get("severity")),
            text(row.get("kind")),
            _place(row),
            code(row.get("masked")),
            code(row.get("fingerprint")),
        ]
        for row in _rows(answer.get("secrets"))
    ]
    return [
        "Only the files as they are now were searched; the history was not.",
        "",
        *_cut(
            "Possible secrets",
            ["Severity", "Kind", "Where", "Masked", "Fingerprint"],
            rows,
            2 * limit,
            beyond=answer.get("not_shown"),
        ),
    ]


def _todos(answer: _Answer, limit: int) -> list[str]:
    rows = [
        [code(row.get("text"), 120), _place(row), text(row.get("date") or ""), _number(row.get("age_days"))]
        for row in _rows(answer.get("todos"))
    ]
    return _cut(
        "Markers, the oldest first",
        ["Text", "Where", "Since", "Days"],
        rows,
        limit,
        right=(3,),
        beyond=answer.get("not_shown"),
    )


def _history(answer: _Answer, limit: int) -> list[str]:
    if answer.get("available") is not True:
        return []
    changed = [
        [
            _place(row) + (" (removed)" if row.get("exists") is False else ""),
            *(_number(row.get(key)) for key in ("commits", "added", "deleted")),
        ]
        for row in _rows(answer.get("most_changed"))
    ]
    hot = [
        [_place(row), _number(row.get("commits")), _size(row.get("bytes")), _number(row.get("score"))]
        for row in _rows(answer.get("hotspots"))
    ]
    people, bots = (
        [[code(row.get("name"), 80), _number(row.get("commits"))] for row in _rows(answer.get(key))]
        for key in ("top_contributors", "bots")
    )
    return [
        f"First commit: {text(answer.get('first_commit') or 'unknown')}.",
        f"Commits in the last 90 days: {_number(answer.get('commits_last_90_days'))}.",
        f"Changes are those of the latest {_number(answer.get('commits_read'))} commits, merges left out.",
        "",
        *_cut("Most changed files", ["File", "Commits", "Added", "Deleted"], changed, limit, right=(1, 2, 3)),
        *_cut("Hotspots: often changed and large", ["File", "Commits", "Size", "Score"], hot, limit, right=(1, 2, 3)),
        *_cut("Contributors", ["Name", "Commits"], people, 10, right=(1,)),
        *_cut("Bots", ["Name", "Commits"], bots, 10, right=(1,)),
    ]


def _licence(answer: _Answer, limit: int) -> list[str]:
    files = [
        [_place(row), text(row.get("spdx") or "not recognised"), _number(row.get("confidence"))]
        for row in _rows(answer.get("files"))
    ]
    declared = [[code(row.get("where"), 120), code(row.get("licence"), 120)] for row in _rows(answer.get("declared"))]
    return [
        *_cut("Licence files", ["File", "SPDX id", "Confidence"], files, limit, right=(2,)),
        *_cut("Declared", ["Where", "Licence"], declared, limit),
    ]


def _documentation(answer: _Answer, limit: int) -> list[str]:
    topics = ("changelog", "contributing", "code_of_conduct", "security_policy", "codeowners")
    present = [[topic.replace("_", " "), code(answer.get(topic) or "", 120) or "missing"] for topic in topics]
    sections = ", ".join(code(name, 60) for name in list(items(mapping(answer, "readme").get("sections")))[:limit])
    missing = [
        [_place(row), _number(row.get("missing")), _number(row.get("objects"))]
        for row in _rows(answer.get("least_documented"))
    ]
    return [
        f"README sections: {sections or 'none'}.",
        "",
        *_cut("Documents", ["Document", "Where"], present, 10),
        *_cut("Most missing docstrings", ["File", "Missing", "Of"], missing, limit, right=(1, 2)),
    ]


def _complexity(answer: _Answer, limit: int) -> list[str]:
    def rows(key: str) -> list[list[str]]:
        measures = ("cyclomatic", "lines", "nesting", "parameters")
        return [
            [code(row.get("name"), 80), _place(row), *(_number(row.get(measure)) for measure in measures)]
            for row in _rows(answer.get(key))
        ]

    columns = ["Function", "Where", "Cyclomatic", "Lines", "Nesting", "Parameters"]
    return [
        *_cut("Most branched functions", columns, rows("worst"), limit, right=range(2, 6)),
        *_cut("Longest functions", columns, rows("longest"), max(1, limit // 2), right=range(2, 6)),
    ]


def _infrastructure(answer: _Answer, limit: int) -> list[str]:
    workflows = [
        [_place(row), text(row.get("name")), _join_items(row.get("triggers")), _number(row.get("jobs"))]
        for row in _rows(answer.get("workflows"))
    ]
    docker = [
        [_place(row), _join_items(row.get("base_images")), code(row.get("user") or "") or "root or the image's"]
        for row in _rows(answer.get("dockerfiles"))
    ]
    others = [
        [_place(row), _join_items(row.get(key))]
        for topic, key in (("compose", "services"), ("kubernetes", "kinds"), ("prefect", "work_pools"))
        for row in _rows(answer.get(topic))
    ]
    return [
        *_cut("CI workflows", ["File", "Name", "Triggers", "Jobs"], workflows, limit, right=(3,)),
        *_cut("Dockerfiles", ["File", "Base images", "User"], docker, limit),
        *_cut("Compose, Kubernetes and Prefect", ["File", "Services, kinds or work pools"], others, limit),
    ]


def _join_items(value: object) -> str:
    return ", ".join(code(item, 60) for item in list(items(value))[:10])


SECTIONS: dict[str, Callable[[_Answer, int], list[str]]] = {
    "inventory": _inventory,
    "dependencies": _dependencies,
    "lint": _lint,
    "tests": _tests,
    "secrets": _secrets,
    "todos": _todos,
    "history": _history,
    "licence": _licence,
    "documentation": _documentation,
    "complexity": _complexity,
    "infrastructure": _infrastructure,
}
