"""Count tests by reading them, whatever the language and the framework."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from genesis_audit.documents import load_json, load_toml, mapping, read
from genesis_audit.facts import TestCount
from genesis_audit.files import SourceFile, Tree
from genesis_audit.language import Language
from genesis_audit.origin import is_vendored
from genesis_audit.python_source import PythonReading

__all__ = ["count_cases", "count_python_tests", "count_tests", "find_commands", "find_test_frameworks"]

_PYTHON_TEST = re.compile(r"^(?:test_.*|.*_tests?|tests)\.py$")
_NPM_FRAMEWORKS = {
    "@playwright/test": "Playwright",
    "ava": "AVA",
    "cypress": "Cypress",
    "jasmine": "Jasmine",
    "jest": "Jest",
    "karma": "Karma",
    "mocha": "Mocha",
    "qunit": "QUnit",
    "tap": "tap",
    "tape": "tape",
    "uvu": "uvu",
    "vitest": "Vitest",
}
_TEST_SETTINGS = re.compile(r"\.mocharc\.\w+$|(?:ava|cypress|jest|playwright|vitest)\.config\.\w+$|karma\.conf\.\w+$")


@dataclass(frozen=True)
class _Rule:
    """How a framework's tests are written."""

    framework: str
    """Empty where the text does not show it."""
    expression: str
    """One match a test."""
    anywhere: bool = False
    """Whether it is so plain that it counts in files that neither name nor folder calls a test."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The expression, compiled when a file of the language is first read."""
        return re.compile(self.expression, re.MULTILINE)


def _rule(framework: str, pattern: str, *, anywhere: bool = False) -> _Rule:
    return _Rule(framework, pattern, anywhere)


_NAMED_BLOCK = r"(?:[.:]\w+(?:\([^()\n]*\)|`[^`]*`)?)*\s*\(?\s*[\"'`]"
_SCRIPT = (
    _rule(
        "",
        r"^\s*(?:await\s+|void\s+)?(?:(?:it|test|specify)"
        r"(?:\.\w+(?:\([^()\n]*\)|`[^`]*`)?)*\s*\(\s*(?=[\"'`\w$%(])(?!async\b|function\b)"
        r"|(?:[xf]it|xtest)\s*\(\s*[\"'`]|(?:QUnit|Deno|Bun|\w{1,4})\.(?:test|it)(?:\.\w+)*\s*\(\s*[\"'`])",
    ),
)
_JVM = (
    _rule("JUnit", r"^\s*@(?:Test|ParameterizedTest|RepeatedTest|TestFactory|Property)\b", anywhere=True),
    _rule("JUnit", r"^\s*public\s+void\s+test\w*\s*\(\s*\)(?![^{;]*;)"),
)
_RULES: dict[str, tuple[_Rule, ...]] = {
    "C": (
        _rule(
            "",
            r"^\s*(?:START_TEST|TEST|TEST_CASE)\s*\(|^\s*test\s*\(\s*\"|^(?:static\s+)?(?:void|int)\s+test_?\w*\s*\([^;]*\{",
        ),
    ),
    "C++": (
        _rule("GoogleTest", r"^\s*(?:TYPED_)?TEST(?:_F|_P)?\s*\(", anywhere=True),
        _rule("Catch2", r"^\s*(?:TEMPLATE_)?(?:TEST_CASE|SCENARIO)(?:_METHOD)?\s*\("),
        _rule("Boost.Test", r"^\s*BOOST_(?:AUTO|FIXTURE)_TEST_CASE\w*\s*\(", anywhere=True),
    ),
    "C#": (_rule(".NET test", r"^\s*\[(?:Fact|Theory|Test|TestCase|TestMethod|DataTestMethod)\b", anywhere=True),),
    "Clojure": (_rule("clojure.test", r"^\(deftest\b", anywhere=True),),
    "CoffeeScript": (_rule("", rf"^\s*(?:it|test)\b{_NAMED_BLOCK}"),),
    "Dart": (_rule("dart test", r"^\s*(?:test|testWidgets)\s*\(\s*[\"']"),),
    "Elixir": (_rule("ExUnit", r"^\s*(?:test|property)\s+\"", anywhere=True),),
    "Erlang": (_rule("EUnit", r"^\w+_test_?\(\)\s*->", anywhere=True),),
    "Gherkin": (_rule("Gherkin", r"^\s*Scenario(?: Outline)?:", anywhere=True),),
    "Go": (_rule("go test", r"^func (?:Test|Fuzz|Benchmark|Example)\w*\("),),
    "Groovy": (*_JVM, _rule("Spock", r"^\s*(?:void|def)\s+[\"'][^\"'\n]+[\"']\s*\(")),
    "Haskell": (_rule("Hspec", r"^\s*(?:it|prop|testCase|testProperty)\s+\""),),
    "Java": _JVM,
    "JavaScript": _SCRIPT,
    "Julia": (_rule("Julia Test", r"^\s*@test(?:_\w+)?\b"),),
    "Kotlin": (*_JVM, _rule("Kotest", r"^\s*(?:(?:test|should|it|expect|scenario)\s*\(\s*\"|\"[^\"\n]+\"\s*\{)")),
    "Lua": (_rule("", r"^\s*it\s*\(?\s*[\"']|^\s*function\s+\w*[Tt]est\w*[.:]test\w*"),),
    "Objective-C": (_rule("XCTest", r"^\s*-\s*\(void\)\s*test\w*"),),
    "PHP": (
        _rule("PHPUnit", r"^\s*(?:(?:public|final)\s+)*function\s+test\w*\s*\(|^\s*#\[Test\b|^\s*\*\s*@test\b"),
        _rule("Pest", r"^\s*(?:it|test)\s*\(\s*[\"']"),
    ),
    "Perl": (_rule("Test::More", r"^\s*(?:ok|is|isnt|is_deeply|like|subtest|throws_ok|cmp_ok)\b"),),
    "PowerShell": (_rule("Pester", r"^\s*It\s+[\"']"),),
    "R": (_rule("testthat", r"^\s*test_that\s*\("),),
    "Ruby": (
        _rule("RSpec", r"^\s*(?:f|x)?(?:it|specify|example)\b\s*(?:\(?\s*[\"'{]|do\b)"),
        _rule("Minitest", r"^\s*(?:def test_|test\s+[\"']|should\s+[\"'])"),
    ),
    "Rust": (
        _rule(
            "cargo test",
            r"^\s*#\[(?:\w+::)*(?:test|rstest|test_case|wasm_bindgen_test|quickcheck|proptest)\b|^\s*\w*test!\(\s*\w+,",
            anywhere=True,
        ),
    ),
    "Scala": (
        *_JVM,
        _rule("ScalaTest", r"^\s*(?:test|it|scenario|property)\s*\(\s*\"|\"\s+in\s*\{"),
    ),
    "Shell": (
        _rule("Bats", r"^\s*@test\s", anywhere=True),
        _rule("", r"^(?:function\s+)?test_?\w+\s*\(\)"),
    ),
    "Swift": (_rule("XCTest", r"^\s*(?:@\w+\s+)*(?:\w+\s+)?func\s+test\w*\s*\(|^\s*@Test\b"),),
    "TypeScript": _SCRIPT,
    "Vue": _SCRIPT,
    "Zig": (_rule("zig test", r"^\s*test\s+(?:\"|\w+\s*\{)", anywhere=True),),
}
_TARGET = r"^((?:[\w.]+[-_])*(?:tests?|check|spec)(?:[-_][\w.-]+)*)[ \t]*(?:[ \t][\w*+$][^:\n]*)?:(?![=:])"
_COMMANDS = {
    **dict.fromkeys(("makefile", "gnumakefile", "makefile.am", "makefile.in"), ("make {}", _TARGET)),
    "justfile": ("just {}", _TARGET),
    "package.json": ("npm test", r"\"test\"\s*:\s*\"(?!echo )"),
    "composer.json": ("composer test", r"\"test\"\s*:\s*[\"\[]"),
    "cmakelists.txt": ("ctest", r"^[ \t]*(?:enable_testing|add_test)[ \t]*\(|\binclude[ \t]*\([ \t]*CTest\b"),
    "meson.build": ("meson test", r"^[ \t]*test\("),
    "rakefile": ("rake test", r"\bTestTask\b|RSpec::Core::RakeTask|^[ \t]*task[ (]+:?['\"]?(?:test|spec)\b"),
    "build.zig": ("zig build test", r"\baddTest\("),
    "dune": ("dune test", r"\(tests?\b"),
}
"""What shows, in a build file of a name, that a command runs tests."""
_RUNNER = re.compile(
    r"(?:(?:run|do)[-_]?(?:all[-_]?)?tests?|tests?[-_]?runner)(?:\.(?:sh|bash|py|pl|rb|js|ps1|cmd|bat))?"
)
_TCL_TEST = re.compile(r"^[ \t]*(?:do_\w*test|test)[ \t]+\S", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n[ \t]*\n")
_CASE = re.compile(r"^[ \t]*[^\s#%]", re.MULTILINE)
_MINITEST_SPEC = re.compile(r"\b[Mm]initest\b|\.(?:must|wont)_\w+|^\s*(?:assert|refute)(?:_\w+)?\b", re.MULTILINE)
"""What in a file with `it` blocks says that they are Minitest's rather than RSpec's."""
_SCRIPT_SUITE = re.compile(r"^\s*describe(?:\.\w+)?\(\s*[\"'`]", re.MULTILINE)
_TEST_NAME = re.compile(
    r"(?:^|[._-])(?:test|tests|spec)\.\w+$|Tests?\.\w+$|(?:Spec|Suite|IT)\.(?:java|kt|scala|groovy)$"
)

_SHELL_TEST = re.compile(r"^tests?[_-]|^t\d{2,}|tests?(?:\.\w+)?$", re.IGNORECASE)
"""A shell script in a test folder that is one test, as those that automake's `TESTS` names are."""


def count_tests(file: SourceFile, text: str, language: Language) -> TestCount | None:
    """Count the tests in a file of any language but Python.

    A file is a test file where its name or a folder marks it and it has tests, where only its name marks it, or where
    it has tests of a form that nothing else has, such as `#[test]` in Rust.

    Returns:
        The count, or `None` where it is no test file.
    """
    rules = _RULES.get(language.name, ())
    is_test = file.is_test or bool(_SCRIPT_SUITE.search(text) if rules is _SCRIPT else _TEST_NAME.search(file.name))
    functions, frameworks = 0, set()
    for rule in rules:
        if is_test or rule.anywhere:
            count = len(rule.pattern.findall(text))
            functions += count
            is_minitest = rule.framework == "RSpec" and _MINITEST_SPEC.search(text)
            frameworks |= {"Minitest" if is_minitest else rule.framework} - {""} if count else set()
    if not functions and language.name == "Shell" and _is_shell_test(file):
        return TestCount(1, frameworks=("shell scripts",))
    if not functions and not (rules and _TEST_NAME.search(file.name)):
        return None
    return TestCount(functions, frameworks=tuple(sorted(frameworks)))


def count_cases(file: SourceFile, text: str) -> TestCount | None:
    """Count the cases of a `.test` file in a test folder: the commands of a Tcl one, else the blocks of its lines."""
    if file.suffix != ".test" or not file.is_test or is_vendored(file.path):
        return None
    commands = len(_TCL_TEST.findall(text))
    return TestCount(commands or sum(_CASE.search(block) is not None for block in _BLANK_LINES.split(text)))


def find_commands(tree: Tree) -> list[str]:
    """Return the commands that run a project's tests, from its build files."""
    found: dict[str, None] = {}
    for file in tree.files:
        known = _COMMANDS.get(file.name.lower())
        if known is not None and not is_vendored(file.path):
            command, pattern = known
            match = re.search(pattern, tree.text_of(file) or "", re.MULTILINE)
            found.update({command.format(*match.groups()): None} if match else {})
        elif _RUNNER.fullmatch(file.name.lower()):
            found[file.shown] = None
    return list(found)


def _is_shell_test(file: SourceFile) -> bool:
    folder, _, name = file.path.rpartition("/")
    return _SHELL_TEST.search(name) is not None and SourceFile(f"{folder}/file", 0).is_test


def count_python_tests(file: SourceFile, reading: PythonReading) -> TestCount | None:
    """Take the tests of a Python file that pytest, or unittest in a test folder, would collect."""
    collected = _PYTHON_TEST.match(file.name) or (
        file.is_test and "unittest" in reading.imports and reading.test_functions
    )
    return reading.tests if collected else None


def find_test_frameworks(tree: Tree) -> set[str]:
    """Name the frameworks that configuration files speak of."""
    found: set[str] = set()
    for file in tree.named("package.json"):
        document = read(load_json, tree.text_of(file))
        for table in ("dependencies", "devDependencies"):
            found |= {_NPM_FRAMEWORKS[name] for name in mapping(document, table) if name in _NPM_FRAMEWORKS}
    for file in tree.named("pyproject.toml"):
        if "pytest" in mapping(read(load_toml, tree.text_of(file)), "tool"):
            found.add("pytest")
    stems = [file.name.lower().lstrip(".").partition(".")[0] for file in tree.files if _TEST_SETTINGS.match(file.name)]
    found |= {_NPM_FRAMEWORKS.get(stem.removesuffix("rc"), "Playwright") for stem in stems}
    by_name = {"pytest.ini": "pytest", "conftest.py": "pytest", "tox.ini": "tox", "noxfile.py": "nox"}
    return found | {by_name[file.name] for file in tree.files if file.name in by_name}
