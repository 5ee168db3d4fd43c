"""`genesis agents`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genesis.cli.options import agents_option, debug_option, json_option, load_settings
from genesis.cli.output import console, print_document
from genesis.errors import UsageError

if TYPE_CHECKING:
    from genesis.model import AgentProfile, Registry
    from genesis.resilience.breakers import SharedBreaker

__all__ = ["agents"]


@click.group(invoke_without_command=True, epilog="Example: genesis agents check --agents agents.yaml")
@agents_option
@json_option
@debug_option
@click.pass_context
def agents(ctx: click.Context, agents: Path | None, as_json: bool) -> None:
    """List the agents of the registry, and where each comes from."""
    if ctx.invoked_subcommand is not None:
        ctx.obj = agents
        return
    from rich.text import Text

    from genesis.cli.planning import load_agents_with_sources
    from genesis.cli.rows import Rows

    loaded = load_agents_with_sources(agents, load_settings())
    registry, sources = loaded.registry, loaded.sources
    if as_json:
        named = tuple(agent.model_copy(update={"source": sources[agent.name]}) for agent in registry.agents)
        document = registry.model_copy(update={"agents": named})
        print_document(document.model_dump(mode="json", exclude_none=True, by_alias=True))
        return
    table = Rows(
        ("agent", "success", "at once", "pool", "from", "task types and skills"),
        right=("success", "at once"),
        named=("success", "at once", "pool", "from"),
    )
    for agent in registry.agents:
        able = Text(", ".join(agent.task_types))
        if agent.skills:
            able.append(f"\nskills: {', '.join(agent.skills)}", style="dim")
        name = Text(agent.name, style="bold")
        success, at_once = f"{agent.success_rate:.2f}", str(agent.max_concurrency)
        table.add(name, success, at_once, agent.pool_name, sources[agent.name], able)
    console().print(table)


@agents.command(epilog="Example: genesis agents check --agents agents.yaml")
@agents_option
@json_option
@debug_option
@click.pass_obj
def check(parent: Path | None, agents: Path | None, as_json: bool) -> int:
    """Check that an agents file can be read and that its executors can be used on this machine."""
    from rich.text import Text

    from genesis.agents import LocalProbe
    from genesis.cli.planning import load_agents
    from genesis.engine.executor_context import make_executor_context

    settings = load_settings()
    source = agents or parent or (None if settings.project is None else settings.agents)
    registry = load_agents(source, settings)
    if source is not None:  # where a run finds the team's modules too
        sys.path.append(str(source.resolve().parent))
    probe = LocalProbe(make_executor_context(settings))
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


@agents.command(epilog="Example: genesis agents reset etl_agent")
@click.argument("names", metavar="NAME ...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Close every shared breaker.")
@agents_option
@json_option
@debug_option
@click.pass_obj
def reset(parent: Path | None, names: tuple[str, ...], every: bool, agents: Path | None, as_json: bool) -> None:
    """Close the circuit breakers of repaired agents, and of the hosts and models that they use.

    NAME is an agent, a host or the address of a model, of any project. If it still fails, its breaker opens again.
    """
    from genesis.cli.planning import load_agents
    from genesis.resilience.breakers import list_shared_breakers, reset_breakers, rules_of, store_of

    if bool(names) == every:
        raise UsageError("agents reset needs names, or --all", hint="genesis doctor lists the breakers that are open")
    settings = load_settings()
    resilience, registry = settings.resilience, load_agents(agents or parent, settings)
    store, rules = store_of(resilience, settings.home), rules_of(resilience)
    found = [] if store is None else list_shared_breakers(store, rules)
    meant = set() if every else _resolve_breakers(names, registry, found)
    wanted = [each for each in found if every or (each.kind, each.name) in meant]
    changed = [each for each in wanted if each.machine.state != "closed"]
    if store is not None:
        reset_breakers(store, rules, wanted)
    if as_json:
        shapes = [{"kind": each.kind, "name": each.name, "was": each.machine.state} for each in changed]
        print_document({"reset": shapes, "share": resilience.share})
        return
    for each in changed:
        was = each.machine.state.replace("_", " ")
        console().print(f"{each.kind} {each.name}: closed, was {was}: {each.machine.reason}", markup=False)
    if not changed:
        only = "; those of one process are not shared (GENESIS_RESILIENCE__SHARE=memory)" if store is None else ""
        console().print(f"None of these breakers was open{only}.", markup=False)


def _resolve_breakers(names: Iterable[str], registry: Registry, found: Iterable[SharedBreaker]) -> set[tuple[str, str]]:
    """Return the kind and name of each breaker that the given names stand for.

    Raises:
        UsageError: Neither the registry nor a breaker has one of these names.
    """
    from genesis.document import close_matches

    profiles = {agent.name: agent for agent in registry.agents}
    there = [(each.kind, each.name) for each in found]
    known = {*profiles, *(name for _, name in there)}
    meant: set[tuple[str, str]] = set()
    for name in names:
        if name not in known:
            guess = close_matches(name, sorted(known)) or "genesis agents lists the agents; --agents names their file"
            raise UsageError(f"there is no agent, host or model {name!r}", hint=guess)
        meant |= {(kind, each) for kind, each in there if each == name}
        if name in profiles:
            meant |= _services(profiles[name])
    return meant


def _services(agent: AgentProfile) -> set[tuple[str, str]]:
    """Return the hosts and models that an agent calls."""
    from genesis.llm import endpoint_of, parse_model_name
    from genesis.model import HttpSpec, LlmSpec
    from genesis.resilience.guards import host_of

    llm = load_settings().llm
    found: set[tuple[str, str]] = set()
    for spec in (agent.executor_for("", model=llm.model), *agent.executors.values()):
        if isinstance(spec, HttpSpec):
            found.add(("host", host_of(spec.url)))
        elif isinstance(spec, LlmSpec) and (model := spec.model or llm.model):
            found.add(("model", endpoint_of(llm, parse_model_name(model))))
    return found
