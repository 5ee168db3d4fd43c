"""What a project says about itself: README, guides, changelog, and docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from genesis.security.parameters import DATA, READ_PATH
from genesis_audit.files import SourceFile, Tree
from genesis_audit.finding import AuditFinding, ToolResult, dump, plural
from genesis_audit.inputs import whole_number
from genesis_audit.scan import Scan, scan_of

__all__ = ["run"]

_TOPICS = {
    "changelog": re.compile(
        r"^(?:change[-_]?logs?(?:\.d)?|changes(?:et)?|history|news|release[-_]?notes|releases|whats[-_]?new|upgrading)"
        r"(?:[-_.]\w+)*$",
        re.IGNORECASE,
    ),
    "contributing": re.compile(r"^(?:contribut\w*|hacking|development|developing)(?:[-_.]\w+)*$", re.IGNORECASE),
    "code_of_conduct": re.compile(r"^(?:code[-_]?of[-_]?)?conduct(?:\.\w+)?$", re.IGNORECASE),
    "security_policy": re.compile(r"^security(?:[-_]policy)?(?:\.(?:md|rst|txt|adoc|markdown))?$", re.IGNORECASE),
    "codeowners": re.compile(r"^codeowners$", re.IGNORECASE),
}
_README = re.compile(
    r"^readme(?:[-_.][a-z]{2}(?:[-_][a-z]{2,4})?)?(?:\.(?:md|mkd|markdown|mdx|rst|txt|adoc|asciidoc|org|rdoc|html|textile))?$",
    re.IGNORECASE,
)
_HEADINGS = {
    ".rst": re.compile(r"(?!)"),  # all of its headings are underlined
    ".adoc": re.compile(r"^={1,5}\s+(.+?)\s*$"),
    ".asciidoc": re.compile(r"^={1,5}\s+(.+?)\s*$"),
    ".rdoc": re.compile(r"^={1,5}\s*(.+?)\s*$"),
    ".org": re.compile(r"^\*{1,5}\s+(.+?)\s*$"),
    ".textile": re.compile(r"^h[1-6]\.\s+(.+?)\s*$"),
}
_MARKDOWN_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$|^\s*<h[1-6][^>]*>(.+?)</h[1-6]>", re.IGNORECASE)
_UNDERLINE = re.compile(r"^([=\-~^\"'*+#])\1{2,}$")
_FENCE = re.compile(r"^\s{0,3}(?:```|~~~|#\+(?:begin|end)_src)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]+>")
_DOCUMENT_SUFFIXES = (".md", ".markdown", ".mdx", ".rst", ".adoc", ".ipynb", ".txt", ".html")
_DOCUMENT_FOLDERS = frozenset({"docs", "doc", "documentation", "site", "website"})
_SOURCE_SUFFIXES = (".py", ".js", ".ts", ".go", ".rs", ".java", ".rb", ".php", ".cs", ".c", ".h", ".kt", ".scala")
_MANUALS = re.compile(
    r"^(?:install|usage|userguide|user[-_]guide|manual|tutorial|getting[-_]?started)(?:\.\w+)?$", re.IGNORECASE
)
_SHOWS_HOW = re.compile(
    r"^ {0,3}(?:```|~~~)|^[ \t]*\.\. code|^(?: {4}|\t)\S|::[ \t]*$|<pre|<code"
    r"|\]\([^)\s]{0,200}?(?:doc|guide|wiki|manual|tutorial|install|usage|getting|started|quickstart|example)"
    r"|https?://\S{0,200}?(?:docs?\b|readthedocs|\.github\.io|/wiki|guide|manual|tutorial|getting|documentation)"
    r"|`[^`\n]{0,200}?\b(?:install|run|build|add|get|start|clone|docker|make)\b[^`\n]{0,200}`",
    re.IGNORECASE | re.MULTILINE,
)
"""What shows how to install or use something, in any human language: code, a command, or a link to documentation."""
_DEEPEST = 3
_READ_CHARACTERS = 100_000
_SHORT_WORDS = 60
_SHOWN_SECTIONS = 60
_GUIDES = {
    "changelog": (
        "changelog",
        "what an upgrade changes",
        re.compile(r"change ?log|release notes|/releases\b", re.IGNORECASE),
    ),
    "contributing": (
        "contributing guide",
        "how to propose a change",
        re.compile(r"contribut|pull request", re.IGNORECASE),
    ),
    "security_policy": (
        "security policy",
        "where to report a vulnerability",
        re.compile(r"security|vulnerabilit", re.IGNORECASE),
    ),
}
"""The guides that are asked for, what they are for, and what in a README says that it holds one or links to it."""
_GIVEN_UP = re.compile(
    r"(?im)(?:\b(?:this|the) (?:[\w.-]+ ){0,2}(?:project|repo(?:sitory)?|library|package|module|gem|crate|plugin|tool)"
    r" (?:is|has been|was) |^#{1,6} .*?\b(?:is|now) )(?:now |officially |being |actively )*"
    r"(?P<state>unmaintained|no longer (?:being |actively |under )*(?:maintained|developed|development)"
    r"|not (?:being |actively )*maintained|deprecated|archived|abandoned|discontinued|retired)\b"
)
_OPENING_CHARACTERS = 1_500
"""Where a README says first of all that nobody continues with the project."""
_FEW_DOCSTRINGS = 0.5
_SMALL_FILES, _SMALL_OBJECTS = 5, 10
"""Below these a project needs no guides, and its share of docstrings says nothing."""


@dataclass
class _Coverage:
    """Public modules, classes and functions of Python, and which have a docstring."""

    objects: int = 0
    documented: int = 0
    by_file: dict[str, tuple[int, int]] = field(default_factory=dict)
    unparsed: int = 0


def run(
    path: Annotated[object, READ_PATH] = ".",
    *,
    top: Annotated[object, DATA] = 15,
    time_limit_s: Annotated[object, DATA] = 60,
) -> ToolResult:
    """Look at a folder's documentation.

    Args:
        path: The folder.
        top: How many files with missing docstrings are listed.
        time_limit_s: When reading sources stops.

    Returns:
        `readme` `{path, words, headings, sections}` (the first 60) or null, `docs_files` (documents in docs
        folders), `changelog`,
        `contributing`, `code_of_conduct`, `security_policy`, `codeowners` (a path or null each), `docstrings`
        `{objects, documented, coverage, unparsed}` (coverage is 0 to 1, or null without Python), `least_documented`
        `[{path, missing, objects}]`, `truncated`, `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=1_000)
    scan = scan_of(path, time_limit_s=whole_number(time_limit_s, "time_limit_s", least=1, most=3_600))
    tree = scan.tree
    readme, readme_text = _readme(tree)
    coverage = _docstrings(scan)
    topics = {topic: _topic(tree, pattern) for topic, pattern in _TOPICS.items()}
    share = round(coverage.documented / coverage.objects, 3) if coverage.objects else None
    missing = sorted(
        ((objects - documented, name, objects) for name, (objects, documented) in coverage.by_file.items()),
        key=lambda each: (-each[0], each[1]),
    )
    docs = sum(_is_document(file) for file in tree.files)
    return {
        "readme": readme,
        "docs_files": docs,
        **topics,
        "docstrings": {
            "objects": coverage.objects,
            "documented": coverage.documented,
            "coverage": share,
            "unparsed": coverage.unparsed,
        },
        "least_documented": [
            {"path": name, "missing": count, "objects": objects} for count, name, objects in missing[:limit] if count
        ],
        "truncated": scan.truncated,
        "summary": _summary(readme, docs, share, coverage),
        "findings": dump(
            _findings((readme, readme_text), topics, None if scan.is_minor("Python") else share, coverage, tree)
        ),
    }


def _is_document(file: SourceFile) -> bool:
    folders = file.path.lower().split("/")[:-1]
    return file.suffix in _DOCUMENT_SUFFIXES and not _DOCUMENT_FOLDERS.isdisjoint(folders)


def _topic(tree: Tree, pattern: re.Pattern[str]) -> str | None:
    """Find a document by its name, or a folder of such documents, the nearest to the top first."""
    found = [
        file
        for file in tree.files
        if not file.is_test and file.suffix not in _SOURCE_SUFFIXES and any(map(pattern.match, file.path.split("/")))
    ]
    nearest = min(found, key=lambda file: (file.path.count("/"), file.path), default=None)
    return nearest.shown if nearest is not None and nearest.path.count("/") <= _DEEPEST else None


def _readme(tree: Tree) -> tuple[ToolResult | None, str]:
    """Find the README, the one without a language in its name first, and its text."""
    for folder in ("", ".github", "docs"):
        found = [
            file for file in tree.files if file.path.rpartition("/")[0].lower() == folder and _README.match(file.name)
        ]
        for file in sorted(found, key=lambda file: (len(file.name), file.name)):
            text = tree.text_of(file) or ""
            sections = list(_sections(text, _HEADINGS.get(file.suffix, _MARKDOWN_HEADING)))
            words = len(_TAG.sub(" ", text).split())
            shown = sections[:_SHOWN_SECTIONS]
            return {"path": file.shown, "words": words, "headings": len(sections), "sections": shown}, text
    return None, ""


def _sections(text: str, heading: re.Pattern[str]) -> Iterator[str]:
    """Find the headings of Markdown, reStructuredText, AsciiDoc, Org and HTML, but for those in code blocks."""
    before, in_code = "", False
    for line in text.split("\n"):
        is_underline = bool(before.strip()) and bool(_UNDERLINE.match(line.strip()))
        if is_underline and not in_code and len(line.strip()) >= min(3, len(before.strip())):
            yield before.strip()[:120]
        elif _FENCE.match(line):
            in_code = not in_code
        elif not in_code and (match := heading.match(line)):
            yield _TAG.sub("", next(filter(None, match.groups()), "")).strip()[:120]
        before = "" if in_code else line


def _docstrings(scan: Scan) -> _Coverage:
    coverage = _Coverage()
    for file, facts in scan:
        python = facts.python
        if python is None or facts.origin != "own" or file.is_test or file.is_example:
            continue
        if python.problem is not None:
            coverage.unparsed += 1
            continue
        coverage.objects += python.objects
        coverage.documented += python.documented
        coverage.by_file[file.shown] = (python.objects, python.documented)
    return coverage


def _summary(readme: ToolResult | None, docs: int, share: float | None, coverage: _Coverage) -> str:
    first = f"README of {plural(int(str(readme['headings'])), 'section')}" if readme else "No README"
    text = f"{first}, {plural(docs, 'document')} in docs folders"
    if share is None or coverage.objects < _SMALL_OBJECTS:
        return f"{text}."
    return f"{text}; {100 * share:.0f} % of {coverage.objects:,} public Python objects have a docstring."


def _findings(
    readme: tuple[ToolResult | None, str],
    topics: dict[str, str | None],
    share: float | None,
    coverage: _Coverage,
    tree: Tree,
) -> Iterator[AuditFinding]:
    found, text = readme
    if found is None:
        yield AuditFinding(
            severity="medium",
            title="There is no README",
            advice="Write what it is, how to install it and a first command that works.",
        )
    else:
        yield from _readme_findings(found, text, tree)
    missing = [guide for topic, guide in _GUIDES.items() if not (topics[topic] or guide[2].search(text))]
    if missing and len(tree.files) > _SMALL_FILES:
        yield AuditFinding(
            severity="low",
            title=f"The repository holds {_join_words([f'no {name}' for name, _, _ in missing])}",
            detail="What the hosting site or the organisation has of them was not looked at.",
            advice=f"Say {_join_words([purpose for _, purpose, _ in missing])}.",
        )
    if share is not None and share < _FEW_DOCSTRINGS and coverage.objects >= _SMALL_OBJECTS:
        yield AuditFinding(
            severity="low",
            title=f"{100 * share:.0f} % of public Python objects have a docstring",
            detail=f"{coverage.documented:,} of {coverage.objects:,}.",
            advice="Begin with the modules and functions that others import.",
        )


def _join_words(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _readme_findings(readme: ToolResult, text: str, tree: Tree) -> Iterator[AuditFinding]:
    given_up = _GIVEN_UP.search(_TAG.sub(" ", text[:_OPENING_CHARACTERS]))
    if given_up:
        yield AuditFinding(
            severity="medium",
            title=f"The README says that it is {given_up['state'].lower()}",
            where=str(readme["path"]),
            advice="Look for what replaces it before depending on it.",
        )
    if _SHOWS_HOW.search(text[:_READ_CHARACTERS]) or any(_MANUALS.match(file.name) for file in tree.files):
        return
    words = readme["words"]
    if isinstance(words, int) and words < _SHORT_WORDS:
        title, advice = f"The README has only {plural(words, 'word')}", "Write what it is, how to install it"
    else:
        title, advice = "The README does not show how to install or use it", "Add how to install it"
    yield AuditFinding(
        severity="low",
        title=title,
        where=str(readme["path"]),
        advice=f"{advice} and a first command that works, or link to where that is.",
    )
