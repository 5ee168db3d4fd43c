"""The examples of the documentation run, each as its text says."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

_EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

pytestmark = pytest.mark.server


def _example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", _EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_plan_and_agents_run_by_the_command_line(prefect_api: object, tmp_path: Path):
    folder = tmp_path / "measured"
    folder.mkdir()
    (folder / "a.txt").write_text("12345", encoding="utf-8")
    (folder / "b.txt").write_text("678", encoding="utf-8")
    variables = ["--var", f"folder={folder}", "--var", f"note={tmp_path}/size.md"]
    done = subprocess.run(  # -P: Python itself does not look into the current folder, as with the installed command
        [sys.executable, "-P", "-m", "genesis.cli", "run", "plan.yaml", "--agents", "agents.yaml", *variables],
        cwd=_EXAMPLES,
        env={**os.environ, "PYTHONPATH": str(_EXAMPLES.parents[1]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 files with 8 bytes" in (tmp_path / "size.md").read_text(encoding="utf-8")
    assert str(tmp_path / "size.md") in done.stdout


async def test_decorated_functions_of_a_script_run_as_agents(prefect_api: object, capsys):
    run = await _example("decorated_agent").main()
    assert run.state == "completed"
    assert {task.id: task.result for task in run.tasks} == {
        "ada": {"greeting": "Hello, Ada!"},
        "grace": {"greeting": "Hello, Grace!"},
        "count": {"count": 2},
    }
    assert "count: attempt 1" in capsys.readouterr().out


def test_a_program_runs_inside_a_flow_as_task_runs_of_that_flow_from_any_folder(prefect_api: object, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, str(_EXAMPLES / "inside_a_flow.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(_EXAMPLES.parents[1]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout.strip().splitlines()[-1])
    assert set(found) == {"example", "prefect"}
    assert all(said.split()[0].isdigit() for said in found.values())
    assert "temporary server" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
