import pytest
from pydantic import ValidationError

from genesis.model import Task
from genesis.planning import load_plan, plan_document


def task(wait_for):
    return Task.model_validate({"id": "a", "description": "Wait", "wait_for": wait_for})


@pytest.mark.parametrize(
    ("wait_for", "said"),
    [
        ({}, "it has none of `event`, `run` and `time`"),
        ({"event": "a", "time": 3}, "it has event and time of"),
        ({"time": 3, "resource": {"a": "b"}}, "`resource` is about an `event`"),
        ({"event": "a", "ends": "any"}, "`ends` is about a `run`"),
        ({"run": "a", "ends": "failed"}, "'completed' or 'any'"),
        ({"time": [3]}, "valid number"),
    ],
)
def test_a_wait_is_for_one_thing(wait_for, said):
    with pytest.raises(ValidationError, match=said):
        task(wait_for)


def test_seconds_are_a_number_and_all_else_is_text():
    assert [task({"time": value}).wait_for.time for value in (3, 0.5, "3", "{at}")] == [3.0, 0.5, "3", "{at}"]


@pytest.mark.parametrize("terse", [True, False])
@pytest.mark.parametrize(
    "wait_for", [{"event": "a", "resource": {"b": "{c}"}}, {"run": "a", "ends": "any"}, {"run": "a"}, {"time": 90.0}]
)
def test_a_document_is_read_as_it_was_written(wait_for, terse):
    plan = load_plan({"version": 1, "request": "-", "tasks": [{"id": "a", "description": "x", "wait_for": wait_for}]})
    again = load_plan(plan_document(plan, terse=terse))
    assert again.tasks == plan.tasks
    assert plan_document(plan, terse=True)["tasks"][0]["wait_for"] == wait_for
