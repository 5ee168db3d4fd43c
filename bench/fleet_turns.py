"""When runs of many tenants start: thirty runs of ten leaves, created together, each for a tenant of its own.

Two workers serve all pools. A run has started when the first of its leaves has, counted from the creation of the first
run. The second row has one tenant with thirty runs, and after them one run of another: in how far it waits for them.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import os
import statistics
import time
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from bench.plans import layered_plan, registry
from bench.report import Bench, Target
from bench.stack import private_stack, use

__all__ = ["turns"]

_LEAVES = 10
_LONGEST_S = 900.0
_POLL_S = 1.0
_PAGE = 200


def turns(bench: Bench, runs: int) -> None:
    """Measure both."""
    with private_stack() as stack:
        document = registry({"kind": "python", "call": "bench.noop:work"})
        pools = [pool.name for pool in stack.sync(document).pools]
        for number in (1, 2):
            stack.genesis_worker(f"worker-{number}", pools)
            stack.wait_for_workers(dict.fromkeys(pools, f"worker-{number}"))
        with use(stack):
            asyncio.run(_starts(["warm"]))
            each = asyncio.run(_starts([f"tenant-{number}" for number in range(runs)]))
            beside = asyncio.run(_starts(["big"] * runs + ["small"]))
    found = sorted(begun for _, begun, _ in each)
    ended = [end for _, _, end in each if end is not None]
    bench.add(
        tenants=runs, leaves_each=_LEAVES, completed=len(ended),
        first_start_s=round(found[0], 1), median_start_s=round(statistics.median(found), 1),
        last_start_s=round(found[-1], 1), last_end_s=round(max(ended, default=_LONGEST_S), 1),
        load=round(os.getloadavg()[0], 2),
    )  # fmt: skip
    small = next(begun for tenant, begun, _ in beside if tenant == "small")
    before = sum(1 for tenant, begun, _ in beside if tenant == "big" and begun < small)
    bench.add(
        runs_of_one_tenant=runs, started_before_the_other=before, other_start_s=round(small, 1),
        median_start_s=round(statistics.median(begun for _, begun, _ in beside), 1),
    )  # fmt: skip
    bench.targets.append(Target.at_least("runs of many tenants completed", runs, len(ended)))
    bench.targets.append(Target.at_most("runs of one tenant that start before one of another", runs / 2, before))


async def _starts(tenants: list[str]) -> list[tuple[str, float, float | None]]:
    """Return for each run its tenant, and the seconds until its first leaf started and until it had completed."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterParentFlowRunId

    async with get_client() as client:
        deployment = await client.read_deployment_by_name("orchestrate/default")
        made = {}
        for number, tenant in enumerate(tenants):
            parameters: dict[str, Any] = {"plan": layered_plan(_LEAVES, number), "tenant": tenant}
            flow_run = await client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
            made[flow_run.id] = (tenant, flow_run.created)
        begun: datetime = min(created for _, created in made.values() if created is not None)
        ends: dict[UUID, float | None] = {}
        until = time.monotonic() + _LONGEST_S
        while len(ends) < len(made) and time.monotonic() < until:
            await asyncio.sleep(_POLL_S)
            asked = FlowRunFilter(id=FlowRunFilterId(any_=sorted(made.keys() - ends.keys())))
            try:
                left = await client.read_flow_runs(flow_run_filter=asked, limit=_PAGE)
            except httpx.HTTPStatusError:  # the server is as busy as it can be
                continue
            for flow_run in left:
                state = flow_run.state
                if state is not None and state.is_final():
                    ends[flow_run.id] = (state.timestamp - begun).total_seconds() if state.is_completed() else None
        found = []
        for identity, (tenant, _) in made.items():
            mine = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[identity]))
            starts = [
                (child.start_time - begun).total_seconds()
                for child in await client.read_flow_runs(flow_run_filter=mine, limit=_PAGE)
                if child.start_time is not None and child.deployment_id is not None
            ]
            found.append((tenant, min(starts, default=_LONGEST_S), ends.get(identity)))
        return found
