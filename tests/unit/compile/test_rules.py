"""The rules of a plan with `run_if`, `when` and `allow_failure`."""

import pytest

from genesis.errors import PlanInvalidError
from genesis.schedule import find_unbatched
from genesis.testing import a_program, a_task

PLAIN = (a_task("a", outputs=("n",)), a_task("c", a_task("x"), a_task("y", after=("x",)), after=("a",)))


def test_a_plan_without_the_keys_has_no_rules():
    program = a_program(*PLAIN)
    assert program.gates == ()
    assert {leaf.rule for leaf in program.leaves} == {None}


def test_the_keys_change_no_fingerprint():
    later = a_task("b", after=("c",))
    ruled = a_task("b", after=("c",), run_if="always", when="{a.n} > 1", allow_failure=True)
    before, after = a_program(*PLAIN, later), a_program(*PLAIN, ruled)
    assert [leaf.fingerprint for leaf in before.leaves] == [leaf.fingerprint for leaf in after.leaves]


def test_a_composite_has_a_start_and_an_end_and_its_keys_count_for_all_in_it():
    tasks = (*PLAIN[:1], a_task("c", *PLAIN[1].subtasks, after=("a",), run_if="always", allow_failure=True))
    program = a_program(*tasks, a_task("d", after=("c",)))
    start, end = program.gates
    assert (start.path, start.is_end, end.is_end) == ("c", False, True)
    assert (start.rule.after, start.rule.run_if, start.rule.allow_failure) == ((0,), "always", False)
    assert (end.rule.after, end.rule.within, end.rule.allow_failure) == ((1, 2), -1, True)
    x, y, d = program.leaves[1:]
    assert (x.rule.after, x.rule.within, x.rule.run_if) == ((), -1, "all_succeeded")
    assert (y.rule.after, d.rule.after, d.rule.within) == ((1,), (-2,), None)
    assert [leaf.allow_failure for leaf in program.leaves] == [False, True, True, False]
    assert [leaf.always for leaf in program.leaves] == [leaf.goes_by_ends for leaf in program.leaves]
    assert [leaf.always for leaf in program.leaves] == [False, True, True, False]


def test_a_condition_names_the_leaf_and_the_key_of_each_reference():
    program = a_program(
        a_task("a", outputs=("n.m",)), a_task("b", after=("a",), when="{a.n.m} > 1 and {v} == 'x'"), vars={"v": "x"}
    )
    when = program.leaves[1].rule.when
    assert (when.sources, when.keys) == ({"a.n.m": 0}, {"a.n.m": "n.m"})


@pytest.mark.parametrize("when", ["1 +", "{nobody.n} > 1"])
def test_a_condition_without_a_meaning_is_refused(when):
    with pytest.raises(PlanInvalidError, match="the `when` of task 'a'"):
        a_program(a_task("a", when=when))


def test_leaves_that_a_rule_decides_about_are_not_batched():
    program = a_program(
        a_task("a"),
        a_task("b", after=("a",)),
        a_task("c", a_task("x"), after=("a",), when="1 == 1"),
        a_task("d", after=("b",), allow_failure=True),
        a_task("e", after=("d",)),
        a_task("f", after=("e",), run_if="all_done"),
        a_task("g", a_task("x", a_task("y"))),
    )
    assert [program.leaves[index].path for index in sorted(find_unbatched(program))] == ["c/x", "e", "f"]
    assert find_unbatched(a_program(*PLAIN)) == frozenset()
