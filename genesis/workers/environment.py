"""The one place that reads this process's environment: what the fork server and its children inherit."""

from __future__ import annotations

import os

from prefect.settings import get_current_settings

__all__ = ["apply_environment", "get_worker_environment"]

_PATIENCE = {"PREFECT_CLIENT_MAX_RETRIES": "7", "PREFECT_CLIENT_RETRY_EXTRA_CODES": "408,500,504"}
"""A child waits four minutes for an API that went away, where Prefect's default gives up after one. So it does for one
whose database pool has run out, which answers 500: Prefect's client would take that for the end of the flow run."""
_LOG_LINES = {"PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "5.0"}
"""Lines for the UI are sent every five seconds instead of two: each child's are a request of their own."""
_UNTRACED = {"PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false"}
"""Prefect's engine makes no spans of its own: it would ask the server once more for each flow run, to write a label."""


def get_worker_environment() -> dict[str, str]:
    """Return this process's variables, and the Prefect settings that are in force here as variables.

    What is in force here wins, since a setting can be changed for a part of a program only.
    """
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    return _PATIENCE | _LOG_LINES | _UNTRACED | dict(os.environ) | settings


def apply_environment(variables: dict[str, str]) -> None:
    """Add variables to this process's own."""
    os.environ.update(variables)
