"""What a durability scenario stands on: a private stack, workers, runs of Genesis, flow runs of stock Prefect."""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import httpx

from bench import durability_work as work
from bench.processes import Seen, family
from bench.stack import ROOT, Deployment, Stack, Worker, private_stack, use

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, State

__all__ = ["Command", "Found", "NotBegunError", "Stage", "StageRun", "stage", "until"]

_T = TypeVar("_T")
_POLL_S = 0.05
_LONGEST_S = 400.0
_PAGE = 200
_OPEN = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED")
_FINAL = ("Completed", "Cached", "Failed", "TimedOut", "Crashed", "Cancelled", "Lost")
_HOLDS = ("PENDING", "RUNNING", "CANCELLING")
_PROGRAM = str(Path(work.__file__).resolve())
_ROW = ("{database}", "{run}", "{leaf}", "{seconds}")


def _python(call: str) -> dict[str, str]:
    return {"kind": "python", "call": call}


AGENTS: dict[str, Any] = {
    "agents": [
        {
            "name": "step_agent",
            "task_types": ["step", "burn", "ignore", "noop", "call", "fork", "program"],
            "max_concurrency": 10,
            "sandbox": "off",  # the database of effects lies in a temporary folder
            "executor": _python("bench.durability_work:step"),
            "executors": {
                "burn": _python("bench.durability_work:burn"),
                "ignore": _python("bench.durability_work:ignore"),
                "noop": _python("bench.durability_work:noop"),
                "call": _python("bench.durability_flows:call_flow"),
                "fork": _python("bench.durability_loop:use_prefect"),
                "program": {"kind": "command", "argv": [sys.executable, "-S", "-E", _PROGRAM, *_ROW]},
            },
        },
        {
            "name": "single_agent",
            "task_types": ["single", "fail"],
            "max_concurrency": 1,
            "executor": _python("bench.durability_work:step"),
            "executors": {"fail": _python("bench.durability_work:fail_once")},
        },
    ]
}


class NotBegunError(Exception):
    """Leaves that a scenario waits for have not begun in time: what it looks at has not come to pass."""


@dataclass(frozen=True)
class Found:
    """What a scenario came to on one side."""

    right: bool | None
    """None where it was not run."""
    figure: str
    recovered_s: tuple[float, ...] = ()
    """From each kill until what was lost continued or was let go, where something was killed."""


def until(check: Callable[[], _T], seconds: float, *, pause_s: float = _POLL_S) -> _T:
    """Wait until something is true, at most so long; gives its last value."""
    end = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < end:
        time.sleep(pause_s)
    return found


class Command:
    """A command that runs, with its output in files."""

    def __init__(self, argv: Sequence[str], base: Path, environment: dict[str, str]):
        self.out, self.err = base.with_suffix(".out"), base.with_suffix(".err")
        self.began = time.monotonic()
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                argv, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip

    def wait(self, seconds: float = _LONGEST_S) -> int | None:
        """Wait for its end, and give its exit code; None where it does not end in time."""
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None

    def read_output(self) -> str:
        """Return the end of its standard error."""
        return self.err.read_text("utf-8", "replace")[-3_000:]

    def document(self, seconds: float = _LONGEST_S) -> dict[str, Any]:
        """Wait for its end, and read the document that it printed; an empty one where there is none."""
        if self.wait(seconds) is None:
            return {"state": f"hangs after {seconds:g} s"}
        out = self.out.read_text("utf-8")
        for text in (out, *out.strip().splitlines()[-1:]):
            with suppress(ValueError):
                found: dict[str, Any] = json.loads(text)
                return found
        return {"state": f"no document: {self.read_output()[-300:]}"}

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send its process a signal, and wait where that kills it."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)
        if number == signal.SIGKILL:
            self.process.wait()


class StageRun:
    """A run of Genesis, whoever orchestrates it.

    Args:
        stage: Where.
        name: Of its marks.
        command: What orchestrates it, where that is a command.
        flow_run: The flow run that orchestrates it, where a worker does.
    """

    def __init__(self, stage: Stage, name: str, command: Command | None = None, flow_run: UUID | None = None):
        self.stage = stage
        self.name = name
        self._command = command
        self._flow_run = flow_run
        self._folder: Path | None = None

    @property
    def command(self) -> Command:
        assert self._command is not None
        return self._command

    @property
    def ledger(self) -> Path | None:
        """Find its folder by its request; None before it has one."""
        for header in self.stage.storage.glob("*/run.json") if self._folder is None else ():
            if f'"{self.name}"' in header.read_text("utf-8")[:20_000]:
                self._folder = header.parent
        return self._folder

    @property
    def run_id(self) -> str:
        found = until(lambda: self.ledger, 60)
        return found.name if found else "?"

    def owner(self) -> dict[str, Any]:
        """Read which flow run orchestrates; empty before one does."""
        with suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((self.stage.storage / self.run_id / "owner.json").read_text("utf-8"))
            return found
        return {}

    @property
    def flow_run(self) -> UUID:
        return self._flow_run or UUID(until(self.owner, 60)["flow_run_id"])

    def wait_for_marks(self, count: int = 1, seconds: float = 240.0) -> list[work.Mark]:
        """Wait for `count` begins, and give those that there are.

        Raises:
            NotBegunError: There were fewer.
        """
        if not until(lambda: len(self.marks()) >= count, seconds):
            raise NotBegunError(f"{len(self.marks())} of {count} leaves began within {seconds:g} s")
        return self.marks()

    def marks(self, what: str = "begin") -> list[work.Mark]:
        return work.marks(self.stage.database, self.name, what)

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """Read the leaves' records in the ledger."""
        found = {}
        for file in (self.stage.storage / self.run_id / "leaves").glob("*.json"):
            with suppress(ValueError, OSError):
                outcome = json.loads(file.read_text("utf-8"))["outcome"]
                found[outcome["id"]] = outcome
        return found

    def state(self) -> str:
        """Read the state that the run saved itself."""
        with suppress(OSError, ValueError):
            return str(json.loads((self.stage.storage / self.run_id / "state.json").read_text("utf-8"))["state"])
        return "pending"

    def wait_for_end(self, seconds: float = _LONGEST_S) -> str:
        """Wait for its end, and give its state."""
        if self._command is not None:
            return str(self._command.document(seconds).get("state"))
        until(lambda: self.state() not in {"pending", "running"}, seconds)
        return self.state()


class Stage:
    """A stack with the pools of Genesis, and what scenarios do on it.

    Args:
        stack: The stack.
        folder: For plans, output and marks; it outlives what is killed.
        quick: Take the smaller sizes.
    """

    def __init__(self, stack: Stack, folder: Path, *, quick: bool):
        self.stack = stack
        self.folder = folder
        self.quick = quick
        self.database = str(folder / "marks.db")
        self.storage = Path(stack.environment["PREFECT_HOME"]) / "storage" / "genesis"
        self._http = httpx.Client(timeout=60, headers=stack.headers)
        self._commands: list[Command] = []
        self._pools: list[str] = []
        work.make(self.database)

    def size(self, full: int, quick: int) -> int:
        """Choose a size."""
        return quick if self.quick else full

    # What Genesis does

    @property
    def pools(self) -> list[str]:
        """Name the pools of Genesis; they are made when they are first asked for."""
        if not self._pools:
            self._pools = [pool.name for pool in self.stack.sync(AGENTS).pools]
        return self._pools

    def workers(self, count: int, **variables: str) -> list[Worker]:
        """Ensure that a number of workers serve all pools."""
        self.pools  # noqa: B018  # they have to be there
        living = [worker for worker in self.stack.workers if worker.process.poll() is None]
        new = [
            self.stack.genesis_worker(f"worker-{secrets.token_hex(3)}", self.pools, **variables)
            for _ in range(count - len(living))
        ]
        for worker in new:
            self.stack.wait_for_workers({self.pools[0]: worker.name})
        return living + new

    def worker_of(self, pid: int) -> Worker:
        """Find the worker that has started a process."""
        return next(
            worker for worker in self.stack.workers if any(one.pid == pid for one in family(worker.process.pid))
        )

    def leaf(self, run: str, name: str, kind: str = "step", seconds: float = 0.0, **more: Any) -> dict[str, Any]:
        """Write a task."""
        given = {"database": self.database, "run": run, "leaf": name, "seconds": seconds}
        inputs = {} if kind in {"noop", "call", "fork"} else given
        return {
            "id": name, "type": kind, "description": f"Do {name}", "inputs": inputs | more.pop("inputs", {}),
            "estimate": {"seconds": seconds}, **more,
        }  # fmt: skip

    def name(self, what: str) -> str:
        """Make a name that no other run has."""
        return f"{what}-{secrets.token_hex(3)}"

    def run(self, name: str, tasks: Iterable[dict[str, Any]], *words: str, **variables: str) -> StageRun:
        """Start `genesis run PLAN`, with these words behind it."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps({"version": 1, "request": name, "tasks": list(tasks)}), "utf-8")
        if not self._pools:
            self.stack.write_agents(AGENTS)
        return StageRun(self, name, self.genesis("run", str(file), *words, **variables))

    def deploy(self, name: str, tasks: Iterable[dict[str, Any]]) -> StageRun:
        """Start a run as a flow run of `orchestrate/default`."""
        parameters = {"plan": {"version": 1, "request": name, "tasks": list(tasks)}}
        return StageRun(self, name, flow_run=self.flow_run("orchestrate/default", **parameters).id)

    def genesis(self, *words: str, as_json: bool = True, **variables: str) -> Command:
        """Start a command of Genesis."""
        more = ["--json"] if as_json else []
        return self._command([sys.executable, "-m", "genesis.cli", *words, *more], variables)

    def _command(self, argv: Sequence[str], variables: dict[str, str]) -> Command:
        base = self.folder / f"command{len(self._commands)}"
        self._commands.append(Command(argv, base, self.stack.environment | variables))
        return self._commands[-1]

    # What stock Prefect does

    def script(self, name: str, *, wait_s: float = _LONGEST_S, **given: Any) -> dict[str, Any]:
        """Run a script of `bench.durability_flows`, and give its document."""
        return self.start(name, **given).document(wait_s)

    def start(self, name: str, **given: Any) -> Command:
        """Start a script of `bench.durability_flows`."""
        return self._command([sys.executable, "-m", "bench.durability_flows", name, json.dumps(given)], {})

    def stock(self, pool: str, *flows: str, limit: int | None = None, workers: int = 1) -> list[Worker]:
        """Deploy hand-written flows to a pool of type `process`, and serve it by Prefect's own workers."""
        self.stack.deploy(Deployment(flow, pool, f"bench.durability_flows.{flow}", pool) for flow in flows)

        async def limited(client: PrefectClient) -> None:
            from prefect.client.schemas.actions import WorkPoolUpdate

            await client.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=limit))

        self.ask(limited)
        return [self.stock_worker(pool) for _ in range(workers)]

    def stock_worker(self, pool: str) -> Worker:
        """Start one of Prefect's own workers and wait for it; it polls each second, to save time."""
        worker = self.stack.stock_worker(f"stock-{secrets.token_hex(3)}", pool, PREFECT_WORKER_QUERY_SECONDS="1")
        self.stack.wait_for_workers({pool: worker.name})
        return worker

    def stock_run(self, flow: str, pool: str, run: str, leaf: str, seconds: float, **more: Any) -> FlowRun:
        """Create a flow run of a hand-written flow that leaves marks."""
        name = f"{flow}/{pool}"
        return self.flow_run(name, database=self.database, run=run, leaf=leaf, seconds=seconds, **more)

    def enqueue(self, pool: str, queue: str, run: str, leaf: str, seconds: float) -> None:
        """Create a flow run of `step_flow` in a queue of its pool."""
        parameters = {"database": self.database, "run": run, "leaf": leaf, "seconds": seconds}

        async def create(client: PrefectClient) -> None:
            found = await client.read_deployment_by_name(f"step_flow/{pool}")
            await client.create_flow_run_from_deployment(found.id, parameters=parameters, work_queue_name=queue)

        self.ask(create)

    def limit_deployment(self, name: str) -> None:
        """Let one flow run of a deployment run at once, and cancel what comes meanwhile."""

        async def update(client: PrefectClient) -> None:
            found = await client.read_deployment_by_name(name)
            body = {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "CANCEL_NEW"}}
            await client.request("PATCH", f"/deployments/{found.id}", json=body)

        self.ask(update)

    # What both need

    def flow_run(self, deployment: str, **parameters: Any) -> FlowRun:
        """Create a flow run of a deployment."""

        async def create(client: PrefectClient) -> FlowRun:
            found = await client.read_deployment_by_name(deployment)
            return await client.create_flow_run_from_deployment(found.id, parameters=parameters)

        return self.ask(create)

    def ask(self, question: Callable[[PrefectClient], Awaitable[_T]]) -> _T:
        """Ask the API something."""

        async def make_request() -> _T:
            from prefect.client.orchestration import get_client

            async with get_client() as client:
                return await question(client)

        with use(self.stack):
            return asyncio.run(make_request())

    def api(self, path: str, **body: Any) -> Any:
        """Post to a path of the API, and give its answer."""
        answer = self._http.post(f"{self.stack.api_url}{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def state_of(self, flow_run: UUID) -> str:
        """Name a flow run's state."""
        answer = self._http.get(f"{self.stack.api_url}/flow_runs/{flow_run}")
        answer.raise_for_status()
        return str(answer.json()["state_name"])

    def is_final(self, flow_run: UUID) -> bool:
        """Whether a flow run has ended."""
        return self.state_of(flow_run) in _FINAL

    def set_state(self, flow_run: UUID, state: State[Any], *, force: bool = False) -> None:
        """Set a flow run's state."""
        self.ask(lambda client: client.set_flow_run_state(flow_run, state, force=force))

    def flow_runs(self, *types: str, run_id: str | None = None) -> list[dict[str, Any]]:
        """Read the flow runs in these states: all, or those that a run has dispatched."""
        wanted: dict[str, Any] = {"state": {"type": {"any_": list(types)}}} if types else {}
        if run_id is not None:
            wanted["tags"] = {"all_": [f"run:{run_id}"]}
        found: list[dict[str, Any]] = []
        while True:
            page = self.api("/flow_runs/filter", flow_runs=wanted, limit=_PAGE, offset=len(found))
            found += page
            if len(page) < _PAGE:
                return [one for one in found if not one["auto_scheduled"]]

    def list_unfinished(self) -> list[str]:
        """Name the flow runs that are not final."""
        return [f"{one['name']} is {one['state_name']}" for one in self.flow_runs(*_OPEN)]

    def holders(self) -> list[str]:
        """Name what holds a slot of a pool or of a limit."""
        limits = self.api("/v2/concurrency_limits/filter", limit=_PAGE)
        taken = [f"{one['name']} has {one['active_slots']} slots taken" for one in limits if one["active_slots"]]
        return taken + [f"{one['name']} is {one['state_name']}" for one in self.flow_runs(*_HOLDS)]

    def task_runs(self, flow_run: UUID, *types: str) -> int:
        """Count the task runs of a flow run that are tasks: a flow that it calls has one, too."""
        wanted: dict[str, Any] = {"subflow_runs": {"exists_": False}}
        wanted |= {"state": {"type": {"any_": list(types)}}} if types else {}
        return int(self.api("/task_runs/count", flow_runs={"id": {"any_": [str(flow_run)]}}, task_runs=wanted))

    def kill(self, worker: Worker) -> list[Seen]:
        """Kill a worker and all that it has started, as the loss of its host does."""
        left = family(worker.pid)
        for one in left:
            one.kill()
        worker.process.wait()
        return left

    def clear(self) -> None:
        """End what a scenario has left, so that the next one begins with an idle stack."""
        for command in self._commands:
            if command.process.poll() is None:
                for one in family(command.process.pid):
                    one.kill()
                command.process.wait()
        for worker in self.stack.workers:
            self.kill(worker)
        self.stack.workers.clear()
        for one in self.flow_runs(*_OPEN):
            self._http.delete(f"{self.stack.api_url}/flow_runs/{one['id']}")


@contextmanager
def stage(*, quick: bool, sqlite: bool = False) -> Iterator[Stage]:
    """Start a stack for scenarios."""
    with private_stack(sqlite=sqlite) as stack, tempfile.TemporaryDirectory(prefix="genesis-durability-") as folder:
        yield Stage(stack, Path(folder), quick=quick)
