"""Jobs that wait: they are held without a slot from the moment at which they could start."""

import random

from genesis.schedule import JobState, ScheduleJob, ScheduleLimits, Scheduler, simulate_jobs

WAIT = ScheduleJob(10, waits=True)


def scheduler_of(*jobs, slots=1):
    return Scheduler(jobs, ScheduleLimits(slots), [0] * len(jobs))


def test_a_wait_takes_no_slot_and_ends_by_finish():
    scheduler = scheduler_of(WAIT, ScheduleJob(1), ScheduleJob(1, (0,)))
    assert scheduler.take_waits() == [0]
    assert scheduler.take_waits() == []
    assert scheduler.take() == [1]
    scheduler.finish(1)
    assert not scheduler.done
    scheduler.finish(0)
    assert scheduler.take() == [2]


def test_a_wait_begins_once_all_before_it_has_ended_and_may_fail():
    scheduler = scheduler_of(ScheduleJob(1), ScheduleJob(10, (0,), waits=True), ScheduleJob(1, (1,)))
    assert scheduler.take_waits() == []
    scheduler.take()
    scheduler.finish(0)
    assert scheduler.take_waits() == [1]
    scheduler.fail(1)
    assert (scheduler.done, scheduler.state(2)) == (True, JobState.SKIPPED)


def test_a_wait_with_a_condition_begins_when_that_is_known():
    scheduler = scheduler_of(ScheduleJob(10, waits=True, conditional=True))
    assert (scheduler.take_undecided(), scheduler.take_waits()) == ([0], [])
    scheduler.release(0)
    assert scheduler.take_waits() == [0]


def test_waits_that_are_restored_or_cancelled_do_not_begin():
    scheduler = scheduler_of(WAIT, WAIT)
    scheduler.restore([0])
    scheduler.cancel()
    assert scheduler.take_waits() == []
    assert scheduler.done


def test_waits_go_on_when_jobs_are_added():
    before = (WAIT, ScheduleJob(10, waits=True, conditional=True), ScheduleJob(1), WAIT)
    scheduler = scheduler_of(*before)
    scheduler.take_undecided()
    scheduler.release(1)
    assert scheduler.take_waits() == [0, 1, 3]
    scheduler.take()
    scheduler.finish(2)
    larger = scheduler_of(*before, ScheduleJob(1, (0,)))
    larger.take_over(scheduler)
    assert larger.take_waits() == []
    for job in (0, 1, 3):
        larger.finish(job)
    assert larger.take() == [4]


def test_waits_that_nobody_has_begun_begin_after_jobs_were_added():
    scheduler = scheduler_of(WAIT)
    larger = scheduler_of(WAIT, ScheduleJob(1, (0,)))
    larger.take_over(scheduler)
    assert larger.take_waits() == [0]


def test_a_simulation_lets_waits_pass_beside_the_work():
    jobs = [WAIT, ScheduleJob(2), ScheduleJob(3), ScheduleJob(1, (0,)), ScheduleJob(5, (1,), waits=True)]
    timeline = simulate_jobs(jobs, ScheduleLimits(1), [0] * 5)
    assert timeline.start_s == (0, 0, 2, 10, 2)
    assert (timeline.end_s, timeline.makespan_s, timeline.total_work_s) == ((10, 2, 5, 11, 7), 11, 6)


def test_a_simulation_waits_until_a_moment_and_not_for_one_that_has_passed():
    jobs = [ScheduleJob(2), ScheduleJob(60, (0,), waits=True), ScheduleJob(60, (0,), waits=True), ScheduleJob(1, (1,))]
    timeline = simulate_jobs(jobs, ScheduleLimits(4), [0] * 4, until={1: 30.0, 2: -5.0})
    assert timeline.end_s == (2, 30, 2, 31)
    assert timeline.critical_path_s == 31


def test_any_jobs_with_waits_end_each_once_and_within_the_slots():
    for seed in range(200):
        rng = random.Random(seed)
        jobs = [
            ScheduleJob(
                rng.random(),
                tuple(sorted(rng.sample(range(job), min(job, rng.randrange(3))))),
                waits=rng.random() < 0.4,
            )
            for job in range(12)
        ]
        scheduler = scheduler_of(*jobs, slots=2)
        ended, going = set(), []
        while not scheduler.done:
            going += scheduler.take_waits() + scheduler.take()
            assert sum(not jobs[job].waits for job in going) <= 2
            job = going.pop(rng.randrange(len(going)))
            assert ended.issuperset(jobs[job].after)
            scheduler.finish(job)
            ended.add(job)
        assert len(ended) == 12
