import pytest

from genesis.schedule import ScheduleError, ScheduleJob
from genesis.schedule.batches import Batches, BatchRules


def plan(jobs, ready, *, final=(), apart=(), **rules):
    made = Batches(jobs, BatchRules(**rules))
    return made.plan(
        ready, final=set(final), free=lambda job: job not in apart, expected_s=lambda job: jobs[job].duration_s
    )


def test_a_chain_of_one_agent_goes_together_and_stops_before_another_agent():
    jobs = [ScheduleJob(9, (), "a"), ScheduleJob(9, (0,), "a"), ScheduleJob(9, (1,), "b"), ScheduleJob(9, (2,), "a")]
    assert plan(jobs, [0]) == [(0, 1)]
    assert plan(jobs, [2], final=[0, 1]) == [(2,)]


def test_a_follower_may_come_after_what_is_done_too():
    jobs = [ScheduleJob(9, (), "a"), ScheduleJob(9, (), "b"), ScheduleJob(9, (0, 1), "a")]
    assert plan(jobs, [0], final=[1]) == [(0, 2)]
    assert plan(jobs, [0]) == [(0,)]


def test_at_a_fork_only_the_longest_way_goes_along():
    jobs = [ScheduleJob(9, (), "a"), ScheduleJob(9, (0,), "a"), ScheduleJob(9, (0,), "a"), ScheduleJob(9, (2,), "b")]
    assert plan(jobs, [0]) == [(0, 2)]


def test_short_siblings_go_together_as_far_as_the_work_ahead_allows():
    jobs = [ScheduleJob(0.2, (), "a") for _ in range(5)] + [ScheduleJob(0.2, (), "b")]
    assert plan(jobs, [0, 1, 5, 2, 3, 4]) == [(0, 1, 2), (5,), (3, 4)]
    assert plan(jobs, [0, 1, 2], leaves=2) == [(0, 1), (2,)]
    assert plan(jobs, [0, 1], ahead_s=0.0) == [(0,), (1,)]


def test_what_is_kept_apart_goes_alone():
    jobs = [ScheduleJob(0, (), "a"), ScheduleJob(0, (), "a"), ScheduleJob(0, (0,), "a"), ScheduleJob(0, (1,), "a")]
    assert plan(jobs, [0, 1], apart=[0, 3]) == [(0,), (1,)]


def test_a_follower_waits_while_something_of_a_higher_priority_is_left():
    jobs = [ScheduleJob(9, (), "a"), ScheduleJob(9, (0,), "a"), ScheduleJob(9, (), "b", priority=1)]
    assert plan(jobs, [0]) == [(0,)]
    assert plan(jobs, [0], final=[2]) == [(0, 1)]
    jobs[1] = ScheduleJob(9, (0,), "a", priority=1)
    assert plan(jobs, [0]) == [(0, 1)]


def test_a_batch_gives_its_place_back_after_a_while():
    jobs = [ScheduleJob(40, (index - 1,) if index else (), "a") for index in range(4)]
    assert plan(jobs, [0]) == [(0, 1)]
    assert plan(jobs, [0], stay_s=1000) == [(0, 1, 2, 3)]


def test_a_batch_holds_something():
    with pytest.raises(ScheduleError, match="0 jobs"):
        BatchRules(leaves=0)
