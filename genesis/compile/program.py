"""Compile a routed plan into the program that runs."""

from __future__ import annotations

from genesis.compile.fingerprint import leaf_fingerprint
from genesis.compile.flatten import leaf_order
from genesis.errors import PlanInvalidError
from genesis.graph import topological_order
from genesis.model import AgentProfile, Leaf, Program, Registry, RoutedPlan
from genesis.structure import (
    DataFlow,
    Node,
    Outline,
    dataflow,
    expected_seconds,
    expected_tokens,
    expected_usd,
    junctions,
    outline,
)

__all__ = ["compile_program"]


def compile_program(routed: RoutedPlan, registry: Registry, *, default_seconds: float = 1.0) -> Program:
    """Compile a routed plan.

    Args:
        routed: A plan that validation finds no error in.
        registry: The registry that it was routed with.
        default_seconds: Duration of a leaf without an estimate.

    Raises:
        PlanInvalidError: The plan has a cycle, an unknown name, a duplicate path, an input that nothing produces, or a
            leaf without an agent. Validate it first to see all of its faults.
    """
    plan = routed.plan
    tree = outline(plan)
    flow = dataflow(plan, tree)
    _refuse_broken(tree, flow)
    try:
        after = leaf_order(tree, junctions(tree, flow.edges()))
    except ValueError as error:
        raise _invalid("the plan has a cycle") from error
    number = {leaf: index for index, leaf in enumerate(tree.leaves)}
    links = _numbered(after, number)
    agents = _agents(routed, registry, tree)
    prints = _fingerprints(routed, tree, links, agents)
    sources = {
        node: {reference: number[source] for reference, source in found.items()} for node, found in flow.sources.items()
    }
    leaves = tuple(
        _leaf(index, tree.nodes[node], agent, default_seconds).model_copy(
            update={"after": links[index], "sources": sources.get(node, {}), "fingerprint": prints[index]}
        )
        for index, (node, agent) in enumerate(zip(tree.leaves, agents, strict=True))
    )
    used = {leaf.agent for leaf in leaves}
    return Program(
        request=plan.request,
        leaves=leaves,
        agents={agent.name: agent for agent in registry.agents if agent.name in used},
        registry=registry,
        vars=plan.vars,
        budget=plan.budget,
        deadline_s=plan.deadline_s,
        correlation_id=plan.correlation_id,
        source=routed,
    )


def _invalid(message: str) -> PlanInvalidError:
    return PlanInvalidError(message, hint="run `genesis validate` on the plan to see all of its faults")


def _refuse_broken(tree: Outline, flow: DataFlow) -> None:
    if tree.duplicates:
        raise _invalid(f"two tasks have the path {tree.nodes[tree.duplicates[0]].path!r}")
    if tree.unresolved:
        fault = tree.unresolved[0]
        raise _invalid(f"task {tree.nodes[fault.node].path!r} depends on {fault.name!r}, which does not exist")
    if flow.missing:
        missing = flow.missing[0]
        path = tree.nodes[missing.node].path
        raise _invalid(f"task {path!r} uses {{{missing.reference}}}, but {missing.reason}")


def _numbered(after: dict[int, tuple[int, ...]], number: dict[int, int]) -> list[tuple[int, ...]]:
    """Name leaves by their position among the leaves; equal tuples stay shared."""
    shared: dict[tuple[int, ...], tuple[int, ...]] = {}
    return [shared.setdefault(nodes, tuple(number[node] for node in nodes)) for nodes in after.values()]


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
    routed: RoutedPlan, tree: Outline, links: list[tuple[int, ...]], agents: list[AgentProfile]
) -> list[str]:
    prints = [""] * len(links)
    for index in topological_order(links) or ():
        task = tree.nodes[tree.leaves[index]].task
        upstream = [prints[source] for source in links[index]]
        prints[index] = leaf_fingerprint(task, agents[index], routed.plan.vars, upstream)
    return prints


def _leaf(index: int, node: Node, agent: AgentProfile, default_seconds: float) -> Leaf:
    task = node.task
    return Leaf(
        index=index,
        path=node.path,
        agent=agent.name,
        type=task.type,
        description=task.description,
        inputs=task.inputs,
        outputs=task.outputs,
        fingerprint="",
        seconds=expected_seconds(task, default_seconds),
        usd=expected_usd(task, agent),
        tokens=expected_tokens(task),
        timeout_s=task.timeout_s or agent.timeout_s,
        retries=task.retries,
        cache=task.cache,
        side_effects=task.side_effects,
        approval=task.approval,
    )
