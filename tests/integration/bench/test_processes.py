import os
import subprocess
import sys
import time

import pytest

from bench.processes import Seen, below, family, family_cpu_s, find_marked, snapshot

_NEST = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


@pytest.fixture
def nest():
    started = subprocess.Popen([sys.executable, "-c", _NEST], env={**os.environ, "BENCH_TEST_MARK": "nest-1"})
    until = time.monotonic() + 30
    while not below(started.pid) and time.monotonic() < until:
        time.sleep(0.02)
    yield started
    for one in family(started.pid):
        one.kill()
    started.wait()


def test_family_is_a_process_and_what_it_has_started(nest):
    (inner,) = below(nest.pid)
    assert [one.pid for one in family(nest.pid)] == [nest.pid, inner.pid]
    assert "time.sleep" in inner.command
    assert inner.parent == nest.pid


def test_marked_processes_are_found_by_what_their_environment_has(nest):
    assert {one.pid for one in find_marked("BENCH_TEST_MARK=nest-1")} == {nest.pid, below(nest.pid)[0].pid}
    assert find_marked("BENCH_TEST_MARK=other") == []


def test_killed_process_lives_no_longer_and_another_with_its_number_is_spared(nest):
    (inner,) = below(nest.pid)
    Seen(inner.pid, inner.parent, inner.began + 1, inner.command).kill()
    assert inner.lives()
    inner.kill()
    nest.wait()
    assert not inner.lives()


def test_time_of_children_that_ended_counts():
    before = family_cpu_s(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert family_cpu_s(os.getpid()) - before >= 0.1


def test_a_number_without_a_process_has_no_family():
    free = next(pid for pid in range(2, 1 << 22) if pid not in snapshot())
    assert family(free) == []
    assert family_cpu_s(free) == 0.0
