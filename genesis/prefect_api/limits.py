"""Intervals and limits of calls to the Prefect API, shared by the packages that make them."""

__all__ = ["DRAIN_POLL_S", "EVENTS_CONNECT_S", "LOOK_SLACK_S", "PAGE", "REACH_S"]

PAGE = 200
"""Objects that one call reads: the most that Prefect's API returns."""
REACH_S = 10.0
"""How long a server may take to answer before it counts as unreachable."""
EVENTS_CONNECT_S = 20.0
"""Time limit for opening an event subscription; polling replaces it meanwhile."""
LOOK_SLACK_S = 3.0
"""How much later than planned a look may come and still count as the next one."""
DRAIN_POLL_S = 3.0
"""Pause between two checks that a server which is sent the last states still answers."""
