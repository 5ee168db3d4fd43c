"""A fleet as a plug-in: an agent that counts words, a rule that sends it work, and an executor that finds long words.

pip install ./docs/examples/fleet_plugin
genesis agents
genesis agents check
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

from genesis.fleets import FleetPlugin

if TYPE_CHECKING:
    from genesis.agents import Result, Work

fleet = FleetPlugin(
    agents={
        "agents": [
            {
                "name": "word_agent",
                "description": "Counts the words of texts, and finds the long ones",
                "task_types": ["count_words", "find_words"],
                "skills": ["texts"],
                "cost": {"usd_per_task": 0},
                "success_rate": 0.95,
                "executor": {"kind": "python", "call": "word_fleet:count_words"},
                "executors": {
                    "find_words": {"kind": "plugin", "name": "word_finder", "options": {"least_letters": 8}},
                },
            }
        ],
        "rules": [
            {
                "id": "words",
                "when": {"type": {"in": ["count_words", "find_words"]}},
                "then": "word_agent",
                "because": "words are the matter of the word fleet",
            }
        ],
    },
    executors={"word_finder": "word_fleet:WordFinder"},
)


def count_words(path: str) -> dict[str, int]:
    """Count the words of a file."""
    return {"words": len(Path(path).read_text(encoding="utf-8").split())}


class WordFinder:
    """Finds the long words of a file.

    Args:
        least_letters: How long a word has to be; from the executor's options.
    """

    def __init__(self, least_letters: int = 10) -> None:
        self._pattern = re.compile(rf"\w{{{least_letters},}}")

    async def execute(self, work: Work) -> Result:
        """Read the file that the task's input `path` names."""
        from genesis.agents import Result  # when an agent works, so that the plug-in itself is quick to import

        text = await asyncio.to_thread(Path(str(work.inputs["path"])).read_text, encoding="utf-8")
        return Result({"words": sorted(set(self._pattern.findall(text)))})
