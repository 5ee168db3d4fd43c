"""Intervals and limits that the modules of the embedded server share."""

__all__ = ["API_POLL_S", "BACKEND_TIMEOUT_S", "LOG_BYTES", "POLL_S"]

POLL_S = 0.02
"""Pause between two checks of a process, a lock or a file of this machine."""
API_POLL_S = 0.5
"""Pause between two requests to a configured server that is coming up."""
BACKEND_TIMEOUT_S = 5.0
"""Time limit for the answer of PostgreSQL or Redis."""
LOG_BYTES = 2_000_000
"""Size at which the server's log is shortened."""
