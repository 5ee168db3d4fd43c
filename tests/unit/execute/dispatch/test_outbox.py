import asyncio
from types import SimpleNamespace

import pytest

from genesis.execute.dispatch.outbox import Outbox
from genesis.execute.dispatch.pace import Pace
from genesis.settings import PoolSettings
from genesis.testing.plans import a_program, a_task, an_agent


@pytest.fixture
def box():
    """Make an outbox of short leaves; `long` ones are estimated at a minute."""

    def made(*long, count=6, agents=("x",), **how):
        tasks = [
            a_task(
                f"t{n}",
                agent=agents[n % len(agents)],
                estimate={"seconds": 60 if n in long else 0.01},
            )
            for n in range(count)
        ]
        program = a_program(*tasks, agents=tuple(map(an_agent, agents)))
        clock, sent, late, alone = SimpleNamespace(now=0.0), [], [], set()
        outbox = Outbox(
            program,
            PoolSettings(**how),
            Pace(),
            final=frozenset(),
            free=lambda index: index not in alone,
            waiting=lambda: late,
            send=lambda leaves: sent.append([leaf.index for leaf in leaves]),
            clock=lambda: clock.now,
        )
        return SimpleNamespace(
            it=outbox,
            put=lambda n: outbox.put(program.leaves[n]),
            sent=sent,
            late=late,
            clock=clock,
            leaves=program.leaves,
            alone=alone,
        )

    return made


async def moment():
    await asyncio.sleep(0.02)


async def test_what_is_ready_together_goes_together_at_once(box):
    out = box()
    out.put(0)
    out.put(1)
    await moment()
    assert out.sent == [[0, 1]]


async def test_short_leaves_gather_while_one_of_their_agent_is_on_its_way(box):
    out = box()
    for n in range(3):
        out.put(n)
        await moment()
    assert out.sent == [[0]]
    out.it.sent("x")
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
    out.it.moved()
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
    out.it.moved()
    out.put(1)
    out.it.close()
    await moment()
    assert out.sent == []
    out.it.close()
