"""The DAG as a picture."""

import xml.etree.ElementTree as ET

import pytest

from genesis.report.picture import Picture
from genesis.testing import a_program, a_task, an_agent

HOSTILE = 'x"><script>a&b\x00\u202e\ud800'


def _texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(svg).iter() if text.tag.endswith("}text")]


def _fills(svg: str) -> list[str]:
    """Return the colour of each box, without the ground and the legend."""
    group = next(part for part in ET.fromstring(svg) if part.tag.endswith("}g"))
    return [part.get("fill") for part in group if part.tag.endswith("}rect")]


def test_each_box_names_its_task_and_agent():
    svg = Picture(a_program(a_task("a"), a_task("c", a_task("x"), after=("a",)))).by_agent()
    assert _texts(svg) == ["a", "worker", "c/x", "worker", "worker"]
    assert svg.count("<path") == 1
    assert "marker-end" in svg


def test_agents_have_a_colour_each():
    agents = tuple(an_agent(name) for name in ("ann", "bob"))
    tasks = [a_task("a", agent="ann"), a_task("b", agent="bob"), a_task("c", agent="ann")]
    first, second, third = _fills(Picture(a_program(*tasks, agents=agents)).by_agent())
    assert first == third != second


def test_states_have_a_colour_and_a_word_each():
    program = a_program(*(a_task(name) for name in "abcd"))
    svg = Picture(program).by_state({0: "completed", 1: "failed", 2: "awaiting_approval"})
    assert _texts(svg)[1:8:2] == ["completed", "failed", "awaiting approval", "pending"]
    assert _texts(svg)[8:] == ["1 failed", "1 awaiting approval", "1 pending", "1 completed"]
    assert len(set(_fills(svg))) == 4


@pytest.mark.parametrize(
    ("states", "note", "like"),
    [
        ({}, "0 of 40 done", "pending"),
        ({0: "completed"}, "1 of 40 done", "running"),
        ({0: "running"}, "0 of 40 done", "running"),
        (dict.fromkeys(range(40), "completed"), "40 of 40 done", "completed"),
        (dict.fromkeys(range(40), "briefed"), "0 of 40 done", "briefed"),
        ({**dict.fromkeys(range(39), "completed"), 39: "failed"}, "39 of 40 done", "failed"),
        ({**dict.fromkeys(range(39), "cancelled"), 39: "completed"}, "1 of 40 done", "cancelled"),
    ],
)
def test_a_box_of_many_leaves_says_how_far_it_is(states, note, like):
    program = a_program(
        a_task("p", *(a_task(f"w{i}") for i in range(40))), a_task("q", *(a_task(f"w{i}") for i in range(40)))
    )
    picture = Picture(program)
    svg = picture.by_state(states)
    assert not picture.shows_leaves
    assert _texts(svg)[1] == note
    single = Picture(a_program(a_task("a"))).by_state({0: like})
    assert _fills(svg)[0] == _fills(single)[0]


def test_hostile_names_are_text():
    task = a_task("t")
    program = a_program(task, agents=(an_agent(),))
    leaf = program.leaves[0].model_copy(update={"path": HOSTILE, "agent": HOSTILE})
    svg = Picture(program.model_copy(update={"leaves": (leaf,)})).by_agent()
    assert "<script" not in svg
    assert _texts(svg)[:2] == ['x"><script>a&b'] * 2


def test_long_paths_keep_their_end():
    program = a_program(a_task("a-long-composite", a_task("another-one", a_task("leaf"))))
    assert _texts(Picture(program).by_agent())[0] == "…/another-one/leaf"
    long = a_program(a_task("c", a_task("x" * 80)))
    assert _texts(Picture(long).by_agent())[0] == "…/" + "x" * 18 + "…"
    assert _texts(Picture(a_program(a_task("x" * 80))).by_agent())[0] == "x" * 20 + "…"


def test_more_agents_than_colours_are_drawn():
    agents = tuple(an_agent(f"agent_{i}") for i in range(40))
    svg = Picture(a_program(*(a_task(f"t{i}", agent=f"agent_{i}") for i in range(40)), agents=agents)).by_agent()
    root = ET.fromstring(svg)
    width, height = float(root.get("width")), float(root.get("height"))
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(rect.get("x")) + float(rect.get("width")) <= width
        assert float(rect.get("y")) + float(rect.get("height")) <= height


def test_what_cannot_be_drawn_is_empty():
    picture = Picture(a_program(*(a_task(f"t{i}") for i in range(300))))
    assert not picture.shows_leaves
    assert picture.by_agent() == picture.by_state({}) == ""


def test_the_largest_picture_is_small_enough_for_a_page():
    tasks = [a_task(f"task-{i:040}", after=tuple(f"task-{j:040}" for j in (i - 8, i - 7) if j >= 0)) for i in range(56)]
    svg = Picture(a_program(*tasks)).by_agent()
    assert Picture(a_program(*tasks)).shows_leaves
    assert len(svg) < 40_000


def test_the_picture_brings_its_own_ground():
    svg = Picture(a_program(a_task("a"))).by_agent()
    ground = next(ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect"))
    assert ground.get("fill") == "#fff"
