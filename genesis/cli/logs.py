"""Log lines of a command, while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genesis.observability.log_setup import Role
    from genesis.settings import Settings

__all__ = ["write_logs"]


@contextmanager
def write_logs(settings: Settings, role: Role = "cli") -> Iterator[None]:
    """Write log lines as configured. The terminal keeps showing only progress and warnings."""
    from genesis.observability.log_setup import configure_logs
    from genesis.prefect_api.environment import secrets_here

    setup = configure_logs(settings, role=role, deployed=False, secrets=secrets_here())
    try:
        yield
    finally:
        setup.close()
