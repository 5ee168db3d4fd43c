import pytest

from genesis.agents import ExecutorContext, LocalProbe
from genesis.agents.input_probe import InputProbe

VENV = {"venv": {"requirements": ["x>=1"]}}
COMMAND = {"kind": "command", "argv": ["x-tool"]}


def _agent(**executor):
    return {"name": "worker", "task_types": ["generic"], "executor": executor}


def _task(runs_in=VENV, name="a", **more):
    return {"id": name, "description": "Load", "runs_in": runs_in, **more}


def test_an_environment_that_nothing_runs_in_is_a_warning(find):
    [found] = find("GEN-RUNS-IN-UNUSED", [_task()], agents=[_agent(kind="llm")])
    assert (
        found.message == "task 'a' has a virtual environment, and 'worker' (llm) runs neither a program nor a function"
    )


@pytest.mark.parametrize("executor", [COMMAND, {"kind": "python", "call": "os:getcwd"}])
def test_programs_and_functions_run_in_environments(find, executor):
    assert not find("GEN-RUNS-IN-UNUSED", [_task()], agents=[_agent(**executor)])


class Missing:
    """A machine without any program."""

    def executor_problem(self, spec, agent):
        return "there is no program here"

    def input_problem(self, spec, inputs):
        return None

    def image_problem(self, image):
        return f"no {image} here"

    def secret_present(self, name):
        return True


def test_a_program_of_environments_need_not_be_on_this_machine_unless_a_task_without_one_needs_it(find):
    how = {"probe": Missing()}
    assert not find("GEN-EXECUTOR-UNUSABLE", [_task()], agents=[_agent(**COMMAND)], how=how)
    both = [_task(), {"id": "b", "description": "Send"}]
    assert find("GEN-EXECUTOR-UNUSABLE", both, agents=[_agent(**COMMAND)], how=how)


def test_the_environment_of_a_composite_is_a_warning(find):
    [found] = find("GEN-COMPOSITE-SETTINGS", [_task(subtasks=[{"id": "x", "description": "Load"}])])
    assert found.evidence["settings"] == ["runs_in"]


def test_a_pool_that_no_agent_has_is_an_error(find):
    [found] = find("GEN-RUNS-IN-POOL", [_task({"pool": "agent-wroker"})])
    assert (found.task, found.hint) == ("a", "did you mean 'agent-worker'?")
    assert not find("GEN-RUNS-IN-POOL", [_task({"pool": "agent-worker"})])


def test_an_image_is_an_error_where_tasks_run_on_this_machine_and_else_is_not(find):
    tasks = [_task({"image": "tool:1"}), _task({"image": "tool:1"}, name="b"), _task(name="c")]
    assert not find("GEN-RUNS-IN-IMAGE", tasks)
    [found] = find("GEN-RUNS-IN-IMAGE", tasks, how={"probe": Missing()})
    assert found.message == "task 'a': no tool:1 here"
    assert not find("GEN-RUNS-IN-IMAGE", tasks, how={"probe": InputProbe()})
    assert find("GEN-RUNS-IN-IMAGE", tasks, how={"probe": LocalProbe(ExecutorContext())})


def test_an_image_or_a_pool_is_for_every_executor(find):
    assert not find("GEN-RUNS-IN-UNUSED", [_task({"image": "x", "pool": "agent-worker"})], agents=[_agent(kind="llm")])
