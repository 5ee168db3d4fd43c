"""What is known of processes, and ending them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from genesis.agents.processes import (
    Process,
    adopt_orphans,
    below,
    exit_text,
    kill_all,
    memory_bytes,
    signal_all,
    snapshot,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

TREE = {
    1: Process(1, 0, 1, 10),
    2: Process(2, 1, 2, 20),
    3: Process(3, 2, 3, 40),
    4: Process(4, 1, 4, 80),
    9: Process(9, 0, 5, 160),
}


def family():
    """A shell in a session of its own with a child, also in one."""
    shell = subprocess.Popen(
        ["sh", "-c", "setsid sleep 300 & echo; wait"], stdout=subprocess.PIPE, start_new_session=True
    )
    shell.stdout.readline()
    deadline = time.monotonic() + 30
    while not below(shell.pid, snapshot()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return shell


def test_descendants_are_found_at_any_depth():
    assert [process.pid for process in below(1, TREE)] == [2, 4, 3]
    assert below(9, TREE) == []


def test_memory_is_that_of_the_whole_tree():
    assert memory_bytes(1, TREE) == 150
    assert memory_bytes(77, TREE) == 0


def test_this_process_is_among_all():
    own = snapshot()[os.getpid()]
    assert own.parent == os.getppid()
    assert own.memory_bytes > 1_000_000


def test_killing_takes_everything_below_along():
    shell = family()
    [sleep] = below(shell.pid, snapshot())
    assert kill_all(shell.pid) == 1
    shell.wait()
    shell.stdout.close()
    assert shell.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while sleep.pid in snapshot() and time.monotonic() < deadline:
        time.sleep(0.01)
    left = snapshot().get(sleep.pid)
    assert left is None or left.memory_bytes == 0


def test_a_process_that_took_over_a_pid_is_not_hit():
    with subprocess.Popen(["sleep", "300"]) as sleep:
        seen = snapshot()[sleep.pid]
        signal_all([Process(seen.pid, seen.parent, seen.started - 1, 0)], signal.SIGKILL)
        assert sleep.poll() is None
        signal_all([seen], signal.SIGTERM)
        assert sleep.wait(5) == -signal.SIGTERM
    signal_all([seen], signal.SIGTERM)  # it is gone, which is no fault


def test_killing_what_is_gone_is_no_fault():
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert kill_all(gone.pid) == 0


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("raise SystemExit(3)", "exited with code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal SIGKILL"),
    ],
)
def test_an_exit_is_said_in_words(code, text):
    pid = os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", code], {})
    assert exit_text(os.waitpid(pid, 0)[1]) == text


def test_an_unknown_signal_has_its_number():
    assert exit_text(127 & 0x50) == "was ended by signal 80"


def test_orphans_can_be_adopted():
    code = (
        "from genesis.agents.processes import adopt_orphans, snapshot, below\n"
        "import os, subprocess, time\n"
        "adopt_orphans()\n"
        "subprocess.run(['sh', '-c', 'sleep 5 &'])\n"
        "print(len(below(os.getpid(), snapshot())))\n"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "1"
    assert adopt_orphans.__doc__
