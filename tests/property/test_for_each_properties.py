"""Any plan with `for_each`: its copies are there once and in order, and any run of it ends as its rules say."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.compile import compile_program
from genesis.errors import DocumentError
from genesis.model import Plan
from genesis.planning import load_plan, plan_document
from genesis.schedule import JobState, ScheduleLimits, Scheduler, add_rules, schedule_job
from genesis.structure import combine_lists, count_copies, outline
from genesis.testing import a_plan, a_program, a_task, route_to
from genesis.validation import validate

_ENDED = {JobState.FINISHED, JobState.FAILED, JobState.SKIPPED, JobState.NOT_MET, JobState.CANCELLED}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab{}./é \n", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("ab.", min_size=1, max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)
_LISTS = st.lists(_JSON, max_size=4) | st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(_JSON, max_size=3), min_size=1, max_size=3
)


_RULES = st.fixed_dictionaries(
    {},
    optional={
        "run_if": st.sampled_from(["all_done", "any_failed", "any_succeeded", "always"]),
        "when": st.sampled_from(["1 == 1", "1 == 2"]),
        "allow_failure": st.just(value=True),
    },
)


@st.composite
def tasks(draw, depth=2, *, rules=False):
    """Some tasks beside each other, with edges to earlier ones; some have `for_each`, subtasks or rules."""
    made = []
    for number in range(draw(st.integers(1, 3))):
        more = {"inputs": {"x": "{item} {index}"}} if draw(st.booleans()) else {}
        if draw(st.booleans()):
            more |= {"for_each": draw(_LISTS), "on_failure": draw(st.sampled_from(["all", "any"]))}
            more |= draw(st.sampled_from([{}, {"max_parallel": 1}, {"max_parallel": 2}]))
        if rules:
            more |= draw(_RULES)
        inner = draw(tasks(depth - 1, rules=rules)) if depth and draw(st.booleans()) else ()
        after = draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else ()
        if inner:
            more.pop("inputs", None)
        made.append(a_task(f"t{number}", *inner, after=tuple(f"t{each}" for each in sorted(after)), **more))
    return tuple(made)


@settings(max_examples=60, deadline=None)
@given(tasks())
def test_there_is_one_copy_a_value_in_order_and_the_count_is_known_without_them(made):
    plan = a_plan(*made)
    routed, registry = route_to(plan)
    program = compile_program(routed, registry)
    names = [leaf.path for leaf in program.leaves]
    assert len(set(names)) == len(names)
    tree = outline(plan)
    copies = count_copies(tree, {})
    assert sum(leaf.gathers is None for leaf in program.leaves) == sum(map(copies.of, tree.leaves))
    for task in made:
        if task.for_each is None:
            continue
        lists = task.for_each if isinstance(task.for_each, dict) else {"": task.for_each}
        below = [name.split("/")[1] for name in names if name.startswith(f"{task.id}/")]
        order = list(dict.fromkeys(below))
        assert [int(name.partition("-")[0]) for name in order] == list(range(len(combine_lists(lists))))
    assert plan_document(program.source) == plan_document(routed)
    assert compile_program(program.source, registry).leaves == program.leaves


@settings(max_examples=60, deadline=None)
@given(tasks(), st.integers(1, 4), st.data())
def test_any_run_ends_as_the_rules_say_with_each_leaf_at_most_once(made, slots, data):
    program = a_program(*made)
    jobs = add_rules(program, [schedule_job(leaf) for leaf in program.leaves])
    limits = ScheduleLimits(slots, parallel=program.parallel)
    scheduler = Scheduler(jobs, limits, data.draw(st.permutations(range(len(jobs)))))
    bad = data.draw(st.sets(st.integers(0, max(0, len(program.leaves) - 1)), max_size=3))
    running, started, state = [], [], {}
    while not scheduler.done:
        taken = scheduler.take()
        running += taken
        started += taken
        assert running, "nothing runs, and the run is not done"
        _check_limits(program, running)
        job = running.pop(data.draw(st.integers(0, len(running) - 1)))
        if _succeeds(program.leaves[job], program, state, bad):
            state[job] = "completed"
            scheduler.finish(job)
        else:
            state[job] = "failed"
            scheduler.fail(job)
        state |= dict.fromkeys(scheduler.take_left_out(), "skipped")
    assert len(started) == len(set(started))
    assert set(state) == {leaf.index for leaf in program.leaves}
    for leaf in program.leaves:
        before = {state[source] for source in leaf.after}
        if leaf.rule is not None and leaf.rule.run_if == "all_done":
            assert (state[leaf.index] == "skipped") is _is_shut(program, scheduler, leaf)
        else:
            assert (state[leaf.index] == "skipped") is bool(before - {"completed"})
        assert (scheduler.state(leaf.index) is JobState.FINISHED) is (state[leaf.index] == "completed")


@settings(max_examples=150, deadline=None)
@given(tasks(rules=True), st.integers(1, 4), st.data())
def test_a_plan_with_rules_ends_within_its_limits_and_gathers_after_all_copies_whenever_it_grows_or_stops(
    made, slots, data
):
    program = a_program(*made)
    count, stop_after = len(program.leaves), data.draw(st.integers(0, 30))
    scheduler, running, started = _scheduler_of(program, slots), [], []
    while not scheduler.done:
        if data.draw(st.booleans()):
            after = _scheduler_of(program, slots)
            after.take_over(scheduler)
            scheduler = after
        if stop_after <= 0:
            scheduler.cancel()
        stop_after -= 1
        while asked := [job for job in scheduler.take_undecided() if scheduler.state(job) is JobState.HELD]:
            for job in asked:
                rule = program.leaves[job].rule if job < count else program.gates[job - count].rule
                (scheduler.release if rule.when.text == "1 == 1" else scheduler.skip)(job)
        taken = scheduler.take()
        running, started = running + taken, started + taken
        _check_limits(program, running)
        for job in taken:
            assert all(scheduler.state(source) in _ENDED for source in program.leaves[job].after)
        assert running or scheduler.done
        if running:
            job = running.pop(data.draw(st.integers(0, len(running) - 1)))
            (scheduler.fail if data.draw(st.booleans()) else scheduler.finish)(job)
    assert len(started) == len(set(started))
    assert all(scheduler.state(job) in _ENDED for job in range(count + len(program.gates)))


def _scheduler_of(program, slots):
    jobs = add_rules(program, [schedule_job(leaf) for leaf in program.leaves])
    return Scheduler(jobs, ScheduleLimits(slots, parallel=program.parallel), [0.0] * len(jobs))


def _is_shut(program, scheduler, leaf):
    """Whether the start of the task that a leaf gathers for did not open, since something before it failed."""
    return scheduler.state(len(program.leaves) - 1 - leaf.rule.within) is JobState.SKIPPED


def _check_limits(program, running):
    copies = {copy for job in running for copy in program.leaves[job].in_copies}
    for task, most in program.parallel.items():
        assert sum(copy.rpartition("/")[0] == task for copy in copies) <= most


def _succeeds(leaf, program, state, bad):
    """Whether a leaf succeeds: by chance, or where it gathers, by its copies."""
    if leaf.gathers is None:
        return leaf.index not in bad
    inside = [each for each in program.leaves if each.path.startswith(f"{leaf.path}/")]
    key = lambda each: each.path[len(leaf.path) + 1 :].partition("/")[0]  # noqa: E731
    good = [
        all(state[each.index] == "completed" for each in leaves if each.index in leaf.after)
        for _, leaves in itertools.groupby(inside, key)
    ]
    return all(good) if leaf.gathers == "all" or not good else any(good)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["for_each", "max_parallel", "on_failure", "inputs"]), _JSON))
def test_any_value_of_the_keys_is_a_plan_or_a_coded_error(keys):
    document = {"request": "r", "tasks": [{"id": "t", "description": "d {item.a}", **keys}]}
    try:
        plan = load_plan(document)
    except DocumentError:
        return
    assert isinstance(plan, Plan)
    report = validate(*route_to(plan))
    assert "GEN-CHECK-FAILED" not in {each.code for each in report.diagnostics}
