import asyncio
import logging
import threading
from collections import Counter

import pytest

from genesis.observability.instruments import STEPS_DOWN
from genesis.observability.metrics import metrics_of_process
from genesis.resilience.degradation import Degradation, describe_error, listening, step_down


def test_steps_are_counted_by_layer_from_and_to_and_not_by_reason():
    before = Counter(metrics_of_process().values(STEPS_DOWN))
    step_down(Degradation("routing", "rules", "capability", "one reason"))
    step_down(Degradation("routing", "rules", "capability", "another"), times=3)
    assert Counter(metrics_of_process().values(STEPS_DOWN)) - before == {("routing", "rules", "capability"): 4}


@pytest.mark.parametrize(("error", "level"), [(None, logging.INFO), (KeyError("x"), logging.WARNING)])
def test_only_a_bug_is_a_warning_in_the_log(caplog, error, level):
    before = metrics_of_process().values(STEPS_DOWN).get(("planning", "llm", "heuristic"), 0)
    with caplog.at_level(logging.INFO, "genesis"):
        step_down(Degradation("planning", "llm", "heuristic", "why"), error=error)
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (level, "planning fell back from llm to heuristic")
    assert (record.reason, record.times) == ("why", 1)
    assert metrics_of_process().values(STEPS_DOWN)["planning", "llm", "heuristic"] == before + 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (ExceptionGroup("g", [TypeError("in it")]), "TypeError: in it"),
    ],
)
def test_what_was_raised_is_said_on_one_line(error, said):
    assert describe_error(error) == said


def test_what_was_raised_is_said_briefly():
    assert len(describe_error(ValueError("x" * 5_000))) < 400


async def test_a_step_is_heard_by_whoever_listens_here_in_threads_too_and_by_nobody_else():
    mine, inner = [], []
    step = Degradation("planning", "llm", "heuristic")
    with listening(mine.append):
        await asyncio.to_thread(step_down, step)
        with listening(inner.append):
            step_down(step)
        thread = threading.Thread(target=step_down, args=(step,))  # it has a context of its own
        thread.start()
        thread.join()
    step_down(step)
    assert (mine, inner) == ([step], [step])
