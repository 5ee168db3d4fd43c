"""An agent's module that starts Prefect's event loop thread when it is imported, before workers fork children."""

from __future__ import annotations

from prefect._internal.concurrency.api import create_call, from_sync

__all__ = ["use_prefect"]


async def _nothing() -> str:
    return "imported"


_STATE = from_sync.call_soon_in_loop_thread(create_call(_nothing)).result(timeout=30)


def use_prefect() -> dict[str, str]:
    """Use the thread in whatever process this is."""
    found = from_sync.call_soon_in_loop_thread(create_call(_nothing)).result(timeout=30)
    return {"found": str(found)}
