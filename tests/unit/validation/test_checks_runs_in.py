import pytest

VENV = {"venv": {"requirements": ["x>=1"]}}
COMMAND = {"kind": "command", "argv": ["x-tool"]}


def _agent(**executor):
    return {"name": "worker", "task_types": ["generic"], "executor": executor}


def _task(runs_in=VENV, name="a", **more):
    return {"id": name, "description": "Load", "runs_in": runs_in, **more}


def test_an_environment_that_nothing_runs_in_is_a_warning(find):
    [found] = find("GEN-RUNS-IN-UNUSED", [_task()], agents=[_agent(kind="llm")])
    assert found.message == "task 'a' has runs_in, and 'worker' (llm) runs neither a program nor a function"


@pytest.mark.parametrize("executor", [COMMAND, {"kind": "python", "call": "os:getcwd"}])
def test_programs_and_functions_run_in_environments(find, executor):
    assert not find("GEN-RUNS-IN-UNUSED", [_task()], agents=[_agent(**executor)])


class Missing:
    """A machine without any program."""

    def executor_problem(self, spec, agent):
        return "there is no program here"

    def input_problem(self, spec, inputs):
        return None

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
