"""Compile a routed plan into the program that runs."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from genesis.compile.fingerprint import Fingerprints
from genesis.compile.flatten import Flat, flatten
from genesis.compile.rules import Rules, compile_rules
from genesis.errors import PlanInvalidError
from genesis.model import AgentProfile, Leaf, Plan, Program, Registry, RoutedPlan, Task
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
    junctions,
    missing_parameters,
    outline,
    plan_values,
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
    plan = routed.plan
    tree = outline(plan)
    flow = dataflow(plan, tree)
    conditions = find_conditions(plan, tree)
    _refuse_broken(plan, tree, flow, conditions)
    try:
        flat = flatten(tree, junctions(tree, flow.edges()))
    except ValueError as error:
        raise _invalid("the plan has a cycle") from error
    number = {leaf: index for index, leaf in enumerate(tree.leaves)}
    rules = compile_rules(tree, flow, conditions)
    agents = _agents(routed, registry, tree)
    values = plan_values(plan)
    prints = _fingerprints(values, tree, flow, flat, agents)
    groups = [tuple(number[leaf] for leaf in group) for group in flat.groups]
    leaves = []
    for index, (leaf, agent) in enumerate(zip(tree.leaves, agents, strict=True)):
        sources = {reference: number[source] for reference, source in flow.sources.get(leaf, {}).items()}
        escaped, keys = flow.escaped.get(leaf, ()), flow.keys.get(leaf, {})
        node = tree.nodes[leaf]
        retries = _retries(node.task, plan)
        description = fill_text(node.task.description, values)
        place = _Place(index, groups[flat.after[leaf]], sources, keys, escaped, prints[leaf], retries, description)
        made = _leaf(place, node, agent, default_seconds, _fallbacks(node.task, routed, node.path))
        leaves.append(_with_rule(made, leaf, rules))
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
    )


def _invalid(message: str) -> PlanInvalidError:
    return PlanInvalidError(message, hint="run `genesis validate` on the plan to see all errors")


def _with_rule(leaf: Leaf, node: int, rules: Rules) -> Leaf:
    """Add what a plan with rules says of a leaf; in others, a leaf starts once all before it have succeeded."""
    if node not in rules.of_leaf:
        return leaf
    update = {
        "rule": rules.of_leaf[node],
        "allow_failure": node in rules.allowed,
        "goes_by_ends": node in rules.by_ends,
        "always": node in rules.always,
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
    if flow.missing:
        missing = flow.missing[0]
        path = tree.nodes[missing.node].path
        raise _invalid(f"task {path!r} uses {{{missing.reference}}}, but {missing.reason}")
    if conditions.faults:
        wrong = conditions.faults[0]
        raise _invalid(f"the `when` of task {tree.nodes[wrong.node].path!r}: {wrong.reason}")


def _agents(routed: RoutedPlan, registry: Registry, tree: Outline) -> list[AgentProfile]:
    known = {agent.name: agent for agent in registry.agents}
    found: list[AgentProfile] = []
    for node in tree.leaf_nodes():
        route = routed.routes.get(node.path)
        if route is None or route.agent is None:
            reason = route.reason if route else "it was not routed"
            raise _invalid(f"no agent runs task {node.path!r}: {reason}")
        if route.agent not in known:
            raise _invalid(f"task {node.path!r} is routed to {route.agent!r}, which the registry does not have")
        found.append(known[route.agent])
    return found


def _fingerprints(
    values: dict[str, JsonValue], tree: Outline, flow: DataFlow, flat: Flat, agents: list[AgentProfile]
) -> dict[int, str]:
    """Fingerprint each leaf, after those that it comes after."""
    fingerprints = Fingerprints(values)
    agent_of = dict(zip(tree.leaves, agents, strict=True))
    prints: dict[int, str] = {}
    joint: dict[int, str] = {}
    for leaf in flat.order:
        group = flat.after[leaf]
        if group not in joint:
            joint[group] = fingerprints.joint(prints[source] for source in flat.groups[group])
        escaped = flow.escaped.get(leaf, ())
        prints[leaf] = fingerprints.leaf(tree.nodes[leaf].task, agent_of[leaf], joint[group], escaped)
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


def _fallbacks(task: Task, routed: RoutedPlan, path: str) -> tuple[str, ...]:
    """Return the fallback agents: none for a pinned agent, or where a repetition would do harm."""
    route = routed.routes.get(path)
    if route is None or task.agent is not None or task.side_effects:
        return ()
    return tuple(other.agent for other in route.alternatives)


def _retries(task: Task, plan: Plan) -> int:
    """Return a leaf's retries: its own, else the plan's, unless a repetition could do harm."""
    says_itself = task.retry is not None or "retries" in task.model_fields_set or task.side_effects
    return count_retries(task) if says_itself else plan.retries or 0


def _leaf(place: _Place, node: Node, agent: AgentProfile, default_seconds: float, fallbacks: tuple[str, ...]) -> Leaf:
    task = node.task
    return Leaf(
        index=place.index,
        path=node.path,
        agent=agent.name,
        fallbacks=fallbacks,
        after=place.after,
        type=task.type,
        description=place.description,
        inputs=task.inputs,
        literal_inputs=task.literal_inputs,
        sources=place.sources,
        keys=place.keys,
        escaped=place.escaped,
        outputs=tuple(task.outputs),
        fingerprint=place.fingerprint,
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
    )
