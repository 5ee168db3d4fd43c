"""The breaker's state machine, step by step."""

import json

import pytest

from genesis.resilience.breaker_machine import BreakerRules, Machine, Permit, Refusal, Transition

RULES = BreakerRules(failures=3, cooling_s=10.0, longest_cooling_s=35.0, successes=2, probe_s=5.0)


@pytest.fixture
def machine():
    return Machine(RULES)


def fail(machine, now=0.0):
    permit, _ = machine.admit(now)
    return machine.report(permit, "failure", now)


def succeed(machine, now=0.0):
    permit, _ = machine.admit(now)
    return machine.report(permit, "success", now)


def count(machine):
    """Return the calls and failures in the window."""
    kept = json.loads(machine.dumps())
    return sum(kept["calls"]), sum(kept["failed"])


def open_breaker(machine, now=0.0):
    for _ in range(RULES.failures):
        change = fail(machine, now)
    assert change.after == "open"
    return machine


def test_failures_in_a_row_open_it(machine):
    assert [fail(machine), fail(machine)] == [None, None]
    assert fail(machine) == Transition("closed", "open", "3 failures in a row")
    answer, change = machine.admit(4.0)
    assert (answer, change) == (Refusal(6.0, "3 failures in a row"), None)


def test_a_success_ends_a_row():
    machine = Machine(BreakerRules(failures=3, minimum_calls=100))
    for _ in range(5):
        assert fail(machine) is None
        assert fail(machine) is None
        assert succeed(machine) is None
    assert machine.state == "closed"


def test_half_of_the_calls_failing_opens_it_once_there_are_enough():
    machine = Machine(BreakerRules(failures=100, minimum_calls=10))
    changes = [(fail if index % 2 else succeed)(machine, float(index)) for index in range(10)]
    assert changes[:-1] == [None] * 9
    assert changes[-1].reason == "5 of 10 calls failed in 60 s"


def test_failures_out_of_the_window_do_not_count():
    machine = Machine(BreakerRules(failures=100, minimum_calls=4))
    fail(machine, 0.0)
    fail(machine, 1.0)
    assert count(machine) == (2, 2)
    assert [succeed(machine, 65.0), succeed(machine, 65.0), fail(machine, 65.0)] == [None] * 3
    assert count(machine) == (3, 1)


def test_what_says_nothing_about_health_changes_nothing(machine):
    for _ in range(20):
        permit, _ = machine.admit(0.0)
        assert machine.report(permit, "neutral", 0.0) is None
    assert count(machine) == (0, 0)


def test_after_the_cooling_time_one_probe_is_let_through(machine):
    open_breaker(machine)
    answer, change = machine.admit(10.0)
    assert (answer, change) == (Permit(2, 1), Transition("open", "half_open", "the cooling time is over"))
    for _ in range(50):
        refused, change = machine.admit(10.0)
        assert (type(refused), change) == (Refusal, None)


def test_it_closes_after_enough_probes_in_a_row(machine):
    open_breaker(machine)
    assert succeed(machine, 10.0) is None
    assert machine.state == "half_open"
    assert succeed(machine, 10.1) == Transition("half_open", "closed", "2 probes in a row succeeded")
    assert count(machine) == (0, 0)
    assert [fail(machine, 11.0), fail(machine, 11.0)] == [None, None]


def test_a_failed_probe_opens_it_for_longer_up_to_a_bound(machine):
    open_breaker(machine)
    now, waits = 0.0, []
    for _ in range(4):
        refused, _ = machine.admit(now)
        waits.append(refused.retry_after_s)
        now += refused.retry_after_s
        assert fail(machine, now) == Transition("half_open", "open", "a probe failed")
    assert waits == [10.0, 20.0, 35.0, 35.0]


def test_closing_forgets_how_often_it_opened(machine):
    open_breaker(machine)
    fail(machine, 10.0)
    succeed(machine, 30.0)
    succeed(machine, 30.0)
    open_breaker(machine, 40.0)
    assert machine.retry_after_s(40.0) == 10.0


def test_a_probe_that_says_nothing_makes_room_for_the_next(machine):
    open_breaker(machine)
    permit, _ = machine.admit(10.0)
    assert machine.report(permit, "neutral", 10.5) is None
    answer, _ = machine.admit(10.5)
    assert answer == Permit(2, 2)


def test_a_probe_that_is_never_heard_of_is_given_up_and_its_late_result_dropped(machine):
    open_breaker(machine)
    lost, _ = machine.admit(10.0)
    assert isinstance(machine.admit(14.9)[0], Refusal)
    second, _ = machine.admit(15.0)
    assert second == Permit(2, 2)
    assert machine.report(lost, "failure", 16.0) is None
    assert isinstance(machine.admit(16.0)[0], Refusal)
    assert machine.report(second, "success", 16.0) is None


def test_results_of_calls_from_before_the_last_change_are_dropped(machine):
    early = [machine.admit(0.0)[0] for _ in range(5)]
    open_breaker(machine)
    assert [machine.report(permit, "success", 9.0) for permit in early] == [None] * 5
    assert machine.state == "open"
    machine.admit(10.0)
    assert machine.report(early[0], "failure", 11.0) is None
    assert machine.state == "half_open"


def test_a_clock_that_begins_anew_keeps_it_open_for_no_longer_than_its_cooling_time(machine):
    open_breaker(machine, 5_000.0)
    assert machine.admit(3.0)[0] == Refusal(10.0, "3 failures in a row")
    assert isinstance(machine.admit(13.0)[0], Permit)
    assert isinstance(machine.admit(0.5)[0], Permit)  # and the lease of that probe is over, too


def test_asking_when_to_come_again_changes_nothing(machine):
    assert machine.retry_after_s(0.0) == 0.0
    open_breaker(machine)
    assert machine.retry_after_s(4.0) == 6.0
    assert machine.retry_after_s(12.0) == 0.0
    assert machine.state == "open"
    machine.admit(12.0)
    assert machine.retry_after_s(12.0) == 1.0


def test_successes_that_were_counted_elsewhere_end_a_row_and_weigh_in():
    machine = Machine(BreakerRules(failures=3, minimum_calls=4))
    fail(machine)
    fail(machine)
    machine.count_successes(7, 0.0)
    assert count(machine) == (9, 2)
    assert [fail(machine), fail(machine)] == [None, None]


@pytest.mark.parametrize("steps", [0, 2, 3, 5])
def test_it_is_kept_and_read_as_it_was(machine, steps):
    for step in range(steps):
        permit, _ = machine.admit(step * 10.0)
        if isinstance(permit, Permit):
            machine.report(permit, "failure", step * 10.0)
    again = Machine.loads(RULES, machine.dumps())
    assert again.dumps() == machine.dumps()
    assert again.admit(41.0) == machine.admit(41.0)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"state": "ajar"}', "7", '{"state": "open", "reason": "", "epoch": "x"}']
)
def test_what_is_no_state_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        Machine.loads(RULES, text)


def test_a_state_that_was_kept_with_counts_of_slow_calls_is_read():
    text = (
        '{"state":"open","epoch":1,"in_a_row":0,"openings":1,"closing":0,"reason":"5 of 5 calls took 2 s or more",'
        '"opened_at":4.0,"until":14.0,"probe":0,"probes":0,"probe_at":0.0,"index":0,'
        '"calls":[5,0,0,0,0,0,0,0,0,0],"failed":[1,0,0,0,0,0,0,0,0,0],"slow":[5,0,0,0,0,0,0,0,0,0]}'
    )
    machine = Machine.loads(RULES, text)
    assert machine.admit(4.0)[0] == Refusal(10.0, "5 of 5 calls took 2 s or more")
    assert count(machine) == (5, 1)
    assert machine.admit(14.0)[1] == Transition("open", "half_open", "the cooling time is over")


def test_a_window_of_another_length_is_refused(machine):
    with pytest.raises(ValueError, match="10 buckets"):
        Machine.loads(RULES, machine.dumps().replace('"failed":[0,', '"failed":['))


def test_the_cooling_time_of_a_breaker_that_opened_very_often_is_bounded():
    assert RULES.cooling_for(10_000) == 35.0
