from __future__ import annotations

import asyncio
import contextvars

import pytest

from genesis.llm import run_blocking

MARK = contextvars.ContextVar("MARK", default="none")


async def read_mark() -> str:
    await asyncio.sleep(0)
    return MARK.get()


async def fail() -> None:
    raise ValueError("inside")


def test_runs_without_a_loop():
    assert run_blocking(read_mark) == "none"


def test_runs_inside_a_running_loop_with_the_callers_context():
    async def outer() -> str:
        MARK.set("outer")
        return run_blocking(read_mark)

    assert asyncio.run(outer()) == "outer"


def test_errors_come_through_from_both():
    with pytest.raises(ValueError, match="inside"):
        run_blocking(fail)

    async def outer() -> None:
        run_blocking(fail)

    with pytest.raises(ValueError, match="inside"):
        asyncio.run(outer())
