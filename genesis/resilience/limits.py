"""Intervals and limits that breakers and quotas share."""

__all__ = ["STORE_RETRY_S", "WINDOW_PARTS"]

STORE_RETRY_S = 5.0
"""Pause before a shared store that failed is used again; until then each process counts for itself."""
WINDOW_PARTS = 10
"""Parts of a breaker's window: the window moves, and successes are stored, once a part."""
