"""Where leaves run: here as task runs, or on the work pools of their agents."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from genesis.engine.task_runs import GraphNode
from genesis.model import Leaf, Outcome

__all__ = ["LeafBackend"]


class LeafBackend(Protocol):
    """Makes leaves final. Enter it inside the flow run, on the loop that runs the program."""

    grace_s: float
    """How long work that was cancelled may take to end before it is left behind."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def attach(self) -> dict[int, Outcome]:
        """Find what an earlier execution of the run left going or done outside of the ledger's leaves.

        Returns:
            Outcomes of leaves that turn out to be final, by index; they are in the ledger.
        """
        ...

    async def run(self, leaf: Leaf) -> Outcome:
        """Run a leaf, whose upstream leaves are done, until it is final. What is returned is in the ledger.

        Its agent can be another one than the program's, and it can be run again after it failed.

        A cancelled call records the leaf as cancelled and returns that.

        Raises:
            GenesisError: The ledger cannot be written. The run cannot continue.
        """
        ...

    def suspend(self, suspended: bool) -> None:
        """Begin no leaf for now, or continue; what runs ends as usual."""
        ...

    def nodes(self) -> dict[int, GraphNode]:
        """Name what stands for leaves in the UI's graph, by leaf index."""
        ...

    def cancel(self, why: str) -> None:
        """End all work that continues, and start none."""
        ...
