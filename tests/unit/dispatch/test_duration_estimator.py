from datetime import UTC, datetime, timedelta

import pytest

from genesis.dispatch.duration_estimator import DurationEstimator
from genesis.model import Outcome
from genesis.testing.plans import a_program, a_task

START = datetime(2026, 11, 22, tzinfo=UTC)


def leaf(seconds, kind="x"):
    return a_program(a_task("a", type=kind, estimate={"seconds": seconds})).leaves[0]


def took(seconds):
    return Outcome(id="a", agent="w", started_at=START, ended_at=START + timedelta(seconds=seconds))


def test_an_estimate_is_believed_while_nothing_is_known():
    assert DurationEstimator().expected_s(leaf(7)) == 7


def test_estimates_are_scaled_by_what_the_slowest_of_the_last_took():
    pace = DurationEstimator()
    pace.learn(leaf(100), took(1))
    pace.learn(leaf(100), took(2))
    assert pace.expected_s(leaf(10)) == pytest.approx(0.2)
    assert pace.expected_s(leaf(10, "other")) == 10


def test_old_experience_is_forgotten():
    pace = DurationEstimator()
    pace.learn(leaf(1), took(50))
    for _ in range(8):
        pace.learn(leaf(1), took(0.01))
    assert pace.expected_s(leaf(1)) == pytest.approx(0.01)


def test_a_leaf_without_times_teaches_nothing_and_an_estimate_of_nothing_does_not_divide():
    pace = DurationEstimator()
    pace.learn(leaf(1), Outcome(id="a", agent="w"))
    assert pace.expected_s(leaf(1)) == 1
    pace.learn(leaf(0), took(2))
    assert pace.expected_s(leaf(0)) == pytest.approx(2)
    pace.learn(leaf(0), took(-5))
    assert pace.expected_s(leaf(0)) == pytest.approx(2)
