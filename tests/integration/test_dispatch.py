"""Leaves on the pools of their agents, on a real server, with a worker of the test's own that speaks to its API."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.actions import WorkPoolUpdate

from genesis.testing.plans import a_program, a_task, an_agent

pytestmark = pytest.mark.server


class Death(BaseException):
    """The worker's process dies."""


class Hands:
    """A worker: takes flow runs from pools, does their leaves by a function and writes the records."""

    def __init__(self, client, ledger, program, work, *, pools=None, places=8, beat_s=0.5, events=True):
        self.name = f"hands-{uuid4().hex[:8]}"
        self.done = []
        self._client, self._ledger, self._work = client, ledger, work
        self._by_path = {leaf.path: leaf for leaf in program.leaves}
        self._pools = pools or sorted({agent.pool_name for agent in program.agents.values()})
        self._places, self._beat_s, self._events = asyncio.Semaphore(places), beat_s, events
        self._running = {}

    @asynccontextmanager
    async def at_work(self):
        tasks = [asyncio.create_task(self.beat()), asyncio.create_task(self.take())]
        await asyncio.sleep(0)
        try:
            yield self
        finally:
            for task in [*tasks, *self._running.values()]:
                task.cancel()
            await asyncio.gather(*tasks, *self._running.values(), return_exceptions=True)

    async def beat(self):
        while True:
            with suppress(httpx.HTTPError):  # as a worker, it continues when the server does
                for pool in self._pools:
                    await self._client.send_worker_heartbeat(pool, self.name, heartbeat_interval_seconds=1)
            await asyncio.sleep(self._beat_s)

    async def take(self):
        from prefect.client.schemas.filters import (
            FlowRunFilter,
            FlowRunFilterState,
            FlowRunFilterStateType,
            FlowRunFilterTags,
        )
        from prefect.client.schemas.objects import StateType

        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"run:{self._ledger.run_id}"]))
        tagged.state = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.CANCELLING]))
        while True:
            with suppress(httpx.HTTPError):
                for flow_run in await self._client.read_flow_runs(flow_run_filter=tagged):
                    if flow_run.work_pool_name not in self._pools:
                        continue
                    if flow_run.state.type is StateType.CANCELLING:
                        await self.stop(flow_run)
                    else:
                        await self._places.acquire()
                        await self.claim(flow_run)
            await asyncio.sleep(0.05)

    async def claim(self, flow_run):
        from prefect.exceptions import Abort
        from prefect.states import Pending

        mine = f"claimed by {self.name}"
        with suppress(Abort):
            await self.again(lambda: self._client.set_flow_run_state(flow_run.id, Pending(message=mine)))
        claimed = await self.again(lambda: self._client.read_flow_run(flow_run.id))  # whatever became of the answer
        if claimed.state.message == mine and flow_run.id not in self._running:
            self._running[flow_run.id] = asyncio.create_task(self.execute(flow_run))
        else:
            self._places.release()

    async def again(self, call):
        """Ask until the server answers, as a worker does."""
        while True:
            with suppress(httpx.TransportError):
                return await call()
            await asyncio.sleep(0.2)

    async def reach(self, flow_run, state):
        await self.again(lambda: self._client.set_flow_run_state(flow_run.id, state))

    async def stop(self, flow_run):
        from prefect.states import Cancelled

        if task := self._running.pop(flow_run.id, None):
            task.cancel()
            await self.reach(flow_run, Cancelled())

    async def execute(self, flow_run):
        from prefect.states import Completed, Crashed, Running

        from genesis.flows.lane import Lane

        lane = Lane(self._ledger, str(flow_run.id), flow_run.parameters.get("lane_s", 0.0))
        try:
            await self.reach(flow_run, Running())
            paths = flow_run.parameters["tasks"]
            while await self.do(paths, flow_run) and (order := await lane.next()) is not None:
                paths = order.tasks
            await lane.close()
            left = "its run was suspended" if await self._ledger.is_suspended() else None
            await self.reach(flow_run, Completed(message=left))
        except Death as death:
            await self.reach(flow_run, Crashed(message=str(death)))
        finally:
            self._running.pop(flow_run.id, None)
            self._places.release()

    async def do(self, paths, flow_run):
        """Do leaves, and say whether all were done."""
        kept = []
        for path in paths:
            leaf = self._by_path[path]
            outcome = await self._work(leaf, flow_run)
            if outcome is None:
                continue
            await self._ledger.record_attempt(leaf, outcome, str(flow_run.id))
            self.done.append(path)
            kept.append(outcome.state == "completed")
            self.tell(leaf, outcome, flow_run)
        return len(kept) == len(paths) and all(kept)

    def tell(self, leaf, outcome, flow_run):
        from prefect.events import emit_event

        if not self._events:
            return
        run = flow_run.parameters["run_id"]
        emit_event(
            "genesis.leaf.ended",
            resource={"prefect.resource.id": f"genesis.leaf.{run}/{leaf.path}", "prefect.resource.name": leaf.path},
            related=[{"prefect.resource.id": f"prefect.tag.run:{run}", "prefect.resource.role": "tag"}],
            payload={"path": leaf.path, "state": outcome.state, "flow_run_id": str(flow_run.id)},
        )


def make_outcome(leaf, state="completed", result=None):
    from genesis.model import Outcome
    from genesis.model.run import utc_now

    now = utc_now()
    return Outcome(id=leaf.path, agent=leaf.agent, state=state, attempts=1, started_at=now, ended_at=now, result=result)


async def at_once(leaf, flow_run):
    return make_outcome(leaf, result=f"{leaf.path} of {flow_run.name}")


class Bench:
    """A program with pools and deployments of its own on the shared server, and what is needed to run it."""

    def __init__(self, client, program, folder, **pools):
        from genesis.engine.run_context import RunContext
        from genesis.ledger import FolderStore, Ledger, new_run_id
        from genesis.ledger.program_state import ProgramState
        from genesis.model.run import utc_now
        from genesis.settings import Settings

        settings = Settings()
        self.client, self.program, self.said = client, program, []
        self.session = RunContext(
            program_state=ProgramState(program),
            ledger=Ledger(FolderStore(folder), new_run_id(utc_now())),
            correlation_id="c1",
            settings=settings.model_copy(update={"pools": settings.pools.model_copy(update=pools)}),
            executor=None,
            slots=16,
            files=folder,
        )
        self.ledger = self.session.ledger
        self.pools = sorted({agent.pool_name for agent in program.agents.values()})
        self.flow_run_id = None

    async def deploy(self):
        from prefect import flow
        from prefect.client.schemas.actions import WorkPoolCreate

        @flow(name="agent_task")
        def agent_task(run_id: str, tasks: list[str], fingerprints: list[str], attempt: int):
            """Stand for the real flow."""

        flow_id = await self.client.create_flow(agent_task)
        for pool in self.pools:
            await self.client.create_work_pool(WorkPoolCreate(name=pool, type="genesis", base_job_template={}))
            await self.client.create_deployment(
                flow_id, pool.removeprefix("agent-"), work_pool_name=pool, enforce_parameter_schema=False
            )

    async def orchestrate(self):
        from prefect import flow

        @flow(name="orchestrate")
        def orchestrate():
            """Stand for the real flow."""

        self.flow_run_id = (await self.client.create_flow_run(orchestrate, name="dispatch test")).id

    def place(self, outcomes=None):
        from genesis.dispatch import PoolBackend

        return PoolBackend(
            self.session, self.flow_run_id, {} if outcomes is None else outcomes, notify=self.said.append
        )

    def hands(self, work=at_once, **more):
        return Hands(self.client, self.ledger, self.program, work, **more)

    async def drive(self, place, outcomes):
        from genesis.engine.driver import Driver
        from genesis.ledger.control import Control

        return await Driver(self.session, Control(), place, outcomes).run()

    async def children(self):
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"run:{self.session.run_id}"]))
        return await self.client.read_flow_runs(flow_run_filter=tagged)

    async def wait_for_child(self, state, pool=None):
        for _ in range(400):
            found = [child for child in await self.children() if child.state.type.value == state]
            found = [child for child in found if pool in (None, child.work_pool_name)]
            if found:
                return found[0]
            await asyncio.sleep(0.05)
        raise AssertionError(f"no child became {state}")


@pytest.fixture
async def bench(prefect_api, tmp_path):
    """Make programs and their surroundings; agents get names of their own, since all tests share one server."""
    from prefect.client.orchestration import get_client

    async with get_client() as client:

        async def make(*tasks, agents=("qa",), deploy=True, **pools):
            token = uuid4().hex[:6]
            named = {name: f"{name}-{token}" for name in agents}
            tasks = tuple(task.model_copy(update={"agent": named[task.agent or agents[0]]}) for task in tasks)
            program = a_program(*tasks, agents=tuple(an_agent(name) for name in named.values()))
            bench = Bench(client, program, tmp_path, **pools)
            if deploy:
                await bench.deploy()
            await bench.orchestrate()
            return bench

        yield make


async def test_leaves_run_on_pools_chains_share_a_flow_run_and_the_ui_has_links_both_ways(bench):
    run = await bench(
        a_task("a"),
        a_task("b", after=("a",)),
        a_task("c", after=("b",), agent="dev"),
        a_task("d", after=("b",)),
        agents=("qa", "dev"),
    )
    outcomes = {}
    async with run.place(outcomes) as place, run.hands().at_work():
        assert await place.attach() == {}
        ending = await run.drive(place, outcomes)
    assert ending.state == "completed"
    assert [outcomes[n].state for n in range(4)] == ["completed"] * 4
    assert (await run.ledger.outcome(run.program.leaves[3])).result.startswith("d of ")
    children = {child.name.split(" · ")[1]: child for child in await run.children()}
    assert set(children) == {"a and 2 more", "c"}
    fused = children["a and 2 more"]
    assert fused.parameters["tasks"] == ["a", "b", "d"]
    assert {"genesis", "cid:c1", f"run:{run.session.run_id}"} <= set(fused.tags)
    links = {child.parent_task_run_id: child for child in children.values()}
    links = {link: (await run.client.read_task_run(link), child) for link, child in links.items()}
    for task_run, child in links.values():
        assert task_run.flow_run_id == run.flow_run_id
        assert task_run.name == child.name
        assert task_run.tags == []
    sources = links[children["c"].parent_task_run_id][0].task_inputs["after"]
    assert [source.id for source in sources] == [fused.id]


async def test_short_ready_leaves_share_flow_runs_and_long_ones_do_not(bench):
    short = [a_task(f"s{n}", estimate={"seconds": 0.05}) for n in range(5)]
    long = [a_task(f"l{n}", estimate={"seconds": 5}, agent="dev") for n in range(2)]
    run = await bench(*short, *long, agents=("qa", "dev"))
    outcomes = {}
    async with run.place(outcomes) as place, run.hands().at_work():
        await run.drive(place, outcomes)
    assert sorted(len(child.parameters["tasks"]) for child in await run.children()) == [1, 1, 5]


async def test_without_events_the_poll_finds_everything(bench):
    run = await bench(a_task("a"), a_task("b", after=("a",)))
    outcomes = {}
    place = run.place(outcomes)
    async with place, run.hands(events=False).at_work():
        place._waiter._receive = lambda _event: None
        started = time.monotonic()
        assert (await run.drive(place, outcomes)).state == "completed"
    assert time.monotonic() - started < 30


async def test_a_failed_leaf_keeps_its_error_and_its_child_leaves_out_what_depends_on_it(bench):
    run = await bench(a_task("a"), a_task("b", after=("a",)))

    async def work(leaf, _flow_run):
        return make_outcome(leaf, "failed") if leaf.path == "a" else None

    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work).at_work():
        ending = await run.drive(place, outcomes)
    assert ending.state == "failed"
    assert [outcomes[n].state for n in range(2)] == ["failed", "skipped"]


async def test_a_process_that_dies_has_its_leaf_done_again_and_not_those_that_ended(bench):
    run = await bench(a_task("a"), a_task("b", after=("a",)))
    attempts = []

    async def work(leaf, flow_run):
        attempts.append((leaf.path, flow_run.parameters["attempt"]))
        if leaf.path == "b" and flow_run.parameters["attempt"] == 1:
            raise Death("killed by the test")
        return make_outcome(leaf)

    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work).at_work():
        assert (await run.drive(place, outcomes)).state == "completed"
    assert attempts == [("a", 1), ("b", 1), ("b", 2)]


async def test_a_worker_that_goes_silent_is_noticed_fenced_and_replaced(bench):
    run = await bench(a_task("a", side_effects=False), lost_after_s=2.0, heartbeat_s=0.5)
    outcomes, begun = {}, asyncio.Event()

    async def never(leaf, _flow_run):
        begun.set()
        await asyncio.sleep(1000)

    async with run.place(outcomes) as place:
        driving = asyncio.create_task(run.drive(place, outcomes))
        async with run.hands(never).at_work():
            await asyncio.wait_for(begun.wait(), 150)
        async with run.hands().at_work():
            assert (await asyncio.wait_for(driving, 150)).state == "completed"
    states = sorted(child.state.type.value for child in await run.children())
    assert states == ["COMPLETED", "CRASHED"]
    crashed = next(child for child in await run.children() if child.state.is_crashed())
    assert "was lost" in crashed.state.message


async def test_what_may_have_happened_on_a_lost_worker_is_not_repeated_by_the_next_execution(bench):
    from prefect.states import Crashed

    from genesis.prefect_api.claims import format_lost_message

    run = await bench(a_task("a", side_effects=True))
    [leaf] = run.program.leaves
    begun, at_work = [], asyncio.Event()

    async def work(leaf, _flow_run):
        begun.append(leaf.path)
        at_work.set()
        await asyncio.sleep(1000)

    async with run.hands(work).at_work():
        with suppress(KeyError):
            async with run.place({}) as place:
                lost = asyncio.create_task(place.run(leaf))
                child = await run.wait_for_child("RUNNING")
                await asyncio.wait_for(at_work.wait(), 60)
                lost.cancel()
                raise KeyError("a fault, as when the process is killed")
    await run.client.set_flow_run_state(child.id, Crashed(message=format_lost_message("w1")))
    await run.orchestrate()
    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work).at_work():
        outcomes.update(await place.attach())
        assert (await asyncio.wait_for(run.drive(place, outcomes), 150)).state == "failed"
    assert begun == ["a"]
    assert (await run.ledger.outcome(leaf)).error.code == "GEN-DISPATCH-MAYBE-DONE"


async def test_a_second_resume_does_again_what_was_lost_together_with_a_leaf_that_nobody_asked_for(bench):
    from prefect.states import Crashed

    from genesis.prefect_api.claims import format_lost_message

    run = await bench(a_task("a", side_effects=True), a_task("b", after=("a",), side_effects=True, retries=1))
    begun, at_work = [], asyncio.Event()

    async def never(leaf, _flow_run):
        begun.append(leaf.path)
        at_work.set()
        await asyncio.sleep(1000)

    async with run.hands(never).at_work():
        with suppress(KeyError):
            async with run.place({}) as place:
                lost = asyncio.create_task(place.run(run.program.leaves[0]))
                child = await run.wait_for_child("RUNNING")
                await asyncio.wait_for(at_work.wait(), 60)
                lost.cancel()
                raise KeyError("a fault, as when the process is killed")
    assert child.parameters["tasks"] == ["a", "b"]
    await run.client.set_flow_run_state(child.id, Crashed(message=format_lost_message("w1")))
    states = []
    for _ in range(2):
        await run.orchestrate()
        outcomes = {}
        async with run.place(outcomes) as place, run.hands().at_work():
            outcomes.update(await place.attach())
            states.append((await asyncio.wait_for(run.drive(place, outcomes), 150)).state)
    assert states == ["failed", "completed"]
    assert begun == ["a"]


async def test_cancelling_stops_children_that_run_and_those_that_nobody_took(bench):
    run = await bench(a_task("a"), a_task("b", agent="dev"), agents=("qa", "dev"))
    begun = asyncio.Event()

    async def never(leaf, _flow_run):
        begun.set()
        await asyncio.sleep(1000)

    async with run.place() as place:
        first, second = (asyncio.create_task(place.run(leaf)) for leaf in run.program.leaves)
        async with run.hands(never, pools=[run.pools[1]]).at_work():
            await asyncio.wait_for(begun.wait(), 150)
            await run.wait_for_child("SCHEDULED")
            place.cancel("the test says so")
            place.cancel("twice")
            assert {(await first).state, (await second).state} == {"cancelled"}
            assert (await place.run(run.program.leaves[0])).state == "cancelled"
    assert len(place.stopped) == 2
    assert {child.state.type.value for child in await run.children()} == {"CANCELLED"}


async def test_children_get_only_leaves_that_run_and_what_always_runs_does_so_after_a_cancellation(bench):
    from genesis.engine.driver import Driver
    from genesis.ledger.control import Control

    run = await bench(
        a_task("a"),
        a_task("no", after=("a",), when="{a.result} == 'other'"),
        a_task("anyway", after=("no",), run_if="all_done"),
        a_task("long", after=("anyway",)),
        a_task("never", after=("long",)),
        a_task("clean", after=("never",), run_if="always"),
    )
    begun, asked = asyncio.Event(), []

    async def work(leaf, flow_run):
        asked.append(leaf.path)
        if leaf.path == "long":
            begun.set()
            await asyncio.sleep(1000)
        return await at_once(leaf, flow_run)

    outcomes, control = {}, Control()
    async with run.place(outcomes) as place, run.hands(work).at_work():
        driving = asyncio.create_task(Driver(run.session, control, place, outcomes).run())
        await asyncio.wait_for(begun.wait(), 150)
        control.cancel()
        ending = await driving
    assert ending.state == "cancelled"
    states = {outcome.id: outcome.state for outcome in outcomes.values()}
    assert states == {
        "a": "completed", "no": "skipped", "anyway": "completed", "long": "cancelled", "never": "cancelled",
        "clean": "completed",
    }  # fmt: skip
    assert asked == ["a", "anyway", "long", "clean"]
    assert (await run.ledger.outcome(run.program.leaves[1])).skipped_by == "when: {a.result} == 'other'"


async def test_a_run_whose_child_somebody_cancels_is_not_completed(bench):
    from prefect.states import Cancelled

    run = await bench(a_task("a"), a_task("b", after=("a",)), a_task("c", agent="dev"), agents=("qa", "dev"))
    outcomes = {}
    worked_on = [run.program.agents[run.program.leaves[0].agent].pool_name]
    async with run.place(outcomes) as place, run.hands(pools=worked_on).at_work():
        driving = asyncio.create_task(run.drive(place, outcomes))
        child = await run.wait_for_child("SCHEDULED", run.program.agents[run.program.leaves[2].agent].pool_name)
        await run.client.set_flow_run_state(child.id, Cancelled(), force=True)
        ending = await driving
    assert ending.state == "cancelled"
    assert ending.error.code == "GEN-RUN-CANCELLED"
    assert "cancelled" in {outcome.state for outcome in outcomes.values()}


async def test_a_worker_that_was_told_of_another_deadline_has_its_leaf_done_again(bench):
    from genesis.model import ErrorInfo

    run = await bench(a_task("a"))
    times = []

    async def over_at_first(leaf, flow_run):
        times.append(flow_run.parameters["attempt"])
        if len(times) > 1:
            return make_outcome(leaf)
        return make_outcome(leaf, "cancelled").model_copy(
            update={"error": ErrorInfo(code="GEN-DEADLINE", message="over")}
        )

    outcomes = {}
    async with run.place(outcomes) as place, run.hands(over_at_first).at_work():
        ending = await run.drive(place, outcomes)
    assert ending.state == "completed"
    assert times == [1, 2]


async def test_an_execution_that_dies_leaves_its_children_to_the_next_which_repeats_nothing(bench):
    run = await bench(a_task("a"), a_task("b", after=("a",)), a_task("c"), batch_leaves=1, lane_idle_s=0)
    go, done = asyncio.Event(), []

    async def work(leaf, _flow_run):
        if leaf.path == "b":
            await go.wait()
        done.append(leaf.path)
        return make_outcome(leaf)

    async with run.hands(work).at_work():
        with suppress(KeyError):
            async with run.place({}) as place:
                await asyncio.gather(*(place.run(run.program.leaves[n]) for n in (0, 2)))
                lost = asyncio.create_task(place.run(run.program.leaves[1]))
                await run.wait_for_child("RUNNING")
                lost.cancel()
                raise KeyError("a fault, as when the process is killed")
        for n in (0, 2):  # its last writes were lost
            folder = run.ledger.folder / "leaves"
            next(folder.glob(f"{n:05d}-*")).unlink()
        await run.orchestrate()
        outcomes = {}
        async with run.place(outcomes) as place:
            attached = await place.attach()
            assert {n: outcome.state for n, outcome in attached.items()} == {0: "completed", 2: "completed"}
            outcomes.update(attached)
            driving = asyncio.create_task(run.drive(place, outcomes))
            await asyncio.sleep(0.2)
            go.set()
            assert (await asyncio.wait_for(driving, 150)).state == "completed"
    assert sorted(done) == ["a", "b", "c"]
    assert len(await run.children()) == 3


async def test_what_an_attempt_has_written_down_is_kept_even_if_the_server_has_forgotten_its_flow_run(bench):
    run = await bench(a_task("a"), a_task("b"))
    first, second = run.program.leaves
    await run.ledger.record_attempt(first, make_outcome(first, result="done"), str(uuid4()))
    await run.ledger.record_attempt(second, make_outcome(second, "failed"), str(uuid4()))
    async with run.place() as place:
        adopted = await place.attach()
    assert {index: outcome.result for index, outcome in adopted.items()} == {first.index: "done"}
    assert (await run.ledger.outcome(first)).state == "completed"


async def test_what_failed_in_an_earlier_execution_is_dispatched_anew_even_if_it_was_not_seen(bench):
    run = await bench(a_task("a"))
    states = iter(["failed", "completed"])

    async def work(leaf, _flow_run):
        return make_outcome(leaf, next(states))

    async with run.hands(work).at_work():
        outcomes = {}
        async with run.place(outcomes) as place:
            assert (await run.drive(place, outcomes)).state == "failed"
        await run.orchestrate()
        outcomes = {}
        async with run.place(outcomes) as place:  # without `attach`
            assert (await run.drive(place, outcomes)).state == "completed"
    assert sorted(child.parameters["attempt"] for child in await run.children()) == [1, 2]


async def test_a_pool_without_a_worker_is_said_and_waited_for(bench):
    run = await bench(a_task("a"))
    async with run.place() as place:
        running = asyncio.create_task(place.run(run.program.leaves[0]))
        await run.wait_for_child("SCHEDULED")
        started = time.monotonic()
        while not run.said and time.monotonic() - started < 60:
            await asyncio.sleep(0.1)
        assert run.said == [
            f"no worker serves work pool {run.pools[0]!r}; run: genesis worker --agents {run.pools[0][6:]}"
        ]
        async with run.hands().at_work():
            assert (await running).state == "completed"


async def test_a_missing_deployment_fails_at_once_where_nobody_waits(bench):
    run = await bench(a_task("a"), deploy=False, no_worker="fail")
    async with run.place() as place:
        outcome = await place.run(run.program.leaves[0])
    assert outcome.state == "failed"
    assert outcome.error.code == "GEN-DISPATCH-NO-WORKER"
    assert "prefect deploy --all" in outcome.error.hint


async def test_a_missing_deployment_is_waited_for(bench, monkeypatch):
    monkeypatch.setattr("genesis.dispatch.dispatcher.DEPLOYMENT_POLL_S", 0.1)
    run = await bench(a_task("a"), deploy=False)
    async with run.place() as place, run.hands().at_work():
        running = asyncio.create_task(place.run(run.program.leaves[0]))
        while not run.said:
            await asyncio.sleep(0.05)
        await run.deploy()
        assert (await running).state == "completed"
    assert "there is no deployment" in run.said[0]


async def test_a_deployment_that_was_made_anew_is_read_again(bench):
    run = await bench(a_task("a"), a_task("b", after=("a",)), batch_leaves=1)
    async with run.place() as place, run.hands().at_work():
        await place.run(run.program.leaves[0])
        old = await run.client.read_deployment_by_name(f"agent_task/{run.pools[0][6:]}")
        await run.client.delete_deployment(old.id)
        await run.client.create_deployment(
            old.flow_id, old.name, work_pool_name=run.pools[0], enforce_parameter_schema=False
        )
        assert (await place.run(run.program.leaves[1])).state == "completed"


async def test_what_was_dispatched_to_a_pool_that_was_made_anew_is_dispatched_again(bench):
    run = await bench(a_task("a"))
    async with run.place() as place:
        done = asyncio.create_task(place.run(run.program.leaves[0]))
        old = await run.wait_for_child("SCHEDULED")
        await run.client.delete_work_pool(run.pools[0])
        await run.deploy()
        async with run.hands().at_work():
            outcome = await asyncio.wait_for(done, 150)
    assert outcome.state == "completed"
    states = {child.id: child.state.type.value for child in await run.children()}
    assert states.pop(old.id) == "CANCELLED"
    assert list(states.values()) == ["COMPLETED"]


async def test_a_run_that_is_suspended_begins_no_leaf_and_goes_on_when_it_is_resumed(bench):
    from prefect.states import Paused, Running

    from genesis.engine.driver import Driver
    from genesis.engine.run_lease import RunLease
    from genesis.ledger.control import Control

    run = await bench(a_task("a"), a_task("b", after=("a",)), a_task("c", agent="dev"), agents=("qa", "dev"))
    begun, go_on = [], asyncio.Event()

    async def slow_at_first(leaf, _flow_run):
        if await run.ledger.is_suspended():
            return None  # as a worker of Genesis does
        begun.append((leaf.path, time.monotonic()))
        await go_on.wait()
        return make_outcome(leaf)

    outcomes, control = {}, Control()
    lease = RunLease(run.ledger, control, alive=False)
    flow_run = await run.client.read_flow_run(run.flow_run_id)
    await run.client.set_flow_run_state(flow_run.id, Running(), force=True)
    lease._owner = None
    keeping = asyncio.create_task(lease._hold(run.client, flow_run))
    hands = run.hands(slow_at_first, pools=[run.program.agents[run.program.leaves[0].agent].pool_name])
    async with run.place(outcomes) as place, hands.at_work():
        driving = asyncio.create_task(Driver(run.session, control, place, outcomes).run())
        while not begun:
            await asyncio.sleep(0.05)
        await run.client.set_flow_run_state(flow_run.id, Paused(), force=True)
        suspended_at = time.monotonic()
        while not await run.ledger.is_suspended():
            assert time.monotonic() - suspended_at < 60
            await asyncio.sleep(0.05)
        go_on.set()
        child = await run.wait_for_child("COMPLETED")
        assert child.state.message == "its run was suspended"
        await asyncio.sleep(1)
        assert not driving.done()
        assert [path for path, _ in begun] == ["a"]
        async with run.hands(slow_at_first).at_work():
            await run.client.set_flow_run_state(flow_run.id, Running(), force=True)
            ending = await asyncio.wait_for(driving, 150)
    keeping.cancel()
    assert ending.state == "completed"
    assert sorted(path for path, _ in begun) == ["a", "b", "c"]


async def test_a_child_with_leaves_that_nobody_wants_any_more_is_stopped_at_the_end(bench):
    run = await bench(a_task("a"), a_task("b", after=("a",)))

    async def work(leaf, _flow_run):
        if leaf.path == "b":
            await asyncio.sleep(1000)
        return make_outcome(leaf)

    async with run.hands(work).at_work():
        async with run.place() as place:
            assert (await place.run(run.program.leaves[0])).state == "completed"
        (child,) = await run.children()
        assert child.state.type.value in {"CANCELLING", "CANCELLED"}


async def test_a_place_is_open_while_leaves_run(bench):
    from genesis.errors import RunError

    run = await bench(a_task("a"), deploy=False)
    with pytest.raises(RunError, match="open"):
        await run.place().attach()


def in_turn(*agents, **more):
    """A chain of leaves of these agents, named after their places."""
    return [
        a_task(f"t{place}", agent=agent, after=(f"t{place - 1}",) if place else (), **more)
        for place, agent in enumerate(agents)
    ]


async def test_a_flow_run_takes_the_next_leaf_of_its_agent_when_that_is_ready(bench, monkeypatch):
    monkeypatch.setattr("genesis.dispatch.lanes._TURN_S", 1000.0)  # flow runs that other tests left wait, too
    monkeypatch.setattr("genesis.dispatch.lanes._LEAST_PATIENCE_S", 60.0)
    run = await bench(*in_turn("qa", "dev", "qa", "dev", "qa"), agents=("qa", "dev"), lane_idle_s=120)
    outcomes = {}
    async with run.place(outcomes) as place, run.hands().at_work():
        assert (await run.drive(place, outcomes)).state == "completed"
        nodes = place.nodes()
    children = await run.children()
    assert [child.parameters["tasks"] for child in sorted(children, key=lambda child: child.created)] == [
        ["t0"],
        ["t1"],
    ]
    assert all(child.state.is_completed() for child in children)  # told to end, though they would wait for 120 s
    assert {nodes[index].id for index in (0, 2, 4)} == {nodes[0].id} != {nodes[1].id}


async def test_a_flow_run_that_waits_for_nobody_ends_and_the_next_leaf_has_its_own(bench):
    run = await bench(*in_turn("qa", "dev", "qa"), agents=("qa", "dev"), lane_idle_s=0.5)
    resting = asyncio.Event()

    async def work(leaf, _flow_run):
        if leaf.path == "t1":
            await asyncio.wait_for(resting.wait(), 150)
        return make_outcome(leaf)

    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work).at_work():
        driving = asyncio.create_task(run.drive(place, outcomes))
        await run.wait_for_child("COMPLETED")
        resting.set()
        assert (await driving).state == "completed"
    assert len(await run.children()) == 3


async def test_a_process_that_dies_with_a_further_leaf_has_that_one_done_again_and_no_other(bench):
    run = await bench(*in_turn("qa", "dev", "qa"), agents=("qa", "dev"), lane_idle_s=30)
    begun = []

    async def work(leaf, flow_run):
        begun.append((leaf.path, flow_run.parameters["attempt"]))
        if leaf.path == "t2" and flow_run.parameters["attempt"] == 1:
            raise Death("killed by the test")
        return make_outcome(leaf)

    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work).at_work():
        assert (await run.drive(place, outcomes)).state == "completed"
    assert begun == [("t0", 1), ("t1", 1), ("t2", 1), ("t2", 2)]
    assert len(outcomes[2].history) == 1


async def test_cancelling_ends_a_flow_run_with_a_further_leaf_and_one_that_waits_for_one(bench):
    run = await bench(*in_turn("qa", "dev", "qa"), agents=("qa", "dev"), lane_idle_s=30)
    begun = asyncio.Event()

    async def work(leaf, _flow_run):
        if leaf.path == "t2":
            begun.set()
            await asyncio.sleep(1000)
        return make_outcome(leaf)

    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work).at_work():
        driving = asyncio.create_task(run.drive(place, outcomes))
        await asyncio.wait_for(begun.wait(), 150)
        started = time.monotonic()
        place.cancel("the test cancels it")
        assert (await asyncio.wait_for(driving, 150)).state == "cancelled"
        assert time.monotonic() - started < 30
    assert [outcomes[n].state for n in range(3)] == ["completed", "completed", "cancelled"]


async def test_an_execution_that_dies_leaves_a_further_leaf_to_the_next_which_repeats_nothing(bench):
    run = await bench(*in_turn("qa", "dev", "qa"), agents=("qa", "dev"), lane_idle_s=30)
    begun, may_end, done = asyncio.Event(), asyncio.Event(), []

    async def work(leaf, _flow_run):
        done.append(leaf.path)
        if leaf.path == "t2":
            begun.set()
            await asyncio.wait_for(may_end.wait(), 150)
        return make_outcome(leaf)

    async with run.hands(work).at_work():
        place, outcomes = run.place(), {}
        await place.__aenter__()
        driving = asyncio.create_task(run.drive(place, outcomes))
        await asyncio.wait_for(begun.wait(), 150)
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        await place.__aexit__(RuntimeError, RuntimeError("dies"), None)
        outcomes = {}
        async with run.place(outcomes) as place:
            outcomes |= await place.attach()
            assert sorted(outcomes) == [0, 1]
            driving = asyncio.create_task(run.drive(place, outcomes))
            await asyncio.sleep(0.5)
            may_end.set()
            assert (await asyncio.wait_for(driving, 150)).state == "completed"
    assert done == ["t0", "t1", "t2"]
    assert len(await run.children()) == 2


async def test_two_runs_share_a_place_although_one_could_keep_it(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("genesis.dispatch.lanes._TURN_S", 2.0)
    one = await bench(*in_turn(*["qa"] * 8), batch_leaves=1, lane_idle_s=10)
    other = Bench(one.client, one.program, tmp_path, batch_leaves=1, lane_idle_s=10)
    await other.orchestrate()
    begun, order = asyncio.Event(), []

    async def work(leaf, flow_run):
        begun.set()
        order.append(flow_run.parameters["run_id"])
        await asyncio.sleep(0.9)  # long enough for the other run to arrive on a busy machine
        return make_outcome(leaf)

    async def driven(run):
        outcomes = {}
        async with run.place(outcomes) as place:
            return await run.drive(place, outcomes)

    hands, others = one.hands(work), other.hands(work)
    others._places = hands._places = asyncio.Semaphore(1)
    async with hands.at_work(), others.at_work():
        driving = asyncio.create_task(driven(one))
        await asyncio.wait_for(begun.wait(), 150)
        first, second = await asyncio.gather(driving, driven(other))
    assert (first.state, second.state) == ("completed", "completed")
    turns = [run for place, run in enumerate(order) if place == 0 or order[place - 1] != run]
    assert len(turns) >= 3  # neither waited for the end of the other
    assert len(await one.children()) < 8  # and yet a turn is more than one leaf


async def test_a_flow_run_never_has_two_leaves_at_work(bench):
    width = 6
    run = await bench(
        *(a_task(f"t{n}", estimate={"seconds": 0.2}) for n in range(width)), batch_seconds=0, lane_idle_s=5
    )
    at_work, most = set(), []

    async def work(leaf, flow_run):
        at_work.add((flow_run.id, leaf.path))
        most.append(max(sum(each[0] == flow_run.id for each in at_work), 1))
        await asyncio.sleep(0.2)
        at_work.discard((flow_run.id, leaf.path))
        return make_outcome(leaf)

    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work, places=2).at_work():
        assert (await run.drive(place, outcomes)).state == "completed"
    assert max(most) == 1


async def test_copies_run_on_pools_with_no_more_at_once_than_may(bench):
    going, most, done = 0, 0, []
    two = asyncio.Barrier(2)

    async def work(leaf, _flow_run):
        nonlocal going, most
        going, most = going + 1, max(most, going + 1)
        done.append(leaf.path)
        if leaf.in_copies:
            await two.wait()
        going -= 1
        return make_outcome(leaf, result=leaf.items.get("item"))

    values = ["x", {"y": None}, [], 4]
    run = await bench(
        a_task("first"),
        a_task("each", after=("first",), for_each=values, max_parallel=2, inputs={"v": "{item}"}),
        a_task("last", after=("each",)),
    )
    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work).at_work():
        ending = await run.drive(place, outcomes)
    assert ending.state == "completed"
    assert {outcome.id: outcome.result for outcome in outcomes.values()}["each"] == values
    assert (done[0], sorted(done[1:-1]), done[-1]) == ("first", ["each/0-x", "each/1", "each/2", "each/3-4"], "last")
    assert most == 2


async def test_a_leaf_with_resources_has_a_flow_run_of_its_own_with_the_job_variables_of_its_pool(bench):
    needs = {"cpu": 0.5, "memory": "256Mi", "tags": ["x"]}
    run = await bench(
        a_task("a", resources=needs), a_task("b", after=("a",), resources={"tags": ["x"]}), a_task("c", after=("b",))
    )
    [pool] = {agent.pool_name for agent in run.program.agents.values()}
    template = {"job_configuration": {"memory": "{{ mem_limit }}"}, "variables": {"properties": {"mem_limit": {}}}}
    await run.client.update_work_pool(pool, WorkPoolUpdate(base_job_template=template))
    outcomes = {}
    async with run.place(outcomes) as place, run.hands().at_work():
        ending = await run.drive(place, outcomes)
    assert ending.state == "completed"
    found = {tuple(child.parameters["tasks"]): child.job_variables for child in await run.children()}
    assert found == {("a",): {"mem_limit": "536870912b"}, ("b", "c"): None}
    assert [text for text in run.said if "job variable" in text] == [
        f"pool {pool!r} has no job variable for cpu: its workers are not told what tasks need of it"
    ]


async def test_leaves_with_a_mutex_hold_it_while_their_flow_runs_work_and_share_none(bench):
    name, seen = f"m-{uuid4().hex[:6]}", []

    async def work(leaf, _flow_run):
        limit = await run.client.read_global_concurrency_limit_by_name(f"mutex:{name}")
        seen.append((leaf.path, limit.active_slots))
        return make_outcome(leaf)

    run = await bench(a_task("a", mutex=name), a_task("b", after=("a",), mutex=name), a_task("c", mutex=name))
    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work).at_work():
        ending = await run.drive(place, outcomes)
    assert ending.state == "completed"
    assert sorted(seen) == [("a", 1), ("b", 1), ("c", 1)]
    assert all(len(child.parameters["tasks"]) == 1 for child in await run.children())
    assert (await run.client.read_global_concurrency_limit_by_name(f"mutex:{name}")).active_slots == 0


async def _run_apart(bench, runs_in_of, template=None):
    """Run three leaves of one agent in a row, the second in an environment of its own; return which ran where."""
    from prefect.client.schemas.actions import WorkPoolUpdate

    from genesis.model import RunsIn

    run = await bench(a_task("a"), a_task("b", after=("a",)), a_task("c", after=("b",)), a_task("d", agent="dev"),
                      agents=("qa", "dev"))  # fmt: skip
    qa, dev = (agent.pool_name for agent in run.program.registry.agents)
    own = RunsIn.model_validate(runs_in_of(dev))
    leaves = [leaf.model_copy(update={"runs_in": own}) if leaf.path == "b" else leaf for leaf in run.program.leaves]
    run.program = run.session.program_state.program = run.program.model_copy(update={"leaves": tuple(leaves)})
    if template is not None:
        await run.client.update_work_pool(qa, WorkPoolUpdate(base_job_template=template))
    where = {}

    async def work(leaf, flow_run):
        pool, variables = flow_run.work_pool_name.split("-")[1], flow_run.job_variables or {}
        where[leaf.path] = (pool, variables, flow_run.parameters["tasks"])
        return make_outcome(leaf)

    outcomes = {}
    async with run.place(outcomes) as place, run.hands(work).at_work():
        ending = await run.drive(place, outcomes)
    return ending, where, {outcome.id: outcome for outcome in outcomes.values()}


async def test_a_leaf_with_a_pool_of_its_own_goes_there_alone(bench):
    ending, where, _ = await _run_apart(bench, lambda dev: {"pool": dev})
    assert ending.state == "completed"
    assert where["b"] == ("dev", {}, ["b"])
    assert (where["a"][0], where["c"][0]) == ("qa", "qa")


async def test_a_leaf_with_an_image_travels_alone_and_its_flow_run_has_it(bench):
    variables = {"type": "object", "properties": {"image": {"type": "string"}}}
    template = {"job_configuration": {"image": "{{ image }}"}, "variables": variables}
    ending, where, _ = await _run_apart(bench, lambda _: {"image": "registry.example/tool:1.2"}, template)
    assert ending.state == "completed"
    assert where["b"] == ("qa", {"image": "registry.example/tool:1.2"}, ["b"])
    assert (where["a"][1], where["c"][1]) == ({}, {})


async def test_an_image_on_a_pool_that_runs_none_is_a_clear_error_of_its_leaf(bench):
    ending, where, outcomes = await _run_apart(bench, lambda _: {"image": "tool:1"})
    assert (ending.state, "b" in where) == ("failed", False)
    assert outcomes["b"].error.code == "GEN-DISPATCH-IMAGE"
    assert "of type 'genesis' runs no container images" in outcomes["b"].error.message


async def test_a_wait_on_pools_makes_no_flow_run(bench):
    run = await bench(a_task("a"), a_task("pause", after=("a",), wait_for={"time": 0}), a_task("b", after=("pause",)))
    outcomes = {}
    async with run.place(outcomes) as place, run.hands().at_work():
        assert (await run.drive(place, outcomes)).state == "completed"
    assert {outcome.id: outcome.state for outcome in outcomes.values()} == dict.fromkeys(
        ("a", "pause", "b"), "completed"
    )
    assert sorted(path for child in await run.children() for path in child.parameters["tasks"]) in (["a"], ["a", "b"])
