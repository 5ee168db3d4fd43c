"""A program: the flat, leaf-only DAG that runs. No Prefect in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import JsonValue, SkipValidation

from genesis.model.agent import AgentProfile, Registry
from genesis.model.base import Model, TextMap, Usd
from genesis.model.plan import Budget, RoutedPlan
from genesis.model.resources import Resources
from genesis.model.runs_in import RunsIn
from genesis.model.task import CacheTtl, Retry, RunIf
from genesis.model.wait_for import WaitFor

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = ["Gate", "Leaf", "Program", "StartRule", "WhenCondition"]


class WhenCondition(Model):
    """The `when` of a task, with what its references mean."""

    text: str
    """As it is written."""
    sources: dict[str, int] = {}
    """For each `{task.key}` in it the leaf that produces it."""
    keys: dict[str, str] = {}
    """For each of these the key."""
    items: dict[str, JsonValue] = {}
    """In a copy of a `for_each` task: the value of each `{item}`, `{item.key}` and `{index}` in it."""


class StartRule(Model):
    """What decides whether a task starts, in a plan with `run_if`, `when`, `allow_failure` or `for_each`."""

    after: tuple[int, ...] = ()
    """What comes directly before it: leaves by index, and ends of composites as `-1 - gate`."""
    within: int | None = None
    """The start of the composite around it, as `-1 - gate`: unless that has opened, nothing in the composite runs."""
    run_if: RunIf = "all_succeeded"
    when: WhenCondition | None = None
    allow_failure: bool = False
    """Of the task itself; `Leaf.allow_failure` has that of the composites around it, too."""


class Gate(Model):
    """The start or the end of a composite: no work, only a rule."""

    path: str
    """Path of the composite."""
    is_end: bool
    """The start comes after what the composite comes after; the end after all that is in it."""
    rule: StartRule


class Leaf(Model):
    """One task that runs."""

    index: int
    """Position in the program; dependencies are named by it."""
    path: str
    """Full path in the plan, for example `quality/lint`."""
    agent: str
    """Name of the agent that runs it; empty for one that gathers or waits."""
    after: Annotated[tuple[int, ...], SkipValidation] = ()
    """Leaves that must be final before this one starts. Not copied: many leaves may share one tuple."""
    type: str
    description: str
    """With variables and parameters filled in."""
    inputs: dict[str, JsonValue] = {}
    """Arguments as they are written; references are filled in when the leaf starts, each value once."""
    literal_inputs: tuple[str, ...] = ()
    """Names of inputs without references."""
    sources: dict[str, int] = {}
    """For each `{task.key}` in `inputs` and `env`, as written there, the leaf that produces it."""
    keys: dict[str, str] = {}
    """The key of each reference that is not what comes after its last dot: keys may hold dots."""
    escaped: tuple[str, ...] = ()
    """Names that stand in doubled braces in `inputs`, and would be references in single ones."""
    outputs: tuple[str, ...] = ()
    fingerprint: str
    """Hex SHA-256 over everything that determines the result: work, inputs, agent, predecessors."""
    seconds: float
    """Estimated duration in seconds."""
    seconds_known: bool = True
    """Whether the plan has that estimate; otherwise it is the default."""
    usd: Usd
    """Estimated cost in US dollars."""
    usd_known: bool = True
    """Whether the plan or the agent has that cost; otherwise it is 0."""
    tokens: int
    """Estimated tokens."""
    timeout_s: float | None = None
    retries: int = 0
    cache: Literal["none", "run"] | CacheTtl = "run"
    side_effects: bool = False
    approval: bool = False
    fallbacks: tuple[str, ...] = ()
    """Agents that may take over if its own fails, best first."""
    note: str = ""
    """Why it has another agent than in the plan."""
    rule: StartRule | None = None
    """What decides whether it starts; None in a plan where every task starts once all before it have succeeded."""
    allow_failure: bool = False
    """Whether its failure does not fail the run: by its own `allow_failure`, or that of a composite around it."""
    goes_by_ends: bool = False
    """Whether it may run although what comes before it has not all succeeded: by its own `run_if`, or one around it."""
    always: bool = False
    """Whether it runs although the run was stopped: by its own `run_if: always`, or that of a composite around it."""
    retry: Retry | None = None
    """Delays and errors of its retries, where the plan has them; their number is `retries`."""
    schemas: dict[str, dict[str, JsonValue]] = {}
    """The JSON Schema of each promised output that has one."""
    env: dict[str, str] = {}
    """Environment variables as they are written; references are filled in when the leaf starts."""
    items: dict[str, JsonValue] = {}
    """In a copy of a `for_each` task: the value of each `{item}`, `{item.key}` and `{index}` in `inputs` and `env`."""
    gathers: Literal["all", "any"] | None = None
    """For a `for_each` task itself: how many copies must succeed. It has no agent; its result is the list of theirs."""
    for_each: JsonValue = None
    """For one whose list is known only while the plan runs: that list, as it is written."""
    in_copies: tuple[str, ...] = ()
    """The copies that it is a part of and that `max_parallel` limits, by path; the task's is what comes before `/`."""
    resources: Resources | None = None
    """What it needs of its agent while it runs."""
    mutex: str | None = None
    """No two leaves with the same one run at once, in whatever runs they are."""
    priority: int = 0
    """Its own `priority`, else that of the innermost composite around it that has one."""
    wait_for: WaitFor | None = None
    """What it waits for, as it is written. It has no agent."""
    runs_in: RunsIn | None = None
    """The environment of its command or Python function."""

    @property
    def runs_apart(self) -> bool:
        """Whether it cannot share a flow run with other leaves of its agent: it has a pool or an image of its own."""
        return self.runs_in is not None and (self.runs_in.pool or self.runs_in.image) is not None


class Program(Model):
    """All leaves with what they need to run."""

    request: str
    leaves: tuple[Leaf, ...]
    """In document order; a leaf may depend on a later one."""
    agents: dict[str, AgentProfile]
    """The agents that the leaves use, by name."""
    registry: Registry
    """The registry that the plan was routed with."""
    vars: TextMap = {}
    budget: Budget | None = None
    deadline_s: float | None = None
    gates: tuple[Gate, ...] = ()
    """Start and end of each composite in document order, in a plan whose leaves have rules."""
    source: RoutedPlan
    """The routed plan that this program was compiled from, with the copies of its `for_each` tasks."""
    params: dict[str, JsonValue] = {}
    """Value of each parameter of the plan."""
    parallel: dict[str, int] = {}
    """How many copies of a `for_each` task may run at once, by the task's path, where that is limited."""

    @property
    def values(self) -> dict[str, JsonValue]:
        """The value of each variable and parameter."""
        return {**self.vars, **self.params}

    def profile(self, agent: str) -> AgentProfile:
        """Return the profile of an agent that a leaf uses, or may fall back to.

        Raises:
            KeyError: The registry has no such agent.
        """
        found = self.agents.get(agent)
        return found if found is not None else {each.name: each for each in self.registry.agents}[agent]

    def pool(self, leaf: Leaf) -> str:
        """Return the work pool that a leaf goes to: its own, or that of its agent."""
        own = leaf.runs_in.pool if leaf.runs_in is not None else None
        return own or self.profile(leaf.agent).pool_name

    def graph(self) -> DiGraph[str]:
        """Build the graph of the leaves; a topological order of it is an order to run them in.

        Edges lead from a leaf to those that come directly after it, with `kind` and `keys` as in `Plan.graph`.

        Returns:
            Nodes are paths, with the attributes of `Plan.graph` that leaves have, `fingerprint`, and `priority`: the
            seconds of the longest chain that the leaf heads. The scheduler starts the largest first, unless the
            tasks' own `priority` differ or its search finds a better order.
        """
        from genesis.structure.task_graphs import build_program_graph  # noqa: PLC0415  # it stands on the models

        return build_program_graph(self)
