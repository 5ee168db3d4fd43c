"""Scalars of documents arrive as they are written where text is wanted, and typed where they are values."""

import json

import pytest

from genesis.document import dump_yaml, parse
from genesis.errors import DocumentError
from genesis.planning.plan_file import load_plan, plan_document
from genesis.routing import load_registry

WRITTEN = [
    "3.10",
    "007",
    "1e3",
    "1.50",
    "0o17",
    "1_000",
    "2024-02-30",
    "yes",
    "no",
    "on",
    "12:30:45",
    "+1",
    "-0",
    "0.0",
    "1.",
    ".5",
    "1E5",
    "1e400",
    "-1e999",
    "true",
    "True",
    "FALSE",
    "0x1F",
    "1" * 500,
    "-0.0",
    "12345678901234567890",
    ".inf",
    ".nan",
]
NUMBERS = ["1.50", "1e3", "1E5", "-0", "-0.0", "1e400", "12345678901234567890", "1" * 500, "0.10", "1.0e+2"]


def _plan(text, *, as_json=False):
    return load_plan(parse(text, as_json=as_json))


@pytest.mark.parametrize("scalar", WRITTEN)
def test_a_yaml_scalar_is_the_text_that_is_written(scalar):
    plan = _plan(
        f"request: r\nvars: {{a: {scalar}}}\n"
        f"tasks: [{{id: t, description: d, type: {scalar}, labels: {{l: {scalar}}}, "
        f"requires: [{scalar}], outputs: [{scalar}]}}]"
    )
    task = plan.tasks[0]
    assert plan.vars == {"a": scalar}
    assert (task.type, task.labels, task.requires, task.outputs) == (scalar, {"l": scalar}, (scalar,), (scalar,))
    assert load_plan(parse(dump_yaml(plan_document(plan)))) == plan
    assert load_plan(parse(json.dumps(plan_document(plan)), as_json=True)) == plan


@pytest.mark.parametrize("number", NUMBERS)
def test_a_json_number_is_the_text_that_is_written(number):
    text = f'{{"request": "r", "vars": {{"a": {number}}}, "tasks": [{{"id": "t", "description": "d"}}]}}'
    assert _plan(text, as_json=True).vars == {"a": number}


def test_inputs_keep_their_types():
    plan = _plan(
        "request: r\ntasks: [{id: t, description: d, inputs: {a: 3.10, b: 007, c: True, d: [1e3, false], e: '1'}}]"
    )
    inputs = plan.tasks[0].inputs
    assert inputs == {"a": 3.1, "b": 7, "c": True, "d": [1000.0, False], "e": "1"}
    assert [type(value) for value in inputs.values()] == [float, int, bool, list, str]
    assert json.loads(json.dumps(inputs)) == inputs


def test_other_fields_take_the_written_number():
    plan = _plan(
        "version: 1\nrequest: r\ndeadline_s: 1e3\nbudget: {usd: 0.10, tokens: 1000}\n"
        "tasks: [{id: 007, description: d, side_effects: True, retries: 2, timeout_s: 1.50, estimate: {usd: 1.10}}]"
    )
    task = plan.tasks[0]
    assert (task.id, task.side_effects, task.retries, task.timeout_s) == ("007", True, 2, 1.5)
    assert (plan.deadline_s, str(plan.budget.usd), str(task.estimate.usd)) == (1000.0, "0.1", "1.1")


def test_ids_and_dependencies_may_be_numbers():
    plan = _plan(
        "request: r\ntasks:\n  - {id: 1, description: d, outputs: [n]}\n"
        "  - {id: 2, description: d, depends_on: [1], inputs: {'<<': '{1.n}'}}"
    )
    assert [task.id for task in plan.tasks] == ["1", "2"]
    assert plan.tasks[1].depends_on == ("1",)
    assert plan.tasks[1].inputs == {"<<": "{1.n}"}
    assert load_plan(parse(dump_yaml(plan_document(plan)))) == plan


def test_an_inputs_name_that_yaml_takes_for_a_merge_is_a_name():
    for name in ("<<", "'<<'"):
        plan = _plan(f"request: r\ntasks: [{{id: a, description: d, inputs: {{{name}: x, n: 1}}}}]")
        assert plan.tasks[0].inputs == {"<<": "x", "n": 1}
        assert load_plan(parse(dump_yaml(plan_document(plan)))) == plan


@pytest.mark.parametrize("number", ["1e999", "-1e400"])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_number_that_is_none_is_an_error_with_its_place(number, as_json):
    text = f'{{"request": "r", "tasks": [{{"id": "a", "description": "d", "inputs": {{"n": [{number}]}}}}]}}'
    with pytest.raises(DocumentError, match=r"tasks\[0\].inputs: .*quotes") as caught:
        _plan(text, as_json=as_json)
    assert number in caught.value.message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_values_that_json_lacks_are_refused_in_a_mapping(value):
    with pytest.raises(DocumentError, match="not a number that JSON supports"):
        load_plan({"request": "r", "tasks": [{"id": "a", "description": "d", "inputs": {"n": value}}]})


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_no_json_are_refused(constant):
    with pytest.raises(DocumentError, match="is not JSON"):
        parse(f'{{"a": {constant}}}', as_json=True)


@pytest.mark.parametrize("levels", [101, 1_000, 100_000])
@pytest.mark.parametrize("as_json", [True, False])
def test_json_and_yaml_are_nested_as_deeply(levels, as_json):
    parse("[" * 100 + "]" * 100, as_json=as_json)
    with pytest.raises(DocumentError, match="nested"):
        parse("[" * levels + "]" * levels, as_json=as_json)


def test_a_mapping_that_contains_itself_is_refused():
    held: dict = {}
    held["again"] = [held, held]
    for load in (load_plan, load_registry):
        with pytest.raises(DocumentError, match="nested"):
            load(held)


def test_texts_that_utf_8_cannot_encode_become_escapes():
    text = (
        '{"request": "r \\ud800", "tasks": [{"id": "a", "description": "\\udce9", "inputs": {"\\udfff": "\\udce9"}}]}'
    )
    for plan in (_plan(text, as_json=True), load_plan(json.loads(text))):
        assert plan.tasks[0].inputs == {"\\udfff": "\\udce9"}
        plan.model_dump_json().encode()


def test_an_agents_file_keeps_texts_as_they_are_written():
    given = "{name: a, task_types: [3.10], skills: [1e3, yes], executor: {kind: command, argv: [x, 1.50, 007], "
    registry = load_registry(parse(f"agents: [{given} env: {{V: 3.10, T: True}}}}}}]"))
    agent = registry.agents[0]
    assert (agent.task_types, agent.skills) == (("3.10",), ("1e3", "yes"))
    assert (agent.executor.argv, agent.executor.env) == (("x", "1.50", "007"), {"V": "3.10", "T": "True"})
