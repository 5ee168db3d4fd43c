"""What this machine has for the tasks that run on it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from genesis.model import Resources

__all__ = ["machine_resources"]

_GROUP = Path("/sys/fs/cgroup")
"""Where a container reads its own limits (cgroup v2)."""


def machine_resources(group: Path = _GROUP) -> Resources:
    """Return the processors and the memory that this process may use, within the limits of its container.

    Args:
        group: Folder of the control group.
    """
    cpus = float(len(os.sched_getaffinity(0)))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # there is no such file, or it says `max`
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        cpus = min(cpus, int(quota) / int(period))
    with suppress(OSError, ValueError):
        memory = min(memory, int((group / "memory.max").read_text(encoding="ascii")))
    return Resources(cpu=cpus, memory=memory)
