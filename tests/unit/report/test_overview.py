"""Which boxes a picture has."""

import pytest

from genesis.report.overview import overview
from genesis.testing import a_program, a_task, an_agent


def test_each_leaf_of_a_small_program_has_a_box():
    program = a_program(a_task("a"), a_task("c", a_task("x"), a_task("y"), after=("a",)))
    seen = overview(program)
    assert [(box.label, box.note, box.leaves) for box in seen.boxes] == [
        ("a", "worker", (0,)),
        ("c/x", "worker", (1,)),
        ("c/y", "worker", (2,)),
    ]
    assert seen.before == ((), (0,), (0,))
    assert seen.depth == (0, 1, 1)


def test_an_edge_that_others_imply_is_left_out():
    seen = overview(a_program(a_task("a"), a_task("b", after=("a",)), a_task("c", after=("a", "b"))))
    assert seen.before == ((), (0,), (1,))


def test_a_leaf_may_come_after_a_later_one():
    seen = overview(a_program(a_task("b", after=("a",)), a_task("a")))
    assert seen.before == ((1,), ())
    assert seen.depth == (1, 0)


def _phases(count: int, size: int, **more):
    return [
        a_task(f"p{p}", *(a_task(f"w{i}", **more) for i in range(size)), after=(f"p{p - 1}",) if p else ())
        for p in range(count)
    ]


def test_many_leaves_are_summed_up_by_composite():
    seen = overview(a_program(*_phases(4, 20), a_task("end", after=("p3",))))
    assert [box.label for box in seen.boxes] == ["p0", "p1", "p2", "p3", "end"]
    assert [box.note for box in seen.boxes] == ["20 × worker"] * 4 + ["worker"]
    assert seen.before == ((), (0,), (1,), (2,), (3,))
    assert sum(len(box.leaves) for box in seen.boxes) == 81


def test_the_deepest_composites_that_fit_are_chosen():
    inner = [
        a_task(f"p{p}", *(a_task(f"q{q}", *(a_task(f"w{i}") for i in range(10))) for q in range(3))) for p in range(5)
    ]
    seen = overview(a_program(*inner))
    assert len(seen.boxes) == 15
    assert seen.boxes[0].label == "p0/q0"


def test_boxes_of_several_agents_say_how_many():
    tasks = [a_task("c", *(a_task(f"w{i}", agent=f"a{i % 3}") for i in range(70))), a_task("d", agent="a0")]
    seen = overview(a_program(*tasks, agents=tuple(an_agent(f"a{i}") for i in range(3))))
    assert seen.boxes[0].note == "70 tasks · 3 agents"


def test_composites_that_wait_for_each_other_give_way_to_steps():
    left = a_task("l", a_task("first"), a_task("last", after=("r/only",)), *(a_task(f"w{i}") for i in range(60)))
    right = a_task("r", a_task("only", after=("l/first",)), a_task("more"))
    seen = overview(a_program(left, right))
    assert {box.label: len(box.leaves) for box in seen.boxes} == {"step 1": 62, "step 2": 1, "step 3": 1}


def test_a_wide_plan_is_summed_up_by_step_and_agent():
    agents = tuple(an_agent(f"a{i}") for i in range(4))
    tasks = [a_task(f"t{i}", agent=f"a{i % 4}", after=(f"t{i - 50}",) if i >= 50 else ()) for i in range(200)]
    seen = overview(a_program(*tasks, agents=agents))
    assert [box.label for box in seen.boxes[:5]] == ["step 1", "step 1", "step 1", "step 1", "step 2"]
    assert seen.boxes[0].note == "13 × a0"


def test_a_wide_plan_of_many_agents_is_summed_up_by_step():
    agents = tuple(an_agent(f"a{i}") for i in range(40))
    tasks = [a_task(f"t{i}", agent=f"a{i % 40}", after=(f"t{i - 100}",) if i >= 100 else ()) for i in range(300)]
    seen = overview(a_program(*tasks, agents=agents))
    assert [(box.label, box.note) for box in seen.boxes] == [(f"step {n}", "100 tasks · 40 agents") for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "tasks",
    [
        [a_task(f"t{i}") for i in range(61)],
        [a_task(f"t{i}", after=(f"t{i - 1}",) if i else ()) for i in range(200)],
    ],
    ids=["nothing to tell apart", "too long"],
)
def test_what_cannot_be_read_is_not_drawn(tasks):
    assert overview(a_program(*tasks)) is None


def test_boxes_that_would_be_too_small_are_summed_up():
    chain = [a_task(f"c{i}", after=(f"c{i - 1}",) if i else ()) for i in range(25)]
    fan = [a_task(f"f{i}", after=("c24",)) for i in range(25)]
    tasks = [
        a_task("chain", *chain),
        a_task("fan", *(task.model_copy(update={"depends_on": ()}) for task in fan), after=("chain",)),
    ]
    assert [box.label for box in overview(a_program(*tasks)).boxes] == ["chain", "fan"]


def test_shared_dependencies_of_thousands_of_leaves_are_read_once():
    seen = overview(a_program(*_phases(10, 500)))
    assert len(seen.boxes) == 10
    assert seen.before[9] == (8,)
