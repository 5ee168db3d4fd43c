"""Who does a leaf when its agent cannot; breakers are as a test sets them, and the clock is a fake one."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import FakeBreaker, FakeBreakers, failed, program_of

from genesis.engine.failover import OPEN, Failover
from genesis.model import Outcome
from genesis.testing import a_task, an_agent


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def failover(make):
    """Make what decides, for a program of one leaf `x`, and count how often it says that something changed."""

    def made(*, agents=("first", "second", "third"), breakers=None, task=None, **more):
        program = program_of(task or a_task("x"), agents=agents)
        changes = []
        decides = Failover(make(program, breakers=breakers, **more), lambda: changes.append(1), clock=Clock())
        decides.changes, decides.leaf = changes, program.leaves[0]
        return decides

    return made


def make_outcome(leaf, error):
    return Outcome(id=leaf.path, agent=leaf.agent, state="failed", error=error)


async def test_each_agent_is_tried_once_in_the_order_of_its_routing(failover):
    it = failover()
    leaf, seen = it.leaf, []
    while (decision := it.after(leaf, make_outcome(leaf, failed()))).kind == "other":
        leaf = decision.leaf
        seen.append(leaf.agent)
    assert (seen, decision.kind) == (["second", "third"], "end")
    assert it.find_tried(leaf) == {"first", "second", "third"}


async def test_what_is_done_stays_the_same_and_the_leaf_notes_who_took_it_over_and_why(failover):
    it = failover()
    decision = it.after(it.leaf, make_outcome(it.leaf, failed("GEN-TASK-REFUSED", "no access")))
    assert decision.leaf.fingerprint == it.leaf.fingerprint
    assert decision.leaf.note == "first failed: GEN-TASK-REFUSED: no access; second took it over"


@pytest.mark.parametrize("code", ["GEN-TASK-EXIT", "GEN-TASK-INPUT", "GEN-SECURITY", "GEN-DISPATCH-MAYBE-DONE"])
async def test_an_error_that_another_agent_would_meet_too_ends_the_leaf(failover, code):
    it = failover()
    assert it.after(it.leaf, make_outcome(it.leaf, failed(code))).kind == "end"


@pytest.mark.parametrize("more", [{"side_effects": True}, {"agent": "first"}])
async def test_a_leaf_with_side_effects_or_a_chosen_agent_stays_with_it(failover, more):
    it = failover(task=a_task("x", **more))
    assert it.after(it.leaf, make_outcome(it.leaf, failed())).kind == "end"


async def test_work_does_not_go_to_an_agent_that_would_only_write_it_down(failover):
    it = failover(agents=("first", an_agent("writer", executor={"kind": "brief"}), "third"))
    assert it.after(it.leaf, make_outcome(it.leaf, failed())).leaf.agent == "third"


async def test_an_agent_whose_breaker_is_open_is_passed_over(failover):
    it = failover(breakers=FakeBreakers(second=FakeBreaker("open", 30.0)))
    assert it.after(it.leaf, make_outcome(it.leaf, failed())).leaf.agent == "third"


async def test_what_its_own_breaker_refused_goes_to_another_agent_and_the_agent_may_have_it_again(failover):
    breakers = FakeBreakers(first=FakeBreaker("open", 30.0), third=FakeBreaker("open", 30.0))
    it = failover(breakers=breakers)
    decision = it.after(it.leaf, make_outcome(it.leaf, failed(OPEN)))
    assert (decision.kind, decision.leaf.agent) == ("other", "second")
    assert it.find_tried(it.leaf) == frozenset()


async def test_where_no_agent_can_be_called_the_leaf_waits_for_its_own_as_long_as_it_may(failover):
    it = failover(agents=("first",), breakers=FakeBreakers(first=FakeBreaker("open", 30.0)), wait_s=60.0)
    clock = it._clock
    for waited_s, kind in ((0, "later"), (59, "later"), (1, "end")):
        clock.now += waited_s
        decision = it.after(it.leaf, make_outcome(it.leaf, failed(OPEN)))
        assert (decision.kind, decision.after_s) == (kind, 0.0)


async def test_what_the_breaker_of_a_host_refused_rests_for_the_time_that_was_named(failover):
    it = failover(agents=("first",), breakers=FakeBreakers(), wait_s=60.0)
    decision = it.after(it.leaf, make_outcome(it.leaf, failed(OPEN, retry_after_s=7.0)))
    assert (decision.kind, decision.after_s) == ("later", 7.0)
    it._clock.now += 58
    assert it.after(it.leaf, make_outcome(it.leaf, failed(OPEN, retry_after_s=7.0))).after_s == 2.0


async def test_a_rate_limit_is_rested_for_and_not_taken_elsewhere(failover):
    it = failover()
    decision = it.after(it.leaf, make_outcome(it.leaf, failed("GEN-QUOTA", retry_after_s=5.0)))
    assert (decision.kind, decision.leaf.agent, decision.after_s) == ("later", "first", 5.0)


async def test_nothing_rests_beyond_the_deadline_of_the_run(failover):
    it = failover(left_s=4.0)
    assert it.after(it.leaf, make_outcome(it.leaf, failed("GEN-QUOTA", retry_after_s=5.0))).kind == "end"


async def test_an_agent_on_trial_gets_one_leaf_until_its_breaker_was_looked_at_again(failover):
    breakers = FakeBreakers(first=FakeBreaker("half_open"))
    it = failover(breakers=breakers)
    await it.look()
    assert [it.may_start("first"), it.may_start("first"), it.may_start("second")] == [True, False, True]
    breakers.by_agent["first"] = FakeBreaker()
    await it.look()
    assert [it.may_start("first"), it.may_start("first")] == [True, True]


async def test_a_breaker_that_opens_or_closes_is_told(failover):
    breakers = FakeBreakers()
    it = failover(breakers=breakers)
    await it.look()
    assert it.changes == []
    breakers.by_agent["first"] = FakeBreaker("open", 30.0)
    await it.look()
    breakers.by_agent["first"] = FakeBreaker()
    await it.look()
    assert len(it.changes) == 2


async def test_a_failure_that_opened_its_agents_breaker_gives_the_agent_nothing_more(failover):
    it = failover(breakers=FakeBreakers(first=FakeBreaker("open", 30.0)))
    assert it.may_start("first")
    it.after(it.leaf, make_outcome(it.leaf, failed()))
    assert not it.may_start("first")


async def test_a_leaf_that_found_an_agent_waits_anew_when_it_has_to_wait_again(failover):
    it = failover(wait_s=60.0)
    assert it.find_timed_out([it.leaf]) == []
    it._clock.now += 59
    moved = it.around(it.leaf).leaf
    it._clock.now += 59
    assert it.find_timed_out([moved]) == []
    it._clock.now += 60
    assert it.find_timed_out([moved]) == [moved]


async def test_without_breakers_every_agent_is_called(failover):
    it = failover()
    await it.look()
    await it.watch()
    assert it.open_agents() == set()
    assert it.may_start("first")
