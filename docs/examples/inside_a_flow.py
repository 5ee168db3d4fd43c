"""A Prefect flow of your own that runs a program: its leaves are task runs of this flow, beside your own tasks."""

import asyncio
from pathlib import Path

import prefect
from prefect import flow, task

import genesis
from genesis.flows.connection import prefect_api

AGENTS = {
    "agents": [
        {
            "name": "system_agent",
            "description": "Asks the operating system",
            "task_types": ["disk_use"],
            "success_rate": 0.99,
            "executor": {"kind": "command", "argv": ["du", "-sk", "--", "{folder}"]},
        }
    ]
}


@task
def folders() -> dict[str, Path]:
    """Describe which folders to look at."""
    return {"example": Path(__file__).parent, "prefect": Path(prefect.__file__).parent}


@flow
async def disk_report() -> dict[str, str]:
    """Measure several folders side by side."""
    work = {"type": "disk_use", "description": "Measure a folder", "outputs": ["stdout"]}
    tasks = [{**work, "id": name, "inputs": {"folder": str(path.resolve())}} for name, path in folders().items()]
    registry = genesis.load_registry(AGENTS)
    plan = genesis.load_plan({"version": 1, "request": "Measure the folders", "tasks": tasks})
    run = await genesis.run(genesis.compile_program(genesis.route(plan, registry), registry))
    return {task.id: task.result["stdout"] if isinstance(task.result, dict) else task.state for task in run.tasks}


if __name__ == "__main__":
    with prefect_api():  # the server that runs already, and not one for this call alone
        print(asyncio.run(disk_report()))
