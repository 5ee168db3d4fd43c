import json
import sys
import time

import pytest

from genesis.errors import TaskError
from genesis_audit import pytest_run, tests


@pytest.fixture(autouse=True)
def not_nested(monkeypatch):
    """Allow suites to run, although these tests may themselves run in an audit; without plugins they start fast."""
    monkeypatch.delenv(pytest_run.NESTED_MARKER, raising=False)
    real = pytest_run._environment
    monkeypatch.setattr(
        pytest_run, "_environment", lambda *given: {**real(*given), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    )


def test_python_tests_are_counted(project):
    project.write("pkg/a.py", "x = 1\n")
    project.write("tests/helper.py", "def test_not_collected(): pass\n")
    project.write(
        "tests/test_a.py",
        (
            "import pytest\nimport hypothesis.strategies\n\ndef test_one(): pass\n\n"
            "async def test_two(): pass\n\ndef helper():\n"
            "    def test_inner(): pass\n\nclass TestX:\n    def test_three(self): pass\n"
            "    def helper(self): pass\n\nclass Other:\n"
            "    def test_no(self): pass\n\n@pytest.mark.skip(reason='x')\ndef test_four(): pass\n"
            "\nif True:\n    def test_five(): pass\n"
        ),
    )
    project.write("tests/b_test.py", "import unittest\nclass X(unittest.TestCase):\n    def test_a(self): pass\n")
    answer = tests.run(project.root)
    assert (answer["test_files"], answer["test_functions"], answer["skipped_functions"]) == (2, 6, 1)
    assert answer["frameworks"] == ["Hypothesis", "pytest", "unittest"]
    assert answer["source_files"] == 1
    assert answer["largest"] == [{"path": "tests/test_a.py", "tests": 5}, {"path": "tests/b_test.py", "tests": 1}]
    json.dumps(answer)


def test_other_languages_are_counted(project):
    project.write("package.json", '{"devDependencies": {"vitest": "1"}}')
    project.write("web/a.test.ts", "describe('x', () => {\n  it('a', f);\n  test.each([1])('b', f);\n  fit(x)\n})\n")
    project.write("go/a_test.go", "func TestA(t *testing.T) {}\nfunc helper() {}\nfunc FuzzB(f *testing.F) {}\n")
    project.write("src/lib.rs", "#[test]\nfn a() {}\n#[tokio::test]\nasync fn b() {}\n")
    project.write("src/plain.rs", "fn a() {}\n")
    project.write("AppTest.java", "class AppTest {\n  @Test\n  void a() {}\n}\n")
    project.write("a_spec.rb", "it 'x' do\nend\n")
    answer = tests.run(project.root)
    assert answer["by_language"] == {"Go": 2, "Java": 1, "Ruby": 1, "Rust": 2, "TypeScript": 2}
    assert answer["test_files"] == 5
    assert set(answer["frameworks"]) == {"Vitest", "go test", "cargo test", "JUnit", "RSpec"}


@pytest.mark.parametrize(("count", "severity"), [(1, "medium"), (10, "high")])
def test_no_tests_is_a_finding(project, count, severity):
    for number in range(count):
        project.write(f"{number}.py", "x = 1\n")
    assert [(each["severity"], each["title"]) for each in tests.run(project.root)["findings"]] == [
        (severity, "No tests were found")
    ]


def test_broken_test_files_are_a_finding(project, titles):
    project.write("test_a.py", "def test_x(:\n")
    project.write("test_b.py", b"def test_x(): pass\0")
    assert titles(tests.run(project.root)).count("A test file cannot be parsed, so its tests do not run") == 2


def test_nothing_is_executed_by_default(project):
    mark = project.root / "ran"
    for name in ("conftest.py", "test_a.py", "setup.py", "pytest.py"):
        project.write(name, f"open({str(mark)!r}, 'w').close()\n")
    answer = tests.run(project.root)
    assert answer["suite"]["verdict"] == "not_requested"
    assert not mark.exists()


def test_other_words_than_yes_and_no_are_refused(project):
    with pytest.raises(TaskError, match="run_tests"):
        tests.run(project.root, run_tests="perhaps")


def _suite(project, content, **how):
    project.write("pytest.ini", "[pytest]\n")
    project.write("test_it.py", content)
    return tests.run(project.root, run_tests="yes", **how)


def test_a_passing_suite(project):
    answer = _suite(project, "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('x')\n")
    suite = answer["suite"]
    assert (suite["verdict"], suite["passed"], suite["skipped"], suite["tail"]) == ("passed", 1, 1, "")
    assert answer["findings"] == []
    assert not (project.root / ".pytest_cache").exists()
    assert not (project.root / "__pycache__").exists()


def test_a_failing_suite_is_a_finding(project, titles):
    answer = _suite(project, "def test_a(): pass\ndef test_b(): assert 0\nclass TestC:\n    def test_d(self): 1 / 0\n")
    suite = answer["suite"]
    assert (suite["verdict"], suite["passed"], suite["failed"]) == ("failed", 1, 2)
    assert suite["failures"] == ["test_it::test_b", "test_it.TestC::test_d"]
    assert titles(answer) == ["The test suite fails: 2 of 3 tests"]
    assert "ZeroDivisionError" in suite["tail"]


def test_a_suite_without_tests_is_a_finding(project, titles):
    answer = _suite(project, "x = 1\n")
    assert answer["suite"]["verdict"] == "no_tests"
    assert "pytest collects no test" in titles(answer)


def test_a_suite_that_cannot_start_is_a_finding(project, titles):
    answer = _suite(project, "import no_such_module\ndef test_a(): pass\n")
    assert answer["suite"]["verdict"] == "error"
    assert answer["suite"]["errors"] == 1
    assert "The test suite could not be run to its end" in titles(answer)


def test_a_hanging_suite_is_killed_with_its_children(project, titles):
    mark = project.root / "late"
    child = f"import time; time.sleep(3); open({str(mark)!r}, 'w').close()"
    started = time.monotonic()
    answer = _suite(
        project,
        (
            f"import subprocess, sys, time\ndef test_a():\n"
            f"    subprocess.Popen([sys.executable, '-c', {child!r}])\n    time.sleep(60)\n"
        ),
        timeout_s="2",
    )
    assert time.monotonic() - started < 40
    assert answer["suite"]["verdict"] == "timeout"
    assert titles(answer) == ["The test suite did not end within 2 seconds"]
    time.sleep(1.5)
    assert not mark.exists()


def test_the_suites_environment_is_scrubbed_and_marked(project, monkeypatch):
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_secret")
    answer = _suite(
        project,
        "import os\ndef test_a():\n    assert 'PREFECT_API_KEY' not in os.environ\n"
        "    assert os.environ['GENESIS_AUDIT_NESTED'] == '1'\n"
        "    assert os.path.basename(os.environ['HOME']) == 'home'\n",
    )
    assert answer["suite"]["verdict"] == "passed", answer["suite"]["tail"]


def test_an_audit_inside_a_suite_runs_no_suite(project, titles, monkeypatch):
    monkeypatch.setenv(pytest_run.NESTED_MARKER, "1")
    answer = _suite(project, "def test_a(): assert 0\n")
    assert answer["suite"]["verdict"] == "refused_nested"
    assert titles(answer) == ["The tests were not run, because this audit itself runs inside a test suite"]


def test_no_pytest_is_a_finding(project, titles):
    project.write(".venv/bin/python", f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n').chmod(0o755)
    answer = _suite(project, "def test_a(): pass\n")
    assert answer["suite"]["verdict"] == "no_pytest"
    assert answer["suite"]["interpreter"].endswith(".venv/bin/python")
    assert titles(answer) == ["The tests could not be run, because pytest is not installed"]


def test_endless_output_is_capped(project):
    answer = _suite(
        project, "def test_a(capsys):\n    with capsys.disabled():\n        print('x' * 5_000_000)\n    assert 0\n"
    )
    assert answer["suite"]["verdict"] == "failed"
    assert len(answer["suite"]["tail"]) <= 3_000


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("..F\n1 failed, 2 passed, 1 skipped in 0.1s\n", {"failed": 1, "passed": 2, "skipped": 1}),
        ("2 errors in 1s", {"errors": 2, "passed": 0}),
        ("1 passed, 1 xpassed in 1s", {"passed": 2, "xpassed": 1}),
        ("nothing", {}),
    ],
)
def test_counts_from_the_last_line(text, counts):
    assert pytest_run._from_output(text) == counts


def test_a_report_with_entities_or_a_link_is_not_read(tmp_path):
    report = tmp_path / "report.xml"
    assert pytest_run._from_report(report) is None
    report.write_text("<!DOCTYPE a [<!ENTITY x 'y'>]><a/>")
    assert pytest_run._from_report(report) is None
    report.write_text("<broken")
    assert pytest_run._from_report(report) is None
    link = tmp_path / "link.xml"
    link.symlink_to(report)
    assert pytest_run._from_report(link) is None


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"Makefile": "all: a\n\nsds-test: a.c\n\tcc a.c\n"}, "make sds-test"),
        ({"Makefile": "check:\n\t./run\n"}, "make check"),
        ({"justfile": "test *args:\n  run\n"}, "just test"),
        ({"CMakeLists.txt": "enable_testing()\nadd_test(NAME a COMMAND b)\n"}, "ctest"),
        ({"meson.build": "test('a', exe)\n"}, "meson test"),
        ({"package.json": '{"scripts": {"test": "node check.js"}}'}, "npm test"),
        ({"run-tests.sh": "#!/bin/sh\n"}, "run-tests.sh"),
    ],
)
def test_a_project_with_a_command_for_its_tests_is_not_said_to_have_none(project, titles, files, command):
    project.write("a.c", "int a;\n")
    for name, text in files.items():
        project.write(name, text)
    answer = tests.run(project.root)
    assert answer["commands"] == [command]
    assert [(each["severity"], each["title"]) for each in answer["findings"]] == [
        ("low", "No test function was recognised")
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
        {"Makefile": "TEST := 1\nlatest: a\n\ttrue\n"},
        {"vendor/a/Makefile": "test:\n\ttrue\n"},
    ],
)
def test_what_only_looks_like_a_command_for_tests_is_none(project, titles, files):
    project.write("a.c", "int a;\n")
    for name, text in files.items():
        project.write(name, text)
    assert titles(tests.run(project.root)) == ["No tests were found"]


def test_cases_in_data_files_are_counted(project):
    project.write("src/a.c", "int a;\n")
    project.write("tests/jq.test", "# arithmetic\n\n1 + 1\nnull\n2\n\n# one more\n.a\n{}\nnull\n")
    project.write("test/expr.test", "test expr-1.1 {adds} {\n  expr 1+1\n} 2\n\ntest expr-1.2 {x} {\n} 3\n")
    project.write("lib/a.test", "x\n")
    answer = tests.run(project.root)
    assert (answer["test_functions"], answer["by_language"], answer["findings"]) == (4, {"Test cases": 4}, [])
