import pytest
from markdown_it import MarkdownIt

from genesis_audit import markdown

HOSTILE = [
    "a|b",
    "`",
    "``a`b``",
    "a\\|b",
    "\\",
    "new\nline",
    "# h",
    "- item",
    "1. one",
    "12) x",
    "<script>alert(1)</script>",
    "<!--",
    "[a](javascript:x)",
    "![a](http://x)",
    "**b** _i_ ~~s~~",
    "&amp; &#60;",
    "$x$",
    "\x1b[31mred",
    "a\u202eb",
    "\u2028line",
    "\ud800",
    "---",
    "> q",
    "https://evil.example/x",
    "__init__ a_b_c _x_",
]


def _tokens(source):
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source)


def _plain(source):
    """The text of a document that must be a single paragraph, and the kinds of its inline parts."""
    blocks = _tokens(source)
    assert [block.type for block in blocks] == ["paragraph_open", "inline", "paragraph_close"], blocks
    return "".join(part.content for part in blocks[1].children), {part.type for part in blocks[1].children}


@pytest.mark.parametrize("value", HOSTILE)
def test_text_stays_text(value):
    shown, kinds = _plain(markdown.text(value))
    assert shown == markdown.visible(value)
    assert kinds <= {"text", "text_special"}


@pytest.mark.parametrize("value", HOSTILE)
def test_code_stays_code(value):
    shown, kinds = _plain(markdown.code(value).replace("\\|", "|"))
    assert kinds == {"code_inline"}
    assert shown.strip() == markdown.visible(value).replace("\\|", "\\x7c").strip()


@pytest.mark.parametrize("value", HOSTILE)
def test_a_table_keeps_its_shape(value):
    lines = markdown.table(["A", "B"], [[markdown.text(value), markdown.code(value)], ["x", "y"]])
    cells = [token for token in _tokens("\n".join(lines)) if token.type in ("th_open", "td_open")]
    assert len(cells) == 6
    assert len(lines) == 5


def test_what_cannot_be_seen_is_shown():
    assert markdown.visible("a\nb\x1b\u202e\x7f") == "a\\nb\\x1b\\u202e\\x7f"


def test_long_text_is_cut():
    assert markdown.visible("x" * 50, 10) == "x" * 10 + "…"


def test_nothing_gives_nothing():
    assert markdown.table(["A"], []) == []
    assert markdown.bullets([]) == []
    assert markdown.code("  ") == ""
