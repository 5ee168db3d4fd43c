"""Any text as a condition, any value as a result: a coded error or a value, and nothing is ever called."""

import ast
from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from genesis.structure import ConditionError, can_hold, parse_condition

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
_WORDS = "1 - 2.5 't' ( ) [ ] , len( and or not in == != < <= null true None { } . is lambda: * if else for := ~ await"
_PARTS = st.sampled_from([*_WORDS.split(), *"'\"\\#é\ud800 \n", "{a.x}", "{v}", "__import__", "f'"])
_OPERATORS = st.sampled_from(["and", "or", "==", "!=", "<", ">=", "in", "not in"])
_VALID = st.recursive(
    st.sampled_from(["{a.x}", "{v}", "1", "2.5", "'t'", "null", "true", "[1, 't']"]),
    lambda inner: st.one_of(
        st.builds(
            "({} {} {})".format, inner, st.sampled_from(["and", "or", "==", "!=", "<", ">=", "in", "not in"]), inner
        ),
        st.builds("(not {})".format, inner),
        st.builds("len({})".format, inner),
        st.builds("[{}, {}]".format, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.lists(_PARTS, max_size=14).map("".join), _JSON)
@example("{a.x}" * 300, 1)
@example("~" + "-" * 990 + "1", 1)
def test_any_text_is_a_condition_or_a_coded_error(text, value):
    with suppress(ConditionError):
        parse_condition(text).evaluate(lambda _: value)


@settings(max_examples=300, deadline=None)
@given(_VALID, _JSON)
def test_a_condition_agrees_with_python_where_both_have_a_value(text, value):
    found = None
    try:
        condition = parse_condition(text)
        found = bool(condition.evaluate(lambda _: value))
    except ConditionError:
        return
    names = {"null": None, "true": True, "len": len, "__builtins__": {}, "r": value}
    source = text.replace("{a.x}", " r ").replace("{v}", " r ").strip()
    assert found == bool(eval(compile(ast.parse(source, mode="eval"), "", "eval"), names))  # of `_VALID`
    if found:
        assert can_hold(condition, {})
