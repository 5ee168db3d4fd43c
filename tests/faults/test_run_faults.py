"""A part of what runs a plan fails by itself: the run ends with a saved state, or continues without it."""

import asyncio
import importlib
import json
import logging

import httpx
import pytest

from genesis.engine import lifecycle
from genesis.engine.driver import Driver
from genesis.engine.failover import Failover
from genesis.engine.local_backend import LocalBackend
from genesis.engine.observer import NullObserver, Observers
from genesis.engine.observers import artifacts
from genesis.engine.run_lease import RunLease
from genesis.errors import ResourceError, ServiceError
from genesis.flows import preflight
from genesis.ledger import Ledger
from genesis.report import picture
from genesis.resilience.breakers import Breakers
from genesis.schedule import Scheduler
from genesis.testing import ScriptedAgent, a_program, a_task

pytestmark = pytest.mark.server

BUG = "TypeError: a bug"


def boom(*_, **__):
    raise TypeError("a bug")


async def aboom(*_, **__):
    raise TypeError("a bug")


def chain():
    return a_program(a_task("a"), a_task("b", after=("a",)), a_task("c", after=("b",)))


def save(bench, run):
    return json.loads((bench.store.root / "genesis" / run.run_id / "state.json").read_text())


def after(times, then):
    """Let a function work some times, and fail from then on."""

    def wrap(function):
        left = [times]

        def wrapped(*given, **named):
            left[0] -= 1
            return function(*given, **named) if left[0] >= 0 else then()

        return wrapped

    return wrap


BREAKS = {
    "settling a task": (Driver, "_conclude", after(1, boom), ["a"]),
    "starting tasks": (Driver, "_start", after(1, boom), ["a"]),
    "running a task": (Driver, "_run_leaf", after(1, aboom), ["a"]),
    "saying how it ended": (Driver, "_ending", lambda _: boom, ["a", "b", "c"]),
    "looking at breakers": (Failover, "open_agents", after(2, boom), []),
    "the scheduler's books": (Scheduler, "finish", after(1, boom), ["a"]),
    "the scheduler's choice": (Scheduler, "take", lambda _: boom, []),
    "a place's task": (LocalBackend, "run", after(1, aboom), ["a"]),
    "attaching to a place": (LocalBackend, "attach", lambda _: aboom, []),
    "entering a place": (LocalBackend, "__aenter__", lambda _: aboom, []),
    "leaving a place": (LocalBackend, "__aexit__", lambda _: aboom, ["a", "b", "c"]),
    "the publisher": (lifecycle, "Publisher", lambda _: boom, []),
    "the run lease": (RunLease, "__aenter__", lambda _: aboom, []),
    "the pre-flight": (preflight, "check_plan", lambda _: boom, []),
}
"""What breaks: whose, how, and what is done by then at least."""


@pytest.mark.parametrize("what", BREAKS)
async def test_a_bug_of_what_runs_the_plan_ends_the_run_with_its_state_saved(bench, monkeypatch, what):
    owner, name, wrap, least = BREAKS[what]
    agent = ScriptedAgent()
    with monkeypatch.context() as broken:
        broken.setattr(owner, name, wrap(getattr(owner, name)))
        run = await bench.run(chain(), agent, slots=1)
    assert run.state == "failed"
    assert (run.error.code, run.error.message) == ("GEN-INTERNAL", f"Genesis itself failed: {BUG}")
    assert run.error.hint == f"finished tasks are kept: genesis resume {run.run_id}"
    assert save(bench, run)["state"] == "failed"
    assert save(bench, run)["error"]["code"] == "GEN-INTERNAL"
    done = [task.id for task in run.tasks if task.state == "completed"]
    assert done[: len(least)] == least
    again = await bench.run(chain(), agent, run_id=run.run_id)
    assert again.state == "completed"
    assert [agent.paths.count(path) for path in done] == [1] * len(done)


async def test_what_runs_when_the_run_breaks_is_ended(bench, monkeypatch):
    agent = ScriptedAgent(seconds=0.2)
    slow = ScriptedAgent(seconds=60.0)
    program = a_program(a_task("quick"), a_task("slow"), a_task("last", after=("quick",)))
    with monkeypatch.context() as broken:
        broken.setattr(Driver, "_conclude", boom)
        async with asyncio.timeout(30):
            run = await bench.run(program, lambda leaf: slow if leaf.path == "slow" else agent)
    assert slow.cancelled == ["slow"]
    assert {task.id: task.state for task in run.tasks}["quick"] == "completed"
    again = await bench.run(program, ScriptedAgent(), run_id=run.run_id)
    assert again.state == "completed"
    assert [task.attempts for task in again.tasks] == [1, 1, 1]


async def test_a_watch_that_fails_does_not_let_the_run_wait_for_ever(bench, monkeypatch):
    monkeypatch.setattr(Failover, "watch", aboom)
    slow = ScriptedAgent(seconds=60.0)
    async with asyncio.timeout(30):
        run = await bench.run(chain(), slow, breakers=Breakers())
    assert (run.state, run.error.message) == ("failed", f"Genesis itself failed: {BUG}")
    assert save(bench, run)["state"] == "failed"
    monkeypatch.undo()
    assert (await bench.run(chain(), ScriptedAgent(), run_id=run.run_id)).state == "completed"


async def test_a_bug_while_a_run_is_resumed_keeps_what_was_done_before(bench, monkeypatch):
    first = await bench.run(chain(), ScriptedAgent({"b": [ValueError("not yet")]}))
    assert [task.state for task in first.tasks] == ["completed", "failed", "skipped"]
    with monkeypatch.context() as broken:
        broken.setattr(RunLease, "__aenter__", aboom)
        second = await bench.run(chain(), ScriptedAgent(), run_id=first.run_id)
    assert second.tasks[0].state == save(bench, second)["tasks"][0]["state"] == "completed"
    agent = ScriptedAgent()
    third = await bench.run(chain(), agent, run_id=first.run_id)
    assert (third.state, agent.paths) == ("completed", ["b", "c"])


async def test_where_the_disk_is_full_too_the_run_still_says_what_ended_it(bench, monkeypatch):
    async def full(*_):
        raise ResourceError("no space left for the ledger", hint="free some space")

    monkeypatch.setattr(Ledger, "save", after(1, full)(Ledger.save))
    monkeypatch.setattr(Driver, "_start", boom)
    run = await bench.run(chain(), ScriptedAgent())
    assert (run.state, run.error.code, run.error.message) == (
        "failed",
        "GEN-INTERNAL",
        f"Genesis itself failed: {BUG}",
    )
    monkeypatch.undo()
    assert (await bench.run(chain(), ScriptedAgent(), run_id=run.run_id)).state == "completed"


async def test_where_saving_is_what_is_broken_what_ended_the_run_is_raised(bench, monkeypatch):
    async def fail(*_):
        raise ZeroDivisionError("in the ledger")

    monkeypatch.setattr(Ledger, "save", after(1, fail)(Ledger.save))
    monkeypatch.setattr(Driver, "_start", boom)
    with pytest.raises(TypeError, match="a bug"):
        await bench.run(chain(), ScriptedAgent())


async def test_without_the_prefect_api_the_call_fails_as_a_service_does_and_the_state_is_saved(bench, monkeypatch):
    async def raise_unreachable(*_):
        raise httpx.ConnectError("connection refused")

    with monkeypatch.context() as broken:
        broken.setattr(importlib.import_module("genesis.flows.orchestrate"), "run_preflight", raise_unreachable)
        with pytest.raises(ServiceError, match="the Prefect API stopped answering") as caught:
            await bench.run(chain(), ScriptedAgent(), run_id="r1")
    assert caught.value.hint.endswith("genesis resume r1")
    state = json.loads((bench.store.root / "genesis" / "r1" / "state.json").read_text())
    assert (state["state"], state["error"]["code"]) == ("failed", "GEN-SERVICE")
    assert (await bench.run(chain(), ScriptedAgent(), run_id="r1")).state == "completed"


class Blind(NullObserver):
    """Raises at one kind of news."""

    def __init__(self, at):
        self.at, self.told = at, []

    def _fail_in(self, what):
        self.told.append(what)
        if what == self.at:
            boom()

    def run_started(self, *_):
        self._fail_in("run_started")

    def leaf_changed(self, *_):
        self._fail_in("leaf_changed")

    def leaf_diverted(self, *_):
        self._fail_in("leaf_diverted")

    def run_ended(self, *_):
        self._fail_in("run_ended")


@pytest.mark.parametrize("at", ["run_started", "leaf_changed", "run_ended"])
async def test_an_observer_that_raises_is_told_no_more_and_the_run_goes_on(bench, caplog, at):
    blind, well = Blind(at), Blind("")
    with caplog.at_level(logging.WARNING, "genesis"):
        run = await bench.run(chain(), ScriptedAgent(), observer=Observers(blind, well))
    assert run.state == "completed"
    assert blind.told.count(at) == 1
    assert blind.told[-1] == at
    assert well.told[-1] == "run_ended"
    said = [record for record in caplog.records if "does not watch this run" in record.getMessage()]
    assert [record.reason for record in said] == [BUG]


UNSHOWN = {
    "the plan": (lifecycle, "plan_markdown"),
    "the result": (lifecycle, "run_markdown"),
    "picture": (picture, "layout"),
    "the pre-flight report": (preflight, "report_markdown"),
    "progress": (artifacts, "ArtifactCreate"),
}
"""What is not shown, and the bug that is why."""


@pytest.mark.parametrize("lost", UNSHOWN)
async def test_what_cannot_be_shown_is_a_line_in_the_log_and_no_more(bench, monkeypatch, caplog, lost):
    monkeypatch.setattr(*UNSHOWN[lost], boom)
    with caplog.at_level(logging.WARNING, "genesis"):
        run = await bench.run(chain(), ScriptedAgent())
    assert (run.state, save(bench, run)["state"]) == ("completed", "completed")
    assert any(lost in record.getMessage() and "TypeError" in record.reason for record in caplog.records)


async def test_a_run_inside_ones_own_flow_ends_failed_too_and_not_with_an_exception(bench, monkeypatch):
    from prefect import flow

    monkeypatch.setattr(Driver, "_conclude", boom)
    runs = []

    @flow
    async def mine():
        runs.append(await bench.run(chain(), ScriptedAgent()))

    await mine()
    assert (runs[0].state, runs[0].error.code) == ("failed", "GEN-INTERNAL")
