from datetime import UTC, datetime

import pytest

from genesis.compile import apply_amendments, compile_program
from genesis.errors import PlanInvalidError
from genesis.model import Amendment, Outcome, Route
from genesis.testing.plans import a_plan, a_task, an_agent, route_to

ROUTE = Route(agent="worker", score=1.0, reason="it can")


def amendment(task, *parts, number=1, after=(), name="again-1"):
    routed = tuple(part.model_copy(update={"route": ROUTE}) for part in parts)
    return Amendment(
        number=number,
        kind="replan",
        task=task,
        group=a_task(name, *routed, after=after),
        reason="it failed",
        outcome=Outcome(id=task, agent="worker", state="failed"),
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.fixture
def plan():
    return route_to(
        a_plan(a_task("first"), a_task("outer", a_task("inner"), after=("first",)), a_task("last", after=("outer",))),
        an_agent(),
    )


def test_the_group_comes_after_what_its_task_came_after_and_the_task_after_the_group(plan):
    routed, registry = plan
    before = compile_program(routed, registry)
    change = amendment("outer/inner", a_task("one"), a_task("two", after=("one",)), after=("first",))
    program = compile_program(apply_amendments(routed, [change]), registry)
    assert [leaf.path for leaf in program.leaves] == ["first", "outer/inner", "last", "again-1/one", "again-1/two"]
    assert [leaf.after for leaf in program.leaves] == [(), (0, 4), (1,), (0,), (0, 3)]
    same = [old.fingerprint == new.fingerprint for old, new in zip(before.leaves, program.leaves, strict=False)]
    assert same == [True, False, False]


def test_amendments_add_up_and_can_be_about_what_an_earlier_one_added(plan):
    routed, registry = plan
    first = amendment("first", a_task("one"))
    second = amendment("again-1/one", a_task("finer"), number=2, name="again-2")
    program = compile_program(apply_amendments(routed, [first, second]), registry)
    assert [leaf.path for leaf in program.leaves][3:] == ["again-1/one", "again-2/finer"]
    assert program.leaves[0].after == (3,)
    assert program.leaves[3].after == (4,)
    assert apply_amendments(apply_amendments(routed, [first]), [second]) == apply_amendments(routed, [first, second])


def test_none_leaves_the_plan_as_it_is(plan):
    assert apply_amendments(plan[0], []) == plan[0]


@pytest.mark.parametrize("task", ["nothing", "outer/nothing", "first/inner"])
def test_one_about_an_unknown_task_is_refused(plan, task):
    with pytest.raises(PlanInvalidError, match="which the plan does not have"):
        apply_amendments(plan[0], [amendment(task, a_task("one"))])
