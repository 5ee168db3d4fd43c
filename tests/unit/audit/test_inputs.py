import pytest

from genesis.errors import TaskError
from genesis_audit.inputs import whole_number, yes_or_no


@pytest.mark.parametrize(("word", "meaning"), [("yes", True), (" TRUE ", True), (1, True), (True, True), ("no", False)])
def test_words_for_yes_and_no(word, meaning):
    assert yes_or_no(word, "run_tests") is meaning


@pytest.mark.parametrize("word", [None, "", False, 0])
def test_nothing_means_no(word):
    assert yes_or_no(word, "run_tests") is False


@pytest.mark.parametrize("word", ["maybe", "yes please", "2", "да"])
def test_other_words_are_refused_by_name(word):
    with pytest.raises(TaskError, match="run_tests"):
        yes_or_no(word, "run_tests")


def test_numbers_come_as_text():
    assert whole_number(" 12 ", "top") == 12


@pytest.mark.parametrize("value", ["x", "1.5", "", None, "-1", "99"])
def test_bad_numbers_are_refused_by_name(value):
    with pytest.raises(TaskError, match="top"):
        whole_number(value, "top", least=1, most=50)
