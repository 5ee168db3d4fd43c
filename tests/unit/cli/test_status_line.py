"""One line that is written anew."""

import re

import pytest
from rich.text import Text

from genesis.cli.status_line import StatusLine, waiting


@pytest.mark.parametrize("width", [80, 40, 20, 5, 1])
def test_it_never_takes_a_second_line_and_leaves_nothing_behind(a_console, width):
    out, text = a_console(width, terminal=True)
    line = StatusLine(out, lambda _room: Text("a long line\nof words " * 30))
    line.start()
    out.print("said")
    line.stop()
    line.stop()
    plain = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", text())
    assert all(len(part) <= width for part in re.split(r"[\r\n]", plain))
    assert "\x1b[1A" not in text().split("said", maxsplit=1)[0].replace("\x1b[1A\x1b[2K", "")


def test_a_pipe_has_no_line(a_console):
    out, text = a_console()
    with waiting(out, "Starting Prefect"):
        pass
    assert text() == ""


def test_a_dumb_terminal_has_no_line(a_console):
    out, text = a_console(80, terminal=True, kind="dumb")
    with waiting(out, "Starting Prefect"):
        pass
    assert text() == ""


def test_a_terminal_shows_what_is_waited_for(a_console):
    out, text = a_console(80, terminal=True)
    with waiting(out, "Starting Prefect"):
        pass
    assert "Starting Prefect · 0 s" in text()
