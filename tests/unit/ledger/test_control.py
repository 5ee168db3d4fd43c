import asyncio

from genesis.ledger.control import Control


async def test_a_waiter_goes_on_once_it_is_cancelled():
    control = Control()
    waiter = asyncio.create_task(control.wait())
    await asyncio.sleep(0)
    assert not control.cancelled
    assert not waiter.done()
    control.cancel()
    await asyncio.wait_for(waiter, 1)
    assert control.cancelled
