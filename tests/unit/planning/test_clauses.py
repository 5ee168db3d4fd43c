import pytest

from genesis.planning.clauses import clauses
from genesis.planning.sentences import mask


def parts(text):
    return [clause.span.text for clause in clauses(mask(text))]


def joins(text):
    return [clause.join for clause in clauses(mask(text))]


@pytest.mark.parametrize(
    "whole",
    [
        "Find black and white photos",
        "Find and compare all flights",
        "Compare Python, Go and Rust",
        "Write a test and release plan",
        "Book a table for Tom, Ann and me",
        "Search for research and development budgets",
        'Send "a, then b; c" to Bob',
        "Run `make; make test` now",
        "Ask R&D, Q&A and M&A about it",
        "If the build fails, open an issue and tell me",
        "Check the logs every now and then",
        "Design, build and launch a landing page",
        "Wait for 5 minutes before midnight",
        "Deliver it before Friday",
    ],
)
def test_one_step_stays_whole(whole):
    assert parts(whole) == [whole]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Build the app and test it", ["Build the app", "test it"]),
        ("Build the app, test it, and deploy it", ["Build the app", "test it", "deploy it"]),
        ("Write the docs; fix the tests", ["Write the docs", "fix the tests"]),
        ("Build it then ship it", ["Build it", "ship it"]),
        ("Build it and also write the docs", ["Build it", "write the docs"]),
        ("Lint, test and build", ["lint", "test", "build"]),
        ("Book a hotel and, if possible, rent a car", ["Book a hotel and, if possible, rent a car"]),
        ("Book a flight, and I need a hotel", ["Book a flight", "I need a hotel"]),
        ("Build the app and at the same time write the docs", ["Build the app", "write the docs"]),
        (
            "Build the backend, then the frontend and the docs",
            ["Build the backend", "Build the frontend", "Build the docs"],
        ),
        ("Write a report but do not publish it", ["Write a report, do not publish it"]),
    ],
)
def test_clauses_are_cut_where_both_sides_stand_alone(text, expected):
    assert [part.lower() for part in parts(text)] == [part.lower() for part in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("First build it", ["start"]),
        ("Then build it", ["then"]),
        ("Finally, build it", ["finally"]),
        ("Meanwhile, build it", ["parallel"]),
        ("Also build it", ["and"]),
        ("After that, build it", ["then"]),
        ("Once everything is done, build it", ["finally"]),
        ("Build it, then test it, and finally ship it", ["and", "then", "finally"]),
        ("Build it and, in the meantime, write the docs", ["and", "parallel"]),
        ("Please also build it", ["and"]),
    ],
)
def test_joining_words_give_the_order(text, expected):
    assert joins(text) == expected


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("Once the API is built, write the docs", "build the API", "write the docs"),
        ("After you have cleaned the data, train a model", "clean the data", "train a model"),
        ("After testing the app, deploy it", "test the app", "deploy it"),
        ("Before deploying the app, run the tests", "run the tests", "deploy the app"),
        ("Run the tests before deploying the app", "Run the tests", "deploy the app"),
        ("Deploy the app after running the tests", "run the tests", "Deploy the app"),
    ],
)
def test_events_become_steps_in_their_order(text, first, second):
    found = clauses(mask(text))
    assert [clause.span.text for clause in found] == [first, second]
    assert found[1].join == "then"


def test_while_puts_steps_side_by_side():
    found = clauses(mask("Build the app while designing the logo"))
    assert [(clause.span.text, clause.join) for clause in found] == [
        ("Build the app", "and"),
        ("design the logo", "parallel"),
    ]
    assert joins("While testing the app, write the docs") == ["and", "parallel"]


def test_condition_that_nobody_does_asks_for_nothing():
    condition, main = clauses(mask("Once the customer replies, close the ticket"))
    assert not condition.asks
    assert condition.condition == "the customer replies"
    assert main.span.text == "close the ticket"


@pytest.mark.parametrize(
    "text",
    ["The app is slow", "There is a bug", "Additionally, the patient has a tooth", "Do not deploy", "I am a teacher"],
)
def test_telling_and_forbidding_ask_for_nothing(text):
    assert not any(clause.asks for clause in clauses(mask(text)))


@pytest.mark.parametrize(
    "text", ["I need a list", "What is the weather", "Please tell me", "Then the logo", "How do I start"]
)
def test_wishes_and_questions_ask_for_something(text):
    assert all(clause.asks for clause in clauses(mask(text)))


def test_events_within_a_sentence_keep_their_place():
    text = "Check the status, and after confirming that it works, log in and change the password"
    assert parts(text) == ["Check the status", "confirm that it works", "log in", "change the password"]
