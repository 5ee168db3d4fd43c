import random

from genesis.schedule import ready as module
from genesis.schedule.ready import JobGroup, ReadyQueue


def drain(queue):
    taken = []
    while (place := queue.pop()) is not None:
        taken.append(place)
    return taken


def queue_of(agents, rooms, places=None):
    queue = ReadyQueue(agents, [JobGroup(agent) for agent in range(len(rooms))], rooms, [])
    for place in range(len(agents)) if places is None else places:
        queue.push(place)
    return queue


def test_best_place_first_whatever_the_order_of_pushes():
    assert drain(queue_of([0, 0, 0, 0], [9], places=[2, 0, 3, 1])) == [0, 1, 2, 3]


def test_full_agent_does_not_block_the_next():
    assert drain(queue_of([0, 0, 1, 0, 1], [1, 9])) == [0, 2, 4]


def test_place_left_lets_the_agents_best_waiting_place_go():
    queue = queue_of([0, 0, 0], [1])
    assert drain(queue) == [0]
    queue.leave(0)
    assert drain(queue) == [1]


def test_better_place_that_comes_later_overtakes_an_offer():
    queue = queue_of([0, 0, 0], [1], places=[2])
    queue.push(0)
    assert drain(queue) == [0]
    queue.leave(0)
    assert drain(queue) == [2]


def test_discarded_place_does_not_hide_the_next_one():
    queue = queue_of([0, 0], [1])
    queue.discard(0)
    assert drain(queue) == [1]


def test_discarded_place_pushed_again_is_popped_once():
    queue = queue_of([0, 0], [9])
    queue.discard(0)
    queue.push(0)
    assert drain(queue) == [0, 1]


def test_blocked_agent_waits_and_goes_on_when_unblocked():
    queue = queue_of([0, 1, 0], [9, 9])
    queue.block(0)
    assert drain(queue) == [1]
    queue.unblock(0)
    assert drain(queue) == [0, 2]


def test_place_pushed_while_its_agent_is_blocked_is_best_afterwards():
    queue = queue_of([0, 0], [1], places=[1])
    queue.block(0)
    queue.push(0)
    assert drain(queue) == []
    queue.unblock(0)
    assert drain(queue) == [0]


def test_superseded_offers_cost_nothing_later(monkeypatch):
    pops = []
    real = module.heappop
    monkeypatch.setattr(module, "heappop", lambda heap: pops.append(1) or real(heap))
    queue = queue_of([0] * 500, [500], places=range(499, -1, -1))
    assert drain(queue) == list(range(500))
    assert len(pops) < 4 * 500


def test_queue_agrees_with_a_scan_of_all_places_under_random_events():
    rng = random.Random(1)
    for _ in range(200):
        agents = [rng.randrange(4) for _ in range(30)]
        rooms = [rng.randint(1, 3) for _ in range(4)]
        queue = ReadyQueue(agents, [JobGroup(agent) for agent in range(4)], rooms, [])
        queued, running, blocked = set(), set(), set()
        for _ in range(120):
            event = rng.choice(["push", "pop", "pop", "leave", "discard", "block", "unblock"])
            idle = sorted(set(range(30)) - queued - running)
            if event == "push" and idle:
                place = rng.choice(idle)
                queue.push(place)
                queued.add(place)
            elif event == "leave" and running:
                place = rng.choice(sorted(running))
                running.remove(place)
                queue.leave(place)
            elif event == "discard" and queued:
                place = rng.choice(sorted(queued))
                queued.remove(place)
                queue.discard(place)
            elif event in {"block", "unblock"}:
                agent = rng.randrange(4)
                getattr(queue, event)(agent)
                (blocked.add if event == "block" else blocked.discard)(agent)
            elif event == "pop":
                counts = [sum(agents[place] == agent for place in running) for agent in range(4)]
                free = [p for p in queued if agents[p] not in blocked and counts[agents[p]] < rooms[agents[p]]]
                assert queue.pop() == min(free, default=None)
                queued -= {min(free, default=-1)}
                running |= {min(free)} if free else set()


def test_what_does_not_fit_lets_others_go_first_and_goes_when_there_is_room():
    groups = [JobGroup(0, ((0, 3),)), JobGroup(0, ((0, 1),)), JobGroup(1)]
    queue = ReadyQueue([1, 0, 1, 2], groups, [9, 9], [3])
    for place in range(4):
        queue.push(place)
    assert drain(queue) == [0, 2, 3]
    queue.leave(0)
    assert drain(queue) == []
    queue.leave(2)
    assert drain(queue) == [1]


def test_a_resource_is_kept_for_a_place_of_a_higher_priority_unless_its_agent_is_the_reason():
    groups = [JobGroup(0, ((0, 3),), 1), JobGroup(1, ((0, 1),)), JobGroup(0, ((0, 1),))]
    queue = ReadyQueue([0, 1, 2], groups, [1, 9], [3])
    queue.push(2)
    assert drain(queue) == [2]
    queue.push(0)
    queue.push(1)
    assert drain(queue) == [1]  # agent 0 is at its limit, so that place 0 does not wait for the resource
    queue.leave(1)
    queue.leave(2)
    queue.push(1)
    assert drain(queue) == [0]
    queue.leave(0)
    assert drain(queue) == [1]


def test_a_place_that_is_kept_back_goes_when_the_other_is_discarded_or_its_agent_blocked():
    for withdraw in (lambda queue: queue.discard(0), lambda queue: queue.block(0)):
        queue = ReadyQueue([0, 1, 1], [JobGroup(0, ((0, 3),), 1), JobGroup(1, ((0, 1),))], [9, 9], [3])
        queue.push(1)
        assert drain(queue) == [1]
        queue.push(0)
        queue.push(2)
        assert drain(queue) == []
        withdraw(queue)
        assert drain(queue) == [2]
