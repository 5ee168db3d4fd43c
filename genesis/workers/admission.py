"""Admit as many runs to be orchestrated at once as the Prefect server answers in time.

Each run that is orchestrated makes calls for as long as it lasts. Where the server is behind, one more run makes all of
them slower, and each then costs more calls in all: so the others better wait in their pool. Slots are admitted one by
one while calls are answered in time, and taken back while they are not (additive increase and decrease).
"""

from __future__ import annotations

from collections.abc import Callable

from genesis.prefect_api.client import PrefectApi, repeat_forever
from genesis.workers.slots import SlotPool

__all__ = ["Admission"]

_EVERY_S = 1.0
_CALM = 3
"""One slot more is admitted after this many checks of a server that keeps up: by then the last one's cost shows."""
_LEAST = 2
"""Slots that are always admitted."""
_SLACK_S = 0.25
"""A mean response time that is longer than the shortest by this, and by a factor, shows a server that is behind."""
_FACTOR = 3.0


class Admission:
    """Adapts how many slots of a worker's orchestrators may be taken.

    Args:
        slots: The slots.
        api: The API; its response times are what counts.
        admitted: Called when a slot more may be taken.
    """

    def __init__(self, slots: SlotPool, api: PrefectApi, *, admitted: Callable[[], None]):
        self._slots = slots
        self._api = api
        self._admitted = admitted
        self._calm = 0
        slots.admitted = min(_LEAST, slots.size)

    async def watch(self) -> None:
        """Adapt forever."""

        async def adapt() -> None:
            self.adapt()

        await repeat_forever(adapt, lambda: _EVERY_S)

    def adapt(self) -> None:
        """Adapt once: a slot more where all are taken and the server keeps up, one fewer where it does not."""
        slots, now = self._slots, self._slots.admitted or 0
        times = self._api.response_times
        if times.mean_s > _SLACK_S + _FACTOR * times.shortest_s:
            slots.admitted, self._calm = max(min(_LEAST, slots.size), now - 1), 0
            return
        self._calm += 1
        if self._calm >= _CALM and slots.free == 0 and now < slots.size:
            slots.admitted, self._calm = now + 1, 0
            self._admitted()
