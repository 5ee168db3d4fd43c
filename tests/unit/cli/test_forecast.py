"""What is said before a run of how long it takes and what it costs: nothing that nobody knows."""

import pytest

from genesis.cli.forecast import StartUp, forecast_of, in_words
from genesis.schedule import PoolCosts
from genesis.testing import a_program, a_task

KNOWN = {"seconds": 4, "usd": 0.5}


def words(*tasks, **more):
    return in_words(forecast_of(a_program(*tasks), 2, **more))


def test_nothing_known_is_no_time_and_no_cost():
    said = words(a_task("a"), a_task("b"))
    assert said == "2 tasks on 1 agent · no estimates of time on 2 slots"
    assert "$" not in said


def test_all_known_is_about():
    said = words(a_task("a", estimate=KNOWN), a_task("b", after=("a",), estimate=KNOWN))
    assert said == "2 tasks on 1 agent · about 8 s on 2 slots · about $1.00"


def test_work_pools_add_what_a_dispatch_costs():
    pools = PoolCosts(dispatch_s=5.0, server_s=1.0, next_s=1.0)
    said = words(a_task("a", estimate=KNOWN), a_task("b", after=("a",), estimate=KNOWN), pools=pools)
    assert "about 14 s on 2 slots" in said


def test_some_known_is_at_least():
    assert words(a_task("a", estimate=KNOWN), a_task("b")) == (
        "2 tasks on 1 agent · at least 4 s on 2 slots · at least $0.50"
    )


def test_a_cost_of_nothing_that_is_known_is_said():
    assert words(a_task("a", estimate={"usd": 0})).endswith("· about $0.00")


def test_a_time_of_nothing_that_is_known_is_said():
    assert "about 0 s on 2 slots" in words(a_task("a", estimate={"seconds": 0}))


def test_a_rehearsal_knows_its_timers_and_costs_nothing():
    assert words(a_task("a", estimate=KNOWN), a_task("b", after=("a",)), rehearse=0.5) == (
        "2 tasks on 1 agent · about 2.5 s on 2 slots"
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (10, "about 10 s on 2 slots (including start-up: 15 to 20 s)"),
        (95, "about 1 min 35 s on 2 slots (including start-up: 1 min 40 s to 1 min 45 s)"),
    ],
)
def test_starting_up_is_counted_in(seconds, said):
    assert said in words(a_task("a", estimate={"seconds": seconds}), start_up=StartUp(5, 10))


def test_starting_up_is_left_out_of_a_long_run():
    said = words(a_task("a", estimate={"seconds": 3600}), start_up=StartUp(5, 10))
    assert said == "1 task on 1 agent · about 1 h on 2 slots"


def test_starting_up_is_a_least_where_not_all_is_known():
    said = words(a_task("a", estimate={"seconds": 10}), a_task("b"), start_up=StartUp(5, 10))
    assert "at least 10 s on 2 slots (including start-up: at least 15 s)" in said


def test_a_busy_machine_takes_longer_and_an_idle_one_no_shorter():
    assert StartUp(5, 10).on_busy_machine(0.1) == StartUp(5, 10)
    assert StartUp(5, 10).on_busy_machine(2) == StartUp(5, 20)
    assert StartUp(5, 10).on_busy_machine(100) == StartUp(5, 50)


def test_what_people_take_is_not_counted():
    tasks = (a_task("a", estimate=KNOWN), a_task("b", estimate={"seconds": 3600, "usd": 9}))
    assert words(*tasks, orders={1}) == (
        "2 tasks on 1 agent · 1 of them work orders for people, whose time and cost are not counted"
        " · about 4 s on 2 slots · about $0.50"
    )
    assert words(*tasks, orders={0, 1}) == (
        "2 tasks on 1 agent · all work orders for people, whose time and cost are not counted"
    )


def test_copies_count_and_what_gathers_them_does_not_and_a_list_that_is_not_known_counts_as_one():
    tasks = (
        a_task("scan", outputs=("f",), estimate=KNOWN),
        a_task("a", for_each=[1, 2, 3], estimate=KNOWN, max_parallel=1),
        a_task("b", a_task("x", estimate=KNOWN), a_task("y", estimate=KNOWN), for_each="{scan.f}"),
    )
    assert words(*tasks) == "5 tasks on 1 agent · about 12 s on 2 slots · about $3.00"


def test_what_the_plan_leaves_out_costs_no_time_and_no_money():
    said = words(
        a_task("a", estimate=KNOWN),
        a_task("b", after=("a",), estimate=KNOWN, when="1 == 2"),
        a_task("c", after=("b",), estimate=KNOWN),
        a_task("d", after=("a",), run_if="any_failed"),
    )
    assert said == "4 tasks on 1 agent · 3 skipped if nothing fails · about 4 s on 2 slots · about $0.50"
    assert words(a_task("a", estimate=KNOWN, when="1 == 2")) == "1 task on 1 agent · 1 skipped if nothing fails"


def test_waits_count_with_their_time_and_not_in_a_rehearsal():
    program = a_program(a_task("wait", wait_for={"time": 90}), a_task("do", after=("wait",), estimate={"seconds": 2}))
    assert forecast_of(program, 4).seconds == 92
    assert forecast_of(program, 4, rehearse=1.0).seconds == 2
