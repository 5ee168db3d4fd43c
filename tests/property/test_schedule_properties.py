"""Every graph, every limit: what must hold of ranking, simulation and the state machine."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.schedule import JobState, ScheduleJob, ScheduleLimits, Scheduler, rank, simulate_jobs
from genesis.schedule.network import Network

_AGENTS = ["a", "b", "c", None]


@st.composite
def programs(draw, max_jobs=10):
    """Jobs whose edges go both up and down in document order, with limits from 1."""
    count = draw(st.integers(0, max_jobs))
    shuffled = draw(st.permutations(range(count)))
    after = dict.fromkeys(shuffled, ())
    for place in range(1, count):
        earlier = draw(st.sets(st.sampled_from(shuffled[:place]), max_size=3))
        after[shuffled[place]] = tuple(sorted(earlier))
    seconds = st.one_of(st.just(0.0), st.integers(0, 9).map(float), st.floats(0, 100, allow_subnormal=False))
    jobs = [ScheduleJob(draw(seconds), after[job], draw(st.sampled_from(_AGENTS))) for job in range(count)]
    per_agent = draw(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 4)))
    return jobs, ScheduleLimits(draw(st.integers(1, 5)), per_agent)


def descendants(jobs, roots):
    found = set(roots)
    for _ in jobs:
        found |= {job for job, work in enumerate(jobs) if found & set(work.after)}
    return found - set(roots)


@settings(max_examples=100, deadline=None)
@given(programs())
def test_simulation_completes_in_order_within_limits_and_bounds(program):
    jobs, limits = program
    timeline = simulate_jobs(jobs, limits)
    for job, work in enumerate(jobs):
        assert timeline.end_s[job] == timeline.start_s[job] + work.duration_s
        assert all(timeline.end_s[earlier] <= timeline.start_s[job] for earlier in work.after)
    for now in timeline.start_s:
        at_once = [j for j in range(len(jobs)) if timeline.start_s[j] <= now < timeline.end_s[j]]
        assert len(at_once) <= limits.slots
        for agent, running in Counter(jobs[job].agent for job in at_once).items():
            assert running <= limits.per_agent.get(agent, limits.slots)
    slack = 1e-9 * (1 + timeline.total_work_s)
    lower = max(timeline.critical_path_s, timeline.total_work_s / limits.slots)
    assert lower - slack <= timeline.makespan_s <= timeline.total_work_s + slack
    assert timeline.makespan_s == max(timeline.end_s, default=0)


@settings(max_examples=100, deadline=None)
@given(programs())
def test_ranking_is_a_deterministic_permutation_never_worse_than_the_critical_path_rule(program):
    jobs, limits = program
    priorities = rank(jobs, limits)
    assert sorted(priorities) == list(range(len(jobs)))
    assert rank(jobs, limits) == priorities
    plain = simulate_jobs(jobs, limits, Network.of(jobs).tails())
    assert simulate_jobs(jobs, limits, priorities).makespan_s <= plain.makespan_s


@settings(max_examples=100, deadline=None)
@given(programs(), st.data())
def test_any_order_of_ends_starts_each_job_once_within_the_limits(program, data):
    jobs, limits = program
    scheduler = Scheduler(jobs, limits, data.draw(st.permutations(range(len(jobs)))))
    running, started, finished = [], [], set()
    while not scheduler.done:
        for job in scheduler.take():
            assert finished >= set(jobs[job].after)
            running.append(job)
            started.append(job)
        assert 1 <= len(running) <= limits.slots
        assert scheduler.running == len(running)
        for agent, count in Counter(jobs[job].agent for job in running).items():
            assert count <= limits.per_agent.get(agent, limits.slots)
        job = running.pop(data.draw(st.integers(0, len(running) - 1)))
        scheduler.finish(job)
        finished.add(job)
    assert sorted(started) == list(range(len(jobs)))


@settings(max_examples=100, deadline=None)
@given(programs(), st.data())
def test_no_ready_job_is_left_while_a_slot_and_its_agent_are_free(program, data):
    jobs, limits = program
    scheduler = Scheduler(jobs, limits, [0] * len(jobs))
    running = []
    while not scheduler.done:
        running += scheduler.take()
        used = Counter(jobs[job].agent for job in running)
        for job, work in enumerate(jobs):
            if scheduler.state(job) is JobState.READY:
                agent_full = used[work.agent] >= limits.per_agent.get(work.agent, limits.slots)
                assert len(running) == limits.slots or agent_full
        scheduler.finish(running.pop(data.draw(st.integers(0, len(running) - 1))))


@settings(max_examples=100, deadline=None)
@given(programs(), st.data())
def test_no_job_starts_before_a_ready_one_of_its_agent_with_a_higher_priority(program, data):
    plain, limits = program
    jobs = [replace(job, priority=data.draw(st.integers(-2, 2))) for job in plain]
    scheduler = Scheduler(jobs, limits, rank(jobs, limits))
    running = []
    while not scheduler.done:
        taken = scheduler.take()
        running += taken
        for job, work in enumerate(jobs):
            if scheduler.state(job) is JobState.READY:
                ahead = [started for started in taken if jobs[started].agent == work.agent]
                assert all(jobs[started].priority >= work.priority for started in ahead)
        assert [jobs[job].priority for job in taken] == sorted((jobs[job].priority for job in taken), reverse=True)
        scheduler.finish(running.pop(data.draw(st.integers(0, len(running) - 1))))


@settings(max_examples=100, deadline=None)
@given(programs(), st.data())
def test_failing_jobs_skip_exactly_their_descendants(program, data):
    jobs, limits = program
    bad = data.draw(st.sets(st.integers(0, len(jobs)))) - {len(jobs)}
    scheduler = Scheduler(jobs, limits, [0] * len(jobs))
    skipped, failed = [], set()
    while not scheduler.done:
        for job in scheduler.take():
            if job in bad:
                failed.add(job)
                scheduler.fail(job)
                gone = scheduler.take_left_out()
                assert gone == sorted(gone)
                skipped += gone
            else:
                scheduler.finish(job)
    assert sorted(skipped) == sorted(descendants(jobs, failed))
    for job in range(len(jobs)):
        expected = "failed" if job in failed else "skipped" if job in set(skipped) else "finished"
        assert scheduler.state(job) == expected


@settings(max_examples=100, deadline=None)
@given(programs(), st.data())
def test_restored_run_starts_exactly_the_rest(program, data):
    jobs, limits = program
    first = Scheduler(jobs, limits, [0] * len(jobs))
    finished = set()
    for _ in range(data.draw(st.integers(0, len(jobs)))):
        for job in first.take()[:1]:
            first.finish(job)
            finished.add(job)
    again = Scheduler(jobs, limits, [0] * len(jobs))
    again.restore(finished)
    started = []
    while not again.done:
        for job in again.take():
            started.append(job)
            again.finish(job)
    assert sorted(started) == sorted(set(range(len(jobs))) - finished)


@settings(max_examples=100, deadline=None)
@given(programs(), st.data())
def test_held_blocked_and_cancelled_jobs_never_start_and_all_ends_at_last(program, data):
    jobs, limits = program
    scheduler = Scheduler(jobs, limits, [0] * len(jobs))
    held, running, blocked, ended = set(), set(), set(), set()
    agents = sorted({job.agent for job in jobs} - {None})
    for _ in range(30):
        event = data.draw(st.sampled_from(["take", "finish", "hold", "release", "block", "unblock"]))
        if event == "take":
            taken = set(scheduler.take())
            assert not taken & (held | running | ended)
            assert not {jobs[job].agent for job in taken} & blocked
            running |= taken
        elif event == "finish" and running:
            job = data.draw(st.sampled_from(sorted(running)))
            scheduler.finish(job)
            running.remove(job)
            ended.add(job)
        elif event == "hold" and len(held | ended) < len(jobs):
            job = data.draw(st.sampled_from(sorted(set(range(len(jobs))) - held - ended)))
            scheduler.hold(job)
            running.discard(job)
            held.add(job)
        elif event == "release" and held:
            job = data.draw(st.sampled_from(sorted(held)))
            scheduler.release(job)
            held.remove(job)
        elif event in {"block", "unblock"} and agents:
            agent = data.draw(st.sampled_from(agents))
            getattr(scheduler, event)(agent)
            (blocked.add if event == "block" else blocked.discard)(agent)
    for job in held:
        scheduler.release(job)
    for agent in blocked:
        scheduler.unblock(agent)
    if data.draw(st.booleans()):
        assert set(scheduler.cancel()) == set(range(len(jobs))) - running - ended
        assert scheduler.take() == []
    while not scheduler.done:
        running |= set(scheduler.take())
        scheduler.finish(running.pop())
    assert scheduler.running == scheduler.pending == 0


@st.composite
def programs_with_needs(draw):
    """Jobs that need parts of up to three resources, some of them more than there is, or of one without a limit."""
    plain, limits = draw(programs())
    names = ["cpu", "memory", "gpu", "other"]
    needs = st.dictionaries(st.sampled_from(names), st.integers(1, 5), max_size=2).map(lambda each: (*each.items(),))
    jobs = [replace(job, needs=draw(needs), priority=draw(st.integers(-1, 1))) for job in plain]
    capacity = {name: draw(st.integers(1, 4)) for name in names[:3]}
    return jobs, replace(limits, capacity=capacity)


def used(jobs, running, capacity):
    found = Counter()
    for job in running:
        for name, amount in jobs[job].needs:
            found[name] += min(amount, capacity.get(name, amount))
    return {name: amount for name, amount in found.items() if name in capacity}


@settings(max_examples=200, deadline=None)
@given(programs_with_needs(), st.data())
def test_resources_are_never_exceeded_every_plan_ends_and_no_room_is_left_without_a_reason(program, data):
    jobs, limits = program
    scheduler = Scheduler(jobs, limits, rank(jobs, limits))
    running, started = [], []
    while not scheduler.done:
        taken = scheduler.take()
        running += taken
        started += taken
        in_use = used(jobs, running, limits.capacity)
        assert all(in_use[name] <= limits.capacity[name] for name in in_use)
        assert running
        waiting = [job for job in range(len(jobs)) if scheduler.state(job) is JobState.READY]
        agents = Counter(jobs[job].agent for job in running)
        may = [job for job in waiting if agents[jobs[job].agent] < limits.per_agent.get(jobs[job].agent, limits.slots)]
        for job in may if len(running) < limits.slots else ():
            wanted = used(jobs, [job], limits.capacity)
            short = any(in_use.get(name, 0) + amount > limits.capacity[name] for name, amount in wanted.items())
            kept = [
                other
                for other in may
                if jobs[other].priority > jobs[job].priority and wanted.keys() & used(jobs, [other], limits.capacity)
            ]
            assert short or kept
        scheduler.finish(running.pop(data.draw(st.integers(0, len(running) - 1))))
    assert sorted(started) == list(range(len(jobs)))


@settings(max_examples=100, deadline=None)
@given(programs_with_needs())
def test_a_simulation_with_resources_completes_within_them(program):
    jobs, limits = program
    timeline = simulate_jobs(jobs, limits)
    for now in timeline.start_s:
        at_once = [j for j in range(len(jobs)) if timeline.start_s[j] <= now < timeline.end_s[j]]
        in_use = used(jobs, at_once, limits.capacity)
        assert all(in_use[name] <= limits.capacity[name] for name in in_use)


@settings(max_examples=100, deadline=None)
@given(programs(), st.data())
def test_jobs_of_one_mutex_never_overlap(program, data):
    plain, limits = program
    mutexes = [data.draw(st.sampled_from([None, "mutex x", "mutex y"])) for _ in plain]
    jobs = [replace(job, needs=((name, 1),) if name else ()) for job, name in zip(plain, mutexes, strict=True)]
    timeline = simulate_jobs(jobs, replace(limits, capacity={"mutex x": 1, "mutex y": 1}))
    for now in timeline.start_s:
        at_once = [j for j in range(len(jobs)) if timeline.start_s[j] <= now < timeline.end_s[j]]
        assert max(Counter(mutexes[job] for job in at_once if mutexes[job]).values(), default=0) <= 1
