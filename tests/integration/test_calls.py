"""What a run's calls cost, and when they are made: rate limits, pauses that are asked for, deadlines, budgets."""

import asyncio
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from genesis.agents.contract import Result
from genesis.engine.executor_context import executors, make_executor_context
from genesis.engine.observer import NullObserver
from genesis.errors import ServiceError
from genesis.model import HttpSpec
from genesis.resilience import BreakerRules
from genesis.resilience.breakers import Breakers, breakers_of
from genesis.resilience.quotas import Quotas
from genesis.settings import ResilienceSettings, Settings
from genesis.testing import a_program, a_task, an_agent
from genesis.testing.prefect import Workbench

pytestmark = [pytest.mark.server, pytest.mark.timeout(120), pytest.mark.usefixtures("prefect_api")]


class Agent:
    """Does what a script says, and keeps when it was called and how much time it was given."""

    def __init__(self, *script, lasts_s=0.0):
        self.script, self.lasts_s, self.at, self.left = list(script), lasts_s, [], []

    async def execute(self, work):
        self.at.append(time.monotonic())
        self.left.append(work.left_s)
        await asyncio.sleep(self.lasts_s)
        if self.script and (error := self.script.pop(0)) is not None:
            raise error
        return Result()


class Shown(NullObserver):
    """Counts what was started."""

    started = 0

    def leaf_changed(self, outcome):
        self.started += outcome.state == "running"


@pytest.fixture
def bench(tmp_path):
    def make(resilience=None, **run):
        settings = Settings(
            home=tmp_path / "home", resilience=ResilienceSettings(**({"share": "memory"} | (resilience or {})))
        )
        run = settings.run.model_copy(update={"retry_delay_s": 0.0} | run)
        return Workbench(tmp_path / "ledger", settings.model_copy(update={"run": run}))

    return make


@pytest.fixture
def service():
    """A service on loopback; `answer` gives the status of each request, by its number from 1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.seen += 1
            self.send_response(server.answer(server.seen))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.seen = True, 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def asking(service, *tasks, **more):
    """Make a program whose agent asks the service by GET."""
    spec = HttpSpec(kind="http", url=f"http://127.0.0.1:{service.server_port}/", method="GET")
    return a_program(*tasks, agents=(an_agent(executor=spec, max_concurrency=20),), **more)


def real(program, bench):
    return executors(program, make_executor_context(bench.settings), rehearse=None, model=None)


async def test_an_agent_with_a_rate_gets_its_calls_one_after_the_other_and_none_fails(bench):
    agent = Agent()
    limited = an_agent(rate={"calls": 1, "per_s": 1.2})
    program = a_program(*(a_task(f"t{n}") for n in range(4)), agents=(limited,))
    run = await bench().run(program, agent, quotas=Quotas())
    assert run.state == "completed"
    assert all(later - earlier >= 1.1 for earlier, later in pairwise(agent.at))
    assert {task.attempts for task in run.tasks} == {1}
    notes = sorted(task.note for task in run.tasks)
    assert notes[0] == ""
    assert notes[-1] == "waited 4 s for a turn of worker"


async def test_who_cannot_wait_in_its_own_time_waits_without_a_slot_and_does_not_fail(bench):
    agent = Agent()
    limited = an_agent("limited", rate={"calls": 1, "per_s": 2.0})
    program = a_program(
        *(a_task(f"t{n}", timeout_s=1.0) for n in range(3)),
        *(a_task(f"o{n}", agent="other") for n in range(3)),
        agents=(limited, an_agent("other")),
    )
    run = await bench().run(program, agent, quotas=Quotas(), slots=1)
    assert run.state == "completed"
    assert [task.attempts for task in run.tasks] == [1] * 6


async def test_a_turn_that_comes_after_the_runs_deadline_is_not_waited_for(bench):
    limited = an_agent(rate={"calls": 1, "per_s": 600})
    program = a_program(a_task("a"), a_task("b"), agents=(limited,), deadline_s=30)
    began = time.monotonic()
    run = await bench().run(program, Agent(), quotas=Quotas())
    assert time.monotonic() - began < 25
    failed = next(task for task in run.tasks if task.state == "failed")
    assert failed.error.code == "GEN-QUOTA"
    assert failed.error.retry_after_s > 500
    assert failed.attempts == 0


async def test_a_repeat_does_not_begin_before_the_time_that_was_asked_for(bench):
    agent = Agent(ServiceError("busy", data={"retry_after_s": 1.5}))
    run = await bench().run(a_program(a_task("a", retries=2)), agent)
    assert (run.state, run.tasks[0].attempts) == ("completed", 2)
    assert agent.at[1] - agent.at[0] >= 1.4


@pytest.mark.parametrize(("asked_s", "deadline_s"), [(61, None), (30, 20)])
async def test_a_pause_that_is_too_long_or_does_not_fit_into_the_run_is_not_begun(bench, asked_s, deadline_s):
    agent = Agent(ServiceError("busy", data={"retry_after_s": asked_s}))
    began = time.monotonic()
    run = await bench().run(a_program(a_task("a", retries=2), deadline_s=deadline_s), agent)
    assert (run.state, run.tasks[0].attempts, run.tasks[0].error.message) == ("failed", 1, "busy")
    assert time.monotonic() - began < 18


async def test_a_repeat_is_another_pause_from_zero_and_not_a_fixed_one(bench):
    agent = Agent(*(ServiceError("x") for _ in range(3)))
    run = await bench(retry_delay_s=0.05).run(a_program(a_task("a", retries=3)), agent)
    assert (run.state, run.tasks[0].attempts) == ("completed", 4)


async def test_an_attempt_that_runs_out_of_time_counts_against_its_agent_and_is_repeated(bench):
    breakers = Breakers(BreakerRules(failures=2))
    run = await bench().run(a_program(a_task("a", timeout_s=0.3, retries=1)), Agent(lasts_s=20), breakers=breakers)
    task = run.tasks[0]
    assert (task.attempts, task.error.code) == (2, "GEN-TASK-TIMEOUT")
    assert "0.3 s" in task.error.message
    assert breakers.of("agent", "worker").state == "open"


async def test_an_attempt_is_given_no_more_time_than_the_run_has_and_its_end_is_no_ones_fault(bench):
    breakers, agent = Breakers(BreakerRules(failures=1)), Agent(lasts_s=60)
    program = a_program(a_task("a", timeout_s=50, retries=3), a_task("b", after=("a",)), deadline_s=2.5)
    run = await bench().run(program, agent, breakers=breakers)
    assert (run.state, run.error.code) == ("failed", "GEN-DEADLINE")
    assert len(agent.left) == 1
    assert 0 < agent.left[0] <= 2.5
    ends = [(task.state, task.error and task.error.code) for task in run.tasks]
    assert ends == [("cancelled", "GEN-DEADLINE"), ("cancelled", None)]
    assert breakers.of("agent", "worker").state == "closed"


async def test_under_a_full_outage_ten_tasks_are_repeated_and_the_others_a_fifth_more_calls_included(bench, service):
    service.answer = lambda number: 503
    made = bench({"failures": 1000, "minimum_calls": 1000})
    program = asking(service, *(a_task(f"t{n}", retries=3) for n in range(20)))
    run = await made.run(program, real(program, made))
    assert run.state == "failed"
    assert service.seen == 20 + 10 * 3 + 4


@pytest.mark.parametrize("shared", [False, True])
async def test_while_a_host_is_not_asked_its_tasks_rest_and_then_go_on(bench, service, shared):
    service.answer = lambda number: 500 if number == 1 else 200
    made, shown = bench({"failures": 1, "cooling_s": 2.0, "successes": 1}), Shown()
    program = asking(service, a_task("a"), a_task("b", after=()), a_task("c"))
    of_agents = Breakers(BreakerRules(failures=100)) if shared else None
    run = await made.run(program, real(program, made), observer=shown, slots=1, breakers=of_agents)
    states = sorted(task.state for task in run.tasks)
    assert states == ["completed", "completed", "failed"]
    assert (
        breakers_of(made.settings.resilience, made.settings.home).of("host", f"127.0.0.1:{service.server_port}").state
        == "closed"
    )
    assert shown.started <= 8
    assert service.seen == 3
