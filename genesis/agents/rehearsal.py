"""Pretend to work: wait for the estimated time and invent the promised outputs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

from genesis.agents.contract import Result, Work
from genesis.agents.deadline import time_limit
from genesis.agents.output_values import example_outputs

__all__ = ["RehearsalExecutor"]


class RehearsalExecutor:
    """Take as long as the estimate says, and cost nothing.

    Args:
        scale: Factor on the estimate; 0 only hands over to other tasks.
        sleep: How to wait for seconds.
    """

    def __init__(self, scale: float = 1.0, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._scale = scale
        self._sleep = sleep

    async def execute(self, work: Work) -> Result:
        """Wait, and give each promised output a text that says it was rehearsed, or a value of its schema's type."""
        async with time_limit(work):
            await self._sleep(work.seconds * self._scale)
        return Result(example_outputs(work.outputs, work.schemas, work.path), usd=Decimal(0))
