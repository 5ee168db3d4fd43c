"""How many flow runs a worker has at once, orchestrators apart from agents."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SlotPool", "Slots"]


@dataclass
class SlotPool:
    """Slots of one kind."""

    size: int
    taken: int = 0
    admitted: int | None = None
    """How many of them may be taken at present; all if omitted."""

    @property
    def free(self) -> int:
        """How many are free."""
        most = self.size if self.admitted is None else min(self.size, self.admitted)
        return max(0, most - self.taken)


class Slots:
    """The slots of a worker.

    An orchestrator waits for the agents that it dispatched to: if it could take their slots, all would wait forever.

    Args:
        agents: Flow runs of agents in processes at once.
        threads: Flow runs of agents that share a process; None to count them among the former.
        orchestrators: Flow runs of the pool of orchestrators at once.
    """

    def __init__(self, *, agents: int, threads: int | None, orchestrators: int):
        self.agents = SlotPool(agents)
        self.threads = SlotPool(threads) if threads is not None else self.agents
        self.orchestrators = SlotPool(orchestrators)

    def of(self, *, orchestrates: bool, shared: bool) -> SlotPool:
        """Return the slots that a pool's flow runs take."""
        if orchestrates:
            return self.orchestrators
        return self.threads if shared else self.agents
