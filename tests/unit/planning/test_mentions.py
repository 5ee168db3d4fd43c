import pytest

from genesis.planning.mentions import antecedent, speaks_of


@pytest.mark.parametrize(
    ("earlier", "text", "expected"),
    [
        ([], "Test it", None),
        (["Build the app"], "Test it", 0),
        (["Build the app", "Write the docs"], "Deploy it", 0),
        (["Build the app", "Write the docs"], "Publish them", 1),
        (["Run the class"], "Repeat it", 0),
        (["Write the docs"], "Ship it", 0),
        (["Write a report on cats", "Buy milk"], "Translate the report", 0),
        (["Buy milk"], "Translate the report", None),
        (["The report"], "Translate the report", None),
        (["Find a hotel"], "Book the hotel", 0),
        (["Find hotels"], "Book the flight", None),
        (["Analyse the data"], "Send me the results", 0),
    ],
)
def test_words_point_back_to_the_step_that_made_the_thing(earlier, text, expected):
    assert antecedent(earlier, text) == expected


def test_speaks_of_looks_at_definite_nouns_only():
    assert speaks_of("Send me the final report", {"report"})
    assert not speaks_of("Write a report", {"report"})
    assert not speaks_of("Send the mail", {"report"})
