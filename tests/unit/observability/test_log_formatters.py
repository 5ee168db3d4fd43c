"""The shape of a log line, for machines and for people."""

import json
import logging
import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.errors import TaskError
from genesis.observability.log_formatters import IDS, MOST_LINE, MOST_MESSAGE, HumanLines, JsonLines, redact_record


def record(message="it happened", *args, level=logging.INFO, error=None, **extra):
    info = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None
    made = logging.LogRecord("genesis.x", level, __file__, 1, message, args, info)
    made.__dict__.update(extra | ({"error": error} if error is not None and info is None else {}))
    return made


def line(made, **how):
    text = JsonLines("agent", **how).format(made)
    assert "\n" not in text
    text.encode()
    return json.loads(text)


def raise_from(error):
    try:
        raise error
    except type(error) as caught:
        return caught


class Evil:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


def test_a_line_says_what_when_and_where():
    made = record("%s is done", "it", event="task.ended", task="a/b", state="completed", usd=Decimal("0.25"))
    made.created = datetime(2026, 11, 22, 15, 43, 2, 123456, UTC).timestamp()
    shape = line(made)
    assert shape.pop("host")
    assert shape == {
        "v": 1,
        "ts": "2026-11-22T15:43:02.123456Z",
        "level": "info",
        "logger": "genesis.x",
        "message": "it is done",
        "event": "task.ended",
        "task": "a/b",
        "process": made.process,
        "role": "agent",
        "data": {"state": "completed", "usd": 0.25},
    }


def test_ids_come_from_the_line_itself_and_else_from_the_trail():
    known = {name: f"trail-{name}" for name in IDS} | {"attempt": 2, "password": "x"}
    shape = line(record(task="own", run_id=None), trail=lambda: known)
    assert [shape[name] for name in IDS] == [known[name] if name != "task" else "own" for name in IDS]
    assert "password" not in shape


def test_a_trail_that_fails_costs_the_ids_only():
    assert line(record(), trail=lambda: 1 / 0)["message"] == "it happened"


def test_an_error_is_described_with_its_frames():
    shape = line(record(error=raise_from(TaskError("it broke", code="GEN-TASK-X")), level=logging.ERROR))
    error = shape["error"]
    assert error["type"] == "genesis.errors.TaskError"
    assert (error["code"], error["message"]) == ("GEN-TASK-X", "it broke")
    assert error["stack"][0].endswith("in raise_from")
    assert "data" not in shape


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"code": "GEN-X", "message": "m"}, {"code": "GEN-X", "message": "m"}),
        (ValueError("m"), {"type": "ValueError", "message": "m"}),
        ("only text", {"message": "only text"}),
    ],
)
def test_an_error_may_come_as_data(given, wanted):
    made = record()
    made.error = given
    assert line(made)["error"] == wanted


def test_values_that_are_no_json_become_text():
    data = line(
        record(
            path=Path("/a"), when=datetime(2026, 1, 1, tzinfo=UTC), nan=math.nan, inf=-math.inf, many={1, 2},
            pair=(1, "x"), raw=b"x", evil=Evil(), key={Evil: 1, 2: None}, huge=10**5000, odd={"a": {"b": Evil()}},
        )
    )["data"]  # fmt: skip
    assert data["path"] == "/a"
    assert data["when"] == "2026-01-01T00:00:00+00:00"
    assert (data["nan"], data["inf"]) == ("nan", "-inf")
    assert sorted(data["many"]) == [1, 2]
    assert data["pair"] == [1, "x"]
    assert "cannot be shown: RuntimeError" in data["evil"]
    assert data["huge"] == "a very large number"
    assert list(data["key"])[1] == "2"


def test_a_circle_ends():
    circle = []
    circle.append(circle)
    assert line(record(circle=circle))["data"]["circle"]


def test_arguments_that_do_not_fit_are_shown():
    assert line(record("%d of %d", "x"))["message"].startswith("%d of %d (its arguments do not fit: ('x',")
    assert "cannot be shown" in line(record("%s", Evil()))["message"]
    assert "cannot be shown" in line(record(Evil()))["message"]


def test_a_line_that_cannot_be_made_says_so():
    class Broken(dict):
        def __iter__(self):
            raise RuntimeError("no")

    shape = line(record(data=Broken(a=1)))
    assert shape["event"] == "log.broken"
    assert shape["message"] == "this line cannot be shown: RuntimeError"


def test_control_characters_and_lone_surrogates_are_escaped():
    text = "a\nb\r\x1b[2J\x00\x7f\x85\u2028\u202e\ud800é漢😀"
    formatted = JsonLines("cli").format(record(text, key=text))
    assert json.loads(formatted)["message"] == text
    assert json.loads(formatted)["data"]["key"] == text
    assert not any(ord(character) < 32 or character in "\x7f\x85\u2028\u202e\ud800" for character in formatted)
    assert "é漢😀" in formatted


@pytest.mark.parametrize("piece", ["x", "ü", "😀", "\x00", '"', "\ud800", "password=abc "])
def test_a_line_is_bounded(piece):
    huge = piece * 200_000
    made = record(huge, error=raise_from(ValueError(huge)), **{f"key{number}": [huge] * 60 for number in range(60)})
    text = JsonLines("cli").format(made)
    assert len(text.encode()) <= MOST_LINE
    shape = json.loads(text)
    assert len(shape["message"].encode("utf-8", "surrogatepass")) <= MOST_MESSAGE + 100
    assert "more characters)" in shape["message"] or "(cut at" in shape["message"]
    assert "cut" in str(shape["data"])


def test_a_large_value_and_many_items_are_cut_with_a_mark():
    data = line(record(text="x" * 5_000, items=list(range(60)), keys={str(number): 1 for number in range(60)}))["data"]
    assert data["text"].endswith("… (cut)")
    assert data["items"][-1] == "… 10 more"
    assert data["keys"]["…"] == "10 more"


def test_secrets_are_struck_out_of_every_part():
    def boom():
        raise ValueError("password=hunter2 and known-secret")

    try:
        boom()
    except ValueError as error:
        made = record("token=abc known-secret %s", "ghp_0123456789abcdefghij", error=error)
    made.password, made.note = "hunter2", ["x known-secret", {"api_key": "k"}]
    made.task, made.correlation_id = "say-ghp_0123456789abcdefghij", "known-secret"
    text = JsonLines("cli", secrets=lambda: ("known-secret",)).format(made)
    for secret in ("hunter2", "known-secret", "ghp_", "token=abc", '"k"'):
        assert secret not in text


def test_no_half_of_a_secret_is_left_where_a_text_is_cut():
    secret = "known-secret-" + "s" * 3_000
    for before in range(4_000, 12_500, 500):
        text = JsonLines("cli", secrets=lambda: (secret,)).format(record("x" * before + secret * 3))
        assert "known-secret" not in text


@pytest.mark.parametrize(
    ("level", "name"), [(5, "debug"), (10, "debug"), (25, "info"), (30, "warning"), (99, "critical")]
)
def test_levels_are_from_a_closed_set(level, name):
    assert line(record(level=level))["level"] == name


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Evil),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children) | st.tuples(children, children),
    max_leaves=30,
)


@settings(deadline=None, max_examples=50)
@given(st.text(), st.dictionaries(st.text(min_size=1).map(lambda name: f"k_{name}"), _VALUES, max_size=6))
def test_any_line_is_one_json_object(message, extra):
    shape = line(record(message, **extra))
    assert shape["logger"] == "genesis.x"


def test_people_get_one_line_with_what_comes_with_it():
    made = record("it waits", level=logging.WARNING, task="a b", data={"n": 1}, error={"code": "GEN-X"}, event="x.y")
    text = HumanLines().format(made)
    assert text[8:] == ' warning it waits  task="a b" data={"n": 1} error=GEN-X'


def test_people_get_colours_where_they_are_shown():
    assert "\x1b[33m" in HumanLines(colour=True).format(record(level=logging.WARNING))
    assert "\x1b" not in HumanLines().format(record("a\x1b[31m", key="\x1b[2J"))


def test_people_get_the_traceback_without_secrets():
    text = HumanLines().format(record(error=raise_from(ValueError("password=hunter2"))))
    assert "Traceback" in text
    assert "ValueError: password=***" in text


def test_a_line_for_people_never_raises():
    assert "cannot be shown" in HumanLines().format(record(key=Evil()))
    made = record()
    made.created = "never"
    assert "cannot be shown" in HumanLines().format(made)


def test_a_record_is_struck_for_the_handlers_of_others():
    made = record("login %s", "password=hunter2", error=raise_from(ValueError("known-secret")))
    redact_record(made, ["known-secret"])
    text = logging.Formatter().format(made)
    assert "password=***" in text
    assert "ValueError: ***" in text
    plain = record("left %s", "alone")
    redact_record(plain, [])
    assert plain.args == ("alone",)
