"""An executor that does what the test wrote down, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from genesis.agents import Result, Work

__all__ = ["ScriptedAgent"]

ScriptedStep = Result | JsonValue | Exception | Callable[[Work], JsonValue]


class ScriptedAgent:
    """Plays a list of steps for each leaf: a result, an exception to raise, or a function of the work.

    Args:
        script: Steps by leaf path, one an attempt, the last one again and again. A leaf that is not listed gives
            its promised outputs, each with its own name.
        seconds: How long each attempt takes.

    Attributes:
        work: Every attempt, in the order of their starts.
        most_at_once: Most attempts that ran at the same time.
        cancelled: Paths of attempts that were cancelled.
    """

    def __init__(self, script: Mapping[str, list[ScriptedStep]] | None = None, *, seconds: float = 0.0):
        self.work: list[Work] = []
        self.most_at_once = 0
        self.cancelled: list[str] = []
        self._script = {path: list(steps) for path, steps in (script or {}).items()}
        self._seconds = seconds
        self._running = 0

    @property
    def paths(self) -> list[str]:
        """Paths of all attempts, in the order of their starts."""
        return [work.path for work in self.work]

    async def execute(self, work: Work) -> Result:
        """Play the next step of the leaf."""
        self.work.append(work)
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled.append(work.path)
            raise
        finally:
            self._running -= 1
        return self._play(work)

    def _play(self, work: Work) -> Result:
        steps = self._script.get(work.path)
        if not steps:
            return Result(value={name: name for name in work.outputs})
        step = steps[min(work.attempt, len(steps)) - 1]
        if isinstance(step, Exception):
            raise step
        value = step(work) if callable(step) else step
        return value if isinstance(value, Result) else Result(value=value)
