"""Faults are drawn from a seed, the same whatever runs beside what."""

import random
import threading
from collections import Counter

import pytest

from genesis.errors import UsageError
from genesis.testing.chaos import FAILING, KINDS, Faults

_CALLS = [(boundary, key) for boundary in ("agent", "store") for key in "abcd" for _ in range(50)]


def _meet(faults, calls):
    for boundary, key in calls:
        faults.draw(boundary, key)
    return set(faults.made)


def test_one_seed_gives_the_same_faults_in_any_order():
    shuffled = random.Random(5).sample(_CALLS, len(_CALLS))
    assert _meet(Faults(1), _CALLS) == _meet(Faults(1), shuffled)
    assert _meet(Faults(1), _CALLS) != _meet(Faults(2), _CALLS)


def test_one_seed_gives_the_same_faults_from_many_threads():
    faults = Faults(3)
    threads = [threading.Thread(target=_meet, args=(faults, _CALLS[part::4])) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(faults.made) == _meet(Faults(3), _CALLS)
    assert faults.calls == {"agent": 200, "store": 200}


def test_faults_of_a_seed_stay_what_they_are():
    """A seed that someone has noted in a bug report must mean the same in a later version."""
    faults = Faults(7, share=0.5)
    drawn = [faults.draw("agent", "a") for _ in range(8)]
    assert [fault and fault.kind for fault in drawn] == [
        None, "disconnect", "garbage", None, None, "error", None, "delay"
    ]  # fmt: skip
    assert [round(fault.amount, 6) for fault in drawn if fault] == [0.246258, 0.402751, 0.087487, 0.72181]


def test_share_and_kinds_are_kept():
    faults = Faults(1, share=0.3)
    for number in range(4000):
        faults.draw("agent", f"call {number}")
    assert 0.27 < len(faults.made) / 4000 < 0.33
    counted = Counter(fault.kind for fault in faults.made)
    assert set(counted) == set(KINDS)
    assert max(counted.values()) < 1.5 * min(counted.values())
    amounts = [fault.amount for fault in faults.made]
    assert 0 <= min(amounts) < 0.1
    assert 0.9 < max(amounts) < 1


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (1, 20)])
def test_no_share_and_the_whole_share(share, expected):
    faults = Faults(1, share=share)
    assert sum(faults.draw("agent", "a") is not None for _ in range(20)) == expected


def test_a_boundary_gets_only_kinds_that_make_sense_there():
    faults = Faults(1, share=1, kinds=("error", "garbage"))
    assert {faults.draw("store", "x", ("garbage", "delay")).kind for _ in range(10)} == {"garbage"}
    assert faults.draw("clock", "x", ("clock_jump",)) is None


def test_other_boundaries_are_left_alone():
    faults = Faults(1, share=1, boundaries=["agent"])
    assert faults.draw("store", "x") is None
    assert faults.draw("agent", "x") is not None


def test_looking_counts_nothing_and_agrees_with_drawing():
    faults = Faults(4, share=0.5)
    ahead = [faults.at("agent", "a", nth) for nth in range(1, 11)]
    assert not faults.made
    assert [faults.draw("agent", "a") for _ in range(10)] == ahead


def test_nothing_goes_wrong_after_stop():
    faults = Faults(1, share=1)
    faults.stop()
    assert faults.draw("agent", "a") is None
    assert faults.calls["agent"] == 1


@pytest.mark.parametrize("wrong", [{"share": 1.1}, {"share": -0.1}, {"kinds": ["flood"]}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError):
        Faults(1, **wrong)


def test_kinds_of_failures_are_kinds():
    assert set(FAILING) < set(KINDS)
