import pytest

from genesis_audit.comments import comment_of
from genesis_audit.language import LineCount, count_lines, interpreter_of, language_of


def _language(name, head=b""):
    return language_of(name, interpreter_of(head.decode()))


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "Python"),
        ("A.PY", "Python"),
        ("Makefile", "Makefile"),
        ("Dockerfile.prod", "Dockerfile"),
        ("dockerfile.py", "Python"),
        ("x.tsx", "TypeScript"),
        ("requirements.txt", "Requirements"),
        ("notes.txt", "Text"),
    ],
)
def test_language_by_name(name, language):
    assert _language(name).name == language


@pytest.mark.parametrize(
    "line", [b"#!/bin/bash\n", b"#!/usr/bin/env bash\n", b"#!/bin/sh -e\n", b"#! /usr/bin/env -S sh x\n"]
)
def test_language_by_first_line(line):
    assert _language("run", line).name == "Shell"


def test_python_by_first_line_with_version():
    assert _language("tool", b"#!/usr/bin/python3.11\n").name == "Python"
    assert _language("tool", b"#!/opt/unknown\n") is None
    assert _language("tool") is None


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("a.py", "", LineCount(0, 0, 0)),
        ("a.py", "x = 1", LineCount(1, 0, 0)),
        ("a.py", "# c\n\nx = 1  # c\n", LineCount(1, 1, 1)),
        ("a.py", '"""Doc.\n\nMore.\n"""\nx = 1\n', LineCount(1, 3, 1)),
        ("a.py", 'x = f("""\n# not a comment\n"""\n)\n"""doc"""\n', LineCount(4, 1, 0)),
        ("a.py", "r'''one'''\ny = '''a''' + '''b\nc'''\n", LineCount(2, 1, 0)),
        ("a.js", "/* a\n * b\n */\nx; // c\n// d\n/* e */ y;\n", LineCount(2, 4, 0)),
        ("a.js", "/* a\n", LineCount(0, 1, 0)),
        ("a.html", "<!-- a\nb -->\n<p>\n", LineCount(1, 2, 0)),
        ("a.lua", "--[[ a\nb ]]\n-- c\nx = 1\n", LineCount(1, 3, 0)),
        ("a.sql", "-- c\nselect 1;\n", LineCount(1, 1, 0)),
        ("a.txt", "# text\n", LineCount(1, 0, 0)),
    ],
)
def test_lines_are_told_apart(name, text, count):
    assert count_lines(text, _language(name)) == count


@pytest.mark.parametrize(
    ("name", "line", "comment"),
    [
        ("a.js", "x = 1; // TODO a", "// TODO a"),
        ("a.js", 'x = "http://a"', None),
        ("a.js", 'x = "// no"; // yes', "// yes"),
        ("a.js", " * TODO in a block", "* TODO in a block"),
        ("a.sh", "echo 'a # b' # c", "# c"),
        ("a.sh", "echo a", None),
        ("a.html", "<p> <!-- c -->", "<!-- c -->"),
    ],
)
def test_comment_part_of_a_line(name, line, comment):
    assert comment_of(line, _language(name)) == comment
