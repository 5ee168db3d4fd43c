"""How many copies of a task run at once, and when the task that gathers them starts."""

import pytest

from genesis.schedule import (
    JobState,
    PoolCosts,
    ScheduleError,
    ScheduleJob,
    ScheduleLimits,
    Scheduler,
    rank,
    simulate_jobs,
)


def scheduler(jobs, *, slots=8, **limits):
    limits = ScheduleLimits(slots, **limits)
    return Scheduler(jobs, limits, [0.0] * len(jobs))


def copies(count, *, jobs=1):
    return [ScheduleJob(1.0, in_copies=(f"t/{copy}",)) for copy in range(count) for _ in range(jobs)]


def test_no_more_copies_run_than_may_and_the_next_starts_when_one_has_ended():
    machine = scheduler(copies(4), parallel={"t": 2})
    assert machine.take() == [0, 1]
    machine.finish(1)
    assert machine.take() == [2]
    machine.fail(0)
    assert machine.take() == [3]


def test_a_copy_of_several_jobs_counts_from_its_first_start_until_all_of_them_have_ended():
    jobs = [
        ScheduleJob(1.0, in_copies=("t/0",)),
        ScheduleJob(1.0, (0,), in_copies=("t/0",)),
        ScheduleJob(1.0, in_copies=("t/1",)),
        ScheduleJob(1.0, in_copies=("t/1",)),
    ]
    machine = scheduler(jobs, parallel={"t": 1})
    assert machine.take() == [0]
    machine.finish(0)
    assert machine.take() == [1]
    machine.finish(1)
    assert machine.take() == [2, 3]


def test_a_copy_that_is_skipped_or_held_or_waits_for_a_person_keeps_no_other_from_running():
    jobs = [ScheduleJob(1.0, in_copies=("t/0",)), ScheduleJob(1.0, (0,), in_copies=("t/0",)), *copies(3)[1:]]
    machine = scheduler(jobs, parallel={"t": 1})
    assert machine.take() == [0]
    machine.fail(0)
    assert machine.take_left_out() == [1]
    assert machine.take() == [2]
    machine.suspend(2)
    assert machine.take() == [3]


def test_a_held_copy_is_counted_until_it_ends():
    machine = scheduler(copies(2), parallel={"t": 1})
    machine.take()
    machine.hold(0)
    assert machine.take() == []
    machine.release(0)
    assert machine.take() == [0]
    machine.finish(0)
    assert machine.take() == [1]


def test_a_parked_job_that_ends_otherwise_lets_the_next_one_run():
    machine = scheduler(copies(4), parallel={"t": 1})
    assert machine.take() == [0]
    machine.hold(1)
    machine.fail(1)
    machine.finish(0)
    assert machine.take() == [2]


def test_a_copy_inside_of_a_copy_needs_room_in_both():
    jobs = [ScheduleJob(1.0, in_copies=(f"t/{outer}", f"t/{outer}/u/{inner}")) for outer in "ab" for inner in "xy"]
    parallel = {"t": 1, "t/a/u": 1, "t/b/u": 2}
    machine = scheduler(jobs, parallel=parallel)
    assert machine.take() == [0]
    machine.finish(0)
    assert machine.take() == [1]
    machine.finish(1)
    assert machine.take() == [2, 3]


def test_copies_keep_their_places_when_jobs_are_added():
    earlier = scheduler(copies(3), parallel={"t": 1})
    earlier.take()
    earlier.hold(0)
    later = scheduler([*copies(3), ScheduleJob(1.0)], parallel={"t": 1})
    later.take_over(earlier)
    assert later.take() == [3]
    later.release(0)
    assert later.take() == [0]
    later.finish(0)
    assert later.take() == [1]


def gathered(count, *before):
    """Return jobs that come before a task, its copies, the leaf that gathers them, one after it, and its gates."""
    start = len(before) + count + 2
    inner = range(len(before), len(before) + count)
    gather = ScheduleJob(0.0, (*inner, start), run_if="all_done", within=start)
    gates = (
        ScheduleJob(0.0, tuple(range(len(before))), kind="start"),
        ScheduleJob(0.0, (inner.stop, start), kind="end", within=start),
    )
    jobs = [ScheduleJob(1.0, (start,), within=start) for _ in inner]
    return [*before, *jobs, gather, ScheduleJob(1.0, (start + 1,)), *gates]


def test_a_job_that_gathers_starts_once_all_before_it_have_ended():
    machine = scheduler(gathered(3))
    machine.take()
    machine.fail(0)
    machine.finish(1)
    assert machine.take() == []
    machine.fail(2)
    assert machine.take() == [3]
    assert machine.take_left_out() == []
    machine.fail(3)
    assert machine.take_left_out() == [4]


def test_a_job_that_gathers_is_skipped_with_all_copies_where_what_their_task_comes_after_failed():
    machine = scheduler(gathered(2, ScheduleJob(1.0)))
    machine.take()
    machine.fail(0)
    assert machine.take_left_out() == [1, 2, 3, 4]
    assert machine.done


def test_a_job_that_gathers_and_runs_is_taken_over_after_one_before_it_failed():
    jobs = gathered(2)
    earlier = scheduler(jobs)
    earlier.take()
    earlier.fail(0)
    earlier.finish(1)
    assert earlier.take() == [2]
    later = scheduler(jobs)
    later.take_over(earlier)
    assert later.state(2) is JobState.RUNNING


def test_copies_that_are_left_out_or_cancelled_count_no_more():
    jobs = [
        ScheduleJob(1.0, (4,), in_copies=("t/0",), within=4),
        ScheduleJob(1.0, (4, 0), in_copies=("t/0",), within=4, conditional=True),
        ScheduleJob(1.0, (4,), in_copies=("t/1",), within=4),
        ScheduleJob(1.0, (4,), in_copies=("t/2",), within=4, run_if="always"),
        ScheduleJob(0.0, kind="start"),
    ]
    machine = scheduler(jobs, parallel={"t": 1})
    assert machine.take() == [0]
    machine.finish(0)
    assert machine.take_undecided() == [1]
    assert machine.take() == []
    machine.skip(1)
    assert machine.take() == [2]
    assert machine.cancel() == []
    machine.finish(2)
    assert machine.take() == [3]


def test_a_simulation_keeps_to_the_limit():
    timeline = simulate_jobs(copies(6), ScheduleLimits(8, parallel={"t": 2}))
    assert timeline.makespan_s == 3.0


def test_a_job_of_no_agent_needs_no_dispatch():
    pools = PoolCosts(dispatch_s=5.0, server_s=1.0, next_s=1.0)
    jobs = [ScheduleJob(1.0, agent="a"), ScheduleJob(0.0, (0,))]
    assert simulate_jobs(jobs, ScheduleLimits(2), pools=pools).makespan_s == 6.0


def test_a_limit_below_one_is_an_error():
    with pytest.raises(ScheduleError, match="task 't' has a limit of 0 copies"):
        ScheduleLimits(1, parallel={"t": 0})


def test_five_thousand_copies_with_a_limit_run_in_order():
    jobs = copies(5_000)
    limits = ScheduleLimits(16, parallel={"t": 4})
    machine = Scheduler(jobs, limits, rank(jobs, limits))
    order = []
    while running := machine.take():
        order += running
        for job in running:
            machine.finish(job)
    assert order == list(range(5_000))
