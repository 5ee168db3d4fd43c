"""A run whose process dies at any write continues with whole files, or does the task again."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from test_working_folder import Bench, reads, writes

from genesis.ledger import Ledger
from genesis.testing import a_task
from genesis.testing.chaos.ledger import Killed, MortalLedger

TASKS = (
    a_task("give", files={"out": {"x": "*", "y": "a"}}),
    a_task("take", files={"in": {"all": "{give.files.x}", "a": "{give.files.y}"}}),
)
SCRIPT = {"give": [writes(a="1" * 3000, b="2" * 1500)], "take": [reads]}


def bench_of(make, run_id):
    """Make what continues a run from the storage that all of them share."""
    bench = Bench(make, *TASKS, script=SCRIPT)
    return use_ledger(bench, Ledger(bench.session.ledger.store, run_id))


def use_ledger(bench, ledger):
    bench.session = replace(bench.session, ledger=ledger)
    return bench


async def continue_run(bench):
    """Run what the ledger does not have as done, in order, and return the last outcome."""
    bench.outcomes = await bench.session.ledger.read_finished(bench.session.program.leaves)
    for leaf in bench.session.program.leaves:
        if leaf.index not in bench.outcomes:
            await bench.run(leaf.path)
    return bench.outcomes[1]


@pytest.mark.parametrize("when", ["before", "after", "torn"])
async def test_each_write_may_be_the_last_of_its_process(make, monkeypatch, when):
    monkeypatch.setattr("genesis.ledger.files._CHUNK", 1000)
    monkeypatch.setattr("genesis.ledger.files._AT_ONCE", 1)
    killed = 0
    for dies_at in range(1, 50):
        bench = bench_of(make, f"{when}-{dies_at}")
        mortal = MortalLedger(bench.session.ledger.store, dies_at, when=when)
        use_ledger(bench, Ledger(mortal, bench.session.ledger.run_id))
        try:
            await continue_run(bench)
        except Killed:
            killed += 1
        else:
            break
        again = bench_of(make, bench.session.ledger.run_id)
        ended = await continue_run(again)
        assert ended.result == {"a": "1" * 3000, "all/a": "1" * 3000, "all/b": "2" * 1500}
    assert killed > 5
