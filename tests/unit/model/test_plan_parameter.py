import pytest
from pydantic import ValidationError

from genesis.model import Plan, PlanParameter


def declared(**keys):
    return PlanParameter.model_validate(keys)


@pytest.mark.parametrize(
    ("keys", "value", "fits"),
    [
        ({}, "text", True),
        ({}, 3, False),
        ({"type": "integer"}, 3, True),
        ({"type": "integer"}, True, False),
        ({"type": "integer"}, 3.5, False),
        ({"type": "integer", "minimum": 1, "maximum": 5}, 5, True),
        ({"type": "integer", "minimum": 1, "maximum": 5}, 6, False),
        ({"type": "integer", "minimum": 1}, 0, False),
        ({"type": "number"}, 3, True),
        ({"type": "number"}, 0.5, True),
        ({"type": "boolean"}, False, True),
        ({"type": "boolean"}, 0, False),
        ({"type": "array"}, [1, "a"], True),
        ({"type": "array"}, {"a": 1}, False),
        ({"type": "object"}, {"a": [1]}, True),
        ({"enum": ["csv", "parquet"]}, "csv", True),
        ({"enum": ["csv", "parquet"]}, "json", False),
    ],
)
def test_a_value_fits_its_type_and_its_bounds(keys, value, fits):
    assert declared(**keys).accepts(value) is fits


def test_what_is_expected_is_in_words():
    assert declared(type="integer", minimum=1, maximum=5).expected() == "an integer from 1 to 5"
    assert declared(enum=["a", "b"]).expected() == "one of 'a', 'b'"
    assert declared(type="boolean").expected() == "a boolean"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"type": "integer", "default": "3"}, "its default is '3'; expected: an integer"),
        ({"type": "integer", "default": 3, "minimum": 5}, "expected: an integer from 5"),
        ({"type": "integer", "default": 3, "value": 3.5}, "its value is 3.5"),
        ({"type": "integer", "enum": [1, "2"]}, "'2' in its enum"),
        ({"minimum": 1}, "are for numbers"),
        ({"type": "number", "minimum": 2, "maximum": 1}, "above its maximum"),
        ({"type": "integer", "defualt": 3}, "defualt"),
        ({"type": "date"}, "'string'"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(keys, said):
    with pytest.raises(ValidationError, match=said):
        declared(**keys)


def test_a_name_is_a_variable_or_a_parameter():
    with pytest.raises(ValidationError, match="'year' is in both `vars` and `params`"):
        Plan.model_validate({"request": "r", "tasks": [], "vars": {"year": "1"}, "params": {"year": {}}})
