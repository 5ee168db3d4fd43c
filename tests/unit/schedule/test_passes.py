from genesis.schedule import ScheduleJob, ScheduleLimits
from genesis.schedule.network import Network
from genesis.schedule.passes import CompiledLimits, Direction, list_schedule


def forwards(jobs, limits, order):
    return list_schedule(Direction.forwards(Network.of(jobs)), CompiledLimits.of(jobs, limits), order)


def test_list_order_decides_who_gets_the_slot():
    jobs = [ScheduleJob(1), ScheduleJob(2), ScheduleJob(4)]
    assert forwards(jobs, ScheduleLimits(1), [2, 0, 1]).starts == [4, 5, 0]


def test_later_list_position_starts_where_an_earlier_one_is_not_ready():
    jobs = [ScheduleJob(3), ScheduleJob(1, (0,)), ScheduleJob(2)]
    assert forwards(jobs, ScheduleLimits(2), [1, 0, 2]) == (4, [0, 3, 0])


def test_parked_job_does_not_keep_another_agents_job_from_starting():
    jobs = [ScheduleJob(2, agent="a"), ScheduleJob(2, agent="a"), ScheduleJob(1, agent="b")]
    assert forwards(jobs, ScheduleLimits(3, {"a": 1}), [0, 1, 2]) == (4, [0, 2, 0])


def test_backwards_reads_the_edges_from_the_end():
    jobs = [ScheduleJob(1), ScheduleJob(2, (0,)), ScheduleJob(5, (0,))]
    network = Network.of(jobs)
    backwards = list_schedule(Direction.backwards(network), CompiledLimits.of(jobs, ScheduleLimits(2)), [0, 1, 2])
    assert backwards == (6, [5, 0, 0])


def test_only_limits_that_can_bind_are_numbered():
    jobs = [ScheduleJob(1, agent=name) for name in ("a", "a", "a", "b", "c", "c")] + [ScheduleJob(1)]
    places = CompiledLimits.of(jobs, ScheduleLimits(3, {"a": 2, "b": 1, "c": 3, "unused": 1}))
    assert places == (3, [0, 0, 0, -1, -1, -1, -1], [2])
