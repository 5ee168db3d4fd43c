"""A real small model plans and works. What it says is its own; only the structure is asserted.

The model's file is kept in `GENESIS_TEST_MODELS`, or in `~/.cache/genesis-test-models`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from genesis.agents.contract import Work
from genesis.agents.llm import LlmExecutor
from genesis.graph import find_cycle
from genesis.llm import open_model
from genesis.model import AgentProfile, LlmSpec, Plan
from genesis.planning.llm_level import LlmPlanner
from genesis.planning.planner import PlanningContext
from genesis.settings import Limits, LlmSettings, Settings
from genesis.structure import dataflow, junctions, outline

pytestmark = [pytest.mark.model, pytest.mark.timeout(900)]

TOOLS = Path(__file__).parents[1] / "tools" / "real_llm"
FETCH_S = 450
START_S = 90
REQUESTS = (
    "Write a research report on electric buses in small towns",
    "Move our PostgreSQL database to a new server without downtime",
    "Build a landing page for a bakery and put it online",
)
CONTEXT = PlanningContext(
    task_types=("research", "design", "implement", "test", "deploy", "security", "finance", "reporting", "generic"),
    skills=("analysis", "testing", "cloud", "pricing"),
)


def model_file() -> Path:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed")
    folder = os.environ.get("GENESIS_TEST_MODELS") or str(Path.home() / ".cache" / "genesis-test-models")
    command = [sys.executable, str(TOOLS / "fetch_model.py"), folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the model did not arrive within {FETCH_S} s")
    if done.returncode:
        pytest.skip(f"no model here: {done.stderr.strip()[-300:]}")
    return Path(done.stdout.strip())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Iterator[LlmSettings]:
    path, port = model_file(), free_port()
    log = tmp_path_factory.mktemp("model") / "server.log"
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    with log.open("wb") as out:
        command = [sys.executable, str(TOOLS / "serve_model.py"), str(path), str(port)]
        server = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    try:
        deadline = time.monotonic() + START_S
        while not is_ready(port):
            assert server.poll() is None, log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline, "the model's server did not start"
            time.sleep(0.2)
        yield LlmSettings(
            model="openai:qwen2.5-coder-0.5b",
            base_url=f"http://127.0.0.1:{port}/v1",
            temperature=0.0,
            max_tokens=660,
            max_calls=3,
            timeout_s=240,
        )
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def is_valid(plan: Plan, limits: Limits) -> bool:
    view = outline(plan)
    flow = dataflow(plan, view)
    return (
        not view.duplicates
        and not view.unresolved
        and not flow.missing
        and find_cycle(junctions(view, flow.edges()).before) is None
        and max(node.depth for node in view.nodes) <= limits.depth
        and len(view.leaves) <= limits.leaves
    )


def test_real_model_plans_requests(settings):
    plans = [LlmPlanner(open_model(settings), settings).plan(request, CONTEXT) for request in REQUESTS]
    for plan in plans:
        assert is_valid(plan, CONTEXT.limits)
        assert plan.planner == "llm"
        assert plan.planner_note.startswith("planned by openai:qwen2.5-coder-0.5b in ")
        assert all(task.type in CONTEXT.task_types for task in plan.tasks)
    sizes = [len(plan.tasks) for plan in plans]
    assert sum(size > 1 for size in sizes) >= 2, sizes
    assert any(task.depends_on for plan in plans for task in plan.tasks)


def test_real_model_works_as_an_executor(settings):
    work = Work(
        run_id="r",
        correlation_id="c",
        request="Describe our bakery",
        path="describe",
        type="content",
        description="Write one sentence about a bakery, and a title of three words",
        inputs={"town": "Lindau"},
        outputs=("sentence", "title"),
        agent=AgentProfile(name="writer_agent", description="Writes short texts"),
        timeout_s=240,
    )
    executor = LlmExecutor(LlmSpec(kind="llm", max_tokens=200), settings=Settings(llm=settings))
    result = asyncio.run(executor.execute(work))
    assert set(result.value) == {"sentence", "title"}
    assert all(isinstance(text, str) and text for text in result.value.values())
    assert result.tokens > 0
