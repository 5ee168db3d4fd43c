from genesis.model import Resources
from genesis.pipeline import simulate
from genesis.schedule import ScheduleJob, ScheduleLimits, Scheduler, find_needs, schedule_limits
from genesis.testing import a_program, a_task, an_agent


def of(start_s):
    return [round(each.start_s) for each in start_s.timeline]


def lasts(name, seconds=1, **more):
    return a_task(name, estimate={"seconds": seconds}, **more)


def test_needs_are_those_of_the_agent_and_of_the_machine():
    agent = an_agent(resources={"cpu": 2, "gpu": 1, "memory": "1k"})
    program = a_program(a_task("a", resources={"cpu": 0.5, "memory": 100, "tags": ["x"]}), a_task("b"), agents=(agent,))
    assert find_needs(program.leaves[0]) == (
        ("cpu of agent worker", 500), ("cpu of this machine", 500),
        ("memory of agent worker", 100), ("memory of this machine", 100),
    )  # fmt: skip
    assert find_needs(program.leaves[1]) == ()
    capacity = schedule_limits(program, 4, Resources(cpu=8)).capacity
    assert capacity == {
        "cpu of agent worker": 2000, "memory of agent worker": 1000, "gpu of agent worker": 1,
        "cpu of this machine": 8000,
    }  # fmt: skip


def test_a_simulation_keeps_to_what_the_agent_and_the_machine_have():
    tasks = [lasts(f"t{n}", resources={"cpu": 1}) for n in range(4)]
    offers = an_agent(resources={"cpu": 2})
    assert of(simulate(a_program(*tasks, agents=(offers,)))) == [0, 0, 1, 1]
    assert of(simulate(a_program(*tasks, agents=(an_agent(),)))) == [0, 0, 0, 0]
    assert of(simulate(a_program(*tasks, agents=(offers,)), machine=Resources(cpu=1))) == [0, 1, 2, 3]


def test_what_needs_more_than_there_is_runs_alone():
    tasks = [
        lasts("large", 2, resources={"memory": "64Gi"}),
        lasts("small", resources={"memory": "1Gi"}),
        lasts("none"),
    ]
    assert of(simulate(a_program(*tasks), machine=Resources(memory="8Gi"))) == [0, 2, 0]


def test_a_large_job_waits_for_small_ones_unless_its_priority_is_higher():
    small = [lasts(f"s{n}", resources={"cpu": 1}) for n in range(6)]
    machine = Resources(cpu=2)
    for priority, start in ((None, 4), (1, 1)):
        first = lasts("first", resources={"cpu": 1}, priority=2)
        large = lasts("large", 0.5, resources={"cpu": 2}, priority=priority, after=("first",))
        timeline = simulate(a_program(first, large, *small), machine=machine).timeline
        assert next(each.start_s for each in timeline if each.task == "large") == start


def test_a_job_that_another_agent_takes_over_uses_what_that_one_has():
    jobs = [ScheduleJob(1, agent=name, needs=((f"gpu of {name}", 1),)) for name in ("a", "b")]
    scheduler = Scheduler(jobs, ScheduleLimits(4, capacity={"gpu of a": 1, "gpu of b": 1}), [1, 0])
    assert scheduler.take() == [0, 1]
    scheduler.hold(0)
    scheduler.reassign(0, "b", 4, (("gpu of b", 1),))
    scheduler.release(0)
    assert scheduler.take() == []
    scheduler.finish(1)
    assert scheduler.take() == [0]


def test_a_scheduler_that_takes_over_counts_what_runs():
    jobs = [ScheduleJob(1, needs=(("cpu", 1),)), ScheduleJob(1, needs=(("cpu", 1),))]
    limits = ScheduleLimits(4, capacity={"cpu": 1})
    before = Scheduler(jobs, limits, [1, 0])
    assert before.take() == [0]
    after = Scheduler([*jobs, ScheduleJob(1)], limits, [2, 1, 0])
    after.take_over(before)
    assert after.take() == [2]
    after.finish(0)
    assert after.take() == [1]


def test_leaves_of_one_mutex_are_simulated_one_after_the_other():
    tasks = [lasts("a", mutex="x"), lasts("b", 2, mutex="x"), lasts("c", mutex="y"), lasts("d")]
    assert of(simulate(a_program(*tasks))) == [2, 0, 0, 0]
