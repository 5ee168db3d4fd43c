"""Runs in which calls go wrong by a seed, and what holds in spite of it; `tests/chaos` uses the same.

A run has ten to twenty leaves, each of which comes after up to two others and uses their results, with two retries. Of
six agents four can do each leaf: routing chooses one, the others are its runners-up. The last leaf but one has a side
effect and no retries, so that nothing can be done about a failure; it is only ever late.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report import Bench, Target, percentile
from bench.server import private_server
from genesis.agents import Executor, Result, Work
from genesis.model import Leaf, Program, Registry, Run
from genesis.resilience import BreakerRules, SqliteStore
from genesis.resilience.breakers import Breakers
from genesis.settings import Settings
from genesis.testing import ChaosExecutor, ChaosStore, Effects, Faults, Witness, invariants
from genesis.testing.chaos import FAILING, KINDS, FaultKind

if TYPE_CHECKING:
    from genesis.ledger import LedgerStore

__all__ = ["AGENTS", "Disturbed", "FaultyWorker", "Scene", "faults_case", "loopback_server", "plan", "program_of"]

SLOTS = 8
_WORK_S = 0.005
_TIMEOUT_S = 0.5
"""Of an attempt; a hundred times what one takes."""
_LATE_S = 30.0
"""Of the attempt that is not repeated: a machine that stands still for half a second is not to fail it."""
_RETRY_DELAY_S = 0.05
_DELAY_S = 0.05
_HARMLESS: tuple[FaultKind, ...] = ("delay", "reorder")
_ONCE = tuple(kind for kind in KINDS if kind != "duplicate")
"""For side effects: a duplicate would be a second one that is not of Genesis' making."""
_DEADLINE_S = 120.0
_COMPLETE = 0.95
_KIND_OF = ("code", "check", "write")
AGENTS: dict[str, Any] = {
    "agents": [
        {
            "name": f"{kind}_{number}",
            "description": f"Does what is to be {kind}d",
            "task_types": [kind, *(other for other in _KIND_OF if number == 1 and other != kind)],
            "success_rate": 0.9 - 0.1 * number,
            "max_concurrency": 4,
            "executor": {"kind": "python", "call": "bench.effects:happen"},
        }
        for kind in _KIND_OF
        for number in (0, 1)
    ]
}


def plan(seed: int) -> dict[str, Any]:
    """Make a plan of ten to twenty leaves: each comes after up to two of the six before it, and uses what they give."""
    rng = random.Random(seed)
    leaves = rng.randint(10, 20)
    tasks: list[dict[str, Any]] = []
    for number in range(leaves):
        before = [task["id"] for task in tasks[-6:]]
        after = sorted(rng.sample(before, min(len(before), rng.randint(0, 2))))
        tasks.append(
            {
                "id": f"l{number}",
                "type": rng.choice(_KIND_OF),
                "description": f"Do the part of the work that has the number {number}",
                "depends_on": after,
                "inputs": {f"from_{source}": f"{{{source}.did}}" for source in after},
                "outputs": ["did", "how"],
                "retries": 2,
                "timeout_s": _TIMEOUT_S,
                "estimate": {"seconds": _WORK_S},
            }
        )
    tasks[-2] |= {"side_effects": True, "retries": 0, "timeout_s": _LATE_S}
    return {"version": 1, "request": f"Chaos {seed}", "tasks": tasks, "deadline_s": _DEADLINE_S}


def program_of(document: dict[str, Any], agents: dict[str, Any]) -> Program:
    """Route, check and compile a plan."""
    from genesis.pipeline import compile_prepared, prepare
    from genesis.planning import load_plan

    prepared = prepare(load_plan(document), Registry.model_validate(agents), settings=Settings())
    return compile_prepared(prepared, Settings())


class FaultyWorker:
    """An agent that works for a moment, leaves an effect and says what it did."""

    def __init__(self, effects: Effects, seconds: float = _WORK_S):
        self._effects = effects
        self._seconds = seconds

    async def execute(self, work: Work) -> Result:
        """Do the work."""
        await asyncio.sleep(self._seconds)
        self._effects.leave(work.run_id, work.path)
        return Result(value={name: f"{name} {work.path}" for name in work.outputs})


@dataclass(frozen=True)
class Disturbed:
    """A run, and what was seen of it."""

    run: Run
    program: Program
    witness: Witness
    faults: Faults
    broken: list[str]
    """What should have held and did not."""
    seconds: float
    """Of the run with all that is around it."""

    @property
    def repeated(self) -> int:
        """Leaves that took more than one attempt."""
        return sum(task.attempts > 1 for task in self.run.tasks)

    @property
    def moved(self) -> int:
        """Leaves that another agent did than the plan says."""
        planned = {leaf.path: leaf.agent for leaf in self.program.leaves}
        return sum(task.agent != planned.get(task.id, task.agent) for task in self.run.tasks)

    @property
    def opened(self) -> int:
        """How often a breaker opened."""
        return sum(each.what == "breaker" and each.state == "open" for each in self.witness.seen)


@dataclass
class Scene:
    """Where runs are disturbed: a folder, and what goes wrong there."""

    folder: Path
    slots: int = SLOTS
    retry_delay_s: float = _RETRY_DELAY_S
    rules: BreakerRules = field(default_factory=BreakerRules)
    store_faults: Faults | None = None
    """Of the store that the breakers share; without them each run has breakers in memory."""
    spare_effects: bool = True
    """Whether a leaf whose side effect must not be repeated is only ever late: any other fault fails the run."""
    more: dict[str, Any] = field(default_factory=dict)
    """Further parts of the session."""

    async def run(
        self, program: Program, faults: Faults, *, run_id: str | None = None, ledger: LedgerStore | None = None
    ) -> Disturbed:
        """Run a program, disturbed, and check what has to hold.

        Args:
            program: What to run.
            faults: What goes wrong at its agents.
            run_id: Of an earlier run in this folder that this one continues with.
            ledger: Wraps the folder that the ledger is in.
        """
        from genesis.ledger import FolderStore, Ledger
        from genesis.testing.prefect import Workbench

        witness, effects = Witness(), Effects(self.folder / "effects")
        bench = Workbench(self.folder / "ledger", self._settings())
        if ledger is not None:
            bench.store = ledger  # type: ignore[assignment]  # a workbench makes a folder of its own
        before = effects.of(run_id) if run_id else {}
        begun = time.monotonic()
        run = await bench.run(
            program,
            self._executor(FaultyWorker(effects), witness, faults),
            run_id=run_id,
            slots=self.slots,
            observer=witness,
            breakers=self._breakers(witness),
            **self.more,
        )
        seconds = time.monotonic() - begun
        happened = {path: count - before.get(path, 0) for path, count in effects.of(run.run_id).items()}
        kept = Ledger(FolderStore(self.folder / "ledger"), run.run_id)
        broken = [
            *invariants.ends_in_time(run, program.deadline_s),
            *invariants.no_leaf_is_lost(run, program),
            *invariants.order_is_kept(witness.seen, program),
            *invariants.limits_hold(witness.seen, program, self.slots),
            *invariants.plan_is_valid(program.source, program.registry),
            *invariants.breakers_are_legal(witness.seen),
            *([] if self.store_faults else invariants.one_probe_at_a_time(witness.seen)),
            *invariants.effects_happen_once(happened, program),
            *await invariants.ledger_agrees(run, kept, program, lost_answers=ledger is not None),
        ]
        return Disturbed(run, program, witness, faults, broken, seconds)

    def _settings(self) -> Settings:
        settings = Settings(home=self.folder / "home")
        run = settings.run.model_copy(update={"retry_delay_s": self.retry_delay_s})
        return settings.model_copy(update={"run": run})

    def _executor(self, agent: Executor, witness: Witness, faults: Faults) -> Any:
        usual = witness.around(ChaosExecutor(agent, faults))
        kinds = _HARMLESS if self.spare_effects else _ONCE
        careful = witness.around(ChaosExecutor(agent, faults, kinds=kinds))

        def executor(leaf: Leaf) -> Executor:
            return careful if leaf.side_effects else usual

        return executor

    def _breakers(self, witness: Witness) -> Breakers:
        store = None
        if self.store_faults is not None:
            store = ChaosStore(SqliteStore(self.folder / "resilience.sqlite"), self.store_faults)
        return Breakers(self.rules, store=store, listen=witness.record_change)


@contextmanager
def loopback_server() -> Iterator[None]:
    """Start a Prefect server, and have Prefect in this process use it, quietly."""
    import logging

    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"  # read when Prefect is imported
    logging.getLogger("genesis").setLevel(logging.CRITICAL)
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings

    from genesis.prefect_api.drain import drain

    with private_server() as server:
        url, home = server.environment["PREFECT_API_URL"], Path(server.environment["PREFECT_HOME"])
        password = server.environment["PREFECT_API_AUTH_STRING"]
        with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: password, PREFECT_HOME: home}):
            yield
            drain(url, lambda _: None)


@dataclass(frozen=True)
class _Setting:
    """One row of the table: how runs are disturbed."""

    name: str
    runs: int
    kinds: tuple[FaultKind, ...] = KINDS
    retry_delay_s: float = _RETRY_DELAY_S
    store: bool = False


def _settings_of(runs: int, *, quick: bool) -> list[_Setting]:
    fewer = max(2, runs // 10 if quick else runs // 5)
    return [
        _Setting("all kinds", runs),
        _Setting("all kinds, store too", fewer, store=True),
        _Setting("failures only", fewer, kinds=FAILING),
        _Setting("all kinds, default pauses", max(2, fewer // 3), retry_delay_s=1.0),
    ]


def faults_case(bench: Bench, *, runs: int, seed: int, quick: bool, share: float = 0.3) -> None:
    """Run the campaign: each disturbed run beside the same plan without faults, in turns."""
    import tempfile

    with loopback_server(), tempfile.TemporaryDirectory(prefix="genesis-faults-") as folder:
        asyncio.run(_pair(Path(folder) / "warm", _Setting("warm", 1), seed, share))
        for setting in _settings_of(runs, quick=quick):
            begun = time.monotonic()
            pairs = []
            for number in range(setting.runs):
                place = Path(folder) / setting.name.replace(" ", "-") / str(number)
                pairs.append(asyncio.run(_pair(place, setting, seed + number, share)))
                for found in pairs[-1]:
                    _print_result(setting, number, found)
            _report(bench, setting, pairs, time.monotonic() - begun)


async def _pair(folder: Path, setting: _Setting, seed: int, share: float) -> tuple[Disturbed, Disturbed]:
    """Run one plan without faults and with them; which comes first changes with the seed."""
    program = program_of(plan(seed), AGENTS)
    found: dict[bool, Disturbed] = {}
    for disturbed in (False, True) if seed % 2 else (True, False):
        part = share if disturbed else 0.0
        place = folder / ("faults" if disturbed else "none")
        place.mkdir(parents=True)
        store = Faults(seed, share=part, delay_s=_DELAY_S, hang_s=_DELAY_S) if setting.store else None
        faults = Faults(seed, share=part, kinds=setting.kinds, delay_s=_DELAY_S)
        scene = Scene(place, retry_delay_s=setting.retry_delay_s, store_faults=store)
        found[disturbed] = await scene.run(program, faults)
    return found[False], found[True]


def _print_result(setting: _Setting, number: int, found: Disturbed) -> None:
    failed = [f"{task.id}: {task.error.message}" for task in found.run.tasks if task.state == "failed" and task.error]
    if found.run.state != "completed" or found.broken:
        how = f"{setting.name}, seed {found.faults.seed}, share {found.faults.share:g}"
        told = f"{how}: run {number} is {found.run.state} {found.broken} {failed}"
        print(told[:600], file=sys.stderr, flush=True)


def _report(bench: Bench, setting: _Setting, pairs: list[tuple[Disturbed, Disturbed]], took_s: float) -> None:
    calm, found = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    calls = sum(len(each.witness.calls()) for each in found)
    leaves = sum(len(each.run.tasks) for each in found)
    ratios = [other.run.duration_s / one.run.duration_s for one, other in pairs]
    completed = sum(each.run.state == "completed" for each in found) / len(found)
    broken = sum(len(each.broken) for each in (*calm, *found))
    bench.add(
        faults=setting.name, runs=len(found), leaves=leaves, calls=calls,
        calls_with_fault=round(sum(len(each.faults.made) for each in found) / calls, 3),
        completed=round(completed, 4),
        degraded=round(sum(bool(each.repeated or each.moved) for each in found) / len(found), 4),
        invariants_broken=broken,
    )  # fmt: skip
    bench.add(
        faults_of=setting.name, leaves_repeated=round(sum(each.repeated for each in found) / leaves, 4),
        leaves_moved=round(sum(each.moved for each in found) / leaves, 4),
        calls_a_leaf=round(calls / leaves, 3), breakers_opened=sum(each.opened for each in found),
        calm_median_s=round(statistics.median(each.run.duration_s for each in calm), 3),
        median_s=round(statistics.median(each.run.duration_s for each in found), 3),
        ratio_median=round(statistics.median(ratios), 2), ratio_p95=round(percentile(ratios, 95), 2),
        took_s=round(took_s, 1),
    )  # fmt: skip
    bench.targets += [
        Target.at_least(f"part of runs that complete, {setting.name}", _COMPLETE, completed),
        Target.at_most(f"invariants broken, {setting.name}", 0, broken),
    ]
    if lost := sum(each.run.state != "completed" for each in calm):
        bench.targets.append(Target.at_most(f"runs without faults that do not complete, {setting.name}", 0, lost))
