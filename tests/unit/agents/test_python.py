import asyncio
import contextvars
import itertools
import math
import os
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from genesis.agents.contract import Result, Work
from genesis.agents.python import PythonExecutor
from genesis.errors import TaskError, TaskTimeoutError
from genesis.model import AgentProfile
from genesis.model import PythonSpec as Spec

CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("context", default="outside")


def work(outputs=(), timeout_s=None, **inputs):
    return Work(
        run_id="r",
        correlation_id="c",
        request="q",
        path="a/b",
        type="t",
        description="d",
        inputs=inputs,
        outputs=tuple(outputs),
        agent=AgentProfile(name="x"),
        timeout_s=timeout_s,
    )


async def call(function, given=None):
    executor = PythonExecutor(Spec(kind="python", call="here:function"), functions={"here:function": function})
    return (await executor.execute(given or work())).value


async def call_name(name, given=None):
    return (await PythonExecutor(Spec(kind="python", call=name)).execute(given or work())).value


async def test_inputs_go_to_parameters_of_the_same_name_and_others_are_left_out():
    def add(a, b=10):
        return a + b

    assert await call(add, work(a=1, unused=5)) == 11
    assert await call(add, work(a=1, b=2)) == 3


async def test_kwargs_take_what_no_parameter_takes():
    def everything(a, *args, **others):
        return [a, list(args), others]

    assert await call(everything, work(a=1, b=2)) == [1, [], {"b": 2}]


async def test_positional_only_parameters_keep_their_places():
    def ordered(a=1, b=2, /, **others):
        return [a, b, others]

    assert await call(ordered, work(b=5)) == [1, 5, {"b": 5}]


async def test_work_is_given_by_annotation_and_by_name():
    def by_annotation(job: Work):
        return job.path

    def by_text(job: "Work"):
        return job.path

    def by_name(work):
        return work.path

    def an_input(work: str):
        return work

    assert await call(by_annotation) == "a/b"
    assert await call(by_text) == "a/b"
    assert await call(by_name) == "a/b"
    assert await call(an_input, work(work="hard")) == "hard"


async def test_missing_parameter_is_named_with_the_inputs_there_are():
    def needs(a, b):
        return a

    with pytest.raises(TaskError, match=r"needs 'b'.*'a/b'.*its inputs: 'a', 'c'"):
        await call(needs, work(a=1, c=2))
    with pytest.raises(TaskError, match=r"needs 'a', 'b'.*its inputs: none"):
        await call(needs)


async def test_builtin_without_a_signature_gets_the_inputs_by_name():
    assert await call(dict, work(a=1)) == {"a": 1}


async def test_coroutine_function_runs_on_a_loop_of_its_own_with_the_callers_context():
    async def where(a):
        await asyncio.sleep(0)
        return [a, asyncio.get_running_loop() is here, CONTEXT.get()]

    here, token = asyncio.get_running_loop(), CONTEXT.set("inside")
    try:
        assert await call(where, work(a=1)) == [1, False, "inside"]
    finally:
        CONTEXT.reset(token)


async def test_coroutine_that_blocks_stalls_no_other_and_ends_at_its_limit():
    release = threading.Event()

    async def blocks():
        release.wait(30)

    async def steps():
        return time.monotonic()

    started = time.monotonic()
    blocked = asyncio.create_task(call(blocks, work(timeout_s=0.2)))
    assert await call(steps) - started < 5
    with pytest.raises(TaskTimeoutError):
        await blocked
    assert time.monotonic() - started < 10
    release.set()


async def test_tasks_and_generators_that_a_coroutine_left_are_ended():
    ended = []

    async def endless():
        try:
            while True:
                yield 1
        finally:
            ended.append("generator")

    async def waits():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("task")

    async def leaves():
        kept.append(asyncio.create_task(waits()))
        kept.append(endless())
        await anext(kept[-1])
        return 1

    kept: list = []
    assert await call(leaves) == 1
    assert ended == ["task", "generator"]


async def test_object_that_returns_an_awaitable_is_awaited():
    class Flow:
        def __call__(self, a):
            async def inner():
                return a * 2

            return inner()

    assert await call(Flow(), work(a=2)) == 4


async def test_sync_function_runs_in_another_thread_with_the_callers_context():
    token = CONTEXT.set("inside")
    try:
        assert await call(lambda: [CONTEXT.get(), threading.current_thread() is threading.main_thread()]) == [
            "inside",
            False,
        ]
    finally:
        CONTEXT.reset(token)


async def test_many_blocking_functions_run_at_once():
    together = threading.Barrier(16, timeout=20)
    values = await asyncio.gather(*(call(lambda: together.wait() >= 0) for _ in range(16)))
    assert values == [True] * 16


async def test_the_functions_own_exception_passes_through_unchanged():
    class Own(Exception):
        pass

    error = Own("mine")

    def fails():
        raise error

    async def fails_later():
        raise error

    for function in (fails, fails_later):
        with pytest.raises(Own) as caught:
            await call(function)
        assert caught.value is error


async def test_sys_exit_fails_the_attempt_and_not_the_process():
    async def leaves():
        sys.exit(4)

    for function in (lambda: sys.exit(3), leaves):
        with pytest.raises(TaskError, match=r"called sys\.exit\([34]\)"):
            await call(function)


class Odd(BaseException):
    """As those of test frameworks are, which no `except Exception` is to catch."""


class Unprintable(Exception):
    def __str__(self):
        raise KeyboardInterrupt


ODD = [
    Odd("no GPU here"),
    KeyboardInterrupt(),
    SystemExit(3),
    GeneratorExit(),
    asyncio.CancelledError(),
    BaseExceptionGroup("several", [Odd("one")]),
    StopIteration(),
    StopAsyncIteration(),
    Unprintable(),
]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_whatever_a_function_raises_fails_its_attempt_alone(error):
    def fails():
        raise error

    async def fails_later():
        await asyncio.sleep(0)
        raise error

    for function in (fails, fails_later):
        with pytest.raises((TaskError, RuntimeError)) as caught:  # a coroutine turns StopIteration into RuntimeError
            await call(function)
        assert str(caught.value)
    assert await call(lambda: 1) == 1


async def test_child_that_a_function_forks_and_forgets_to_end_does_not_come_back():
    def forks(code):
        pid = os.fork()
        if pid == 0:
            sys.exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def comes_back():
        pid = os.fork()
        return pid and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert await call(forks, work(code=7)) == 7
    assert await call(comes_back) == 0


async def test_hanging_function_times_out_and_its_late_answer_is_dropped():
    done = threading.Event()

    def hangs():
        done.wait(20)
        return "late"

    started = time.monotonic()
    with pytest.raises(TaskTimeoutError, match=r"'a/b' ran longer than its limit of 0\.05 s"):
        await call(hangs, work(timeout_s=0.05))
    assert time.monotonic() - started < 5
    done.set()
    await asyncio.sleep(0.05)


async def test_hanging_coroutine_is_cancelled_at_its_limit():
    cancelled = []

    async def hangs():
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.append(True)

    with pytest.raises(TaskTimeoutError):
        await call(hangs, work(timeout_s=0.05))
    assert cancelled == [True]


async def test_a_timeout_error_of_the_function_is_not_taken_for_the_limit():
    async def fails():
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine") as caught:
        await call(fails, work(timeout_s=30))
    assert not isinstance(caught.value, TaskTimeoutError)


def test_answer_after_the_loop_has_closed_is_dropped():
    release = threading.Event()
    threads = []

    def hangs():
        threads.append(threading.current_thread())
        release.wait(20)

    async def main():
        with pytest.raises(TaskTimeoutError):
            await call(hangs, work(timeout_s=0.05))

    asyncio.run(main())
    release.set()
    threads[0].join(30)  # it waits a while for other work before it ends
    assert not threads[0].is_alive()


class Point(BaseModel):
    x: int


@dataclass
class Pair:
    a: Path
    b: Decimal


async def test_rich_values_become_json():
    made = await call(
        lambda: {
            "model": Point(x=1),
            "pair": Pair(Path("a/b"), Decimal("1.50")),
            "at": datetime(2024, 1, 2, tzinfo=UTC),
            "set": {1},
            "tuple": (1, 2),
            3: "key",
            "generated": (i for i in range(2)),
        }
    )
    assert made == {
        "model": {"x": 1},
        "pair": {"a": "a/b", "b": "1.50"},
        "at": "2024-01-02T00:00:00Z",
        "set": [1],
        "tuple": [1, 2],
        "3": "key",
        "generated": [0, 1],
    }


async def test_nan_and_infinity_become_null():
    assert await call(lambda: [math.nan, math.inf, -math.inf, 1.5]) == [None, None, None, 1.5]


def a_cycle():
    cycle: list = []
    cycle.append(cycle)
    return cycle


def very_deep():
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    return deep


@pytest.mark.parametrize("make", [object, lambda: b"\xff", a_cycle, very_deep, lambda: iter(()), itertools.count])
async def test_value_without_a_json_form_is_a_failure(make):
    with pytest.raises(TaskError, match="'here:function' returned"):
        await call(make)


async def test_bare_value_takes_the_name_of_the_only_promised_output():
    assert await call(lambda: 3, work(outputs=["count"])) == {"count": 3}
    assert await call(lambda: {"x": 3}, work(outputs=["count"])) == {"x": 3}
    assert await call(lambda: 3, work(outputs=["a", "b"])) == 3
    assert await call(lambda: None, work(outputs=["count"])) is None


async def test_result_of_the_function_is_taken_as_it_is():
    def brief():
        return Result({"p": Path("x")}, state="briefed", usd=Decimal("0.1"), tokens=7)

    executor = PythonExecutor(Spec(kind="python", call="here:f"), functions={"here:f": brief})
    assert await executor.execute(work()) == Result({"p": "x"}, "briefed", Decimal("0.1"), 7)


async def test_function_is_imported_by_name():
    assert await call_name("posixpath:basename", work(p="a/b.txt")) == "b.txt"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package.module:f", "there is no module 'no_such_package' here"),
        ("json.nothing:f", "there is no module 'json.nothing' here"),
        ("json:dump_s", "there is no 'dump_s' in 'json'.*did you mean 'dumps'"),
        ("json:decoder.NOTHING", "there is no 'NOTHING' in 'json'"),
        ("json:__version__", "'json:__version__' is a 'str', which cannot be called"),
    ],
)
async def test_function_that_cannot_be_found_is_named(name, message):
    with pytest.raises(TaskError, match=message):
        await call_name(name)


async def test_module_that_fails_on_import_is_a_failure_with_its_error(tmp_path, monkeypatch):
    (tmp_path / "genesis_test_broken.py").write_text("1 / 0\n")
    (tmp_path / "genesis_test_needs.py").write_text("import genesis_test_absent\n")
    (tmp_path / "genesis_test_exits.py").write_text("import sys\nsys.exit(2)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TaskError, match="fails with ZeroDivisionError"):
        await call_name("genesis_test_broken:f")
    with pytest.raises(TaskError, match="needs 'genesis_test_absent'"):
        await call_name("genesis_test_needs:f")
    with pytest.raises(TaskError, match=r"called sys\.exit\(2\)"):
        await call_name("genesis_test_exits:f")
    (tmp_path / "genesis_test_skips.py").write_text("class Skip(BaseException): pass\nraise Skip('no GPU')\n")
    with pytest.raises(TaskError, match=r"raised Skip, which is no Exception: no GPU"):
        await call_name("genesis_test_skips:f")
