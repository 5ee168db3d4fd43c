from decimal import Decimal

import pytest
import yaml
from pydantic import ValidationError

from genesis.model import AgentCost, AgentProfile, Condition, LlmSpec, Registry
from genesis.model.agent import OneOf

_EXAMPLE = """
agents:
  - name: qa_agent
    description: Tests and validates software
    task_types: [test, test_run, validation, quality_assurance]
    skills: [testing, test_automation]
    cost: {usd_per_task: 0.01}            # or usd_per_1k_tokens
    success_rate: 0.87                    # 0 to 1
    max_concurrency: 10                   # running at once, over everything that uses this registry
    pool: agent-qa                        # default agent-<name without _agent>
    executor: {kind: brief}               # what runs a task
    executors: {test_run: {kind: python, call: "genesis_audit.tests:run"}}   # by task type, optional
    timeout_s: 600
    secrets: []
    allowed_tools: []
rules:                                     # optional
  - {id: ml-code, when: {all: [{type: implement}, {label: {domain: ml}}]}, then: research_agent, priority: 20, because: "models are research work"}
"""  # noqa: E501 - the example as the documentation has it


def _agent(**more: object) -> AgentProfile:
    return AgentProfile.model_validate({"name": "qa_agent", **more})


def test_the_example_of_the_design_is_a_registry():
    registry = Registry.model_validate(yaml.safe_load(_EXAMPLE))
    (agent,), (rule,) = registry.agents, registry.rules
    assert agent.task_types == ("test", "test_run", "validation", "quality_assurance")
    assert (agent.cost.usd_per_task, agent.success_rate, agent.max_concurrency) == (Decimal("0.01"), 0.87, 10)
    assert (agent.pool_name, agent.timeout_s) == ("agent-qa", 600)
    assert [agent.executor_for(kind).kind for kind in ("test", "test_run")] == ["brief", "python"]
    assert (rule.then, rule.priority, rule.because) == ("research_agent", 20, "models are research work")
    kind, label = rule.when.all or ()
    assert (kind.type, label.label) == ("implement", {"domain": "ml"})


def test_an_agent_needs_a_name_only():
    agent = _agent()
    assert (agent.success_rate, agent.max_concurrency, agent.cost, agent.executor) == (0.8, 10, AgentCost(), None)


@pytest.mark.parametrize(
    ("name", "pool"),
    [("qa_agent", "agent-qa"), ("data_science_agent", "agent-data-science"), ("builder", "agent-builder")],
)
def test_the_pool_follows_the_name(name: str, pool: str):
    assert _agent(name=name).pool_name == pool
    assert _agent(name=name, pool="own").pool_name == "own"


def test_what_runs_a_task_is_its_types_own_then_the_agents_then_the_model_then_a_person():
    agent = _agent(executors={"test": {"kind": "rehearsal"}})
    assert agent.executor_for("test", model="m").kind == "rehearsal"
    assert agent.executor_for("other", model="openai:x") == LlmSpec(kind="llm", model="openai:x")
    assert agent.executor_for("other").kind == "brief"
    assert _agent(executor={"kind": "a2a", "url": "https://x"}).executor_for("other", model="m").kind == "a2a"


def test_a_cost_by_type_goes_before_the_agents():
    agent = _agent(cost={"usd_per_task": 2}, costs={"test": {"usd_per_task": 0}})
    assert [agent.cost_for(kind).usd_per_task for kind in ("test", "other")] == [0, 2]


@pytest.mark.parametrize(
    "executor",
    [
        {"kind": "python", "call": "package.module:function"},
        {"kind": "command", "argv": ["sleep", 1]},
        {"kind": "llm"},
        {"kind": "http", "url": "http://localhost"},
        {"kind": "a2a", "url": "https://agents.example"},
        {"kind": "brief"},
        {"kind": "deployment", "name": "etl/prod"},
        {"kind": "rehearsal", "scale": 0.1},
    ],
    ids=lambda executor: executor["kind"],
)
def test_every_kind_of_executor_is_known(executor: dict):
    found = _agent(executor=executor).executor
    assert found is not None
    assert found.kind == executor["kind"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a/b"},
        {"name": ""},
        {"success_rate": 1.5},
        {"success_rate": -0.1},
        {"max_concurrency": 0},
        {"timeout_s": 0},
        {"cost": {"usd_per_task": -1}},
        {"cost": {"eur": 1}},
        {"executor": {"kind": "magic"}},
        {"executor": {}},
        {"executor": {"kind": "brief", "call": "a:b"}},
        {"executor": {"kind": "python", "call": "no colon"}},
        {"executor": {"kind": "command", "argv": []}},
        {"executor": {"kind": "command", "argv": "rm -rf /"}},
        {"executor": {"kind": "http", "url": "ftp://x"}},
        {"executor": {"kind": "deployment", "name": "no-flow"}},
        {"executor": {"kind": "rehearsal", "scale": -1}},
        {"executor": {"kind": "llm", "max_tokens": 0}},
        {"executors": {"test": {"kind": "magic"}}},
    ],
    ids=str,
)
def test_an_agent_that_cannot_be_is_refused(wrong: dict):
    with pytest.raises(ValidationError):
        _agent(**wrong)


def test_a_word_of_a_command_becomes_text():
    executor = _agent(executor={"kind": "command", "argv": ["sleep", 1, True]}).executor
    assert executor is not None
    assert executor.model_dump()["argv"] == ("sleep", "1", "true")


@pytest.mark.parametrize("wrong", [{}, {"type": "a", "skill": "b"}, {"any": []}, {"all": []}, {"kind": "x"}], ids=str)
def test_a_condition_has_exactly_one_key(wrong: dict):
    with pytest.raises(ValidationError):
        Condition.model_validate(wrong)


def test_a_condition_takes_one_value_or_several():
    assert Condition.model_validate({"type": {"in": ["a", 1]}}).type == OneOf.model_validate({"in": ("a", "1")})
    assert Condition.model_validate({"label": {"level": 3}}).label == {"level": "3"}
    assert Condition.model_validate({"input": {"n": 3}}).input == {"n": 3}
    assert Condition.model_validate({"input": {"n": {"in": ["a"]}}}).input == {"n": OneOf.model_validate({"in": ["a"]})}
    assert Condition.model_validate({"not": {"skill": "a"}}).not_ == Condition.model_validate({"skill": "a"})
