import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest
from pydantic import ValidationError

from genesis.model import FINISHED, KEPT, ErrorInfo, Outcome, Run, RunState, TaskState

_RUN = {"run_id": "r", "correlation_id": "c", "state": "completed", "planner": "file", "cost_usd": "0.30"}


def test_finished_states_are_states():
    assert set(get_args(TaskState)) > FINISHED
    assert {"completed", "cached"} == FINISHED
    assert FINISHED | {"briefed"} == KEPT


def test_run_and_task_states_are_those_of_the_documents():
    states = "pending running completed failed cancelled refused awaiting_approval briefed budget_exceeded"
    assert set(get_args(RunState)) == set(states.split())
    states = "pending running completed cached briefed failed skipped cancelled awaiting_approval"
    assert set(get_args(TaskState)) == set(states.split())


def test_a_run_survives_json_and_shows_money_and_times_as_documents_do():
    start = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    outcome = Outcome(
        id="a/b",
        agent="x",
        state="failed",
        started_at=start,
        usd=Decimal("0.30"),
        error=ErrorInfo(code="GEN-X", message="m"),
    )
    run = Run.model_validate({**_RUN, "started_at": start, "tasks": [outcome]})
    text = run.model_dump_json()
    shape = json.loads(text)
    assert Run.model_validate_json(text) == run
    assert (shape["cost_usd"], shape["started_at"], shape["tasks"][0]["usd"]) == (0.3, "2025-01-02T03:04:05Z", 0.3)


@pytest.mark.parametrize("wrong", [{"state": "done"}, {"cost_usd": -1}, {"duration_s": -1}, {"tasks": [{"id": "a"}]}])
def test_a_run_that_cannot_be_is_refused(wrong: dict):
    with pytest.raises(ValidationError):
        Run.model_validate({**_RUN, **wrong})
