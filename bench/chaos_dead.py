"""An agent that is down for a minute in the middle of a run of a hundred leaves, while another one can do its work."""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from bench.chaos_faults import loopback_server, program_of
from bench.noop import dag
from bench.report import Bench, Target
from genesis.agents import Executor, Result, Work
from genesis.model import Leaf, Program
from genesis.resilience import BreakerRules, SqliteStore
from genesis.resilience.breakers import Breakers
from genesis.settings import Settings
from genesis.testing import Witness, invariants

__all__ = ["AGENTS", "Down", "dead_agent_case", "plan"]

_LEAVES = 100
_DOWN_FOR_S = 60.0
_AFTER_PART = 12
"""It goes down after this part of the time for which it is down then: after five seconds."""
_SLOTS = 4
_WORK_S = 3.0
_TIMEOUT_S = 5.0
_WASTED = 0.02
_DEAD = "first_agent"
AGENTS: dict[str, Any] = {
    "agents": [
        {
            "name": name,
            "description": "Does the work",
            "task_types": ["work"],
            "success_rate": rate,
            "max_concurrency": 10,
            "executor": {"kind": "python", "call": "bench.effects:happen"},
        }
        for name, rate in ((_DEAD, 0.95), ("second_agent", 0.85))
    ]
}
How = Literal["refuses", "hangs"]


def plan(leaves: int, seed: int) -> dict[str, Any]:
    """Make a layered plan of one kind of work, which both agents can do."""
    nodes = dag(leaves, seed)
    tasks = [
        {
            "id": node.name,
            "type": "work",
            "description": f"Do the part of the work that is called {node.name}",
            "depends_on": [nodes[source].name for source in node.after],
            "outputs": ["did"],
            "retries": 2,
            "timeout_s": _TIMEOUT_S,
            "estimate": {"seconds": _WORK_S},
        }
        for node in nodes
    ]
    return {"version": 1, "request": "A hundred tasks, and an agent that is down", "tasks": tasks}


class Down:
    """An agent that is down from a while after its first call on, for a time.

    Args:
        how: It refuses at once, or does not answer until the time limit of the attempt.
        after_s: From the first call on.
        for_s: How long.
    """

    def __init__(self, how: How, after_s: float, for_s: float, work_s: float):
        self.how = how
        self.for_s = for_s
        self.work_s = work_s
        self._after_s = after_s
        self._first: float | None = None

    def is_down(self, at: float) -> bool:
        """Whether it is down at a time of the monotonic clock."""
        return self._first is not None and self._after_s <= at - self._first < self._after_s + self.for_s

    async def execute(self, work: Work) -> Result:
        """Work, if it is up all the time that this takes."""
        begun = time.monotonic()
        if self._first is None:
            self._first = begun
        if not self.is_down(begun):
            await asyncio.sleep(self.work_s)
        if self.is_down(time.monotonic()):
            if self.how == "hangs":
                await asyncio.sleep(self.for_s)
            raise ConnectionRefusedError(f"nobody answers for {work.agent.name}")
        return Result(value=dict.fromkeys(work.outputs, work.path))


class Up:
    """The other agent."""

    def __init__(self, work_s: float):
        self._work_s = work_s

    async def execute(self, work: Work) -> Result:
        """Work."""
        await asyncio.sleep(self._work_s)
        return Result(value=dict.fromkeys(work.outputs, work.path))


def dead_agent_case(bench: Bench, *, seed: int, quick: bool) -> None:
    """Run it once for each way of being down, with the settings as they are by default."""
    leaves, for_s, work_s = (30, 10.0, 0.5) if quick else (_LEAVES, _DOWN_FOR_S, _WORK_S)
    program = program_of(plan(leaves, seed), AGENTS)
    with loopback_server(), tempfile.TemporaryDirectory(prefix="genesis-dead-") as folder:
        for how in ("refuses", "hangs"):
            dead = Down(how, for_s / _AFTER_PART, for_s, work_s)
            asyncio.run(_one(bench, Path(folder) / how, program, dead))


async def _one(bench: Bench, folder: Path, program: Program, dead: Down) -> None:
    from genesis.testing.prefect import Workbench

    settings, witness, how = Settings(home=folder / "home"), Witness(), dead.how
    executors: Mapping[bool, Executor] = {True: witness.around(dead), False: witness.around(Up(dead.work_s))}

    def executor(leaf: Leaf) -> Executor:
        return executors[leaf.agent == _DEAD]

    run = await Workbench(folder / "ledger", settings).run(
        program, executor, slots=_SLOTS, observer=witness, breakers=_default_breakers(settings, witness)
    )
    opened = [each.at for each in witness.seen if each.what == "breaker" and each.state == "open"]
    late = [each for each in witness.calls(_DEAD, after=opened[0]) if dead.is_down(each.at)] if opened else []
    attempts = len(witness.calls())
    wasted = len(late) / attempts
    broken = [
        *invariants.no_leaf_is_lost(run, program),
        *invariants.order_is_kept(witness.seen, program),
        *invariants.limits_hold(witness.seen, program, _SLOTS),
        *invariants.breakers_are_legal(witness.seen),
    ]
    bench.add(
        agent=how, down_s=dead.for_s, leaves=len(program.leaves), state=run.state, seconds=round(run.duration_s, 1),
        attempts=attempts, on_the_dead=len(witness.calls(_DEAD)),
        begun_while_down=sum(dead.is_down(each.at) for each in witness.calls(_DEAD)) - len(late),
        wasted_after_opening=len(late), part_wasted=round(wasted, 4), openings=len(opened),
        by_the_other=sum(task.agent != _DEAD for task in run.tasks), invariants_broken=len(broken),
    )  # fmt: skip
    bench.targets += [
        Target.at_least(f"run completes, agent {how}", 1, run.state == "completed"),
        Target.at_least(f"its breaker opens, agent {how}", 1, len(opened)),
        Target.at_most(f"part of attempts wasted on it after that, agent {how}", _WASTED, wasted),
        Target.at_most(f"invariants broken, agent {how}", 0, len(broken)),
    ]


def _default_breakers(settings: Settings, witness: Witness) -> Breakers:
    """Return breakers as runs have them by default, with a witness: shared by a file, with the rules' own defaults."""
    return Breakers(
        BreakerRules(), store=SqliteStore(settings.home / "resilience.sqlite"), listen=witness.record_change
    )
