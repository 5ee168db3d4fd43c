import asyncio
from types import SimpleNamespace

import pytest

from genesis.dispatch.batcher import Batcher
from genesis.dispatch.duration_estimator import DurationEstimator
from genesis.settings import PoolSettings
from genesis.testing.plans import a_program, a_task, an_agent


class Lanes:
    """Children of one agent: some wait for leaves, others will in this many seconds."""

    def __init__(self):
        self.dispatch_s = 0.0
        self.waiting = []
        self.in_s = []

    def idle(self, _agent):
        return self.waiting[0] if self.waiting else None

    def soon(self, _agent):
        return list(self.in_s)


@pytest.fixture
def box():
    """Make a batcher of short leaves; `long` ones are estimated at a minute."""

    def make(*long, count=6, agents=("x",), priorities=None, **how):
        tasks = [
            a_task(
                f"t{n}",
                agent=agents[n % len(agents)],
                priority=(priorities or {}).get(n),
                estimate={"seconds": 60 if n in long else 0.01},
            )
            for n in range(count)
        ]
        program = a_program(*tasks, agents=tuple(map(an_agent, agents)))
        clock, sent, late, alone = SimpleNamespace(now=0.0), [], [], set()
        lanes, given = Lanes(), []

        def send(leaves, lane):
            (sent if lane is None else given).append([leaf.index for leaf in leaves])
            lanes.waiting = [each for each in lanes.waiting if each is not lane]

        batcher = Batcher(
            program,
            PoolSettings(**how),
            DurationEstimator(),
            final=frozenset(),
            free=lambda index: index not in alone,
            waiting=lambda: late,
            lanes=lanes,
            send=send,
            clock=lambda: clock.now,
        )
        return SimpleNamespace(
            it=batcher,
            put=lambda n: batcher.put(program.leaves[n]),
            sent=sent,
            late=late,
            clock=clock,
            leaves=program.leaves,
            alone=alone,
            lanes=lanes,
            given=given,
        )

    return make


async def moment():
    await asyncio.sleep(0.02)


async def test_what_is_ready_together_goes_together_at_once(box):
    out = box()
    out.put(0)
    out.put(1)
    await moment()
    assert out.sent == [[0, 1]]


async def test_leaves_that_are_ready_together_are_sent_by_priority(box):
    out = box(batch_leaves=1, agents=("x", "y", "z"), priorities={1: 5, 2: -1})
    for n in (0, 2, 1):
        out.put(n)
    await moment()
    assert out.sent == [[1], [0], [2]]


async def test_short_leaves_gather_while_one_of_their_agent_is_on_its_way(box):
    out = box()
    for n in range(3):
        out.put(n)
        await moment()
    assert out.sent == [[0]]
    out.it.record_sent("x")
    await moment()
    assert out.sent == [[0], [1, 2]]


async def test_a_full_group_a_long_leaf_and_one_that_stays_alone_do_not_wait(box):
    out = box(3, batch_leaves=2)
    out.put(0)
    await moment()
    out.alone.add(4)
    for n in (1, 2, 3, 4):
        out.put(n)
    await moment()
    assert out.sent == [[0], [1, 2], [3], [4]]


async def test_other_agents_do_not_wait(box):
    out = box(agents=("x", "y"))
    out.put(0)
    await moment()
    out.put(1)
    await moment()
    assert out.sent == [[0], [1]]


async def test_short_leaves_gather_while_children_pile_up_and_go_when_one_begins(box):
    out = box()
    out.late.extend(SimpleNamespace(leaves=[out.leaves[5]]) for _ in range(4))
    out.put(0)
    await moment()
    assert out.sent == []
    out.late.pop()
    out.it.record_change()
    await moment()
    assert out.sent == [[0]]


async def test_nothing_is_held_longer_than_a_dispatch_takes(box):
    out = box(batch_seconds=0.05)
    out.put(0)
    await moment()
    out.put(1)
    await moment()
    assert out.sent == [[0]]
    out.clock.now += 0.06
    await asyncio.sleep(0.08)
    assert out.sent == [[0], [1]]


async def test_what_is_dropped_or_left_at_the_end_is_not_sent(box):
    out = box()
    out.put(0)
    out.it.drop(out.leaves[0])
    out.it.record_change()
    out.put(1)
    out.it.close()
    await moment()
    assert out.sent == []
    out.it.close()


async def test_a_child_that_waits_takes_what_is_ready_and_a_second_group_has_its_own(box):
    out = box(0, 1, batch_leaves=1)
    out.lanes.waiting = [SimpleNamespace(known=6)]
    out.put(0)
    out.put(1)
    await moment()
    assert (out.given, out.sent) == ([[0]], [[1]])


async def test_a_child_gets_no_leaf_that_was_added_since_and_none_that_stays_alone(box):
    out = box(batch_leaves=1)
    out.lanes.waiting = [SimpleNamespace(known=3)]
    out.alone.add(1)
    out.put(1)
    await moment()
    out.put(4)
    await moment()
    assert out.given == []
    out.put(2)
    await moment()
    assert out.given == [[2]]


async def test_a_leaf_waits_for_a_child_that_is_free_before_another_would_have_begun(box):
    out = box(0, 1, 2, batch_leaves=1)
    out.lanes.dispatch_s, out.lanes.in_s = 2.0, [1.5]
    out.put(0)
    out.put(1)
    await moment()
    assert out.sent == [[1]]  # one child takes over one group
    out.lanes.waiting, out.lanes.in_s = [SimpleNamespace(known=6)], []
    out.it.record_change()
    await moment()
    assert out.given == [[0]]


async def test_a_leaf_waits_no_longer_for_a_child_than_a_dispatch_takes(box):
    out = box(0, batch_seconds=0.0)
    out.lanes.dispatch_s, out.lanes.in_s = 2.0, [0.0]
    out.put(0)
    await moment()
    assert out.sent == []
    out.clock.now += 2.1
    out.it.record_change()
    await moment()
    assert out.sent == [[0]]
