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
"""Code of what ends an attempt at the run's deadline, which says nothing about the agent."""


@asynccontextmanager
async def time_limit(work: Work) -> AsyncIterator[None]:
    """End the block when the attempt's time is over; the block is cancelled and cleans up as for any cancellation.

    Raises:
        TaskTimeoutError: The time is over. A `TimeoutError` of the block's own passes through as it is.
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
            hint=f"a resume has the whole deadline again: genesis resume {work.run_id}",
            code=RUN_IS_OVER,
        )
    return TaskTimeoutError(
        f"{work.path!r} ran longer than its limit of {work.timeout_s or 0:g} s",
        hint="give the task or its agent a larger timeout_s",
    )
