"""What `import genesis` gives, and what it costs."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import genesis

_PLAN = """
import json, sys
sys.argv = ["genesis", "plan", "Audit the repository at .", "--json"]
from genesis.cli.app import main
try:
    main()
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""
_IMPORT_WORKFLOW = """
import json, sys
from genesis.importers import import_workflow
import_workflow("ci.yml")
print(json.dumps(sorted(sys.modules)))
"""
_IMPORT = "import json, sys, genesis; print(json.dumps(sorted(sys.modules)))"


def _python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )


def test_there_are_at_most_twenty_names_sorted():
    assert len(genesis.__all__) <= 20
    assert list(genesis.__all__) == sorted(genesis.__all__)
    assert dir(genesis) == genesis.__all__


@pytest.mark.parametrize("name", genesis.__all__)
def test_each_name_resolves_to_what_its_home_exports(name: str):
    home = importlib.import_module(genesis._HOMES[name])
    assert name in home.__all__
    assert getattr(genesis, name) is getattr(home, name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = genesis.nonsense


def test_importing_genesis_imports_nothing_heavy(tmp_path: Path):
    loaded = set(json.loads(_python(_IMPORT, tmp_path).stdout))
    assert not loaded & {"prefect", "pydantic", "pydantic_ai", "httpx", "yaml", "rich", "click"}
    assert [name for name in loaded if name.startswith("genesis")] == ["genesis"]


def test_genesis_plan_imports_neither_prefect_nor_a_model_library(tmp_path: Path):
    done = _python(_PLAN, tmp_path)
    code, loaded = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    assert json.loads(done.stdout)["planner"] == "heuristic"
    assert not set(loaded) & {"prefect", "pydantic_ai", "httpx", "fastapi", "uvicorn", "sqlalchemy", "numpy"}


def test_importing_a_workflow_imports_neither_prefect_nor_networkx(tmp_path: Path):
    (tmp_path / "ci.yml").write_text("on: push\njobs: {a: {steps: [{run: make}]}}\n")
    loaded = set(json.loads(_python(_IMPORT_WORKFLOW, tmp_path).stdout))
    assert not loaded & {"prefect", "pydantic_ai", "httpx", "networkx"}


@pytest.mark.parametrize("name", genesis.__all__)
def test_each_name_is_explained_in_the_guide(name: str):
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "python.md").read_text(encoding="utf-8")
    table = guide.partition("## The stages")[0]
    assert f"`{name}`" in table or f"`{name}(" in table or f"`await {name}(" in table
