"""What becomes of returned values, and of what programs print."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from genesis.agents.values import decode_utf8, plain, read_json
from genesis.errors import TaskError


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({1: "a", "1": "b"}, {"1 (int)": "a", "1": "b"}),
        ({None: 1, "None": 2}, {"None (NoneType)": 1, "None": 2}),
        ({True: 1, "true": 2}, {"true (bool)": 1, "true": 2}),
        ({1.5: 1, "1.5": 2, 2: 3}, {"1.5 (float)": 1, "1.5": 2, "2": 3}),
        ([{"deep": {(1, 2): 1, "1,2": 2}}], [{"deep": {"1,2 (tuple)": 1, "1,2": 2}}]),
        ({1: "same", "1": "same"}, {"1 (int)": "same", "1": "same"}),
        ({Path("x"): 1, "x": 2}, {"x (PosixPath)": 1, "x": 2}),
        ({b"k": 1, "k": 2}, {"k (bytes)": 1, "k": 2}),
    ],
    ids=repr,
)
def test_keys_that_would_be_one_in_json_are_kept_apart_by_their_type(value, kept):
    assert plain(value, source="m:f") == kept


def test_keys_that_cannot_be_kept_apart_fail_the_attempt():
    with pytest.raises(TaskError, match="two keys are both"):
        plain({1: "a", "1": "b", "1 (int)": "c"}, source="m:f")


def test_keys_that_stay_apart_become_text():
    assert plain({1: "a", 2: "b", None: "c"}, source="m:f") == {"1": "a", "2": "b", "None": "c"}


@pytest.mark.parametrize(
    "value",
    [1.5, 1e22, -0.0, 10**30, "é", [1, 2.0, None, True], {"a": {}, "b": [[]]}, float("nan"), {"x": float("inf")}],
)
def test_plain_values_pass(value):
    made = plain(value, source="m:f")
    assert plain(made, source="m:f") == made


def test_a_collision_is_found_in_a_dataclass():
    @dataclass
    class Held:
        by_id: dict

    with pytest.raises(TaskError, match="'1'"):
        plain(Held({1: 1, "1": 2}), source="m:f")


@pytest.mark.parametrize(
    "value", ["\udce9", ["x\udce9"], {"\udce9": "\ud800"}, Path("/x\udce9"), (("\udfff",),)], ids=ascii
)
def test_what_utf_8_cannot_encode_is_escaped(value):
    made = plain(value, source="m:f")
    assert "\\ud" in str(made).lower()
    str(made).encode("utf-8")


def _deep(levels, make=lambda inner: [inner]):
    value = 1
    for _ in range(levels):
        value = make(value)
    return value


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: {"k": inner}, lambda inner: (inner,)])
@pytest.mark.parametrize("levels", [101, 250, 5_000])
def test_a_result_deeper_than_a_document_may_be_fails_the_attempt(make, levels):
    plain(_deep(100, make), source="m:f")
    with pytest.raises(TaskError, match="cannot be kept as JSON"):
        plain(_deep(levels, make), source="m:f")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"loss": NaN, "n": 3}', {"loss": None, "n": 3}),
        ("[Infinity, -Infinity, 1e400, -1e400, 1.5]", [None, None, None, None, 1.5]),
        ('{"a": "\\udce9"}', {"a": "\\udce9"}),
        ('{"a":\r\n 1}\r\n', {"a": 1}),
        (f"[{10**30}]", [10**30]),
    ],
)
def test_json_from_elsewhere_is_read_leniently(text, value):
    assert read_json(text) == value


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', "[" * 101 + "]" * 101, "[" * 90_000, "[1] x", '{"a"', f"[1{'0' * 5_000}]"]
)
def test_json_that_cannot_be_kept_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  # the reasons differ
        read_json(text)


def test_output_is_read_without_its_mark_and_with_escapes():
    assert decode_utf8(b"\xef\xbb\xbf{}") == "{}"
    assert decode_utf8(b"caf\xe9\r\n") == "caf\\xe9\r\n"
