"""A plan with rules, conditions and copies whose process dies at any write of its ledger ends as if it had not."""

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import FakeBackend, failed, program_of, within

from genesis.engine.driver import Driver
from genesis.ledger import FolderStore, Ledger, find_kept
from genesis.ledger.control import Control
from genesis.model import FINISHED, Task
from genesis.pipeline import program_of as program_of_document
from genesis.planning import plan_document

_RUN_IF = ["all_succeeded", "all_succeeded", "all_succeeded", "all_done", "any_failed", "any_succeeded", "always"]
_LISTS = ([], ["a"], ["a", {"k": None}], [1, 1, 2])


class Killed(BaseException):
    """The process died."""


class MortalStore(FolderStore):
    """Dies at one of its writes, before or after it."""

    def __init__(self, folder, kill_at=0, when="before"):
        super().__init__(folder)
        self.writes, self._kill_at, self._when = 0, kill_at, when

    async def write(self, name, data):
        self.writes += 1
        dies = self.writes == self._kill_at
        if dies and self._when == "before":
            raise Killed
        await super().write(name, data)
        if dies:
            raise Killed


class SeededBackend(FakeBackend):
    """Each leaf ends as its path and the seed say, whenever it runs, and is written into the ledger."""

    def __init__(self, session, seed, share):
        super().__init__()
        self._session, self._seed, self._share = session, seed, share

    async def _end(self, leaf):
        outcome = await super()._end(leaf)
        rng = Random(f"{self._seed} {leaf.path}")
        if rng.random() < self._share:
            update = {"state": "failed", "error": failed("GEN-TASK-EXIT", leaf.path)}
        else:
            update = {"result": {"f": rng.choice(_LISTS), "n": rng.randrange(4)}}
        return await self._session.ledger.record(leaf, outcome.model_copy(update=update))


@st.composite
def plans(draw, most=5):
    """A plan of tasks after each other, some of them composites, some with copies for a list or for a result's list."""
    tasks, results = [], []
    for number in range(draw(st.integers(2, most))):
        name, before = f"t{number}", [task["id"] for task in tasks]
        task = _draw_task(draw, name, before, results)
        if draw(st.integers(0, 3)) == 0:
            task["subtasks"] = [_draw_task(draw, child, [], []) for child in ("x", "y")][: draw(st.integers(1, 2))]
            task.pop("outputs")
        elif "for_each" not in task:
            results.append(name)
        tasks.append(task)
    return tasks


def _draw_task(draw, name, before, results):
    after = draw(st.lists(st.sampled_from(before), max_size=2, unique=True)) if before else []
    task = {"id": name, "description": name, "outputs": ["f", "n"], "allow_failure": draw(st.integers(0, 4)) == 0}
    task["run_if"] = draw(st.sampled_from(_RUN_IF)) if after else "all_succeeded"
    known = [each for each in results if each in after]
    conditions = ["{on} == 'yes'", "{on} == 'no'", *(f"{{{each}.n}} > 1" for each in known)]
    if draw(st.integers(0, 3)) == 0:
        task["when"] = draw(st.sampled_from(conditions))
    if draw(st.integers(0, 2)) == 0:
        lists = [["p", "q"], [], *(f"{{{each}.f}}" for each in results)]
        copies = {"for_each": draw(st.sampled_from(lists)), "on_failure": draw(st.sampled_from(["all", "any"]))}
        task |= copies | {"max_parallel": draw(st.integers(1, 2)), "inputs": {"value": "{item}", "place": "{index}"}}
    elif draw(st.integers(0, 3)) == 0:
        task["retry"] = {"times": 1, "delay_s": 0}
    return {**task, "depends_on": after}


async def execute(make, program, store, backend_of):
    """Run from what the ledger has until the end, or until the process dies at a write."""
    session = replace(make(program, slots=3), ledger=Ledger(store, "r1"))
    amendments = await session.ledger.amendments()
    known = program_of_document(plan_document(program.source), program.registry, session.settings, amendments)
    session.program_state.program, session.program_state.amendments = known, amendments
    kept = find_kept(known.leaves, await session.ledger.read_outcomes(known.leaves))
    finished = {known.leaves[index].path for index, outcome in kept.items() if outcome.state in FINISHED}
    backend = backend_of(session)
    driver = Driver(session, Control(), backend, kept)
    try:
        async with within():
            ending = await driver.run()
    except BaseExceptionGroup as group:
        if group.subgroup(Killed) is None:
            raise
        return None, finished, backend
    return (ending.state, describe_ends(driver)), finished, backend


def describe_ends(driver):
    return {
        outcome.id: (
            "done" if outcome.state in FINISHED else outcome.state,
            outcome.skipped_by,
            outcome.failure_allowed,
            outcome.result,
        )
        for outcome in driver.outcomes.values()
    }


@pytest.mark.parametrize("when", ["before", "after"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks=plans(), seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.2, 0.5]))
def test_a_plan_killed_at_any_write_ends_as_one_that_was_not(make, when, tasks, seed, share):
    program = program_of(*map(Task.model_validate, tasks), vars={"on": "yes"})

    def backend_of(session):
        return SeededBackend(session, seed, share)

    async def whole():
        with tempfile.TemporaryDirectory() as folder:
            store = MortalStore(Path(folder))
            wanted, _, backend = await execute(make, program, store, backend_of)
            paths = [path for path, _ in backend.runs]
            assert len(paths) == len(set(paths))
        for kill_at in range(1, store.writes + 1):
            with tempfile.TemporaryDirectory() as folder:
                died, *_ = await execute(make, program, MortalStore(Path(folder), kill_at, when), backend_of)
                assert died is None
                ended, kept, second = await execute(make, program, MortalStore(Path(folder)), backend_of)
                assert ended == wanted
                again = [path for path, _ in second.runs]
                assert len(again) == len(set(again))
                assert not kept.intersection(again)

    asyncio.run(whole())
