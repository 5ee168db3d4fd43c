import time

import pytest

from genesis.agents.output_values import example_value, find_mismatch
from genesis.model import Task

STATIONS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["code", "n"],
        "properties": {"code": {"type": "string", "pattern": "^[A-Z]{4}$"}, "n": {"type": "integer", "minimum": 0}},
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([{"code": "KSEA", "n": 3}], None),
        ([], None),
        ("many", 'output \'x\': expected type: "array", got "many"'),
        ([{"code": "KSEA", "n": 3}, {"code": "ksea", "n": 3}], "at /1/code: expected pattern: "),
        ([{"code": "KSEA", "n": "3"}], 'at /0/n: expected type: "integer", got "3"'),
        ([{"code": "KSEA", "n": True}], "at /0/n: expected type"),
        ([{"code": "KSEA", "n": -1}], "at /0/n: expected minimum: 0, got -1"),
        ([{"code": "KSEA"}], "at /0: expected required"),
        ([{"code": "KSEA", "n": 1, "m": 2}], "at /0: expected additionalProperties: false"),
    ],
)
def test_the_first_value_that_does_not_fit_is_found(value, said):
    found = find_mismatch({"x": STATIONS}, {"x": value, "other": object})
    assert (found is None) if said is None else (said in str(found))


def test_a_place_is_a_json_pointer():
    schema = {"additionalProperties": {"type": "integer"}}
    assert find_mismatch({"x": schema}, {"x": {"a/b~c": "no"}}).pointer == "/a~1b~0c"


@pytest.mark.parametrize(
    ("divisor", "value", "fits"), [(0.1, 0.3, True), (0.1, 10**400, True), (2, 3, False), (1, 1e300, True)]
)
def test_multiples_are_those_of_decimal_numbers(divisor, value, fits):
    assert (find_mismatch({"x": {"multipleOf": divisor}}, {"x": value}) is None) is fits


def test_the_whole_result_is_checked_under_its_name_unless_it_has_a_key_of_it():
    schemas = {"result": {"type": "array"}}
    assert find_mismatch(schemas, [1]) is None
    assert find_mismatch(schemas, {"result": [1]}) is None
    assert find_mismatch(schemas, {"other": 1}).expected == 'type: "array"'


def test_what_is_shown_is_short():
    assert len(str(find_mismatch({"x": {"type": "null"}}, {"x": "y" * 10_000}))) < 250


def test_a_pattern_that_would_take_exponential_time_takes_linear_time():
    begun = time.process_time()
    found = find_mismatch({"x": {"pattern": "^(a+)+$"}}, {"x": "a" * 100_000 + "!"})
    assert found.expected == 'pattern: "^(a+)+$"'
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "schema",
    [
        {},
        STATIONS,
        {**STATIONS, "minItems": 2},
        {"type": "integer", "minimum": 3},
        {"type": "integer", "exclusiveMinimum": 3},
        {"type": "number", "maximum": -3},
        {"type": ["boolean", "null"]},
        {"type": "null"},
        {"enum": ["a", "b"]},
        {"const": {"a": 1}},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"required": ["a"], "properties": {"b": {"type": "boolean"}}},
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
    ],
)
def test_an_invented_value_has_the_type_of_its_schema(schema):
    Task.model_validate({"id": "a", "description": "d", "outputs": {"x": schema}})
    if "pattern" not in str(schema) or "minItems" not in schema:
        assert find_mismatch({"x": schema}, {"x": example_value(schema, "(rehearsed)")}) is None
    else:
        assert [each["n"] for each in example_value(schema, "(rehearsed)")] == [0, 0]
