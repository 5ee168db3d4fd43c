"""Content words, reachability and phases on their own."""

import pytest

from genesis.model import Task
from genesis.validation.phases import Phase, Phases
from genesis.validation.reachability import ancestor_bits, filter_ordered_pairs
from genesis.validation.words import WordAnalyzer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Write the unit tests", ("write", "unit", "test")),
        ("Sign-up for the user's login", ("signup", "user", "login")),
        ("fix src/app.py, v1.2!", ("fix", "src/app.py", "v1.2")),
        ("C++ and C#", ("c++", "c#")),
        ("module A", ("modul", "A")),
        ("a module", ("modul",)),
        ("e-mail docs", ("email", "document")),
        ("", ()),
        ("🍎 or 🍌", ("🍎", "or", "🍌")),
        ("don\u2019t stop", ("don", "t", "stop")),
    ],
)
def test_content_words(text, words):
    assert WordAnalyzer().content(text) == words


def test_fillers_are_dropped_only_where_enough_is_left():
    vocabulary = WordAnalyzer()
    assert vocabulary.fold_words(vocabulary.content("design the login system")) == ("design", "login")
    assert vocabulary.fold_words(vocabulary.content("design the system")) == ("design", "system")


def test_ordered_pairs_answers_more_questions_than_fit_one_batch():
    count = 5000
    before = [(n - 1,) if n else () for n in range(count)]
    pairs = [(n, n + 1) for n in range(count - 1)] + [(n + 1, n) for n in range(count - 1)]
    assert filter_ordered_pairs(before, range(count), pairs) == set(pairs[: count - 1])


def test_ancestor_bits_hold_strict_ancestors_only():
    [(own, strict)] = ancestor_bits([(), (0,), (1,), ()], [0, 1, 2, 3], [0, 2])
    assert own == {0: 1, 2: 2}
    assert strict == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("kind", "text", "phase"),
    [
        ("deploy", "Deploy the shop", Phase.DEPLOY),
        ("deploy", "Ship it", Phase.DEPLOY),
        ("generic", "Release version 2", Phase.DEPLOY),
        ("deploy", "Prepare the rollout", None),
        ("deploy", "Verify the deployment", None),
        ("generic", "Publish the report", None),
        ("marketing", "Launch the shop", None),
        ("test", "Unit tests for login", Phase.TEST),
        ("test_run", "Run the suite", Phase.TEST),
        ("generic", "Run the regression tests", Phase.TEST),
        ("generic", "Run the importer", None),
        ("test", "Write unit tests", None),
        ("test", "Test the hypothesis", None),
        ("implement", "Implement the shop", Phase.BUILD),
        ("implement", "Payment module", Phase.BUILD),
        ("implement", "Write the code", None),
        ("implement", "Implement the unit tests", None),
        ("generic", "Build the report", None),
        ("generic", "Build the shop", Phase.BUILD),
        ("design", "Design the shop", Phase.DESIGN),
        ("design", "Design the test plan", None),
        ("reporting", "Deploy", None),
    ],
)
def test_phases_are_read_with_care(kind, text, phase):
    vocabulary = WordAnalyzer()
    task = Task(id="t", type=kind, description=text)
    assert Phases(vocabulary).read(task, vocabulary.content(text)) is phase
