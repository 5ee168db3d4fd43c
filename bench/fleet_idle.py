"""What an idle fleet costs the Prefect server: processor time with one and with two workers that have nothing to do.

Nine pools, no flow run. A server does some work of its own, which is measured first and taken off.
"""

from __future__ import annotations

import os
import time
from typing import Any

from bench.plans import registry
from bench.processes import family_cpu_s
from bench.report import Bench, Target
from bench.stack import Stack, private_stack

__all__ = ["idle"]

_SETTLE_S = 10.0
_AGENTS = 8


def idle(bench: Bench, window_s: float) -> None:
    """Measure on both databases."""
    for sqlite in (True, False):
        with private_stack(sqlite=sqlite) as stack:
            database = "PostgreSQL" if stack.database is not None else "SQLite"
            pools = [pool.name for pool in stack.sync(_registry()).pools]
            alone = _share(stack, window_s)
            for workers in (1, 2):
                name = f"worker-{workers}"
                stack.genesis_worker(name, pools)
                stack.wait_for_workers(dict.fromkeys(pools, name))
                share = _share(stack, window_s)
                cost = {part: share[part] - alone[part] for part in alone}
                bench.add(
                    idle=database, pools=len(pools), workers=workers,
                    server_alone=round(100 * alone["server"], 2),
                    server_more=round(100 * cost["server"], 2),
                    database_more=round(100 * cost.get("database", 0.0), 2),
                    load=round(os.getloadavg()[0], 2),
                )  # fmt: skip
                if workers == 1:
                    what = f"% of a core for an idle worker on nine pools, {database}"
                    bench.targets.append(Target.at_most(what, 3.0, 100 * cost["server"]))


def _registry() -> dict[str, Any]:
    """Make a registry of eight agents, which with the orchestrators' pool makes nine pools."""
    document = registry({"kind": "python", "call": "bench.noop:work"})
    first = document["agents"][0]
    more = [first | {"name": f"more_{number}_agent", "task_types": [f"more_{number}"]} for number in range(_AGENTS)]
    return {"agents": (document["agents"] + more)[:_AGENTS]}


def _share(stack: Stack, window_s: float) -> dict[str, float]:
    """Return the share of a core that server and database take, once they are calm."""
    time.sleep(_SETTLE_S)
    before, begun = _parts(stack), time.monotonic()
    time.sleep(window_s)
    took_s = time.monotonic() - begun
    return {part: (seconds - before[part]) / took_s for part, seconds in _parts(stack).items()}


def _parts(stack: Stack) -> dict[str, float]:
    found = {"server": family_cpu_s(stack.server_pid)}
    if stack.database is not None and stack.database.pid is not None:
        found["database"] = family_cpu_s(stack.database.pid)
    return found
