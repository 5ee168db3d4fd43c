"""The worker's side of a lane, which `genesis.dispatch.lanes` gives its orders: wait for further leaves."""

from __future__ import annotations

import asyncio
import time

from genesis.ledger import LaneOrder, LaneState, Ledger

__all__ = ["Lane"]

_LOOK_S = 0.05
"""Poll interval for the next order."""
_SHARE = 10
"""Polling for an order takes at most 1/n of the time."""


class Lane:
    """Takes the orders for one flow run.

    Args:
        ledger: The run's ledger.
        token: The flow run's id.
        idle_s: How long an order is waited for.
    """

    def __init__(self, ledger: Ledger, token: str, idle_s: float):
        self._ledger = ledger
        self._token = token
        self._idle_s = idle_s
        self._orders = 0
        self._open = False

    async def next(self) -> LaneOrder | None:
        """Report that all leaves are done, and wait for an order.

        Returns:
            The order; None where this flow run is to end, which has been said then. An order of whoever orchestrated
            the run before somebody else took it over is left alone.
        """
        if self._idle_s <= 0:
            return None
        await self._answer(is_open=True)
        order = await self._wait_for_order()
        if order is None:
            await self._answer(is_open=False)
            order = await self._ledger.read_order(self._token, self._orders + 1)
        if order is None or not order.tasks or order.owner != await self._ledger.owner():
            await self.close()
            return None
        self._orders += 1
        if not self._open:  # it came at the last moment: what was said of it is taken back before it is begun
            await self._answer(is_open=True)
        return order

    async def close(self) -> None:
        """Report that no order is taken any more, where something else was said before."""
        if self._open:
            await self._answer(is_open=False)

    async def _wait_for_order(self) -> LaneOrder | None:
        until = time.monotonic() + self._idle_s
        while True:
            began = time.monotonic()
            order = await self._ledger.read_order(self._token, self._orders + 1)
            now = time.monotonic()
            if order is not None or now >= until:
                return order
            await asyncio.sleep(max(_LOOK_S, _SHARE * (now - began)))

    async def _answer(self, *, is_open: bool) -> None:
        await self._ledger.answer(self._token, LaneState(orders=self._orders, open=is_open))
        self._open = is_open
