"""A child process in its own process group, with bounded output, that never outlives its call or this process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from genesis.agents.group_guard import guard_of_process
from genesis.agents.processes import below, signal_all

__all__ = ["Ended", "run_child"]

_CHUNK = 65_536
"""Bytes of output that are kept before the middle is dropped again."""
_GRACE_S = 2.0
"""How long a program that was asked to end has before it is killed."""
_SIGNALLED = 128
"""Exit codes above this one stand for a signal."""
_DRAIN_S = 1.0
"""How long output is read after the program has ended: processes that it left behind may hold the pipes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended."""

    code: int
    """Exit code; the negated signal number where a signal ended it."""
    stdout: bytes
    """The first bytes."""
    stderr: bytes
    """The last bytes."""
    stdout_omitted: int = 0
    """Bytes left out after `stdout`."""
    stderr_omitted: int = 0
    """Bytes left out before `stderr`."""


@dataclass
class _Kept:
    limit: int
    tail: bool
    data: bytearray = field(default_factory=bytearray)
    total: int = 0

    def add(self, chunk: bytes) -> None:
        self.total += len(chunk)
        if self.tail:
            self.data += chunk
            if len(self.data) > 2 * self.limit + _CHUNK:
                del self.data[: -self.limit]
        elif len(self.data) < self.limit:
            self.data += chunk[: self.limit - len(self.data)]

    def content(self) -> bytes:
        return bytes(self.data[-self.limit :] if self.tail else self.data)

    @property
    def omitted(self) -> int:
        return max(0, self.total - self.limit)


class _Pipes(asyncio.SubprocessProtocol):
    """Collects a child's output, and distinguishes the end of the process from the end of its pipes.

    Not `asyncio.subprocess.Process`: whether its `wait` also waits for the pipes, which a grandchild can hold open,
    differs between versions of Python.
    """

    def __init__(self, keep_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        self.kept = {1: _Kept(keep_bytes, tail=False), 2: _Kept(keep_bytes, tail=True)}
        self.exited: asyncio.Future[None] = loop.create_future()
        self.drained: asyncio.Future[None] = loop.create_future()
        self._open = {1, 2}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Set here and not when `subprocess_exec` returns the transport: that takes turns of the loop, and a process
        # that is killed between them would leave its program running.
        guard_of_process().add(cast("asyncio.SubprocessTransport", transport).get_pid())

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.kept[fd].add(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._open.discard(fd)
        if not self._open and not self.drained.done():
            self.drained.set_result(None)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)


async def run_child(
    argv: Sequence[str],
    *,
    cwd: str | None,
    env: Mapping[str, str],
    stdin: bytes,
    keep_bytes: int,
    sandboxed: bool = False,
) -> Ended:
    """Run a program to its end, and end its whole process group whatever happens.

    Args:
        argv: The program and its arguments.
        cwd: Where it runs; here, where it is None.
        env: Its whole environment; its `PATH` is where the program is looked for.
        stdin: What it can read; it need not.
        keep_bytes: Maximum number of bytes kept of each stream; all of it is read, so that the program never blocks.
        sandboxed: The command starts the program in a sandbox, and ends with 128 and the signal that ended it.

    Raises:
        OSError: It cannot be started.
        ValueError: An argument or a variable holds a NUL character.
    """
    guard_of_process().start()
    transport, pipes = await asyncio.get_running_loop().subprocess_exec(
        lambda: _Pipes(keep_bytes), *argv, cwd=cwd, env=dict(env), start_new_session=True
    )
    try:
        _feed(transport, stdin)
        await asyncio.wait([pipes.exited])
        await asyncio.wait([pipes.drained], timeout=_DRAIN_S)  # processes that it left behind may hold the pipes open
    finally:
        await _end_group(transport, pipes, sandboxed=sandboxed)
    out, err = pipes.kept[1], pipes.kept[2]
    code = transport.get_returncode() or 0
    if sandboxed and code > _SIGNALLED:
        code = _SIGNALLED - code
    return Ended(code, out.content(), err.content(), out.omitted, err.omitted)


def _feed(transport: asyncio.SubprocessTransport, data: bytes) -> None:
    pipe = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
    pipe.write(data)
    pipe.close()  # once all is written


async def _end_group(transport: asyncio.SubprocessTransport, pipes: _Pipes, *, sandboxed: bool) -> None:
    """Ask the group to end while its leader runs, and kill what is left of it."""
    group = transport.get_pid()
    try:
        if transport.get_returncode() is None:
            # The sandbox's own two processes would end at once, and the program with them.
            programs = below(group)[1:] if sandboxed else []
            if programs:
                signal_all(programs, signal.SIGTERM)
            else:
                _signal_group(group, signal.SIGTERM)
            await asyncio.wait([pipes.exited], timeout=_GRACE_S)
    finally:
        _signal_group(group, signal.SIGKILL)
        transport.close()
        await _reap_child(pipes)
        guard_of_process().remove(group)


async def _reap_child(pipes: _Pipes) -> None:
    """Wait for a killed child to be gone, also when cancelled meanwhile: a loop that closes earlier loses it."""
    with suppress(asyncio.CancelledError):
        await asyncio.wait([pipes.exited], timeout=_GRACE_S)
    if not pipes.exited.done():
        await asyncio.wait([pipes.exited], timeout=_GRACE_S)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
