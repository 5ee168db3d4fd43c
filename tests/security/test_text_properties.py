"""What holds for any text in each sink."""

import json
import logging
import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from genesis.observability.log_formatters import HumanLines, JsonLines
from genesis.text import escape_json, escape_log, escape_terminal, one_line
from genesis.text.html import escape_html, has_safe_scheme
from genesis.text.markdown import code_span, escape_document, escape_markdown, fence
from genesis.text.scripts import find_script_fault, skeleton

PIECES = [
    "\x1b[31m", "\x1b]8;;javascript:0\x1b\\", "\x1b", "\x9b", "\x9d", "\x07", "\r", "\n", "\t", "\u200d", "\u200c",
    "é", "👩", "\u202e", "\u2028", "a", " ", "`", "```", "|", "<b>", "](javascript:0)", "[x]", "\\", "&#106;",
    "\U000e0041", "\ufe0f",
]  # fmt: skip
TEXTS = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)


def _controls(text, allowed=""):
    kept = {"\u200c", "\u200d", *allowed}
    return [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char not in kept]


def _visible_formats(text):
    """Take out format characters that are seen: number signs of Arabic and Egyptian marks."""
    return re.sub("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001345f]", "", text)


@given(TEXTS)
def test_a_terminal_gets_no_control_character_but_line_ends_and_tabs(text):
    shown = escape_terminal(text)
    assert _controls(_visible_formats(shown), "\n\t") == []
    assert escape_terminal(shown) == shown


@given(TEXTS, st.integers(1, 50))
def test_a_line_is_one(text, most):
    line = one_line(text, most)
    assert _controls(_visible_formats(line)) == []
    assert len(line) <= most
    assert line.splitlines() in ([line], [])
    assert one_line(line, most) == line


@given(TEXTS)
def test_an_indented_text_begins_no_line_at_the_edge(text):
    assert all(line.startswith("  ") for line in escape_terminal(text, indent=2).splitlines()[1:])


@given(TEXTS)
def test_a_log_line_is_one_and_loses_nothing(text):
    line = escape_log(text)
    assert len(line.splitlines()) <= 1
    assert _controls(_visible_formats(line)) == []
    record = logging.LogRecord("genesis.x", 30, "f", 1, text.replace("%", ""), None, None)
    assert len(HumanLines().format(record).splitlines()) == 1
    assert json.loads(JsonLines("cli").format(record))["logger"] == "genesis.x"


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5))
def test_json_stays_exact(value):
    document = escape_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(document) == value
    assert _controls(_visible_formats(document), "\n") == []


@given(TEXTS)
def test_markdown_of_a_line_has_no_structure(text):
    line = escape_markdown(text)
    plain = re.sub(r"\\[!-/:-@\[-`{-~]", "", line)
    assert not set(plain) & set("`*_{}[]<>|~!")
    assert not re.match(r"[-+=#>]|\d+[.)](\s|$)", plain)
    assert "\n" not in line


@given(TEXTS)
def test_a_document_keeps_its_own_escapes(text):
    shown = escape_document(text)
    assert escape_document(shown).count("<") <= shown.count("<")
    assert _controls(_visible_formats(shown), "\n\t") == []


@given(TEXTS)
def test_nothing_ends_a_code_span_or_a_fence(text):
    ticks = re.match("`+", fence(text))[0]
    assert ticks not in text
    span = code_span(one_line(text))
    ticks = re.match("`+", span)[0]
    assert not re.search(rf"(?<!`){ticks}(?!`)", span[len(ticks) : -len(ticks)])


@given(TEXTS)
def test_html_is_text(text):
    assert not set(escape_html(text)) & set("<>\"'")


@given(st.sampled_from(["javascript", "data", "vbscript", "file", "blob"]), st.lists(st.integers(0, 40)))
def test_no_spelling_of_a_scheme_gets_through(scheme, places):
    for place in places:
        where = place % (len(scheme) + 1)
        scheme = scheme[:where] + "\t\n\r \x00\x0b\\"[place % 7] + scheme[where:]
    assert not has_safe_scheme(f"{scheme.upper()}:x")
    assert not has_safe_scheme("".join(f"&#{ord(char)};" for char in scheme) + ":x")


@given(st.text(min_size=1, max_size=30))
def test_a_skeleton_is_stable(text):
    assert skeleton(skeleton(text)) == skeleton(text)
    assert find_script_fault(text.encode("ascii", "ignore").decode()) is None
