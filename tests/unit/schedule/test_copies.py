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
    assert machine.fail(0) == [1]
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


def test_a_job_that_gathers_starts_once_all_before_it_have_ended():
    machine = scheduler([*copies(3), ScheduleJob(0.0, (0, 1, 2), gathers=True), ScheduleJob(1.0, (3,))])
    machine.take()
    assert machine.fail(0) == []
    machine.finish(1)
    assert machine.take() == []
    assert machine.fail(2) == []
    assert machine.take() == [3]
    assert machine.fail(3) == [4]


def test_a_job_that_gathers_is_skipped_where_all_before_it_were():
    jobs = [
        ScheduleJob(1.0),
        *[ScheduleJob(1.0, (0,))] * 2,
        ScheduleJob(0.0, (1, 2), gathers=True),
        ScheduleJob(1.0, (3,)),
    ]
    machine = scheduler(jobs)
    machine.take()
    assert machine.fail(0) == [1, 2, 3, 4]
    assert machine.done


def test_a_job_that_gathers_and_runs_is_taken_over_after_one_before_it_failed():
    jobs = [*copies(2), ScheduleJob(0.0, (0, 1), gathers=True)]
    earlier = scheduler(jobs)
    earlier.take()
    earlier.fail(0)
    earlier.finish(1)
    assert earlier.take() == [2]
    later = scheduler([*jobs, ScheduleJob(1.0)])
    later.take_over(earlier)
    assert later.state(2) is JobState.RUNNING


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
