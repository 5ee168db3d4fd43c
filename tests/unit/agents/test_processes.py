"""What is known of processes, and ending them."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from genesis.agents.processes import (
    Family,
    adopt_orphans,
    below,
    exit_text,
    families,
    kill_all,
    signal_all,
)
from genesis.testing.processes import is_running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' signals to a session")


def family():
    """A shell in a session of its own with a child, also in one."""
    shell = subprocess.Popen(
        ["sh", "-c", "setsid sleep 300 & echo; wait"], stdout=subprocess.PIPE, start_new_session=True
    )
    shell.stdout.readline()
    deadline = time.monotonic() + 30
    while [child.name() for child in below(shell.pid)] != ["sleep"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return shell


def test_descendants_are_found_at_any_depth():
    shell = family()
    try:
        [sleep] = below(shell.pid)
        assert sleep.name() == "sleep"
        own = [process.pid for process in below(os.getpid())]
        assert own.index(shell.pid) < own.index(sleep.pid)
        assert below(sleep.pid) == []
    finally:
        kill_all(shell.pid)
        shell.wait()
        shell.stdout.close()
    assert below(shell.pid) == []


def test_families_are_told_apart_by_one_look_and_have_the_memory_of_all_below():
    one, other = family(), family()
    try:
        seen = families([one.pid, other.pid, 2**22 - 1])
        assert list(seen[one.pid].below) == below(one.pid)
        assert list(seen[other.pid].below) == below(other.pid)
        of_two = psutil.Process(one.pid).memory_info().rss + below(one.pid)[0].memory_info().rss
        assert seen[one.pid].memory_bytes == pytest.approx(of_two, rel=0.1)
        assert seen[2**22 - 1] == Family((), 0)
    finally:
        for shell in (one, other):
            kill_all(shell.pid)
            shell.wait()
            shell.stdout.close()


def test_killing_takes_everything_below_along():
    shell = family()
    [sleep] = below(shell.pid)
    assert kill_all(shell.pid) == 1
    shell.wait()
    shell.stdout.close()
    assert shell.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while is_running(sleep.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_that_took_over_a_pid_is_not_hit():
    with subprocess.Popen(["sleep", "300"]) as sleep:
        seen = psutil.Process(sleep.pid)
        before = psutil.Process(sleep.pid)
        before._ident = (sleep.pid, 1.0)  # one with its number that started earlier
        signal_all([before], signal.SIGKILL)
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
        "from genesis.agents.processes import adopt_orphans, below\n"
        "import os, subprocess, time\n"
        "adopt_orphans()\n"
        "subprocess.run(['sh', '-c', 'sleep 300 >/dev/null &'])\n"
        "found = below(os.getpid())\n"
        "print(len(found))\n"
        "[each.kill() for each in found]\n"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "1"
    assert adopt_orphans.__doc__
