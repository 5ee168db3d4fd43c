"""The flow that does nothing, for workers of any type to run."""

from __future__ import annotations

from prefect import flow

__all__ = ["noop"]


@flow(name="noop", persist_result=False, log_prints=False)
async def noop() -> None:
    """Do nothing."""
