import pytest

from genesis_audit import complexity
from genesis_audit.python_source import read_python


def _measure(body):
    lines = "\n".join("    " + line for line in body.split("\n"))
    text = f"def f(a, *b, c=1, **d):\n{lines}\n"
    return read_python(text.encode(), text).measures[0]


@pytest.mark.parametrize(
    ("body", "cyclomatic", "nesting"),
    [
        ("pass", 1, 0),
        ("if a: pass", 2, 1),
        ("if a: pass\nelif b: pass\nelif c: pass\nelse: pass", 4, 1),
        ("if a:\n    pass\nelse:\n    if b: pass\n    x", 3, 2),
        ("for x in a:\n    while x:\n        if a and b or c: pass", 6, 3),
        ("for x in a: pass\nelse: pass", 3, 1),
        ("try: pass\nexcept A: pass\nexcept B: pass\nelse: pass\nfinally: pass", 4, 1),
        ("return [x for x in a if x if b]", 4, 0),
        ("return 1 if a else 2", 2, 0),
        ("match a:\n    case 1: pass\n    case 2: pass\n    case _: pass", 3, 1),
        ("with a: pass", 1, 1),
        ("assert a", 1, 0),
        ("def g():\n    if a: pass\nreturn g", 1, 0),
    ],
)
def test_measures_of_a_function(body, cyclomatic, nesting):
    measure = _measure(body)
    assert (measure.cyclomatic, measure.nesting, measure.parameters) == (cyclomatic, nesting, 4)
    assert measure.lines == body.count("\n") + 2


def test_names_are_qualified(project):
    project.write("a.py", "class A:\n    def b(self):\n        def c(): pass\n    async def d(self): pass\n")
    answer = complexity.run(project.root)
    assert {row["name"] for row in answer["worst"]} == {"A.b", "A.b.c", "A.d"}
    assert answer["functions"] == 3


def test_branched_long_and_deep_functions_are_found(project, titles):
    branches = "".join(f"    if a == {number}: pass\n" for number in range(31))
    deep = "".join("    " * (level + 1) + "if a:\n" for level in range(6)) + "    " * 7 + "pass\n"
    project.write("a.py", f"def f(a):\n{branches}\ndef g(a):\n{deep}\ndef h(a):\n" + "    x = 1\n" * 101)
    project.write("tests/test_a.py", f"def test_f(a):\n{branches}")
    answer = complexity.run(project.root)
    assert titles(answer) == [
        "1 function with a cyclomatic number above 15",
        "1 function of more than 100 lines",
        "1 function nested more than 5 blocks deep",
    ]
    assert answer["over"] == {"cyclomatic": 1, "lines": 1, "nesting": 1}
    assert answer["worst"][0]["cyclomatic"] == 32
    assert answer["longest"][0]["lines"] == 102


def test_hostile_sources_are_counted_as_unparsed(project):
    project.write("a.py", "x = " + "(" * 10_000)
    project.write("b.py", "x = " + "-" * 100_000 + "1")
    project.write("c.py", "# coding: no-such-codec\n")
    project.write("d.py", b"x = 1\0")
    project.write("e.py", "if a: pass\n" + "elif a: pass\n" * 20_000)
    project.write("f.py", "def f(): return '\\d'\n")
    answer = complexity.run(project.root)
    assert (answer["files"], answer["unparsed"], answer["functions"]) == (6, 5, 1)


def test_nothing_to_measure(project):
    answer = complexity.run(project.root)
    assert (answer["summary"], answer["findings"]) == ("No functions to measure.", [])


@pytest.mark.parametrize(
    ("name", "text", "function", "measures"),
    [
        ("a.js", "function f(a, b) {\n  if (a && b) { return 1 }\n  return 2\n}\n", "f", (3, 2)),
        ("a.ts", "export function f(a: number): number {\n  return a ? 1 : 2\n}\n", "f", (2, 1)),
        ("a.go", "package a\n\nfunc f(a int) int {\n\tfor a > 0 {\n\t\ta--\n\t}\n\treturn a\n}\n", "f", (2, 1)),
        ("a.rs", "fn f(a: i32) -> i32 {\n    if a > 0 { 1 } else { 2 }\n}\n", "f", (2, 1)),
        ("A.java", "class A {\n  int f(int a) {\n    while (a > 0) a--;\n    return a;\n  }\n}\n", "f", (2, 1)),
        ("a.c", "int f(int a) {\n  return a ? 1 : 2;\n}\n", "f", (2, 1)),
        ("a.rb", "def f(a)\n  return 1 if a\n  2\nend\n", "f", (2, 1)),
        ("a.php", "<?php\nfunction f(A $a, array &$b = []) {\n  return $a;\n}\n", "f", (1, 2)),
        ("a.php", "<?php\nfunction f($a) {\n  if ($a) { return 1; }\n  return 2;\n}\n", "f", (2, 1)),
    ],
)
def test_functions_of_other_languages_are_measured(project, name, text, function, measures):
    project.write(name, text)
    row = complexity.run(project.root)["worst"][0]
    assert (row["name"], (row["cyclomatic"], row["parameters"])) == (function, measures)
    assert row["nesting"] is None


def _make_branches(name, count=31):
    return f"function {name}(a) {{\n" + "".join(f"  if (a === {number}) {{ b() }}\n" for number in range(count)) + "}\n"


def test_findings_come_from_the_projects_own_code_alone(project, titles):
    for path in ("vendor/a.js", "test/b.js", "docs/c.js", "d.min.js", "examples/e.js"):
        project.write(path, _make_branches("f"))
    project.write("f.js", "// @generated\n" + _make_branches("f"))
    assert titles(complexity.run(project.root)) == []
    project.write("own.js", _make_branches("f"))
    assert titles(complexity.run(project.root)) == ["1 function with a cyclomatic number above 15"]


def test_rusts_inline_tests_are_not_measured(project):
    project.write("a.rs", "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n")
    assert [row["name"] for row in complexity.run(project.root)["worst"]] == ["f"]


def test_a_function_whose_end_was_lost_is_left_out():
    from types import SimpleNamespace

    from genesis_audit.functions import _is_plausible

    lines = ["  def f", *["    a"] * 70, "  end", "  def g", *["    b"] * 9, "  end"]
    lost = SimpleNamespace(start_line=1, end_line=len(lines), cyclomatic_complexity=1)
    whole = SimpleNamespace(start_line=1, end_line=72, cyclomatic_complexity=1)
    assert not _is_plausible(lost, lines)
    assert _is_plausible(whole, lines)


def test_a_docstring_does_not_make_a_function_long(project):
    project.write("a.py", 'def f():\n    """Doc.\n' + "\n    More.\n" * 100 + '    """\n    return 1\n')
    answer = complexity.run(project.root)
    assert answer["longest"][0]["lines"] == 2
    assert answer["findings"] == []


def test_functions_of_tests_come_last_and_nesting_is_measured_in_python_only(project):
    branches = "".join(f"  if (a == {number}) return {number};\n" for number in range(9))
    project.write("tests/big.c", f"int big(int a) {{\n{branches}  return 0;\n}}\n")
    project.write("a.c", "int small(int a) {\n  return a ? 1 : 2;\n}\n")
    project.write("b.py", "def deep(a):\n    if a:\n        return 1\n    return 2\n")
    answer = complexity.run(project.root)
    assert [(row["name"], row["nesting"]) for row in answer["worst"]] == [("deep", 1), ("small", None), ("big", None)]
    assert "cyclomatic number 4.7 on average and 2 at most" in answer["summary"]


def test_functions_of_benchmarks_are_listed_and_no_finding(project):
    long = "def f(a):\n" + "    a += 1\n" * 120
    project.write("benchmarks/a.py", long)
    project.write("lib/koin-perf/b.py", long)
    answer = complexity.run(project.root)
    assert (answer["functions"], answer["findings"]) == (2, [])


def test_functions_without_a_name_are_called_anonymous(project):
    project.write("a.go", "package a\n\nfunc A() {\n\tgo func(x int) {\n\t\tb(x)\n\t}(1)\n}\n")
    assert {row["name"] for row in complexity.run(project.root)["worst"]} <= {"A", "(anonymous)"}
