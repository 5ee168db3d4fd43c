"""The time limit of an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from genesis.agents.contract import Work
from genesis.errors import TaskTimeoutError

__all__ = ["time_limit"]


@asynccontextmanager
async def time_limit(work: Work) -> AsyncIterator[None]:
    """End the block when the attempt's time is over; the block is cancelled and cleans up as for any cancellation.

    Raises:
        TaskTimeoutError: The time is over. A `TimeoutError` of the block's own passes through as it is.
    """
    if work.timeout_s is None:
        yield
        return
    limit = asyncio.timeout(work.timeout_s)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TaskTimeoutError(
            f"{work.path!r} ran longer than its limit of {work.timeout_s:g} s",
            hint="give the task or its agent a larger timeout_s",
        ) from error
