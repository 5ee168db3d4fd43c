"""Find and count tests by reading them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from genesis.agents.toolkit.budget import Budget
from genesis.agents.toolkit.documents import load_json, load_toml, mapping, read
from genesis.agents.toolkit.files import SourceFile, Tree
from genesis.agents.toolkit.language import language_of
from genesis.agents.toolkit.python_source import ParsedFile, parsed_files

__all__ = ["TestCensus", "census"]

_PYTHON_TEST = re.compile(r"^(?:test_.*|.*_test|tests)\.py$")
_PYTHON_IMPORTS = {
    "pytest": "pytest",
    "unittest": "unittest",
    "hypothesis": "Hypothesis",
    "nose": "nose",
    "behave": "behave",
    "robot": "Robot Framework",
    "playwright": "Playwright",
    "selenium": "Selenium",
    "locust": "Locust",
}
_NPM_FRAMEWORKS = {
    "jest": "Jest",
    "vitest": "Vitest",
    "mocha": "Mocha",
    "ava": "AVA",
    "jasmine": "Jasmine",
    "@playwright/test": "Playwright",
    "cypress": "Cypress",
    "karma": "Karma",
}
_OTHERS: tuple[tuple[re.Pattern[str], re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?:\.(?:test|spec)\.[cm]?[jt]sx?$)|(?:(?:^|/)__tests__/.*\.[cm]?[jt]sx?$)"),
        re.compile(r"^\s*(?:it|test)(?:\.(?:only|skip|each|concurrent)\b[^\n(]*)?\s*\(", re.MULTILINE),
        "",
    ),
    (re.compile(r"_test\.go$"), re.compile(r"^func (?:Test|Fuzz|Benchmark|Example)\w*\(", re.MULTILINE), "go test"),
    (re.compile(r"\.rs$"), re.compile(r"^\s*#\[(?:\w+::)?test\b", re.MULTILINE), "cargo test"),
    (
        re.compile(r"(?:Tests?|IT)\.(?:java|kt|groovy)$"),
        re.compile(r"^\s*@(?:Test|ParameterizedTest)\b", re.MULTILINE),
        "JUnit",
    ),
    (re.compile(r"_spec\.rb$"), re.compile(r"^\s*(?:it|specify)\s+[\"']", re.MULTILINE), "RSpec"),
    (re.compile(r"_test\.rb$"), re.compile(r"^\s*(?:def test_|test\s+[\"'])", re.MULTILINE), "Minitest"),
    (re.compile(r"Tests?\.cs$"), re.compile(r"^\s*\[(?:Fact|Theory|Test|TestMethod)\b", re.MULTILINE), ".NET test"),
    (re.compile(r"Test\.php$"), re.compile(r"function test\w+\s*\(", re.MULTILINE), "PHPUnit"),
    (re.compile(r"\.bats$"), re.compile(r"^\s*@test\s", re.MULTILINE), "Bats"),
)


@dataclass
class TestCensus:
    """The tests of a folder, as far as they can be counted without running them."""

    __test__ = False

    by_file: Counter[str] = field(default_factory=Counter)
    """Test functions by file; a parametrized one counts once."""
    languages: Counter[str] = field(default_factory=Counter)
    frameworks: set[str] = field(default_factory=set)
    unparsed: list[str] = field(default_factory=list)
    skipped: int = 0
    """Python tests that a decorator skips always."""
    source_files: int = 0
    """Source files that are no tests."""
    complete: bool = True

    def add(self, file: SourceFile, count: int, language: str) -> None:
        """Record one test file."""
        self.by_file[file.shown] += count
        self.languages[language] += count


def census(tree: Tree, budget: Budget) -> TestCensus:
    """Count a folder's test files and test functions by language, and name the frameworks that they use."""
    found = TestCensus()
    for parsed in parsed_files(tree, budget):
        if not _is_python_test(parsed.file):
            continue
        if parsed.tree is None:
            found.unparsed.append(parsed.file.shown)
        else:
            _count_python(found, parsed, parsed.tree)
    for file in tree.files:
        if budget.spent:
            found.complete = False
            break
        _count_other(found, tree, file)
        language = language_of(file)
        if language is not None and language.is_source and not file.is_test and not file.is_example:
            found.source_files += 1
    found.frameworks |= _configured(tree)
    return found


def _is_python_test(file: SourceFile) -> bool:
    return bool(_PYTHON_TEST.match(file.name))


def _count_python(found: TestCensus, parsed: ParsedFile, tree: ast.Module) -> None:
    count = 0
    bodies: list[tuple[list[ast.stmt], bool]] = [(tree.body, True)]
    while bodies:
        body, collects = bodies.pop()
        for node in body:
            if isinstance(node, ast.ClassDef):
                bodies.append((node.body, _collects(node)))
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if collects and node.name.startswith("test"):
                    count += 1
                    found.skipped += any(_skips(decorator) for decorator in node.decorator_list)
            elif isinstance(node, (ast.If, ast.Try, ast.With)):
                nested = [*node.body, *getattr(node, "orelse", []), *getattr(node, "finalbody", [])]
                bodies.append((nested, collects))
    found.add(parsed.file, count, "Python")
    found.frameworks |= _imported_frameworks(tree)


def _imported_frameworks(tree: ast.Module) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module or "")
    tops = {module.partition(".")[0] for module in modules}
    return {framework for name, framework in _PYTHON_IMPORTS.items() if name in tops}


def _collects(node: ast.ClassDef) -> bool:
    bases = {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}
    return node.name.startswith("Test") or any("TestCase" in base for base in bases)


def _skips(decorator: ast.expr) -> bool:
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(node, ast.Attribute) and node.attr == "skip"


def _count_other(found: TestCensus, tree: Tree, file: SourceFile) -> None:
    for name, pattern, framework in _OTHERS:
        if not name.search(file.path):
            continue
        text = tree.text_of(file)
        count = len(pattern.findall(text)) if text is not None else 0
        if count or file.suffix != ".rs":
            language = language_of(file)
            found.add(file, count, language.name if language else file.suffix)
            found.frameworks |= {framework} - {""}
        return


def _configured(tree: Tree) -> set[str]:
    """Name the frameworks that configuration files speak of."""
    found: set[str] = set()
    for file in tree.named("package.json"):
        document = read(load_json, tree.text_of(file))
        for table in ("dependencies", "devDependencies"):
            found |= {_NPM_FRAMEWORKS[name] for name in mapping(document, table) if name in _NPM_FRAMEWORKS}
    for file in tree.named("pyproject.toml"):
        if "pytest" in mapping(read(load_toml, tree.text_of(file)), "tool"):
            found.add("pytest")
    names = {PurePosixPath(file.path).name for file in tree.files}
    found |= {"pytest"} & ({"pytest"} if "pytest.ini" in names or "conftest.py" in names else set())
    return found | ({"tox"} if "tox.ini" in names else set()) | ({"nox"} if "noxfile.py" in names else set())
