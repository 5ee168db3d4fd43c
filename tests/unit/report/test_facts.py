"""The figures of a report."""

import pytest

from genesis.model import Amendment
from genesis.report import facts_of
from genesis.report.spans import Axis, axis_of
from genesis.testing import a_task


def parts(task):
    return [
        (part.kind, (part.start.minute * 60 + part.start.second), (part.end.minute * 60 + part.end.second))
        for part in task.segments
    ]


def test_the_critical_path_is_the_chain_of_those_that_were_waited_for(evidence_of, an_outcome):
    tasks = [a_task("a"), a_task("slow"), a_task("c", after=("a", "slow")), a_task("d", after=("c",)), a_task("alone")]
    outcomes = [
        an_outcome("a", 0, 2), an_outcome("slow", 0, 5), an_outcome("c", 6, 8),
        an_outcome("d", 8, 10), an_outcome("alone", 0, 9),
    ]  # fmt: skip
    facts = facts_of(evidence_of(tasks, outcomes, end=10))
    assert facts.critical_path == ("slow", "c", "d")
    summary = facts.summary
    assert (summary.duration_s, summary.critical_s, summary.critical_wait_s) == (10, 9, 1)
    assert (summary.work_s, summary.parallelism, summary.most_at_once) == (20, 2.0, 3)
    assert [task.id for task in facts.tasks if task.is_critical] == ["slow", "c", "d"]


def test_a_leaf_waits_from_when_it_could_have_started(evidence_of, an_outcome):
    tasks = [a_task("a"), a_task("b", after=("a",))]
    facts = facts_of(evidence_of(tasks, [an_outcome("a", 1, 3), an_outcome("b", 7, 8)], end=8))
    assert [task.waited_s for task in facts.tasks] == [1, 4]
    assert parts(facts.tasks[1]) == [("wait", 3, 7), ("last", 7, 8)]


def test_attempts_are_parts_of_a_leaf_and_the_pauses_between_them_are_not(evidence_of, an_outcome):
    task = an_outcome("a", 0, 9, tries=[(0, 2), (4, 5)])
    facts = facts_of(evidence_of([a_task("a")], [task], end=9))
    assert parts(facts.tasks[0]) == [("attempt", 0, 2), ("attempt", 4, 5), ("last", 5, 9)]
    assert (facts.summary.attempts, facts.summary.retries) == (3, 2)


def test_the_last_attempt_of_a_leaf_that_failed_is_shown_once(evidence_of, an_outcome):
    task = an_outcome("a", 0, 5, "failed", tries=[(0, 2), (4, 5)], error="it broke", attempts=2)
    facts = facts_of(evidence_of([a_task("a")], [task], state="failed", end=5))
    assert parts(facts.tasks[0]) == [("attempt", 0, 2), ("attempt", 4, 5)]


def test_a_leaf_that_runs_lasts_until_now(evidence_of, an_outcome):
    tasks = [a_task("a"), a_task("b", after=("a",)), a_task("c", after=("b",))]
    outcomes = [an_outcome("a", 0, 2), an_outcome("b", 2, None, "running"), an_outcome("c", state="pending")]
    facts = facts_of(evidence_of(tasks, outcomes, state="running", now=30))
    assert facts.summary.duration_s == 30
    assert facts.critical_path == ("a", "b")
    assert facts.tasks[1].duration_s == 28


def test_pauses_between_executions_are_left_out(evidence_of, an_outcome, a_moment):
    tasks = [a_task("a"), a_task("b", after=("a",))]
    outcomes = [an_outcome("a", 0, 10), an_outcome("b", 3600, 3605, tries=[(10, 15)])]
    moments = [a_moment("started", 0), a_moment("ended", 15), a_moment("resumed", 3600), a_moment("ended", 3605)]
    facts = facts_of(evidence_of(tasks, outcomes, start=3600, end=3605, now=9000, moments=moments))
    assert (facts.summary.executions, facts.summary.duration_s, facts.summary.critical_s) == (2, 20, 20)
    assert facts.tasks[1].duration_s == 10


def test_executions_without_moments_are_told_from_the_leaves(evidence_of, an_outcome):
    tasks = [a_task("a"), a_task("b", after=("a",))]
    outcomes = [an_outcome("a", 0, 10), an_outcome("b", 3600, 3605)]
    facts = facts_of(evidence_of(tasks, outcomes, start=3600, end=3605, now=9000))
    assert (facts.summary.executions, facts.summary.duration_s) == (2, 15)


def test_a_leaf_that_was_planned_again_waits_for_its_group(evidence_of, an_outcome, at):
    own = an_outcome("a", 0, 2, "failed", tries=[(0, 2)], error="it broke")
    group = a_task("again-1", a_task("x"))
    tasks = [a_task("a", after=("again-1",)), group]
    outcomes = [an_outcome("a", 0, 8, tries=[(0, 2)]), an_outcome("again-1/x", 3, 8)]
    amendment = Amendment(number=1, kind="replan", task="a", group=group, reason="r", outcome=own, at=at(2))
    facts = facts_of(evidence_of(tasks, outcomes, end=8, amendments=(amendment,)))
    assert parts(facts.tasks[0]) == [("attempt", 0, 2), ("group", 2, 8)]
    assert facts.summary.work_s == 7
    assert facts.summary.critical_s <= facts.summary.duration_s


def test_agents_are_added_up_the_dearest_first(evidence_of, an_outcome):
    tasks = [a_task("a"), a_task("b"), a_task("c")]
    outcomes = [
        an_outcome("a", 0, 1, usd=1, agent="cheap"),
        an_outcome("b", 0, 4, usd=5, agent="dear", tokens=7),
        an_outcome("c", 0, 2, "failed", agent="dear", error="it broke"),
    ]
    facts = facts_of(evidence_of(tasks, outcomes, state="failed", end=4))
    first, second = facts.agents
    assert (first.agent, first.tasks, first.done, first.failed, first.usd, first.tokens) == ("dear", 2, 1, 1, 5, 7)
    assert (second.agent, second.work_s) == ("cheap", 1)
    assert facts.summary.cost_usd == 6


@pytest.mark.parametrize("start", [None, 0])
def test_a_run_in_which_nothing_started_has_figures_too(evidence_of, an_outcome, start):
    facts = facts_of(evidence_of([a_task("a")], [an_outcome("a", state="pending")], state="pending", start=start))
    assert facts.critical_path == ()
    assert (facts.summary.done, facts.summary.work_s, facts.summary.parallelism) == (0, 0, 0)


def test_leaves_that_the_saved_state_does_not_know_are_pending(evidence_of, an_outcome):
    facts = facts_of(evidence_of([a_task("a"), a_task("b")], [an_outcome("a", 0, 1)], state="running"))
    assert [task.state for task in facts.tasks] == ["completed", "pending"]


def test_places_on_the_axis_grow_with_the_time(at):
    axis = Axis(((at(0), at(10)), (at(3600), at(3610))))
    places = [axis.place(at(seconds)) for seconds in (-5, 0, 5, 10, 1800, 3600, 3605, 3610, 9999)]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 1)
    ((start, end, seconds),) = axis.breaks()
    assert (places[3], places[5]) == (pytest.approx(start), pytest.approx(end))
    assert seconds == 3590
    assert axis.between(at(5), at(3605)) == 10


@pytest.mark.parametrize(
    ("seconds", "last"),
    [(0.04, "0.04 s"), (3, "3.0 s"), (50, "50 s"), (400, "5:00 min"), (9_000, "2:00 h"), (5_000_000, "1389:53 h")],
)
def test_ticks_are_few_and_round(at, seconds, last):
    ticks = Axis(((at(0), at(seconds)),)).ticks()
    assert 2 <= len(ticks) <= 7
    assert ticks[0][0] == 0
    assert ticks[-1][0] <= 1
    assert ticks[-1][1].split()[-1] == last.split()[-1]


def test_an_axis_of_no_time_at_all_has_a_place(at):
    axis = Axis(((at(0), at(0)),))
    assert axis.place(at(0)) == 0
    assert axis.ticks()


def test_a_short_pause_is_no_break(evidence_of, an_outcome, a_moment):
    moments = [a_moment("started", 0), a_moment("ended", 50), a_moment("resumed", 51), a_moment("ended", 90)]
    evidence = evidence_of([a_task("a")], [an_outcome("a", 0, 90)], start=51, end=90, moments=moments)
    assert len(axis_of(evidence.run, evidence.moments.moments, evidence.made_at).spans) == 1
