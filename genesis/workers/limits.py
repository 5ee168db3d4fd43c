"""Intervals and limits that the modules of the worker share, in one table with their poll intervals."""

__all__ = [
    "CHILD_HEARTBEAT_S",
    "CHILD_POLL_S",
    "CHUNK_BYTES",
    "DEAF_AFTER_S",
    "DEAF_POLL_S",
    "SERVER_POLL_S",
    "SERVER_RETRY_S",
]

CHUNK_BYTES = 65_536
"""Bytes that one read from a socket or pipe takes."""
CHILD_HEARTBEAT_S = 1.0
"""Pause between two heartbeats of a child to its worker."""
CHILD_POLL_S = 1.0
"""Pause between two checks of the children's memory, heartbeats and idle time."""
SERVER_POLL_S = 1.0
"""Pause between two checks whether the embedded server has died."""
SERVER_RETRY_S = 10.0
"""Pause before a server that did not start is started again."""
DEAF_AFTER_S = 2.0
"""A run that waited this long without an event shows that events do not arrive."""
DEAF_POLL_S = 2.0
"""Pause between two polls of the own flow runs while no event would report that one is cancelled."""
