"""Intervals that the engine polls at, in one table: each costs calls to the API or reads of the storage."""

__all__ = [
    "ALIVE_EVENT_S",
    "BREAKER_POLL_S",
    "CANCEL_POLL_S",
    "DELIVERY_POLL_S",
    "DELIVERY_WAIT_S",
    "FLOW_RUN_FIRST_POLL_S",
    "FLOW_RUN_LONGEST_POLL_S",
    "LEASE_CALL_S",
    "LEASE_POLL_S",
    "LOCK_POLL_S",
    "MUTEX_POLL_S",
    "MUTEX_RENEW_S",
    "OWNER_POLL_S",
    "PROGRESS_S",
    "SERVER_POLL_S",
    "TASK_RUN_POLL_S",
    "WAITS_A_POLL",
    "WAIT_POLL_S",
]

DELIVERY_POLL_S = 1.0
"""Pause between two reads of what people have delivered, while a run runs."""
DELIVERY_WAIT_S = 0.25
"""Pause between two checks by `genesis deliver` whether a run takes up what was delivered."""
BREAKER_POLL_S = 0.5
"""Pause between two reads of shared circuit breakers while leaves run."""
LEASE_POLL_S = 1.0
"""Pause between two reads of the flow run's state: after a suspension nothing starts for longer than 2 s."""
OWNER_POLL_S = 5.0
"""Pause between two reads of who owns the run."""
ALIVE_EVENT_S = 10.0
"""Pause between two events that the orchestrator lives; an automation takes over after 60 s without."""
LEASE_CALL_S = 10.0
"""Time limit of a call that reads the state."""
LOCK_POLL_S = 0.2
"""Pause between two attempts to get a run's lock."""
MUTEX_POLL_S = 2.0
"""Longest pause between two attempts to get a mutex that another task has; the first ones are shorter."""
MUTEX_RENEW_S = 15.0
"""Pause between two renewals of a mutex's lease, which is 60 s long."""
CANCEL_POLL_S = 0.5
"""Pause between two checks whether a cancelled run has ended."""
TASK_RUN_POLL_S = 0.5
"""Pause between two counts of the task runs that the API has, at the end of a run."""
FLOW_RUN_FIRST_POLL_S = 0.25
"""First pause between two reads of the flow run of a `deployment` agent; it grows."""
FLOW_RUN_LONGEST_POLL_S = 5.0
"""Longest such pause."""
PROGRESS_S = 3.0
"""Pause between two updates of the progress artifact: each is a call, and a picture."""
SERVER_POLL_S = 2.0
"""Pause between two health requests to the server."""
WAIT_POLL_S = 5.0
"""Pause between two looks for an event, or for the end of a run, that a task waits for."""
WAITS_A_POLL = 50
"""So many tasks that wait are looked after in one such pause; with more, it is longer."""
