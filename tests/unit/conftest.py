"""Ledgers without a server, and a Prefect API that answers what the test says."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from genesis.ledger import FolderStore, Header, Ledger
from genesis.model import ErrorInfo, Outcome, Run
from genesis.planning import plan_document
from genesis.settings import Settings
from genesis.testing import a_program, a_task, an_agent

NOW = datetime.now(UTC)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Api:
    """Stands for Prefect's client: each method is given as an attribute and its calls are kept."""

    def __init__(self):
        self.asked = []

    def answers(self, name, value):
        answers = itertools.repeat(value) if not isinstance(value, list) or name.startswith("read_") else iter(value)

        async def method(*args, **more):
            self.asked.append((name, args, more))
            answer = next(answers)
            answer = answer(*args, **more) if callable(answer) else answer
            if isinstance(answer, BaseException):
                raise answer
            return answer

        setattr(self, name, method)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def said():
    return []


@pytest.fixture
def line(api, clock, said):
    from genesis.prefect_api.client import PrefectApi

    return PrefectApi(api, said.append, clock=clock)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


@pytest.fixture
def storage(tmp_path):
    """Prefect's result storage, in a folder of the test's own."""
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path / "storage"}):
        yield FolderStore(tmp_path / "storage")


@pytest.fixture
def keep(storage):
    """Write the ledger of a run of two tasks, the second of which comes after the first."""

    async def kept(run_id, *, cid="c-1", state="completed", hours=1.0, request="do it", agent="worker", trace=None):
        agents = (an_agent(agent), an_agent("spare"))
        program = a_program(a_task("a"), a_task("b", after=("a",)), agents=agents, request=request)
        ledger = Ledger(storage, run_id)
        started = NOW - timedelta(hours=hours)
        header = Header(
            genesis_version="test",
            run_id=run_id,
            correlation_id=cid,
            created_at=started,
            document=plan_document(program.source),
            registry=program.registry,
            slots=4,
            trace=trace,
        )
        await ledger.begin(header)
        if state is None:
            return ledger
        done, failed = state == "completed", state == "failed"
        times = {"started_at": started, "ended_at": started + timedelta(seconds=5)}
        first = Outcome(id="a", agent=agent, state="completed", attempts=1, usd=Decimal("0.25"), result=1, **times)
        error = ErrorInfo(code="GEN-TASK", message="it broke")
        second = Outcome(id="b", agent=agent, state="completed" if done else "failed" if failed else "pending")
        second = second.model_copy(update=times if done else times | {"error": error} if failed else {})
        for leaf, outcome in zip(program.leaves, (first, second), strict=True):
            if outcome.state != "pending":
                await ledger.record(leaf, outcome)
        ended = {} if state == "running" else {"ended_at": started + timedelta(seconds=10), "duration_s": 10.0}
        await ledger.save(
            Run(
                run_id=run_id,
                correlation_id=cid,
                state=state,
                planner="file",
                started_at=started,
                cost_usd=Decimal("0.25"),
                tasks=(first, second),
                error=ErrorInfo(code="GEN-RUN-FAILED", message="1 task failed: 'b'") if failed else None,
                **ended,
            )
        )
        return ledger

    return kept
