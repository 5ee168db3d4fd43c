"""A run is taken over from a process that does not give way at once: a real process that holds its lock."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from genesis.engine import run_lease as lease
from genesis.engine.run_lease import take_turn
from genesis.errors import RunError
from genesis.ledger import FolderStore, Ledger, RunLock
from genesis.ledger.control import Control

_HOLD = """
import sys, time
from pathlib import Path
from genesis.ledger import RunLock

with RunLock(Path(sys.argv[1]), "r-1"):
    print("held", flush=True)
    while not Path(sys.argv[2]).exists():
        time.sleep(0.02)
"""


@pytest.fixture
def ledger(tmp_path):
    return Ledger(FolderStore(tmp_path), "r-1")


@pytest.fixture
def holder(ledger, tmp_path):
    words = [sys.executable, "-c", _HOLD, str(ledger.folder / ".lock"), str(tmp_path / "leave")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def _lock(ledger):
    return RunLock(ledger.folder / ".lock", "r-1", existing=True)


async def test_who_takes_over_waits_however_long_the_other_one_needs(ledger, holder, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "_FROZEN_S", 0.1)
    said = []
    turn = asyncio.create_task(take_turn(ledger, _lock(ledger), Control(), said.append))
    await asyncio.sleep(1.0)
    assert not turn.done()
    assert holder.poll() is None  # it is at work, not frozen
    (tmp_path / "leave").touch()
    await asyncio.wait_for(turn, 10)
    assert _lock(ledger).held_elsewhere
    assert "'r-1' waits" in said[0]


async def test_a_frozen_process_is_ended_and_its_run_goes_on(ledger, holder, monkeypatch):
    monkeypatch.setattr(lease, "_FROZEN_S", 0.5)
    os.kill(holder.pid, signal.SIGSTOP)
    started = time.monotonic()
    await asyncio.wait_for(take_turn(ledger, _lock(ledger), Control(), print), 10)
    assert time.monotonic() - started >= 0.5
    assert holder.wait(10) == -signal.SIGKILL


async def test_who_waits_can_be_cancelled(ledger, holder):
    control = Control()
    turn = asyncio.create_task(take_turn(ledger, _lock(ledger), control, print))
    await asyncio.sleep(0.3)
    control.cancel()
    with pytest.raises(RunError, match="another process"):
        await asyncio.wait_for(turn, 10)
