"""Pauses before repeats, and what a run may spend on them."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from genesis.errors import SecurityError, ServiceError, TaskError
from genesis.resilience import SqliteStore, StoreError
from genesis.resilience.retry import RetryBudget, RetryPolicy
from genesis.testing.plans import a_program, a_task

POLICY = RetryPolicy(retries=4, first_s=1.0, longest_s=5.0)


def busy(seconds):
    return ServiceError("busy", data={"retry_after_s": seconds})


def test_the_bound_doubles_up_to_the_longest_and_the_pause_is_drawn_from_zero():
    full = [POLICY.pause_s(httpx.ConnectError("x"), repeat, draw=lambda: 1.0) for repeat in (1, 2, 3, 4)]
    assert full == [1.0, 2.0, 4.0, 5.0]
    assert POLICY.pause_s(httpx.ConnectError("x"), 3, draw=lambda: 0.0) == 0.0
    drawn = {POLICY.pause_s(httpx.ConnectError("x"), 3) for _ in range(50)}
    assert len(drawn) > 40
    assert all(0 <= pause <= 4.0 for pause in drawn)


def test_a_backoff_of_one_keeps_the_bound():
    constant = RetryPolicy(retries=3, first_s=2.0, backoff=1.0)
    assert [constant.pause_s(httpx.ConnectError("x"), repeat, draw=lambda: 1.0) for repeat in (1, 3)] == [2.0, 2.0]


@pytest.mark.parametrize(
    ("error", "code", "on", "again"),
    [
        (httpx.ConnectError("x"), "", ("network",), True),
        (httpx.ConnectError("x"), "", ("llm",), False),
        (httpx.ConnectError("x"), "GEN-TASK", ("GEN-TASK",), True),
        (httpx.ConnectError("x"), "GEN-TASK", ("ConnectError",), True),
        (TaskError("x", code="GEN-TASK-EXIT"), "", ("llm", "GEN-TASK"), True),
        (TaskError("x", code="GEN-TASK-EXIT"), "", ("GEN-TASK-OUTPUTS",), False),
        (TimeoutError(), "GEN-TASK-TIMEOUT", ("GEN-TASK-TIMEOUT",), True),
        (TaskError("x", code="GEN-TASKS"), "", ("GEN-TASK",), False),
        (TypeError("x"), "GEN-TASK", ("GEN-TASK", "validation"), False),
    ],
)
def test_only_the_listed_codes_and_categories_are_repeated(error, code, on, again):
    policy = RetryPolicy(retries=1, on=on)
    assert (policy.pause_s(error, 1, code=code) is not None) is again


def test_a_leaf_sets_its_own_delays_and_keeps_the_defaults_of_the_others():
    plain, own, slow = a_program(
        a_task("plain", retries=2),
        a_task("own", retry={"times": 3, "delay_s": 5, "backoff": 1, "on": ["llm"]}),
        a_task("slow", retry={"times": 1, "delay_s": 300}),
    ).leaves
    assert RetryPolicy.of_leaf(plain, 0.5) == RetryPolicy(2, 0.5)
    assert RetryPolicy.of_leaf(own, 0.5) == RetryPolicy(3, 5.0, 60.0, 1.0, ("llm",))
    assert RetryPolicy.of_leaf(slow, 0.5) == RetryPolicy(1, 300.0, 300.0)


def test_repeats_end():
    assert POLICY.pause_s(httpx.ConnectError("x"), 5) is None


@pytest.mark.parametrize("error", [SecurityError("x"), TypeError("x"), httpx.InvalidURL("x")])
def test_what_cannot_succeed_is_not_tried_again(error):
    assert POLICY.pause_s(error, 1) is None


def test_what_the_other_side_asks_for_is_kept_to():
    assert POLICY.pause_s(busy(3), 1, draw=lambda: 0.5) == 3
    assert POLICY.pause_s(busy(0.1), 1, draw=lambda: 0.5) == 0.5


def test_a_wait_that_is_asked_for_and_too_long_is_not_made():
    assert POLICY.pause_s(busy(6), 1) is None


def test_a_pause_beyond_the_deadline_is_not_made():
    assert POLICY.pause_s(busy(3), 1, left_s=3.0) is None
    assert POLICY.pause_s(busy(3), 1, left_s=3.1, draw=lambda: 0.0) == 3


@pytest.mark.parametrize(("leaves", "repeats"), [(0, 3), (1, 3), (15, 3), (100, 20), (1000, 200)])
def test_under_a_full_outage_a_run_makes_a_fifth_more_tries_at_most(leaves, repeats):
    budget = RetryBudget(leaves)
    made = sum(budget.take() for _ in range(10 * leaves + 10))
    assert made == repeats
    assert budget.refused == 10 * leaves + 10 - repeats


def test_successes_give_repeats_back_up_to_where_it_began():
    budget = RetryBudget(5)
    assert [budget.take() for _ in range(4)] == [True, True, True, False]
    budget.record_success()
    assert (budget.left, budget.take(), budget.take()) == (1, True, False)
    for _ in range(10):
        budget.record_success()
    assert budget.left == 3


class Broken:
    def change(self, *_):
        raise StoreError("gone")


def test_processes_share_a_runs_budget_by_a_store(tmp_path):
    stores = [SqliteStore(tmp_path / "state") for _ in range(2)]
    first, second = (RetryBudget(20, store=store, name="r") for store in stores)
    other = RetryBudget(20, store=stores[0], name="other run")
    assert [first.take(), second.take(), first.take(), second.take()] == [True] * 4
    assert (first.take(), second.take()) == (False, False)
    assert other.take()


def test_what_one_process_earns_another_can_spend_once_it_is_handed_in(tmp_path):
    store = SqliteStore(tmp_path / "state")
    first, second = (RetryBudget(0, store=store, name="r") for _ in range(2))
    second.record_success()
    second.flush()  # nothing is spent yet, so nothing is kept
    assert store.read("repeats:r")[0] is None
    assert [first.take() for _ in range(4)] == [True, True, True, False]
    second.record_success()
    assert not first.take()
    second.flush()
    assert first.take()
    second.record_success()
    assert second.take()  # its own counts at once
    assert not second.take()


@pytest.mark.parametrize("kept", ["nonsense", "[-5, []]", "1e9", '{"left": 9}'])
def test_a_kept_budget_that_cannot_be_is_a_new_one_or_none(tmp_path, kept):
    store = SqliteStore(tmp_path / "state")
    store.change("repeats:r", lambda _kept, _now: (kept, None))
    budget = RetryBudget(0, store=store, name="r")
    assert sum(budget.take() for _ in range(10)) == (0 if "-5" in kept else 3)


def test_a_store_that_fails_leaves_each_process_with_a_budget_of_its_own():
    budget = RetryBudget(0, store=Broken(), name="r")
    assert sum(budget.take() for _ in range(10)) == 3
    budget.record_success()
    budget.flush()
    assert budget.take()


def test_a_copy_of_a_budget_is_one_of_its_own():
    budget = RetryBudget(0)
    budget.take()
    copied = pickle.loads(pickle.dumps(budget))
    assert sum(copied.take() for _ in range(5)) == budget.left == 2


def test_threads_never_take_more_than_there_is():
    budget = RetryBudget(500)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: budget.take(), range(400))) == 100


@pytest.mark.parametrize("shared", [False, True])
def test_the_first_tasks_that_fail_are_repeated_as_often_as_they_may_and_a_storm_is_not(tmp_path, shared):
    store = SqliteStore(tmp_path / "state") if shared else None
    budgets = [RetryBudget(100, store=store, name="r") for _ in range(2 if shared else 1)]
    paths = [f"task {number}" for number in range(30)]
    made = {path: sum(budgets[turn % len(budgets)].take(path) for turn in range(5)) for path in paths}
    assert [made[path] for path in paths[: RetryBudget.FREE]] == [5] * RetryBudget.FREE
    assert sum(made[path] for path in paths[RetryBudget.FREE :]) == 20
