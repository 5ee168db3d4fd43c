"""What a run came to, for every combination of what its leaves came to."""

from itertools import combinations_with_replacement
from typing import get_args

import pytest
from prefect.states import StateType

from genesis.engine.ending import Ending, decide
from genesis.flows.orchestrate import final_state
from genesis.model import FINISHED, ErrorInfo, Outcome, Run, RunState, TaskState

_STATES = get_args(TaskState)
_STOPS = [None, *(Ending(state, ErrorInfo(code="X", message="x")) for state in ("failed", "cancelled"))]


def _leaves(states):
    return [Outcome(id=f"t{number}", agent="a", state=state) for number, state in enumerate(states)]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_run_is_completed_only_when_every_leaf_is_finished(count):
    for states in combinations_with_replacement(_STATES, count):
        ending = decide(_leaves(states))
        assert (ending.state == "completed") is (set(states) <= FINISHED), states
        assert (ending.error is None) is (ending.state in ("completed", "briefed")), states
        assert ending.state in ("completed", "failed", "cancelled", "awaiting_approval", "briefed"), states
        for order in (states, states[::-1]):
            assert decide(_leaves(order)).state == ending.state


@pytest.mark.parametrize("stop", _STOPS[1:])
def test_a_run_that_was_stopped_says_why(stop):
    for states in combinations_with_replacement(_STATES, 2):
        assert decide(_leaves(states), stop) is stop


def test_a_state_of_leaves_that_is_new_is_no_success():
    for state in set(_STATES) - FINISHED:
        ending = decide(_leaves(["completed", state]))
        assert ending.state != "completed"
        assert state == "briefed" or "'t1'" in ending.error.message


@pytest.mark.parametrize("state", get_args(RunState))
def test_only_a_completed_run_completes_its_flow_run(state):
    run = Run(run_id="r", correlation_id="c", state=state, planner="file", cost_usd=0)
    assert (final_state(run).type is StateType.COMPLETED) is (state in ("completed", "briefed"))
