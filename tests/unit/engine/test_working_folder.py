"""Leaves with files: what their folders have, what of them is kept, and what is not taken for a file of theirs."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from genesis.agents import Result
from genesis.engine.attempts import LeafRun
from genesis.engine.copies import gather_copies
from genesis.engine.working_folder import find_damaged
from genesis.errors import TaskError
from genesis.ledger.files import list_files
from genesis.model import Handover, PythonSpec
from genesis.model.run import utc_now
from genesis.testing import ScriptedAgent, a_program, a_task, an_agent

WORKER = an_agent("worker", executor=PythonSpec(kind="python", call="json:dumps"))


def writes(**files):
    """Return a step that writes files, given with `__` for `/`, into its folder."""

    def step(work):
        for name, content in files.items():
            path = work.folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return {}

    return step


def reads(work):
    """Return what is in the folder, by path."""
    return {
        path.relative_to(work.folder).as_posix(): path.read_text()
        for path in sorted(work.folder.rglob("*"))
        if path.is_file()
    }


class Bench:
    """Runs leaves one after the other, as a worker does."""

    def __init__(self, make, *tasks, script=None, limits=None, agents=(WORKER,), **more):
        self.agent = ScriptedAgent(script)
        session = make(a_program(*tasks, agents=agents), limits=limits, **more)
        self.session = replace(session, executor=lambda _leaf: self.agent)
        self.outcomes = {}

    async def run(self, path):
        [leaf] = [leaf for leaf in self.session.program.leaves if leaf.path == path]
        run = LeafRun(self.session, leaf, self.outcomes)
        run.start()
        self.outcomes[leaf.index] = outcome = await run.work()
        return outcome

    async def listed(self, path, name):
        [outcome] = [outcome for outcome in self.outcomes.values() if outcome.id == path]
        return {file.name: file.bytes for file in await list_files(self.session.ledger, outcome.files[name])}


def gives(path, **more):
    return a_task("give", files={"out": {"x": path}}, **more)


TAKE = a_task("take", files={"in": {"data/in.txt": "{give.files.x}"}})


async def test_a_file_is_there_before_the_task_that_asks_for_it_starts(make):
    bench = Bench(
        make,
        gives("out/a.txt"),
        TAKE,
        script={"give": [writes(out__a__x="no", **{"out__a.txt": "rows"})], "take": [reads]},
    )
    given = await bench.run("give")
    assert (given.files["x"].name, given.files["x"].bytes, given.files["x"].count) == ("a.txt", 4, None)
    assert (await bench.run("take")).result == {"data/in.txt": "rows"}
    assert all(work.has_files for work in bench.agent.work)


async def test_each_attempt_has_a_folder_of_its_own_which_is_gone_afterwards(make):
    def fails(work):
        writes(**{"a.txt": "old"})(work)
        raise TaskError("no")

    bench = Bench(make, gives("a.txt"), script={"give": [fails, lambda work: {"seen": len(reads(work))}]})
    leaf = bench.session.program.leaves[0]
    run = LeafRun(bench.session, leaf, {})
    run.start()
    with pytest.raises(TaskError, match="no"):
        await run.work()
    with pytest.raises(TaskError) as caught:
        await run.work()
    assert caught.value.code == "GEN-TASK-FILE-MISSING"
    assert caught.value.hint.startswith("it is empty")
    first, second = (work.folder for work in bench.agent.work)
    assert (first == second, first.exists(), second.exists()) == (False, False, False)


async def test_a_task_without_files_keeps_the_folder_that_it_had(make):
    bench = Bench(make, a_task("plain"), script={"plain": [writes(note="x")]})
    await bench.run("plain")
    [work] = bench.agent.work
    assert (work.has_files, (work.folder / "note").exists()) == (False, True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("*.txt", {"a.txt": 1}),
        ("**/*.txt", {"a.txt": 1, "deep/b.txt": 2, "deep/er/c.txt": 3}),
        ("deep/**", {"b.txt": 2, "er/c.txt": 3}),
        ("deep/*.txt", {"b.txt": 2}),
        ("de?p/[a-c].txt", {"deep/b.txt": 2}),
        ("**/er/**/c.txt", {"deep/er/c.txt": 3}),
        ("deep", {"b.txt": 2, "er/c.txt": 3}),
    ],
)
async def test_a_glob_and_a_folder_give_a_folder_of_files(make, path, expected):
    files = {"a.txt": "1", "deep__b.txt": "22", "deep__er__c.txt": "333", "other": "x"}
    bench = Bench(make, gives(path), TAKE, script={"give": [writes(**files)], "take": [reads]})
    given = await bench.run("give")
    assert (given.files["x"].count, given.files["x"].bytes) == (len(expected), sum(expected.values()))
    assert await bench.listed("give", "x") == expected
    assert set((await bench.run("take")).result) == {f"data/in.txt/{name}" for name in expected}


async def test_a_glob_leaves_out_what_the_task_was_given(make):
    both = a_task("both", files={"in": {"in.txt": "{give.files.x}"}, "out": {"y": "*"}})
    bench = Bench(make, gives("a"), both, script={"give": [writes(a="1")], "both": [writes(b="2")]})
    await bench.run("give")
    await bench.run("both")
    assert await bench.listed("both", "y") == {"b": 1}


@pytest.mark.parametrize("path", ["a.txt", "*.csv", "deep/*", "empty"])
async def test_a_promise_that_is_not_kept_fails_the_task_and_says_what_is_there(make, path):
    def step(work):
        (work.folder / "empty").mkdir()
        return writes(**{"b.txt": "1"})(work)

    bench = Bench(make, gives(path), script={"give": [step]})
    with pytest.raises(TaskError, match=r"promised the file 'x', and its folder has no") as caught:
        await bench.run("give")
    assert (caught.value.code, caught.value.hint) == ("GEN-TASK-FILE-MISSING", "it has 'b.txt'")


def _links(target):
    def step(work):
        (work.folder / "real.txt").write_text("real")
        (work.folder / "link").symlink_to(target.replace("FOLDER", str(work.folder)))
        return {}

    return step


@pytest.mark.parametrize("path", ["link", "li*", "link/hosts"])
@pytest.mark.parametrize("target", ["/etc", "/etc/hosts", "../..", "missing", "."])
async def test_a_link_out_of_the_folder_or_to_no_file_is_refused(make, path, target):
    bench = Bench(make, gives(path), script={"give": [_links(target)]})
    with pytest.raises(TaskError) as caught:
        await bench.run("give")
    assert caught.value.code in ("GEN-TASK-FILE", "GEN-TASK-FILE-MISSING")
    assert "x" not in str(caught.value.data.get("content", ""))
    assert not (bench.session.ledger.folder / "blobs").exists()


@pytest.mark.parametrize("target", ["real.txt", "FOLDER/real.txt"])
async def test_a_link_within_the_folder_stands_for_its_file(make, target):
    bench = Bench(make, gives("link"), TAKE, script={"give": [_links(target)], "take": [reads]})
    await bench.run("give")
    assert (await bench.run("take")).result == {"data/in.txt": "real"}


@pytest.mark.parametrize("path", ["pipe", "p*"])
async def test_a_pipe_is_refused(make, path):
    bench = Bench(make, gives(path), script={"give": [lambda work: os.mkfifo(work.folder / "pipe")]})
    async with asyncio.timeout(10):
        with pytest.raises(TaskError, match="no regular file"):
            await bench.run("give")


async def test_a_name_with_a_line_break_is_refused(make):
    bench = Bench(make, gives("*"), script={"give": [writes(**{"a\nb": "x"})]})
    with pytest.raises(TaskError, match="cannot be kept: it has a line break"):
        await bench.run("give")


async def test_sizes_and_counts_have_limits(make):
    for limits in ({"file_bytes": 5}, {"file_count": 1}):
        bench = Bench(make, gives("*"), script={"give": [writes(a="123", b="456")]}, limits=limits)
        with pytest.raises(TaskError) as caught:
            await bench.run("give")
        assert caught.value.code == "GEN-TASK-FILE-SIZE"


async def test_a_task_that_a_person_did_has_no_file_for_others(make):
    bench = Bench(make, gives("a"), TAKE, script={"give": [writes(a="1")]})
    given = await bench.run("give")
    handed = given.model_copy(update={"files": {}, "delivered": Handover(by="me", at=utc_now())})
    bench.outcomes[0] = handed
    with pytest.raises(TaskError, match="has left none: a person delivered its result"):
        await bench.run("take")


async def test_an_agent_without_a_folder_that_takes_over_is_refused(make):
    llm = an_agent("worker", executor={"kind": "llm"})
    bench = Bench(make, gives("a"), agents=(llm,))
    with pytest.raises(TaskError, match=r"\(llm\) does not work in a folder"):
        await bench.run("give")


async def test_a_rehearsal_invents_files(make):
    bench = Bench(make, gives("a.txt"), a_task("many", files={"out": {"x": "**/*.csv"}}), TAKE, rehearse=0.0)
    await bench.run("give")
    await bench.run("many")
    await bench.run("take")
    assert list(await bench.listed("give", "x")) == ["a.txt"]
    assert list(await bench.listed("many", "x")) == ["rehearsed.txt"]


async def test_a_cached_task_has_its_files(make):
    task = gives("a.txt", cache={"ttl_s": 600})
    bench = Bench(make, task, TAKE, script={"give": [writes(**{"a.txt": "1"})], "take": [reads]})
    first = await bench.run("give")
    again = await bench.run("give")
    assert (again.state, again.files, len(bench.agent.work)) == ("cached", first.files, 1)
    assert (await bench.run("take")).result == {"data/in.txt": "1"}


async def test_files_of_copies_are_one_folder_with_a_folder_for_each_copy(make):
    each = a_task("each", files={"out": {"x": "*.txt", "y": "y"}}, for_each=["a", "b"])
    take = a_task("take", files={"in": {"all": "{each.files.x}", "ys": "{each.files.y}"}})
    step = writes(**{"1.txt": "1", "2.txt": "2", "y": "y"})
    bench = Bench(make, each, take, script={"each/0-a": [step], "each/1-b": [step], "take": [reads]})
    await bench.run("each/0-a")
    await bench.run("each/1-b")
    [gathering] = [leaf for leaf in bench.session.program.leaves if leaf.gathers]
    bench.outcomes[gathering.index] = gathered = await gather_copies(bench.session, gathering, bench.outcomes)
    assert (gathered.files["x"].count, gathered.files["y"].count) == (4, 2)
    assert list((await bench.run("take")).result) == [
        "all/0-a/1.txt", "all/0-a/2.txt", "all/1-b/1.txt", "all/1-b/2.txt", "ys/0-a/y", "ys/1-b/y",
    ]  # fmt: skip


async def test_a_resume_does_again_what_a_damaged_file_came_from_if_it_is_still_needed(make):
    bench = Bench(make, gives("a"), TAKE, script={"give": [writes(a="1")]})
    await bench.run("give")
    assert await find_damaged(bench.session, bench.outcomes) == set()
    [part] = (bench.session.ledger.folder / "blobs").rglob("?" * 64)
    part.write_text("2")
    assert await find_damaged(bench.session, bench.outcomes) == {0}
    part.write_text("1")
    await bench.run("take")
    part.write_text("2")
    assert await find_damaged(bench.session, bench.outcomes) == set()


async def test_damaged_files_of_copies_are_found_through_the_task_that_gathers_them(make):
    each = a_task("each", files={"out": {"x": "x"}}, for_each=["a", "b"])
    take = a_task("take", files={"in": {"all": "{each.files.x}"}})
    bench = Bench(make, each, take, script={"each/0-a": [writes(x="1")], "each/1-b": [writes(x="2")]})
    for path in ("each/0-a", "each/1-b"):
        await bench.run(path)
    leaves = {leaf.path: leaf for leaf in bench.session.program.leaves}
    gathering = leaves["each"]
    bench.outcomes[gathering.index] = await gather_copies(bench.session, gathering, bench.outcomes)
    digest = bench.outcomes[leaves["each/1-b"].index].files["x"].chunks[0]
    (bench.session.ledger.folder / "blobs" / digest[:2] / digest).unlink()
    found = await find_damaged(bench.session, bench.outcomes)
    assert found == {gathering.index, leaves["each/1-b"].index}


async def test_another_host_finds_the_files_in_the_storage_alone(make, tmp_path):
    bench = Bench(make, gives("a"), TAKE, script={"give": [writes(a="1")], "take": [reads]})
    await bench.run("give")
    other = tmp_path / "other-host"
    bench.session = replace(bench.session, files=other)
    assert (await bench.run("take")).result == {"data/in.txt": "1"}
    assert bench.agent.work[-1].folder.is_relative_to(Path(other))


async def test_a_result_that_is_a_work_order_promises_no_files(make):
    bench = Bench(make, gives("a"), script={"give": [Result(value={}, state="briefed")]})
    assert (await bench.run("give")).files == {}
