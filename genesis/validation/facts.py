"""Facts about a routed plan, computed once and shared by all checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from pydantic import JsonValue

from genesis.document import close_matches
from genesis.graph import topological_order
from genesis.model import AgentProfile, ExecutorSpec, Plan, Registry, Route, RoutedPlan
from genesis.model.plan_reference import split_reference
from genesis.settings import Limits
from genesis.structure import (
    Conditions,
    Copies,
    DataFlow,
    Node,
    Outline,
    can_hold,
    count_copies,
    dataflow,
    estimate_seconds,
    estimate_usd,
    find_conditions,
    junctions,
    outline,
    plan_values,
    value_names,
)
from genesis.validation.delivery import Delivery, deliveries
from genesis.validation.never_run import find_never_run
from genesis.validation.phases import Phases
from genesis.validation.probe import Probe
from genesis.validation.reachability import filter_ordered_pairs
from genesis.validation.request import RequestClause, clauses
from genesis.validation.words import WordAnalyzer

__all__ = ["PlanFacts", "Schedule", "gather"]

_CANDIDATES = 400
"""Words among which a misspelt name is sought: difflib is slow."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Earliest end of each vertex of the order, with unlimited slots."""

    finish: list[float]
    """Seconds from the start to the end of each vertex."""
    level: list[int]
    """Leaves on the longest chain that ends at each vertex; leaves of one level never wait for each other."""


@dataclass(frozen=True)
class PlanFacts:
    """A routed plan, its registry, and what follows from both.

    Lists named `…_of` are indexed by the outline's nodes.
    """

    routed: RoutedPlan
    plan: Plan
    registry: Registry
    limits: Limits
    slots: int
    """Maximum number of concurrent leaves."""
    planned: bool
    """Whether a planner made the plan, and not a person."""
    default_seconds: float
    """Duration of a leaf without an estimate."""
    model: str | None
    """The run's language model, for agents without an executor."""
    probe: Probe | None
    outline: Outline
    flow: DataFlow
    agents: dict[str, AgentProfile]
    """First agent of each name."""
    routes: dict[str, Route]
    route_of: list[Route | None]
    agent_of: list[AgentProfile | None]
    """The agent of each leaf; None for a composite, an unassigned leaf and an unknown agent."""

    @cached_property
    def given(self) -> frozenset[str]:
        """The fields that some task of the plan sets; a check of a field that none sets has nothing to look at."""
        return frozenset().union(*[node.task.model_fields_set for node in self.outline.nodes])

    @cached_property
    def conditions(self) -> Conditions:
        """The `when` of every task that has one."""
        return find_conditions(self.plan, self.outline) if "when" in self.given else Conditions({}, ())

    @cached_property
    def names(self) -> dict[str, None]:
        """The names of the plan's variables and parameters."""
        return value_names(self.plan)

    @cached_property
    def values(self) -> dict[str, JsonValue]:
        """The values of the plan's variables and parameters."""
        return plan_values(self.plan)

    @cached_property
    def leaves(self) -> list[Node]:
        """The leaves in document order that agents run: none that waits, or only gathers what copies of it gave."""
        leaves = self.outline.leaf_nodes()
        if "wait_for" in self.given:
            leaves = [node for node in leaves if node.task.wait_for is None]
        return [node for node in leaves if node.task.for_each is None] if self.outline.as_run else leaves

    @cached_property
    def copies(self) -> Copies:
        """How often tasks with `for_each` run. A plan that grew has its copies as tasks of their own."""
        return Copies() if self.outline.as_run else count_copies(self.outline, self.values)

    @cached_property
    def never_run(self) -> frozenset[int]:
        """The leaves that never run, whatever the results; none where there is a cycle."""
        if self.order is None or self.given.isdisjoint(("when", "run_if")):
            return frozenset()
        conditions = self.conditions.by_node.items()
        false = {node for node, each in conditions if not can_hold(each.condition, {**self.values, **each.items})}
        return find_never_run(self.outline, self.before, self.order, false)

    @cached_property
    def leaf_count(self) -> int:
        """How many leaves run, copies included."""
        times = self.copies.times
        return sum(times.get(node.index, 1) for node in self.leaves) if times else len(self.leaves)

    @property
    def assigned(self) -> Iterator[tuple[Node, AgentProfile]]:
        """The leaves that have an agent, with it."""
        return zip(*self._assigned, strict=True)

    @cached_property
    def _assigned(self) -> tuple[list[Node], list[AgentProfile]]:
        # No list of pairs: so many objects that live long make the garbage collector read the whole plan once more.
        nodes = [node for node in self.leaves if self.agent_of[node.index] is not None]
        return nodes, [agent for node in nodes if (agent := self.agent_of[node.index]) is not None]

    @cached_property
    def executors(self) -> list[tuple[Node, AgentProfile, ExecutorSpec]]:
        """Each executor in use once, with its agent and the first leaf that needs it."""
        found: dict[tuple[str, str], tuple[Node, AgentProfile, ExecutorSpec]] = {}
        for (name, task_type), (node, agent, spec) in self._specs.items():
            found.setdefault((name, task_type if task_type in agent.executors else ""), (node, agent, spec))
        return list(found.values())

    def spec(self, node: Node, agent: AgentProfile) -> ExecutorSpec:
        """Return the executor that runs an assigned leaf."""
        return self._specs[agent.name, node.task.type][2]

    def kind(self, node: Node, agent: AgentProfile) -> str:
        """Return the kind of executor that runs an assigned leaf."""
        return self._specs[agent.name, node.task.type][2].kind

    @cached_property
    def _specs(self) -> dict[tuple[str, str], tuple[Node, AgentProfile, ExecutorSpec]]:
        """For each agent and type in use the first leaf and its executor."""
        found: dict[tuple[str, str], tuple[Node, AgentProfile, ExecutorSpec]] = {}
        for node, agent in self.assigned:
            key = (agent.name, node.task.type)
            if key not in found:
                found[key] = (node, agent, agent.executor_for(node.task.type, model=self.model))
        return found

    def find_stated_pairs(self, pairs: list[tuple[int, int]]) -> set[tuple[int, int]]:
        """Return the pairs of vertices that `depends_on` alone puts in this order; the plan has no cycle."""
        before = junctions(self.outline).before
        return filter_ordered_pairs(before, topological_order(before) or [], pairs)

    @cached_property
    def before(self) -> tuple[tuple[int, ...], ...]:
        """The order as a graph over junctions, edges from references in inputs included."""
        return junctions(self.outline, self.flow.edges()).before

    @cached_property
    def order(self) -> list[int] | None:
        """The vertices of `before` in an order that respects it; None when there is a cycle."""
        return topological_order(self.before)

    @cached_property
    def schedule(self) -> Schedule | None:
        """The earliest times; None when there is a cycle."""
        return None if self.order is None else self._schedule(self.order, self.seconds)

    def _schedule(self, order: list[int], seconds: list[float]) -> Schedule:
        """Compute ends and levels in one pass.

        networkx has neither for each vertex; with its order and successors one of them takes 26 ms for 1,000 tasks
        (`python -m bench.graphs`), more than half of what building, routing and validating them may take.
        """
        before = self.before
        finish = [0.0] * len(before)
        level = [0] * len(before)
        duration = [0.0] * len(before)
        weight = [0] * len(before)
        for leaf in self.outline.leaves:
            duration[2 * leaf] = seconds[leaf]
            weight[2 * leaf] = 1
        rounds = {2 * node + 1: count for node, count in self.copies.rounds.items() if count != 1}
        for vertex in order:
            start, depth = 0.0, 0
            for source in before[vertex]:
                if finish[source] > start:  # noqa: PLR1730 - the innermost loop of validation; max() takes twice as long
                    start = finish[source]
                if level[source] > depth:  # noqa: PLR1730
                    depth = level[source]
            if vertex in rounds:
                start = finish[vertex - 1] + rounds[vertex] * (start - finish[vertex - 1])
            finish[vertex] = start + duration[vertex]
            level[vertex] = depth + weight[vertex]
        return Schedule(finish, level)

    @cached_property
    def known_schedule(self) -> Schedule | None:
        """The earliest times by the plan's own estimates alone: what is not estimated takes no time."""
        if self.order is None:
            return None
        return self._schedule(self.order, self._estimate(0.0))

    @cached_property
    def seconds(self) -> list[float]:
        """Expected duration of each node, of all rounds of a `for_each` leaf; 0 for a composite and what never runs."""
        return self._estimate(self.default_seconds)

    def _estimate(self, default: float) -> list[float]:
        seconds = [0.0 if node.children else estimate_seconds(node.task, default) for node in self.outline.nodes]
        for node, rounds in self.copies.rounds.items():
            seconds[node] *= rounds
        for leaf in self.never_run:
            seconds[leaf] = 0.0
        return seconds

    @cached_property
    def widths(self) -> dict[str, tuple[int, int]]:
        """For each agent in use the most of its leaves that could surely run at once, and the first of these leaves.

        Leaves that end chains of the same length are never ordered among themselves, so they can run at once: a lower
        bound on the true width, and linear. Copies count as far as `max_parallel` lets them run at once.
        """
        if self.schedule is None:
            return {}
        level, at_once = self.schedule.level, self.copies.at_once
        groups: dict[tuple[str, int], tuple[int, int]] = {}
        for node, agent in self.assigned:
            if node.index not in self.never_run:
                key = (agent.name, level[2 * node.index])
                count, first = groups.get(key, (0, node.index))
                groups[key] = (count + at_once.get(node.index, 1), first)
        widest: dict[str, tuple[int, int]] = {}
        for (name, _), group in groups.items():
            if name not in widest or group[0] > widest[name][0]:
                widest[name] = group
        return widest

    @cached_property
    def usd(self) -> dict[int, Decimal]:
        """Expected cost of each leaf, of one copy where it has several; also of one that never runs."""
        return {leaf.index: estimate_usd(leaf.task, self.agent_of[leaf.index]) for leaf in self.leaves}

    @cached_property
    def vocabulary(self) -> WordAnalyzer:
        """The words of this plan, each stemmed once."""
        return WordAnalyzer()

    @cached_property
    def words(self) -> list[tuple[str, ...]]:
        """Content words of each node's description, stemmed, in order."""
        content = self.vocabulary.content
        return [content(node.task.description) for node in self.outline.nodes]

    @cached_property
    def request(self) -> list[RequestClause]:
        """What the request asks for, and whether the plan speaks of it."""
        return clauses(self.plan, self.outline, self.words, self.vocabulary)

    @cached_property
    def phases(self) -> Phases:
        """The reader of phases."""
        return Phases(self.vocabulary)

    @cached_property
    def delivery(self) -> Delivery:
        """The phases of the leaves and their order; nothing when there is a cycle."""
        if self.order is None:
            return Delivery((), [], [])
        read, words = self.phases.read, self.words
        found = {leaf.index: phase for leaf in self.leaves if (phase := read(leaf.task, words[leaf.index])) is not None}
        return deliveries(self.outline, self.before, self.order, found)

    def find_ordered(self, pairs: list[tuple[int, int]]) -> set[tuple[int, int]]:
        """Return the pairs of vertices whose first must come before the second; none when there is a cycle."""
        return set() if self.order is None else filter_ordered_pairs(self.before, self.order, pairs)

    def path(self, node: int) -> str:
        """Return the path of a node."""
        return self.outline.nodes[node].path

    def origin(self, node: int) -> tuple[str, str] | None:
        """Return the plan file that a task is from, and its path in there; None for one of the plan itself."""
        nodes = self.outline.nodes
        index = nodes[node].parent if "use" in self.given else -1
        while index >= 0:
            if (use := nodes[index].task.use) is not None:
                return split_reference(use)[0], nodes[node].path.removeprefix(f"{nodes[index].path}/")
            index = nodes[index].parent
        return None

    def guess(self, word: str, *groups: Iterable[str]) -> str:
        """Return `did you mean 'x'?` from the first candidates of these groups, or an empty text.

        The work is bounded: words of a very different length are skipped, and a few hundred are enough.
        """
        short, long = len(word) * 2 // 3, len(word) * 3 // 2 + 1
        found: dict[str, None] = {}
        for group in groups:
            for candidate in group:
                if short <= len(candidate) <= long:
                    found[candidate] = None
                    if len(found) >= _CANDIDATES:
                        return close_matches(word[:200], found)
        return close_matches(word[:200], found)


def gather(
    routed: RoutedPlan,
    registry: Registry,
    *,
    probe: Probe | None,
    limits: Limits,
    slots: int,
    planned: bool | None,
    default_seconds: float,
    model: str | None,
) -> PlanFacts:
    """Compute the facts of a routed plan; see `genesis.validation.validate` for the arguments.

    A plan is looked at as it is written, with each `for_each` task once; one that grew while it ran, as it runs.
    """
    plan = routed.plan
    tree = outline(plan, as_run=bool(routed.added))
    agents: dict[str, AgentProfile] = {}
    for agent in registry.agents:
        agents.setdefault(agent.name, agent)
    route_of: list[Route | None] = [None] * len(tree.nodes)
    agent_of: list[AgentProfile | None] = [None] * len(tree.nodes)
    routes = dict(routed.routes)
    for node in tree.leaf_nodes():
        route = route_of[node.index] = routes.get(node.path)
        if route is not None and route.agent is not None:
            agent_of[node.index] = agents.get(route.agent)
    return PlanFacts(
        routed=routed,
        plan=plan,
        registry=registry,
        limits=limits,
        slots=max(1, slots),
        planned=plan.planner != "file" if planned is None else planned,
        default_seconds=default_seconds,
        model=model,
        probe=probe,
        outline=tree,
        flow=dataflow(plan, tree),
        agents=agents,
        routes=routes,
        route_of=route_of,
        agent_of=agent_of,
    )
