"""How long a run may still take."""

from datetime import timedelta

import pytest

from genesis.cli.estimate import TimeLeft, format_time_left
from genesis.schedule import PoolCosts
from genesis.testing import FakeClock, a_program, a_task, an_agent, calls_made_by


class Watched:
    """A run of which the time continues as the test says."""

    def __init__(self, *tasks, slots=4, scale=1.0, agents=(), pools=None):
        self.wall, self.seconds = FakeClock(), 0.0
        self.program = a_program(*tasks, agents=agents)
        self.time_left = TimeLeft(slots, scale, pools, clock=lambda: self.seconds, now=self.wall)
        self.time_left.begin(self.program)

    def after(self, seconds):
        self.wall.advance(seconds)
        self.seconds += seconds

    def starts(self, an_outcome, name):
        self.time_left.record_change(an_outcome(name, "running").model_copy(update={"started_at": self.wall()}))

    def ends(self, an_outcome, name, state="completed"):
        self.time_left.record_change(an_outcome(name, state).model_copy(update={"ended_at": self.wall()}))


def task(name, seconds, after=()):
    return a_task(name, after=after, estimate={"seconds": seconds})


def test_at_the_start_it_is_what_the_simulation_says():
    watched = Watched(task("a", 60), task("b", 30), task("c", 100, ("a",)))
    assert watched.time_left.estimate_left() == (160, False)


def test_on_work_pools_it_is_what_dispatches_cost_besides():
    pools = PoolCosts(dispatch_s=5.0, server_s=1.0, next_s=1.0)
    watched = Watched(task("a", 60), task("b", 100, ("a",)), pools=pools)
    assert watched.time_left.estimate_left() == (166, False)


def test_a_wait_lasts_as_long_as_it_says_and_does_not_set_the_pace(an_outcome):
    watched = Watched(a_task("wait", wait_for={"time": 100}), task("a", 10), task("b", 20, ("a", "wait")))
    for name in ("wait", "a"):
        watched.starts(an_outcome, name)
    watched.after(20)
    watched.ends(an_outcome, "a")
    assert watched.time_left.pace == pytest.approx(35 / 25)
    assert watched.time_left.estimate_left()[0] == pytest.approx(80 + 20 * 35 / 25)
    pace = watched.time_left.pace
    watched.after(80)
    watched.ends(an_outcome, "wait")
    assert watched.time_left.pace == pace


def test_slots_and_agents_are_kept_to():
    tasks = [task(f"t{n}", 10) for n in range(8)]
    assert Watched(*tasks, slots=2).time_left.estimate_left()[0] == 40
    assert Watched(*tasks, slots=8, agents=(an_agent("worker", max_concurrency=1),)).time_left.estimate_left()[0] == 80


def test_it_goes_down_while_nothing_ends(an_outcome):
    watched = Watched(task("a", 60))
    watched.starts(an_outcome, "a")
    seen = []
    for _ in range(5):
        watched.after(10)
        seen.append(watched.time_left.estimate_left())
    assert seen == [(50, False), (40, False), (30, False), (20, False), (10, False)]


def test_what_takes_longer_than_expected_is_said_so_and_nothing_is_negative(an_outcome):
    watched = Watched(task("a", 10))
    watched.starts(an_outcome, "a")
    for _ in range(50):
        watched.after(7)
        seconds, _ = watched.time_left.estimate_left()
        assert seconds >= 0
    assert watched.time_left.estimate_left() == (0, True)


def test_an_overdue_task_does_not_hide_what_comes_after_it(an_outcome):
    watched = Watched(task("a", 10), task("b", 600, ("a",)))
    watched.starts(an_outcome, "a")
    watched.after(100)
    seconds, overdue = watched.time_left.estimate_left()
    assert seconds >= 600
    assert not overdue


def test_the_pace_of_what_was_done_counts_for_what_is_left(an_outcome):
    tasks = [task(f"t{n}", 10, (f"t{n - 1}",) if n else ()) for n in range(10)]
    watched = Watched(*tasks)
    for n in range(5):
        watched.starts(an_outcome, f"t{n}")
        watched.after(30)
        watched.ends(an_outcome, f"t{n}")
    seconds, _ = watched.time_left.estimate_left()
    assert watched.time_left.pace == pytest.approx(160 / 60)
    assert seconds == pytest.approx(5 * 10 * 160 / 60)


def test_what_was_kept_or_cached_is_not_left_and_says_nothing_of_the_pace(an_outcome):
    watched = Watched(task("a", 10), task("b", 10, ("a",)), task("c", 10, ("b",)))
    watched.time_left.begin(watched.program, [0])
    watched.starts(an_outcome, "b")
    watched.ends(an_outcome, "b", "cached")
    assert watched.time_left.estimate_left() == (10, False)
    assert watched.time_left.pace == 1


def test_a_rehearsal_is_measured_by_its_own_time():
    assert Watched(task("a", 60), scale=0.1).time_left.estimate_left() == (6, False)
    assert Watched(task("a", 60), scale=0.0).time_left.estimate_left() == (0, False)


def test_a_task_that_is_put_back_is_still_to_be_done(an_outcome):
    watched = Watched(task("a", 60))
    watched.starts(an_outcome, "a")
    watched.after(50)
    watched.time_left.put_back("a")
    watched.time_left.put_back("nobody")
    assert watched.time_left.estimate_left()[0] == 60


def test_a_plan_that_grows_has_more_to_do(an_outcome):
    watched = Watched(task("a", 10))
    watched.starts(an_outcome, "a")
    watched.ends(an_outcome, "a")
    assert watched.time_left.estimate_left()[0] == 0
    watched.time_left.begin(a_program(task("a", 10), task("b", 20)))
    assert watched.time_left.estimate_left()[0] > 0


def test_a_run_that_is_done_has_nothing_left(an_outcome):
    watched = Watched(task("a", 10))
    watched.ends(an_outcome, "a", "skipped")
    assert watched.time_left.estimate_left() == (0, False)
    assert Watched(task("a", 0)).time_left.estimate_left() == (0, False)


def test_it_is_not_worked_out_more_than_once_a_second():
    watched = Watched(*(task(f"t{n}", 10) for n in range(200)))
    watched.time_left.estimate_left()
    watched.seconds += 0.5
    assert calls_made_by(watched.time_left.estimate_left) < 20
    watched.seconds += 1
    assert calls_made_by(watched.time_left.estimate_left) > 1_000


def test_clocks_that_go_back_do_no_harm(an_outcome):
    watched = Watched(task("a", 10))
    watched.starts(an_outcome, "a")
    watched.wall.advance(-timedelta(hours=1).total_seconds())
    assert watched.time_left.estimate_left() == (10, False)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "a few seconds left"), (4.9, "a few seconds left"), (7, "about 5 s left"), (23, "about 25 s left"),
        (44, "about 40 s left"), (94, "about 90 s left"), (100, "about 2 min left"), (185, "about 3 min left"),
        (3_599, "about 60 min left"), (3_600, "about 1 h left"), (4_800, "about 1 h 20 min left"),
        (90_000, "about 25 h left"),
    ],
)  # fmt: skip
def test_words_are_as_exact_as_the_estimate(seconds, said):
    assert format_time_left(seconds, overdue=False) == said


def test_words_are_honest():
    assert format_time_left(0, overdue=True) == "longer than expected"


def test_what_is_left_is_known_of_all_of_some_or_of_none(a_run, an_outcome):
    left = TimeLeft(2)
    left.begin(a_program(a_task("a"), a_task("b")))
    assert left.known == ""
    left.begin(a_program(a_task("a", estimate={"seconds": 5}), a_task("b")))
    assert left.known == "some"
    left.begin(a_program(a_task("a", estimate={"seconds": 5})))
    assert left.known == "all"


def test_tasks_that_ended_and_timers_tell_of_the_others(an_outcome):
    left = TimeLeft(2)
    left.begin(a_program(a_task("a"), a_task("b")))
    left.record_change(an_outcome("a", "running"))
    left.record_change(an_outcome("a"))
    assert left.known == "all"
    rehearsed = TimeLeft(2, 0.1)
    rehearsed.begin(a_program(a_task("a")))
    assert rehearsed.known == "all"


def test_what_the_plan_leaves_out_is_not_left_until_it_runs_after_all(an_outcome):
    mend = a_task("mend", after=("a",), run_if="any_failed", estimate={"seconds": 30})
    watched = Watched(task("a", 10), mend, a_task("b", when="1 == 2", estimate={"seconds": 50}))
    assert watched.time_left.estimate_left() == (10, False)
    watched.starts(an_outcome, "a")
    watched.after(10)
    watched.ends(an_outcome, "a", "failed")
    watched.starts(an_outcome, "mend")
    assert watched.time_left.estimate_left() == (30, False)
