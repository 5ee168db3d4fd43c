"""The intermediate form: a workflow of another system as steps, before it is a plan.

Each importer translates one format into it, and `genesis.importers.plan` writes a plan and an agents file from it. It
holds more than the plan file can say: what has no key there is reported as a loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Command",
    "Loop",
    "Loss",
    "Role",
    "Slot",
    "Start",
    "Step",
    "Trigger",
    "Workflow",
    "WorkflowParameter",
    "walk",
]

Trigger = Literal["all_succeeded", "all_done", "any_failed", "any_succeeded", "always"]
"""On which ends of the steps before it a step runs."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One construct of the source that the plan does not have."""

    line: int
    """Line in the file, from 1."""
    construct: str
    """What it is, in the words of the source."""
    outcome: str
    """What became of it."""
    task: str = ""
    """Path of the task in the plan; empty for the plan as a whole."""
    file: str = ""
    """The file; that of the workflow if empty."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An argument of a command that takes its value from an input of its task."""

    name: str
    """Name of the input: that of a parameter or, in a copy, `item` or `item.key`."""
    prefix: str = ""
    """Text before the value, in the same argument."""
    value: str | None = None
    """The value; if omitted, that of the workflow's parameter of this name."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run."""

    argv: tuple[str | Slot, ...]
    """The program and its arguments."""
    script: str | None = None
    """The text of a script, which is the last argument."""
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """The values of which each makes a copy of a step: `item`, or its parts, in the names of slots and parameters."""

    values: list[Any] | dict[str, list[Any]]
    """Literals; of a map, each combination."""
    max_parallel: int | None = None
    """How many copies run at once; None for all."""


@dataclass(frozen=True, slots=True)
class Role:
    """An agent of a language model that the source describes."""

    name: str
    description: str
    model: str | None = None


@dataclass(slots=True)
class Step:
    """One task of the source, or a group of steps. An importer fills it; nothing changes it afterwards."""

    key: str
    """Unique within the workflow; `after` names it."""
    kind: str
    """What the source calls this kind of step: the task's type."""
    line: int
    name: str = ""
    """A readable name, from which the task's id is made; the key if empty."""
    description: str = ""
    after: list[str] = field(default_factory=list)
    """Keys of the steps that come before it."""
    steps: list[Step] = field(default_factory=list)
    """Steps of a group; empty for a step that does something."""
    command: Command | None = None
    """What it runs; a step without one is done by a person."""
    role: Role | None = None
    """The agent of a language model that does it."""
    inputs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the source's operator, as plain values."""
    variables: list[str] = field(default_factory=list)
    """Names in the description of its role that are given when it runs."""
    environment: dict[str, str] = field(default_factory=dict)
    environment_parameters: dict[str, str] = field(default_factory=dict)
    """Environment variables with the value of a parameter or, in a copy, of `item` or `item.key`, with its name."""
    secrets: list[str] = field(default_factory=list)
    """Environment variables whose values are secrets: their names alone."""
    condition: str = ""
    """An expression that decides whether it runs, and that `when` cannot say."""
    when: str = ""
    """A condition on parameters, in the language of the plan file."""
    trigger: Trigger = "all_succeeded"
    copies: Loop | None = None
    for_each: str = ""
    """The values of which each makes a copy of the step and that `copies` cannot say, as the source writes them."""
    expressions: list[str] = field(default_factory=list)
    """Expressions in its texts that the source's system evaluates when it runs."""
    allow_failure: bool = False
    retries: int = 0
    delay_s: float | None = None
    """Delay before the first retry, in seconds; None if the source does not say."""
    backoff: float = 1.0
    """Factor by which the delay grows."""
    pauses: str = ""
    """What else the source says of its retries, as it writes it."""
    timeout_s: float | None = None
    image: str = ""
    """The container image, machine or environment that it runs in."""
    needs: dict[str, Any] = field(default_factory=dict)
    """Processors and memory that it needs, in the keys of the plan file."""
    resources: str = ""
    """What else it needs of its machine."""
    only_one: str = ""
    """Name of the mutex that keeps it apart from other steps."""
    mutex: str = ""
    """What else keeps it apart from other steps: a pool, a semaphore, a concurrency group."""
    weight: int | None = None
    """Its priority among the steps that are ready: the higher first."""
    priority: str = ""
    """Another priority that the source gives it."""
    files: str = ""
    """Files that it takes from other steps, or hands on."""
    wait_for: str = ""
    """What it waits for, outside of the workflow and not for `pause_s`: a person, an event, another workflow."""
    pause_s: float | None = None
    """For how many seconds it waits; it does nothing else."""
    outputs: str = ""
    """Results that it hands on."""
    sub_workflow: str = ""
    """A workflow of another file that it stands for."""
    notify: str = ""
    losses: list[Loss] = field(default_factory=list)
    """Further constructs that are not carried over."""
    lines: dict[str, int] = field(default_factory=dict)
    """Line of a field above, where it is not the step's own."""
    file: str = ""
    """The file that it is in; that of the workflow if empty."""


@dataclass(frozen=True, slots=True)
class WorkflowParameter:
    """A parameter of the workflow."""

    name: str
    line: int
    default: str | None = None
    """The default as text; None where it must be given."""
    type: str = ""
    """What the source requires of its values, if anything."""
    options: tuple[str, ...] = ()
    """The texts that it may have, if the source lists them."""


@dataclass(frozen=True, slots=True)
class Start:
    """What starts a workflow: a time table or an event."""

    line: int
    text: str
    """What it is, in the words of the source."""
    schedule: dict[str, Any] | None = None
    """Keys of a schedule of the plan; None for anything else."""
    name: str = ""


@dataclass(slots=True)
class Workflow:
    """A workflow of another system."""

    title: str
    steps: list[Step] = field(default_factory=list)
    parameters: list[WorkflowParameter] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    deadline_s: float | None = None
    losses: list[Loss] = field(default_factory=list)


def walk(steps: list[Step]) -> Iterator[Step]:
    """Yield all steps, groups before what is in them, in document order."""
    stack = list(reversed(steps))
    while stack:
        step = stack.pop()
        yield step
        stack.extend(reversed(step.steps))
