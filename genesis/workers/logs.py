"""Log lines of processes that run what is deployed: ours, and those that flows write by Prefect's run loggers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from genesis.observability.log_setup import LogSetup, Role, configure_logs, is_configured
from genesis.security.secret_names import secret_values
from genesis.settings import Settings
from genesis.workers.environment import get_worker_environment

__all__ = ["begin_logs", "write_logs"]

_RUN_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


def begin_logs(role: Role) -> LogSetup | None:
    """Write log lines to the file of this machine from now on; None where the settings cannot be read.

    A flow run reports invalid settings itself.
    """
    try:
        settings = Settings()
    except ValueError:  # pydantic's own is one, too
        return None
    return configure_logs(
        settings, role=role, deployed=True, secrets=secret_values(get_worker_environment()), others=_RUN_LOGGERS
    )


@contextmanager
def write_logs(role: Role) -> Iterator[None]:
    """Write log lines while a flow runs in a process that is not a child of our worker; a child does so anyway."""
    setup = None if is_configured() else begin_logs(role)
    try:
        yield
    finally:
        if setup is not None:
            setup.close()
