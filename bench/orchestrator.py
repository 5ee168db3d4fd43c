"""One run of a plan, orchestrated by a fresh process as `genesis run PLAN --pools` does it, or without `--pools`.

    python -m bench.orchestrator PLAN [--rehearse SCALE] [--local]

`fleet` starts it and reads the one JSON document that it prints. The plan is a JSON document; agents, slots, limits and
fusing come by `GENESIS_` variables. The window is from the moment at which leaves may be dispatched to the last final
state; what lies before it (the flow run, the pre-flight) and after it (artifacts, Prefect's drain) is given apart.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.noop import peak_mb

if TYPE_CHECKING:
    from bench.stack import Stack
    from genesis.model import Outcome, Program, Run

__all__ = ["run_plan"]

_LONGEST_S = 1_800.0
_MARK = '{"orchestrator"'


class _Watch:
    """Notes when leaves may be dispatched, when the first starts, and when each ends."""

    def __init__(self) -> None:
        self.dispatch = self.first = self.last = time.perf_counter()
        self.cpu: list[float] = [_cpu_s()]
        self._started = False

    def run_started(self, program: Program, run: Run, finished: object) -> None:  # noqa: ARG002
        self.dispatch = time.perf_counter()
        self.cpu[0] = _cpu_s()

    def leaf_changed(self, outcome: Outcome) -> None:
        if outcome.state == "running":
            self.first = self.first if self._started else time.perf_counter()
            self._started = True
        else:
            self.last = time.perf_counter()
            self.cpu[1:] = [_cpu_s()]

    def leaf_diverted(self, leaf: object, kind: str, reason: str) -> None:
        """No leaf is put back here."""

    def run_ended(self, run: Run) -> None:
        """Nothing is left to note."""


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


async def _whole(plan: dict[str, Any], rehearse: float | None, watch: _Watch, *, pools: bool) -> dict[str, Any]:
    from genesis.flows.launch import Launch, start_run
    from genesis.pipeline import compile_prepared, prepare
    from genesis.planning import load_plan
    from genesis.routing import load_registry
    from genesis.settings import Settings

    settings = Settings()
    document = load_plan(plan, limits=settings.limits)
    registry = load_registry(settings.agents)
    program = compile_prepared(prepare(document, registry, settings=settings, keep=True), settings)
    said: list[str] = []
    begun = time.perf_counter()
    launch = Launch(settings, rehearse, watch, pools=pools, notify=said.append)
    run = await start_run(program, launch)
    ended = time.perf_counter()
    return {
        "orchestrator": run.run_id,
        "state": run.state,
        "leaves": len(run.tasks),
        "completed": sum(task.state == "completed" for task in run.tasks),
        "window_s": round(watch.last - watch.dispatch, 3),
        "first_started_s": round(watch.first - watch.dispatch, 3),
        "before_s": round(watch.dispatch - begun, 3),
        "after_s": round(ended - watch.last, 3),
        "window_cpu_s": round(watch.cpu[-1] - watch.cpu[0], 3),
        "flow_runs": await _children(run.run_id),
        "said": said[:5],
        "errors": sorted({f"{task.id}: {task.error.message}" for task in run.tasks if task.error})[:3],
    }


async def _children(run_id: str) -> int:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

    async with get_client() as client:
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"run:{run_id}"]))
        return await client.count_flow_runs(flow_run_filter=tagged)


def run_plan(
    stack: Stack, plan: Mapping[str, Any], *, rehearse: float | None = None, local: bool = False, **variables: str
) -> dict[str, Any]:
    """Run a plan in a fresh process and give what it measured.

    Args:
        stack: Where.
        plan: The plan document.
        rehearse: Scale of a rehearsal; None for real work.
        local: Run the leaves in that process, and not on the pools.
        variables: Environment variables besides the stack's.

    Raises:
        SystemExit: It failed, or not every leaf completed.
    """
    file = stack.home / "plan.json"
    file.write_text(json.dumps(plan), "utf-8")
    argv = [sys.executable, "-m", "bench.orchestrator", str(file)]
    argv += [] if rehearse is None else ["--rehearse", repr(rehearse)]
    argv += ["--local"] if local else []
    done = subprocess.run(
        argv, env=stack.environment | variables, cwd=Path(__file__).parent.parent, capture_output=True, text=True,
        timeout=_LONGEST_S, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    if done.returncode or not found or found["completed"] != found["leaves"]:
        raise SystemExit(f"{plan['request']!r} did not complete: {found}\n{done.stderr[-3_000:]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("--rehearse", type=float)
    parser.add_argument("--local", action="store_true")
    chosen = parser.parse_args()
    watch = _Watch()
    found = asyncio.run(
        _whole(json.loads(chosen.plan.read_text("utf-8")), chosen.rehearse, watch, pools=not chosen.local)
    )
    print(json.dumps(found | {"peak_mb": peak_mb()}), flush=True)


if __name__ == "__main__":
    main()
