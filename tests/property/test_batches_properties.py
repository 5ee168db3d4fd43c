"""Every graph: fusing loses nothing, waits in no circle and holds nobody up."""

from heapq import heappop, heappush

from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.schedule import ScheduleJob
from genesis.schedule.batches import Batches, BatchRules

_AGENTS = ["a", "b", "c"]


@st.composite
def graphs(draw, max_jobs=14):
    """Jobs whose edges go both up and down in document order."""
    count = draw(st.integers(1, max_jobs))
    shuffled = draw(st.permutations(range(count)))
    after = dict.fromkeys(shuffled, ())
    for place in range(1, count):
        earlier = draw(st.sets(st.sampled_from(shuffled[:place]), max_size=3))
        after[shuffled[place]] = tuple(sorted(earlier))
    seconds = st.sampled_from([0.0, 0.125, 0.25, 1.0, 8.0, 100.0])
    return [ScheduleJob(draw(seconds), after[job], draw(st.sampled_from(_AGENTS))) for job in range(count)]


def play(jobs, rules, overhead_s):
    """Run jobs with as many places as they like, where each batch costs a dispatch; gives batches, starts and ends."""
    batches, starts, ends = [], {}, {}
    made = Batches(jobs, rules)
    gone, final, now, coming = set(), set(), 0.0, []
    while len(final) < len(jobs):
        ready = [j for j, work in enumerate(jobs) if j not in gone and set(work.after) <= final]
        planned = made.plan(
            ready, final=frozenset(final), free=lambda j: j not in gone, expected_s=lambda j: jobs[j].duration_s
        )
        assert sorted(b[0] for b in planned) == sorted(b[0] for b in planned if b[0] in ready)
        assert set(ready) <= {job for batch in planned for job in batch}
        for batch in planned:
            batches.append(batch)
            at = now + overhead_s
            for place, job in enumerate(batch):
                assert job not in gone
                assert set(jobs[job].after) <= final | set(batch[:place])
                gone.add(job)
                starts[job] = at
                at = ends[job] = at + jobs[job].duration_s
                heappush(coming, (at, job))
        now = coming[0][0]
        while coming and coming[0][0] == now:
            final.add(heappop(coming)[1])
    return batches, starts, ends


def depths(jobs):
    found = {}
    while len(found) < len(jobs):
        for index, job in enumerate(jobs):
            if all(source in found for source in job.after):
                found[index] = 1 + max((found[source] for source in job.after), default=0)
    return found


rules = st.builds(
    BatchRules, leaves=st.integers(1, 8), ahead_s=st.sampled_from([0.0, 0.5, 2.0]), stay_s=st.sampled_from([0.0, 60.0])
)


@settings(max_examples=80, deadline=None)
@given(graphs(), rules, st.sampled_from([0.0, 0.25, 0.5]))
def test_each_job_is_in_one_batch_of_one_agent_that_waits_for_nothing_outside(jobs, how, overhead_s):
    batches, _, _ = play(jobs, how, overhead_s)
    assert sorted(job for batch in batches for job in batch) == list(range(len(jobs)))
    for batch in batches:
        assert len(batch) <= how.leaves
        assert len({jobs[job].agent for job in batch}) == 1
        assert sum(jobs[job].duration_s for job in batch[:-1]) < how.stay_s or len(batch) == 1


@settings(max_examples=80, deadline=None)
@given(graphs(), st.sampled_from([0.0, 0.25, 0.5]))
def test_fused_chains_start_nothing_later(jobs, overhead_s):
    _, apart, _ = play(jobs, BatchRules(leaves=1), overhead_s)
    _, fused, _ = play(jobs, BatchRules(leaves=8, ahead_s=0.0), overhead_s)
    assert all(fused[job] <= apart[job] for job in range(len(jobs)))


@settings(max_examples=80, deadline=None)
@given(graphs(), st.sampled_from([0.25, 0.5, 2.0]), st.sampled_from([0.0, 0.25, 0.5]))
def test_fused_siblings_hold_up_each_step_by_less_than_the_bound(jobs, ahead_s, overhead_s):
    _, apart, _ = play(jobs, BatchRules(leaves=1), overhead_s)
    _, fused, ends = play(jobs, BatchRules(leaves=8, ahead_s=ahead_s), overhead_s)
    steps = depths(jobs)
    for index, job in enumerate(jobs):
        ready = max((ends[source] for source in job.after), default=0.0)
        assert fused[index] < ready + overhead_s + ahead_s
        assert fused[index] < apart[index] + ahead_s * steps[index]


@settings(max_examples=100, deadline=None)
@given(graphs(), rules)
def test_batches_contract_to_a_graph_without_circles(jobs, how):
    batches, _, _ = play(jobs, how, 0.25)
    of = {job: number for number, batch in enumerate(batches) for job in batch}
    waits = {
        number: {of[source] for job in batch for source in jobs[job].after} - {number}
        for number, batch in enumerate(batches)
    }
    while waits:
        free = [number for number, others in waits.items() if not others & set(waits)]
        assert free
        for number in free:
            del waits[number]
