import pytest

from genesis.document import close_matches, validate_model
from genesis.errors import DocumentError
from genesis.model import Plan, Registry


def _problems(model: type, value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        validate_model(model, value, source="plan.yaml", noun="plan")
    return caught.value.message


def test_an_unknown_key_gets_its_path_and_a_close_match():
    value = {"version": 1, "request": "x", "tasks": [{"id": "a", "description": "d", "depend_on": []}]}
    assert "tasks[0].depend_on: unknown key 'depend_on', did you mean 'depends_on'?" in _problems(Plan, value)


def test_a_key_inside_a_nested_task_is_found():
    leaf = {"id": "b", "description": "d", "estimate": {"second": 1}}
    value = {"version": 1, "request": "x", "tasks": [{"id": "a", "description": "d", "subtasks": [leaf]}]}
    assert "tasks[0].subtasks[0].estimate.second: unknown key 'second', did you mean 'seconds'?" in _problems(
        Plan, value
    )


def test_a_key_of_an_executor_is_found():
    value = {"agents": [{"name": "a", "executor": {"kind": "command", "arg": ["x"]}}]}
    assert "unknown key 'arg', did you mean 'argv'?" in _problems(Registry, value)


def test_a_missing_key_is_named():
    assert "tasks[0].description: the key 'description' is missing" in _problems(
        Plan, {"version": 1, "request": "x", "tasks": [{"id": "a"}]}
    )


def test_a_wrong_value_is_shown_but_not_in_full():
    said = _problems(Plan, {"version": 1, "request": "x", "tasks": [{"id": "a/" + "b" * 500, "description": "d"}]})
    assert "tasks[0].id" in said
    assert len(said) < 300


def test_many_problems_are_counted_and_all_are_in_the_data():
    tasks = [{"id": f"t{i}"} for i in range(20)]
    with pytest.raises(DocumentError) as caught:
        validate_model(Plan, {"version": 1, "request": "x", "tasks": tasks}, source="p", noun="plan")
    assert "and 15 more" in caught.value.message
    assert len(caught.value.data["errors"]) == 20


@pytest.mark.parametrize("value", [None, [], "text", 3, True])
def test_what_is_not_a_mapping_is_said_to_be_so(value: object):
    assert "the plan file must be a mapping with keys" in _problems(Plan, value)


def test_no_guess_is_made_for_a_far_word():
    assert close_matches("zzz", ["description", "type"]) == ""
