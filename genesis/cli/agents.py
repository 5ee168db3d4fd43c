"""`genesis agents`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from genesis.cli.options import agents_option, debug_option, json_option, load_settings
from genesis.cli.output import console, print_document

__all__ = ["agents"]


@click.group(invoke_without_command=True, epilog="Example: genesis agents check --agents agents.yaml")
@agents_option
@json_option
@debug_option
@click.pass_context
def agents(ctx: click.Context, agents: Path | None, as_json: bool) -> None:
    """List the agents of the registry."""
    if ctx.invoked_subcommand is not None:
        ctx.obj = agents
        return
    from rich.text import Text

    from genesis.cli.planning import load_agents
    from genesis.cli.rows import Rows

    registry = load_agents(agents, load_settings())
    if as_json:
        print_document(registry.model_dump(mode="json", exclude_none=True, by_alias=True))
        return
    table = Rows(
        ("agent", "success", "at once", "pool", "task types and skills"),
        right=("success", "at once"),
        named=("success", "at once", "pool"),
    )
    for agent in registry.agents:
        able = Text(", ".join(agent.task_types))
        if agent.skills:
            able.append(f"\nskills: {', '.join(agent.skills)}", style="dim")
        name = Text(agent.name, style="bold")
        table.add(name, f"{agent.success_rate:.2f}", str(agent.max_concurrency), agent.pool_name, able)
    console().print(table)


@agents.command(epilog="Example: genesis agents check --agents agents.yaml")
@agents_option
@json_option
@debug_option
@click.pass_obj
def check(parent: Path | None, agents: Path | None, as_json: bool) -> int:
    """Check an agents file: that it can be read, and that its executors can be used here."""
    from rich.text import Text

    from genesis.agents import LocalProbe
    from genesis.cli.planning import load_agents
    from genesis.execute.equipment import equipment

    settings = load_settings()
    registry = load_agents(agents or parent, settings)
    if agents or parent:  # where a run finds the team's own modules too
        sys.path.append(str((agents or parent or Path()).resolve().parent))
    probe = LocalProbe(equipment(settings))
    problems = []
    for agent in registry.agents:
        specs = {"": agent.executor_for("", model=settings.llm.model), **agent.executors}
        for task_type, spec in specs.items():
            problem = probe.executor_problem(spec, agent)
            if problem:
                problems.append({"agent": agent.name, "task_type": task_type or None, "problem": problem})
        problems += [
            {"agent": agent.name, "task_type": None, "problem": f"the secret {name!r} is missing"}
            for name in agent.secrets
            if not probe.secret_present(name)
        ]
    if as_json:
        print_document({"ok": not problems, "agents": len(registry.agents), "problems": problems})
        return 1 if problems else 0
    for found in problems:
        place = f" for {found['task_type']!r}" if found["task_type"] else ""
        console().print(Text.assemble((str(found["agent"]), "red"), f"{place}: {found['problem']}"))
    console().print(f"{len(registry.agents)} agents, {len(registry.rules)} rules, {len(problems)} problems")
    return 1 if problems else 0
