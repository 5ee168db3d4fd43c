"""`genesis files`, on ledgers without a server."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner

from genesis.cli.files import files
from genesis.errors import TaskError, UsageError
from genesis.ledger import FolderStore, Header, Ledger
from genesis.ledger.files import keep_content, keep_list
from genesis.model import Outcome, Run
from genesis.planning import plan_document
from genesis.testing import a_program, a_task

RUN = "20260101-000000-aaaaaa"


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    monkeypatch.setenv("GENESIS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path / "storage"}):
        yield Ledger(FolderStore(tmp_path / "storage"), RUN)


@pytest.fixture
def kept(ledger):
    """Write a run whose tasks have kept a file and a folder; `..` is a task like others."""
    program = a_program(
        a_task(
            "group", a_task("build", files={"out": {"app": "dist/app.bin"}}), a_task("..", files={"out": {"x": "x"}})
        ),
        a_task("docs", files={"out": {"pages": "site"}}),
        a_task("end"),
    )

    async def write():
        now = datetime.now(UTC)
        header = Header(
            genesis_version="test", run_id=RUN, correlation_id="c-1", created_at=now, slots=4,
            document=plan_document(program.source), registry=program.registry,
        )  # fmt: skip
        await ledger.begin(header)
        app, other = await keep_content(ledger, b"app", "app.bin"), await keep_content(ledger, b"x", "x")
        pages = [await keep_content(ledger, b"<p>", name) for name in ("index.html", "deep/a.html")]
        given = [{"app": app}, {"x": other}, {"pages": await keep_list(ledger, pages, "pages")}, {}]
        tasks = []
        for leaf, found in zip(program.leaves, given, strict=True):
            outcome = Outcome(
                id=leaf.path, agent="worker", state="completed", started_at=now, ended_at=now, files=found
            )
            tasks.append(await ledger.record(leaf, outcome))
        await ledger.save(
            Run(
                run_id=RUN,
                correlation_id="c-1",
                state="completed",
                planner="file",
                started_at=now,
                ended_at=now,
                cost_usd=Decimal(0),
                tasks=tuple(tasks),
            )
        )

    asyncio.run(write())


def call(*words, code=0):
    done = CliRunner().invoke(files, words, catch_exceptions=False, standalone_mode=False, env={"COLUMNS": "100"})
    assert done.exit_code == code
    return done.stdout


def test_the_list_names_tasks_files_and_sizes(kept):
    lines = [line.split() for line in call(RUN).splitlines()]
    assert lines == [
        ["task", "name", "size", "file"],
        ["group/build", "app", "3", "B", "app.bin"],
        ["group/..", "x", "1", "B", "x"],
        ["docs", "pages", "6", "B", "a", "folder", "of", "2", "files"],
    ]


def test_json_has_them_too(kept):
    shown = json.loads(call(RUN, "docs", "--json"))
    assert shown == {
        "run_id": RUN,
        "files": [{"task": "docs", "name": "pages", "file": "pages", "bytes": 6, "count": 2}],
    }
    assert [each["task"] for each in json.loads(call(RUN, "group", "--json"))["files"]] == ["group/build", "group/.."]


def test_a_task_without_files_and_a_task_that_there_is_not(kept):
    assert json.loads(call(RUN, "end", "--json"))["files"] == []
    assert call(RUN, "end") == ""
    with pytest.raises(UsageError, match="has no task 'nobody'"):
        call(RUN, "nobody")


def test_files_are_copied_below_the_folder_and_never_over_others(kept, tmp_path):
    shown = json.loads(call(RUN, "-o", "out", "--json"))
    found = {path.relative_to("out").as_posix(): path.read_text() for path in _files("out")}
    assert found == {
        "group/build/app/app.bin": "app",
        "group/__/x/x": "x",
        "docs/pages/index.html": "<p>",
        "docs/pages/deep/a.html": "<p>",
    }
    assert shown["files"][0]["path"] == "out/group/build/app/app.bin"
    (tmp_path / "out/group/build/app/app.bin").write_text("mine")
    with pytest.raises(UsageError, match=r"app\.bin' exists"):
        call(RUN, "-o", "out")
    assert (tmp_path / "out/group/build/app/app.bin").read_text() == "mine"
    call(RUN, "-o", "out", "--force")
    assert (tmp_path / "out/group/build/app/app.bin").read_text() == "app"


def _files(folder):
    from pathlib import Path

    return [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_link_below_the_folder_is_not_followed(kept, tmp_path, force):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "docs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is in its way"):
        call(RUN, "docs", "-o", "out", *force)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_part_that_was_changed_is_an_error_and_leaves_no_file(kept, ledger, tmp_path):
    for part in (ledger.folder / "blobs").rglob("?" * 64):
        if part.read_bytes() == b"app":
            part.write_bytes(b"APP")
    with pytest.raises(TaskError, match="was changed there"):
        call(RUN, "group/build", "-o", "out")
    assert _files("out") == []


def test_the_report_lists_them_with_their_task(kept):
    from genesis.report import report_page
    from genesis.report.gather import gather_evidence
    from genesis.settings import Settings

    page = report_page(asyncio.run(gather_evidence(RUN, Settings())))
    assert "<bdi>app.bin</bdi>, 3 B" in page
    assert "<bdi>pages</bdi> (2 files), 6 B" in page
    assert f"genesis files {RUN} -o ." in page
