"""What work pools add to a predicted run."""

import pytest

from genesis.schedule import Job, Limits, PoolCosts, simulate_jobs

COSTS = PoolCosts(dispatch_s=1.0, server_s=0.25, next_s=0.1, idle_s=2.0)
LIMITS = Limits(16)


def starts(*jobs, costs=COSTS):
    return simulate_jobs(jobs, LIMITS, pools=costs).start_s


def test_the_first_job_of_an_agent_waits_for_its_flow_run_and_the_next_takes_it_over():
    chain = (Job(3.0, agent="a"), Job(3.0, (0,), "a"))
    assert starts(*chain) == pytest.approx((1.0, 4.1))


def test_flow_runs_are_made_one_after_the_other():
    assert starts(*(Job(9.0, agent=name) for name in "abc")) == pytest.approx((1.0, 1.25, 1.5))


def test_a_flow_run_does_not_wait_for_ever():
    late = (Job(1.0, agent="a"), Job(2.5, (0,), "b"), Job(1.0, (1,), "a"))
    assert starts(*late) == pytest.approx((1.0, 3.0, 6.5))
    soon = (Job(1.0, agent="a"), Job(0.5, (0,), "b"), Job(1.0, (1,), "a"))
    assert starts(*soon) == pytest.approx((1.0, 3.0, 3.6))


def test_a_job_takes_over_a_flow_run_that_is_free_before_another_would_begin():
    assert starts(Job(0.1, agent="a"), Job(9.0, agent="a")) == pytest.approx((1.25, 1.0))  # the longest goes first
    chain = (Job(1.5, agent="a"), Job(0.9, agent="b"), Job(9.0, (1,), "a"))
    assert starts(*chain)[2] == pytest.approx(2.85)


def test_a_busy_machine_makes_all_of_it_slower_and_an_idle_one_nothing_quicker():
    assert COSTS.on_busy_machine(0.2) == COSTS
    assert COSTS.on_busy_machine(3.0) == PoolCosts(dispatch_s=3.0, server_s=0.75, next_s=0.1 * 3.0, idle_s=6.0)


def test_without_pools_nothing_is_added():
    jobs = (Job(3.0, agent="a"), Job(3.0, (0,), "a"))
    assert simulate_jobs(jobs, LIMITS).start_s == (0.0, 3.0)
