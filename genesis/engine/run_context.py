"""Everything that one execution of a run needs, passed in at one place."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from genesis.agents.contract import Executor
from genesis.engine.observer import NullObserver, Observer
from genesis.ledger import Ledger
from genesis.ledger.program_state import ProgramState
from genesis.model import Attempt, Leaf, Outcome, Program, Resources
from genesis.model.run import utc_now
from genesis.model.tenant import tenant_tag
from genesis.prefect_api.names import OWN_TAG, correlation_tag
from genesis.resilience.breaker import Breaker
from genesis.resilience.breakers import Breakers
from genesis.resilience.quotas import Quotas
from genesis.settings import Settings
from genesis.validation import Probe

__all__ = ["RunContext"]


@dataclass(frozen=True, slots=True)
class RunContext:
    """One execution of a run, first or resumed."""

    program_state: ProgramState
    """Shared by all who work on the run; `Growth` alone changes it."""
    ledger: Ledger
    correlation_id: str
    settings: Settings
    executor: Callable[[Leaf], Executor]
    """Gives the executor of a leaf; called once an attempt, so it should keep what it made."""
    slots: int
    files: Path
    """Folder for what agents leave behind."""
    rehearse: float | None = None
    """Scale of a rehearsal; None for real work."""
    planner_model: str | None = None
    """Language model of `llm` executors."""
    observer: Observer = field(default_factory=NullObserver)
    now: Callable[[], datetime] = utc_now
    deployed: bool = False
    """Whether another worker may take over the run when this process dies."""
    breakers: Breakers | None = None
    """Circuit breakers of the agents; without them every call is made."""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """By agent, what distinguishes it from other projects' agents of that name, in what processes share."""
    probe: Probe | None = None
    """Answers what validation asks about this machine; None where leaves run elsewhere."""
    tried: Mapping[int, tuple[Attempt, ...]] = field(default_factory=dict)
    """Attempts of earlier executions at leaves that are not done, by index."""
    quotas: Quotas | None = None
    """Rate limits of the agents; without them no task waits for a turn."""
    until: float = math.inf
    """The run's deadline, by `time.monotonic()` of this process."""
    token: str | None = None
    """Of a worker: the id of its flow run, under which its outcomes wait for being adopted."""
    machine: Resources | None = None
    """What the machine has that runs the leaves; None where they run elsewhere."""
    tenant: str | None = None
    """For whom the run is; workers take the runs that wait in turn by it."""
    earlier: str | None = None
    """Where the run's first execution is in a trace, as W3C's `traceparent`, where this one continues with it."""

    @property
    def program(self) -> Program:
        """What runs, with all that was added so far."""
        return self.program_state.program

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.ledger.run_id

    @property
    def tags(self) -> list[str]:
        """The tags that all flow runs of the run have."""
        return [OWN_TAG, correlation_tag(self.correlation_id), *([tenant_tag(self.tenant)] if self.tenant else [])]

    def breaker(self, agent: str) -> Breaker | None:
        """Return the circuit breaker of an agent, where there are any."""
        if self.breakers is None:
            return None
        return self.breakers.of("agent", agent, self.scopes.get(agent, ""))

    def is_brief(self, leaf: Leaf) -> bool:
        """Whether a leaf is written down for a person."""
        if not leaf.agent:
            return False
        profile = self.program.profile(leaf.agent)
        return profile.executor_for(leaf.type, model=self.planner_model).kind == "brief"

    @property
    def left_s(self) -> float:
        """Seconds until the run's deadline."""
        return self.until - time.monotonic()

    async def record(self, leaf: Leaf, outcome: Outcome) -> Outcome:
        """Write a final outcome: as the leaf's own, or as that of a worker's attempt."""
        if self.token is None:
            return await self.ledger.record(leaf, outcome)
        return await self.ledger.record_attempt(leaf, outcome, self.token)
