import pytest
from pydantic import TypeAdapter

from genesis.model import TaskId
from genesis.planning.naming import slug, unique


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Run the tests", "run-tests"),
        ("Don't stop", "dont-stop"),
        ("Prüfe das Repository", "prüfe-das-repository"),
        ("レポートを書いて", "レポートを書いて"),
        ("the", "the"),
        ("???", "step"),
        ("", "step"),
        ("a/b\\c:d", "b-c-d"),
        ("x² and ½", "x2-and-1-2"),
        ("W" * 100, "w" * 40),
        ("one two three four five six seven", "one-two-three-four-five"),
    ],
)
def test_slug_is_readable_and_a_valid_task_id(text, expected):
    assert slug(text) == expected
    TypeAdapter(TaskId).validate_python(slug(text))


def test_slug_keeps_whole_words_within_its_length():
    assert slug("antidisestablishmentarianism considerations everywhere") == "antidisestablishmentarianism"


def test_unique_counts_up_from_two():
    assert unique("a", []) == "a"
    assert unique("a", ["a"]) == "a-2"
    assert unique("a", {"a", "a-2", "a-3"}) == "a-4"
