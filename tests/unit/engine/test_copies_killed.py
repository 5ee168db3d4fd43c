"""A run with copies that dies at any write of its ledger continues as if it had not, with each leaf done once."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import FakeBackend, program_of, within

from genesis.engine.driver import Driver
from genesis.ledger import is_done
from genesis.ledger.control import Control
from genesis.pipeline import program_of as program_of_document
from genesis.planning import plan_document
from genesis.testing import a_task


class Killed(BaseException):
    """The process died."""


class Recording(FakeBackend):
    """Writes what leaves give into the ledger, as every backend does."""

    def __init__(self, session, results):
        super().__init__()
        self._session, self._results = session, results

    async def run(self, leaf):
        outcome = await super().run(leaf)
        result = self._results.get(leaf.path, leaf.path)
        return await self._session.ledger.record(leaf, outcome.model_copy(update={"result": result}))


def plan_with_copies():
    return program_of(
        a_task("scan", outputs=("files",)),
        a_task("lint", for_each="{scan.files}", inputs={"f": "{item}"}, after=("scan",)),
        a_task(
            "module",
            a_task("find", outputs=("parts",)),
            a_task("do", for_each="{find.parts}"),
            for_each=["x", "y"],
            max_parallel=1,
        ),
        a_task("pause", wait_for={"time": "2026-01-01T00:00:00Z"}, after=("scan",)),
        a_task("end", inputs={"l": "{lint.result}", "m": "{module.result}"}, after=("lint", "module", "pause")),
    )


RESULTS = {
    "scan": {"files": ["a", {"k": None}, []]},
    "module/0-x/find": {"parts": [1, 2]},
    "module/1-y/find": {"parts": []},
}


async def execute(make, program, kill_at, when, monkeypatch):
    """Run from what the ledger has until the end, or until the process dies at a write; return what ran."""
    session = make(program)
    amendments = await session.ledger.amendments()
    known = program_of_document(plan_document(program.source), program.registry, session.settings, amendments)
    session.program_state.program, session.program_state.amendments = known, amendments
    outcomes = await session.ledger.read_outcomes(known.leaves)
    kept = {
        leaf.index: outcomes[leaf.index] for leaf in known.leaves if leaf.index in outcomes and is_done(leaf, outcomes)
    }
    write, count = session.ledger.store.write, 0

    async def dying(name, data):
        nonlocal count
        count += 1
        if count == kill_at and when == "before":
            raise Killed
        await write(name, data)
        if count == kill_at:
            raise Killed

    monkeypatch.setattr(session.ledger.store, "write", dying)
    backend = Recording(session, RESULTS)
    driver = Driver(session, Control(), backend, kept)
    try:
        async with within():
            ending = await driver.run()
    except BaseExceptionGroup as group:
        if group.subgroup(Killed) is None:
            raise
        ending = None
    return ending, session, [path for path, _ in backend.runs], driver


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_run_killed_at_any_write_ends_as_one_that_was_not(make, tmp_path, monkeypatch, when):
    ending, session, ran, driver = await execute(make, plan_with_copies(), 0, when, monkeypatch)
    assert ending.state == "completed"
    paths = [leaf.path for leaf in session.program.leaves]
    assert len(ran) == len(set(ran)) == 9
    wanted = {outcome.id: outcome.result for outcome in driver.outcomes.values()}
    kill_at = 0
    while True:
        kill_at += 1
        monkeypatch.undo()
        (tmp_path / "ledger").rename(tmp_path / f"ledger-{when}-{kill_at}")
        first, session, ran, _ = await execute(make, plan_with_copies(), kill_at, when, monkeypatch)
        if first is not None:
            break
        monkeypatch.undo()
        ending, session, again, driver = await execute(make, plan_with_copies(), 0, when, monkeypatch)
        assert ending.state == "completed"
        assert {outcome.id: outcome.result for outcome in driver.outcomes.values()} == wanted
        assert sorted(leaf.path for leaf in session.program.leaves) == sorted(paths)
        lost = [path for path in ran if path in again]
        assert len(lost) <= session.slots  # only what was running when it died
        if when == "after":
            assert len({*ran, *again}) == 9
    assert kill_at > 15
