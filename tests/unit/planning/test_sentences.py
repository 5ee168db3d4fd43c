import pytest

from genesis.planning.sentences import mask, sentences


def texts(text):
    return [sentence.text for sentence in sentences(mask(text))]


@pytest.mark.parametrize(
    "whole",
    [
        "Compare versions 3.11.2 and 3.12 at 10:30",
        "Use e.g. Redis, i.e. a cache, vs. Memcached etc. for this",
        "Edit main.py and docs/a.b/readme.md",
        "Ask Dr. Smith and J. R. Jones of Acme Inc. about it",
        'Print "Done. Really? Yes!" to the console',
        "Run `a. b. c` now",
        "See https://example.org/a.b?c=d, now",
        "Mail jane.doe@example.org today",
        "Open ./x.y and ../z",
        "Visit the U.S.A. with me",
    ],
)
def test_dots_that_end_nothing_do_not_cut(whole):
    assert texts(whole) == [whole]


def test_sentences_keep_their_final_marks():
    assert texts("Do it. Is it done? Yes!\n\nNext part") == ["Do it.", "Is it done?", "Yes!", "Next part"]


def test_quote_that_ends_a_sentence_cuts_and_one_within_does_not():
    assert texts('Say "Stop." Then go.') == ['Say "Stop."', "Then go."]
    assert texts('Say "Stop." and go.') == ['Say "Stop." and go.']


def test_wide_punctuation_cuts_without_a_space():
    assert texts("写报告。翻译它。") == ["写报告。", "翻译它。"]


def test_pieces_without_a_letter_or_digit_are_dropped():
    assert texts("Go. !!! ... Stop.") == ["Go.", "Stop."]


def test_mask_has_the_length_of_the_text():
    text = 'a "b. c" `d` http://x.y/z e.g. 1.5 f.py ```\ncode. more\n``` end'
    assert len(mask(text).mask) == len(text)


def test_unclosed_fence_is_masked_to_the_end():
    assert "." not in mask("```\na. b.").mask


def test_apostrophes_are_no_quotes():
    assert texts("Don't stop. It's the users' data. Go.") == ["Don't stop.", "It's the users' data.", "Go."]


def test_collapsed_leaves_quotes_alone():
    span = mask('a   \n b "c   d"  e').collapse_spaces()
    assert span.text == 'a b "c   d" e'
    assert len(span.mask) == len(span.text)
