import pytest
import yaml
from pydantic import ValidationError

from genesis.model import Plan, Route, RoutedPlan

_EXAMPLE = """
version: 1
request: Audit the repository at .
vars: {path: .}
tasks:
  - {id: inventory, type: research, description: "List languages, sizes and entry points", inputs: {path: "{path}"}, outputs: [languages]}
  - id: quality
    description: Judge the code
    depends_on: [inventory]
    subtasks:
      - {id: lint, type: test, description: Lint the sources, requires: [testing]}
      - {id: tests, type: test_run, description: Run the test suite, timeout_s: 600, retries: 1}
  - {id: report, type: reporting, description: Write the audit report, depends_on: [inventory, quality]}
"""  # noqa: E501 - the example as the documentation has it


def _plan(**more: object) -> Plan:
    return Plan.model_validate({"request": "r", "tasks": [], **more})


def test_the_example_of_the_design_is_a_plan():
    plan = Plan.model_validate(yaml.safe_load(_EXAMPLE))
    inventory, quality, report = plan.tasks
    assert (plan.version, plan.planner, plan.vars) == (1, "file", {"path": "."})
    assert (inventory.inputs, inventory.outputs) == ({"path": "{path}"}, ("languages",))
    assert [(task.id, task.requires, task.timeout_s, task.retries) for task in quality.subtasks] == [
        ("lint", ("testing",), None, 0),
        ("tests", (), 600, 1),
    ]
    assert report.depends_on == ("inventory", "quality")


def test_a_request_and_a_list_of_tasks_are_needed():
    with pytest.raises(ValidationError) as caught:
        Plan.model_validate({})
    assert [detail["loc"] for detail in caught.value.errors()] == [("request",), ("tasks",)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2},
        {"version": "1"},
        {"request": ""},
        {"tasks": None},
        {"tasks": {}},
        {"planner": "oracle"},
        {"deadline_s": 0},
        {"deadline_s": -1},
        {"budget": {"usd": -1}},
        {"budget": {"tokens": 1.5}},
        {"budget": {"euro": 1}},
        {"vars": {"a": ["b"]}},
        {"task": []},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused(wrong: dict):
    with pytest.raises(ValidationError):
        _plan(**wrong)


def test_variables_and_the_correlation_id_become_text():
    plan = _plan(vars={"port": 8080, "deep": True}, correlation_id=42)
    assert (plan.vars, plan.correlation_id) == ({"port": "8080", "deep": "true"}, "42")


def test_a_routed_plan_holds_the_plan_itself():
    plan = _plan(tasks=[{"id": "a", "description": "A"}])
    routed = RoutedPlan(plan=plan, routes={"a": Route(agent="x")})
    assert routed.plan is plan
    assert dict(routed.routes) == {"a": Route(agent="x")}
