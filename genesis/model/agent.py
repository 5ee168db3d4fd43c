"""Agents, the rules that route to them, and the registry that holds both."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from genesis.model.base import AgentName, Fraction, Model, Name, Text, TextMap, Usd
from genesis.model.env_name import VariableName
from genesis.model.resources import Resources
from genesis.model.sandbox import Sandbox, SandboxRules
from genesis.model.scalars import plain_value

__all__ = [
    "WITH_FOLDER",
    "AgentCost",
    "AgentProfile",
    "AgentRate",
    "BriefSpec",
    "CommandSpec",
    "Condition",
    "DeploymentSpec",
    "ExecutorSpec",
    "HttpSpec",
    "LlmSpec",
    "ParameterKind",
    "PluginSpec",
    "PythonSpec",
    "Registry",
    "RehearsalSpec",
    "RemoteAgentSpec",
    "Rule",
]


ParameterKind = Literal["data", "read_path", "write_path", "executes"]
"""What a value does: `data` is never a path or a switch; the others come from a person, or stay in named folders."""

ParameterKinds = Annotated[dict[Name, ParameterKind], Field(exclude_if=lambda kinds: not kinds)]


class AgentCost(Model):
    """What an agent costs."""

    usd_per_task: Usd | None = None
    usd_per_1k_tokens: Usd | None = None


class AgentRate(Model):
    """Rate limit of an agent, over all users of its shared state; calls over the limit wait."""

    calls: Annotated[int, Field(ge=1)]
    """Maximum number of calls …"""
    per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    """… per this many seconds."""
    burst: Annotated[int, Field(ge=1)] | None = None
    """Maximum burst; by default all calls."""


class PythonSpec(Model):
    """Call a Python function, or an existing Prefect task or flow."""

    kind: Literal["python"]
    call: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")]
    """`package.module:function`."""
    check: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")] | None = None
    """A function that takes those of a task's inputs that are known before the run as one mapping, and returns what
    is wrong with them, or None. Validation calls it on this machine, so it must be fast and without side effects."""
    parameters: ParameterKinds = {}
    """Kinds of its inputs, beside those that the function's annotations have."""


class CommandSpec(Model):
    """Run a program."""

    kind: Literal["command"]
    argv: Annotated[tuple[Text, ...], Field(min_length=1)]
    """The program and its arguments, never a shell string; `{input}` in an argument stands for an input."""
    cwd: str | None = None
    """Working folder; that of the run if omitted."""
    env: TextMap = {}
    """Extra environment variables."""
    pass_env: Annotated[tuple[VariableName, ...], Field(exclude_if=lambda value: not value)] = ()
    """Variables of this machine that the program gets, where they are set. A few that every program needs, and those
    that an argument names as `$NAME`, are passed without being listed."""
    parameters: ParameterKinds = {}
    """Kinds of its inputs; `data` if omitted."""


class LlmSpec(Model):
    """Let a language model do the work."""

    kind: Literal["llm"]
    model: str | None = None
    """`provider:model`; the run's model if omitted."""
    instructions: str = ""
    """Added to the agent's description in the system prompt."""
    max_tokens: Annotated[int, Field(gt=0)] = 2000
    """Bound on the answer."""


class HttpSpec(Model):
    """Send the inputs to a web service and parse its JSON response."""

    kind: Literal["http"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: TextMap = {}
    """`{secret:NAME}` in a value stands for a secret that the agent lists."""
    parameters: ParameterKinds = {}
    """Kinds of its inputs; `data` if omitted."""


class RemoteAgentSpec(Model):
    """Hand the task to a remote agent over the A2A protocol."""

    kind: Literal["a2a"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    parameters: ParameterKinds = {}
    """Kinds of its inputs; `data` if omitted."""


class BriefSpec(Model):
    """Write a work order for a person."""

    kind: Literal["brief"]


class DeploymentSpec(Model):
    """Run an existing Prefect deployment."""

    kind: Literal["deployment"]
    name: Annotated[str, Field(pattern=r"^[^/]+/[^/]+$")]
    """`flow/deployment`."""
    parameters: ParameterKinds = {}
    """Kinds of its inputs; `data` if omitted."""


class PluginSpec(Model):
    """Use an executor that an installed fleet contributes."""

    kind: Literal["plugin"]
    name: Annotated[str, Field(min_length=1)]
    """The executor's name, as the fleet has it."""
    options: dict[str, JsonValue] = {}
    """Options passed to the executor."""
    parameters: ParameterKinds = {}
    """Kinds of its inputs; `data` if omitted."""


class RehearsalSpec(Model):
    """Wait for the estimated time and invent the promised outputs."""

    kind: Literal["rehearsal"]
    scale: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Factor on the estimate."""


ExecutorSpec = Annotated[
    PythonSpec
    | CommandSpec
    | LlmSpec
    | HttpSpec
    | RemoteAgentSpec
    | BriefSpec
    | DeploymentSpec
    | PluginSpec
    | RehearsalSpec,
    Field(discriminator="kind"),
]
WITH_FOLDER = frozenset({"command", "python", "plugin", "rehearsal"})
"""Kinds of executors that work in the folder of a task, or invent its files."""


_ORCHESTRATORS = "genesis"
_PROJECT = r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$"


def orchestrator_pool(project: str | None) -> str:
    """Return the name of the pool of orchestrating flow runs: `genesis`, or prefixed with the project."""
    return f"{project}-{_ORCHESTRATORS}" if project else _ORCHESTRATORS


def is_orchestrator_pool(name: str) -> bool:
    """Whether a pool is one of flow runs that orchestrate."""
    return name == _ORCHESTRATORS or name.endswith(f"-{_ORCHESTRATORS}")


class AgentProfile(Model):
    """What an agent can do and how it runs."""

    name: AgentName
    description: str = ""
    task_types: tuple[Text, ...] = ()
    """Types of task that it takes."""
    skills: tuple[Text, ...] = ()
    cost: AgentCost = AgentCost()
    success_rate: Fraction = 0.8
    """Share of its tasks that succeed."""
    max_concurrency: Annotated[int, Field(ge=1)] = 10
    """Maximum number of concurrent tasks, over all users of this registry."""
    rate: AgentRate | None = None
    """Rate limit; none if omitted."""
    pool: str | None = None
    """Work pool; `agent-<name without _agent>` if omitted."""
    executor: ExecutorSpec | None = None
    """What runs its tasks; if omitted, the run's language model, and a brief for a person without one."""
    executors: dict[str, ExecutorSpec] = {}
    """What runs tasks of a type, where it differs."""
    costs: dict[str, AgentCost] = {}
    """What tasks of a type cost, where it differs: a tool that runs on this machine is free."""
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Time limit of an attempt in seconds."""
    secrets: tuple[str, ...] = ()
    """Names of secrets that it needs: environment variables."""
    allowed_tools: tuple[str, ...] = ()
    expands: bool = False
    """Whether its results may add tasks to the plan: `subtasks` of a result is a proposal then."""
    sandbox: Annotated[Sandbox, Field(exclude_if=lambda value: value == SandboxRules())] = SandboxRules()
    """What its programs may reach on the machine that runs them."""
    resources: Annotated[Resources | None, Field(exclude_if=lambda value: value is None)] = None
    """What it offers all of its running tasks together; tasks that need more, or another tag, are not routed to it."""
    source: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None
    """Its source, as written by `genesis agents --json`. Ignored and dropped when a file is read."""

    @property
    def pool_name(self) -> str:
        """The work pool that serves this agent."""
        return self.pool or f"agent-{self.name.removesuffix('_agent').replace('_', '-')}"

    def executor_for(self, task_type: str, *, model: str | None = None) -> ExecutorSpec:
        """What runs a task of this type, when the run has this language model or none."""
        spec = self.executors.get(task_type, self.executor)
        if spec is not None:
            return spec
        return BriefSpec(kind="brief") if model is None else LlmSpec(kind="llm", model=model)

    def cost_for(self, task_type: str) -> AgentCost:
        """What a task of this type costs."""
        return self.costs.get(task_type, self.cost)


class OneOf(Model):
    """A set of accepted values."""

    in_: Annotated[tuple[Text, ...], Field(alias="in", min_length=1)]


_InputValue = Annotated[OneOf | Annotated[JsonValue, BeforeValidator(plain_value)], Field(union_mode="left_to_right")]
"""A value, or accepted ones: `{in: […]}` is tried first, because it is a JSON value too."""


class Condition(Model):
    """When a rule fires: exactly one key, and `any`, `all` and `not` combine conditions."""

    type: Text | OneOf | None = None
    """The task's type."""
    skill: Text | OneOf | None = None
    """A skill that the task requires."""
    label: dict[str, Text | OneOf] | None = None
    """Labels with these values."""
    input: Annotated[OneOf | dict[str, _InputValue] | Text, Field(union_mode="left_to_right")] | None = None
    """An input with this name, or inputs with these values."""
    description: str | None = None
    """A regular expression, case-insensitive."""
    any: Annotated[tuple[Condition, ...], Field(min_length=1)] | None = None
    all: Annotated[tuple[Condition, ...], Field(min_length=1)] | None = None
    not_: Annotated[Condition | None, Field(alias="not")] = None

    @model_validator(mode="before")
    @classmethod
    def _one_key(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) != 1:
            keys = ", ".join(map(str, value)) or "none"
            raise ValueError(f"a condition has exactly one key, this one has {keys}; combine several with all or any")
        return value


class Rule(Model):
    """Send the tasks that meet a condition to an agent."""

    id: str
    when: Condition
    then: Name
    """Name of the agent."""
    priority: int = 10
    """Higher ones are evaluated first; equal ones in document order."""
    because: str = ""
    """Reason shown to the reader."""


class Registry(Model):
    """All agents and routing rules, in document order."""

    project: Annotated[str | None, Field(pattern=_PROJECT, exclude_if=lambda value: value is None)] = None
    """Name of the project that prefixes its pools and deployments, where several projects share a server."""
    agents: tuple[AgentProfile, ...]
    rules: tuple[Rule, ...] = ()

    @property
    def in_project(self) -> Registry:
        """The registry with the project's name in pools that no agent sets explicitly."""
        if self.project is None:
            return self
        named = (
            agent if agent.pool else agent.model_copy(update={"pool": f"{self.project}-{agent.pool_name}"})
            for agent in self.agents
        )
        return self.model_copy(update={"agents": tuple(named)})
