"""The consoles: what reaches a terminal, a pipe and a stream of few characters."""

import io
import json
import sys

import pytest
from rich.text import Text

from genesis.cli.output import console, print_document, print_error, printable
from genesis.errors import GenesisError

HOSTILE = {
    "colour": "a\x1b[31mred\x1b[0mb",
    "title": "a\x1b]0;title\x07b",
    "link": "a\x1b]8;;http://x.test\x1b\\text\x1b]8;;\x1b\\b",
    "clear": "a\x1b[2J\x1b[Hb",
    "charset": "a\x1b(0b",
    "lone": "a\x1bb",
    "c1": "a\x9b31mb\x9d0;t\x9cc\x85d",
    "bidi": "a\u202eb\u2066c\u200ed",
    "return": "good\rbad",
    "backspace": "good\b\b\bbad",
    "zero width": "a\u200bb\ufeffc",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("terminal", [True, False])
def test_no_text_moves_the_cursor_or_turns_what_stands_around_it(a_console, text, terminal):
    out, shown = a_console(80, terminal=terminal)
    out.print(text, Text(text), Text.assemble((text, "not bold")))
    rest = shown().replace("\n", "")
    assert not [char for char in rest if ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u202e\u2066\u200e\u200b"]


def test_whole_sequences_go_and_styles_stay_where_they_were():
    text = Text.assemble("x\x1b[1;31my", ("bold\x1b]0;t\x1b\\er", "bold"), "z")
    made = printable(text, "utf-8")
    assert made.plain == "xybolderz"
    assert [made.plain[span.start : span.end] for span in made.spans] == ["bolder"]


@pytest.mark.parametrize(("said", "coloured"), [("1", False), (None, True)])
def test_no_colour_where_the_environment_asks_for_none(a_console, monkeypatch, said, coloured):
    a_console(80, terminal=True)
    if said is not None:
        monkeypatch.setenv("NO_COLOR", said)
    out = console()
    out.print(Text("done", style="bold green"))
    assert ("32m" in sys.stdout.text()) is coloured


def test_markup_is_text(a_console):
    out, shown = a_console(80)
    out.print("[red]a[/] [bold :smile: [link=file:///x]y[/link]")
    assert shown() == "[red]a[/] [bold :smile: [link=file:///x]y[/link]\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_of_few_characters_gets_plainer_ones(a_console, encoding):
    out, shown = a_console(80, encoding=encoding)
    out.print("✓ a → b … 你 \U0001f600")
    said = shown()
    assert said.startswith("+ a -> b ")
    assert "\\u4f60 \\U0001f600" in said
    assert "�" not in said


def test_lines_are_wrapped_on_a_terminal_and_not_in_a_pipe(a_console):
    words = "word " * 60
    out, shown = a_console(40, terminal=True)
    out.print(words)
    assert max(map(len, shown().splitlines())) <= 40
    out, shown = a_console()
    out.print(words)
    assert len(shown().splitlines()) == 1


@pytest.mark.parametrize("columns", ["0", "-5", "wide", "", "1", "²", "9" * 5_000])
def test_a_strange_width_breaks_nothing(a_console, columns):
    out, shown = a_console(columns)
    out.print("abc")
    assert shown().replace("\n", "") == "abc"


def test_error_and_hint_are_wrapped_and_shown_as_they_are(a_console, monkeypatch, a_stream):
    a_console(30)
    monkeypatch.setattr(sys, "stderr", stream := a_stream(terminal=True))
    print_error(GenesisError("no [red]x[/]\x1b[2J " + "long " * 20, hint="do it"), as_json=False)
    assert "[red]x[/]" in stream.text()
    assert "\x1b[2J" not in stream.text()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_document_has_no_character_that_a_terminal_obeys_and_reads_the_same(monkeypatch, a_stream, encoding):
    monkeypatch.setattr(sys, "stdout", stream := a_stream(encoding))
    value = {"x": "é\x1b\x9b\u202e\u2028你"}
    print_document(value)
    assert json.loads(stream.text()) == value
    assert not {"\x1b", "\x9b", "\u202e"} & set(stream.text())


def test_a_stream_without_an_encoding_is_taken_for_utf_8(monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream := io.StringIO())
    print_document({"x": "é"})
    assert "é" in stream.getvalue()
