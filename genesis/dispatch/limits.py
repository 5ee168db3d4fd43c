"""Intervals and limits that the modules of dispatch share, in one table with their poll intervals."""

__all__ = [
    "DEPLOYMENT_POLL_S",
    "FIRST_POLL_S",
    "LANE_POLL_S",
    "LEDGER_POLL_S",
    "LONGEST_POLL_S",
    "LOOP_RETRY_S",
    "OBSERVATIONS",
    "POOL_POLL_S",
    "STORAGE_RETRY_S",
    "WATCHDOG_TICK_S",
]

WATCHDOG_TICK_S = 1.0
"""Pause between two checks of all children's deadlines."""
POOL_POLL_S = 5.0
"""Pause between two reads of a pool that is suspect; each is a call to the API."""
LEDGER_POLL_S = 5.0
"""Pause between two reads of the ledger while the API is away: storage may be slow."""
FIRST_POLL_S = 0.5
"""Pause between two polls for final states while no events arrive."""
LONGEST_POLL_S = 5.0
"""The same while events arrive, and between attempts to subscribe."""
DEPLOYMENT_POLL_S = 2.0
"""Pause before a deployment that is missing is read again."""
LANE_POLL_S = 0.1
"""Pause between two reads of a lane: how long a finished leaf may wait for its successor."""
STORAGE_RETRY_S = 3.0
"""Pause before a storage that cannot be read is read again."""
LOOP_RETRY_S = 1.0
"""Pause before a background loop runs again, after a fault too."""
OBSERVATIONS = 8
"""Latest durations that an estimate is made from."""
