"""Tasks with `wait_for`: they wait for an event, the end of another run or a moment, without an agent and a slot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventOrder, EventResourceFilter
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from pydantic import JsonValue

from genesis.agents.output_values import example_outputs
from genesis.engine.attempts import check_outputs, error_info
from genesis.engine.copies import read_references
from genesis.engine.limits import WAIT_POLL_S, WAITS_A_POLL
from genesis.engine.run_context import RunContext
from genesis.errors import ServiceError, TaskError
from genesis.ledger.history import open_ledger
from genesis.ledger.store import is_run_id
from genesis.model import Leaf, Outcome, RunState
from genesis.model.wait_for import LONGEST_WAIT_S, parse_time
from genesis.prefect_api.client import ApiUnavailable, PrefectClient, connect
from genesis.prefect_api.errors import service_errors
from genesis.structure import as_json_text, describe_wait, fill

__all__ = ["Waits"]

_log = logging.getLogger(__name__)
_LONGEST_SLEEP_S = 60.0
"""The clock is read again after it: it may have been set, or the machine may have slept."""
_AHEAD = timedelta(days=1)
"""How far another machine's clock may be ahead whose event is found."""
_OPEN: frozenset[RunState] = frozenset({"pending", "running", "awaiting_approval", "briefed"})
"""States of a run that continues, by itself or once people have delivered."""

_Found = dict[str, JsonValue]
_T = TypeVar("_T")


class Waits:
    """Waits for what the tasks of one run wait for. Their questions are asked one after the other.

    Args:
        session: The run.
        sleep: How to wait for seconds.
    """

    def __init__(self, session: RunContext, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._session = session
        self._sleep = sleep
        self._one_at_a_time = asyncio.Lock()
        self._polling = 0
        """How many tasks are waiting for an event or a run."""
        self._unanswered: str = ""
        """Why the API did not answer the last question; empty where it did."""

    async def wait(self, leaf: Leaf, outcomes: Mapping[int, Outcome]) -> Outcome:
        """Wait until a leaf's wait is over. It began when the first execution of the run came to it.

        Args:
            leaf: The leaf, all before which has ended.
            outcomes: Those of the leaves that it comes after, by index.

        Returns:
            The leaf's end, which is in the ledger.

        Raises:
            GenesisError: The ledger cannot be read or written.
        """
        session = self._session
        began = await session.ledger.begin_wait(leaf, session.now())
        outcome = Outcome(id=leaf.path, agent=leaf.agent, state="running", started_at=began)
        session.observer.leaf_changed(outcome)
        update: dict[str, object]
        try:
            result = await self._find(leaf, outcomes, began)
            await check_outputs(leaf, result, is_rehearsed=session.rehearse is not None)
            update = {"state": "completed", "result": result}
        except TaskError as error:
            update = {"state": "failed", "error": error_info(error)}
        return await session.record(leaf, outcome.model_copy(update={**update, "ended_at": session.now()}))

    async def _find(self, leaf: Leaf, outcomes: Mapping[int, Outcome], began: datetime) -> _Found:
        """Wait, and return what came; a rehearsal does not wait."""
        if self._session.rehearse is not None:
            return example_outputs(leaf.outputs, leaf.schemas, leaf.path)
        known = await read_references(self._session, leaf, outcomes)
        written = describe_wait(leaf.wait_for) if leaf.wait_for is not None else {}
        wanted = {name: fill(value, known.is_known, known.lookup) for name, value in written.items()}
        if "run" in wanted:
            run = as_json_text(wanted["run"]).strip()
            return await self._poll(leaf, partial(self._look_for_run, leaf, run), f"run {run!r}", began)
        if "event" not in wanted:
            return await self._wait_until(leaf, wanted.get("time"), began)
        event, labels = as_json_text(wanted["event"]), wanted.get("resource")
        resource = {name: as_json_text(value) for name, value in labels.items()} if isinstance(labels, dict) else {}
        return await self._poll(leaf, partial(self._look_for_event, event, resource, began), f"event {event!r}", began)

    async def _wait_until(self, leaf: Leaf, value: JsonValue, began: datetime) -> _Found:
        """Wait for a moment. One that is later than the leaf's limit is an error at once."""
        try:
            parsed = parse_time(value)
        except ValueError as error:
            raise TaskError(f"`wait_for` of task {leaf.path!r}: {error}", code="GEN-WAIT-TIME") from error
        moment = parsed if isinstance(parsed, datetime) else began + timedelta(seconds=parsed)
        if (moment - began).total_seconds() > (leaf.timeout_s or LONGEST_WAIT_S):
            raise TaskError(
                f"task {leaf.path!r} waits until {moment.isoformat()}, which is later than its limit",
                hint="raise its timeout_s" if leaf.timeout_s else "a task waits for a moment for at most a year",
                code="GEN-WAIT-TIMEOUT",
            )
        while (left_s := (moment - self._session.now()).total_seconds()) > 0:
            await self._sleep(min(left_s, _LONGEST_SLEEP_S))
        return {"time": moment.astimezone(UTC).isoformat()}

    async def _poll(
        self, leaf: Leaf, look: Callable[[], Awaitable[_Found | None]], name: str, began: datetime
    ) -> _Found:
        """Look again and again; the more leaves wait, the longer is the pause.

        Raises:
            TaskError: The leaf's limit is over.
        """
        limit_s = min(leaf.timeout_s or LONGEST_WAIT_S, LONGEST_WAIT_S)
        until = began + timedelta(seconds=limit_s)
        self._polling += 1
        try:
            while True:
                async with self._one_at_a_time:
                    found = await look()
                if found is not None:
                    return found
                left_s = (until - self._session.now()).total_seconds()
                if left_s <= 0:
                    raise self._timeout(leaf, name, limit_s)
                await self._sleep(min(left_s, WAIT_POLL_S * max(1.0, self._polling / WAITS_A_POLL)))
        finally:
            self._polling -= 1

    def _timeout(self, leaf: Leaf, name: str, limit_s: float) -> TaskError:
        unanswered = f"; the Prefect API does not answer: {self._unanswered}" if self._unanswered else ""
        return TaskError(
            f"task {leaf.path!r} has waited {limit_s:g} s for {name}{unanswered}",
            hint="resume the run to wait as long again, or raise the task's timeout_s",
            code="GEN-WAIT-TIMEOUT",
        )

    async def _look_for_event(self, event: str, resource: dict[str, str], began: datetime) -> _Found | None:
        """Look for the first event since a leaf began to wait, whenever it was sent."""
        asked = EventFilter(
            occurred=EventOccurredFilter(since=began, until=self._session.now() + _AHEAD),
            event=EventNameFilter(name=[event]),
            resource=EventResourceFilter(labels=ResourceSpecification(root={**resource})) if resource else None,
            order=EventOrder.ASC,
        )

        async def read(client: PrefectClient) -> _Found | None:
            page = await client.read_events(asked, limit=1)
            if not page.events:
                return None
            first = page.events[0].model_dump(mode="json")
            return {key: first[key] for key in ("id", "event", "occurred", "resource", "payload")}

        return await self._ask(read)

    async def _look_for_run(self, leaf: Leaf, run: str) -> _Found | None:
        """Look whether a run has ended.

        Raises:
            TaskError: There is no such run, it is this one, or it has ended in another way than the task waits for.
        """
        if run == self._session.run_id:
            raise _run_error(leaf, "waits for its own run, which cannot end before it", "name another run")
        found = await self._read_run(run) or await self._read_flow_run(leaf, run)
        if found is None or found["state"] in _OPEN or found["state"] == "":
            return None
        if found["state"] != "completed" and leaf.wait_for is not None and leaf.wait_for.ends == "completed":
            said = f"waits for run {run!r} to complete, and that has ended {found['state']}"
            raise _run_error(leaf, said, "resume or start that run, then this one; or set `ends: any`")
        return found

    async def _read_run(self, run: str) -> _Found | None:
        """Read the state of a run of Genesis from its ledger; None where there is none of this id."""
        session = self._session
        ledger = open_ledger(session.ledger.store, run, session.settings) if is_run_id(run) else None
        if ledger is None or not await ledger.exists():
            return None
        state = await ledger.load()
        return {"id": run, "state": state.state if state is not None else "pending"}

    async def _read_flow_run(self, leaf: Leaf, run: str) -> _Found | None:
        """Read the state of a flow run; None where the API does not answer.

        Raises:
            TaskError: There is none.
        """
        try:
            identity = UUID(run)
        except ValueError:
            identity = None

        async def read(client: PrefectClient) -> FlowRun | None:
            try:
                return await client.read_flow_run(identity) if identity is not None else None
            except ObjectNotFound:
                return None

        flow_run = await self._ask(read) if identity is not None else None
        if flow_run is not None:
            state = flow_run.state
            return {"id": run, "state": state.type.value.lower() if state is not None and state.is_final() else ""}
        if identity is not None and self._unanswered:
            return None
        raise _run_error(leaf, f"waits for run {run!r}, which does not exist", "see: genesis runs, prefect flow-run ls")

    async def _ask(self, question: Callable[[PrefectClient], Awaitable[_T]]) -> _T | None:
        """Ask the API once; None where it does not answer.

        Raises:
            TaskError: It refuses the question.
        """
        try:
            with service_errors():
                async with connect(_log.info, give_up_s=0.0) as api:
                    answer = await api.call(question)
        except ServiceError as error:
            if not isinstance(error.__cause__, ApiUnavailable):
                raise TaskError(error.message, hint=error.hint, code="GEN-WAIT-API") from error
            self._unanswered = str(error.__cause__)
            return None
        self._unanswered = ""
        return answer


def _run_error(leaf: Leaf, why: str, hint: str) -> TaskError:
    return TaskError(f"task {leaf.path!r} {why}", hint=hint, code="GEN-WAIT-RUN")
