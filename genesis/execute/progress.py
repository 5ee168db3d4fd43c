"""Keep the progress artifact of a run up to date without slowing the run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from genesis.execute.artifacts import Publisher
from genesis.execute.markdown import progress_markdown
from genesis.model import Outcome

__all__ = ["ProgressArtifact"]

_KEY = "genesis-progress"
_EVERY_S = 3.0


class ProgressArtifact:
    """Publishes progress at the start of a run, every few seconds when something changed, and at its end."""

    def __init__(self, publisher: Publisher, total: int, outcomes: Mapping[int, Outcome]):
        self._publisher = publisher
        self._total = total
        self._outcomes = outcomes
        self._shown = ""

    async def publish(self) -> None:
        """Publish for the first time."""
        self._shown = self._text()
        await self._publisher.markdown(_KEY, self._shown, "Progress of the run")

    async def keep(self) -> None:
        """Update now and then until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.show()

    async def show(self) -> None:
        """Update if something changed."""
        text = self._text()
        if text != self._shown:
            self._shown = text
            await self._publisher.update(_KEY, text)

    def _text(self) -> str:
        return progress_markdown(self._total, self._outcomes.values())
