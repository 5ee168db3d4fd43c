import random

import pytest

from genesis.schedule import ScheduleError, ScheduleJob, ScheduleLimits, Timeline, simulate_jobs
from genesis.schedule.network import Network
from genesis.schedule.passes import CompiledLimits, Direction, list_schedule


def test_timeline_has_starts_ends_and_totals():
    jobs = [ScheduleJob(2), ScheduleJob(3, (0,)), ScheduleJob(1, (0,)), ScheduleJob(4)]
    assert simulate_jobs(jobs, ScheduleLimits(2), [4, 3, 2, 1]) == Timeline(
        start_s=(0, 2, 4, 0), end_s=(2, 5, 5, 4), makespan_s=5, critical_path_s=5, total_work_s=10, slots=2
    )


def test_agent_limit_makes_jobs_follow_each_other():
    jobs = [ScheduleJob(1, agent="a"), ScheduleJob(1, agent="a"), ScheduleJob(1, agent="b")]
    assert simulate_jobs(jobs, ScheduleLimits(3, {"a": 1}), [3, 2, 1]).start_s == (0, 1, 0)


def test_jobs_of_no_duration_take_no_time_and_keep_their_order():
    timeline = simulate_jobs(
        [ScheduleJob(0), ScheduleJob(0, (0,)), ScheduleJob(2, (1,)), ScheduleJob(0, (2,))],
        ScheduleLimits(1),
        [1, 1, 1, 1],
    )
    assert timeline.start_s == (0, 0, 0, 2)
    assert timeline.makespan_s == 2


def test_ends_of_one_instant_are_all_seen_before_anything_starts():
    # Jobs 0 and 1 end together; jobs 3 and 4 are better than job 2, so neither may lose its slot to it.
    jobs = [ScheduleJob(1), ScheduleJob(1), ScheduleJob(1), ScheduleJob(1, (1,)), ScheduleJob(1, (0,))]
    assert simulate_jobs(jobs, ScheduleLimits(2), [9, 8, 1, 2, 3]).start_s == (0, 0, 2, 1, 1)


def test_no_jobs_take_no_time():
    assert simulate_jobs([], ScheduleLimits(1)).makespan_s == 0


def test_default_priorities_are_those_of_rank():
    jobs = [ScheduleJob(1), ScheduleJob(3), ScheduleJob(3, (0,)), ScheduleJob(5)]
    assert simulate_jobs(jobs, ScheduleLimits(2)).makespan_s == 6


def test_priorities_of_another_program_are_refused():
    with pytest.raises(ScheduleError, match="1 priorities for 2 jobs"):
        simulate_jobs([ScheduleJob(1), ScheduleJob(1)], ScheduleLimits(1), [1])


def test_search_pass_and_scheduler_make_the_same_schedule():
    rng = random.Random(7)
    for _ in range(50):
        jobs = [
            ScheduleJob(
                rng.choice([0, 1, 2.5, 0.1]), tuple(rng.sample(range(i), min(i, rng.randint(0, 2)))), rng.choice("abc")
            )
            for i in range(25)
        ]
        limits = ScheduleLimits(rng.randint(1, 5), {"a": 1, "b": 2})
        order = rng.sample(range(25), 25)
        made = list_schedule(Direction.forwards(Network.of(jobs)), CompiledLimits.of(jobs, limits), order)
        timeline = simulate_jobs(jobs, limits, [-order.index(job) for job in range(25)])
        assert (timeline.makespan_s, list(timeline.start_s)) == made
