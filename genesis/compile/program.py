"""Compile a routed plan into the program that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from genesis.compile.expand import expand_written
from genesis.compile.fingerprint import Fingerprints
from genesis.compile.flatten import Flat, flatten
from genesis.compile.rules import Rules, compile_rules
from genesis.errors import PlanInvalidError
from genesis.model import (
    AgentProfile,
    ExpandedTask,
    FileSource,
    Leaf,
    Plan,
    Program,
    Registry,
    RoutedPlan,
    Task,
    TaskCopy,
)
from genesis.model.resources import find_lacking
from genesis.structure import (
    Conditions,
    DataFlow,
    Node,
    Outline,
    count_retries,
    dataflow,
    estimate_seconds,
    estimate_tokens,
    estimate_usd,
    fill_text,
    find_conditions,
    get_known_seconds,
    get_known_usd,
    is_unread,
    junctions,
    missing_parameters,
    outline,
    plan_values,
    read_wait_time,
)

__all__ = ["compile_program"]


def compile_program(routed: RoutedPlan, registry: Registry, *, default_seconds: float = 1.0) -> Program:
    """Compile a routed plan.

    Args:
        routed: A plan that validation finds no error in.
        registry: The registry that it was routed with.
        default_seconds: Duration of a leaf without an estimate.

    Raises:
        PlanInvalidError: The plan has a cycle, an unknown name, a duplicate path, an input that nothing produces, a
            `when` without a meaning, or a leaf without an agent. Validate it first to see all of its faults.
    """
    routed = expand_written(routed)
    plan = routed.plan
    tree = outline(plan, as_run=True)
    flow = dataflow(plan, tree)
    conditions = find_conditions(plan, tree)
    _refuse_broken(plan, tree, flow, conditions)
    try:
        flat = flatten(tree, junctions(tree, flow.edges()))
    except ValueError as error:
        raise _invalid("the plan has a cycle") from error
    rounds = _list_rounds(routed, tree)
    order = sorted(flat.after, key=lambda leaf: (rounds[leaf], leaf))
    number = {leaf: index for index, leaf in enumerate(order)}
    added = {node.index: max(rounds[node.index], routed.added.get(node.path, 0)) for node in tree.nodes}
    rules = compile_rules(tree, flow, conditions, number, added)
    known = {agent.name: agent for agent in registry.agents}
    agents = _agents(routed, known, tree)
    values = plan_values(plan)
    prints = _fingerprints(values, tree, flow, flat, agents)
    groups = [tuple(number[leaf] for leaf in group) for group in flat.groups]
    parallel, in_copies = _limit_copies(tree)
    priorities = _priorities(tree)
    leaves = []
    for index, leaf in enumerate(order):
        sources = {reference: number[source] for reference, source in flow.sources.get(leaf, {}).items()}
        escaped, keys, items = flow.escaped.get(leaf, ()), flow.keys.get(leaf, {}), flow.items.get(leaf, {})
        node, after, agent = tree.nodes[leaf], groups[flat.after[leaf]], agents.get(leaf)
        retries = _retries(node.task, plan)
        description = node.task.description  # of a copy it was filled when that was made
        if node.task.for_each is not None or leaf not in tree.scopes:
            description = fill_text(description, values)
        own = prints[leaf]
        copies, priority = in_copies.get(leaf, ()), priorities.get(leaf, 0)
        files = {
            path: FileSource(leaf=number[origin.producer], output=origin.output)
            for path, origin in flow.files.get(leaf, {}).items()
        }
        place = _Place(index, after, sources, keys, escaped, own, retries, description, items, copies, files, priority)
        if node.task.for_each is not None:
            made = _gathering_leaf(place, node, routed, known, default_seconds)
        elif agent is None:
            made = _waiting_leaf(place, node, values, default_seconds)
        else:
            made = _leaf(place, node, agent, default_seconds, _fallbacks(node.task, routed, node.path, known))
        leaves.append(_with_rule(made, leaf, rules, place))
    used = {leaf.agent for leaf in leaves}
    return Program(
        request=plan.request,
        leaves=tuple(leaves),
        agents={agent.name: agent for agent in registry.agents if agent.name in used},
        registry=registry,
        vars=plan.vars,
        params={name: values[name] for name in plan.params},
        budget=plan.budget,
        deadline_s=plan.deadline_s,
        gates=rules.gates,
        source=routed,
        parallel=parallel,
    )


def _invalid(message: str) -> PlanInvalidError:
    return PlanInvalidError(message, hint="run `genesis validate` on the plan to see all errors")


def _with_rule(leaf: Leaf, node: int, rules: Rules, place: _Place) -> Leaf:
    """Add what a plan with rules says of a leaf; in others, a leaf starts once all before it have succeeded."""
    if node not in rules.of_leaf:
        return leaf
    update = {
        "rule": rules.of_leaf[node],
        "allow_failure": node in rules.allowed,
        "goes_by_ends": node in rules.by_ends,
        "always": node in rules.always,
        "items": place.items,
        "in_copies": place.in_copies,
    }
    return leaf.model_copy(update=update)


def _refuse_broken(plan: Plan, tree: Outline, flow: DataFlow, conditions: Conditions) -> None:
    if names := missing_parameters(plan):
        raise _invalid(f"the parameter {names[0]!r} has no value")
    if tree.duplicates:
        raise _invalid(f"two tasks have the path {tree.nodes[tree.duplicates[0]].path!r}")
    if tree.unresolved:
        fault = tree.unresolved[0]
        raise _invalid(f"task {tree.nodes[fault.node].path!r} depends on {fault.name!r}, which does not exist")
    if unread := [node for node in tree.leaf_nodes() if is_unread(node.task)]:
        raise _invalid(f"task {unread[0].path!r} uses the plan file {unread[0].task.use!r}, which was not read")
    if flow.missing:
        missing = flow.missing[0]
        path = tree.nodes[missing.node].path
        raise _invalid(f"task {path!r} uses {{{missing.reference}}}, but {missing.reason}")
    if flow.missing_files:
        lacking = flow.missing_files[0]
        path = tree.nodes[lacking.node].path
        raise _invalid(f"task {path!r} asks for the file {{{lacking.reference}}}, but {lacking.reason}")
    if conditions.faults:
        wrong = conditions.faults[0]
        raise _invalid(f"the `when` of task {tree.nodes[wrong.node].path!r}: {wrong.reason}")


def _list_rounds(routed: RoutedPlan, tree: Outline) -> list[int]:
    """List for each node the amendment that added it, 0 for what was there; leaves keep their numbers by it."""
    rounds = [0] * len(tree.nodes)
    for node in tree.nodes if routed.added else ():
        if node.parent >= 0:
            above = tree.nodes[node.parent].path
            rounds[node.index] = max(rounds[node.parent], routed.added.get(above, 0))
    return rounds


def _limit_copies(tree: Outline) -> tuple[dict[str, int], dict[int, tuple[str, ...]]]:
    """Return how many copies of which tasks may run at once, and for each leaf the copies that this concerns."""
    parallel = {
        node.path: node.task.max_parallel
        for node in tree.nodes
        if node.task.max_parallel is not None and isinstance(node.task, ExpandedTask)
    }
    in_copies: dict[int, tuple[str, ...]] = {}
    if parallel:
        for node in tree.nodes:
            around = in_copies.get(node.parent, ())
            is_copy = isinstance(node.task, TaskCopy) and tree.nodes[node.parent].path in parallel
            if is_copy or around:
                in_copies[node.index] = (*around, node.path) if is_copy else around
    return parallel, in_copies


def _priorities(tree: Outline) -> dict[int, int]:
    """Return the priority of each task that has one, or stands in a composite that has one."""
    found: dict[int, int] = {}
    for node in tree.nodes:  # composites come before what is in them
        own = node.task.priority
        if own is not None or node.parent in found:
            found[node.index] = found[node.parent] if own is None else own
    return found


def _agents(routed: RoutedPlan, known: Mapping[str, AgentProfile], tree: Outline) -> dict[int, AgentProfile]:
    """Find the agents of all leaves that work; a `for_each` task itself has none, and one that waits neither."""
    found: dict[int, AgentProfile] = {}
    for node in tree.leaf_nodes():
        if node.task.for_each is not None or node.task.wait_for is not None:
            continue
        route = routed.routes.get(node.path)
        if route is None or route.agent is None:
            reason = route.reason if route else "it was not routed"
            raise _invalid(f"no agent runs task {node.path!r}: {reason}")
        if route.agent not in known:
            raise _invalid(f"task {node.path!r} is routed to {route.agent!r}, which the registry does not have")
        found[node.index] = known[route.agent]
    return found


def _fingerprints(
    values: dict[str, JsonValue], tree: Outline, flow: DataFlow, flat: Flat, agents: dict[int, AgentProfile]
) -> dict[int, str]:
    """Fingerprint each leaf, after those that it comes after."""
    fingerprints = Fingerprints(values)
    prints: dict[int, str] = {}
    joint: dict[int, str] = {}
    for leaf in flat.order:
        group = flat.after[leaf]
        if group not in joint:
            joint[group] = fingerprints.joint(prints[source] for source in flat.groups[group])
        task, agent = tree.nodes[leaf].task, agents.get(leaf)
        if task.for_each is not None:
            prints[leaf] = fingerprints.gathering(task, joint[group])
        elif agent is None:
            prints[leaf] = fingerprints.waiting(task, joint[group], flow.items.get(leaf, {}))
        else:
            escaped, items = flow.escaped.get(leaf, ()), flow.items.get(leaf)
            is_filled = leaf in tree.scopes
            prints[leaf] = fingerprints.leaf(task, agent, joint[group], escaped, items, is_filled=is_filled)
    return prints


@dataclass(frozen=True, slots=True)
class _Place:
    """A leaf's position and its shared data."""

    index: int
    after: tuple[int, ...]
    sources: dict[str, int]
    keys: dict[str, str]
    escaped: tuple[str, ...]
    fingerprint: str
    retries: int
    description: str
    items: dict[str, JsonValue]
    in_copies: tuple[str, ...]
    files_in: dict[str, FileSource]
    priority: int


def _fallbacks(task: Task, routed: RoutedPlan, path: str, known: Mapping[str, AgentProfile]) -> tuple[str, ...]:
    """Return the fallback agents that have what the task needs.

    There are none for a pinned agent, or where a repetition would do harm.
    """
    route = routed.routes.get(path)
    if route is None or task.agent is not None or task.side_effects:
        return ()
    names = tuple(other.agent for other in route.alternatives)
    if task.resources is None:
        return names
    return tuple(name for name in names if name in known and not find_lacking(task.resources, known[name].resources))


def _retries(task: Task, plan: Plan) -> int:
    """Return a leaf's retries: its own, else the plan's, unless a repetition could do harm."""
    says_itself = task.retry is not None or "retries" in task.model_fields_set or task.side_effects
    return count_retries(task) if says_itself else plan.retries or 0


def _shared_fields(place: _Place, node: Node) -> dict[str, Any]:
    """Return what leaves of every kind take from their task and their place."""
    return {
        "index": place.index,
        "path": node.path,
        "after": place.after,
        "type": node.task.type,
        "description": place.description,
        "outputs": tuple(node.task.outputs),
        "fingerprint": place.fingerprint,
    }


def _leaf(place: _Place, node: Node, agent: AgentProfile, default_seconds: float, fallbacks: tuple[str, ...]) -> Leaf:
    task = node.task
    return Leaf(
        **_shared_fields(place, node),
        agent=agent.name,
        fallbacks=fallbacks,
        inputs=task.inputs,
        literal_inputs=task.literal_inputs,
        sources=place.sources,
        keys=place.keys,
        escaped=place.escaped,
        seconds=estimate_seconds(task, default_seconds),
        seconds_known=get_known_seconds(task) is not None,
        usd=estimate_usd(task, agent),
        usd_known=get_known_usd(task, agent) is not None,
        tokens=estimate_tokens(task),
        timeout_s=task.timeout_s or agent.timeout_s,
        retries=place.retries,
        cache=task.cache,
        side_effects=task.side_effects,
        approval=task.approval,
        retry=task.retry,
        schemas=task.outputs if isinstance(task.outputs, dict) else {},
        env=task.env,
        files_in=place.files_in,
        files_out=dict(task.files.get("out", {})),
        resources=task.resources,
        mutex=task.mutex,
        priority=place.priority,
        runs_in=task.runs_in,
    )


def _gathering_leaf(
    place: _Place, node: Node, routed: RoutedPlan, known: Mapping[str, AgentProfile], default_seconds: float
) -> Leaf:
    """Make the leaf of a `for_each` task itself; before its list is known it has the estimates of one copy."""
    task = node.task
    is_open = not isinstance(task, ExpandedTask)
    copied = _list_leaf_tasks(task.template if isinstance(task, ExpandedTask) else task, node.path)
    works = [
        (leaf, known.get(route.agent or "") if (route := routed.routes.get(path)) else None)
        for path, leaf in (copied if is_open else ())
    ]
    return Leaf(
        **_shared_fields(place, node),
        agent="",
        sources=place.sources if is_open else {},
        keys=place.keys if is_open else {},
        seconds=sum(estimate_seconds(leaf, default_seconds) for leaf, _ in works),
        seconds_known=all(get_known_seconds(leaf) is not None for leaf, _ in works),
        usd=sum((estimate_usd(leaf, agent) for leaf, agent in works), Decimal(0)),
        usd_known=all(get_known_usd(leaf, agent) is not None for leaf, agent in works),
        tokens=sum(estimate_tokens(leaf) for leaf, _ in works),
        items=place.items,
        cache="none" if any(leaf.cache == "none" for _, leaf in copied) else "run",
        gathers=task.on_failure,
        for_each=task.for_each if is_open else None,
        in_copies=place.in_copies,
        priority=place.priority,
    )


def _waiting_leaf(place: _Place, node: Node, values: dict[str, JsonValue], default_seconds: float) -> Leaf:
    """Make a leaf that waits: without an agent, and free of charge."""
    task = node.task
    try:
        time = read_wait_time(task.wait_for, {**values, **place.items})
    except ValueError as error:
        raise _invalid(f"`wait_for` of task {node.path!r}: {error}") from error
    known_s = time if isinstance(time, float) else get_known_seconds(task)
    return Leaf(
        **_shared_fields(place, node),
        agent="",
        sources=place.sources,
        keys=place.keys,
        escaped=place.escaped,
        seconds=default_seconds if known_s is None else known_s,
        seconds_known=known_s is not None,
        usd=Decimal(0),
        tokens=0,
        timeout_s=task.timeout_s,
        cache=task.cache,
        schemas=task.outputs if isinstance(task.outputs, dict) else {},
        items=place.items,
        in_copies=place.in_copies,
        wait_for=task.wait_for,
    )


def _list_leaf_tasks(task: Task, path: str) -> list[tuple[str, Task]]:
    """List the leaves of a task as they are written, with their paths."""
    if not task.subtasks:
        return [(path, task)]
    return [leaf for child in task.subtasks for leaf in _list_leaf_tasks(child, f"{path}/{child.id}")]
