"""Whether a leaf that ended changes the plan, within which limits, and what it gets from what was added."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import WORKS, FakeBackend, failed, program_of, within

from genesis.engine.driver import Driver
from genesis.engine.replanner import Replanner
from genesis.errors import ServiceError
from genesis.ledger.control import Control
from genesis.model import Outcome, Task
from genesis.planning.proposal import PROPOSAL
from genesis.planning.replan import ReplanProposal
from genesis.testing import a_task, an_agent

EXPANDS = an_agent("first", task_types=["generic"], expands=True, executor=WORKS)


@pytest.fixture
def replanned(monkeypatch):
    """Let the planner propose these tasks, and keep what it was asked for."""

    def proposes(*tasks, described=None):
        asked, described = [], [] if described is None else described

        def plan_within(task, error, program, settings, *, depth, references):
            asked.append((task.id, error.code, depth))
            described.append(task.description)
            return ReplanProposal(tasks=tuple(tasks), level="llm", note="")

        monkeypatch.setattr("genesis.engine.replanner.plan_within", plan_within)
        return asked

    return proposes


def broke(leaf, code="GEN-TASK", **more):
    return Outcome(id=leaf.path, agent=leaf.agent, state="failed", attempts=1, error=failed(code), **more)


def two_steps():
    return (
        Task(id="look", description="Look at it another way", type="generic"),
        Task(id="do", description="Do it another way", type="generic", depends_on=("look",)),
    )


@pytest.mark.parametrize(
    ("task", "code", "replans", "considered"),
    [
        ({}, "GEN-TASK", 1, True),
        ({}, "GEN-TASK-RESULT-SIZE", 1, True),
        ({}, "GEN-TASK", 0, False),
        ({}, "GEN-TASK-EXIT", 1, False),
        ({}, "GEN-TASK-INPUT", 1, False),
        ({"side_effects": True}, "GEN-TASK", 1, False),
        ({"approval": True}, "GEN-TASK", 1, False),
        ({"agent": "first"}, "GEN-TASK", 1, False),
    ],
)
def test_a_leaf_that_failed_is_planned_again_where_that_may_help_and_does_no_harm(
    make, task, code, replans, considered
):
    program = program_of(a_task("x", **task))
    leaf = program.leaves[0]
    assert Replanner(make(program, replans=replans)).considers(leaf, broke(leaf, code)) is considered


def test_only_agents_that_expand_may_ask_for_more_tasks(make):
    for agent, considered in ((EXPANDS, True), ("first", False)):
        program = program_of(a_task("x"), agents=(agent,))
        done = Outcome(id="x", agent="first", state="completed")
        assert Replanner(make(program)).considers(program.leaves[0], done) is considered
        assert not Replanner(make(program)).considers(program.leaves[0], done.model_copy(update={"state": "cancelled"}))


async def test_a_plan_that_is_made_again_is_in_the_ledger_and_in_force(make, replanned):
    asked = replanned(*two_steps())
    program = program_of(a_task("a"), a_task("x", after=("a",), priority=7))
    session = make(program, replans=1)
    it, leaf = Replanner(session), program.leaves[1]
    answer = await it.consider(leaf, broke(leaf), {"second"})
    assert answer.changed, answer.why
    assert asked == [("x", "GEN-TASK", 1)]
    assert [each.path for each in session.program.leaves] == ["a", "x", "again-1/look", "again-1/do"]
    assert [each.priority for each in session.program.leaves] == [0, 7, 7, 7]
    assert {session.program.leaves[index].path for index in session.program.leaves[1].after} >= {"again-1/do"}
    (amendment,) = await session.ledger.amendments()
    assert (amendment.kind, amendment.task, amendment.outcome.error.code) == ("replan", "x", "GEN-TASK")
    assert set(it.joins) == {1}
    assert not it.considers(session.program.leaves[1], broke(leaf))


async def test_a_plan_is_made_again_for_the_filled_description(make, replanned):
    described = []
    replanned(*two_steps(), described=described)
    program = program_of(a_task("x", description="Load {city}, {{city}}"), vars={"city": "{city}"})
    leaf = program.leaves[0]
    await Replanner(make(program, replans=1)).consider(leaf, broke(leaf), ())
    assert leaf.description == "Load {city}, {city}"
    assert described == ["Load {{city}}, {{city}}"]


async def test_no_more_leaves_are_planned_again_than_the_run_may_have(make, replanned):
    replanned(*two_steps())
    program = program_of(a_task("x"), a_task("y"))
    session = make(program, replans=1)
    it = Replanner(session)
    x, y = program.leaves
    assert (await it.consider(x, broke(x), ())).changed
    assert not it.considers(y, broke(y))
    answer = await it.consider(y, broke(y), ())  # both failed before the first was planned again
    assert not answer.changed
    assert answer.why.startswith("1 tasks of the run were")


async def test_what_the_same_agent_would_only_try_again_is_refused(make, replanned):
    replanned(Task(id="again", description="The same once more", type="generic"))
    program = program_of(a_task("x"), agents=("first",))
    leaf = program.leaves[0]
    session = make(program, replans=1)
    answer = await Replanner(session).consider(leaf, broke(leaf), {"first"})
    assert (answer.changed, answer.why) == (False, "first would only try it again")
    assert await session.ledger.amendments() == ()


async def test_a_plan_without_room_is_not_added_to(make):
    program = program_of(a_task("x"))
    leaf = program.leaves[0]
    answer = await Replanner(make(program, replans=1, limits={"leaves": 1})).consider(leaf, broke(leaf), ())
    assert not answer.changed
    assert "1 leaves" in answer.why


async def test_a_planner_with_a_bug_leaves_the_plan_as_it_is(make, monkeypatch):
    def plan_within(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("genesis.engine.replanner.plan_within", plan_within)
    program = program_of(a_task("x"))
    leaf = program.leaves[0]
    it = Replanner(make(program, replans=1))
    answer = await it.consider(leaf, broke(leaf), ())
    assert (answer.changed, answer.why) == (False, "ZeroDivisionError: a bug")
    assert it.note_unchanged(broke(leaf), answer).note == "it was not planned again: ZeroDivisionError: a bug"


async def test_a_ledger_that_cannot_be_written_is_no_refusal(make, replanned, monkeypatch):
    replanned(*two_steps())
    program = program_of(a_task("x"))
    leaf = program.leaves[0]
    session = make(program, replans=1)

    async def raise_unreachable(_amendment):
        raise ServiceError("the ledger is gone")

    monkeypatch.setattr(session.ledger, "amend", raise_unreachable)
    with pytest.raises(ServiceError, match="gone"):
        await Replanner(session).consider(leaf, broke(leaf), ())
    assert session.program_state.amendments == ()


async def test_a_result_that_proposes_subtasks_adds_them(make):
    program = program_of(a_task("x"), agents=(EXPANDS,))
    leaf = program.leaves[0]
    proposed = [{"id": "part", "description": "Do a part of it"}]
    done = Outcome(id="x", agent="first", state="completed", result={"found": 1, PROPOSAL: proposed})
    session = make(program)
    it = Replanner(session)
    assert (await it.consider(leaf, done, ())).changed
    assert [each.path for each in session.program.leaves] == ["x", "more-1/part"]
    part = session.program.leaves[1]
    given = await session.ledger.record(part, Outcome(id=part.path, agent="first", state="completed", result=7))
    joined = await it.gather_result(session.program.leaves[0], {1: given})
    assert joined.state == "completed"
    assert joined.result == {"found": 1, PROPOSAL: {"more-1/part": 7}}


async def test_descriptions_that_an_agent_proposes_do_not_read_the_plans_values(make):
    program = program_of(a_task("x"), agents=(EXPANDS,), vars={"city": "Bern"}, params={"n": {"default": "1"}})
    proposed = [{"id": "part", "description": "Send {city} and {{n}} to {other}"}]
    done = Outcome(id="x", agent="first", state="completed", result={PROPOSAL: proposed})
    session = make(program)
    assert (await Replanner(session).consider(program.leaves[0], done, ())).changed
    assert session.program.leaves[1].description == "Send {city} and {{n}} to {other}"


@pytest.mark.parametrize("proposed", [[], {}])
async def test_a_result_that_proposes_nothing_changes_nothing(make, proposed):
    program = program_of(a_task("x"), agents=(EXPANDS,))
    done = Outcome(id="x", agent="first", state="completed", result={PROPOSAL: proposed})
    assert not (await Replanner(make(program)).consider(program.leaves[0], done, ())).changed


@pytest.mark.parametrize(
    ("given", "code"),
    [({"n": 3}, None), ({"m": 3}, "GEN-TASK-OUTPUTS"), ({"n": "three"}, "GEN-TASK-OUTPUT-SCHEMA")],
)
async def test_a_leaf_that_was_planned_again_needs_the_outputs_that_it_promised(make, replanned, given, code):
    replanned(*two_steps())
    program = program_of(a_task("x", outputs={"n": {"type": "integer"}}))
    leaf = program.leaves[0]
    session = make(program, replans=1)
    it = Replanner(session)
    answer = await it.consider(leaf, broke(leaf), ())
    assert answer.changed, answer.why
    outcomes = {
        each.index: await session.ledger.record(
            each, Outcome(id=each.path, agent="first", state="completed", result=given)
        )
        for each in session.program.leaves[1:]
    }
    joined = await it.gather_result(session.program.leaves[0], outcomes)
    assert joined.state == ("completed" if code is None else "failed")
    assert (joined.error.code if joined.error else None) == code
    assert "it was planned again: 2 tasks in 'again-1'" in joined.note


async def test_the_driver_runs_what_was_added_and_then_the_leaf_is_done(make, replanned):
    replanned(*two_steps())
    program = program_of(a_task("x"), a_task("y", after=("x",)), agents=("first",))
    session, backend = make(program, replans=1), FakeBackend({"x": [failed()]})

    async def read_recorded(leaf, run=backend.run):
        return await session.ledger.record(leaf, await run(leaf))

    backend.run = read_recorded
    driver = Driver(session, Control(), backend, {})
    async with within():
        ending = await driver.run()
    assert ending.state == "completed"
    assert [path for path, _ in backend.runs] == ["x", "again-1/look", "again-1/do", "y"]
    assert session.observer.grown == 1
    assert driver.outcomes[0].state == "completed"


async def test_a_leaf_whose_group_failed_has_failed_too(make, replanned):
    replanned(*two_steps())
    program = program_of(a_task("x"), a_task("y", after=("x",)), agents=("first",))
    session = make(program, replans=1)
    backend = FakeBackend({"x": [failed()], "again-1/look": [failed("GEN-TASK-EXIT")]})
    driver = Driver(session, Control(), backend, {})
    async with within():
        ending = await driver.run()
    assert ending.state == "failed"
    states = {outcome.id: outcome.state for outcome in driver.outcomes.values()}
    assert states == {"x": "failed", "y": "skipped", "again-1/look": "failed", "again-1/do": "skipped"}
    assert driver.outcomes[0].error.code == "GEN-TASK"
    assert "'again-1/look' did not finish" in driver.outcomes[0].note
