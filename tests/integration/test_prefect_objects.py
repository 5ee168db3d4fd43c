"""Existing Prefect tasks, flows and deployments as agents."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client

from genesis.agents import functions_of, with_agents
from genesis.agents.decorator import agent
from genesis.compile import compile_program
from genesis.engine.executor_context import executors, make_executor_context
from genesis.errors import TaskError
from genesis.model import Program, Registry
from genesis.testing import a_plan, a_program, a_task, an_agent, route_to
from genesis.testing.prefect import Workbench

pytestmark = pytest.mark.server


@task
def double(n: int) -> dict:
    return {"twice": n * 2}


@task
async def double_later(n: int) -> dict:
    await asyncio.sleep(0)
    return {"twice": n * 2}


@flow
def double_in_a_flow(n: int) -> dict:
    return double(n)


@flow
async def double_in_an_async_flow(n: int) -> dict:
    return await double_later(n)


def _program(function) -> tuple[Program, dict]:
    marked = agent(name="doubler", task_types=["generic"])(function)
    registry = with_agents(Registry(agents=()), [marked])
    plan = a_plan(a_task("a", inputs={"n": 21}, outputs=["twice"]))
    return compile_program(*route_to(plan, *registry.agents)), functions_of([marked])


@pytest.mark.parametrize("function", [double, double_later, double_in_a_flow, double_in_an_async_flow])
async def test_a_prefect_object_runs_nested_in_the_leaf(workbench: Workbench, function):
    program, functions = _program(function)
    tools = make_executor_context(workbench.settings, functions)
    run = await workbench.run(program, executors(program, tools, rehearse=None, model=None))
    assert run.state == "completed", run.tasks
    assert run.tasks[0].result == {"twice": 42}


_SERVED = """
from prefect import flow

@flow(persist_result=True)
def triple(n: int):
    if n < 0:
        raise ValueError("negative")
    return {"thrice": n * 3}

if __name__ == "__main__":
    triple.serve(name="test", limit=2, print_starting_message=False)
"""


@pytest.fixture(scope="module")
def served(prefect_api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A deployment that a process of its own serves."""
    import subprocess

    script = tmp_path_factory.mktemp("served") / "served.py"
    script.write_text(_SERVED)
    environment = os.environ | {"PREFECT_API_URL": prefect_api.api_url, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    with Path(os.devnull).open("w") as quiet:
        process = subprocess.Popen([sys.executable, str(script)], env=environment, stdout=quiet, stderr=quiet)
    try:
        asyncio.run(_until_deployed("triple/test"))
        yield "triple/test"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _until_deployed(name: str) -> None:
    from prefect.exceptions import ObjectNotFound

    async with asyncio.timeout(60), get_client() as client:
        while True:
            try:
                await client.read_deployment_by_name(name)
            except ObjectNotFound:
                await asyncio.sleep(0.3)
            else:
                return


def _deploy(name: str, n: int) -> Program:
    remote = an_agent("remote", executor={"kind": "deployment", "name": name})
    return a_program(a_task("a", inputs={"n": n}), agents=(remote,))


async def _run(workbench: Workbench, program: Program):
    tools = make_executor_context(workbench.settings)
    return await workbench.run(program, executors(program, tools, rehearse=None, model=None))


async def test_a_deployment_is_run_and_its_result_is_taken(workbench: Workbench, served: str):
    run = await _run(workbench, _deploy(served, 14))
    assert run.state == "completed", run.tasks
    assert run.tasks[0].result["result"] == {"thrice": 42}


async def test_a_deployment_whose_run_fails_fails_the_leaf(workbench: Workbench, served: str):
    run = await _run(workbench, _deploy(served, -1))
    assert run.tasks[0].state == "failed"
    assert "ended Failed" in run.tasks[0].error.message


async def test_a_deployment_that_does_not_exist_is_named(workbench: Workbench):
    run = await _run(workbench, _deploy("no/where", 1))
    assert run.tasks[0].state == "failed"
    assert "'no/where'" in run.tasks[0].error.message
    assert run.tasks[0].error.code == TaskError.code
