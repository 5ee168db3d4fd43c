import pytest

from genesis.model import Plan, Task
from genesis.planning.structural import structural_problems
from genesis.settings import Limits


def task(name, *after, **more):
    return Task(id=name, description=name, depends_on=after, **more)


def problems(*tasks, limits=None, **more):
    return structural_problems(Plan(request="-", tasks=tasks, **more), limits or Limits())


def test_sound_plan_has_no_problem():
    assert problems(task("a", outputs=("x",)), task("b", "a", inputs={"y": "{a.x} {v}"}), vars={"v": "1"}) == []


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ((), "it has no task"),
        ((task("a"), task("a")), "two tasks are called 'a'"),
        ((task("a", "b"),), "'a' depends on 'b', which is no task"),
        ((task("a", inputs={"x": "{b.y}"}), task("b")), "'a' needs {b.y}: task 'b' does not promise 'y'"),
        ((task("a", "b"), task("b", "a")), "its order is a cycle: a → b → a"),
        ((task("a", subtasks=(task("b", "a"),)),), "its order is a cycle: a → a/b → a"),
        ((task("a", inputs={"x": "{b.x}"}), task("b", "a", outputs=("x",))), "its order is a cycle: a → b → a"),
    ],
)
def test_each_fault_is_said_with_its_path(tasks, message):
    assert message in problems(*tasks)


def test_limits_hold_for_depth_fan_out_and_leaves():
    deep = task("a", subtasks=(task("b", subtasks=(task("c"),)),))
    assert problems(deep, limits=Limits(depth=2)) == ["it is 3 levels deep; the limit is 2"]
    wide = tuple(task(f"t{number}") for number in range(3))
    assert problems(*wide, limits=Limits(fan_out=2)) == ["its top level has 3 tasks side by side; the limit is 2"]
    assert problems(task("a", subtasks=wide), limits=Limits(fan_out=2)) == [
        "'a' has 3 tasks side by side; the limit is 2"
    ]
    assert problems(*wide, limits=Limits(leaves=2)) == ["it has 3 leaves; the limit is 2"]


def test_list_of_problems_is_bounded():
    assert len(problems(*(task(f"t{number}", "missing") for number in range(100)), limits=Limits(fan_out=200))) == 8


def test_long_cycle_is_shown_shortened():
    ring = tuple(task(f"t{number}", f"t{(number + 1) % 12}") for number in range(12))
    [message] = problems(*ring)
    assert "→ …" in message
