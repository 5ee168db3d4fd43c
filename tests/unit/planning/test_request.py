import pytest

from genesis.errors import UsageError
from genesis.planning.request import check_request
from genesis.settings import Limits


@pytest.mark.parametrize("text", ["", " ", "\n\t \r\n", "\u00a0\u2003"])
def test_empty_request_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="the request is empty") as caught:
        check_request(text)
    assert caught.value.code == "GEN-REQUEST-EMPTY"
    assert "Audit the repository" in caught.value.hint


def test_request_of_the_longest_length_passes_and_one_more_is_refused():
    limits = Limits(request_characters=5_000)
    assert check_request("a" * 5_000, limits) == "a" * 5_000
    with pytest.raises(UsageError, match="5,001 characters; the limit is 5,000"):
        check_request("a" * 5_001, limits)


@pytest.mark.parametrize(
    ("bad", "name"), [("\x00", "U+0000"), ("\x1b", "U+001B"), ("\x85", "U+0085"), ("\x7f", "U+007F")]
)
def test_control_character_is_named_with_its_position(bad, name):
    with pytest.raises(UsageError) as caught:
        check_request(f"audit{bad} this")
    assert name in caught.value.message
    assert "position 6" in caught.value.message


def test_lone_surrogate_is_refused():
    with pytest.raises(UsageError, match="surrogate"):
        check_request("audit \ud800 this")


def test_line_breaks_and_tabs_are_fine():
    assert check_request("  first\r\n\tsecond \n") == "first\r\n\tsecond"


@pytest.mark.parametrize(
    "text",
    [
        "???", "...", "🎉", "-", "hello", "Hello!", "hi there", "Good morning.", "thanks", "Thank you very much!",
        "nothing", "Nothing to do.", "do nothing", "Please do nothing", "don't do anything",
        "Do not do anything at all",
        "Do not audit anything", "Don\u2019t bother", "never mind", "no", "what's up?", "Hallo", "Bonjour !", "¡Hola!",
        "你好", "नमस्ते", "привет", "nichts", "ne fais rien", "no hagas nada",
    ],
)  # fmt: skip
def test_request_with_nothing_to_do_is_refused(text):
    with pytest.raises(UsageError, match="asks for nothing to be done") as caught:
        check_request(text)
    assert caught.value.code == "GEN-REQUEST-NOTHING"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        "Audit the repository", "Prüfe das Repository", "レポートを書いて", "Напиши отчёт", "What is an audit?",
        "x", "42",
        "Hello, audit the repository", "Do nothing but audit the repository", "Do not deploy on Fridays",
        "Don't forget to back up the database", "Say hello", "Write a hello world program", "Nothing works, fix it",
    ],
)  # fmt: skip
def test_request_that_asks_for_something_passes_in_any_language(text):
    assert check_request(text) == text


def test_long_request_for_nothing_is_shown_shortened():
    with pytest.raises(UsageError) as caught:
        check_request("?" * 500)
    assert len(caught.value.message) < 150
