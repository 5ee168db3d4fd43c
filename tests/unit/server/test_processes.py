import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genesis.server import processes
from genesis.server.processes import end, identity, is_running

STUBBORN = (
    "import signal, subprocess, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print(subprocess.Popen(['sleep', '300']).pid, flush=True)\ntime.sleep(300)"
)


@pytest.fixture
def child():
    started = []

    def start(*argv, **options):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_identity_stays_and_differs_between_processes(child):
    process = child("sleep", "60")
    known = identity(process.pid)
    assert known == identity(process.pid)
    assert known != identity(os.getpid())
    assert is_running(process.pid, known)


def test_ended_process_has_no_identity_even_before_it_is_collected(child):
    process = child("true")
    until = time.monotonic() + 5
    while identity(process.pid) is not None:
        assert time.monotonic() < until
    assert identity(2**22 - 1) is None


def test_process_is_asked_and_ends(child):
    process = child("sleep", "60")
    end(process.pid, identity(process.pid), grace_s=5)
    assert identity(process.pid) is None


def test_process_that_ignores_being_asked_is_killed_with_its_children(child):
    process = child(sys.executable, "-c", STUBBORN)
    grandchild = int(process.stdout.readline())
    started = time.monotonic()
    end(process.pid, identity(process.pid), grace_s=0.3)
    assert time.monotonic() - started < 5
    assert identity(process.pid) is None
    until = time.monotonic() + 5
    while identity(grandchild) is not None:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_another_process_with_the_number_is_left_alone(child):
    process = child("sleep", "60")
    end(process.pid, "another:1", grace_s=0.1)
    assert process.poll() is None


def test_process_that_leads_no_group_is_killed_alone():
    inner = subprocess.Popen(["sleep", "300"])
    try:
        processes._signal(inner.pid, identity(inner.pid), signal.SIGKILL, whole_group=True)
        assert inner.wait(5) == -signal.SIGKILL
    finally:
        inner.kill()


def test_identity_without_proc_comes_from_ps(child):
    process = child("sleep", "60")
    known = processes._identity_from_ps(process.pid)
    assert known
    assert processes._identity_from_ps(process.pid) == known
    assert processes._identity_from_ps(2**22 - 1) is None


def test_process_that_goes_while_it_is_looked_at_has_no_identity(monkeypatch):
    def gone(self):
        raise ProcessLookupError

    monkeypatch.setattr(processes.Path, "read_text", gone)
    assert identity(os.getpid()) is None


HIDES = """
import sys
from pathlib import Path
from genesis.server.processes import hide_on_command_line
for word in sys.argv[2:]:
    hide_on_command_line(word)
print(Path("/proc/self/cmdline").read_text().replace(chr(0), " "), sys.argv[1])
"""


def test_secret_is_taken_out_of_the_list_of_processes():
    ran = subprocess.run(
        [sys.executable, "-c", HIDES, "postgresql://me:hüsh@h/hüsh", "hüsh", "not-there", ""],
        capture_output=True,
        text=True,
        check=True,
    )
    listed, kept = ran.stdout.strip().rsplit(" ", 1)
    assert "hüsh" not in listed
    assert "postgresql://me:*****@h/*****" in listed
    assert kept == "postgresql://me:hüsh@h/hüsh"


def test_secret_on_a_system_without_such_a_list_is_no_error(monkeypatch):
    monkeypatch.setattr(processes, "_ARGUMENTS_OF", Path("/nonexistent"))
    processes.hide_on_command_line("secret")
