"""One flow run that this worker has claimed, from then until its end is known to the API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, StateType, WorkPool
from pydantic import ValidationError

from genesis.agents.processes import exit_text
from genesis.errors import GenesisError, SecurityError
from genesis.observability.correlation import TRACE_LABEL
from genesis.observability.instruments import WORKER_REFUSALS
from genesis.observability.metrics import metrics_of_process
from genesis.observability.span import Value
from genesis.observability.tracing import span
from genesis.workers.child_pool import ChildPool
from genesis.workers.child_process import ASK_S, ChildGoneError, ChildProcess
from genesis.workers.claims import Claims, FlowRunJob
from genesis.workers.engine import StopCause
from genesis.workers.final_states import FinalStates
from genesis.workers.protocol import Message
from genesis.workers.run_correlation import correlation_of

__all__ = ["Execution", "StopKind", "StopReason"]

_log = logging.getLogger(__name__)
StopKind = Literal["cancelled", "ended elsewhere", "time limit", "worker stops"]
_WHY: dict[StopKind, StopCause] = {
    "cancelled": "cancelled",
    "ended elsewhere": "moved",
    "time limit": "crashed",
    "worker stops": "moved",
}
_HOOKS_S = 30.0
"""Time limit for the hooks of a flow whose process has died."""
_GAVE_WAY = exit_text(75 << 8)
"""How a process ends that finds its run taken over: `genesis.engine.run_lease.SUPERSEDED`."""
_ORCHESTRATOR_S = 60.0
"""How long a run that orchestrates may take to end what it has dispatched."""


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why a flow run is ended from here."""

    kind: StopKind
    text: str = ""


class Execution:
    """Runs one claimed flow run.

    Args:
        flow_run: The flow run, in the state of the claim.
        pool: Its pool.
        claims: Finds how it is to run.
        child_pool: Lends children.
        endings: Tells the API.
        threads_refused: Deployments that turned out not to be fit for a shared child; shared by all executions.
        notify: Is given a sentence when something is wrong that an operator should know.
    """

    def __init__(
        self,
        flow_run: FlowRun,
        pool: WorkPool,
        *,
        claims: Claims,
        child_pool: ChildPool,
        final_states: FinalStates,
        threads_refused: set[UUID],
        notify: Callable[[str], None],
    ):
        self.flow_run = flow_run
        self._pool = pool
        self._claims = claims
        self._child_pool = child_pool
        self._final_states = final_states
        self._threads_refused = threads_refused
        self._notify = notify
        self._reason: StopReason | None = None
        self._ending: asyncio.Task[str] | None = None
        self._child: ChildProcess | None = None
        self._trace: str | None = None
        self._patience_s = ASK_S
        self._over = False
        self.outcome = "lost"
        """How it ended, for the metrics: its state's type in small letters, or that its process was lost."""

    @property
    def child(self) -> ChildProcess | None:
        """What runs it."""
        return self._child

    def end(self, reason: StopReason) -> None:
        """End it. The first reason counts, except that a cancellation is always one."""
        if self._over or (self._reason is not None and self._reason.kind != "worker stops"):
            return
        self._reason = reason
        if self._child is not None and self._ending is None:
            ended = self._child.end_run(str(self.flow_run.id), _WHY[reason.kind], self._patience_s)
            self._ending = asyncio.create_task(ended)

    async def run(self) -> None:
        """Run it, and see that its end is known. What runs it becomes a part of what dispatched it, in the trace."""
        label = self.flow_run.labels.get(TRACE_LABEL)
        parent = label if isinstance(label, str) else None
        about: dict[str, Value | None] = {
            "messaging.destination.name": self._pool.name,
            "prefect.flow_run.id": str(self.flow_run.id),
            "genesis.correlation_id": correlation_of(self.flow_run),
        }
        with span("genesis.worker.run", about, kind="consumer", parent=parent) as made:
            self._trace = made.traceparent or parent
            await self._run()
            made.set("genesis.outcome", self.outcome)
            if self.outcome in {"failed", "crashed", "lost", "refused"}:
                made.mark_failed(self.outcome)

    async def _run(self) -> None:
        try:
            job = await self._claims.job(self.flow_run, self._pool)
        except (ValueError, ValidationError) as error:
            await self._final_states.report_crashed(self.flow_run, f"it cannot be run: {error}")
            return
        except SecurityError as error:
            await self._refuse(error)
            return
        try:
            report = await self._in_child(job)
        except ChildGoneError as gone:
            self._over = True
            if self._ending is not None:
                await self._ending
            await self._handle_lost_child(job, str(gone))
            return
        except GenesisError as error:
            self._over = True
            await self._handle_lost_child(job, str(error))
            return
        self._over = True
        self.outcome = str((report["state"] or {"type": "crashed"})["type"]).lower()
        await self._settle(job, report)

    async def _refuse(self, error: SecurityError) -> None:
        self.outcome = "refused"
        what = str(error.data["what"])
        metrics_of_process().count(WORKER_REFUSALS, self._pool.name, what)
        _log.warning(
            "a flow run was refused", extra={"event": "worker.refused", "flow_run": str(self.flow_run.id), "what": what}
        )
        self._notify(f"flow run {self.flow_run.name!r} is refused: {error}")
        await self._final_states.report_crashed(self.flow_run, f"{error.code}: {error}")

    async def _in_child(self, job: FlowRunJob) -> Message:
        shared = job.configuration.isolation == "thread" and self.flow_run.deployment_id not in self._threads_refused
        report = await self._in_one(job, shared=shared)
        if report["refused"] is None:
            return report
        self._notify(f"flow run {self.flow_run.name!r} gets its own process: {report['refused']}")
        if self.flow_run.deployment_id is not None:
            self._threads_refused.add(self.flow_run.deployment_id)
        return await self._in_one(job, shared=False)

    async def _in_one(self, job: FlowRunJob, *, shared: bool) -> Message:
        child = await self._child_pool.take(job.configuration, shared=shared)
        timer = None
        try:
            if self._reason is not None:  # it was cancelled before it had begun
                return _nothing(self.flow_run)
            self._child = child
            self._patience_s = _ORCHESTRATOR_S if job.orchestrates else ASK_S
            timer = self._limit(job.configuration.time_limit_s)
            return await child.run(self._message("run", job, shared=shared))
        finally:
            if timer is not None:
                timer.cancel()
            if self._ending is not None:
                await asyncio.wait({self._ending})
            self._child = None
            self._child_pool.release(child, job.configuration)

    def _limit(self, seconds: float | None) -> asyncio.TimerHandle | None:
        if seconds is None:
            return None
        reason = StopReason("time limit", f"it ran longer than its time limit of {seconds:g} s")
        return asyncio.get_running_loop().call_later(seconds, self.end, reason)

    def _message(
        self, operation: str, job: FlowRunJob, *, shared: bool = False, why: StopCause | None = None
    ) -> Message:
        folder = job.configuration.working_dir
        # A poll answers with flow runs that lack their pool, which events and metrics name.
        pool = {"work_pool_id": self._pool.id, "work_pool_name": self._pool.name}
        return {
            "op": operation,
            "id": str(self.flow_run.id),
            "flow_run": self.flow_run.model_copy(update=pool).model_dump(mode="json"),
            "deployment": job.deployment,
            "queue": job.queue,
            "entrypoint": job.entrypoint,
            "pulls": [*job.pulls],
            "shared": shared,
            "limited": job.configuration.time_limit_s is not None,
            "working_dir": None if folder is None else str(folder),
            "why": why,
            "trace": self._trace,
        }

    async def _settle(self, job: FlowRunJob, report: Message) -> None:
        """Handle the report of a run's child."""
        state = report["state"]
        if "aborted" in report or (state is not None and state["type"] != StateType.CANCELLING.value):
            return
        if self._reason is not None:
            await self._report_end(job, self._ending.result() if self._ending is not None else "it had not begun")
        elif report["error"] is not None:
            await self._final_states.report_crashed(self.flow_run, report["error"])

    async def _report_end(self, job: FlowRunJob, what: str) -> None:
        reason = self._reason
        if reason is None or reason.kind == "ended elsewhere":
            return
        if reason.kind == "cancelled":
            await self._final_states.report_cancelled(self.flow_run, what)
        elif reason.kind == "worker stops" and job.orchestrates:
            await self._final_states.retry_elsewhere(self.flow_run, reason.text)
        else:
            await self._final_states.report_crashed(self.flow_run, f"{reason.text}; {what}")

    async def _handle_lost_child(self, job: FlowRunJob, why: str) -> None:
        """Handle a run whose child is gone."""
        if why.endswith(_GAVE_WAY):
            return  # another process has the run and its flow run
        if self._reason is not None:
            what = self._ending.result() if self._ending is not None else why
            await self._report_end(job, what)
            if self._reason.kind in {"cancelled", "time limit"}:
                await self._hooks(job, _WHY[self._reason.kind])
            return
        if job.orchestrates:
            await self._final_states.retry_elsewhere(self.flow_run, why)
        elif await self._final_states.report_crashed(self.flow_run, why):
            await self._hooks(job, "crashed")

    async def _hooks(self, job: FlowRunJob, why: StopCause) -> None:
        """Have another child fire the user's hooks for an ending that the run's own child did not live to see."""
        try:
            child = await self._child_pool.take(job.configuration, shared=False)
        except GenesisError:
            return
        try:
            async with asyncio.timeout(_HOOKS_S):
                await child.run(self._message("hooks", job, why=why))
        except (TimeoutError, ChildGoneError):
            self._notify(f"the hooks of flow run {self.flow_run.name!r} did not end within {_HOOKS_S:g} s")
            await child.kill("its hooks did not end")
        finally:
            self._child_pool.release(child, job.configuration)


def _nothing(flow_run: FlowRun) -> Message:
    return {"op": "ended", "id": str(flow_run.id), "state": None, "error": None, "refused": None}
