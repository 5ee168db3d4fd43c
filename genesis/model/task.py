"""A task: one node of the hierarchical task DAG, composite or leaf."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    model_serializer,
)

from genesis.model.base import Fraction, JsonMap, Model, Name, Seconds, TaskId, Text, TextMap, Usd, empty_map
from genesis.model.env_name import EnvName
from genesis.model.files import TaskFiles
from genesis.model.for_each import ForEach
from genesis.model.output_schema import OutputSchema
from genesis.model.plan_reference import PlanReference
from genesis.model.resources import Resources
from genesis.model.runs_in import RunsIn
from genesis.model.wait_for import WaitFor

__all__ = [
    "HIGHEST_PRIORITY",
    "Alternative",
    "CacheTtl",
    "Estimate",
    "ExpandedTask",
    "Retry",
    "Route",
    "RunIf",
    "Task",
    "TaskCopy",
    "TaskId",
    "is_mutex",
]

RunIf = Literal["all_succeeded", "all_done", "any_failed", "any_succeeded", "always"]
"""How the tasks before a task must have ended so that it runs. A task that was skipped by its own condition has neither
succeeded nor failed; one that was skipped since another failed counts as failed."""
HIGHEST_PRIORITY = 1000
_LONGEST_DELAY_S = 3600.0
_MUTEX = r"^[A-Za-z0-9_.\-]+$"
_LONGEST_MUTEX = 100


def is_mutex(name: str) -> bool:
    """Whether a task may have a mutex of this name."""
    return re.fullmatch(_MUTEX, name) is not None and len(name) <= _LONGEST_MUTEX


class Estimate(Model):
    """Estimate of a task."""

    seconds: Seconds | None = None
    """Duration in seconds."""
    usd: Usd | None = None
    """Cost in US dollars."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """Tokens of a language model, prompt and answer together."""


class CacheTtl(Model):
    """Reuse a result across runs for a time."""

    ttl_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """How long a result may be reused, in seconds."""


class Retry(Model):
    """How often a failed attempt is repeated, after which delays, and for which errors."""

    times: Annotated[int, Field(ge=0, le=100)]
    """Number of retries of a failed attempt."""
    delay_s: Annotated[float, Field(ge=0, le=_LONGEST_DELAY_S, allow_inf_nan=False)] | None = None
    """Upper bound on the first delay in seconds, which has full jitter; `GENESIS_RUN__RETRY_DELAY_S` if omitted."""
    backoff: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = 2.0
    """Factor by which the bound grows with each retry; 1 keeps it constant."""
    on: tuple[Text, ...] = ()
    """Error codes (`GEN-TASK-EXIT`, or `GEN-TASK` for all that begin with it) or categories (`network`) that are
    retried; all that can be if empty."""


class Alternative(Model):
    """A runner-up of the routing."""

    agent: str
    score: Fraction
    reason: str = ""


class Route(Model):
    """Which agent runs a leaf, and why."""

    agent: str | None
    """The agent's name; none when no agent fits, and then `reason` says why."""
    score: Fraction | None = None
    """How well the agent fits."""
    reason: str = ""
    """One sentence for a reader."""
    alternatives: tuple[Alternative, ...] = ()
    """Up to three runners-up, best first."""
    degraded: bool = False
    """Whether a part of the routing had an internal error, so that this may not be the best route; see `reason`."""

    @model_serializer(mode="wrap")
    def _document(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        shape: dict[str, object] = handler(self)
        if self.agent is None:
            shape = {"agent": None, "reason": self.reason, "degraded": self.degraded}
        if not self.degraded:
            shape.pop("degraded", None)
        return shape


def _form_of_outputs(value: object) -> str:
    return "schemas" if isinstance(value, dict) else "names"


def _without_retries(retry: Retry | None, info: ValidationInfo) -> Retry | None:
    """Refuse two counts of retries; `retries: 0` is the default, which the dump of a task has, too."""
    if retry is not None and info.data.get("retries"):
        raise ValueError("the task has both `retries` and `retry`; keep one: `retry: {times: …}`")
    return retry


def _fills_a_plan(given: dict[str, JsonValue], info: ValidationInfo) -> dict[str, JsonValue]:
    """Refuse values for a plan that is not there."""
    if given and info.data.get("use", "") is None:
        raise ValueError("`with` has the values for the plan that `use` names, and there is no `use`")
    return given


class Task(Model):
    """One task. It is composite when it has `subtasks`; only leaves run."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: TaskId
    """Unique among siblings."""
    type: Text = "generic"
    """What kind of work it is; agents declare the types that they take."""
    description: Annotated[str, Field(min_length=1)]
    """What is to be done, for agents and people; `{var}` stands for a variable or a parameter."""
    depends_on: tuple[Name, ...] = ()
    """Siblings by id, or any task by its path (`build/api`)."""
    subtasks: tuple[Task, ...] = ()
    """Children of a composite task."""
    requires: tuple[Text, ...] = ()
    """Skills that the agent must have."""
    labels: TextMap = empty_map()
    """Free labels; routing rules can ask for them."""
    inputs: JsonMap = empty_map()
    """Arguments; `{var}` stands for a variable or a parameter and `{task.key}` for an upstream result."""
    literal_inputs: tuple[Text, ...] = ()
    """Names of inputs that hold no references: they are handed over exactly as they are written."""
    outputs: Annotated[
        Annotated[tuple[Name, ...], Tag("names")] | Annotated[dict[Name, OutputSchema], Tag("schemas")],
        Discriminator(_form_of_outputs),
    ] = ()
    """Names of the results that the task promises, or for each name the JSON Schema of its value."""
    agent: Name | None = None
    """A pin; routing honours or refuses it."""
    estimate: Estimate | None = None
    """Its estimate."""
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Time limit of an attempt in seconds; the agent's own if omitted."""
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    """Number of retries of a failed attempt."""
    cache: Literal["none", "run"] | CacheTtl = "run"
    """`none`: never reuse; `run`: a resume of the run reuses it; `{ttl_s}`: other runs reuse it for a time."""
    side_effects: bool = False
    """Whether it changes something outside the run."""
    approval: bool = False
    """Whether a person must approve it before it starts."""
    run_if: RunIf = "all_succeeded"
    """How the tasks before it must have ended so that it runs; `always`: also after the run was stopped."""
    when: Text | None = None
    """A condition on variables and on results of tasks before it, for example `{test.failures} == 0`; if it is false,
    the task is skipped, which is no failure."""
    allow_failure: bool = False
    """Whether its failure fails neither the run nor what comes after it."""
    route: Route | None = None
    """Written by routing."""
    retry: Annotated[Retry | None, AfterValidator(_without_retries)] = None
    """Retries with their delays and errors; `retries` is the short form."""
    env: dict[EnvName, Text] = empty_map()
    """Environment variables of the program that does the task; references in the values are resolved."""
    for_each: ForEach | None = None
    """Values, each of which gets a copy of the task: a list, a map of lists (each combination), a reference to one."""
    max_parallel: Annotated[int, Field(ge=1)] | None = None
    """How many copies may run at once; only with `for_each`."""
    on_failure: Literal["all", "any"] = Field(default="all", exclude_if=lambda value: value == "all")
    """`all`: the task fails if a copy fails; `any`: one copy that succeeds is enough. Only with `for_each`."""
    files: TaskFiles = Field(
        default_factory=TaskFiles, exclude_if=lambda value: not value, json_schema_extra={"default": {}}
    )
    """`in`: files of other tasks that are in the task's folder when it starts, `{task.files.name}` by path; `out`: by
    name, files of its folder that are kept when it has ended, as a path or a glob."""
    resources: Resources | None = None
    """Processors, memory, GPUs and tags that its agent must offer while it runs."""
    mutex: Annotated[str, Field(pattern=_MUTEX, max_length=_LONGEST_MUTEX)] | None = None
    """No two tasks with the same mutex run at once, in whatever runs they are."""
    priority: Annotated[int, Field(ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY)] | None = None
    """Of leaves that are ready, those with the higher priority start first; that of the composite around it if omitted,
    else 0."""
    runs_in: RunsIn | None = None
    """The environment of its command or Python function, if that is not its agent's."""
    wait_for: WaitFor | None = None
    """What the task waits for, without an agent and without a slot; for an event or a run at most `timeout_s`."""
    use: PlanReference | None = None
    """A plan file whose tasks become the subtasks; where there are subtasks, the file that they are from."""
    with_: Annotated[JsonMap, AfterValidator(_fills_a_plan)] = Field(
        default_factory=dict, alias="with", json_schema_extra={"default": {}}, exclude_if=lambda value: not value
    )
    """Values for the parameters and variables of that plan."""


class TaskCopy(Task):
    """The copy of a `for_each` task for one value. It is made by `genesis.compile`, and is in no document."""

    item: JsonValue
    """What `{item}` stands for, in the copy and in its subtasks."""
    index: int
    """What `{index}` stands for: its position, from 0."""


class ExpandedTask(Task):
    """A `for_each` task whose copies are its subtasks. It is made by `genesis.compile`, and is in no document."""

    template: Task
    """The task as it is written."""
