import pytest

from genesis.agents.toolkit import complexity
from genesis.agents.toolkit.python_source import read_python


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
