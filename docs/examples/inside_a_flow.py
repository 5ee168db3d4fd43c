"""A Prefect flow of your own that runs a program: its leaves are task runs of this flow, beside your own tasks."""

import asyncio

from prefect import flow, task

import genesis

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
def folders() -> list[str]:
    """Say which folders to look at."""
    return ["docs", "genesis"]


@flow
async def disk_report() -> dict[str, str]:
    """Measure several folders side by side."""
    work = {"type": "disk_use", "description": "Measure a folder", "outputs": ["stdout"]}
    tasks = [{**work, "id": name, "inputs": {"folder": name}} for name in folders()]
    registry = genesis.load_registry(AGENTS)
    plan = genesis.load_plan({"version": 1, "request": "Measure the folders", "tasks": tasks})
    run = await genesis.run(genesis.compile_program(genesis.route(plan, registry), registry))
    return {task.id: task.result["stdout"] if isinstance(task.result, dict) else task.state for task in run.tasks}


if __name__ == "__main__":
    print(asyncio.run(disk_report()))
