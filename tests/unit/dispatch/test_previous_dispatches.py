from types import SimpleNamespace
from uuid import uuid4

from prefect.client.schemas.objects import StateType
from prefect.states import Completed, Crashed, Running

from genesis.dispatch.child import parameters
from genesis.dispatch.previous_dispatches import earlier_children
from genesis.ledger import LaneOrder
from genesis.prefect_api.claims import format_lost_message
from genesis.testing.plans import a_task


def flow_run(given, state=None):
    state = state or Completed()
    about = {"state": state, "state_type": state.type, "parent_task_run_id": None, "work_queue_id": None}
    return SimpleNamespace(id=uuid4(), parameters=given, **about)


async def test_children_of_this_run_and_plan_are_found_the_latest_attempt_first(make, line, api):
    run = make(a_task("a"), a_task("b", after=("a",)))
    leaves = run.program.leaves
    first = flow_run(parameters("r1", leaves, 1))
    second = flow_run(parameters("r1", leaves[1:], 2), Running())
    api.answers("read_flow_runs", lambda **_: [first, second])
    found = await earlier_children(line, run.session.ledger, run.program)
    assert [earlier.child.id for earlier in found] == [second.id, first.id]
    assert [earlier.final for earlier in found] == [False, True]
    assert found[0].child.leaves == leaves[1:]
    assert (found[0].child.state, found[0].child.pool, found[0].child.inherited) == (
        StateType.RUNNING,
        "agent-qa",
        True,
    )


async def test_a_child_that_crashed_with_its_worker_is_told_from_one_that_crashed_by_itself(make, line, api):
    run = make(a_task("a"))
    given = parameters("r1", run.program.leaves, 1)
    ends = [Crashed(message=format_lost_message("w1")), Crashed(message="killed"), Running()]
    api.answers("read_flow_runs", lambda **_: [flow_run(given, state) for state in ends])
    found = await earlier_children(line, run.session.ledger, run.program)
    assert [earlier.lost for earlier in found] == ["its worker 'w1' was lost", "", ""]


async def test_flow_runs_that_are_no_children_of_this_plan_are_left_out(make, line, api):
    run = make(a_task("a"))
    good = parameters("r1", run.program.leaves, 1)
    strange = [
        {},
        good | {"run_id": "r2"},
        good | {"tasks": "a"},
        good | {"tasks": ["z"]},
        good | {"fingerprints": ["other"]},
        good | {"fingerprints": None},
    ]
    api.answers("read_flow_runs", lambda **_: [flow_run(given) for given in strange])
    assert await earlier_children(line, run.session.ledger, run.program) == []


async def test_all_pages_are_read_and_an_attempt_without_a_number_is_the_first(make, line, api):
    run = make(a_task("a"))
    given = parameters("r1", run.program.leaves, 1) | {"attempt": "?"}
    pages = iter([[flow_run(given) for _ in range(200)], [flow_run(given)]])
    api.answers("read_flow_runs", lambda **_: next(pages))
    found = await earlier_children(line, run.session.ledger, run.program)
    assert len(found) == 201
    assert {earlier.child.attempt for earlier in found} == {1}
    assert [more["offset"] for _, _, more in api.asked] == [0, 200]


async def test_the_leaves_that_a_child_was_given_later_are_its_own(make, line, api):
    run = make(a_task("a"), a_task("b"), a_task("c"))
    a, b, _ = run.program.leaves
    found = flow_run(parameters("r1", [a], 1), Running())
    await run.session.ledger.order(str(found.id), 1, LaneOrder(tasks=("b",), fingerprints=(b.fingerprint,)))
    await run.session.ledger.order(str(found.id), 2, LaneOrder())
    api.answers("read_flow_runs", lambda **_: [found])
    (earlier,) = await earlier_children(line, run.session.ledger, run.program)
    assert earlier.child.leaves == (a, b)
    assert earlier.child.orders == [(b,), ()]
