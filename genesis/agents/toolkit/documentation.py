"""What a project says about itself: README, guides, changelog, and docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from genesis.agents.toolkit.files import SourceFile, Tree
from genesis.agents.toolkit.finding import Finding, Result, dump, plural
from genesis.agents.toolkit.inputs import whole_number
from genesis.agents.toolkit.scan import Scan, scan_of

__all__ = ["run"]

_TOPICS = {
    "changelog": re.compile(
        r"^(?:changelog|changes|history|news|release[-_]?notes|releases)(?:\.\w+)?$", re.IGNORECASE
    ),
    "contributing": re.compile(r"^(?:contributing|hacking|development)(?:\.\w+)?$", re.IGNORECASE),
    "code_of_conduct": re.compile(r"^code[-_]of[-_]conduct(?:\.\w+)?$", re.IGNORECASE),
    "security_policy": re.compile(r"^security(?:\.(?:md|rst|txt))?$", re.IGNORECASE),
    "codeowners": re.compile(r"^codeowners$", re.IGNORECASE),
}
_README = re.compile(r"^readme(?:\.(?:md|markdown|rst|txt|adoc|org))?$", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")
_UNDERLINE = re.compile(r"^([=\-~^\"'*+#])\1{2,}$")
_FENCE = re.compile(r"^\s{0,3}(?:```|~~~)")
_TOP_FOLDERS = ("", ".github", "docs", "doc", ".gitlab")
_DOCUMENT_SUFFIXES = (".md", ".markdown", ".mdx", ".rst", ".adoc", ".ipynb", ".txt", ".html")
_WANTED = {
    "how to install it": re.compile(r"install|setup|getting started|quick ?start|build", re.IGNORECASE),
    "how to use it": re.compile(r"usage|use|example|quick ?start|getting started|tutorial|run|demo", re.IGNORECASE),
}
_SHORT_WORDS = 60
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


def run(path: object = ".", *, top: object = 15, time_limit_s: object = 60) -> Result:
    """Look at a folder's documentation.

    Args:
        path: The folder.
        top: How many files with missing docstrings are listed.
        time_limit_s: When reading sources stops.

    Returns:
        `readme` `{path, words, sections}` or null, `docs_files` (documents in docs folders), `changelog`,
        `contributing`, `code_of_conduct`, `security_policy`, `codeowners` (a path or null each), `docstrings`
        `{objects, documented, coverage, unparsed}` (coverage is 0 to 1, or null without Python), `least_documented`
        `[{path, missing, objects}]`, `truncated`, `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=1_000)
    scan = scan_of(path, time_limit_s=whole_number(time_limit_s, "time_limit_s", least=1, most=3_600))
    tree = scan.tree
    readme = _readme(tree)
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
        "findings": dump(_findings(readme, topics, share, coverage, tree)),
    }


def _is_document(file: SourceFile) -> bool:
    folders = file.path.lower().split("/")[:-1]
    return file.suffix in _DOCUMENT_SUFFIXES and not {"docs", "doc", "documentation"}.isdisjoint(folders)


def _topic(tree: Tree, pattern: re.Pattern[str]) -> str | None:
    for file in tree.files:
        folder, _, name = file.path.rpartition("/")
        if folder.lower() in _TOP_FOLDERS and pattern.match(name):
            return file.shown
    return None


def _readme(tree: Tree) -> Result | None:
    for folder in ("", ".github", "docs"):
        for file in tree.files:
            if file.path.rpartition("/")[0].lower() == folder and _README.match(file.name):
                text = tree.text_of(file) or ""
                sections = list(_sections(text))
                return {"path": file.shown, "words": len(text.split()), "sections": sections[:60]}
    return None


def _sections(text: str) -> Iterator[str]:
    """Give the headings of Markdown and reStructuredText, those in code blocks left out."""
    before, in_code = "", False
    for line in text.split("\n"):
        if _FENCE.match(line):
            in_code = not in_code
        elif not in_code:
            match = _HEADING.match(line)
            if match:
                yield match[1][:120]
            elif before.strip() and _UNDERLINE.match(line.strip()) and len(line.strip()) >= min(3, len(before.strip())):
                yield before.strip()[:120]
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


def _summary(readme: Result | None, docs: int, share: float | None, coverage: _Coverage) -> str:
    first = f"README of {plural(len(_sections_of(readme)), 'section')}" if readme else "No README"
    text = f"{first}, {plural(docs, 'document')} in docs folders"
    if share is None:
        return f"{text}."
    return f"{text}; {100 * share:.0f} % of {coverage.objects:,} public Python objects have a docstring."


def _sections_of(readme: Result) -> list[str]:
    """Give the sections of a README's row."""
    sections = readme["sections"]
    return [str(section) for section in sections] if isinstance(sections, list) else []


def _findings(
    readme: Result | None, topics: dict[str, str | None], share: float | None, coverage: _Coverage, tree: Tree
) -> Iterator[Finding]:
    if readme is None:
        yield Finding(
            severity="medium",
            title="There is no README",
            advice="Write what it is, how to install it and a first command that works.",
        )
    else:
        yield from _readme_findings(readme)
    advice = {
        "changelog": ("No changelog", "Keep one, so that users see what an upgrade changes."),
        "contributing": ("No CONTRIBUTING guide", "Say how to set up, test and propose a change."),
        "security_policy": (
            "No security policy",
            "Add SECURITY.md: where to report a vulnerability, and what follows.",
        ),
    }
    for topic, (title, what) in advice.items():
        if topics[topic] is None and len(tree.files) > _SMALL_FILES:
            yield Finding(severity="low", title=title, advice=what)
    if share is not None and share < _FEW_DOCSTRINGS and coverage.objects >= _SMALL_OBJECTS:
        yield Finding(
            severity="low",
            title=f"{100 * share:.0f} % of public Python objects have a docstring",
            detail=f"{coverage.documented:,} of {coverage.objects:,}.",
            advice="Begin with the modules and functions that others import.",
        )


def _readme_findings(readme: Result) -> Iterator[Finding]:
    words = readme["words"]
    where = str(readme["path"])
    if isinstance(words, int) and words < _SHORT_WORDS:
        yield Finding(
            severity="low",
            title=f"The README has only {plural(words, 'word')}",
            where=where,
            advice="Write what it is, how to install it and a first command that works.",
        )
        return
    headings = " | ".join(_sections_of(readme))
    missing = [topic for topic, pattern in _WANTED.items() if not pattern.search(headings)]
    if missing and len(_sections_of(readme)) > 0:
        yield Finding(
            severity="low",
            title="The README has no section on " + " or ".join(missing),
            where=where,
            advice="Add it, with commands that can be copied.",
        )
