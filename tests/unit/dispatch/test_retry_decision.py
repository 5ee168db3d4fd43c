from uuid import uuid4

import pytest
from prefect.client.schemas.objects import StateType

from genesis.dispatch.child import ChildFlowRun
from genesis.dispatch.retry_decision import ChildEnd, judge
from genesis.model import ErrorInfo
from genesis.testing.plans import a_program, a_task

PLAIN, EFFECT = a_program(a_task("p", retries=1), a_task("e", retries=1, side_effects=True)).leaves
CHILD = ChildFlowRun(uuid4(), "agent-qa", (PLAIN, EFFECT), 1, 0.0)
CRASHED = ChildEnd(StateType.CRASHED, "its process died")


def test_a_plain_leaf_is_dispatched_its_retries_and_two_times():
    actions = [judge(PLAIN, CHILD, CRASHED, first=True, crashes=n).action for n in (1, 2, 3)]
    assert actions == ["again", "again", "failed"]


def test_a_leaf_with_side_effects_is_dispatched_as_often_as_its_own_retries_allow():
    first, second = (judge(EFFECT, CHILD, CRASHED, first=True, crashes=n) for n in (1, 2))
    assert first.action == "again"
    assert second.action == "failed"
    assert second.error.code == "GEN-DISPATCH-MAYBE-DONE"
    assert "may have happened" in second.error.hint


def test_side_effects_of_a_child_that_never_ran_did_not_happen():
    end = ChildEnd(StateType.CRASHED, "no image", began=False)
    assert [judge(EFFECT, CHILD, end, first=True, crashes=n).action for n in (1, 2, 3)] == ["again", "again", "failed"]


def test_leaves_behind_the_one_that_crashed_do_not_count():
    assert judge(EFFECT, CHILD, CRASHED, first=False, crashes=0).action == "again"
    assert not CRASHED.counts(first=False)
    assert CRASHED.counts(first=True)


def test_all_leaves_of_a_lost_worker_count_since_it_may_be_at_work_still():
    lost = ChildEnd(StateType.CRASHED, "lost", lost=True)
    assert lost.counts(first=False)
    assert judge(EFFECT, CHILD, lost, first=False, crashes=2).error.code == "GEN-DISPATCH-MAYBE-DONE"


def test_crashes_say_how_often_and_what_to_look_at():
    error = judge(PLAIN, CHILD, CRASHED, first=True, crashes=3).error
    assert error.code == "GEN-DISPATCH-CRASHED"
    assert "its process died" in error.message
    assert "3 times" in error.hint
    once = judge(a_program(a_task("x")).leaves[0], CHILD, CRASHED, first=True, crashes=9).error
    assert "9 times" in once.hint


@pytest.mark.parametrize("state", [StateType.COMPLETED, StateType.FAILED])
def test_an_end_without_a_record_fails_clearly(state):
    verdict = judge(PLAIN, CHILD, ChildEnd(state, "no module named x"), first=True, crashes=1)
    assert verdict.action == "failed"
    assert verdict.error.code == "GEN-DISPATCH-NO-RECORD"
    assert "no module named x" in verdict.error.message
    assert str(CHILD.id) in verdict.error.message
    assert "result storage" in verdict.error.hint


def test_a_cancelled_child_cancels_and_an_old_one_is_dispatched_again():
    assert judge(PLAIN, CHILD, ChildEnd(StateType.CANCELLED), first=True, crashes=1).action == "cancelled"
    assert judge(PLAIN, CHILD, ChildEnd(StateType.FAILED, stale=True), first=True, crashes=1).action == "again"


def test_what_is_given_up_fails_the_leaf_it_was_at_or_all():
    error = ErrorInfo(code="X", message="too long")
    one, both = ChildEnd(StateType.RUNNING, error=error), ChildEnd(StateType.SCHEDULED, error=error, all_fail=True)
    assert judge(PLAIN, CHILD, one, first=True, crashes=1).error is error
    assert judge(EFFECT, CHILD, one, first=False, crashes=0).action == "again"
    assert judge(EFFECT, CHILD, both, first=False, crashes=0).error is error
