import json
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from genesis import model
from genesis.model import AgentCost, Condition, Model, Task
from genesis.model.base import Text, TextMap, Usd, empty_map


class Sample(Model):
    """A model of its own."""

    name: Text = "none"
    """What it is called."""
    labels: TextMap = empty_map()
    """Free labels."""
    usd: Usd = Decimal(0)
    """What it costs."""


_MODELS = sorted(
    (value for name in model.__all__ if isinstance(value := getattr(model, name), type) and issubclass(value, Model)),
    key=lambda kind: kind.__name__,
)


def test_every_model_refuses_unknown_keys_and_changes():
    for kind in _MODELS:
        assert kind.model_config["extra"] == "forbid", kind
        assert kind.model_config["frozen"] is True, kind


def test_an_unknown_key_is_an_error():
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Sample.model_validate({"nmae": "x"})


def test_a_field_cannot_be_set():
    sample = Sample(name="a")
    with pytest.raises(ValidationError, match="frozen"):
        sample.name = "b"


@pytest.mark.parametrize(
    ("given", "text"),
    [("x", "x"), ("", ""), (7, "7"), (3.10, "3.1"), (True, "true"), (False, "false"), (10**30, "1" + "0" * 30)],
)
def test_a_scalar_is_taken_as_text(given: object, text: str):
    assert Sample.model_validate({"name": given}).name == text
    assert Sample.model_validate({"labels": {"k": given}}).labels == {"k": text}


@pytest.mark.parametrize("given", [None, [], ["x"], {}, {"a": 1}, (1,)])
def test_what_is_no_scalar_is_no_text(given: object):
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"labels": {"k": given}})
    (detail,) = caught.value.errors()
    assert (detail["type"], detail["loc"], detail["input"]) == ("string_type", ("labels", "k"), given)


def test_a_number_in_json_is_taken_as_text_too():
    assert Sample.model_validate_json('{"name": 1.5, "labels": {"a": true}}') == Sample(
        name="1.5", labels={"a": "true"}
    )


def test_an_error_in_one_of_several_forms_names_the_form():
    with pytest.raises(ValidationError) as caught:
        Condition.model_validate({"type": [1]})
    assert {detail["loc"] for detail in caught.value.errors()} == {("type", "text"), ("type", "OneOf")}


def test_text_is_a_string_in_the_schema():
    assert TypeAdapter(Text).json_schema() == {"type": "string"}
    assert TypeAdapter(TextMap).json_schema() == {"type": "object", "additionalProperties": {"type": "string"}}


def test_an_empty_map_is_new_each_time_and_is_the_default_in_the_schema():
    first, second = Sample(), Sample()
    assert first.labels == {}
    assert first.labels is not second.labels
    assert Sample.model_json_schema()["properties"]["labels"]["default"] == {}
    assert Sample.model_validate({"labels": {}}).model_dump(exclude_defaults=True) == {}


@pytest.mark.parametrize("given", [0.1, "0.1", Decimal("0.1")])
def test_money_is_exact_inside_and_a_number_in_json(given: object):
    sample = Sample.model_validate({"usd": given})
    assert sample.usd == Decimal("0.1")
    assert sample.model_dump()["usd"] == Decimal("0.1")
    assert json.loads(sample.model_dump_json())["usd"] == 0.1
    assert sample.model_dump(mode="json")["usd"] == 0.1
    assert type(sample.model_dump(mode="json")["usd"]) is float


@pytest.mark.parametrize("given", [-0.01, float("nan"), float("inf"), "much"])
def test_money_that_cannot_be_is_refused(given: object):
    with pytest.raises(ValidationError):
        AgentCost.model_validate({"usd_per_task": given})


@pytest.mark.parametrize("kind", _MODELS, ids=lambda kind: kind.__name__)
def test_the_schema_says_what_each_model_is(kind: type[Model]):
    schema = kind.model_json_schema()
    own = schema["$defs"][kind.__name__] if "$ref" in schema else schema
    assert own["description"] == kind.__doc__
    assert own["additionalProperties"] is False


def test_the_schema_carries_the_notes_under_the_fields():
    fields = Task.model_json_schema()["$defs"]["Task"]["properties"]
    assert {name for name, field in fields.items() if not field.get("description")} == set()
    assert fields["agent"]["description"] == "A pin; routing honours or refuses it."
