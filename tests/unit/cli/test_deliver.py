"""`genesis deliver`: what `--result` means, and what the command says, on ledgers without a server."""

import asyncio
import io
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from genesis.cli import deliver as deliver_module
from genesis.cli.deliver import read_result
from genesis.errors import UsageError
from genesis.ledger import FolderStore, Header, Ledger
from genesis.model import Outcome, Run
from genesis.planning import plan_document
from genesis.testing import a_program, a_task

RUN = "20260101-000000-aaaaaa"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("Use blue", "Use blue"),
        ("done", "done"),
        ("42", "42"),
        ('{"a": [1, "x"]}', {"a": [1, "x"]}),
        (' {"a": 1.5}\n', {"a": 1.5}),
        ("[1, 2]", "[1, 2]"),
        ("and/or", "and/or"),
        ("x" * 5000, "x" * 5000),
        ("a { b }", "a { b }"),
        ("zeile\nzwei", "zeile\nzwei"),
    ],
)
def test_a_word_is_a_json_object_or_a_text(word, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_result(word, 10_000) == value


@pytest.mark.parametrize(
    ("name", "content", "value"),
    [
        ("r.json", b'{"a": 1}', {"a": 1}),
        ("r.json", b"[1]", [1]),
        ("r.json", b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ("r.txt", b"hello", "hello"),
        ("r.txt", b'{"a": 1}', {"a": 1}),
        ("result", "grün".encode(), "grün"),
        ("my result", b"hello", "hello"),
    ],
)
def test_a_file_that_exists_is_read(name, content, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    assert read_result(name, 1000) == value
    assert read_result(str(tmp_path / name), 1000) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json", "is not JSON"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1e999}', "is too large"),
        (b'{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "is not JSON"),
        (b"\xff\xfe", "is not UTF-8: byte 0"),
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b'"' + b"x" * 200_001, "has more than 200,000 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(content, message, tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_result(str(path), 200_000)
    assert caught.value.code == "GEN-DELIVERY"
    assert caught.value.hint


@pytest.mark.parametrize("word", ["missing.json", "./missing", "/no/such/file", "report.md"])
def test_what_looks_like_a_file_has_to_be_there(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="there is no file"):
        read_result(word, 1000)


@pytest.mark.parametrize("word", ["", "  ", '{"a": 1,}', "{oops}"])
def test_an_empty_word_or_a_broken_object_is_refused(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        read_result(word, 1000)


def test_a_folder_is_no_result_unless_it_is_meant_as_a_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "done").mkdir()
    assert read_result("done", 1000) == "done"
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_result("./done", 1000)


def test_a_dash_is_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'{"a": 1}')))
    assert read_result("-", 1000) == {"a": 1}
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"x" * 1001)))
    with pytest.raises(UsageError, match="standard input has more than"):
        read_result("-", 1000)


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    monkeypatch.setenv("GENESIS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deliver_module, "before_prefect", lambda: None)
    program = a_program(a_task("a"), a_task("b", after=("a",)))
    made, now = Ledger(FolderStore(tmp_path / "storage"), RUN), datetime.now(UTC)
    header = Header(
        genesis_version="test", run_id=RUN, correlation_id="c-1", created_at=now, slots=4,
        document=plan_document(program.source), registry=program.registry,
    )  # fmt: skip
    tasks = [
        Outcome(id=leaf.path, agent="worker", state="briefed", result={"brief": "/b.md"}) for leaf in program.leaves
    ]

    async def write():
        await made.begin(header)
        for leaf, task in zip(program.leaves, tasks, strict=True):
            await made.record(leaf, task)
        run = Run(
            run_id=RUN, correlation_id="c-1", state="briefed", planner="file", started_at=now, ended_at=now,
            cost_usd=Decimal(0), tasks=tuple(tasks),
        )  # fmt: skip
        await made.save(run)

    asyncio.run(write())
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path / "storage"}):
        yield made


def call(*words):
    return CliRunner().invoke(deliver_module.deliver, words, catch_exceptions=False, standalone_mode=False)


def test_without_a_resume_the_result_is_taken_in_and_the_command_to_go_on_is_named(ledger):
    said = call(RUN, "a", "--result", "it is made", "--by", "Ada", "--no-resume")
    assert said.return_value == 0
    assert f"Delivered: 'a' of run {RUN}, by Ada" in said.output
    assert f"genesis deliver {RUN} b --result" in said.output
    assert f"genesis resume {RUN}" in said.output


def test_a_run_of_which_nothing_can_run_yet_is_not_started_and_still_waits_for_people(ledger):
    said = call("c-1", "a", "--result", "it is made", "--json")
    assert said.return_value == 5
    document = json.loads(said.stdout)
    assert (document["state"], [task["state"] for task in document["tasks"]]) == ("briefed", ["completed", "briefed"])
    assert document["explanation"]["command"].startswith(f"genesis deliver {RUN} b ")


def test_a_run_that_can_go_on_is_resumed(ledger, monkeypatch):
    from genesis.cli import run as run_module

    resumed = []
    monkeypatch.setattr(run_module, "continue_run", lambda run_id, *_, **__: resumed.append(run_id) or 0)
    assert call(RUN, "a", "--result", "one").return_value == 5
    assert call(RUN, "b", "--result", "two").return_value == 0
    assert resumed == [RUN]


def test_a_run_that_did_not_end_by_waiting_is_left_to_its_owner(ledger):
    run = asyncio.run(ledger.load())
    asyncio.run(ledger.save(run.model_copy(update={"state": "cancelled"})))
    said = call(RUN, "a", "--result", "one")
    assert said.return_value == 0
    assert f"The run is cancelled; to continue: genesis resume {RUN}" in said.output
