"""Slots of a worker."""

from genesis.workers.slots import SlotPool, Slots


def test_orchestrators_never_take_an_agents_slot():
    slots = Slots(agents=2, threads=5, orchestrators=3)
    bank = slots.of(orchestrates=True, shared=False)
    bank.taken = 3
    assert bank.free == 0
    assert slots.of(orchestrates=False, shared=False).free == 2
    assert slots.of(orchestrates=False, shared=True).free == 5


def test_a_limit_that_was_asked_for_counts_all_agents():
    slots = Slots(agents=2, threads=None, orchestrators=3)
    assert slots.of(orchestrates=False, shared=True) is slots.of(orchestrates=False, shared=False)


def test_there_is_never_less_than_no_slot():
    assert SlotPool(1, taken=4).free == 0


def test_slots_that_are_not_admitted_are_not_free():
    assert SlotPool(5, taken=2, admitted=3).free == 1
    assert SlotPool(5, taken=2, admitted=9).free == 3
