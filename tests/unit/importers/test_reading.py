"""Lines of parts, expressions in texts, durations, and values of Python expressions."""

import ast

import pytest

from genesis.errors import DocumentError
from genesis.importers.expressions import fill_expressions, find_expressions
from genesis.importers.fields import seconds_of, texts_of
from genesis.importers.literals import UNKNOWN, Duration, evaluate
from genesis.importers.source import Source
from genesis.settings import Limits


@pytest.fixture
def a_source(write):
    return lambda text, name="x.yaml": Source.read(write(text, name), Limits())


def test_lines_of_yaml_count_keys_items_and_aliases(a_source):
    source = a_source("a: &x\n  - 1\n  - b: 2\n    c: [3,\n      {d: 4}]\ne: *x\n")
    assert [source.line(*path) for path in (("a",), ("a", 0), ("a", 1, "c"), ("a", 1, "c", 1, "d"))] == [1, 2, 4, 5]
    assert source.line("e", 1, "b") == 6
    assert source.line("none") == 1


def test_lines_of_json_are_known_with_tabs_and_braces_in_texts(a_source):
    source = a_source('{\n\t"a": "{[,",\n\t"b": [1,\n\t\t{"c": "\\"}"}\n\t], "d":\nnull}', "x.json")
    assert [source.line(*path) for path in (("a",), ("b", 0), ("b", 1), ("b", 1, "c"), ("d",))] == [2, 3, 4, 4, 5]


def test_expressions_are_found_with_braces_inside_and_without_an_end():
    assert find_expressions("a {{ {'x': 1} }} b {% if %} {{ c", "{{", "{%") == ["{{ {'x': 1} }}", "{{ c", "{% if %}"]
    assert fill_expressions("a ${{ x }} {b}", "${{", lambda found: found[4:-3]) == "a x {b}"
    assert len(find_expressions("{{" * 100_000, "{{")) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90), ("90", 90), ("1h30m", 5400), ("PT1M30S", 90), ("P1DT1H", 90_000), ("500ms", 0.5),
        (0, None), ("soon", None), (None, None), ([1], None), ("-5", None), ("9" * 400, None),
    ],
)  # fmt: skip
def test_durations(value, seconds):
    found = seconds_of(value)
    assert found == seconds or (value == "9" * 400 and found is not None)


def test_texts_of_a_scalar_are_a_list_of_one_as_it_is_written(a_source):
    assert texts_of(a_source("a: 3.10").document["a"]) == ["3.10"]
    assert texts_of(None) == texts_of({"a": 1}) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a' + NAME", "ab"),
        ("f'{NAME}-{2}'", "b-2"),
        ("[1, -2, 60 * 60]", [1, -2, 3600]),
        ("{'k': call()}", {"k": UNKNOWN}),
        ("{**x}", UNKNOWN),
        ("timedelta(minutes=5, hours=1)", Duration(3900)),
        ("datetime.timedelta(1)", Duration(86400)),
        ("timedelta(minutes=x)", UNKNOWN),
        ("'a' * 10 ** 9", UNKNOWN),
        ("f'{NAME!r}'", UNKNOWN),
        ("NAME if x else NAME", UNKNOWN),
        ("-" * 60 + "1", UNKNOWN),
    ],
)
def test_values_are_known_without_running_anything(text, value):
    assert evaluate(ast.parse(text, mode="eval").body, {"NAME": "b"}) == value


def test_text_that_doubles_itself_ends_unknown():
    names = {"x": "a" * 60_000}
    assert evaluate(ast.parse("x + x", mode="eval").body, names) is UNKNOWN


def test_segment_of_a_line_with_wide_characters(a_source):
    source = a_source("é = call('ü', [\n1])\n", "x.py")
    statement = source.module.body[0]
    assert source.segment(statement.value) == "call('ü', ["


def test_file_beside_is_read_only_below_the_folder(a_source, tmp_path):
    source = a_source("a: 1", "in/x.yaml")
    (tmp_path / "y.yaml").write_text("b: 2")
    (tmp_path / "in" / "z.yaml").write_text("c: 3")
    assert "outside" in source.beside("../y.yaml")
    assert "no file" in source.beside("none.yaml")
    assert isinstance(source.beside("\0.yaml"), str)
    assert source.beside("z.yaml").document == {"c": 3}


def test_too_many_tasks_are_refused(a_source):
    with pytest.raises(DocumentError) as error:
        a_source("a: 1").check_size(10_001)
    assert error.value.code == "GEN-DOCUMENT-SIZE"
