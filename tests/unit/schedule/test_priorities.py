import random

import pytest

from genesis.schedule import ScheduleError, ScheduleJob, ScheduleLimits, rank, simulate_jobs
from genesis.schedule import improve as improving
from genesis.schedule.improve import improve, lower_bound_s
from genesis.schedule.network import Network
from genesis.schedule.passes import CompiledLimits


def random_jobs(count, seed, agents=0):
    rng = random.Random(seed)
    return [
        ScheduleJob(
            float(rng.randint(1, 20)),
            tuple(rng.sample(range(index), min(index, rng.randint(0, 3)))),
            f"agent-{rng.randrange(agents)}" if agents else None,
        )
        for index in range(count)
    ]


def makespan(jobs, limits, priorities=None):
    return simulate_jobs(jobs, limits, priorities).makespan_s


def find_bound(jobs, limits):
    network = Network.of(jobs)
    return lower_bound_s(network, CompiledLimits.of(jobs, limits), network.tails())


def test_longest_remaining_chain_goes_first():
    assert rank([ScheduleJob(1), ScheduleJob(1), ScheduleJob(9, (1,)), ScheduleJob(3)], ScheduleLimits(4)) == [
        0,
        3,
        2,
        1,
    ]


def test_ties_go_by_document_order():
    assert rank([ScheduleJob(2), ScheduleJob(2), ScheduleJob(2)], ScheduleLimits(1)) == [2, 1, 0]


def test_no_jobs_have_no_priorities():
    assert rank([], ScheduleLimits(1)) == []


def test_jobs_of_no_duration_keep_document_order():
    assert rank([ScheduleJob(0), ScheduleJob(0), ScheduleJob(0, (0,))], ScheduleLimits(1)) == [2, 1, 0]


def test_circle_is_refused():
    with pytest.raises(ScheduleError, match="circle"):
        rank([ScheduleJob(1, (1,)), ScheduleJob(1, (0,))], ScheduleLimits(1))


def test_search_finds_the_optimum_that_the_critical_path_rule_misses():
    # Found by a search over random graphs: the smallest one whose optimum the rule misses.
    jobs = [ScheduleJob(1), ScheduleJob(3), ScheduleJob(3, (0,)), ScheduleJob(5)]
    assert makespan(jobs, ScheduleLimits(2), Network.of(jobs).tails()) == 7
    assert makespan(jobs, ScheduleLimits(2)) == 6


def test_search_gains_on_random_graphs_and_never_loses():
    gained = 0
    for seed in range(30):
        jobs = random_jobs(40, seed, agents=4)
        limits = ScheduleLimits(4, {"agent-0": 1, "agent-1": 2})
        plain, improved = makespan(jobs, limits, Network.of(jobs).tails()), makespan(jobs, limits)
        assert improved <= plain
        gained += improved < plain
    assert gained >= 10


def test_priorities_are_a_permutation_and_the_same_every_time():
    jobs = random_jobs(60, 4, agents=3)  # noise decides here: another seed gives other priorities
    limits = ScheduleLimits(3, {"agent-0": 1})
    first = rank(jobs, limits)
    assert sorted(first) == list(range(60))
    assert rank(jobs, limits) == first


def test_search_stops_at_once_where_the_critical_path_rule_reaches_the_bound(monkeypatch):
    passes = count_passes(monkeypatch)
    rank([ScheduleJob(4), ScheduleJob(1), ScheduleJob(1)], ScheduleLimits(2))
    assert len(passes) == 1


def test_search_effort_is_a_number_of_operations_and_small_for_a_large_program(monkeypatch):
    passes = count_passes(monkeypatch)
    rank(random_jobs(1_000, 1, agents=15), ScheduleLimits(16, {f"agent-{index}": 1 + index % 3 for index in range(15)}))
    assert 3 <= len(passes) <= 10


@pytest.mark.parametrize("after", [lambda index: (index - 1,), lambda index: (), lambda index: (index // 2,)])
def test_program_of_5000_is_ranked_without_a_search(monkeypatch, after):
    passes = count_passes(monkeypatch)
    jobs = [ScheduleJob(1)] + [ScheduleJob(1 + index % 7, after(index)) for index in range(1, 5_000)]
    priorities = rank(jobs, ScheduleLimits(16))
    assert not passes
    tails = Network.of(jobs).tails()
    assert sorted(range(5_000), key=lambda job: -priorities[job]) == sorted(range(5_000), key=lambda job: -tails[job])


def count_passes(monkeypatch):
    passes = []
    real = improving.list_schedule

    def counting(*args):
        passes.append(1)
        return real(*args)

    monkeypatch.setattr(improving, "list_schedule", counting)
    return passes


def test_bound_is_the_largest_of_chain_slots_and_agents():
    assert find_bound([ScheduleJob(5), ScheduleJob(5, (0,)), ScheduleJob(1)], ScheduleLimits(2)) == 10
    assert find_bound([ScheduleJob(5), ScheduleJob(5), ScheduleJob(5)], ScheduleLimits(2)) == 8
    assert find_bound([ScheduleJob(5.5), ScheduleJob(5), ScheduleJob(5)], ScheduleLimits(2)) == pytest.approx(7.75)
    assert (
        find_bound(
            [ScheduleJob(5, agent="a"), ScheduleJob(5, agent="a"), ScheduleJob(5, agent="a")],
            ScheduleLimits(3, {"a": 1}),
        )
        == 15
    )


def test_base_is_given_back_where_nothing_shorter_is_found():
    jobs = [ScheduleJob(3), ScheduleJob(3), ScheduleJob(3)]
    network = Network.of(jobs)
    base = [2, 0, 1]
    assert improve(network, CompiledLimits.of(jobs, ScheduleLimits(2)), network.tails(), base) is base


def test_a_higher_priority_precedes_the_longest_chain_and_equal_ones_keep_its_order():
    jobs = [ScheduleJob(9), ScheduleJob(1, priority=1), ScheduleJob(5, priority=1), ScheduleJob(2, priority=-1)]
    assert rank(jobs, ScheduleLimits(1)) == [1, 2, 3, 0]
    assert simulate_jobs(jobs, ScheduleLimits(1)).start_s == (6.0, 5.0, 0.0, 15.0)
