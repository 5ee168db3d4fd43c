"""The ready jobs, best first; an agent at its limit never blocks jobs of another agent.

Each agent has a heap of its ready jobs, and one more heap, the *offers*, has the best job of each agent that may start
one. An agent makes at most one new offer per event (a job came, a job ended, the agent opened again), so that any
sequence of events costs O(log jobs) each, however many agents there are and however long they stay at their limits.
"""

from __future__ import annotations

from heapq import heappop, heappush

__all__ = ["ReadyQueue"]

_NO_OFFER = -1
"""No job of the agent is in the heap of offers."""


class ReadyQueue:
    """A priority queue of places with a limit for each agent.

    A *place* is a job's position in the order of priorities: 0 is best. Agents are numbered from 0.

    Args:
        agents: The agent of each place.
        rooms: How many jobs each agent may run at once, at least 1.
    """

    __slots__ = ("_agents", "_blocked", "_heaps", "_offered", "_offers", "_queued", "_rooms")

    def __init__(self, agents: list[int], rooms: list[int]) -> None:
        self._agents = agents
        self._rooms = rooms.copy()
        self._heaps: list[list[int]] = [[] for _ in rooms]
        self._blocked = bytearray(len(rooms))
        self._queued = bytearray(len(agents))
        self._offers: list[int] = []
        self._offered = [_NO_OFFER] * len(rooms)

    def push(self, place: int) -> None:
        """Add a place that is not in the queue."""
        agent = self._agents[place]
        self._queued[place] = True
        heappush(self._heaps[agent], place)
        self._offer(agent)

    def discard(self, place: int) -> None:
        """Take a place out of the queue; it leaves the heaps when it comes to their top."""
        self._queued[place] = False

    def pop(self) -> int | None:
        """Pop the best place whose agent may start a job, and count it against that agent.

        Returns:
            The place, or `None` when nothing may start now.
        """
        while self._offers:
            place = heappop(self._offers)
            agent = self._agents[place]
            if place != self._offered[agent]:
                continue  # a better offer of this agent was used meanwhile
            self._offered[agent] = _NO_OFFER
            if self._queued[place] and self._open(agent):
                heappop(self._heaps[agent])
                self._queued[place] = False
                self._rooms[agent] -= 1
                self._offer(agent)
                return place
            self._offer(agent)
        return None

    def claim(self, place: int) -> None:
        """Pop a given place from the queue, and count it against its agent."""
        agent = self._agents[place]
        self._queued[place] = False
        self._rooms[agent] -= 1
        if self._offered[agent] == place:
            self._offered[agent] = _NO_OFFER
            self._offer(agent)

    def leave(self, place: int) -> None:
        """Release what `pop` counted, once the job has ended."""
        agent = self._agents[place]
        self._rooms[agent] += 1
        self._offer(agent)

    def add_agent(self, room: int) -> int:
        """Add an agent, and return its number."""
        self._rooms.append(room)
        self._heaps.append([])
        self._blocked.append(0)
        self._offered.append(_NO_OFFER)
        return len(self._rooms) - 1

    def assign(self, place: int, agent: int) -> None:
        """Assign a place that is not in the queue to another agent.

        It may still be in the heap of its previous agent, where it is skipped: as not queued, or, once
        it is queued for the other agent, as not belonging there.
        """
        before = self._agents[place]
        self._agents[place] = agent
        if self._offered[before] == place:
            self._offered[before] = _NO_OFFER
            self._offer(before)

    def list_queued(self, agent: int) -> list[int]:
        """Return the places of an agent that are in the queue, best first."""
        return sorted({place for place in self._heaps[agent] if self._waits(place, agent)})

    def list_blocked(self) -> list[int]:
        """Return the agents that are blocked."""
        return [agent for agent, blocked in enumerate(self._blocked) if blocked]

    def block(self, agent: int) -> None:
        """Keep all of an agent's jobs in the queue until it is unblocked."""
        self._blocked[agent] = True

    def unblock(self, agent: int) -> None:
        """Let an agent's jobs start again."""
        self._blocked[agent] = False
        self._offer(agent)

    def _open(self, agent: int) -> bool:
        return self._rooms[agent] > 0 and not self._blocked[agent]

    def _waits(self, place: int, agent: int) -> bool:
        return bool(self._queued[place]) and self._agents[place] == agent

    def _offer(self, agent: int) -> None:
        if not self._open(agent):
            return
        heap = self._heaps[agent]
        while heap and not self._waits(heap[0], agent):
            heappop(heap)
        if heap and (self._offered[agent] == _NO_OFFER or heap[0] < self._offered[agent]):
            self._offered[agent] = heap[0]
            heappush(self._offers, heap[0])
