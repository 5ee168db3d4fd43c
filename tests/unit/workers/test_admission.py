"""How many runs a worker has orchestrated at once, by how the server answers."""

from types import SimpleNamespace

import pytest

from genesis.prefect_api.client import ResponseTimes
from genesis.workers.admission import Admission
from genesis.workers.slots import SlotPool


@pytest.fixture
def made():
    slots, polls = SlotPool(5), []
    api = SimpleNamespace(response_times=ResponseTimes())
    api.response_times.add(0.02)
    admission = Admission(slots, api, admitted=lambda: polls.append(slots.free))
    return SimpleNamespace(slots=slots, polls=polls, times=api.response_times, adapt=admission.adapt)


def test_slots_are_admitted_one_by_one_as_they_are_needed(made):
    assert made.slots.free == 2
    for _ in range(5):
        made.adapt()
    assert made.slots.free == 2
    admitted = []
    for _ in range(12):
        made.slots.taken += made.slots.free
        made.adapt()
        admitted.append(made.slots.admitted)
    assert admitted == [3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5]
    assert made.polls == [1, 1, 1]


def test_a_server_that_is_behind_is_given_less_down_to_two(made):
    made.slots.admitted = made.slots.taken = 5
    for _ in range(50):
        made.times.add(1.0)
    for left in (4, 3, 2, 2):
        made.adapt()
        assert made.slots.admitted == left
    assert made.slots.free == 0
    made.slots.taken = 1
    assert made.slots.free == 1


def test_a_server_that_is_far_away_is_not_taken_for_one_that_is_behind(made):
    far = ResponseTimes()
    for _ in range(50):
        far.add(0.4)
    slots = SlotPool(5)
    admission = Admission(slots, SimpleNamespace(response_times=far), admitted=lambda: None)
    slots.taken = 2
    for _ in range(3):
        admission.adapt()
    assert slots.free == 1


def test_no_more_is_admitted_than_there_are_slots():
    slots = SlotPool(1)
    admission = Admission(slots, SimpleNamespace(response_times=ResponseTimes()), admitted=lambda: None)
    assert slots.free == 1
    slots.taken = 1
    for _ in range(5):
        admission.adapt()
    assert slots.admitted == 1
