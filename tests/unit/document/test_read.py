import os
from pathlib import Path

import pytest

from genesis.document import parse, read
from genesis.errors import DocumentError, UsageError
from genesis.settings import Limits


def test_words_that_other_yaml_takes_for_truth_values_stay_text():
    assert parse("a: yes\nb: off\nc: 2026-01-01\nd: 12:30") == {"a": "yes", "b": "off", "c": "2026-01-01", "d": "12:30"}


def test_scalars_have_their_json_types():
    text = "i: 010\nf: -1.5e3\nt: true\nn: null\ne:\ns: '7'\nhex: 0x1F"
    expected = {"i": 10, "f": -1500.0, "t": True, "n": None, "e": None, "s": "7", "hex": "0x1F"}
    assert parse(text) == expected


def test_json_is_read_as_well():
    assert parse('{"a": [1, 2.5, "x", null, true], "b": {"c": ""}}') == {"a": [1, 2.5, "x", None, True], "b": {"c": ""}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("# only a comment", "is empty"),
        ("a: [", "line "),
        ("a: 1\nb: 2\na: 3", "duplicate key 'a'"),
        ("!!python/object/apply:os.system ['true']", "is not allowed"),
        ("a: !include x", "the tag '!include' is not allowed"),
        ("a: &a [*a]", "contains itself"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("? [1, 2]\n: 3", "a key must be text"),
        ("a: \x00", "control characters"),
        ("a: 1e999999\nb: *gone", "there is no anchor 'gone'"),
    ],
)
def test_what_is_not_a_plain_document_is_refused(text: str, said: str):
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert said in caught.value.message


def test_aliases_that_explode_are_refused_without_expanding_them():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(DocumentError, match="once its aliases are expanded"):
        parse("\n".join(lines))


def test_aliases_that_stay_small_are_fine():
    assert parse("a: &a [1]\nb: *a\nc: *a") == {"a": [1], "b": [1], "c": [1]}


@pytest.mark.parametrize("text", ["[" * 200 + "]" * 200, "[" * 50_000, "\n".join(" " * i + "a:" for i in range(300))])
def test_deep_nesting_is_refused(text: str):
    with pytest.raises(DocumentError, match="nested"):
        parse(text)


def test_a_file_that_does_not_exist_is_a_usage_error(tmp_path: Path):
    with pytest.raises(UsageError, match=r"there is no file .*nope\.yaml"):
        read(tmp_path / "nope.yaml")


def test_a_folder_is_a_usage_error(tmp_path: Path):
    with pytest.raises(UsageError, match="is a folder"):
        read(tmp_path)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path):
    path = tmp_path / "big.yaml"
    path.write_text("a: 1\n" * 100)
    with pytest.raises(DocumentError, match="has 500 bytes; the limit is 99"):
        read(path, Limits(document_bytes=99))


def test_a_file_that_is_not_utf8_says_which_byte(tmp_path: Path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: caf\xe9")
    with pytest.raises(DocumentError, match=r"not UTF-8 \(byte 6\)"):
        read(path)


def test_a_byte_order_mark_is_ignored(tmp_path: Path):
    path = tmp_path / "bom.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read(path) == {"a": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_a_usage_error(tmp_path: Path):
    path = tmp_path / "locked.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(UsageError, match="cannot be read"):
        read(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 1', "line 1, column 8"),
        ('{"a": "b', "Unterminated string"),
        ("a: 1", "line 1, column 1"),
        (" ", "is empty"),
    ],
)
def test_json_that_is_not_json_is_refused(tmp_path: Path, text: str, said: str):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(DocumentError) as caught:
        read(path)
    assert said in caught.value.message


def test_escapes_of_json_are_read_as_json_has_them(tmp_path: Path):
    path = tmp_path / "plan.json"
    path.write_text('{"a": "\\ud83d\\ude00\\/"}')
    assert read(path) == {"a": "\U0001f600/"}
