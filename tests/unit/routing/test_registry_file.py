from __future__ import annotations

import importlib
import json
from collections import Counter

import pytest

from genesis.document import dump_yaml
from genesis.errors import DocumentError, UsageError
from genesis.model import PythonSpec
from genesis.routing import load_registry

QA = {"name": "qa_agent", "task_types": ["test", "review"]}


def rule(**changes):
    return {"id": "r", "when": {"type": "test"}, "then": "qa_agent", **changes}


def fault(document):
    with pytest.raises(DocumentError) as caught:
        load_registry(document)
    return caught.value


def test_packaged_registry_has_the_fifteen_agents_of_the_audit():
    names = [agent.name for agent in load_registry().agents]
    short = "spec architect builder frontend backend qa security deploy monitoring marketing sales support analytics"
    assert names == [f"{word}_agent" for word in [*short.split(), "research", "finance"]]


def test_packaged_types_have_at_least_two_agents_except_generic():
    counts = Counter(kind for agent in load_registry().agents for kind in agent.task_types)
    assert [kind for kind, count in counts.items() if count < 2] == ["generic"]


def test_packaged_agents_have_prices_capacities_and_descriptions():
    for agent in load_registry().agents:
        assert agent.cost.usd_per_task
        assert 6 <= agent.max_concurrency <= 20
        assert 0.7 <= agent.success_rate <= 0.95
        assert len(agent.description) > 40
        assert agent.executor_for("design").kind == "brief"


def test_packaged_audit_types_run_free_tools_on_every_agent_that_takes_them():
    registry = load_registry()
    kinds = {kind for agent in registry.agents for kind in agent.task_types if kind.startswith("audit_")}
    assert len(kinds) == 12
    for agent in registry.agents:
        for kind in kinds.intersection(agent.task_types):
            spec = agent.executor_for(kind)
            assert isinstance(spec, PythonSpec)
            module, function = spec.call.split(":")
            assert callable(getattr(importlib.import_module(module), function))
            assert agent.cost_for(kind).usd_per_task == 0


def test_packaged_rules_use_the_four_priorities():
    assert {rule.priority for rule in load_registry().rules} == {20, 15, 10, 5}


def test_file_in_yaml_and_in_json_gives_the_same_registry(tmp_path):
    document = {"agents": [QA], "rules": [rule()]}
    (tmp_path / "a.yaml").write_text(dump_yaml(document))
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert load_registry(tmp_path / "a.yaml") == load_registry(str(tmp_path / "a.json")) == load_registry(document)


def test_packaged_registry_survives_being_written_as_a_file(tmp_path):
    registry = load_registry()
    (tmp_path / "agents.json").write_text(registry.model_dump_json(exclude_none=True, by_alias=True))
    assert load_registry(tmp_path / "agents.json") == registry


def test_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        load_registry(tmp_path / "agents.yaml")


def test_list_at_the_top_says_where_it_belongs(tmp_path):
    path = tmp_path / "agents.yaml"
    path.write_text(dump_yaml([QA]))
    with pytest.raises(DocumentError, match="under the key `agents`"):
        load_registry(path)


@pytest.mark.parametrize(
    ("document", "where", "what"),
    [
        ({"agents": []}, "agents", "empty"),
        ({"agents": [QA, QA]}, "agents[1].name", "already the name of agents[0]"),
        ({"agents": [{**QA, "success_rate": 1.5}]}, "agents[0].success_rate", "less than or equal to 1"),
        ({"agents": [{**QA, "skils": []}]}, "agents[0].skils", "did you mean 'skills'"),
        ({"agents": [{"name": "all"}]}, "agents[0].name", "cannot be an agent's name"),
        ({"agents": [{"name": ".."}]}, "agents[0].name", "cannot be an agent's name"),
        ({"agents": [{"name": "-x"}]}, "agents[0].name", "cannot be an agent's name"),
        ({"agents": [{"name": "qa"}, QA]}, "agents[1].pool", "would share 'agent-qa'"),
        ({"agents": [{**QA, "pool": "genesis"}]}, "agents[0].pool", "orchestrating flow"),
        ({"agents": [{**QA, "executors": {"tests": {"kind": "brief"}}}]}, "agents[0].executors.tests", "did you mean"),
        ({"agents": [{**QA, "costs": {"deploy": {}}}]}, "agents[0].costs.deploy", "add it to task_types"),
        ({"agents": [QA], "rules": [rule(then="qa_agnt")]}, "rules[0].then", "did you mean 'qa_agent'"),
        ({"agents": [QA], "rules": [rule(then="zzz")]}, "rules[0].then", "there is no agent 'zzz'"),
        ({"agents": [QA], "rules": [rule(), rule()]}, "rules[1].id", "already the id of rules[0]"),
        (
            {"agents": [QA], "rules": [rule(when={"any": [{"type": "a"}, {"not": {"description": "(a"}}]})]},
            "rules[0].when.any[1].not.description",
            "not a regular expression",
        ),
        (
            {"agents": [QA], "rules": [rule(when={"all": [{"description": "a{99999999999}"}]})]},
            "rules[0].when.all[0].description",
            "not a regular expression",
        ),
    ],
)
def test_faults_are_named_with_their_place(document, where, what):
    error = fault(document)
    assert error.data["where"] == where
    assert what in error.message
    assert where in error.message
    assert error.hint


def test_all_faults_are_in_the_data_and_the_first_five_in_the_message():
    error = fault({"agents": [{"name": f"a{index}", "pool": "genesis"} for index in range(7)]})
    assert len(error.data["errors"]) == 7
    assert "and 2 more" in error.message


def test_executor_for_a_type_that_a_rule_grants_is_no_fault():
    document = {
        "agents": [{**QA, "executors": {"lint": {"kind": "brief"}}}],
        "rules": [rule(when={"type": "lint"})],
    }
    assert load_registry(document).agents[0].executors


def test_two_agents_may_share_a_pool_that_both_name():
    shared = [{"name": "a", "pool": "one"}, {"name": "b", "pool": "one"}]
    assert len(load_registry({"agents": shared}).agents) == 2
