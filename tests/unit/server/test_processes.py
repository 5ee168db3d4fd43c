import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
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


def test_identity_stays_when_the_clock_is_set(child, monkeypatch):
    process = child("sleep", "60")
    known = identity(process.pid)
    boot = psutil.boot_time()
    monkeypatch.setattr(f"{psutil._psplatform.__name__}.boot_time", lambda: boot - 3600)
    assert identity(process.pid) == known


@pytest.mark.skipif(sys.platform != "linux", reason="the first versions wrote it down on Linux by hand")
def test_identity_is_what_earlier_versions_wrote_down(child):
    process = child("sleep", "60")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    assert identity(process.pid) == f"{boot}:{ticks}"


def test_identity_without_a_number_of_the_boot_is_the_moment_of_the_start(child, monkeypatch):
    process, later = child("sleep", "60"), child("sleep", "60")
    monkeypatch.setattr(processes, "_BOOT_ID", Path("/nonexistent"))
    known = identity(process.pid)
    assert known == identity(process.pid)
    assert identity(os.getpid()) not in {known, identity(later.pid)}


def test_process_that_goes_while_it_is_looked_at_has_no_identity(monkeypatch):
    def raise_unreachable(self):
        raise psutil.NoSuchProcess(self.pid)

    monkeypatch.setattr(psutil.Process, "create_time", raise_unreachable)
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
