import pytest

from genesis.planning.words import base_verb, content_stems, is_noun_too, is_verb, same_word, strip_polite


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Please audit it", "audit it"),
        ("Could you please kindly audit it", "audit it"),
        ("Hi there, can you audit it", "audit it"),
        ("I'd like you to audit it", "audit it"),
        ("I would like to audit it", "audit it"),
        ("We need you to audit it", "audit it"),
        ("Don't forget to audit it", "audit it"),
        ("Let's audit it", "audit it"),
        ("Help me to audit it", "audit it"),
        ("Your task is to audit it", "audit it"),
        ("Hello world program", "Hello world program"),
        ("audit it please", "audit it please"),
        ("please", ""),
    ],
)
def test_polite_wrapping_is_taken_off(text, rest):
    assert strip_polite(text) == rest


@pytest.mark.parametrize(
    ("word", "base"),
    [
        ("building", "build"), ("tested", "test"), ("deploying", "deploy"), ("running", "run"), ("writing", "write"),
        ("built", "build"), ("Written", "write"), ("applied", "apply"), ("planned", "plan"), ("keeping", None),
        ("morning", None), ("red", None), ("using", None),
    ],
)  # fmt: skip
def test_base_verb_undoes_endings(word, base):
    assert base_verb(word) == base


@pytest.mark.parametrize(
    ("left", "right"),
    [("repositori", "repositri"), ("audit", "audti"), ("launch", "launh"), ("analys", "analyz"), ("same", "same")],
)
def test_small_slips_are_forgiven(left, right):
    assert same_word(left, right)
    assert same_word(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("test", "text"),
        ("audit", "edit"),
        ("report", "repositori"),
        ("cache", "batch"),
        ("launch", "branch"),
        ("abcdef", "abdcfe"),
    ],
)
def test_other_words_are_other_words(left, right):
    assert not same_word(left, right)


def test_words_that_are_verbs_and_nouns_are_both():
    assert is_verb("Report")
    assert is_noun_too("report")
    assert is_verb("write")
    assert not is_noun_too("write")


def test_content_stems_leave_out_what_carries_no_meaning():
    assert content_stems("Please audit all of the Repositories") == ["audit", "repositori"]
