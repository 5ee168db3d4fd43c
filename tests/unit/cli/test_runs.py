"""`genesis runs` and `genesis report`, on ledgers without a server."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from genesis.cli import report as report_module
from genesis.cli import runs as runs_module
from genesis.cli.prefect import before_ledger
from genesis.errors import UsageError
from genesis.ledger import FolderStore, Header, Ledger
from genesis.model import Outcome, Run
from genesis.planning import plan_document
from genesis.testing import a_program, a_task

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def storage(tmp_path, monkeypatch):
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    monkeypatch.setenv("GENESIS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report_module, "before_prefect", lambda: None)  # it changes the logging of the whole process
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path / "storage"}):
        yield FolderStore(tmp_path / "storage")


@pytest.fixture
def keep(storage):
    def kept(run_id, cid="c-1", state="completed", request="Tell the time", *, rehearsal=None, result="noon", **plan):
        program = a_program(a_task("a"), request=request, **plan)
        ledger, now = Ledger(storage, run_id), datetime.now(UTC)
        header = Header(
            genesis_version="test", run_id=run_id, correlation_id=cid, created_at=now, slots=4,
            document=plan_document(program.source), registry=program.registry, trace=f"00-{TRACE}-{SPAN}-01",
        )  # fmt: skip
        task = Outcome(
            id="a", agent="worker", state="completed", started_at=now, ended_at=now, result=result, usd="1.5"
        )
        run = Run(
            run_id=run_id, correlation_id=cid, state=state, planner="file", started_at=now, ended_at=now,
            cost_usd=Decimal("1.5"), tasks=(task,), rehearsal=rehearsal,
        )  # fmt: skip

        async def write():
            await ledger.begin(header)
            kept = await ledger.record(program.leaves[0], task)
            await ledger.save(run.model_copy(update={"tasks": (kept,)}))

        asyncio.run(write())

    return kept


def call(command, *words, columns=None):
    return CliRunner().invoke(command, words, catch_exceptions=False, env={"COLUMNS": columns})


def test_the_list_shows_what_each_run_is(keep):
    keep("20260101-000000-aaaaaa")
    keep("20260102-000000-bbbbbb", state="budget_exceeded", request="Release\nit " + "very " * 100)
    first, second, third = call(runs_module.runs).output.splitlines()
    assert first.split() == ["run", "state", "started", "took", "tasks", "cost", "request"]
    assert second.split()[:3] == ["20260102-000000-bbbbbb", "budget", "exceeded"]
    assert "1/1  $1.50  Release it very" in second
    assert second.endswith("…")
    assert third.startswith("20260101-000000-aaaaaa  completed")


@pytest.mark.parametrize("width", [80, 60, 40, 20])
def test_the_list_keeps_run_ids_and_requests_whole_on_any_terminal(keep, width):
    keep("20260101-000000-aaaaaa", request="Look at all the many things that are somewhere around here, once more")
    lines = call(runs_module.runs, columns=str(width)).output.splitlines()
    assert all(len(line) <= width for line in lines)
    assert "20260101-000000-aaaaaa" in "".join(lines)
    assert "Look at all the many things that are somewhere around here, once more" in " ".join(" ".join(lines).split())


def test_a_rehearsal_is_marked_in_the_list_and_in_the_run(keep):
    keep("20260101-000000-aaaaaa", rehearsal=0.5)
    keep("20260102-000000-bbbbbb")
    _, real, rehearsed = call(runs_module.runs).output.splitlines()
    assert "completed (rehearsed)" in rehearsed
    assert "$" not in rehearsed
    assert "rehearsed" not in real
    assert "completed · rehearsed at 0.5" in call(runs_module.runs, "show", "20260101-000000-aaaaaa").output
    listed = json.loads(call(runs_module.runs, "--json").output)
    assert [run.get("rehearsal") for run in listed] == [None, 0.5]


def test_the_list_as_data_has_requests_and_no_tasks(keep):
    keep("20260101-000000-aaaaaa")
    (run,) = json.loads(call(runs_module.runs, "--json").output)
    assert (run["run_id"], run["request"], run["tasks_done"], run["tasks_total"]) == (
        "20260101-000000-aaaaaa", "Tell the time", 1, 1,
    )  # fmt: skip
    assert run["cost_usd"] == 1.5
    assert "tasks" not in run


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--state", "failed"], 1),
        (["--state", "failed", "--state", "completed"], 2),
        (["--since", "2h"], 2),
        (["--since", "99999999w"], 2),
        (["--since", "2999-01-01"], 0),
        (["--since", "2026-01-01T00:00:00+02:00"], 2),
        (["--request", "TIME"], 1),
        (["--agent", "worker", "--correlation", "c-2"], 1),
        (["--limit", "1"], 1),
    ],
)
def test_filters_choose(keep, words, count):
    keep("20260101-000000-aaaaaa")
    keep("20260102-000000-bbbbbb", cid="c-2", state="failed", request="Release it")
    assert len(json.loads(call(runs_module.runs, *words, "--json").output)) == count


@pytest.mark.usefixtures("storage")
def test_an_empty_list_says_what_to_do():
    assert "No runs yet. Start one" in call(runs_module.runs).output
    assert "No run matches" in call(runs_module.runs, "--state", "failed").output
    assert call(runs_module.runs, "--json").output == "[]\n"


@pytest.mark.parametrize("words", [["--since", "yesterday"], ["--since", ""], ["--state", "ill"], ["--limit", "0"]])
@pytest.mark.usefixtures("storage")
def test_a_wrong_filter_is_refused(words):
    assert call(runs_module.runs, *words).exit_code == 2


@pytest.mark.parametrize("word", ["20260101-000000-aaaaaa", "c-1"])
def test_one_run_is_shown_with_its_log_lines_and_its_trace(keep, word):
    keep("20260101-000000-aaaaaa")
    document = json.loads(call(runs_module.runs, "show", word, "--json").output)
    assert (document["run_id"], document["trace_id"], document["request"]) == (
        "20260101-000000-aaaaaa", TRACE, "Tell the time",
    )  # fmt: skip
    assert document["tasks"][0]["result"] == "noon"
    assert document["logs"]["command"].startswith("grep -hF -- c-1 ")
    said = call(runs_module.runs, "show", word).output
    assert f"Trace: {TRACE}" in said
    assert "has no log lines of it" in said
    assert "genesis report 20260101-000000-aaaaaa" in said


def test_a_run_is_shown_with_its_variables_and_parameters_and_without_secrets(keep, monkeypatch, tmp_path):
    monkeypatch.setenv("SERVICE_PASSWORD", "correct-horse")
    params = {"rows": {"type": "integer", "default": 3}, "who": {"type": "array", "default": ["<b>", "correct-horse"]}}
    keep("20260101-000000-aaaaaa", vars={"target": "prod", "api_key": "sk-1234567890abcdef"}, params=params)
    values = {"target": "prod", "api_key": "***", "rows": 3, "who": ["<b>", "***"]}
    assert json.loads(call(runs_module.runs, "show", "c-1", "--json").output)["values"] == values
    said = call(runs_module.runs, "show", "c-1").output.splitlines()
    assert [line for line in said if " = " in line] == [
        "target = prod", "api_key = ***", "rows = 3", 'who = ["<b>", "***"]',
    ]  # fmt: skip
    assert json.loads(call(report_module.report, "c-1", "--json").output)["values"] == values
    page = call(report_module.report, "c-1", "-o", "-").output
    assert "Variables and parameters" in page
    assert "[&#34;&lt;b&gt;&#34;, &#34;***&#34;]" in page
    assert "correct-horse" not in page.partition("<main")[0]


def test_log_lines_are_named_where_there_are_some_and_the_command_shows_them(keep, tmp_path):
    keep("20260101-000000-aaaaaa", cid="c 1'")
    logs = tmp_path / "home" / "logs"
    logs.mkdir(parents=True)
    (logs / "genesis.jsonl").write_text("of another\n", encoding="utf-8")
    (logs / "genesis.jsonl.1").write_text("a line of c 1' here\n", encoding="utf-8")
    said = call(runs_module.runs, "show", "20260101-000000-aaaaaa").output
    command = said.split("Its log lines: ")[1].splitlines()[0]
    assert (
        subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
        == "a line of c 1' here\n"
    )


def test_results_are_shown_in_a_bounded_length_and_one_task_whole(keep):
    keep("20260101-000000-aaaaaa", result={"text": "line\n" * 100, "n": 1})
    said = call(runs_module.runs, "show", "20260101-000000-aaaaaa", "--results").output
    assert said.count("line") < 30
    assert "more characters: --task a" in said
    one = call(runs_module.runs, "show", "20260101-000000-aaaaaa", "--task", "a").output
    assert one.count("line") == 100
    assert "n: 1" in one


def test_a_result_cannot_send_escape_codes_to_the_terminal(keep):
    keep("20260101-000000-aaaaaa", result="a\x1b]0;x\x07[red]b")
    said = call(runs_module.runs, "show", "20260101-000000-aaaaaa", "--results").output
    assert "\x1b" not in said
    assert "[red]b" in said


def test_a_large_result_is_shown_whole_as_data_and_in_a_file(keep, tmp_path):
    keep("20260101-000000-aaaaaa", result="x" * 100_000)
    plain = json.loads(call(runs_module.runs, "show", "20260101-000000-aaaaaa", "--json").output)
    assert plain["tasks"][0]["result_ref"]
    shown = json.loads(call(runs_module.runs, "show", "20260101-000000-aaaaaa", "--results", "--json").output)
    assert shown["tasks"][0]["result"] == "x" * 100_000
    one = json.loads(call(runs_module.runs, "show", "20260101-000000-aaaaaa", "--task", "a", "--json").output)
    assert (one["id"], len(one["result"])) == ("a", 100_000)
    call(runs_module.runs, "show", "20260101-000000-aaaaaa", "-o", str(tmp_path / "all.json"))
    assert json.loads((tmp_path / "all.json").read_text()) == {"a": "x" * 100_000}
    call(runs_module.runs, "show", "20260101-000000-aaaaaa", "--task", "a", "-o", str(tmp_path / "one.json"))
    assert json.loads((tmp_path / "one.json").read_text()) == "x" * 100_000


def test_the_result_of_an_unknown_task_is_refused(keep):
    keep("20260101-000000-aaaaaa")
    with pytest.raises(UsageError, match="has no task 'b'"):
        call(runs_module.runs, "show", "20260101-000000-aaaaaa", "--task", "b")


def test_a_list_of_runs_needs_neither_prefect_nor_planning(keep, storage, tmp_path):
    keep("20260101-000000-aaaaaa")
    code = (
        "import sys; from genesis.cli.app import main\n"
        "try: main(['runs', '--json'])\n"
        "except SystemExit:\n"
        "    heavy = ('prefect', 'pydantic', 'genesis.pipeline', 'yaml')\n"
        "    print([m for m in heavy if m in sys.modules], file=sys.stderr)"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it imports more
    environment = {**kept, "PREFECT_LOCAL_STORAGE_PATH": str(storage.root), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    assert '"run_id": "20260101-000000-aaaaaa"' in done.stdout
    assert done.stderr == "[]\n"


def test_a_setting_that_cannot_be_used_is_named_where_a_user_has_no_home(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    monkeypatch.delitem(sys.modules, "prefect", raising=False)
    monkeypatch.setenv("GENESIS_RUN__TIMEOUT_S", "soon")
    with pytest.raises(UsageError, match="GENESIS_RUN__TIMEOUT_S cannot be used"):
        before_ledger()


def test_several_runs_of_a_correlation_id_are_listed(keep):
    keep("20260101-000000-aaaaaa")
    keep("20260102-000000-bbbbbb")
    document = json.loads(call(runs_module.runs, "show", "c-1", "--json").output)
    assert [run["run_id"] for run in document["runs"]] == ["20260102-000000-bbbbbb", "20260101-000000-aaaaaa"]
    assert "2 runs have the correlation id c-1" in call(runs_module.runs, "show", "c-1").output


@pytest.mark.usefixtures("storage")
def test_what_is_not_there_is_an_error_with_a_hint():
    with pytest.raises(UsageError, match="no run has the id or the correlation id 'nix'"):
        call(runs_module.runs, "show", "nix")
    with pytest.raises(UsageError, match="no run has the id or the correlation id 'nix'"):
        call(report_module.report, "nix")


def test_a_report_is_written_beside_and_again(keep, tmp_path):
    keep("20260101-000000-aaaaaa")
    file = tmp_path / "20260101-000000-aaaaaa.html"
    assert "The report is in 20260101-000000-aaaaaa.html" in call(report_module.report, "c-1").output
    first = file.read_text()
    file.write_text("old")
    call(report_module.report, "20260101-000000-aaaaaa", "-o", str(file))
    assert file.read_text()[:200] == first[:200]
    assert [path.name for path in tmp_path.glob("*.html")] == [file.name]


def test_a_report_goes_to_stdout(keep, tmp_path):
    keep("20260101-000000-aaaaaa")
    said = call(report_module.report, "c-1", "-o", "-").output
    assert said.startswith("<!doctype html>")
    assert said.endswith("</html>\n")
    assert not list(tmp_path.glob("*.html"))


def test_the_data_of_a_report_is_one_document(keep, tmp_path):
    keep("20260101-000000-aaaaaa")
    document = json.loads(call(report_module.report, "c-1", "--json").output)
    assert document["summary"]["done"] == 1
    assert document["run"]["cost_usd"] == 1.5
    assert document["critical_path"] == ["a"]
    assert document["routing"][0]["reason"] == "the test says so"
    assert not list(tmp_path.glob("*.html"))


def test_a_folder_is_no_place_for_a_report(keep, tmp_path):
    keep("20260101-000000-aaaaaa")
    assert call(report_module.report, "c-1", "-o", str(tmp_path)).exit_code == 2
