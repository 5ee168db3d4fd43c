"""Any schema that a document may have can be checked against any result."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from genesis.agents.output_values import example_value, find_mismatch
from genesis.model.output_schema import OutputSchema

_ADAPTER = TypeAdapter(OutputSchema)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_TYPES = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
_COUNTS = st.integers(0, 5)
_NUMBERS = st.integers(-5, 5) | st.floats(-5, 5)
_NAMES = st.text("abc", max_size=2)


def _with_inner(inner):
    few = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": _TYPES | st.lists(_TYPES, min_size=1, max_size=3),
            "enum": st.lists(_JSON, min_size=1, max_size=3),
            "const": _JSON,
            "default": _JSON,
            **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBERS),
            "multipleOf": st.integers(1, 5) | st.floats(0.001, 5),
            **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties"), _COUNTS),
            "pattern": st.text("ab(|)*+?[]^$.\\\\d{2}", max_size=8),
            "required": st.lists(_NAMES, max_size=2),
            "properties": st.dictionaries(_NAMES, inner, max_size=2),
            "additionalProperties": st.booleans() | inner,
            **dict.fromkeys(("items", "not"), inner),
            **dict.fromkeys(("prefixItems", "anyOf", "oneOf", "allOf"), few),
        },
    )


_SCHEMAS = st.recursive(st.builds(dict), _with_inner, max_leaves=6)


@given(_SCHEMAS, _JSON)
def test_a_schema_of_a_document_decides_about_any_value(schema, value):
    try:
        checked = _ADAPTER.validate_python(schema)
    except ValidationError:  # a pattern that is none
        return
    found = find_mismatch({"x": checked}, {"x": value})
    assert found is None or len(str(found)) < 1000
    json.dumps(example_value(checked, "(rehearsed)"))


@given(st.recursive(_JSON, lambda inner: st.dictionaries(st.sampled_from(["items", "anyOf", "$ref", "type"]), inner)))
def test_whatever_stands_in_its_place_is_a_schema_or_refused(value):
    try:
        checked = _ADAPTER.validate_python(value)
    except ValidationError:
        return
    assert "$ref" not in json.dumps(checked)
    find_mismatch({"x": checked}, {"x": None})


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef", "$defs", "$id", "format", "patternProperties", "if"])
def test_no_keyword_that_refers_or_is_not_enforced_is_taken(keyword):
    with pytest.raises(ValidationError, match="is not supported"):
        _ADAPTER.validate_python({"items": {keyword: "#"}})
