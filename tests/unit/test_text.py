"""Text that anybody may have written, in one line."""

import pytest

from genesis.text import cells, escape_terminal, fit_line, one_line, size_text


def test_lines_and_tabs_become_single_spaces():
    assert one_line("  a\n\tb\r\n\x0b c\u2028d  ") == "a b c d"


@pytest.mark.parametrize(
    "char", ["\x00", "\x1b", "\x7f", "\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041", "\ud800"]
)
def test_what_cannot_be_seen_is_taken_out(char):
    assert one_line(f"a{char}b") == "ab"
    assert escape_terminal(f"a{char}b\n\tc") == "ab\n\tc"


@pytest.mark.parametrize(
    "text", ["a\x1b[1;31mb", "a\x1b]0;title\x07b", "a\x1b]8;;http://x\x1b\\b", "a\x9b2Jb", "a\x9d0;t\x9cb", "a\x1b(0b"]
)
def test_whole_escape_sequences_are_taken_out(text):
    assert one_line(text) == "ab"
    assert escape_terminal(text) == "ab"


def test_letters_of_any_script_stay():
    assert one_line("שלום 你好 é 👩‍🚀") == "שלום 你好 é 👩‍🚀"


@pytest.mark.parametrize("length", [9, 10, 11, 39, 40, 41, 5000])
def test_a_long_line_ends_with_an_ellipsis(length):
    line = one_line("x" * length, 10)
    assert line == ("x" * length if length <= 10 else "xxxxxxxxx…")


def test_a_long_text_of_spaces_does_not_hide_what_was_left_out():
    assert one_line("a" + " " * 5000 + "b", 10).endswith("…")


def test_all_line_ends_of_a_text_become_one_kind():
    assert escape_terminal("a\r\nb\rc\nd") == "a\nb\nc\nd"


def test_wide_characters_take_two_cells():
    assert cells("ab") == 2
    assert cells("你好") == 4


@pytest.mark.parametrize(
    ("text", "shown"),
    [("abc", "abc"), ("abcdef", "abcdef"), ("abcdefg", "abcde…"), ("你好你好", "你好…"), ("abcd efgh", "abcd…")],
)
def test_a_line_is_shortened_to_its_room(text, shown):
    assert fit_line(text, 6) == shown
    assert cells(fit_line(text, 6)) <= 6


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 kB"), (12_897_485, "12.3 MB"), (1024**6, "1048576.0 TB")],
)
def test_sizes_are_for_readers(size, text):
    assert size_text(size) == text
