"""Keep the progress artifact of a run up to date without slowing the run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal

from genesis.engine.limits import PROGRESS_S
from genesis.engine.observers.artifacts import Publisher
from genesis.model import Leaf, Outcome, Program, Run
from genesis.report.markdown import progress_markdown
from genesis.report.picture import Picture

__all__ = ["ProgressArtifact"]

_KEY = "genesis-progress"


class ProgressArtifact:
    """Publishes progress at the start of a run, every few seconds when something changed, and at its end.

    It is an observer of the run: a change costs it a note; what it publishes is sent apart from the leaves' loop.

    Args:
        publisher: Takes the artifact.
        program: What runs.
        picture: Its picture.
        finished: Outcomes of an earlier execution that are kept, by leaf index.
        rehearse: Scale of a rehearsal.
    """

    def __init__(
        self,
        publisher: Publisher,
        program: Program,
        picture: Picture,
        finished: Mapping[int, Outcome],
        *,
        rehearse: float | None = None,
    ) -> None:
        self._rehearse = rehearse
        self._publisher = publisher
        self._program = program
        self.picture = picture
        """The picture of the plan as it is now."""
        self._outcomes = dict(finished)
        self._index = {leaf.path: leaf.index for leaf in program.leaves}
        self._changed = False

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Do nothing: what is finished is known from the beginning."""

    def leaf_changed(self, outcome: Outcome) -> None:
        """Note what happened."""
        self._outcomes[self._index[outcome.id]] = outcome
        self._changed = True

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Do nothing: the leaf's next start says it."""

    def run_ended(self, run: Run) -> None:
        """Do nothing: the last leaf has said it."""

    def plan_changed(self, program: Program) -> None:
        """Show the plan as it is now."""
        self._program = program
        self._index = {leaf.path: leaf.index for leaf in program.leaves}
        self.picture = Picture(program)
        self._changed = True

    async def publish(self) -> None:
        """Publish for the first time."""
        await self._publisher.markdown(_KEY, self._text(), "Progress: how far the run is")

    async def update(self) -> None:
        """Update now and then until cancelled."""
        while True:
            await asyncio.sleep(PROGRESS_S)
            await self.show()

    async def show(self) -> None:
        """Update if something changed."""
        if self._changed:
            self._changed = False
            await self._publisher.update(_KEY, self._text())

    def _text(self) -> str:
        return progress_markdown(self._program, self._outcomes, self.picture, rehearse=self._rehearse)
