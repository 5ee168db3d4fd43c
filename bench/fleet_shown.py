"""Whether the Prefect API has every task run of a run of thousands of leaves, as final, and how long that takes."""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

from bench.plans import layered_plan, registry
from bench.report import Bench, Target
from bench.stack import ROOT, Stack, private_stack, use

__all__ = ["measure_views"]

_PAGE = 200
_LONGEST_S = 1_500.0


def measure_views(bench: Bench, leaves: int, databases: tuple[bool, ...] = (True, False)) -> None:
    """Run a plan on this machine, on each database, and count what the API has of it."""
    for sqlite in databases:
        with private_stack(sqlite=sqlite) as stack:
            stack.write_agents(registry({"kind": "python", "call": "bench.noop:work"}))
            begun = time.monotonic()
            run = _run(stack, leaves)
            took_s = time.monotonic() - begun
            with use(stack):
                known, final = asyncio.run(_count(run["run_id"]))
            database = "PostgreSQL" if stack.database is not None else "SQLite"
        bench.add(
            shown=database, leaves=leaves, state=run["state"], run_s=round(run["duration_s"], 1),
            whole_s=round(took_s, 1), task_runs=known, final=final,
            said_missing=run.get("unshown", 0), load=round(os.getloadavg()[0], 2),
        )  # fmt: skip
        bench.targets.append(Target.at_least(f"task runs that are final in the API, {database}", leaves, final))


def _run(stack: Stack, leaves: int) -> dict[str, Any]:
    plan = stack.home / "plan.json"
    plan.write_text(json.dumps(layered_plan(leaves)), "utf-8")
    argv = [sys.executable, "-m", "genesis.cli", "run", str(plan), "--json"]
    environment = stack.environment | {"GENESIS_LIMITS__LEAVES": str(leaves)}
    done = subprocess.run(
        argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_LONGEST_S
    )
    if done.returncode:
        raise SystemExit(f"the run failed: {done.stdout[-500:]} {done.stderr[-1_000:]}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


async def _count(run_id: object) -> tuple[int, int]:
    """Count the task runs of the leaves that the API has, and those that are final."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterName,
        TaskRunFilter,
        TaskRunFilterFlowRunId,
    )
    from prefect.client.schemas.sorting import TaskRunSort

    async with get_client() as client:
        named = FlowRunFilter(name=FlowRunFilterName(like_=str(run_id)))
        (flow_run,) = await client.read_flow_runs(flow_run_filter=named)
        mine = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run.id]))
        found = []
        while len(page := await client.read_task_runs(
            task_run_filter=mine, sort=TaskRunSort.ID_DESC, limit=_PAGE, offset=len(found)
        )):  # fmt: skip
            found += page
    leaves = [each for each in found if " · " in each.name]
    return len(leaves), sum(each.state is not None and each.state.is_final() for each in leaves)
