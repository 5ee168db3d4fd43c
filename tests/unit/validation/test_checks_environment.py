import pytest

from genesis.model import Task


def _agent(**executor):
    return {"name": "worker", "task_types": ["generic"], "secrets": ["KEY"], "executor": executor}


def _task(**env):
    return [{"id": "a", "description": "Load the readings", "env": env}]


COMMAND = {"kind": "command", "argv": ["load"], "env": {"OWN": "1"}}


def test_variables_that_nothing_reads_are_a_warning(find):
    [found] = find("GEN-ENV-UNUSED", _task(A="1"), agents=[_agent(kind="llm")])
    assert found.message == "task 'a' sets environment variables, and 'worker' (llm) starts no program"
    assert found.evidence == {"variables": ["A"], "kind": "llm"}


@pytest.mark.parametrize("executor", [COMMAND, {"kind": "python", "call": "os:getcwd"}])
def test_variables_that_are_read_are_fine(find, executor):
    assert not find("GEN-ENV-UNUSED", _task(A="1"), agents=[_agent(**executor)])


def test_variables_that_the_agent_sets_are_a_warning(find):
    [found] = find("GEN-ENV-UNUSED", _task(A="1", OWN="2", KEY="{k}"), agents=[_agent(**COMMAND)], vars={"k": "v"})
    assert found.evidence["variables"] == ["OWN", "KEY"]


def test_a_secret_in_the_plan_is_a_warning(find):
    tasks = _task(API_TOKEN="abc", MAX_TOKENS="3", DB_PASSWORD="{db}", EMPTY_SECRET="")
    found = find("GEN-ENV-SECRET", tasks, agents=[_agent(**COMMAND)], vars={"db": "x"})
    assert [each.evidence["variable"] for each in found] == ["API_TOKEN"]


def test_references_in_the_environment_are_checked_as_those_of_inputs(find):
    tasks = [{"id": "a", "description": "Load"}, {"id": "b", "description": "Send", "env": {"A": "{a.x} {yaer}"}}]
    assert [each.task for each in find("GEN-INPUT-MISSING", tasks)] == ["b"]
    assert [each.evidence["text"] for each in find("GEN-INPUT-TEXT", tasks, vars={"year": "1"})] == ["yaer"]
    used = [Task.model_validate({"id": "a", "description": "Load", "env": {"A": "{year}"}})]
    assert not find("GEN-VARIABLE-UNUSED", used, vars={"year": "1"})


def test_variables_of_a_composite_are_a_warning(find):
    inner = [{"id": "x", "description": "Load"}, {"id": "y", "description": "Send"}]
    [found] = find("GEN-COMPOSITE-SETTINGS", [{"id": "p", "description": "Both", "env": {"A": "1"}, "subtasks": inner}])
    assert found.evidence["settings"] == ["env"]
