"""What is kept of what an attempt raised."""

import asyncio
import errno
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import httpx
import pytest

from genesis.agents import Result
from genesis.compile import compile_program
from genesis.engine.attempts import LeafRun, error_info
from genesis.errors import ResourceError, TaskError
from genesis.model import Attempt, ErrorInfo, Outcome
from genesis.model.run import add_attempts, utc_now
from genesis.settings import Settings
from genesis.testing.plans import a_plan, a_task, an_agent, route_to


@pytest.mark.parametrize(
    ("error", "code", "category"),
    [
        (TaskError("no", code="GEN-TASK-EXIT"), "GEN-TASK-EXIT", "network"),
        (ResourceError("no"), "GEN-RESOURCE", "resource"),
        (TimeoutError(), "GEN-TASK-TIMEOUT", "network"),
        (TypeError("bug"), "GEN-TASK", "validation"),
        (httpx.ConnectError("refused"), "GEN-TASK", "network"),
        (MemoryError(), "GEN-RESOURCE-SHORT", "resource"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "GEN-RESOURCE", "resource"),
        (OSError(errno.EMFILE, "Too many open files"), "GEN-RESOURCE-SHORT", "resource"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "GEN-TASK", "network"),
        (asyncio.CancelledError(), "GEN-TASK", "resource"),
    ],
)
def test_every_exception_has_a_code_and_the_category_of_what_it_means(error, code, category):
    info = error_info(error)
    assert (info.code, info.category) == (code, category)
    assert info.message


class _HiddenError(Exception):
    @property
    def response(self):
        raise RuntimeError("hidden")

    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("cannot read r\udce9sum\udce9.txt"),
        OSError(errno.ENOSPC, "no space", "/r\udce9"),
        OSError([1], {}),
        _HiddenError(),
        TaskError(ValueError("\ud800"), hint=3, code=7),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_exception_can_be_written_down(error):
    info = error_info(error)
    assert ErrorInfo.model_validate_json(info.model_dump_json()) == info
    assert info.message


def test_a_refusal_of_the_machine_says_what_and_where_and_what_to_do():
    info = error_info(OSError(errno.ENOSPC, "No space left on device", "/data/x"))
    assert info.message == "OSError ('/data/x'): No space left on device"
    assert info.hint == "free some space"


def test_a_missing_file_is_no_refusal_of_the_machine():
    info = error_info(FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"))
    assert info.code == "GEN-TASK"


def test_what_an_exception_came_from_is_kept():
    error = TaskError("no")
    error.__cause__ = httpx.ConnectError("refused")
    error.__cause__.__context__ = OSError(errno.ECONNREFUSED, "Connection refused")
    first, second = error_info(error).causes
    assert (first.type, first.message, first.how) == ("httpx.ConnectError", "refused", "cause")
    assert (second.code, second.how) == ("ECONNREFUSED", "context")


def test_a_history_keeps_the_last_attempts_and_no_long_texts():
    (leaf,) = compile_program(*route_to(a_plan(a_task("x")))).leaves
    run = LeafRun(SimpleNamespace(now=utc_now, settings=Settings()), leaf, {})
    for number in range(1, 51):
        run.outcome = run.outcome.model_copy(update={"attempts": number})
        run.record_failure(ErrorInfo(code="GEN-TASK", message="x" * 5000))
    assert [tried.number for tried in run.outcome.history] == list(range(31, 51))
    assert len(run.outcome.model_dump_json()) < 20_000


def test_a_history_keeps_what_attempts_cost_that_it_leaves_out():
    made = [
        Attempt(number=n, agent="a", ended_at=utc_now(), code="C", message="m", usd=Decimal("0.1"), tokens=3)
        for n in range(1, 51)
    ]
    kept = ()
    for attempt in made:
        kept = add_attempts(kept, attempt)
    outcome = Outcome(id="x", agent="a", history=kept)
    assert (len(kept), kept[-1].number) == (20, 50)
    assert (outcome.spent_usd, outcome.spent_tokens) == (5, 150)


@pytest.mark.parametrize(
    ("executor", "usd", "tokens"),
    [
        (lambda: Result(value={}, usd=Decimal(2), tokens=7), Decimal(2), 7),  # lacks the promised output
        (lambda: Result(value={}), Decimal("0.5"), 0),  # the agent's own price
        (TaskError("no", data={"tokens": 500}), Decimal(1), 500),
        (TaskError("no"), None, 0),
    ],
)
async def test_what_a_failed_attempt_cost_is_written_down(make, executor, usd, tokens):
    agent = an_agent("a", cost={"usd_per_task": 0.5, "usd_per_1k_tokens": 2})
    program = compile_program(*route_to(a_plan(a_task("x", outputs=["wanted"])), agent))
    session = replace(make(program), executor=lambda _leaf: SimpleNamespace(execute=_answer(executor)))
    run = LeafRun(session, program.leaves[0], {})
    with pytest.raises(TaskError):
        await run.work()
    [tried] = run.outcome.history
    assert (tried.usd, tried.tokens) == (usd, tokens)
    assert run.outcome.usd is None


def _answer(end):
    async def execute(_work):
        if isinstance(end, Exception):
            raise end
        return end()

    return execute


async def _finishing(record):
    """An attempt whose work is done, and that writes its record now."""
    program = compile_program(*route_to(a_plan(a_task("x"))))
    session = SimpleNamespace(now=utc_now, settings=Settings(), record=record, program=program)
    run = LeafRun(session, program.leaves[0], {})
    return run, asyncio.create_task(run._finish(Result(value=1), "completed"))


async def test_a_leaf_that_is_cancelled_while_its_record_is_written_stays_done():
    written, go_on = [], asyncio.Event()

    async def record(_leaf, outcome):
        await go_on.wait()
        written.append(outcome.state)
        return outcome

    run, finishing = await _finishing(record)
    await asyncio.sleep(0)
    finishing.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    assert (await run.end("cancelled")).state == "completed"
    assert written == ["completed"]


async def test_a_record_that_is_written_is_not_replaced_by_a_failure():
    written = []

    async def record(_leaf, outcome):
        written.append(outcome.state)
        return outcome

    run, finishing = await _finishing(record)
    await finishing
    assert (await run.end("failed", ErrorInfo(code="GEN-TASK", message="no"))).state == "completed"
    assert written == ["completed"]
