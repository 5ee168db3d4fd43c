"""The expression language of `when`."""

import pytest

from genesis.structure import UNKNOWN, ConditionError, can_hold, parse_condition, rename_condition

VALUES = {
    "a.n": 3,
    "a.text": "yes",
    "a.list": ["x", 1],
    "a.map": {"k": 1},
    "a.none": None,
    "a.ok": True,
    "target": "test",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a.n} == 3", True),
        ("{ a.n }!=3", False),
        ("1 < {a.n} <= 3", True),
        ("{a.text} == 'yes' and not {a.none}", True),
        ("{a.text} in ['yes', 'no'] or {a.n} > 10", True),
        ("'x' in {a.list} and 'k' in {a.map} and 'es' in {a.text}", True),
        ("'z' not in {a.list}", True),
        ("len({a.list}) == 2 and len({a.map}) == 1 and len({a.text}) == 3", True),
        ("({a.none} or 0) > 3", False),
        ("len({a.none} or []) == 0", True),
        ("{target} == 'test'", True),
        ("'{target}' == {target}", False),
        ("{a.n} > -1.5", True),
        ("{a.ok} == true and {a.none} == null and {a.ok} == True", True),
        ("{a.text} < 'z'", True),
        ("{a.list} == ['x', 1]", True),
        ("{a.n}\n  == 3", True),
        ("({a.text}, 1) == ['yes', 1]", True),
    ],
)
def test_condition_has_the_value_that_it_says(text, value):
    assert bool(parse_condition(text).evaluate(VALUES.__getitem__)) is value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a.n} + 1 > 2", "cannot have"),
        ("{a.map}.k == 1", "cannot have"),
        ("{a.list}[0] == 1", "cannot have"),
        ("open('/etc/passwd')", "cannot have"),
        ("len({a.list}, 2)", "cannot have"),
        ("len(*{a.list})", "cannot have"),
        ("[x for x in {a.list}]", "cannot have"),
        ("(lambda: 1)()", "cannot have"),
        ("f'{a.n}'", "cannot have"),
        ("b'x' == 1", "cannot have"),
        ("1e999 > 1", "cannot have"),
        ("{a.n} is 3", "cannot have"),
        ("1 if {a.n} else 2", "cannot have"),
        ("a.n == 3", "cannot have"),
        ("production == {target}", "'production' in a condition is no text"),
        ("{a.n", "no end"),
        ("{} == 1", "no name"),
        ("1) or (2", "cannot be read"),
        ("{a.text} == 'two\nlines'", "cannot be read"),
        ("{a.n} ==", "cannot be read"),
        ("", "cannot be read"),
        ("'open", "cannot be read"),
        ("'\\x41' == 1", "cannot contain"),
        ("1 # == 2", "cannot contain"),
        ("1 == 1\x00", "cannot be read"),
        ("genesis_reference_0 == 1", "cannot contain"),
        ("not " * 30 + "1", "nested in more than 20"),
        ("~" + "-" * 900 + "1", "cannot have"),
        ("(" * 400 + "1" + ")" * 400, "cannot be read"),
        ("1 == " * 300 + "1", "1,501 characters"),
    ],
)
def test_what_the_language_does_not_have_is_refused_by_name(text, said):
    with pytest.raises(ConditionError) as raised:
        parse_condition(text)
    assert raised.value.code == "GEN-TASK-CONDITION"
    assert said in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a.text} > 3", "a text and a number cannot be ordered by `>`"),
        ("{a.none} < 3", "null and a number"),
        ("{a.ok} < 3", "a truth value and a number"),
        ("{a.list} < {a.list}", "a list and a list"),
        ("len({a.n})", "a number has no length"),
        ("1 in {a.text}", "a number cannot be in a text"),
        ("1 in {a.none}", "a number cannot be in null"),
        ("-{a.map} == 1", "a mapping has no negative"),
    ],
)
def test_condition_without_a_value_says_what_it_met_and_not_the_value(text, said):
    with pytest.raises(ConditionError) as raised:
        parse_condition(text).evaluate(VALUES.__getitem__)
    assert said in raised.value.message
    assert raised.value.hint


def test_references_are_listed_once_in_canonical_form():
    condition = parse_condition("{cafe\u0301.n} == 1 and {caf\xe9.n} == {x}")
    assert condition.references == ("caf\xe9.n", "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a.n} > 3", True),
        ("{a.n} > 3 and {target} == 'production'", False),
        ("{target} == 'production' or {a.n}", True),
        ("1 == 2", False),
        ("not ({a.n} or {target} == 'test')", True),
        ("{a.n} > 3 and 'a' > 1", True),
        ("len([{a.n}, 1]) == 0", True),
        ("1 < {a.n} < 0 and 2 < 1", False),
    ],
)
def test_condition_can_hold_unless_its_variables_and_literals_exclude_it(text, expected):
    assert can_hold(parse_condition(text), {"target": "test"}) is expected


def test_value_that_is_not_known_stays_so_unless_another_decides():
    def lookup(name):
        return {"target": "test"}.get(name, UNKNOWN)

    assert parse_condition("{a.n} == 1").evaluate(lookup) is UNKNOWN
    assert parse_condition("{a.n} == 1 and {target} == 'x'").evaluate(lookup) is False


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("{ a.n } > 1 and {v} == '{a.n}'", "{b/a.n} > 1 and {v} == '{a.n}'"),
        ("{a.n", "{a.n"),
        ("1 == 1", "1 == 1"),
    ],
)
def test_references_of_a_condition_are_renamed_outside_of_quotes(text, renamed):
    assert rename_condition(text, {"a.n": "b/a.n"}.get) == renamed
