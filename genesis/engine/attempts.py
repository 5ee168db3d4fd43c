"""One leaf, from ready to final: fill its inputs, let its agent work, write the ledger."""

from __future__ import annotations

import asyncio
import logging
import math
import time
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from pydantic import JsonValue

from genesis.agents.contract import Result, Work
from genesis.agents.deadline import RUN_IS_OVER, time_limit
from genesis.agents.output_values import find_mismatch
from genesis.agents.untrusted_inputs import NamedFolders
from genesis.engine.inputs import missing_outputs, resolve_env, resolve_inputs
from genesis.engine.observers.telemetry import agent_call
from genesis.engine.run_context import RunContext
from genesis.engine.working_folder import find_files, invent_outputs, keep_outputs, working_folder
from genesis.errors import BreakerOpenError, ForeignError, GenesisError, ResourceError, TaskError
from genesis.foreign import read_safely
from genesis.ledger import leaf_name
from genesis.ledger.cache import CachedResult, ResultCache, cache_key
from genesis.model import (
    KEPT,
    AgentProfile,
    Attempt,
    Cause,
    CommandSpec,
    ErrorInfo,
    ExecutorSpec,
    KeptFile,
    Leaf,
    Outcome,
    PluginSpec,
    PythonSpec,
    TaskState,
)
from genesis.model.agent import WITH_FOLDER
from genesis.model.run import add_attempts
from genesis.planning.proposal import PROPOSAL
from genesis.resilience.degradation import Degradation, describe_error, step_down
from genesis.resilience.guards import is_open
from genesis.resilience.quota import QuotaError
from genesis.resilience.retry import RetryBudget
from genesis.resilience.taxonomy import classify
from genesis.security.known_secrets import secrets_of_process
from genesis.security.redact import redact
from genesis.settings import Settings
from genesis.structure.provenance import find_sources

__all__ = ["LeafRun", "check_outputs", "error_info", "fault_info", "time_limit_s"]

_log = logging.getLogger(__name__)
_LONGEST_KEPT = 300
"""Characters of the error message of a failed attempt that the leaf's history keeps."""

_WORTH_NOTING_S = 1.0
"""Shorter waits for a quota are not logged."""


def time_limit_s(leaf: Leaf, settings: Settings) -> float:
    """Return how long an attempt at a leaf may take. One that always runs is not bound by the run's deadline."""
    return leaf.timeout_s or (settings.run.always_timeout_s if leaf.always else settings.run.timeout_s)


def error_info(error: BaseException) -> ErrorInfo:
    """Describe an exception as data, without secrets, with its category and what it came from."""
    known = secrets_of_process()()
    own = error if isinstance(error, GenesisError) else _own(error)
    shape = ForeignError.of(error).to_dict()
    causes = tuple(
        Cause(type=each["type"], message=redact(each["message"], known), code=each["code"], how=each["how"])
        for each in shape.get("causes", ())
    )
    meaning = classify(error)
    return ErrorInfo(
        code=own.code,
        message=redact(own.message, known),
        hint=redact(own.hint, known),
        category=meaning.category,
        causes=causes,
        retry_after_s=meaning.retry_after_s,
    )


def _own(error: BaseException) -> GenesisError:
    """Describe in our words what anyone's exception says: the machine's refusals have a code of their own."""
    said = ForeignError.of(error).message  # its own text is anyone's code, and can be very long
    if isinstance(error, TimeoutError):
        return TaskError(said or "it ran longer than its timeout", code="GEN-TASK-TIMEOUT")
    if ResourceError.is_meant_by(error):
        name = error.filename if isinstance(error, OSError) else None
        where = read_safely(lambda: f" ({name!r})", "") if name else ""
        return ResourceError.of(error, f"{type(error).__name__}{where}")
    return TaskError(f"{type(error).__name__}: {said}" if said else type(error).__name__)


def fault_info(error: BaseException, run_id: str) -> ErrorInfo:
    """Describe what ended a whole run: an error on purpose as it is, anything else as a fault of Genesis itself."""
    hint = f"finished tasks are kept: genesis resume {run_id}"
    info = error_info(error)
    if isinstance(error, GenesisError) or info.code.startswith(ResourceError.code):
        return info.model_copy(update={"hint": info.hint or hint})
    failed = f"Genesis itself failed: {describe_error(error)}"
    return info.model_copy(update={"code": "GEN-INTERNAL", "message": failed, "hint": hint})


async def check_outputs(leaf: Leaf, value: JsonValue, *, is_rehearsed: bool) -> None:
    """Check that a result has the promised outputs, and that they fit their schemas; what is rehearsed need not.

    Raises:
        TaskError: It does not.
    """
    if missing := missing_outputs(leaf, value):
        raise TaskError(
            f"task {leaf.path!r} promised {', '.join(map(repr, missing))}, which its result does not have",
            hint="return a mapping with the promised names, or take them out of `outputs`",
            code="GEN-TASK-OUTPUTS",
        )
    if not leaf.schemas or is_rehearsed:
        return
    mismatch = await asyncio.to_thread(find_mismatch, leaf.schemas, value)
    if mismatch is not None:
        raise TaskError(
            f"task {leaf.path!r} promised other values: {mismatch}",
            hint="correct what the agent returns, or the schema in `outputs`",
            code="GEN-TASK-OUTPUT-SCHEMA",
            data={"output": mismatch.output, "pointer": mismatch.pointer, "expected": mismatch.expected},
        )


class LeafRun:
    """The life of one leaf in one execution of a run. `work` may be called again for a repeat.

    Args:
        session: The run.
        leaf: The leaf.
        outcomes: Outcomes of the leaves that it comes after, by index.
        attempts: How many attempts were made before.
        history: Those of them that are known.
        repeats: What the run may spend on repeats inside an attempt.
    """

    def __init__(
        self,
        session: RunContext,
        leaf: Leaf,
        outcomes: Mapping[int, Outcome],
        *,
        attempts: int = 0,
        history: tuple[Attempt, ...] = (),
        repeats: RetryBudget | None = None,
    ):
        self.leaf = leaf
        self.limit_s = time_limit_s(leaf, session.settings)
        self._repeats = repeats
        self._until = 0.0
        self._session = session
        self._outcomes = outcomes
        self._traced: str | None = None
        """Where the last attempt is in the trace."""
        self._tries = 0
        """Attempts of this execution."""
        self._begun: datetime | None = None
        """When the attempt began that continues."""
        self._cost: tuple[Decimal | None, int] = (None, 0)
        """US dollars and tokens that this attempt has cost, as far as known."""
        self.outcome = Outcome(id=leaf.path, agent=leaf.agent, attempts=attempts, note=leaf.note, history=history)

    @property
    def _run_until(self) -> float:
        """The run's deadline, which does not bind a leaf that always runs."""
        return math.inf if self.leaf.always else self._session.until

    def start(self) -> Outcome:
        """Report that the leaf runs."""
        self.outcome = self.outcome.model_copy(update={"state": "running", "started_at": self._session.now()})
        return self.outcome

    async def work(self) -> Outcome:
        """Make one attempt. On success the outcome is in the ledger before this returns.

        Raises:
            BaseException: Whatever the attempt raised; its description is kept in `outcome`.
        """
        attempts = self.outcome.attempts
        self._begun = self._session.now()
        self._until = min(time.monotonic() + self.limit_s, self._run_until)
        self._tries += 1
        self._cost = (None, 0)
        self.outcome = self.outcome.model_copy(update={"attempts": attempts + 1})
        try:
            with agent_call(self._session, self.leaf, attempts + 1, again=self._traced) as made:
                self._traced = made.traceparent
                result, state = await self._result()
                made.set("genesis.task.state", state)
                return await self._finish(result, state)
        except (BreakerOpenError, QuotaError) as error:  # nothing was tried
            self.outcome = self.outcome.model_copy(update={"attempts": attempts, "error": error_info(error)})
            raise
        except Exception as error:
            self._count_answer(error)
            if getattr(error, "code", None) != RUN_IS_OVER:  # that is no failure of the leaf
                self.record_failure(error_info(error))
            if isinstance(error, MemoryError):  # keeping the error would keep all that was being made
                traceback.clear_frames(error.__traceback__)
            raise

    def _count_answer(self, error: Exception) -> None:
        """Count the tokens of a model's answer that cannot be used: they are in the data of its error."""
        tokens = error.data.get("tokens") if isinstance(error, GenesisError) else None
        if isinstance(tokens, int) and not self._cost[1]:
            rate = self._session.program.profile(self.leaf.agent).cost_for(self.leaf.type).usd_per_1k_tokens
            self._cost = (None if rate is None else rate * tokens / 1000, tokens)

    def record_failure(self, error: ErrorInfo) -> None:
        """Note what the attempt that continues has ended with."""
        begun, now, outcome = self._begun, self._session.now(), self.outcome
        tried = Attempt(
            number=outcome.attempts,
            agent=outcome.agent,
            started_at=begun or now,
            ended_at=now,
            code=error.code,
            message=error.message[:_LONGEST_KEPT],
            usd=self._cost[0],
            tokens=self._cost[1],
        )
        history = add_attempts(outcome.history, tried)
        self.outcome = outcome.model_copy(update={"error": error, "history": history})

    def repeat_refused(self, repeat: int) -> None:
        """Note that the run's budget refused a repeat that the leaf's `retries` allow; any thread may.

        Args:
            repeat: Which one, from 1.
        """
        leaf = self.leaf
        why = f"repeat {repeat} of {leaf.retries} was not made: too many tasks of this run fail at once"
        step_down(Degradation("execution", "a repeat", "none", f"{leaf.path}: {why}"))
        _log.warning("task %r: %s", leaf.path, why, extra={"event": "retry.refused", "task": leaf.path})
        error = self.outcome.error
        if error is not None:
            hint = "; ".join(filter(None, (error.hint, f"{why}; fix the cause, and resume")))
            error = error.model_copy(update={"hint": hint})
        note = "; ".join(filter(None, (self.outcome.note, why)))
        self.outcome = self.outcome.model_copy(update={"error": error, "note": note})

    async def end(self, state: TaskState, error: ErrorInfo | None = None) -> Outcome:
        """Make the leaf final without a result, and write that down; what is finished and written down stays so."""
        if self.outcome.state in KEPT:
            return self.outcome
        update = {"state": state, "ended_at": self._session.now(), "error": error or self.outcome.error}
        self.outcome = self.outcome.model_copy(update=update)
        self.outcome = await self._session.record(self.leaf, self.outcome)
        return self.outcome

    async def _result(self) -> tuple[Result, TaskState]:
        leaf, session = self.leaf, self._session
        leaves = session.program.leaves
        upstream = {
            source: await session.ledger.result(self._outcomes[source])
            for source in leaf.after
            if leaf.rule is None or self._has_result(source)
        }
        values, gathered = session.program.values, {source for source in upstream if leaves[source].gathers is not None}
        inputs = resolve_inputs(leaf, values, upstream, gathered)
        env = resolve_env(leaf, values, upstream, gathered) if leaf.env else {}
        by_path = {
            session.program.leaves[source].path: value
            for source, value in upstream.items()
            if self._outcomes[source].state != "briefed"
        }
        files = find_files(session, leaf, self._outcomes)
        if not ResultCache.serves(leaf):
            return await self._execute(inputs, env, by_path, files)
        cache = ResultCache(session.ledger)
        agent = session.program.profile(leaf.agent)
        spec = agent.executor_for(leaf.type, model=session.planner_model)
        does = spec.model_dump_json() + _folder_of(spec, session)
        key = await asyncio.to_thread(cache_key, leaf, does, inputs, by_path, files)
        found = await cache.get(leaf, key, session.now())
        if found is not None:
            self.outcome = self.outcome.model_copy(update={"files": found.files})
            return Result(value=found.result), "cached"
        result, state = await self._execute(inputs, env, by_path, files)
        if state == "completed":
            await cache.put(leaf, key, CachedResult(result.value, self.outcome.files), session.now())
        return result, state

    def _has_result(self, source: int) -> bool:
        """Whether a leaf before this one has a result; by the plan's rules this one may run all the same."""
        return source in self._outcomes and self._outcomes[source].state in KEPT

    async def _execute(
        self,
        inputs: dict[str, JsonValue],
        env: dict[str, str],
        upstream: dict[str, JsonValue],
        files: dict[str, KeptFile],
    ) -> tuple[Result, TaskState]:
        leaf, session = self.leaf, self._session
        folder = session.files / leaf_name(leaf)
        if not leaf.has_files:
            return await self._call_agent(inputs, env, upstream, folder)
        _require_folder(session, leaf)
        async with working_folder(session, leaf, files) as folder:
            result, state = await self._call_agent(inputs, env, upstream, folder)
            if state == "completed":
                is_rehearsed = _is_rehearsed(session, leaf)
                kept = await (invent_outputs(session, leaf) if is_rehearsed else keep_outputs(session, leaf, folder))
                self.outcome = self.outcome.model_copy(update={"files": kept})
        return result, state

    async def _call_agent(
        self, inputs: dict[str, JsonValue], env: dict[str, str], upstream: dict[str, JsonValue], folder: Path
    ) -> tuple[Result, TaskState]:
        leaf, session = self.leaf, self._session
        agent, source = session.program.profile(leaf.agent), session.program.source
        sources = find_sources(source, leaf.path, leaf.inputs, leaf.literal_inputs, leaf.sources)
        work = Work(
            run_id=session.run_id,
            correlation_id=session.correlation_id,
            request=session.program.request,
            path=leaf.path,
            type=leaf.type,
            description=leaf.description,
            inputs=inputs,
            outputs=leaf.outputs,
            agent=agent,
            attempt=self.outcome.attempts,
            seconds=leaf.seconds,
            timeout_s=self.limit_s,
            folder=folder,
            upstream=upstream,
            awaited=self._find_work_orders(),
            until=self._until,
            run_until=self._run_until,
            repeats=self._repeats,
            schemas=leaf.schemas,
            env=env,
            requirements=leaf.runs_in.venv.requirements if leaf.runs_in and leaf.runs_in.venv else (),
            has_files=leaf.has_files,
            sources=sources,
            named_folders=NamedFolders(source, (Path(), session.files)) if sources else None,
        )
        executor = session.executor(leaf)
        async with self._guard(agent), time_limit(work):
            result = await executor.execute(work)
        usd = (
            agent.cost_for(leaf.type).usd_per_task if result.usd is None and result.state == "completed" else result.usd
        )
        self._cost = (usd, result.tokens)
        if result.state == "completed":
            await check_outputs(leaf, result.value, is_rehearsed=_is_rehearsed(session, leaf))
        return result, result.state

    def _find_work_orders(self) -> dict[str, str]:
        """Name the leaves before this one that are with a person, with their work orders."""
        before = [self._outcomes[source] for source in self.leaf.after if source in self._outcomes]
        return {
            outcome.id: str(outcome.result.get("brief", "")) if isinstance(outcome.result, dict) else ""
            for outcome in before
            if outcome.state == "briefed"
        }

    @asynccontextmanager
    async def _guard(self, agent: AgentProfile) -> AsyncIterator[None]:
        """Wait for the agent's turn, then let the attempt through its breaker, which is not held while it waits.

        Raises:
            QuotaError: The turn comes only when the attempt's time is over.
            BreakerOpenError: The breaker is open.
        """
        breaker, quotas = self._session.breaker(agent.name), self._session.quotas
        scope = self._session.scopes.get(agent.name, "")
        refused = breaker is not None and await is_open(breaker)
        if quotas is not None and agent.rate is not None and not refused:
            left_s = self._until - time.monotonic()
            self._note_wait(await quotas.of_agent(agent.name, agent.rate, left_s=left_s, scope=scope))
        if breaker is None:
            yield
        else:
            async with breaker.guarding(again=self._tries > 1):
                yield

    def _note_wait(self, waited_s: float) -> None:
        if waited_s >= _WORTH_NOTING_S:
            said = f"waited {waited_s:.0f} s for a turn of {self.leaf.agent}"
            note = "; ".join(filter(None, (self.outcome.note, said)))
            self.outcome = self.outcome.model_copy(update={"note": note})

    def _normalize_result(self, value: JsonValue) -> JsonValue:
        """Return the result as it is kept: a task that asks for no subtasks has no results of subtasks."""
        expands = self._session.program.profile(self.leaf.agent).expands
        if expands and isinstance(value, dict) and value.get(PROPOSAL) == []:
            return {**value, PROPOSAL: {}}
        return value

    async def _finish(self, result: Result, state: TaskState) -> Outcome:
        usd, tokens = self._cost
        update = {
            "state": state,
            "ended_at": self._session.now(),
            "result": self._normalize_result(result.value),
            "error": None,
            "usd": usd,
            "tokens": tokens,
        }
        writing = asyncio.ensure_future(self._session.record(self.leaf, self.outcome.model_copy(update=update)))
        try:
            self.outcome = await asyncio.shield(writing)
        except asyncio.CancelledError:  # the work is done: a record that is being written is neither torn nor replaced
            self.outcome = await writing
            raise
        return self.outcome


def _is_rehearsed(session: RunContext, leaf: Leaf) -> bool:
    """Whether a timer does the leaf's work."""
    kind = session.program.profile(leaf.agent).executor_for(leaf.type, model=session.planner_model).kind
    return session.rehearse is not None or kind == "rehearsal"


def _require_folder(session: RunContext, leaf: Leaf) -> None:
    """Make sure that a leaf with files is done by who has a folder: an agent that takes over may have none.

    Raises:
        TaskError: It is not.
    """
    kind = session.program.profile(leaf.agent).executor_for(leaf.type, model=session.planner_model).kind
    if session.rehearse is None and kind not in WITH_FOLDER:
        raise TaskError(
            f"task {leaf.path!r} has files, and agent {leaf.agent!r} ({kind}) does not work in a folder",
            hint="route the task to an agent with a command or a function",
            code="GEN-TASK-FILE",
            data={"retry": False},
        )


def _folder_of(spec: ExecutorSpec, session: RunContext) -> str:
    """Return the folder in which a function or a program works, since it may read anything there by a relative name.

    On workers it is none: their folders differ from host to host, and mean nothing to the run.
    """
    if session.token is not None or not isinstance(spec, PythonSpec | CommandSpec | PluginSpec):
        return ""
    return str(Path.cwd() / (spec.cwd or "") if isinstance(spec, CommandSpec) else Path.cwd())
