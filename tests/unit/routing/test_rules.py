from __future__ import annotations

import pytest

from genesis.model import Condition, Rule, Task
from genesis.routing.rules import RuleBook


def fires(when, **task):
    """Whether a rule with this condition fires for a task, asked the way routing asks."""
    given = Task.model_validate({"id": "t", "description": "Do it", **task})
    book = RuleBook([Rule(id="r", when=Condition.model_validate(when), then="a")], {"a": 0})
    return any(rule.test is None or rule.test(given) for rule in book.for_type(given.type))


CASES = [
    ({"type": "test"}, {"type": "test"}, {"type": "code"}),
    ({"type": {"in": ["a", "b"]}}, {"type": "b"}, {"type": "c"}),
    ({"skill": "sql"}, {"requires": ["css", "sql"]}, {"requires": ["css"]}),
    ({"skill": {"in": ["sql", "css"]}}, {"requires": ["css"]}, {}),
    ({"label": {"domain": "ml"}}, {"labels": {"domain": "ml", "x": "y"}}, {"labels": {"domain": "web"}}),
    ({"label": {"domain": {"in": ["ml", "ai"]}}}, {"labels": {"domain": "ai"}}, {"labels": {"other": "ai"}}),
    ({"label": {"a": "1", "b": "2"}}, {"labels": {"a": 1, "b": 2}}, {"labels": {"a": "1"}}),
    ({"label": {}}, {}, None),
    ({"input": "path"}, {"inputs": {"path": None}}, {"inputs": {"file": 1}}),
    ({"input": {"in": ["path", "url"]}}, {"inputs": {"url": "x"}}, {"inputs": {}}),
    ({"input": {"n": 1}}, {"inputs": {"n": 1}}, {"inputs": {"n": True}}),
    ({"input": {"n": True}}, {"inputs": {"n": True}}, {"inputs": {"n": 1}}),
    ({"input": {"n": None}}, {"inputs": {"n": None}}, {"inputs": {}}),
    ({"input": {"n": [1, {"a": 2}]}}, {"inputs": {"n": [1, {"a": 2}]}}, {"inputs": {"n": [1]}}),
    ({"input": {"n": {"in": ["1", "true"]}}}, {"inputs": {"n": True}}, {"inputs": {"n": [1]}}),
    ({"description": r"\bSQL\b"}, {"description": "Write some sql."}, {"description": "mysql"}),
    ({"not": {"type": "test"}}, {"type": "code"}, {"type": "test"}),
    ({"not": {"skill": "sql"}}, {}, {"requires": ["sql"]}),
    ({"all": [{"type": "test"}, {"skill": "sql"}]}, {"type": "test", "requires": ["sql"]}, {"type": "test"}),
    (
        {"all": [{"skill": "sql"}, {"label": {"a": "1"}}]},
        {"requires": ["sql"], "labels": {"a": "1"}},
        {"requires": ["sql"]},
    ),
    ({"any": [{"type": "test"}, {"skill": "sql"}]}, {"requires": ["sql"]}, {"type": "code"}),
    ({"any": [{"type": "test"}, {"type": "code"}]}, {"type": "code"}, {"type": "ops"}),
    ({"any": [{"skill": "a"}, {"skill": "b"}]}, {"requires": ["b"]}, {"requires": ["c"]}),
    ({"not": {"any": [{"type": "test"}, {"skill": "a"}]}}, {"type": "code"}, {"requires": ["a"]}),
]


@pytest.mark.parametrize(("when", "meeting", "missing"), CASES, ids=[str(case[0]) for case in CASES])
def test_condition_fires_for_what_meets_it_and_for_nothing_else(when, meeting, missing):
    assert fires(when, **meeting)
    if missing is not None:
        assert not fires(when, **missing)


def book(*rules):
    return RuleBook([Rule.model_validate({"then": "a", **rule}) for rule in rules], {"a": 0})


def test_rules_are_asked_by_priority_and_then_in_document_order():
    rules = book(
        {"id": "low", "when": {"type": "t"}, "priority": 5},
        {"id": "first", "when": {"type": "t"}},
        {"id": "second", "when": {"type": "t"}},
        {"id": "high", "when": {"type": "t"}, "priority": 20},
    )
    assert [rule.rule.id for rule in rules.for_type("t")] == ["high", "first", "second", "low"]


def test_rule_without_a_type_is_asked_for_every_type():
    rules = book({"id": "any", "when": {"label": {"a": "1"}}}, {"id": "t", "when": {"type": "t"}})
    assert [rule.rule.id for rule in rules.for_type("other")] == ["any"]


def test_rule_that_the_type_decides_has_nothing_left_to_ask():
    (rule,) = book({"id": "r", "when": {"all": [{"type": "t"}, {"not": {"type": "u"}}]}}).for_type("t")
    assert rule.test is None


@pytest.mark.parametrize(
    ("when", "task_type", "default"),
    [
        ({"type": "generic"}, "generic", True),
        ({"type": {"in": ["generic", "misc"]}}, "generic", True),
        ({"type": {"in": ["generic", "misc"]}}, "misc", False),
        ({"all": [{"type": "generic"}, {"skill": "x"}]}, "generic", False),
        ({"not": {"type": "x"}}, "generic", False),
    ],
)
def test_only_a_rule_for_the_generic_type_alone_waits_for_the_description(when, task_type, default):
    (rule,) = book({"id": "r", "when": when}).for_type(task_type)
    assert rule.default is default
