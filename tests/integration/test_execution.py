"""Programs on a real Prefect server, with agents that do what the test wrote down."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
    FlowRunFilterParentFlowRunId,
)

from genesis.agents import LocalProbe, Result
from genesis.engine.executor_context import make_executor_context
from genesis.errors import TaskError
from genesis.ledger import Ledger
from genesis.model import Handover
from genesis.testing import ScriptedAgent, a_program, a_task, an_agent
from genesis.testing.prefect import Workbench

pytestmark = pytest.mark.server


class Recorder:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.kept: list[int] = []
        self.ended = None

    def run_started(self, program, run, finished) -> None:
        self.kept = list(finished)

    def leaf_changed(self, outcome) -> None:
        self.seen.append((outcome.id, outcome.state))

    def leaf_diverted(self, leaf, kind, reason) -> None:
        pass

    def run_ended(self, run) -> None:
        self.ended = run


def _states(run) -> dict[str, str]:
    return {task.id: task.state for task in run.tasks}


async def _flow_run(run_id: str):
    async with get_client() as client:
        (found,) = await client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(like_=run_id)))
        return found


async def _eventually(ask, good, seconds: float = 20.0):
    """Ask until the answer is good: events reach the server a little after the run."""
    async with asyncio.timeout(seconds):
        while not good(answer := await ask()):
            await asyncio.sleep(0.2)
    return answer


async def _leaf_run(flow_run_id: str, name: str):
    """Return a task run of a flow run once it is final."""

    def find(runs):
        return [run for run in runs if run.name == name and run.state and run.state.is_final()]

    this_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    async with get_client() as client:
        return find(await _eventually(lambda: client.read_task_runs(flow_run_filter=this_run), find))[0]


async def test_results_flow_along_the_edges_in_order(workbench: Workbench):
    program = a_program(
        a_task("a", outputs=["n"]),
        a_task("c", a_task("x", inputs={"n": "{a.n}"}), a_task("y"), after=("a",)),
        a_task("z", after=("c",)),
    )
    agent = ScriptedAgent({"a": [{"n": 7}], "c/x": [lambda work: {"got": work.inputs["n"]}]})
    recorder = Recorder()
    run = await workbench.run(program, agent, observer=recorder)
    assert run.state == "completed"
    assert set(_states(run).values()) == {"completed"}
    assert agent.paths[0] == "a"
    assert agent.paths[-1] == "z"
    assert run.tasks[1].result == {"got": 7}
    assert agent.work[-1].upstream == {"c/x": {"got": 7}, "c/y": {}}
    assert recorder.ended == run
    assert recorder.seen.count(("a", "running")) == recorder.seen.count(("a", "completed")) == 1


async def test_a_failed_task_skips_its_dependants_and_the_rest_goes_on(workbench: Workbench):
    program = a_program(
        a_task("bad"), a_task("after", after=("bad",)), a_task("last", after=("after",)), a_task("other")
    )
    run = await workbench.run(program, ScriptedAgent({"bad": [TaskError("no", hint="fix it")]}))
    assert run.state == "failed"
    assert _states(run) == {"bad": "failed", "after": "skipped", "last": "skipped", "other": "completed"}
    assert run.tasks[0].error.message == "no"
    assert run.tasks[0].error.hint == "fix it"
    assert "'bad'" in run.tasks[1].error.message
    assert run.error.code == "GEN-RUN-FAILED"
    assert (await _flow_run(run.run_id)).state.is_failed()


async def test_a_repeat_succeeds_and_is_counted(workbench: Workbench):
    workbench.settings = workbench.settings.model_copy(
        update={"run": workbench.settings.run.model_copy(update={"retry_delay_s": 0.01})}
    )
    agent = ScriptedAgent({"a": [ValueError("first"), RuntimeError("second"), {"ok": True}]})
    run = await workbench.run(a_program(a_task("a", retries=2)), agent)
    assert run.state == "completed"
    assert run.tasks[0].attempts == 3
    assert run.tasks[0].error is None
    assert [work.attempt for work in agent.work] == [1, 2, 3]


async def test_a_task_over_its_time_fails_and_its_work_is_cancelled(workbench: Workbench):
    agent = ScriptedAgent(seconds=30)
    run = await workbench.run(a_program(a_task("slow", timeout_s=0.3)), agent)
    assert _states(run) == {"slow": "failed"}
    assert run.tasks[0].error.code == "GEN-TASK-TIMEOUT"
    assert agent.cancelled == ["slow"]


async def test_promised_outputs_that_are_missing_fail_the_task(workbench: Workbench):
    run = await workbench.run(a_program(a_task("a", outputs=["x"])), ScriptedAgent({"a": [{"y": 1}]}))
    assert run.tasks[0].error.code == "GEN-TASK-OUTPUTS"


async def test_an_agents_limit_and_the_slots_hold(workbench: Workbench):
    agents = (an_agent("few", max_concurrency=2), an_agent("many", max_concurrency=50))
    tasks = [a_task(f"f{i}", agent="few") for i in range(6)] + [a_task(f"m{i}", agent="many") for i in range(12)]
    few, many = ScriptedAgent(seconds=0.05), ScriptedAgent(seconds=0.05)
    run = await workbench.run(
        a_program(*tasks, agents=agents), lambda leaf: few if leaf.agent == "few" else many, slots=5
    )
    assert run.state == "completed"
    assert few.most_at_once == 2
    assert 3 <= many.most_at_once <= 5


async def test_a_resume_repeats_no_finished_leaf(workbench: Workbench):
    program = a_program(a_task("a", side_effects=True), a_task("b", after=("a",)), a_task("c", after=("b",)))
    first = await workbench.run(program, ScriptedAgent({"b": [ValueError("once")]}))
    assert _states(first) == {"a": "completed", "b": "failed", "c": "skipped"}
    again, recorder = ScriptedAgent({"a": [ValueError("must not run")]}), Recorder()
    second = await workbench.run(program, again, run_id=first.run_id, observer=recorder)
    assert second.state == "completed"
    assert second.run_id == first.run_id
    assert again.paths == ["b", "c"]
    assert again.work[0].upstream == {"a": {}}
    assert recorder.kept == [0]


async def test_a_leaf_that_is_never_to_be_reused_runs_again_on_a_resume(workbench: Workbench):
    program = a_program(a_task("a", cache="none"), a_task("b", after=("a",)), a_task("c", after=("b",)))
    first = await workbench.run(program, ScriptedAgent({"c": [ValueError("once")]}))
    again = ScriptedAgent()
    assert (await workbench.run(program, again, run_id=first.run_id)).state == "completed"
    assert sorted(again.paths) == ["a", "c"]


async def test_a_record_is_written_before_the_leaf_is_final(workbench: Workbench):
    program = a_program(a_task("a"), a_task("b", after=("a",)))
    seen: list[bool] = []

    def look(work):
        ledger = workbench.store.root / "genesis" / work.run_id / "leaves"
        seen.append((ledger / "00000-a.json").exists())
        return {}

    await workbench.run(program, ScriptedAgent({"b": [look]}))
    assert seen == [True]


async def test_a_large_result_is_passed_on_by_reference(workbench: Workbench):
    program = a_program(a_task("a", outputs=["text"]), a_task("b", inputs={"x": "{a.text}"}))
    big = "x" * 200_000
    agent = ScriptedAgent({"a": [{"text": big}], "b": [lambda work: {"length": len(work.inputs["x"])}]})
    run = await workbench.run(program, agent)
    assert run.tasks[0].result is None
    assert run.tasks[0].result_ref == "results/00000-a.json"
    assert run.tasks[1].result == {"length": 200_000}
    assert await Ledger(workbench.store, run.run_id).result(run.tasks[0]) == {"text": big}


async def test_a_cached_result_is_taken_by_another_run(workbench: Workbench):
    program = a_program(a_task("a", cache={"ttl_s": 600}, outputs=["n"]), a_task("b", inputs={"n": "{a.n}"}))
    await workbench.run(program, ScriptedAgent({"a": [{"n": 1}]}))
    agent = ScriptedAgent()
    run = await workbench.run(program, agent)
    assert _states(run) == {"a": "cached", "b": "completed"}
    assert agent.paths == ["b"]
    assert agent.work[0].inputs == {"n": 1}


async def test_a_failure_is_not_cached(workbench: Workbench):
    program = a_program(a_task("a", cache={"ttl_s": 600}, retries=0))
    failed = await workbench.run(program, ScriptedAgent({"a": [RuntimeError("no")]}))
    agent = ScriptedAgent()
    run = await workbench.run(program, agent)
    assert (_states(failed), _states(run)) == ({"a": "failed"}, {"a": "completed"})
    assert agent.paths == ["a"]


async def test_cancelling_ends_what_runs_and_starts_nothing_more(workbench: Workbench):
    agent = ScriptedAgent(seconds=30)
    program = a_program(a_task("a"), a_task("b", after=("a",)))
    running = asyncio.create_task(workbench.run(program, agent))
    async with asyncio.timeout(30):
        while not agent.work:
            await asyncio.sleep(0.05)
    workbench.control.cancel()
    run = await running
    assert run.state == "cancelled"
    assert _states(run) == {"a": "cancelled", "b": "cancelled"}
    assert agent.cancelled == ["a"]
    found = await _flow_run(run.run_id)
    assert found.state.is_cancelled()
    leaf = await _leaf_run(str(found.id), "worker · a")
    assert leaf.state.name == "Cancelled"


async def test_the_deadline_ends_the_run(workbench: Workbench):
    agent = ScriptedAgent(seconds=30)
    run = await workbench.run(a_program(a_task("a"), deadline_s=1.5), agent)
    assert run.state == "failed"
    assert run.error.code == "GEN-DEADLINE"
    assert run.error.hint == f"genesis resume {run.run_id} --deadline 3"
    assert agent.cancelled == ["a"]


async def test_a_spent_budget_stops_what_has_not_started(workbench: Workbench):
    program = a_program(a_task("a"), a_task("b", after=("a",)), a_task("c", after=("b",)), budget={"usd": 1})
    costs = ScriptedAgent({path: [Result(value={}, usd=Decimal("0.75"), tokens=10)] for path in "abc"})
    run = await workbench.run(program, costs)
    assert run.state == "budget_exceeded"
    assert _states(run) == {"a": "completed", "b": "completed", "c": "cancelled"}
    assert float(run.cost_usd) == 1.5
    assert run.error.hint == f"genesis resume {run.run_id} --budget 3.00"


WORKS = an_agent("works", executor={"kind": "command", "argv": ["true"]})
WRITES = an_agent("writes", executor={"kind": "brief"})


def _briefs(*paths: str) -> dict:
    return {path: [Result(value={"brief": f"/orders/{path}.md"}, state="briefed")] for path in paths}


def _with_orders():
    return a_program(
        a_task("text", agent="writes"),
        a_task("design", agent="writes", after=("text",)),
        a_task("count", agent="works", after=("text",)),
        a_task("last", agent="writes", after=("count",)),
        a_task("free", agent="works"),
        agents=(WORKS, WRITES),
    )


async def _deliver(workbench: Workbench, program, run_id: str, path: str, result: object = "done") -> None:
    ledger = Ledger(workbench.store, run_id)
    leaf = next(leaf for leaf in program.leaves if leaf.path == path)
    handed = Handover(by="Ada", at=datetime.now(UTC))
    briefed = await ledger.outcome(leaf)
    update = {"state": "completed", "result": result, "delivered": handed}
    await ledger.deliver(leaf, briefed.model_copy(update=update), path)


async def test_work_orders_are_all_issued_and_what_needs_their_results_waits(workbench: Workbench):
    agent = ScriptedAgent(_briefs("text", "design", "last"))
    run = await workbench.run(_with_orders(), agent)
    assert run.state == "briefed"
    assert run.error is None
    expected = {"text": "briefed", "design": "briefed", "count": "pending", "last": "pending", "free": "completed"}
    assert _states(run) == expected
    (design,) = [work for work in agent.work if work.path == "design"]
    assert design.awaited == {"text": "/orders/text.md"}
    assert design.upstream == {}
    found = await _flow_run(run.run_id)
    assert (found.state.type.value, found.state.name) == ("COMPLETED", "Briefed")
    assert f"genesis deliver {run.run_id} text --result /orders/result.json" in found.state.message


async def test_a_resume_goes_on_with_what_was_delivered_and_issues_no_order_twice(workbench: Workbench):
    program = _with_orders()
    first = await workbench.run(program, ScriptedAgent(_briefs("text", "design", "last")))
    await _deliver(workbench, program, first.run_id, "text", {"words": 3})
    agent = ScriptedAgent(_briefs("last"))
    run = await workbench.run(program, agent, run_id=first.run_id)
    assert run.state == "briefed"
    assert agent.paths == ["count", "last"]
    assert agent.work[0].upstream == {"text": {"words": 3}}
    for path in ("design", "last"):
        await _deliver(workbench, program, first.run_id, path)
    run = await workbench.run(program, ScriptedAgent(), run_id=first.run_id)
    assert run.state == "completed"
    assert set(_states(run).values()) == {"completed"}


async def test_a_delivery_while_the_run_runs_is_taken_up_at_once(workbench: Workbench):
    program = a_program(
        a_task("text", agent="writes"),
        a_task("count", agent="works", after=("text",)),
        a_task("slow", agent="works"),
        agents=(WORKS, WRITES),
    )
    go = asyncio.Event()

    class Agent(ScriptedAgent):
        async def execute(self, work):
            if work.path == "slow":
                await go.wait()
            if work.path == "count":
                go.set()
            return await super().execute(work)

    agent, watch = Agent(_briefs("text")), Recorder()
    run_id = "20260101-000000-abcdef"
    running = asyncio.create_task(workbench.run(program, agent, observer=watch, run_id=run_id))
    await _eventually(_read_lines(watch), lambda seen: ("text", "briefed") in seen, 60)
    await _deliver(workbench, program, run_id, "text")
    run = await running
    assert run.state == "completed"


def _read_lines(watch: Recorder):
    async def seen():
        return list(watch.seen)

    return seen


async def test_a_failure_beside_a_work_order_fails_the_run(workbench: Workbench):
    program = a_program(
        a_task("text", agent="writes"),
        a_task("bad", agent="works"),
        a_task("both", agent="works", after=("text", "bad")),
        agents=(WORKS, WRITES),
    )
    run = await workbench.run(program, ScriptedAgent({**_briefs("text"), "bad": [TaskError("no")]}))
    assert run.state == "failed"
    assert _states(run) == {"text": "briefed", "bad": "failed", "both": "skipped"}


async def test_a_work_order_without_a_cache_is_issued_once_and_its_result_is_kept(workbench: Workbench):
    program = a_program(
        a_task("text", agent="writes", cache="none"), a_task("b", agent="works"), agents=(WORKS, WRITES)
    )
    first = await workbench.run(program, ScriptedAgent(_briefs("text")))
    again = ScriptedAgent(_briefs("text"))
    assert (await workbench.run(program, again, run_id=first.run_id)).state == "briefed"
    await _deliver(workbench, program, first.run_id, "text")
    run = await workbench.run(program, again, run_id=first.run_id)
    assert run.state == "completed"
    assert again.paths == []


async def test_skipped_and_cancelled_tasks_are_in_the_graph_behind_what_they_come_after(workbench: Workbench):
    after = a_task("b", after=("a",)), a_task("c", after=("b",))
    program = a_program(a_task("a"), *after, a_task("d", when="{on} == 'yes'"), vars={"on": "no"})
    run = await workbench.run(program, ScriptedAgent({"a": [TaskError("no")]}))
    assert _states(run) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "skipped"}
    found = await _flow_run(run.run_id)
    leaves = {path: await _leaf_run(str(found.id), f"worker · {path}") for path in "abcd"}
    assert (leaves["d"].state.type.value, leaves["d"].state.name) == ("COMPLETED", "Skipped")
    assert leaves["d"].state.message == "when: {on} == 'yes'"
    assert (leaves["b"].state.type.value, leaves["b"].state.name) == ("CANCELLED", "Skipped")
    assert leaves["b"].state.message == "'a' did not finish"
    edges = {path: [str(source.id) for source in leaves[path].task_inputs["after"]] for path in "bc"}
    assert edges == {"b": [str(leaves["a"].id)], "c": [str(leaves["b"].id)]}
    assert f"To continue: genesis resume {run.run_id}" in found.state.message


async def test_a_preflight_error_stops_everything_before_the_first_task(workbench: Workbench):
    agent = an_agent(executor={"kind": "command", "argv": ["no-such-program-here"]}, secrets=["NO_SUCH_SECRET"])
    scripted = ScriptedAgent()
    probe = LocalProbe(make_executor_context(workbench.settings))
    run = await workbench.run(a_program(a_task("a"), agents=(agent,)), scripted, probe=probe)
    assert run.state == "failed"
    assert run.error.code == "GEN-PLAN-INVALID"
    assert scripted.work == []
    assert _states(run) == {"a": "pending"}


async def test_the_ui_has_names_edges_artifacts_and_no_tags(workbench: Workbench):
    program = a_program(
        a_task("a"), a_task("b", after=("a",)), a_task("c", after=("a",)), a_task("d", after=("b", "c"))
    )
    run = await workbench.run(program, ScriptedAgent())
    found = await _flow_run(run.run_id)
    assert run.ui_url.endswith(str(found.id))
    assert {"genesis", "cid:test"} <= set(found.tags)
    async with get_client() as client:

        async def graph():
            return (await client._client.get(f"/flow_runs/{found.id}/graph-v2")).json()["nodes"]

        nodes = dict(await _eventually(graph, lambda nodes: len(nodes) >= 5))
        labels = {key: node["label"] for key, node in nodes.items() if node["kind"] == "task-run"}
        assert sorted(labels.values()) == ["worker · a", "worker · b", "worker · c", "worker · d"]
        edges = {(labels[p["id"]], label) for key, label in labels.items() for p in nodes[key]["parents"]}
        assert edges == {
            ("worker · a", "worker · b"),
            ("worker · a", "worker · c"),
            ("worker · b", "worker · d"),
            ("worker · c", "worker · d"),
        }
        this_run = FlowRunFilter(id=FlowRunFilterId(any_=[found.id]))
        tasks = await client.read_task_runs(flow_run_filter=this_run)
        assert len(tasks) >= 4
        assert {tuple(task.tags) for task in tasks} == {()}
        artifacts = await client.read_artifacts(flow_run_filter=this_run)
        preflight = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[found.id]))
        (report,) = await client.read_artifacts(flow_run_filter=preflight)
    keys = {artifact.key: artifact for artifact in artifacts}
    assert {"genesis-plan", "genesis-routing", "genesis-progress", "genesis-result"} <= set(keys)
    assert "4 of 4 done" in keys["genesis-progress"].data
    assert json.loads(keys["genesis-routing"].data)[0]["agent"] == "worker"
    assert report.key == "genesis-report"


async def test_inside_a_flow_the_leaves_are_task_runs_of_that_flow(workbench: Workbench):
    @flow(name="mine")
    async def mine():
        return await workbench.run(a_program(a_task("a")), ScriptedAgent())

    run = await mine()
    assert run.state == "completed"
    leaf = await _leaf_run(run.ui_url.rsplit("/", 1)[1], "worker · a")
    async with get_client() as client:
        found = await client.read_flow_run(leaf.flow_run_id)
        parent = await client.read_flow(found.flow_id)
    assert parent.name == "mine"


async def test_a_ledger_that_cannot_be_written_fails_the_run_and_keeps_what_is_there(workbench: Workbench):
    def break_ledger(work):
        folder = workbench.store.root / "genesis" / work.run_id / "leaves"
        folder.rename(folder.with_name("moved"))
        folder.write_text("in the way")
        return {}

    program = a_program(a_task("a"), a_task("b", after=("a",)), a_task("c", after=("b",)))
    run = await workbench.run(program, ScriptedAgent({"b": [break_ledger]}))
    assert run.state == "failed"
    assert "cannot be written" in run.error.message
    assert _states(run)["c"] != "completed"
    folder = workbench.store.root / "genesis" / run.run_id
    (folder / "leaves").unlink()
    (folder / "moved").rename(folder / "leaves")
    again = ScriptedAgent()
    assert (await workbench.run(program, again, run_id=run.run_id)).state == "completed"
    assert again.paths == ["b", "c"]
