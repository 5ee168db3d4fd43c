"""Where the boxes and the curves of a picture are."""

import random

import pytest

from genesis.graph import number_generations
from genesis.report.graph_layout import BOX_HEIGHT, BOX_WIDTH, layout


def _random_graph(seed: int):
    chance = random.Random(seed)
    before = [
        tuple(sorted(chance.sample(range(v), min(v, chance.randint(0, 3))))) for v in range(chance.randint(1, 40))
    ]
    return before, number_generations(before)


def _apart(one, other) -> bool:
    return abs(one[0] - other[0]) >= BOX_WIDTH or abs(one[1] - other[1]) >= BOX_HEIGHT


@pytest.mark.parametrize("seed", range(30))
def test_boxes_do_not_overlap_and_are_in_the_frame(seed):
    before, depth = _random_graph(seed)
    plan = layout(before, depth)
    assert len(plan.boxes) == len(before)
    for number, box in enumerate(plan.boxes):
        assert 0 <= box[0] <= plan.width - BOX_WIDTH + 0.01
        assert 0 <= box[1] <= plan.height - BOX_HEIGHT + 0.01
        assert all(_apart(box, other) for other in plan.boxes[:number])


@pytest.mark.parametrize("seed", range(30))
def test_a_box_is_behind_what_it_comes_after(seed):
    before, depth = _random_graph(seed)
    plan = layout(before, depth)
    along = 1 if plan.downwards else 0
    for box, sources in enumerate(before):
        assert all(plan.boxes[source][along] < plan.boxes[box][along] for source in sources)


@pytest.mark.parametrize("seed", range(30))
def test_each_edge_leads_from_box_to_box_or_by_a_joint(seed):
    before, depth = _random_graph(seed)
    plan = layout(before, depth)
    ends = {_middle(plan, box, end=True): box for box in range(len(before))}
    starts = {_middle(plan, box, end=False): box for box in range(len(before))}
    at_joint_from: dict = {}
    at_joint_to: dict = {}
    drawn: list = []
    for points, arrow in zip(plan.edges, plan.arrows, strict=True):
        first, last = _round(points[0]), _round(points[-1])
        if not arrow:
            at_joint_from.setdefault(last, []).append(ends[first])
        elif first in ends:
            drawn.append((ends[first], starts[last]))
        else:
            at_joint_to.setdefault(first, []).append(starts[last])
    drawn += [(a, b) for joint, sources in at_joint_from.items() for a in sources for b in at_joint_to[joint]]
    assert sorted(drawn) == sorted((source, box) for box, sources in enumerate(before) for source in sources)


def _round(point):
    return (round(point[0], 3), round(point[1], 3))


def _middle(plan, box, *, end):
    x, y = plan.boxes[box]
    if plan.downwards:
        return _round((x + BOX_WIDTH / 2, y + BOX_HEIGHT * end))
    return _round((x + BOX_WIDTH * end, y + BOX_HEIGHT / 2))


def test_a_few_layers_are_columns_and_more_are_rows():
    chain = [(v - 1,) if v else () for v in range(7)]
    assert not layout(chain[:6], range(6)).downwards
    plan = layout(chain, range(7))
    assert plan.downwards
    assert plan.width == BOX_WIDTH


def test_many_that_come_after_the_same_many_meet_in_a_joint():
    before = [()] * 5 + [(0, 1, 2, 3, 4)] * 6
    plan = layout(before, [0] * 5 + [1] * 6)
    assert len(plan.edges) == 11
    assert len(plan.joints) == 1
    assert sum(plan.arrows) == 6


def test_parts_without_an_edge_between_them_stay_close():
    before = [(), (), (0,), (0,), (0,), (0,), (1,)]
    plan = layout(before, [0, 0, 1, 1, 1, 1, 1])
    assert plan.height <= 5 * (BOX_HEIGHT + 12.0) + 0.01


def test_nothing_has_no_size():
    plan = layout([], [])
    assert (plan.width, plan.height, plan.boxes) == (0.0, 0.0, ())


def test_the_same_graph_is_laid_out_the_same():
    before, depth = _random_graph(3)
    assert layout(before, depth) == layout(before, depth)
