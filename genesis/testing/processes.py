"""Whether processes run, for tests: one that has ended and that nobody has waited for yet does not."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil

__all__ = ["group_is_running", "is_running"]


def is_running(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return psutil.Process(pid).status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False


def group_is_running(group: int) -> bool:
    """Whether any process of a group runs."""
    return any(is_running(pid) for pid in psutil.pids() if _group_of(pid) == group)


def _group_of(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None
