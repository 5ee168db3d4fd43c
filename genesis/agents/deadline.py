"""The time limit of an attempt."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from genesis.agents.contract import Work
from genesis.errors import TaskTimeoutError

__all__ = ["RUN_IS_OVER", "time_limit"]

RUN_IS_OVER = "GEN-DEADLINE"
"""Code of an attempt that was ended at the run's deadline, which is not the agent's fault."""


@asynccontextmanager
async def time_limit(work: Work) -> AsyncIterator[None]:
    """End the block when the attempt's time is over; the block is cancelled and cleans up as for any cancellation.

    Raises:
        TaskTimeoutError: The time is over. A `TimeoutError` raised by the block passes through.
    """
    left_s = work.left_s
    if left_s == math.inf:
        yield
        return
    limit = asyncio.timeout(left_s)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _over(work) from error


def _over(work: Work) -> TaskTimeoutError:
    if time.monotonic() >= work.run_until:
        return TaskTimeoutError(
            f"{work.path!r} was ended at the run's deadline",
            hint=f"a resume starts the deadline again: genesis resume {work.run_id}",
            code=RUN_IS_OVER,
        )
    return TaskTimeoutError(
        f"{work.path!r} ran longer than its limit of {work.timeout_s or 0:g} s",
        hint="set a larger timeout_s for the task or its agent",
    )
