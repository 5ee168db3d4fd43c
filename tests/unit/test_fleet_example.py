"""The example of a fleet as a plug-in is built, installed and used, as its guide says."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "fleet_plugin"
_PLAN = {
    "version": 1,
    "request": "Count words",
    "tasks": [
        {"id": "count", "type": "count_words", "description": "Count", "inputs": {"path": "a.txt"}},
        {"id": "find", "type": "find_words", "description": "Find", "inputs": {"path": "a.txt"}},
    ],
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the example's wheel, and unpack it into a folder: a wheel of one module is installed by that."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the example, is not installed")
    root = tmp_path_factory.mktemp("fleet_plugin")
    shutil.copytree(_EXAMPLE, root / "source", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(root / "dist")]
    subprocess.run(build, cwd=root / "source", capture_output=True, timeout=120, check=True)
    [wheel] = (root / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(root / "site")
    return root / "site"


@pytest.fixture
def genesis(site, tmp_path):
    def call(*words):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "genesis.cli", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    return call


def test_its_agent_is_listed_with_where_it_comes_from(genesis):
    agents = {agent["name"]: agent["source"] for agent in genesis("agents", "--json")["agents"]}
    assert agents["word_agent"] == "words (word-fleet)"
    assert agents["qa_agent"] == "audit (prefect-genesis)"
    assert len(agents) == 16


def test_its_executors_can_be_used(genesis):
    assert genesis("agents", "check", "--json")["problems"] == []


def test_tasks_are_routed_to_it_by_its_rule(genesis, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(_PLAN))
    routed = genesis("route", "plan.json", "--json")
    assert [task["route"]["agent"] for task in routed["tasks"]] == ["word_agent", "word_agent"]
    assert "words are the matter of the word fleet" in routed["tasks"][0]["route"]["reason"]


async def test_its_function_and_its_executor_work(site, tmp_path, monkeypatch):
    from genesis.agents import ExecutorContext, build_executor
    from genesis.agents.contract import Work
    from genesis.routing import load_registry

    monkeypatch.syspath_prepend(str(site))
    [agent] = [agent for agent in load_registry().agents if agent.name == "word_agent"]
    (tmp_path / "a.txt").write_text("a telescope, a microscope, and a pen")
    told = {"run_id": "r", "correlation_id": "c", "request": "q", "path": "p", "description": "d", "outputs": ()}

    async def make_done(task_type):
        work = Work(**told, type=task_type, inputs={"path": str(tmp_path / "a.txt")}, agent=agent)
        return (await build_executor(agent.executor_for(task_type), ExecutorContext()).execute(work)).value

    try:
        assert await make_done("count_words") == {"words": 7}
        assert await make_done("find_words") == {"words": ["microscope", "telescope"]}
    finally:
        sys.modules.pop("word_fleet", None)
