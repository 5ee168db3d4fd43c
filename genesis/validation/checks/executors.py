"""Whether the executors of the leaves can be used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pydantic import JsonValue

from genesis.model import HttpSpec, PythonSpec
from genesis.structure import Node, fill, references
from genesis.structure.provenance import find_sources
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = [
    "approval_unavailable",
    "executor_unavailable",
    "executor_unusable",
    "input_refused",
    "input_untrusted",
    "sandbox_missing",
    "secret_missing",
    "secret_undeclared",
    "work_orders",
]

_UNAVAILABLE = frozenset({"a2a"})
"""Kinds that documents may name and this version cannot run."""
_SECRET = re.compile(r"\{secret:([^{}]+)\}")


@check(
    "GEN-APPROVAL-UNAVAILABLE",
    "error",
    finds="a task that needs an approval, which this version does not support",
    remedy="remove `approval`, and run the task separately after a review of the tasks before it",
)
def approval_unavailable(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find tasks that would have to wait for a person."""
    if "approval" not in facts.given:
        return
    for node in facts.outline.nodes:
        if node.task.approval:
            yield CheckFinding(node.index, f"task {node.path!r} needs an approval; approvals are not available yet")


@check(
    "GEN-EXECUTOR-UNAVAILABLE",
    "error",
    finds="an agent whose kind of executor this version cannot run",
    remedy="give the agent an executor of another kind, for example http",
)
def executor_unavailable(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find executor kinds that are documented and not there yet."""
    for node, agent, spec in facts.executors:
        if spec.kind in _UNAVAILABLE:
            yield CheckFinding(
                node.index,
                f"agent {agent.name!r}, which runs task {node.path!r}, has an executor of kind {spec.kind!r}; "
                "that kind is not available yet",
                evidence={"agent": agent.name, "kind": spec.kind},
            )


@check(
    "GEN-EXECUTOR-UNUSABLE",
    "error",
    finds="an executor that cannot be used on this machine, with the reason",
    remedy="install or configure what is missing, or route the task to another agent",
)
def executor_unusable(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Check each executor in use once."""
    if facts.probe is None:
        return
    elsewhere = _find_elsewhere(facts)
    for node, agent, spec in facts.executors:
        if spec.kind in _UNAVAILABLE or id(spec) in elsewhere:
            continue
        problem = facts.probe.executor_problem(spec, agent)
        if problem:
            message = f"agent {agent.name!r} cannot run task {node.path!r}: {problem}"
            evidence = {"agent": agent.name, "kind": spec.kind, "problem": problem}
            yield CheckFinding(node.index, message, evidence={**evidence})


def _find_elsewhere(facts: PlanFacts) -> set[int]:
    """Find, by identity, the executors all of whose tasks run in environments of their own: this one may lack them."""
    if "runs_in" not in facts.given:
        return set()
    own: dict[bool, set[int]] = {True: set(), False: set()}
    for node, agent in facts.assigned:
        own[node.task.runs_in is not None].add(id(facts.spec(node, agent)))
    return own[True] - own[False]


@check(
    "GEN-SANDBOX-MISSING",
    "info",
    finds="programs that run without the sandbox that their agent prefers, since this machine has none",
    remedy="install bubblewrap, or set the agent's `sandbox` to `off` if its programs are trusted",
)
def sandbox_missing(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Say once what the machine lacks, with the agents concerned; where a sandbox is required it is an error."""
    if facts.probe is None:
        return
    concerned: dict[str, list[tuple[Node, str]]] = {}
    for node, agent, spec in facts.executors:
        if agent.sandbox.mode == "preferred" and (gap := facts.probe.sandbox_gap(spec, agent)):
            concerned.setdefault(gap, []).append((node, agent.name))
    for gap, found in concerned.items():
        names = sorted({name for _, name in found})
        message = f"{gap}; programs of {', '.join(map(repr, names[:5]))} run with the rights of this process"
        yield CheckFinding(found[0][0].index, message, evidence={"agents": [*names], "missing": gap})


@check(
    "GEN-INPUT-REFUSED",
    "error",
    finds="an input that the agent's own check refuses on this machine, such as a folder that does not exist",
    remedy="correct the input, for example with --var",
)
def input_refused(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Call executors' input checks with the inputs known before the run; report each problem once."""
    if facts.probe is None:
        return
    asked: dict[tuple[str, str], str | None] = {}
    refused: dict[str, list[Node]] = {}
    for node, agent in facts.assigned:
        spec = facts.spec(node, agent)
        if not isinstance(spec, PythonSpec) or spec.check is None:
            continue
        inputs = _fill_variables(facts, node)
        key = (spec.check, json.dumps(inputs, sort_keys=True, default=str))
        if key not in asked:
            asked[key] = facts.probe.input_problem(spec, inputs)
        if problem := asked[key]:
            refused.setdefault(problem, []).append(node)
    for problem, nodes in refused.items():
        more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
        tasks = [node.path for node in nodes[:50]]
        yield CheckFinding(nodes[0].index, f"task {nodes[0].path!r}{more}: {problem}", evidence={"tasks": [*tasks]})


@check(
    "GEN-INPUT-UNTRUSTED",
    "error",
    finds="an input that executes, writes or reads something, and comes from a model, the request's words or a service",
    remedy="set it yourself, with --var or in a plan file, or name a folder within the current one",
)
def input_untrusted(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find labelled inputs of other sources than a person; those that wait for a result are checked at run time."""
    if facts.probe is None or (facts.plan.planner == "file" and not facts.routed.added):
        return
    for node, agent in facts.assigned:
        task = node.task
        produced = facts.flow.sources.get(node.index, {})
        sources = find_sources(facts.routed, node.path, task.inputs, task.literal_inputs, produced)
        if not sources:
            continue
        spec, values = facts.spec(node, agent), _fill_variables(facts, node)
        if problem := facts.probe.untrusted_problem(spec, facts.routed, values, sources):
            yield CheckFinding(node.index, f"task {node.path!r}: {problem}", evidence={"agent": agent.name})


def _fill_variables(facts: PlanFacts, node: Node) -> dict[str, JsonValue]:
    """Fill in variables and parameters; an input that waits for another task's result is left out."""
    values, awaited = facts.values, facts.flow.sources.get(node.index, {})
    escaped = facts.flow.escaped.get(node.index, ())
    return {
        name: value
        if name in node.task.literal_inputs
        else fill(value, lambda found: found in values or found in escaped, values.__getitem__)
        for name, value in node.task.inputs.items()
        if name in node.task.literal_inputs or awaited.keys().isdisjoint(references(value))
    }


@check(
    "GEN-SECRET-MISSING",
    "error",
    finds="a secret of an agent in use that cannot be read",
    remedy="set an environment variable of this name",
)
def secret_missing(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Check each secret of each agent in use once."""
    if facts.probe is None:
        return
    present: dict[str, bool] = {}
    seen: set[str] = set()
    for node, agent in facts.assigned:
        if not agent.secrets or agent.name in seen:
            continue
        seen.add(agent.name)
        for name in dict.fromkeys(agent.secrets):
            if name not in present:
                present[name] = facts.probe.secret_present(name)
            if not present[name]:
                message = f"agent {agent.name!r}, which runs task {node.path!r}, needs the secret {name!r}"
                yield CheckFinding(node.index, message, evidence={"agent": agent.name, "secret": name})


@check(
    "GEN-SECRET-UNDECLARED",
    "error",
    finds="an http executor whose headers use a secret that its agent does not list",
    remedy="add the name to the agent's `secrets`",
)
def secret_undeclared(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find `{secret:NAME}` of secrets that the agent does not list."""
    for node, agent, spec in facts.executors:
        if not isinstance(spec, HttpSpec):
            continue
        used = dict.fromkeys(name for value in spec.headers.values() for name in _SECRET.findall(value))
        for name in used:
            if name not in agent.secrets:
                message = f"the headers of agent {agent.name!r} use the secret {name!r}, which it does not list"
                yield CheckFinding(node.index, message, evidence={"agent": agent.name, "secret": name})


@check(
    "GEN-WORK-ORDERS",
    "info",
    finds="leaves that end as a work order for a person",
    remedy="to run them without people, configure a model or set an executor for their agents",
)
def work_orders(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Count the leaves that become work orders, as one finding."""
    if all(spec.kind != "brief" for _, _, spec in facts.executors):
        return
    briefs = [node.path for node, agent in facts.assigned if facts.kind(node, agent) == "brief"]
    message = f"{len(briefs)} of {len(facts.leaves)} leaves become work orders for people: {', '.join(briefs[:3])}"
    yield CheckFinding(None, message + (" …" if len(briefs) > 3 else ""), evidence={"tasks": [*briefs[:50]]})  # noqa: PLR2004
