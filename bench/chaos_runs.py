"""One disturbed run: start it, kill parts of the fleet at their moments, let it heal, and look at what is left."""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import effects
from bench.chaos_keys import WantedRun, keys_plan
from bench.processes import Seen, family, find_marked
from bench.stack import ROOT, Stack, Worker, use

__all__ = ["AGENTS", "ChaosCase", "ChaosFleet", "plan"]

_MARK = "BENCH_MARK"
_LIMIT = 3
_POLL_S = 0.03
_BEGIN_S = 90.0
"""How long the row after which something is killed may take."""
_HEAL_S = 240.0
_RESUMES = 3
_SLOTS_S = 30.0
_PROCESSES_S = 20.0
_AFTER_WORKER_S = 1.0
_FINISHED = ("completed", "cached", "briefed")
_PROGRAM = str(Path(effects.__file__).resolve())

AGENTS: dict[str, Any] = {
    "agents": [
        {
            "name": "function_agent",
            "task_types": ["function"],
            "max_concurrency": _LIMIT,
            "executor": {"kind": "python", "call": "bench.effects:happen"},
        },
        {
            "name": "program_agent",
            "task_types": ["program"],
            "sandbox": "off",  # the database of effects lies in a temporary folder
            "max_concurrency": _LIMIT,
            "executor": {
                "kind": "command",
                "argv": [sys.executable, "-S", "-E", _PROGRAM, "{database}", "{run}", "{leaf}", "{seconds}"],
            },
        },
    ]
}


@dataclass
class ChaosCase:
    """What became of a disturbed run."""

    run_id: str
    state: str
    kills: int
    """How many parts were killed while it continued."""
    resumed: int
    """How often it was resumed by hand."""
    recorded: int
    """Leaves whose record was there when the first part was killed."""
    healed_s: float
    """From the last kill to the run's end."""
    twice: int
    most_rows: int
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    left_running: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """How its end differs from what its rules say."""


def plan(name: str, database: str, rng: random.Random, leaves: int = 12) -> WantedRun:
    """Make a plan in layers of three: at most two upstream leaves each, a third of them with side effects."""
    tasks: list[dict[str, Any]] = []
    for number in range(leaves):
        layer = number // 3
        before = [task["id"] for task in tasks if int(task["id"][1:]) // 3 == layer - 1]
        seconds = round(rng.uniform(0.2, 0.5), 2)
        inputs = {"database": database, "run": name, "leaf": f"l{number}", "seconds": seconds}
        tasks.append(
            {
                "id": f"l{number}",
                "type": rng.choice(("function", "program")),
                "description": f"Leave row l{number}",
                "depends_on": sorted(rng.sample(before, min(len(before), rng.randint(1, 2)))),
                "inputs": inputs,
                "estimate": {"seconds": seconds},
                "side_effects": rng.random() < 1 / 3,
            }
        )
    document = {"version": 1, "request": f"Chaos {name}", "tasks": tasks}
    return WantedRun(document, "completed", dict.fromkeys((task["id"] for task in tasks), "completed"))


class ChaosFleet:
    """A stack with one worker, and the runs that are disturbed on it.

    Args:
        stack: The stack, its pools made.
        folder: For plans and the database of effects; it outlives what is killed.
        pools: All pools.
        seed: Of the plans.
    """

    def __init__(self, stack: Stack, folder: Path, pools: Sequence[str], seed: int):
        self.stack = stack
        self.folder = folder
        self._pools = list(pools)
        self._seed = seed
        self._database = str(folder / "effects.db")
        self._workers = 0
        self._worker: Worker | None = None
        self._repairs: list[threading.Thread] = []
        self.mark = secrets.token_hex(8)
        stack.environment[_MARK] = self.mark
        effects.make(self._database)

    def start_worker(self, *, wait: bool = True) -> None:
        """Start a worker that serves all pools."""
        self._workers += 1
        self._worker = self.stack.genesis_worker(f"worker{self._workers}", self._pools)
        if wait:
            self.stack.wait_for_workers(dict.fromkeys(self._pools, self._worker.name))

    def run(
        self,
        number: int,
        kill: Sequence[str],
        rows: Sequence[int],
        pauses_s: Sequence[float],
        down_s: float,
        *,
        keys: bool = False,
    ) -> ChaosCase:
        """Do one run, disturb it, and look at what is left.

        Args:
            number: Of the run; with the seed it gives the plan.
            kill: What to kill, one after the other.
            rows: After how many rows of the run.
            pauses_s: And how long after them.
            down_s: How long the server or the database stays away.
            keys: Whether its plan has rules, conditions, retries and a list from a result; every second one fails.
        """
        name = f"run{number}-{secrets.token_hex(3)}"
        rng = random.Random(self._seed * 100_003 + number)
        fails = number % 2 == 1
        wanted = keys_plan(name, self._database, rng, fails=fails) if keys else plan(name, self._database, rng)
        run: _Run = (_Deployed if kill[0].startswith("deployed") else _Local)(self, name, wanted)
        run.start()
        recorded, before, killed_at, kills = set[str](), time.time(), time.monotonic(), 0
        for part, count, pause_s in zip(kill, rows, pauses_s, strict=True):
            if not self._wait_for_rows(name, count, run):
                break
            time.sleep(pause_s)
            if not kills:
                recorded, before = run.find_recorded(), time.time()
            self._kill(part, run, down_s)
            killed_at, kills = time.monotonic(), kills + 1
        state = run.heal()
        healed_s = time.monotonic() - killed_at
        for repair in self._repairs:
            repair.join()
        self._repairs.clear()
        counts = effects.count_effects(self._database, name)
        return ChaosCase(
            run_id=run.run_id or "?",
            state=state,
            kills=kills,
            resumed=run.resumed,
            recorded=len(recorded),
            healed_s=healed_s,
            twice=sum(count > 1 for count in counts.values()),
            most_rows=max(counts.values(), default=0),
            lost=sorted(leaf for leaf in wanted.acting if not counts[leaf]),
            repeated=sorted(recorded & effects.since(self._database, name, before) - wanted.redone),
            leaked=self._leaked(),
            left_running=self._left_running(),
            errors=run.errors,
            wrong=[*run.find_wrong(state), *(f"{leaf} has a row" for leaf in sorted(counts.keys() - wanted.acting))],
        )

    def fill_pools(self) -> float:
        """Fill every agent's pool to its limit; gives the part of the pools that reach it."""
        name = f"fill-{secrets.token_hex(3)}"
        tasks = [
            {
                "id": f"{kind}{at}",
                "type": kind,
                "description": f"Fill a slot of {kind}",
                "inputs": {"database": self._database, "run": name, "leaf": f"{kind}{at}", "seconds": 6.0},
                "estimate": {"seconds": 6.0},
            }
            for kind in ("function", "program")
            for at in range(_LIMIT)
        ]
        document = {"version": 1, "request": "Fill the pools", "tasks": tasks}
        wanted = WantedRun(document, "completed", dict.fromkeys((task["id"] for task in tasks), "completed"))
        run = _Local(self, name, wanted)
        run.start()
        most: dict[str, int] = {}
        until = time.monotonic() + _BEGIN_S
        while not run.has_ended() and time.monotonic() < until:
            with use(self.stack):
                for pool, count in asyncio.run(_running(self._pools)).items():
                    most[pool] = max(most.get(pool, 0), count)
            time.sleep(10 * _POLL_S)
        run.heal()
        agents = [pool for pool in self._pools if pool.startswith("agent-")]
        return sum(most.get(pool, 0) == _LIMIT for pool in agents) / len(agents)

    def _wait_for_rows(self, name: str, count: int, run: _Run) -> bool:
        """Wait until a run has written a number of rows; return whether it is still running."""
        until = time.monotonic() + _BEGIN_S
        while time.monotonic() < until and not run.has_ended():
            if run.has_begun() and sum(effects.count_effects(self._database, name).values()) >= count:
                return True
            time.sleep(_POLL_S)
        return False

    def _kill(self, part: str, run: _Run, down_s: float) -> None:
        if part.endswith("orchestrator"):
            run.kill()
        elif part == "worker":
            assert self._worker is not None
            self._worker.kill()
            self._later(_AFTER_WORKER_S, lambda: self.start_worker(wait=False))
        elif part == "server":
            self.stack.kill_server()
            self._later(down_s, self.stack.start_server)
        else:
            assert self.stack.database is not None
            self.stack.database.kill()
            self.stack.database.start() if down_s <= 0 else self._later(down_s, self.stack.database.start)

    def _later(self, pause_s: float, repair: Callable[[], object]) -> None:
        def wait() -> None:
            time.sleep(pause_s)
            repair()

        thread = threading.Thread(target=wait)
        thread.start()
        self._repairs.append(thread)

    def _leaked(self) -> list[str]:
        """Name what holds a slot although nothing runs any more."""
        until = time.monotonic() + _SLOTS_S
        while True:
            with use(self.stack):
                held = asyncio.run(_holders(self._pools))
            if not held or time.monotonic() >= until:
                return held
            time.sleep(1.0)

    def _left_running(self) -> list[str]:
        """Name the processes that were started for a run, besides the workers that live and what they keep warm."""
        until = time.monotonic() + _PROCESSES_S
        while True:
            left = self._strangers()
            if not left or time.monotonic() >= until:
                return [f"{one.pid} {one.command[:120]}" for one in left]
            time.sleep(0.5)

    def _strangers(self) -> list[Seen]:
        known = {os.getpid()}
        if self._worker is not None:
            known |= {one.pid for one in family(self._worker.pid)}
        known |= {one.pid for one in family(self.stack.server_pid)}
        found = {one.pid: one for one in find_marked(f"{_MARK}={self.mark}")}
        busy = [one for one in found.values() if _PROGRAM in one.command]
        return [*busy, *(one for one in found.values() if one.pid not in known and one not in busy)]


class _Run:
    """A run that may be disturbed."""

    def __init__(self, fleet: ChaosFleet, name: str, wanted: WantedRun):
        self.fleet = fleet
        self.name = name
        self.wanted = wanted
        self.document = wanted.document
        self.run_id: str | None = None
        self.errors: list[str] = []
        self.resumed = 0
        self._commands = 0

    def start(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError

    def has_ended(self) -> bool:
        raise NotImplementedError

    def heal(self) -> str:
        """Wait for the end, resuming what ended short of it; gives the state."""
        raise NotImplementedError

    @property
    def ledger(self) -> Path | None:
        found = sorted(self._storage().glob("*/run.json"))
        for header in found if self.run_id is None else ():
            if json.dumps(self.document["request"])[1:-1] in header.read_text("utf-8"):
                self.run_id = header.parent.name
        return self._storage() / self.run_id if self.run_id else None

    def has_begun(self) -> bool:
        """Whether it orchestrates: the ledger names it as the owner."""
        return self.ledger is not None and (self.ledger / "owner.json").exists()

    def find_recorded(self) -> set[str]:
        """Name the leaves whose finished record is in the ledger."""
        found = set()
        for file in (self.ledger / "leaves").glob("*.json") if self.ledger else ():
            with suppress(ValueError, OSError):
                outcome = json.loads(file.read_text("utf-8"))["outcome"]
                if outcome["state"] in _FINISHED:
                    found.add(outcome["id"])
        return found

    def resume_until_done(self, state: str) -> str:
        """Resume it by hand as often as it ends short of its end."""
        while self.find_wrong(state) and self.resumed < _RESUMES:
            state = self.read_end(self.resume())
        return state

    def find_wrong(self, state: str) -> list[str]:
        """Say how its end differs from the expected one."""
        if state != self.wanted.state:
            return [f"the run is {state} and not {self.wanted.state}"]
        shown = self.command("runs", "show", self.run_id or "?")
        shown.wait(_HEAL_S)
        tasks = json.loads(self._out.read_text("utf-8"))["tasks"]
        ends = {task["id"]: "completed" if task["state"] in _FINISHED else task["state"] for task in tasks}
        wanted = self.wanted.states
        return [
            f"{path} is {ends.get(path)} and not {wanted.get(path)}"
            for path in sorted(wanted.keys() | ends.keys())
            if ends.get(path) != wanted.get(path)
        ]

    def resume(self) -> subprocess.Popen[bytes]:
        """Begin to resume it by hand."""
        self.resumed += 1
        return self.command("resume", self.run_id or "?")

    def command(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command of Genesis; its output is kept in files."""
        self._commands += 1
        base = self.fleet.folder / f"{self.name}-{self._commands}"
        self._out, self._err = base.with_suffix(".out"), base.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            return subprocess.Popen(
                [sys.executable, "-m", "genesis.cli", *words, "--json"],
                env=self.fleet.stack.environment, cwd=ROOT, stdout=out, stderr=err,
            )  # fmt: skip

    def read_end(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for a command, and give the state of the run that it prints."""
        try:
            process.wait(_HEAL_S)
        except subprocess.TimeoutExpired:
            self.errors.append(f"it did not end within {_HEAL_S:g} s")
            process.kill()
            process.wait()
            return "hangs"
        return self._state_of(self._out.read_text("utf-8"), self._err.read_text("utf-8"))

    def _state_of(self, out: str, err: str) -> str:
        try:
            document = json.loads(out)
        except ValueError:
            self.errors.append(f"no document: {out[-200:]} {err[-500:]}")
            return "no document"
        if "error" in document and document.get("state") is None:
            self.errors.append(document["error"]["message"][:300])
            return "error"
        self.errors += [
            f"{task['id']}: {task['error']['code']} {task['error']['message'][:160]}"
            for task in document["tasks"]
            if task["state"] == "failed" and task.get("error")
        ]
        if document["state"] != "completed" and document.get("error"):
            self.errors.append(f"{document['error']['code']} {document['error']['message'][:160]}")
        return str(document["state"])

    def _storage(self) -> Path:
        return Path(self.fleet.stack.environment["PREFECT_HOME"]) / "storage" / "genesis"


class _Local(_Run):
    """A run that `genesis run --pools` orchestrates."""

    def start(self) -> None:
        file = self.fleet.folder / f"{self.name}.json"
        file.write_text(json.dumps(self.document), "utf-8")
        self._process = self.command("run", str(file), "--pools")

    def kill(self) -> None:
        """Kill what orchestrates, and resume at once, as a person would who sees it."""
        self._process.kill()
        self._process.wait()
        self._process = self.resume()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def heal(self) -> str:
        state = self.read_end(self._process)
        if self.ledger is None:
            return f"never began: {state}"
        return self.resume_until_done(state)


class _Deployed(_Run):
    """A run that a worker orchestrates, as a flow run of `orchestrate/default`."""

    def start(self) -> None:
        with use(self.fleet.stack):
            self._flow_run, self.run_id = asyncio.run(_orchestrate(self.document))

    def kill(self) -> None:
        """Kill the process that says in the ledger that it orchestrates."""
        assert self.ledger is not None
        owner = json.loads((self.ledger / "owner.json").read_text("utf-8"))
        with suppress(ProcessLookupError):
            os.kill(owner["pid"], signal.SIGKILL)

    def has_ended(self) -> bool:
        return self._state() in {"completed", "failed", "cancelled"}

    def _state(self) -> str:
        """Read the state that the run saved itself."""
        try:
            state = json.loads((self._storage() / (self.run_id or "") / "state.json").read_text("utf-8"))["state"]
        except (OSError, ValueError):
            return "pending"
        return str(state)

    def heal(self) -> str:
        until = time.monotonic() + _HEAL_S
        while not self.has_ended() and time.monotonic() < until:
            time.sleep(10 * _POLL_S)
        if not self.has_ended():
            with use(self.fleet.stack):
                self.errors.append(f"it was not taken over: {asyncio.run(_read_lines(self._flow_run))}")
        return self.resume_until_done(self._state())


async def _orchestrate(document: dict[str, Any]) -> tuple[str, str]:
    """Create the flow run; gives its id and the run's."""
    from prefect.client.orchestration import get_client

    from genesis.flows.deployed_run import run_id_of

    async with get_client() as client:
        deployment = await client.read_deployment_by_name("orchestrate/default")
        flow_run = await client.create_flow_run_from_deployment(deployment.id, parameters={"plan": document})
    return str(flow_run.id), run_id_of(flow_run)


async def _read_lines(flow_run_id: str) -> list[str]:
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        states = await client.read_flow_run_states(flow_run_id)  # type: ignore[arg-type]  # it takes text as well
    return [f"{state.name}: {state.message}"[:120] for state in states][-6:]


async def _holders(pools: Sequence[str]) -> list[str]:
    """Name unfinished flow runs of all pools, and limits of which slots are taken."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        WorkPoolFilter,
        WorkPoolFilterName,
    )
    from prefect.client.schemas.objects import StateType

    open_states = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    unfinished = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=open_states)))
    here = WorkPoolFilter(name=WorkPoolFilterName(any_=list(pools)))
    try:
        async with get_client() as client:
            flow_runs = await client.read_flow_runs(flow_run_filter=unfinished, work_pool_filter=here)
            limits = await client.read_global_concurrency_limits(limit=200, offset=0)
    except Exception as error:  # noqa: BLE001  # the server may be coming back; it is asked again
        return [f"the server does not say: {error!r}"]
    scheduled = [run for run in flow_runs if not run.auto_scheduled]
    return [f"{run.name} is {run.state_name}" for run in scheduled] + [
        f"{limit.name} has {limit.active_slots} slots taken" for limit in limits if limit.active_slots
    ]


async def _running(pools: Sequence[str]) -> dict[str, int]:
    """Count the flow runs that run on each pool."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        WorkPoolFilter,
        WorkPoolFilterName,
    )
    from prefect.client.schemas.objects import StateType

    running = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])))
    async with get_client() as client:
        return {
            pool: await client.count_flow_runs(
                flow_run_filter=running, work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
            )
            for pool in pools
        }
