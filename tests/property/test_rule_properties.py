"""Every plan with `run_if`, `when` and `allow_failure`: it ends as its rules say, each leaf at most once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.compile import compile_program
from genesis.graph import topological_order
from genesis.model import AgentProfile, Plan, Registry, Route, RoutedPlan
from genesis.pipeline import find_skipped
from genesis.schedule import JobState, ScheduleJob, ScheduleLimits, Scheduler, add_rules, rank_work, simulate_jobs
from genesis.structure import junctions, outline
from genesis.validation.never_run import find_never_run

_REGISTRY = Registry(agents=(AgentProfile(name="worker"),))
_RUN_IF = ["all_succeeded", "all_succeeded", "all_done", "any_failed", "any_succeeded", "always"]
_ENDS = {
    JobState.FINISHED: "succeeded",
    JobState.FAILED: "failed",
    JobState.SKIPPED: "failed",
    JobState.CANCELLED: "failed",
    JobState.NOT_MET: "not met",
}


_WAITS = st.sampled_from([{}, {}, {"wait_for": {"time": 0}}])


@st.composite
def plans(draw, max_tasks=9):
    """A plan of tasks and composites, each after some tasks that stand before it and are not around it."""
    tasks, paths, left = [], [], draw(st.integers(1, max_tasks))
    while left:
        name = f"t{len(tasks)}"
        inside = draw(st.integers(0, min(3, left - 1)))
        children, inner = [], []
        for number in range(inside):
            child = f"c{number}"
            children.append({**_task(draw, child, [*paths, *inner]), **draw(_WAITS)})
            inner.append(f"{name}/{child}")
        tasks.append({**_task(draw, name, paths), "subtasks": children, **({} if children else draw(_WAITS))})
        paths += [name, *inner]
        left -= 1 + inside
    return Plan.model_validate({"version": 1, "request": "r", "tasks": tasks})


def _task(draw, name, before):
    after = draw(st.lists(st.sampled_from(before), max_size=3, unique=True)) if before else []
    when = draw(st.sampled_from([None, None, None, "1 == 1", "1 == 2"]))
    rule = {"run_if": draw(st.sampled_from(_RUN_IF)), "allow_failure": draw(st.booleans())}
    return {"id": name, "description": name, "depends_on": after, **rule, **({"when": when} if when else {})}


def program_of(plan):
    routes = {node.path: Route(agent="worker") for node in outline(plan).leaf_nodes()}
    return compile_program(RoutedPlan(plan=plan, routes=routes), _REGISTRY)


def scheduler_of(program, slots=16):
    work = [ScheduleJob(1.0, leaf.after, waits=leaf.wait_for is not None) for leaf in program.leaves]
    jobs, limits = add_rules(program, work), ScheduleLimits(slots)
    return Scheduler(jobs, limits, rank_work(work, jobs, limits)), jobs


class Expected:
    """How each task of a plan ends by the rules as the guide states them, read from the plan alone."""

    def __init__(self, plan, failing):
        self._tree = outline(plan)
        self._failing = failing
        self._starts, self._ends = {}, {}

    def start(self, index):
        if index not in self._starts:
            self._starts[index] = self._start(self._tree.nodes[index])
        return self._starts[index]

    def _start(self, node):
        if node.parent >= 0 and self.start(node.parent) != "succeeded":
            return self.start(node.parent)
        before = [self.end(source) for source in self._tree.before[node.index]]
        failed, succeeded = "failed" in before, "succeeded" in before
        rule = node.task.run_if
        holds = {
            "all_succeeded": all(end == "succeeded" for end in before),
            "any_failed": failed,
            "any_succeeded": succeeded,
        }.get(rule, True)
        if not holds:
            return "failed" if failed else "not met"
        return "not met" if node.task.when == "1 == 2" else "succeeded"

    def end(self, index):
        if index not in self._ends:
            node = self._tree.nodes[index]
            start = self.start(index)
            inside = [self.end(child) for child in node.children]
            own = "failed" if "failed" in inside else "succeeded"
            if node.children:
                own = "not met" if set(inside) == {"not met"} else own
            else:
                own = "failed" if node.path in self._failing else own
            own = "succeeded" if own == "failed" and node.task.allow_failure else own
            self._ends[index] = own if start == "succeeded" else start
        return self._ends[index]

    def of_leaves(self):
        return {node.path: (self.start(node.index), self.end(node.index)) for node in self._tree.leaf_nodes()}


def drive(scheduler, program, jobs, data, failing, *, stop_after=None):
    """Run to the end, in any order of ends; return how often each leaf ran, and what was said to be left out."""
    runs, left_out, running, steps = dict.fromkeys((leaf.path for leaf in program.leaves), 0), [], [], 0
    count = len(program.leaves)
    cancelled = set()
    before = [ancestors(jobs, job) for job in range(count)]
    while True:
        while asked := scheduler.take_undecided():
            for job in asked:
                rule = program.leaves[job].rule if job < count else program.gates[job - count].rule
                (scheduler.release if rule.when.text == "1 == 1" else scheduler.skip)(job)
        left_out += scheduler.take_left_out()
        if scheduler.done:
            return runs, left_out, cancelled
        for job in [*scheduler.take_waits(), *scheduler.take()]:
            assert not before[job] & set(running), "what comes before it still runs"
            assert not cancelled or program.leaves[job].always
            runs[program.leaves[job].path] += 1
            running.append(job)
        if steps == stop_after:
            cancelled = {count, *scheduler.cancel()}
            running = [job for job in running if job not in cancelled]
            stop_after = None
            continue
        steps += 1
        if running:
            job = running.pop(data.draw(st.integers(0, len(running) - 1)))
            (scheduler.fail if program.leaves[job].path in failing else scheduler.finish)(job)


def ancestors(jobs, job):
    found, waiting = set(), list(jobs[job].after)
    while waiting:
        earlier = waiting.pop()
        if earlier not in found:
            found.add(earlier)
            waiting += jobs[earlier].after
    return found


def _failing(data, program):
    return data.draw(st.sets(st.sampled_from([leaf.path for leaf in program.leaves])))


@settings(max_examples=100, deadline=None)
@given(plans(), st.data())
def test_every_plan_ends_as_its_rules_say(plan, data):
    program = program_of(plan)
    failing = _failing(data, program)
    scheduler, jobs = scheduler_of(program, data.draw(st.integers(1, 4)))
    runs, left_out, _ = drive(scheduler, program, jobs, data, failing)
    expected = Expected(plan, failing).of_leaves()
    found = {leaf.path: scheduler.state(leaf.index) for leaf in program.leaves}
    for leaf in program.leaves:
        start, end = expected[leaf.path]
        allowed = leaf.rule is not None and leaf.rule.allow_failure and found[leaf.path] is JobState.FAILED
        assert runs[leaf.path] == (start == "succeeded"), leaf.path
        assert ("succeeded" if allowed else _ENDS[found[leaf.path]]) == end, leaf.path
    assert sorted(left_out) == [leaf.index for leaf in program.leaves if not runs[leaf.path]]


@settings(max_examples=100, deadline=None)
@given(plans(), st.data())
def test_what_validation_takes_as_never_run_does_not(plan, data):
    program = program_of(plan)
    tree = outline(plan)
    order = junctions(tree).before
    false = {node.index for node in tree.nodes if node.task.when == "1 == 2"}
    never_run = {tree.nodes[leaf].path for leaf in find_never_run(tree, order, topological_order(order), false)}
    expected = Expected(plan, _failing(data, program)).of_leaves()
    assert not {path for path in never_run if expected[path][0] == "succeeded"}
    nothing_fails = Expected(plan, set()).of_leaves()
    skipped = {program.leaves[leaf].path for leaf in find_skipped(program)}
    assert skipped == {path for path, (start, _) in nothing_fails.items() if start != "succeeded"}
    assert never_run <= skipped


@settings(max_examples=100, deadline=None)
@given(plans(), st.data())
def test_a_stopped_plan_ends_and_starts_only_what_always_runs(plan, data):
    program = program_of(plan)
    failing = _failing(data, program)
    scheduler, jobs = scheduler_of(program, data.draw(st.integers(1, 4)))
    runs, _, _ = drive(scheduler, program, jobs, data, failing, stop_after=data.draw(st.integers(0, 9)))
    assert max(runs.values()) <= 1
    assert scheduler.pending == 0
    for leaf in program.leaves:
        if not leaf.rule or not plan_is_flat_always(program, leaf):
            continue
        assert runs[leaf.path] == 1 or _has_false_condition(leaf)


def plan_is_flat_always(program, leaf):
    """Whether nothing but its own condition can keep a leaf from running: it is at the top, and `always`."""
    return leaf.rule.run_if == "always" and leaf.rule.within is None


def _has_false_condition(leaf):
    return leaf.rule.when is not None and leaf.rule.when.text == "1 == 2"


@settings(max_examples=60, deadline=None)
@given(plans(), st.data())
def test_taking_over_at_any_moment_changes_nothing(plan, data):
    program = program_of(plan)
    failing = _failing(data, program)
    scheduler, _ = scheduler_of(program)
    count, running = len(program.leaves), []
    runs = [0] * count
    left_out = []
    while not scheduler.done:
        if data.draw(st.booleans()):
            after, _ = scheduler_of(program)
            after.take_over(scheduler)
            scheduler = after
        for job in scheduler.take_undecided():
            rule = program.leaves[job].rule if job < count else program.gates[job - count].rule
            (scheduler.release if rule.when.text == "1 == 1" else scheduler.skip)(job)
        left_out += scheduler.take_left_out()
        taken = scheduler.take()
        running += taken
        for job in taken:
            runs[job] += 1
        if running:
            job = running.pop()
            (scheduler.fail if program.leaves[job].path in failing else scheduler.finish)(job)
    left_out += scheduler.take_left_out()
    expected = Expected(plan, failing).of_leaves()
    assert runs == [expected[leaf.path][0] == "succeeded" for leaf in program.leaves]
    assert sorted(left_out) == [job for job in range(count) if not runs[job]]


@settings(max_examples=60, deadline=None)
@given(plans())
def test_simulation_leaves_out_what_does_not_run_if_nothing_fails(plan):
    program = program_of(plan)
    work = [ScheduleJob(1.0, leaf.after) for leaf in program.leaves]
    jobs, limits = add_rules(program, work), ScheduleLimits(2)
    rules = [*(leaf.rule for leaf in program.leaves), *(gate.rule for gate in program.gates)]
    false = [job for job, rule in enumerate(rules) if rule and rule.when and rule.when.text == "1 == 2"]
    timeline = simulate_jobs(jobs, limits, rank_work(work, jobs, limits), false=false)
    expected = Expected(plan, set()).of_leaves()
    left_out = [leaf.index for leaf in program.leaves if expected[leaf.path][0] != "succeeded"]
    assert [job for job in timeline.left_out if job < len(work)] == left_out
    assert timeline.total_work_s == len(work) - len(left_out)
