"""What a worker is told."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from genesis.flows.agent_work import Order


def order(until):
    return Order("r", ["a"], ["f"], 1, "t", until=until)


def test_without_a_deadline_there_is_all_the_time():
    assert order(None).left_s == math.inf


@pytest.mark.parametrize("seconds", [-30, 30, 3600])
def test_a_deadline_in_utc_is_time_left_by_this_hosts_clock(seconds):
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    assert order(until.isoformat()).left_s == pytest.approx(seconds, abs=5)
    elsewhere = until.astimezone(datetime.now().astimezone().tzinfo)
    assert order(elsewhere.isoformat()).left_s == pytest.approx(seconds, abs=5)
