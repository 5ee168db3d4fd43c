"""The flows that `prefect deploy` deploys: thin, since a worker imports them once and runs them often."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.context import FlowRunContext

from genesis.errors import RunError
from genesis.flows.agent_work import Order, measure_wait_s, work_on
from genesis.flows.deployed_run import check_asked, make_end_state, run_asked
from genesis.flows.retention import purge
from genesis.flows.run_request import RunRequest
from genesis.settings import Settings
from genesis.workers.engine import has_time_limit, never_suspended
from genesis.workers.logs import write_logs

__all__ = ["agent_task", "housekeeping", "orchestrate", "preflight"]


@flow(name="orchestrate", persist_result=False, log_prints=False)
async def orchestrate(
    *,
    request: str | None = None,
    plan: str | dict[str, Any] | None = None,
    vars: dict[str, str] | None = None,  # noqa: A002  # its name in the plan file and on the command line
    llm: str | None = None,
    budget: dict[str, float] | None = None,
    slots: int | None = None,
    correlation_id: str | None = None,
    tenant: str | None = None,
    params: dict[str, Any] | None = None,
) -> object:
    """Plan a request, or take a plan, check it, and run its tasks on the work pools of their agents.

    Retry resumes: tasks that are done are kept.

    Args:
        request: What is asked for, in a sentence or more. Give this or a plan.
        plan: A plan document, as a mapping or as YAML or JSON text. Files are not read.
        vars: Variables for the plan, such as path.
        llm: Model that plans and works (openai:…, anthropic:…), or off.
        budget: Hard limits on what the run may spend: usd, tokens.
        slots: Tasks at once over all agents; 16 if omitted.
        correlation_id: Id that ties this run to what asked for it; a new one if omitted.
        tenant: For whom it is: runs that wait are taken in turn by tenant.
        params: Values for the parameters that the plan declares.
    """
    asked = RunRequest(request, plan, vars or {}, llm, budget, slots, correlation_id, tenant, params or {})
    with write_logs("orchestrator"):
        return await run_asked(asked)


@flow(name="preflight", persist_result=False, log_prints=False)
async def preflight(
    *,
    request: str | None = None,
    plan: str | dict[str, Any] | None = None,
    vars: dict[str, str] | None = None,  # noqa: A002  # its name in the plan file and on the command line
    llm: str | None = None,
    budget: dict[str, float] | None = None,
    slots: int | None = None,
    params: dict[str, Any] | None = None,
) -> object:
    """Plan a request, or take a plan, and check it. Nothing runs; the report is an artifact.

    Args:
        request: What is asked for. Give this or a plan.
        plan: A plan document, as a mapping or as YAML or JSON text. Files are not read.
        vars: Variables for the plan.
        llm: Model that plans (openai:…, anthropic:…), or off.
        budget: Hard limits on what a run may spend: usd, tokens.
        slots: Tasks at once over all agents.
        params: Values for the parameters that the plan declares.
    """
    return await check_asked(RunRequest(request, plan, vars or {}, llm, budget, slots, None, params=params or {}))


@flow(name="agent_task", validate_parameters=False, persist_result=False, log_prints=False)
@never_suspended
async def agent_task(
    run_id: str,
    tasks: list[str],
    fingerprints: list[str],
    attempt: int = 1,
    *,
    agent: str | None = None,
    left_s: float | None = None,
    lane_s: float = 0.0,
) -> object:
    """Run some tasks of a run on this agent's pool. Orchestrators dispatch this; it is of no use by hand.

    Args:
        run_id: The run.
        tasks: Paths of the tasks, in the order in which they run.
        fingerprints: What each task was when it was dispatched.
        attempt: Number of the attempt, from 1.
        agent: Who takes them over from the agent that the plan has.
        left_s: Seconds that were left until the run's deadline when this was dispatched.
        lane_s: How long at most to wait for further tasks of the run, each time.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RunError("agent_task runs only as a separate flow run")
    flow_run = context.flow_run
    order = Order(
        run_id,
        tasks,
        fingerprints,
        attempt,
        str(flow_run.id),
        agent,
        left_s,
        pool=flow_run.work_pool_name,
        waited_s=measure_wait_s(flow_run),
        lane_s=0.0 if has_time_limit() else lane_s,
    )
    with write_logs("agent"):
        worked = await work_on(order, Settings())
        return make_end_state(worked.ended, worked.wanted, suspended=worked.suspended)


@flow(name="housekeeping", persist_result=False, log_prints=False)
async def housekeeping(keep_days: int = 30, dry_run: bool = True, flow_runs: bool = False) -> object:
    """Remove what runs left that ended long ago: ledgers, files of agents, cached results, old log files.

    The worker decides whether anything is removed, and from which age on: `GENESIS_WORKER__PURGE_MIN_DAYS`.

    Args:
        keep_days: What ended fewer days ago is kept.
        dry_run: Only say what would be removed.
        flow_runs: Remove Prefect's flow runs with the tag genesis, too.
    """
    return await purge(keep_days, dry_run=dry_run, flow_runs=flow_runs)
