import asyncio
import os
import resource
import signal
import sys
import time

import pytest

from genesis.agents.child import run_child
from genesis.testing.processes import is_running

ENV = {"PATH": os.environ["PATH"]}


def run(code, *, stdin=b"", keep_bytes=1000, argv=None):
    return run_child(argv or [sys.executable, "-c", code], cwd=None, env=ENV, stdin=stdin, keep_bytes=keep_bytes)


async def is_gone(pid):
    for _ in range(100):
        if not is_running(pid):
            return True
        await asyncio.sleep(0.02)
    return False


async def test_output_and_exit_code_are_given():
    ended = await run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (ended.code, ended.stdout, ended.stderr) == (3, b"out\n", b"err\n")


async def test_stdin_is_fed_and_closed():
    big = b"x" * 3_000_000
    ended = await run("import sys; print(len(sys.stdin.buffer.read()))", stdin=big)
    assert ended.stdout == b"3000000\n"


async def test_child_that_never_reads_its_stdin_ends_well():
    ended = await run("print('done')", stdin=b"x" * 3_000_000)
    assert (ended.code, ended.stdout) == (0, b"done\n")


async def test_one_gigabyte_of_output_is_counted_and_not_kept():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gigabyte = 1_000_000_000
    ended = await run("", argv=["head", "-c", str(gigabyte), "/dev/zero"], keep_bytes=100_000)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert (len(ended.stdout), ended.stdout_omitted) == (100_000, gigabyte - 100_000)
    assert grown_mb < 30


async def test_of_stderr_the_last_bytes_are_kept():
    code = "import sys\nfor i in range(60000): print(i, file=sys.stderr)"
    ended = await run(code, keep_bytes=12)
    assert ended.stderr == b"59998\n59999\n"
    assert ended.stderr_omitted > 300_000


async def test_cancelling_ends_grandchildren_that_ignore_being_asked(tmp_path):
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))\n"
        "time.sleep(300)"
    )
    marker = tmp_path / "pid"
    task = asyncio.create_task(run("", argv=[sys.executable, "-c", code, str(marker)]))
    while not (marker.exists() and marker.read_text()):
        await asyncio.sleep(0.02)
    grandchild = int(marker.read_text())
    assert is_running(grandchild)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 10
    assert await is_gone(grandchild)


async def test_second_cancel_does_not_wait_for_the_grace_and_still_kills():
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(300)"
    )
    task = asyncio.create_task(run(code))
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.sleep(0.1)
    started = time.monotonic()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 1.5


async def test_what_a_child_leaves_behind_does_not_hold_the_call_and_is_ended():
    code = "import subprocess; print(subprocess.Popen(['sleep', '300']).pid)"
    started = time.monotonic()
    ended = await run(code)
    assert time.monotonic() - started < 10
    assert ended.code == 0
    assert await is_gone(int(ended.stdout))


async def test_end_by_a_signal_is_a_negative_code():
    ended = await run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert ended.code == -signal.SIGKILL


async def test_missing_program_is_an_os_error():
    with pytest.raises(FileNotFoundError):
        await run("", argv=["genesis-no-such-program"])
