"""What is seen while a model plans."""

import threading

from genesis.cli.planning_progress import PlanningProgress
from genesis.planning import PlanningCall

MODEL = "openai:gpt-test"


def test_no_model_is_no_line(a_console):
    out, text = a_console()
    with PlanningProgress(out, every_s=0.001):
        pass
    assert text() == ""


def test_a_pipe_gets_a_sentence_at_the_start_and_more_later(a_console):
    out, text = a_console()
    with PlanningProgress(out, every_s=0.01) as progress:
        progress.asking(PlanningCall(MODEL, 1, 1))
        progress.asking(PlanningCall(MODEL, 3, 2))
        for _ in range(1000):
            if "call 3" in text():
                break
            threading.Event().wait(0.01)
    first, second, *_ = text().splitlines()
    assert first == f"Planning with {MODEL}; the first answer can take a while."
    assert second.startswith("Planning · 0 s · llm · ")
    assert f"{MODEL} · call 3 · attempt 2" in second


def test_a_terminal_gets_one_line_that_goes_away(a_console):
    out, text = a_console(60, terminal=True)
    with PlanningProgress(out) as progress:
        progress.asking(PlanningCall(f"openai:{'x' * 100}", 1, 1))
    said = text()
    assert "Planning" in said
    assert "x" * 60 not in said
    assert said.endswith("\x1b[2K")
