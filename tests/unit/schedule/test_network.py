import pytest

from genesis.schedule import ScheduleError, ScheduleJob
from genesis.schedule.network import Network


def test_order_puts_each_job_after_its_own_although_the_document_does_not():
    network = Network.of([ScheduleJob(1, (1, 2)), ScheduleJob(1, (2,)), ScheduleJob(1)])
    assert network.order == [2, 1, 0]


def test_dependants_are_in_document_order():
    assert Network.of([ScheduleJob(1, (2,)), ScheduleJob(1, (2,)), ScheduleJob(1)]).dependants == [[], [], [0, 1]]


def test_tails_are_the_longest_remaining_chain_with_the_job_itself():
    network = Network.of(
        [ScheduleJob(1), ScheduleJob(5, (0,)), ScheduleJob(2, (0,)), ScheduleJob(4, (2,)), ScheduleJob(1, (1, 3))]
    )
    assert network.tails() == [8, 6, 7, 5, 1]
    assert network.critical_path_s() == 8


def test_no_jobs_have_no_critical_path():
    assert Network.of([]).critical_path_s() == 0


@pytest.mark.parametrize("index", [-1, 2])
def test_index_out_of_range_is_named(index):
    with pytest.raises(ScheduleError, match=f"job 1 comes after job {index}, but there are only 2 jobs"):
        Network.of([ScheduleJob(1), ScheduleJob(1, (index,))])


def test_job_that_waits_for_itself_is_a_circle():
    with pytest.raises(ScheduleError, match="1 jobs wait for each other in a circle: 0 → 0"):
        Network.of([ScheduleJob(1, (0,))])


def test_circle_is_shown_in_the_direction_of_the_run_without_the_jobs_that_hang_on_it():
    jobs = [ScheduleJob(1), ScheduleJob(1, (0, 3)), ScheduleJob(1, (1,)), ScheduleJob(1, (2,)), ScheduleJob(1, (3,))]
    with pytest.raises(ScheduleError, match=r"3 jobs wait for each other in a circle: (1 → 2 → 3 → 1|2 → 3 → 1 → 2)"):
        Network.of(jobs)


def test_circle_of_1500_has_a_short_message():
    with pytest.raises(ScheduleError, match="1500 jobs wait") as caught:
        Network.of([ScheduleJob(1, ((index - 1) % 1500,)) for index in range(1500)])
    assert len(str(caught.value)) < 200


def test_chain_of_50000_needs_no_recursion():
    jobs = [ScheduleJob(1, (index - 1,) if index else ()) for index in range(50_000)]
    assert Network.of(jobs).critical_path_s() == 50_000
