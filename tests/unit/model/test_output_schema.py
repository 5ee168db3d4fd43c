import pytest
from pydantic import ValidationError

from genesis.errors import DocumentError
from genesis.model import Task
from genesis.planning import load_plan, plan_document


def _task(outputs):
    return Task.model_validate({"id": "a", "description": "d", "outputs": outputs})


def test_a_list_promises_names_and_a_map_their_schemas():
    assert _task(["x", "y"]).outputs == ("x", "y")
    schema = {"type": "array", "items": {"type": ["integer", "null"]}, "description": "counts"}
    assert _task({"x": schema, "y": {}}).outputs == {"x": schema, "y": {}}


@pytest.mark.parametrize("terse", [True, False])
def test_schemas_stay_in_the_document(terse):
    plan = load_plan({"request": "r", "tasks": [{"id": "a", "description": "d", "outputs": {"x": {"const": None}}}]})
    assert load_plan(plan_document(plan, terse=terse)).tasks[0].outputs == {"x": {"const": None}}


def _nested(levels):
    schema = {"type": "integer"}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "https://example.com/schema.json"}, "/$ref: '$ref' is not supported"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}}, "/$defs: '$defs' is not supported"),
        ({"properties": {"a": {"items": {"$ref": "#"}}}}, "/properties/a/items/$ref: '$ref' is not supported"),
        ({"type": "string", "format": "date"}, "/format: 'format' is not supported"),
        ({"pattern": "(a+)+\\1"}, "/pattern: the pattern '(a+)+\\\\1' cannot be used: backreferences"),
        ({"pattern": "(?=a)b"}, "look-around"),
        ({"pattern": "((a{0,1000}){0,1000}){0,1000}"}, "size limit"),
        ({"pattern": "["}, "/pattern: the pattern '[' cannot be used"),
        ({"pattern": "a" * 1001}, "may have 1,000 characters"),
        (_nested(30), "deeper than 20 levels"),
        ({"anyOf": [{"items": {}}] * 600}, "more than 1,000 schemas"),
        ({"enum": ["x" * 100] * 1000}, "65,536 characters"),
        ({"type": "int"}, "/type: it must be one of string, integer"),
        ({"type": []}, "/type: it must be one of"),
        ({"enum": []}, "/enum: it must be a list of values"),
        ({"minimum": "1"}, "/minimum: it must be a number"),
        ({"minLength": -1}, "/minLength: it must be a whole number from 0"),
        ({"multipleOf": 0}, "a number above 0"),
        ({"required": "a"}, "/required: it must be a list of names"),
        ({"properties": {"a": True}}, "/properties: it must be a map of schemas"),
        ({"items": [{}]}, "/items: it must be a schema"),
        ({"additionalProperties": 1}, "true, false or a schema"),
        ({"anyOf": []}, "/anyOf: it must be a list of schemas"),
    ],
)
def test_a_hostile_or_broken_schema_is_refused_when_the_document_is_loaded(schema, said):
    with pytest.raises(DocumentError) as caught:
        load_plan({"request": "r", "tasks": [{"id": "a", "description": "d", "outputs": {"x": schema}}]})
    assert said in caught.value.message
    assert caught.value.message.startswith("the plan is not a valid plan file: tasks[0].outputs.schemas.x: ")


@pytest.mark.parametrize("outputs", ["x", 3, {"x": "integer"}, {"x": True}, [{"x": 1}]])
def test_other_forms_are_refused(outputs):
    with pytest.raises(ValidationError):
        _task(outputs)
