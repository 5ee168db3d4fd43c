import pytest

from genesis.planning.enumerations import blocks
from genesis.planning.sentences import mask


def lists(text):
    return [
        (block.header, block.ordered, [(item.label, item.span.text) for item in block.items])
        for block in blocks(mask(text))
        if block.items
    ]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("1. a b\n2. c d", ["1", "2"]),
        ("1) a b\n2) c d", ["1", "2"]),
        ("(1) a b\n(2) c d", ["1", "2"]),
        ("Step 1: a b\nStep 2: c d", ["1", "2"]),
        ("**Step 1:** a b\n**Step 2:** c d", ["1", "2"]),
        ("a) a b\nb) c d", ["a", "b"]),
        ("- a b\n- c d", ["", ""]),
        ("* [ ] a b\n* [x] c d", ["", ""]),
        ("• a b\n• c d", ["", ""]),
    ],
)
def test_list_marks_are_read(text, labels):
    [(header, ordered, items)] = lists(text)
    assert [label for label, _ in items] == labels
    assert [words.removeprefix("** ").strip() for _, words in items] == ["a b", "c d"]
    assert ordered == bool(labels[0])
    assert header == ""


def test_header_is_the_line_before_with_a_colon():
    found = blocks(mask("We have a team. Do this:\n\n- a\n- b\n\nThanks a lot."))
    assert [block.prose.text if block.prose else None for block in found] == ["We have a team.", None, "Thanks a lot."]
    assert found[1].header == "Do this:"


def test_steps_numbered_within_a_line_are_a_list():
    assert lists("Please: 1. clone it, 2. build it; and 3. test it") == [
        ("Please:", True, [("1", "clone it"), ("2", "build it"), ("3", "test it")])
    ]
    assert lists("Intro here (1) one (2) two") == [("", True, [("1", "one"), ("2", "two")])]


def test_numbers_that_do_not_count_up_from_one_are_no_list():
    assert lists("Compare version 2. and 3. please") == []
    assert lists("Only 1. here") == []


def test_wrapped_lines_belong_to_their_item():
    [(_, _, items)] = lists("- a\n  continues\nand on\n- b")
    assert items == [("", "a continues and on"), ("", "b")]


def test_deeper_items_are_children():
    [block] = blocks(mask("1. a\n   - b\n     - c\n   - d\n2. e"))
    assert [item.span.text for item in block.items] == ["a", "e"]
    assert [item.span.text for item in block.items[0].children] == ["b", "d"]
    assert [item.span.text for item in block.items[0].children[0].children] == ["c"]


def test_one_command_a_line_is_a_list_and_wrapped_prose_is_not():
    assert lists("Build the app\n\nTest the app\nDeploy the app") == [
        ("", False, [("", "Build the app"), ("", "Test the app"), ("", "Deploy the app")])
    ]
    assert lists("Build the app and\ntest the app") == []
    assert lists("Build the app\nwith care") == []
    assert lists("Build the app") == []


def test_items_in_code_are_no_list():
    assert lists("Run this:\n```\n- a\n- b\n```") == []
