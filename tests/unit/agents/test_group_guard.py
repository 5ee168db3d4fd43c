"""Programs whose parent is killed, and children that agents fork."""

import os
import signal
import subprocess
import sys
import time

import pytest

from genesis.testing.processes import group_is_running

KILLED = """
import os, signal, subprocess, sys
from genesis.agents.group_guard import GroupGuard
guard = GroupGuard()
kept, left = (subprocess.Popen(["sh", "-c", "sleep 300 & exec sleep 300"], start_new_session=True) for _ in range(2))
guard.add(kept.pid)
guard.add(left.pid)
guard.remove(left.pid)
if os.fork() == 0:
    import time
    time.sleep(300)
print(kept.pid, left.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
FORKED = """
import asyncio, os, signal, sys, time
from genesis.agents.fork_safety import reset_signals_in_forked_children
async def main():
    seen = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, seen.append, 1)
    reset_signals_in_forked_children([signal.SIGTERM])
    child = os.fork()
    if child == 0:
        time.sleep(60)
    os.kill(child, signal.SIGTERM)
    status = os.waitpid(child, 0)[1]
    await asyncio.sleep(0.2)
    print(os.waitstatus_to_exitcode(status), seen)
asyncio.run(main())
"""


def test_groups_of_a_process_that_is_killed_are_ended_and_others_are_not():
    running = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    kept, left = map(int, running.stdout.readline().split())
    try:
        assert running.wait(30) == -signal.SIGKILL
        until = time.monotonic() + 30
        while group_is_running(kept) and time.monotonic() < until:
            time.sleep(0.02)
        assert not group_is_running(kept)
        assert group_is_running(left)
    finally:
        running.stdout.close()
        for group in (kept, left, running.pid):
            if group_is_running(group):
                os.killpg(group, signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="this system has no fork")
def test_signal_to_a_forked_child_ends_it_and_is_not_taken_for_one_to_its_parent():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split(" ", 1) == [str(-signal.SIGTERM), "[]\n"]
