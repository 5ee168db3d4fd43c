"""What work pools add to a predicted run."""

import pytest

from genesis.schedule import PoolCosts, ScheduleJob, ScheduleLimits, simulate_jobs

COSTS = PoolCosts(dispatch_s=1.0, server_s=0.25, next_s=0.1, idle_s=2.0)
LIMITS = ScheduleLimits(16)


def starts(*jobs, costs=COSTS):
    return simulate_jobs(jobs, LIMITS, pools=costs).start_s


def test_the_first_job_of_an_agent_waits_for_its_flow_run_and_the_next_takes_it_over():
    chain = (ScheduleJob(3.0, agent="a"), ScheduleJob(3.0, (0,), "a"))
    assert starts(*chain) == pytest.approx((1.0, 4.1))


def test_flow_runs_are_made_one_after_the_other():
    assert starts(*(ScheduleJob(9.0, agent=name) for name in "abc")) == pytest.approx((1.0, 1.25, 1.5))


def test_a_flow_run_does_not_wait_for_ever():
    late = (ScheduleJob(1.0, agent="a"), ScheduleJob(2.5, (0,), "b"), ScheduleJob(1.0, (1,), "a"))
    assert starts(*late) == pytest.approx((1.0, 3.0, 6.5))
    soon = (ScheduleJob(1.0, agent="a"), ScheduleJob(0.5, (0,), "b"), ScheduleJob(1.0, (1,), "a"))
    assert starts(*soon) == pytest.approx((1.0, 3.0, 3.6))


def test_a_job_takes_over_a_flow_run_that_is_free_before_another_would_begin():
    assert starts(ScheduleJob(0.1, agent="a"), ScheduleJob(9.0, agent="a")) == pytest.approx(
        (1.25, 1.0)
    )  # the longest goes first
    chain = (ScheduleJob(1.5, agent="a"), ScheduleJob(0.9, agent="b"), ScheduleJob(9.0, (1,), "a"))
    assert starts(*chain)[2] == pytest.approx(2.85)


def test_a_busy_machine_makes_all_of_it_slower_and_an_idle_one_nothing_quicker():
    assert COSTS.on_busy_machine(0.2) == COSTS
    assert COSTS.on_busy_machine(3.0) == PoolCosts(dispatch_s=3.0, server_s=0.75, next_s=0.1 * 3.0, idle_s=6.0)


def test_without_pools_nothing_is_added():
    jobs = (ScheduleJob(3.0, agent="a"), ScheduleJob(3.0, (0,), "a"))
    assert simulate_jobs(jobs, LIMITS).start_s == (0.0, 3.0)
