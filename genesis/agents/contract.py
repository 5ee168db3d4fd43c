"""The contract of executors: `Work` and `Result`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import JsonValue

from genesis.errors import TaskError
from genesis.foreign import read_safely
from genesis.model import AgentProfile
from genesis.resilience.retry import RetryBudget
from genesis.structure.provenance import Source

if TYPE_CHECKING:
    from genesis.agents.untrusted_inputs import NamedFolders

__all__ = ["Executor", "Result", "Work"]

_LONGEST_NUMBER = 100
"""Characters of a number that are read and shown: an agent can return any text."""
_MOST_USD = 10**12
"""A larger cost is an error of the agent, and would break sums."""
_MOST_TOKENS = 10**15
"""The same for tokens."""


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt of one leaf, with its inputs filled in."""

    run_id: str
    correlation_id: str
    request: str
    """The request of the whole run."""
    path: str
    """Full path of the leaf."""
    type: str
    description: str
    inputs: Mapping[str, JsonValue]
    outputs: tuple[str, ...]
    """Names of the results that the leaf promises."""
    agent: AgentProfile
    attempt: int = 1
    seconds: float = 0.0
    """Estimated duration."""
    timeout_s: float | None = None
    """Time limit of an attempt."""
    folder: Path = Path()
    """Folder for files of the leaf; created on first use, and removed after the attempt if the task has `files`."""
    upstream: Mapping[str, JsonValue] = field(default_factory=dict)
    """Results of the leaves that it comes after, by path."""
    awaited: Mapping[str, str] = field(default_factory=dict)
    """For a work order: its predecessors whose work orders are open, with these."""
    until: float = math.inf
    """End of this attempt by `time.monotonic()`: its time limit or the run's deadline."""
    run_until: float = math.inf
    """The run's deadline, by `time.monotonic()`."""
    repeats: RetryBudget | None = field(default=None, repr=False, compare=False)
    """The run's budget of retries, including those of single calls inside an attempt."""
    schemas: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    """The JSON Schema of each promised output that has one."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that the task sets for the program that does it."""
    requirements: tuple[str, ...] = ()
    """Packages of the virtual environment in which it is done; empty for the agent's own environment."""
    has_files: bool = False
    """Whether the folder has the files that the task asks for, and what it promises of it is kept: a program starts in
    it unless its agent sets `cwd`."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Where inputs come from that do not come from a person."""
    named_folders: NamedFolders | None = field(default=None, repr=False, compare=False)
    """Where paths may lie that do not come from a person."""

    @property
    def left_s(self) -> float:
        """Time left for this attempt, in seconds."""
        left_s = self.until - time.monotonic()
        return left_s if self.timeout_s is None else min(self.timeout_s, left_s)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an attempt."""

    value: JsonValue = None
    """JSON-able; a mapping holds the promised outputs by name."""
    state: Literal["completed", "briefed"] = "completed"
    """`briefed`: a work order was written for a person."""
    usd: Decimal | None = None
    """Its cost, if the executor knows it."""
    tokens: int = 0
    """Tokens of a language model."""

    def __post_init__(self) -> None:
        """Accept cost and tokens in various types: `0.05`, `"0.05"`, a whole float, a number of another library.

        Raises:
            TaskError: One of them is negative, infinite, not a number, or too large.
        """
        if self.state not in ("completed", "briefed"):
            raise _unusable("state", self.state, "'completed' or 'briefed'")
        object.__setattr__(self, "usd", None if self.usd is None else _dollars(self.usd))
        object.__setattr__(self, "tokens", 0 if self.tokens is None else _tokens(self.tokens))


def _dollars(given: Any) -> Decimal:
    found = read_safely(lambda: _decimal(given), None)
    if found is None or not 0 <= found <= _MOST_USD:
        raise _unusable("cost", given, f"US dollars, from 0 to {_MOST_USD:,}")
    return abs(found)


def _tokens(given: Any) -> int:
    found = read_safely(lambda: _decimal(given), None)
    if found is None or found != found.to_integral_value() or not 0 <= found <= _MOST_TOKENS:
        raise _unusable("number of tokens", given, f"a whole number from 0 to {_MOST_TOKENS:,}")
    return int(found)


def _decimal(given: Any) -> Decimal | None:
    """Convert a number by its decimal notation: 0.05 is five cents. None for NaN and other values."""
    if isinstance(given, bool):
        return None
    if isinstance(given, float):
        given = float.__repr__(given)
    elif not isinstance(given, int | str | Decimal):
        given = given.__index__() if hasattr(given, "__index__") else repr(float(given))
    found = Decimal(given if not isinstance(given, str) else given[:_LONGEST_NUMBER])
    return found if found.is_finite() else None


def _unusable(what: str, given: Any, wanted: str) -> TaskError:
    shown = read_safely(lambda: repr(given), type(given).__name__)[:_LONGEST_NUMBER]
    return TaskError(f"the agent reports {shown} as its {what}", hint=f"it must be {wanted}", data={"retry": False})


class Executor(Protocol):
    """Runs work of one kind."""

    async def execute(self, work: Work) -> Result:
        """Do the work.

        Cancelling the coroutine (a timeout, Ctrl-C) must end what it started: child processes as a group, connections.

        Raises:
            TaskError: It failed; any other exception of the called code is passed through.
        """
        ...
