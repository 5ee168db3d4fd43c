import sys
import sysconfig

import pytest

from genesis.agents.command import CommandExecutor
from genesis.agents.contract import Work
from genesis.agents.python import PythonExecutor
from genesis.agents.venv_call import _find_code_folders
from genesis.agents.venv_script import _bind, _work
from genesis.agents.venvs import activate_venv, venv_key
from genesis.errors import TaskError
from genesis.model import CommandSpec, PythonSpec
from genesis.testing import an_agent


def test_an_environment_is_named_by_its_requirements_in_any_order_and_its_python(monkeypatch):
    key = venv_key(["a>=1", "b"])
    assert key == venv_key(["b", "a>=1", "b"])
    assert key != venv_key(["a>=1", "b==1"])
    monkeypatch.setattr(sys, "version", "3.99.0")
    assert key != venv_key(["a>=1", "b"])


def test_programs_of_the_environment_come_first(tmp_path):
    found = activate_venv(tmp_path, {"PATH": "/usr/bin", "A": "1"})
    assert found == {"PATH": f"{tmp_path}/bin:/usr/bin", "A": "1", "VIRTUAL_ENV": str(tmp_path)}


def test_the_teams_code_is_found_and_installed_packages_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path, sysconfig.get_path("purelib"), "/no/such"])
    found = _find_code_folders()
    assert str(tmp_path) in found
    assert sysconfig.get_path("purelib") not in found
    assert sysconfig.get_path("stdlib") not in found


def takes(a, b=2, *, c):
    return [a, b, c]


def test_a_function_gets_the_inputs_that_it_takes():
    assert _bind(takes, {"a": 1, "c": 3, "d": 4}, "x:y") == {"a": 1, "c": 3}
    assert _bind(lambda a, **more: a, {"a": 1, "d": 4}, "x:y") == {"a": 1, "d": 4}
    with pytest.raises(TypeError, match="'x:y' needs 'c', which the task does not give it"):
        _bind(takes, {"a": 1}, "x:y")
    with pytest.raises(TypeError, match="cannot take the work itself"):
        _bind(lambda work: work, {"a": 1}, "x:y")


def test_a_coroutine_function_is_awaited(monkeypatch, tmp_path):
    (tmp_path / "venv_async_module.py").write_text("class A:\n    async def f(x):\n        return x + 1\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert _work({"call": "venv_async_module:A.f", "inputs": {"x": 1}, "path": [str(tmp_path)]}) == 2


@pytest.mark.parametrize(
    "executor",
    [
        PythonExecutor(PythonSpec(kind="python", call="os:getcwd")),
        CommandExecutor(CommandSpec(kind="command", argv=("ls",)), output_bytes=1, environment={}, secrets={}.get),
    ],
)
async def test_without_a_home_a_task_with_an_environment_fails_and_does_not_run_elsewhere(executor):
    work = Work("r", "c", "-", "a", "generic", "-", {}, (), an_agent("worker"), requirements=("x",))
    with pytest.raises(TaskError, match="virtual environments are not available here"):
        await executor.execute(work)
