"""All runs that the ledger knows."""

import shlex
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from genesis.errors import UsageError
from genesis.ledger import Ledger
from genesis.ledger.catalogue import RunFilter, choose, find, logs_of, one_of
from genesis.ledger.history import run_lock
from genesis.model import Outcome, Run
from genesis.settings import LogSettings
from genesis.testing import a_program, a_task


@pytest.fixture
async def three(keep):
    await keep("20260101-000000-aaaaaa", request="Audit the portal", hours=30, agent="qa_agent")
    await keep("20260102-000000-bbbbbb", cid="c-2", state="failed", hours=3, request="Release it")
    await keep("20260103-000000-cccccc", cid="c-2", hours=0.5, request="Release THE PORTAL")


def ago(hours):
    return datetime.now(UTC) - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (RunFilter(), "cba"),
        (RunFilter(states=("failed",)), "b"),
        (RunFilter(states=("failed", "completed")), "cba"),
        (RunFilter(since=ago(4)), "cb"),
        (RunFilter(request="portal"), "ca"),
        (RunFilter(agent="qa_agent"), "a"),
        (RunFilter(agent="spare"), ""),
        (RunFilter(correlation="c-2"), "cb"),
        (RunFilter(correlation="c-2", states=("completed",), request="the"), "c"),
    ],
)
@pytest.mark.usefixtures("three")
async def test_runs_are_chosen_newest_first(choice, wanted):
    found = await choose(choice)
    assert [listed.run_id[-1] for listed in found] == list(wanted)


@pytest.mark.usefixtures("three")
async def test_the_limit_counts_what_was_chosen():
    found = await choose(RunFilter(correlation="c-2"), 1)
    assert [listed.run_id[-1] for listed in found] == ["c"]


@pytest.mark.usefixtures("three")
async def test_a_run_says_its_request_and_how_far_it_came():
    (listed,) = await choose(RunFilter(states=("failed",)))
    assert (listed.request, listed.tasks_done, listed.tasks_total) == ("Release it", 1, 2)


async def test_what_a_running_run_has_done_is_read_from_its_records(keep, settings):
    ledger = await keep("20260104-000000-dddddd", state="running")
    with run_lock(Ledger(ledger.store, ledger.run_id), settings):
        (listed,) = await choose(RunFilter(states=("running", "failed")))
    assert (listed.tasks_done, listed.tasks_total) == (1, 2)


async def test_what_the_plan_skipped_or_allowed_counts_as_done(keep, settings):
    ledger = await keep("20260104-000000-dddddd", state="running")
    program = a_program(a_task("a"), a_task("b", after=("a",), when="1 == 2"))
    skipped = Outcome(id="b", agent="worker", state="skipped", skipped_by="when: 1 == 2")
    await ledger.record(program.leaves[1], skipped)
    with run_lock(Ledger(ledger.store, ledger.run_id), settings):
        (listed,) = await choose(RunFilter(states=("running",)))
    assert (listed.tasks_done, listed.tasks_total) == (2, 2)
    run = await ledger.load()
    failed = Outcome(id="b", agent="worker", state="failed", failure_allowed=True)
    update = {"state": "completed", "ended_at": datetime.now(UTC), "tasks": (run.tasks[0], failed)}
    await ledger.save(run.model_copy(update=update))
    (listed,) = await choose(RunFilter())
    assert listed.tasks_done == 2


async def test_a_run_that_never_got_a_state_is_listed(keep):
    await keep("20260104-000000-dddddd", state=None)
    (listed,) = await choose(RunFilter())
    assert (listed.state, listed.document["error"]["code"]) == ("failed", "GEN-RUN-INTERRUPTED")
    assert (listed.tasks_done, listed.tasks_total) == (0, 2)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"document": 1}', '{"document": {"tasks": [1]}}', "null"])
async def test_a_damaged_header_hides_no_state_and_breaks_no_list(keep, damage):
    whole = await keep("20260104-000000-dddddd", state=None)
    (whole.folder / "run.json").write_text(damage)
    saved = await keep("20260105-000000-eeeeee")
    (saved.folder / "run.json").write_text(damage)
    assert [listed.run_id for listed in await choose(RunFilter())] == ["20260105-000000-eeeeee"]


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", "1", "[" * 5000, '{"run_id": 1}', '"x"', '{"state": "completed", "tasks": 1}', "{}"],
)
async def test_a_damaged_state_is_that_of_a_run_that_has_none(keep, damage):
    ledger = await keep("20260104-000000-dddddd")
    (ledger.folder / "state.json").write_text(damage)
    (listed,) = await choose(RunFilter())
    assert (listed.run_id, listed.state, listed.tasks_total) == ("20260104-000000-dddddd", "failed", 2)


async def test_the_document_of_a_run_is_that_of_its_model(keep):
    for state in ("completed", "failed", "running", None):
        ledger = await keep("20260104-000000-dddddd", state=state)
        (listed,) = await choose(RunFilter())
        run = Run.model_validate(listed.document)
        assert run.model_dump(mode="json", exclude={"tasks"}) == dict(listed.document)
        assert (run.state, run.started_at, run.duration_s) == (listed.state, listed.started_at, listed.duration_s)
        for path in ledger.folder.rglob("*.json"):
            path.unlink()


@pytest.mark.usefixtures("three")
async def test_a_run_is_found_by_its_id_and_by_its_correlation_id():
    assert await find("20260102-000000-bbbbbb") == "20260102-000000-bbbbbb"
    assert [listed.run_id[-1] for listed in await find("c-2")] == ["c", "b"]
    assert await one_of("c-1") == "20260101-000000-aaaaaa"


@pytest.mark.usefixtures("three")
async def test_of_several_runs_none_is_taken():
    with pytest.raises(UsageError, match="2 runs have the correlation id 'c-2': 20260103-000000-cccccc") as refused:
        await one_of("c-2")
    assert refused.value.hint == "give the id of one of them"


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("nobody", "run: genesis runs"),
        ("bbbbbb", "did you mean 20260102-000000-bbbbbb?"),
        ("../etc", "run: genesis runs"),
        ("", "run: genesis runs"),
        ("x" * 5_000, "run: genesis runs"),
    ],
)
async def test_what_is_not_there_is_said_so(word, hint):
    with pytest.raises(UsageError, match="no run has the id or the correlation id") as refused:
        await find(word)
    assert (refused.value.hint, refused.value.code) == (hint, "GEN-RUN-UNKNOWN")


async def test_a_correlation_id_may_be_anything(keep):
    await keep("20260104-000000-dddddd", cid="order 17/ü '\"")
    assert await one_of("order 17/ü '\"") == "20260104-000000-dddddd"


def test_the_command_for_log_lines_finds_them_in_all_files(settings, tmp_path):
    file = tmp_path / "lo gs" / "genesis.jsonl"
    cid = "it's -17 $(x)"
    settings = settings.model_copy(update={"log": LogSettings(file=file)})
    assert not logs_of(cid, settings).exists
    file.parent.mkdir()
    file.write_text(f'{{"correlation_id": "{cid}", "n": 1}}\n{{"n": 2}}\n')
    file.with_name("genesis.jsonl.1").write_text(f'{{"correlation_id": "{cid}", "n": 3}}\n')
    logs = logs_of(cid, settings)
    assert (logs.file, logs.exists) == (str(file), True)
    assert shlex.split(logs.command)[0] == "grep"
    said = subprocess.run(["sh", "-c", logs.command], capture_output=True, text=True, check=True).stdout
    assert said.count("\n") == 2


def test_log_lines_are_in_the_home_where_nothing_else_is_said(settings):
    assert logs_of("c", settings).file == str(settings.home / "logs" / "genesis.jsonl")


def test_log_lines_are_looked_for_where_they_are_written(tmp_path, monkeypatch):
    from genesis.ledger.catalogue import logs_of
    from genesis.observability.log_setup import log_file
    from genesis.settings import LogSettings, Settings

    monkeypatch.setenv("HOME", str(tmp_path))
    for settings in (Settings(home=tmp_path), Settings(home=tmp_path, log=LogSettings(file="~/lines.jsonl"))):
        assert logs_of("c", settings).file == str(log_file(settings))
        assert log_file(settings).is_relative_to(tmp_path)
