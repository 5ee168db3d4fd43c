"""A run whose process dies at any of its writes can be resumed, and what was finished is not done again."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from bench.chaos_faults import FaultyWorker
from genesis.errors import ResourceError, ServiceError
from genesis.ledger import FolderStore, Ledger
from genesis.model import FINISHED
from genesis.testing import (
    ChaosLedger,
    Effects,
    Faults,
    Killed,
    MortalLedger,
    Witness,
    a_program,
    a_task,
    an_agent,
    invariants,
)
from genesis.testing.prefect import Workbench

pytestmark = [pytest.mark.chaos, pytest.mark.server, pytest.mark.usefixtures("prefect_api")]

PROGRAM = a_program(
    a_task("a", outputs=["n"]),
    a_task("b", after=("a",), inputs={"n": "{a.n}"}, side_effects=True),
    a_task("c", after=("a",)),
    a_task("d", after=("b", "c")),
    agents=(an_agent("worker", max_concurrency=2),),
)
_WRITES = 9
"""The header, the owner, the state at the start, four leaves, the state at the end, the moments."""
_FIRST_LEAF = 4
_AT_ONCE = 4
_OF_STORAGE = ("error", "disconnect", "delay", "hang", "partial", "duplicate", "reorder")


class Killing:
    """A run that is killed at a write, and its resume."""

    def __init__(self, folder: Path, number: int, when: str = "before"):
        self.run_id, self.place = f"killed-{number}-{when}", folder / f"{number}-{when}"
        self.store = FolderStore(self.place / "ledger")
        self.ledger = Ledger(self.store, self.run_id)
        self.effects = Effects(folder / "effects")
        self.mortal = MortalLedger(self.store, number, when=when)

    async def run(self, store=None):
        bench, witness = Workbench(self.place / "ledger"), Witness()
        bench.store = store or self.store
        executor = witness.around(FaultyWorker(self.effects))
        return await bench.run(PROGRAM, executor, run_id=self.run_id, observer=witness), witness

    async def killed(self):
        """Run it until it is killed; whatever the dying process says is not heard by anyone."""
        (ended,) = await asyncio.gather(self.run(self.mortal), return_exceptions=True)
        if isinstance(ended, BaseException) and not _is_killed(ended):
            raise ended
        return isinstance(ended, BaseException)

    async def check(self):
        """Resume it, and give what is broken."""
        finished = [
            leaf.path
            for leaf in PROGRAM.leaves
            if (outcome := await self.ledger.outcome(leaf)) and outcome.state in FINISHED
        ]
        before = self.effects.of(self.run_id)
        run, witness = await self.run()
        again = Counter(self.effects.of(self.run_id)) - before
        return [
            *([] if run.state == "completed" else [f"{self.run_id} is {run.state} after the resume: {run.error}"]),
            *invariants.finished_is_not_repeated(finished, witness.seen),
            *invariants.order_is_kept(witness.seen, PROGRAM),
            *invariants.no_leaf_is_lost(run, PROGRAM),
            *invariants.effects_happen_once(again, PROGRAM),
            *await invariants.ledger_agrees(run, self.ledger, PROGRAM),
            *(f"{path!r} never happened" for path in "abcd" if not self.effects.of(self.run_id)[path]),
        ]


def _is_killed(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_killed, error.exceptions))
    return isinstance(error, Killed)


async def _all_of(killings):
    """Kill and resume all, a few at a time."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(killing):
        async with turn:
            killed = await killing.killed()
            return killed, await killing.check()

    return await asyncio.gather(*map(one, killings))


async def test_a_run_makes_the_writes_that_are_enumerated(tmp_path):
    living = Killing(tmp_path, 0)
    assert not await living.killed()
    assert len(living.mortal.written) == _WRITES, living.mortal.written
    assert living.mortal.written[0] == "run.json"
    assert sum(name.startswith("leaves/") for name in living.mortal.written) == len(PROGRAM.leaves)


async def test_a_run_can_be_resumed_from_every_write_at_which_it_was_killed(tmp_path):
    killings = [Killing(tmp_path, number) for number in range(1, _WRITES + 1)]
    found = await _all_of(killings)
    assert [killed for killed, _ in found] == [True] * len(killings)
    assert [broken for _, broken in found if broken] == []


async def test_a_record_that_was_torn_by_the_kill_counts_as_not_written(tmp_path):
    killings = [Killing(tmp_path, number, "torn") for number in (_FIRST_LEAF, _WRITES)]
    found = await _all_of(killings)
    assert [broken for _, broken in found if broken] == []


_DIES = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_kill_points import Killing
from genesis.testing import MortalLedger
folder, number = Path(sys.argv[2]), int(sys.argv[3])
killing = Killing(folder, number)
killing.mortal = MortalLedger(killing.store, number, when="after", die=lambda: os._exit(9))
asyncio.run(killing.killed())
"""


def test_a_process_that_is_gone_at_a_write_leaves_a_run_that_can_be_resumed(tmp_path):
    from prefect.settings import get_current_settings

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment |= get_current_settings().to_environment_variables(exclude_unset=True)
    words = [sys.executable, "-c", _DIES, str(Path(__file__).parent), str(tmp_path), "6"]
    assert subprocess.run(words, env=environment, timeout=120, check=False).returncode == 9
    killing = Killing(tmp_path, 6)
    kept = [asyncio.run(killing.ledger.outcome(leaf)) for leaf in PROGRAM.leaves]
    assert sum(outcome is not None for outcome in kept) >= 2
    assert asyncio.run(killing.check()) == []


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_run_whose_ledger_goes_wrong_is_finished_by_resumes(tmp_path, seed):
    killing = Killing(tmp_path, seed, "after")
    faults = Faults(seed, share=0.25, kinds=_OF_STORAGE, hang_s=0.05, delay_s=0.02)
    for _ in range(3):
        with suppress(ResourceError, ServiceError):  # of the ledger: without it there is no run
            run, _ = await killing.run(ChaosLedger(killing.store, faults))
            assert await invariants.ledger_agrees(run, killing.ledger, PROGRAM, lost_answers=True) == []
    faults.stop()
    assert await killing.check() == []
