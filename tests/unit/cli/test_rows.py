"""Rows of cells on any width."""

import pytest
from rich.text import Text

from genesis.cli.rows import Rows

RUN = "20261122-142530-3f9a1c"
WORDS = "Audit the [red]repository[/] at /a/very/long/path/that/fits/nowhere and say what is wrong with it"


def rows():
    table = Rows(("run", "state", "cost", "request"), right=("cost",), named=("cost",))
    table.add(RUN, Text("completed", style="green"), "$0.10", WORDS)
    table.add("20261122-142530-ffffff", "failed", "$10.10", "x")
    return table


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40, 20, 7, 1])
def test_nothing_is_cut_and_no_line_is_too_long(shown, width):
    text = shown(rows(), width)
    assert all(len(line) <= width for line in text.splitlines())
    joined = "".join(text.split())
    assert RUN in joined
    assert "".join(WORDS.split()) in joined
    assert "…" not in text


def test_a_wide_terminal_has_columns_and_the_last_one_is_wrapped_in_its_place(shown):
    lines = shown(rows(), 100).splitlines()
    assert lines[0] == "run                     state        cost  request"
    assert lines[1].startswith(f"{RUN}  completed   $0.10  Audit the")
    assert lines[2].startswith(" " * 43)
    assert lines[2].strip()


def test_a_narrow_terminal_has_a_line_for_the_first_cell_and_names_for_numbers(shown):
    lines = shown(rows(), 50).splitlines()
    assert lines[:3] == [RUN, "  completed · cost $0.10", "  Audit the [red]repository[/] at"]


def test_no_line_ends_in_blanks(shown):
    text = shown(rows(), 1000)
    assert all(line == line.rstrip() for line in text.splitlines())


def test_rows_without_names_have_no_header(shown):
    table = Rows(("", ""))
    table.add("a", "b\nc")
    assert shown(table) == "a  b\n   c\n"


def test_no_rows_are_no_lines(shown):
    assert shown(Rows(("", ""))) == ""
