"""Values for the variables and parameters of a plan."""

import pytest

from genesis.document import parse
from genesis.errors import UsageError
from genesis.planning import load_plan, plan_document, set_parameters, set_variables
from genesis.structure import missing_parameters, plan_values

PLAN = """
request: Load
vars: {unit: K}
params:
  station: {description: Code of the station}
  year: {type: integer, minimum: 1990, default: 2026}
  scale: {type: number, default: 0.5}
  dry: {type: boolean, default: false}
  columns: {type: array, default: [time]}
  version: {default: 3.10}
tasks: [{id: a, description: d}]
"""


@pytest.fixture
def plan():
    return load_plan(parse(PLAN))


def test_defaults_and_given_values_are_the_plans_values(plan):
    assert missing_parameters(plan) == ["station"]
    filled = set_parameters(plan, {"station": "KSEA", "year": 2025})
    assert missing_parameters(filled) == []
    assert plan_values(filled) == {
        "unit": "K",
        "station": "KSEA",
        "year": 2025,
        "scale": 0.5,
        "dry": False,
        "columns": ["time"],
        "version": "3.10",
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("station", "007", "007"),
        ("year", "1999", 1999),
        ("scale", "2", 2),
        ("scale", "1e-3", 0.001),
        ("dry", "true", True),
        ("columns", '["a", 1]', ["a", 1]),
    ],
)
def test_a_text_of_the_command_line_is_read_by_the_declared_type(plan, name, text, value):
    read = plan_values(set_parameters(plan, {name: text}, as_text=True))[name]
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("year", "soon", "an integer from 1990"),
        ("year", "1800", "an integer from 1990"),
        ("year", "2.5", "an integer"),
        ("year", "", "an integer"),
        ("scale", "NaN", "a number"),
        ("scale", "1e999", "a number"),
        ("dry", "yes", "a boolean"),
        ("columns", "a,b", "an array"),
        ("columns", "[" * 500 + "]" * 500, "an array"),
    ],
)
def test_a_text_of_another_type_is_refused_with_what_is_expected(plan, name, text, expected):
    with pytest.raises(UsageError, match=f"expected: {expected}") as caught:
        set_parameters(plan, {name: text}, as_text=True)
    assert caught.value.code == "GEN-PARAM-TYPE"


@pytest.mark.parametrize("value", [3, None, ["KSEA"]])
def test_a_value_of_another_type_is_refused(plan, value):
    with pytest.raises(UsageError) as caught:
        set_parameters(plan, {"station": value})
    assert (caught.value.code, caught.value.hint) == ("GEN-PARAM-TYPE", "Code of the station")


def test_an_unknown_parameter_is_refused_with_those_that_there_are(plan):
    with pytest.raises(UsageError) as caught:
        set_parameters(plan, {"yaer": 1})
    assert (caught.value.code, caught.value.hint) == ("GEN-PARAM-UNKNOWN", "did you mean 'year'?")
    with pytest.raises(UsageError) as caught:
        set_parameters(plan, {"zone": 1})
    assert caught.value.hint.startswith("its parameters: station (a string), year (an integer from 1990)")


def test_a_variable_with_the_name_of_a_parameter_is_refused(plan):
    with pytest.raises(UsageError, match="'year' is a parameter"):
        set_variables(plan, {"year": "1"})
    assert set_variables(plan, {"unit": "C"}).vars == {"unit": "C"}


@pytest.mark.parametrize("terse", [True, False])
def test_the_values_of_a_run_stay_in_its_document(plan, terse):
    filled = set_parameters(plan, {"station": "KSEA"})
    assert load_plan(plan_document(filled, terse=terse)) == filled


def test_a_plan_is_loaded_with_values():
    plan = load_plan({"request": "r", "params": {"n": {"type": "integer"}}, "tasks": []}, params={"n": 3})
    assert plan_values(plan) == {"n": 3}
