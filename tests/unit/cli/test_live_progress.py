import io
import re

import pytest
from rich.console import Console

from genesis.cli.live_progress import LiveProgress
from genesis.testing import a_program, a_task


@pytest.fixture
def program():
    return a_program(a_task("first"), a_task("second", after=("first",)), a_task("x"))


def watching(terminal):
    out = Console(file=io.StringIO(), width=100, force_terminal=terminal, highlight=False, color_system=None)
    return LiveProgress(out, 2), out.file


def test_each_leaf_is_a_line_when_it_ends(program, a_run, an_outcome):
    live, text = watching(terminal=False)
    live.run_started(program, a_run(), {})
    live.leaf_changed(an_outcome("first", "running"))
    live.leaf_changed(an_outcome("first", result={"summary": "seven found"}))
    live.leaf_changed(an_outcome("second", "failed", error="it broke\nbadly"))
    live.leaf_changed(an_outcome("x", "skipped"))
    live.run_ended(a_run())
    lines = text.getvalue().splitlines()
    assert lines[1] == "Run 20260101-120000-abcdef"
    assert lines[2].startswith("http://")
    assert lines[3:] == [
        "✓ first   worker    2.0 s  seven found",
        "✗ second  worker    2.0 s  it broke",
        "– x       worker",
    ]


def test_kept_leaves_are_counted(program, a_run, an_outcome):
    live, text = watching(terminal=False)
    live.run_started(program, a_run(), {0: an_outcome("first")})
    assert "1 of 3 tasks were finished before and are kept." in text.getvalue()


def test_terminal_gets_a_line_that_goes_away_and_whole_messages(program, a_run, an_outcome):
    live, text = watching(terminal=True)
    live.run_started(program, a_run(), {})
    live.leaf_changed(an_outcome("first", "running"))
    live.leaf_changed(an_outcome("first", result={"summary": "found " * 50}))
    live.close()
    live.close()
    assert "0/3" in text.getvalue()
    assert "a few seconds left" in text.getvalue()
    lines = text.getvalue().replace("\x1b[2K", "").replace("\r", "\n").splitlines()
    at = lines.index("✓ first  worker  2.0 s")
    assert lines[at + 1].startswith("  found found")
    assert sum(line.count("found") for line in lines) == 50


def test_sentence_is_shown_as_it_is(program, a_run):
    live, text = watching(terminal=True)
    live.run_started(program, a_run(), {})
    live.show_message("Note: [red]gone[/]")
    live.close()
    assert "Note: [red]gone[/]" in text.getvalue()


def test_many_leaves_show_only_those_that_did_not_finish(a_run, an_outcome):
    program = a_program(*(a_task(f"t{n}") for n in range(100)))
    live, text = watching(terminal=False)
    live.run_started(program, a_run(), {})
    for n in range(99):
        live.leaf_changed(an_outcome(f"t{n}"))
    live.leaf_changed(an_outcome("t99", "failed", error="it broke"))
    assert text.getvalue().count("✓") == 60
    assert "it broke" in text.getvalue()


def test_no_time_is_shown_where_nothing_is_known(program, a_run):
    live, text = watching(terminal=True)
    live.run_started(program, a_run(), {})
    live.close()
    assert "0/3" in text.getvalue()
    assert "left" not in text.getvalue()


def test_a_rehearsal_is_marked(program, a_run):
    live, text = watching(terminal=False)
    live.run_started(program, a_run(rehearsal=0.5), {})
    assert "Rehearsal: no agent runs; timers take 0.5 of the estimated time." in text.getvalue()


@pytest.mark.parametrize("width", [80, 60, 40, 20])
def test_lines_of_a_narrow_terminal_fit_and_nothing_is_cut(a_console, program, a_run, an_outcome, width):
    out, text = a_console(width, terminal=True)
    live = LiveProgress(out, 2)
    live.run_started(program, a_run(), {})
    path = "some/long/path/of/a/task/that/is/here"
    live.leaf_changed(an_outcome(path, "failed", error="no such thing as this was found " * 4))
    live.run_ended(a_run())
    plain = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", text())
    lines = [line for line in re.split(r"[\r\n]", plain) if "20260101" not in line and "http" not in line]
    assert all(len(line) <= width for line in lines)
    joined = "".join(plain.split())
    assert path in joined
    assert joined.count("thisw") == 4
