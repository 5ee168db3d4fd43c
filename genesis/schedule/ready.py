"""The ready jobs, best first; one that cannot start now never blocks jobs that can.

Jobs of one agent with the same needs are a *group*. Each group has a heap of its ready jobs, and one more heap, the
*offers*, has the best job of each group that may start one. A group makes at most one new offer per event that concerns
it (a job came, a job ended that used what it needs, the agent opened again), so that any sequence of events costs
O(log jobs) each, times the groups that share an agent or a resource, however long they stay at their limits.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

__all__ = ["JobGroup", "ReadyQueue"]

_NO_OFFER = -1
"""No job of the group is in the heap of offers."""


class JobGroup(NamedTuple):
    """What jobs have in common that may start under the same condition."""

    agent: int
    needs: tuple[tuple[int, int], ...] = ()
    """Numbers of resources, with the amount that each job uses while it runs."""
    priority: int = 0
    """No job starts on a resource that a ready one of a higher priority waits for; without needs it is 0."""


class ReadyQueue:
    """A priority queue of places with a limit for each agent and each resource.

    A *place* is a job's position in the order of priorities: 0 is best. Agents, resources and groups have numbers.

    Args:
        of_place: The group of each place.
        groups: The groups.
        rooms: How many jobs each agent may run at once, at least 1.
        capacity: How much of each resource the running jobs may use together; no group needs more of one.
    """

    __slots__ = (
        "_agents", "_ahead", "_blocked", "_free", "_heaps", "_kept_back", "_needs", "_of_agent", "_of_place",
        "_of_resource", "_offered", "_offers", "_priorities", "_queued", "_rooms",
    )  # fmt: skip

    def __init__(self, of_place: list[int], groups: list[JobGroup], rooms: list[int], capacity: list[int]) -> None:
        self._of_place = of_place
        self._rooms = rooms.copy()
        self._free = capacity.copy()
        self._blocked = bytearray(len(rooms))
        self._queued = bytearray(len(of_place))
        self._offers: list[int] = []
        self._agents: list[int] = []
        self._needs: list[tuple[tuple[int, int], ...]] = []
        self._priorities: list[int] = []
        """Of each group."""
        self._heaps: list[list[int]] = []
        self._offered: list[int] = []
        self._ahead: list[list[int]] = []
        """For each group those of a higher priority that need a resource that it needs."""
        self._of_agent: list[list[int]] = [[] for _ in rooms]
        self._of_resource: list[list[int]] = [[] for _ in capacity]
        self._kept_back: set[int] = set()
        """Groups that could start a job but for one of a higher priority, which waits for the same resource."""
        for group in groups:
            self.add_group(group)

    def push(self, place: int) -> None:
        """Add a place that is not in the queue."""
        group = self._of_place[place]
        self._queued[place] = True
        heappush(self._heaps[group], place)
        self._offer(group)

    def discard(self, place: int) -> None:
        """Take a place out of the queue; it leaves the heaps when it comes to their top."""
        self._queued[place] = False

    def pop(self) -> int | None:
        """Pop the best place that may start, and count it against its agent and the resources that it needs.

        Returns:
            The place, or `None` when nothing may start now.
        """
        if self._kept_back:
            kept_back, self._kept_back = self._kept_back, set()
            for group in kept_back:
                self._offer(group)
        while self._offers:
            place = heappop(self._offers)
            group = self._of_place[place]
            if place != self._offered[group]:
                continue  # a better offer of this group was used meanwhile
            self._offered[group] = _NO_OFFER
            if self._queued[place] and self._open(group):
                heappop(self._heaps[group])
                self._queued[place] = False
                self._rooms[self._agents[group]] -= 1
                if self._needs[group]:
                    self._use(group)
                self._offer(group)
                return place
            self._offer(group)
        return None

    def claim(self, place: int) -> None:
        """Pop a given place from the queue, and count it as `pop` does."""
        group = self._of_place[place]
        self._queued[place] = False
        self._rooms[self._agents[group]] -= 1
        self._use(group)
        if self._offered[group] == place:
            self._offered[group] = _NO_OFFER
            self._offer(group)

    def leave(self, place: int) -> None:
        """Release what `pop` counted, once the job has ended."""
        left = self._of_place[place]
        agent = self._agents[left]
        self._rooms[agent] += 1
        for resource, amount in self._needs[left]:
            self._free[resource] += amount
            for group in self._of_resource[resource]:
                self._offer(group)
        for group in self._of_agent[agent]:
            self._offer(group)

    def add_agent(self, room: int) -> int:
        """Add an agent, and return its number."""
        self._rooms.append(room)
        self._blocked.append(0)
        self._of_agent.append([])
        return len(self._rooms) - 1

    def add_group(self, group: JobGroup) -> int:
        """Add a group, and return its number."""
        number = len(self._agents)
        sharing = {other for resource, _ in group.needs for other in self._of_resource[resource]}
        self._ahead.append([other for other in sorted(sharing) if self._priorities[other] > group.priority])
        for other in sharing:
            if self._priorities[other] < group.priority:
                self._ahead[other].append(number)
        self._agents.append(group.agent)
        self._needs.append(group.needs)
        self._priorities.append(group.priority)
        self._heaps.append([])
        self._offered.append(_NO_OFFER)
        self._of_agent[group.agent].append(number)
        for resource, _ in group.needs:
            self._of_resource[resource].append(number)
        return number

    def assign(self, place: int, group: int) -> None:
        """Assign a place that is not in the queue to another group.

        It may still be in the heap of its previous group, where it is skipped: as not queued, or, once
        it is queued for the other group, as not belonging there.
        """
        before = self._of_place[place]
        self._of_place[place] = group
        if self._offered[before] == place:
            self._offered[before] = _NO_OFFER
            self._offer(before)

    def list_queued(self, agent: int) -> list[int]:
        """Return the places of an agent that are in the queue, best first."""
        groups = self._of_agent[agent]
        return sorted({place for group in groups for place in self._heaps[group] if self._waits(place, group)})

    def list_blocked(self) -> list[int]:
        """Return the agents that are blocked."""
        return [agent for agent, blocked in enumerate(self._blocked) if blocked]

    def block(self, agent: int) -> None:
        """Keep all of an agent's jobs in the queue until it is unblocked."""
        self._blocked[agent] = True

    def unblock(self, agent: int) -> None:
        """Let an agent's jobs start again."""
        self._blocked[agent] = False
        for group in self._of_agent[agent]:
            self._offer(group)

    def _open(self, group: int) -> bool:
        agent = self._agents[group]
        return self._rooms[agent] > 0 and not self._blocked[agent] and (not self._needs[group] or self._fits(group))

    def _fits(self, group: int) -> bool:
        """Whether there is enough of what a group needs, and nothing of a higher priority waits for that."""
        if any(self._free[resource] < amount for resource, amount in self._needs[group]):
            return False
        if any(self._is_waiting(other) for other in self._ahead[group]):
            self._kept_back.add(group)
            return False
        return True

    def _is_waiting(self, group: int) -> bool:
        """Whether a group has a ready job that waits for resources only, or for nothing."""
        agent = self._agents[group]
        return self._rooms[agent] > 0 and not self._blocked[agent] and self._first(group) is not None

    def _use(self, group: int) -> None:
        for resource, amount in self._needs[group]:
            self._free[resource] -= amount

    def _waits(self, place: int, group: int) -> bool:
        return bool(self._queued[place]) and self._of_place[place] == group

    def _first(self, group: int) -> int | None:
        """Return the best place of a group that is in the queue."""
        heap, queued, of_place = self._heaps[group], self._queued, self._of_place
        while heap:
            first = heap[0]
            if queued[first] and of_place[first] == group:
                return first
            heappop(heap)
        return None

    def _offer(self, group: int) -> None:
        if not self._open(group):
            return
        first = self._first(group)
        if first is not None and (self._offered[group] == _NO_OFFER or first < self._offered[group]):
            self._offered[group] = first
            heappush(self._offers, first)
