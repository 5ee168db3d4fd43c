"""A function of this very script as an agent, and every stage called by hand."""

import asyncio

import genesis
from genesis.agents import with_agents

PLAN = {
    "version": 1,
    "request": "Greet Ada and Grace, then count the greetings",
    "tasks": [
        {"id": "ada", "type": "greet", "description": "Greet Ada", "inputs": {"name": "Ada"}, "outputs": ["greeting"]},
        {
            "id": "grace",
            "type": "greet",
            "description": "Greet Grace",
            "inputs": {"name": "Grace"},
            "outputs": ["greeting"],
        },
        {
            "id": "count",
            "type": "count_texts",
            "description": "Count the greetings",
            "inputs": {"texts": ["{ada.greeting}", "{grace.greeting}"]},
            "outputs": ["count"],
        },
    ],
}


@genesis.agent(task_types=["greet"], success_rate=0.99)
def greeter(name: str) -> str:
    """Greet people by their name."""
    return f"Hello, {name}!"  # the one promised output gets it


@genesis.agent(task_types=["count_texts"], success_rate=0.99)
async def counter(texts: list[str], work: genesis.Work) -> dict[str, int]:
    """Count texts; `work` is what is known of the attempt."""
    print(f"{work.path}: attempt {work.attempt}")
    return {"count": len(texts)}


async def main() -> genesis.Run:
    agents = [greeter, counter]
    registry = with_agents(genesis.load_registry(), agents)
    routed = genesis.route(genesis.load_plan(PLAN), registry)
    report = genesis.validate(routed, registry)
    if not report.ok:
        raise SystemExit("\n".join(found.message for found in report.errors))
    program = genesis.compile_program(routed, registry)
    print(f"predicted: {genesis.simulate(program, slots=4).makespan_s:g} s")
    # The functions are handed in, because those of a main script cannot be imported by name.
    run = await genesis.run(program, slots=4, functions=agents)
    print(run.state, {task.id: task.result for task in run.tasks})
    return run


if __name__ == "__main__":
    asyncio.run(main())
