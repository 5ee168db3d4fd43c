"""One list-scheduling pass, forwards or backwards in time: what the search for better priorities repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from genesis.schedule.jobs import ScheduleJob, ScheduleLimits
from genesis.schedule.network import Network

__all__ = ["CompiledLimits", "Direction", "Pass", "list_schedule"]

_UNLIMITED = -1
"""The number of an agent without a limit."""


class CompiledLimits(NamedTuple):
    """The limits, compiled: only agents whose limit can bind are numbered."""

    slots: int
    """Maximum number of concurrent jobs."""
    agents: list[int]
    """The agent of each job; -1 where no limit can bind."""
    rooms: list[int]
    """Maximum number of concurrent jobs of each numbered agent."""

    @classmethod
    def of(cls, jobs: Sequence[ScheduleJob], limits: ScheduleLimits) -> CompiledLimits:
        """Compile limits; one that is no tighter than the slots or the agent's number of jobs is dropped."""
        counts = Counter(job.agent for job in jobs)
        tight = [name for name, limit in limits.per_agent.items() if limit < min(limits.slots, counts[name])]
        numbers: dict[str | None, int] = {name: number for number, name in enumerate(tight)}
        agents = [numbers.get(job.agent, _UNLIMITED) for job in jobs]
        return cls(limits.slots, agents, [limits.per_agent[name] for name in tight])


class Direction(NamedTuple):
    """A network read from start to end, or from end to start."""

    durations: list[float]
    missing: list[int]
    """How many jobs each job waits for."""
    following: list[list[int]]
    """The jobs that wait for each job."""
    first: list[int]
    """The jobs that wait for none."""

    @classmethod
    def forwards(cls, network: Network) -> Direction:
        """Read the network as it runs."""
        return cls._of(network.durations, [len(earlier) for earlier in network.after], network.dependants)

    @classmethod
    def backwards(cls, network: Network) -> Direction:
        """Read the network from its end, as if time ran back."""
        missing = [len(later) for later in network.dependants]
        return cls._of(network.durations, missing, [list(earlier) for earlier in network.after])

    @classmethod
    def _of(cls, durations: list[float], missing: list[int], following: list[list[int]]) -> Direction:
        return cls(durations, missing, following, [job for job, count in enumerate(missing) if not count])


class Pass(NamedTuple):
    """The schedule that a pass made."""

    makespan_s: float
    starts: list[float]
    """Start of each job in seconds, counted in the pass's direction."""


def list_schedule(direction: Direction, places: CompiledLimits, order: list[int]) -> Pass:
    """Schedule the jobs greedily in the order of a list (Graham 1966; a parallel schedule-generation scheme).

    At each instant at which jobs end, the first jobs of the list that are ready and within the limits start. It makes
    exactly the schedule that `Scheduler` makes on virtual time with the same order, in a seventh of the time: under a
    microsecond a job, O((jobs + edges) log jobs). A job kept back by its agent is parked; each end of one of the
    agent's jobs brings its best parked job back, so that parking costs O(log jobs) a job as well.

    Args:
        direction: The network, forwards or backwards.
        places: The limits.
        order: All job indices, best first.

    Returns:
        Makespan and starts.
    """
    durations, _, following, _ = direction
    free, agents, _ = places
    missing = direction.missing.copy()
    room = places.rooms.copy()
    parked: list[list[int]] = [[] for _ in room]
    place = _inverse(order)
    ready = sorted(map(place.__getitem__, direction.first))
    starts = [0.0] * len(order)
    ending: list[tuple[float, int]] = []
    now = 0.0
    while ready or ending:
        while free and ready:
            job = order[heappop(ready)]
            agent = agents[job]
            if agent >= 0:
                if not room[agent]:
                    heappush(parked[agent], place[job])
                    continue
                room[agent] -= 1
            starts[job] = now
            heappush(ending, (now + durations[job], job))
            free -= 1
        now = ending[0][0]
        while ending and ending[0][0] == now:
            job = heappop(ending)[1]
            free += 1
            _make_room(agents[job], room, parked, ready)
            for later in following[job]:
                missing[later] -= 1
                if not missing[later]:
                    heappush(ready, place[later])
    return Pass(now, starts)


def _make_room(agent: int, room: list[int], parked: list[list[int]], ready: list[int]) -> None:
    if agent >= 0:
        room[agent] += 1
        if parked[agent]:
            heappush(ready, heappop(parked[agent]))


def _inverse(order: list[int]) -> list[int]:
    place = [0] * len(order)
    for position, job in enumerate(order):
        place[job] = position
    return place
