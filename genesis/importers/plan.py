"""Write a plan and its agents from the intermediate form."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from genesis.errors import DocumentError
from genesis.importers.agents import AgentWriter
from genesis.importers.fields import excerpt
from genesis.importers.keys import STEP_KEYS
from genesis.importers.parameters import find_parameter, is_typed, write_parameter
from genesis.importers.schedules import write_schedules
from genesis.importers.workflow import Command, Loss, Slot, Step, Workflow, WorkflowParameter, walk
from genesis.model import Plan, Registry
from genesis.model.env_name import is_env_name
from genesis.model.scalars import canonical, plain_value
from genesis.planning.plan_file import load_plan
from genesis.security.redact import MARK, redact, redact_values
from genesis.security.secret_names import is_secret_name, is_secret_variable
from genesis.settings import Limits
from genesis.structure import Shape, find_problems
from genesis.structure.conditions import parse_condition
from genesis.structure.for_each import ITEM, is_item_name
from genesis.structure.references import escape_text
from genesis.text import one_line

__all__ = ["Imported", "write_plan"]

_LONGEST_ID = 60
"""Characters of an id; a path has several."""
_LONGEST_DESCRIPTION = 300
"""Characters of a type, a title and a construct in the list of losses: a line or two."""
_LONGEST_ROLE = 4_000
"""Characters of a description: below the 5,000 at which validation warns."""
_SHOWN = 3
"""Losses in the message about a file without tasks."""
_DEEPEST = 40
"""Groups in groups: a plan file has two levels of its document for each."""
_NO_NAME = re.compile(r"[\s/\\]+")


@dataclass(frozen=True, slots=True)
class Imported:
    """A plan and an agents file, and what the source has beyond them."""

    format: str
    """Name of the source's format."""
    source: str
    """The file."""
    plan: Plan
    registry: Registry
    losses: tuple[Loss, ...]
    """What could not be carried over, by file and line."""


def write_plan(workflow: Workflow, *, source: str, form: str, title: str, limits: Limits) -> Imported:
    """Write a plan and its agents.

    Args:
        workflow: The steps.
        source: The file that they come from.
        form: Name of its format.
        title: Name of its format for readers.
        limits: Bounds on plans.

    Raises:
        DocumentError: It has no steps, they are nested too deeply, or they wait for each other in a cycle.
    """
    return _PlanWriter(workflow, source, limits).write(form, title)


class _PlanWriter:
    def __init__(self, workflow: Workflow, source: str, limits: Limits) -> None:
        self._workflow = workflow
        self._source = source
        self._limits = limits
        self._losses = [replace(loss, file=loss.file or source) for loss in workflow.losses]
        self._agents = AgentWriter()
        names = [each.name for each in workflow.parameters]
        known = {name: find_parameter(workflow.parameters, name) for name in names}
        self._parameters = {name: each for name, each in known.items() if each is not None}
        self._used: set[str] = set()
        self._has_copies = any(step.copies is not None for step in walk(workflow.steps))
        self._copied: set[str] = set()
        self._ids: dict[int, str] = {}
        self._paths: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        self._tasks: dict[str, dict[str, Any]] = {}

    def write(self, form: str, title: str) -> Imported:
        if not self._workflow.steps:
            raise self._no_tasks()
        self._name_steps(self._workflow.steps, "", 1)
        tasks = [self._task(step, "", manual=False) for step in self._workflow.steps]
        self._drop_missing_files()
        plan = load_plan(self._head(title) | {"tasks": tasks}, limits=self._limits)
        for problem in find_problems(Shape(plan, self._limits, planned=False)):
            if problem.code == "GEN-CYCLE":
                hint = "remove one of these dependencies in the file"
                raise self._fault(problem.message, hint, "GEN-DOCUMENT-CYCLE")
        losses = sorted(
            map(_clean_loss, self._losses), key=lambda loss: (loss.file != self._source, loss.file, loss.line)
        )
        return Imported(form, self._source, plan, self._agents.registry(), tuple(dict.fromkeys(losses)))

    def _no_tasks(self) -> DocumentError:
        """Make the error of a file without tasks that can be imported, with what was left out of it."""
        shown = [f"line {each.line}: {each.construct} ({each.outcome})" for each in self._losses[:_SHOWN]]
        why = f"; {'; '.join(shown)}" if shown else ""
        hint = "there is nothing to import: correct the file, or write the plan by hand"
        return self._fault(f"it has no tasks that can be imported{why}", hint, "GEN-DOCUMENT-EMPTY")

    def _fault(self, problem: str, hint: str, code: str) -> DocumentError:
        return DocumentError(f"{self._source}: {problem}", hint=hint, code=code, data={"source": self._source})

    def _name_steps(self, steps: list[Step], parent: str, depth: int) -> None:
        """Name each step: unique among its siblings, and none of a task at the top, whose path it would hide."""
        if depth > _DEEPEST:
            raise self._fault(
                f"groups are nested deeper than {_DEEPEST} levels", "use fewer levels", "GEN-DOCUMENT-DEPTH"
            )
        taken = {self._ids[id(step)] for step in self._workflow.steps} if parent else set()
        taken |= {ITEM} if self._has_copies else set()
        for step in steps:
            name = _make_id(step.name or step.key)
            number = 1
            while (chosen := name if number == 1 else f"{name}-{number}") in taken:
                number += 1
            taken.add(chosen)
            if step.key in self._paths:
                raise self._fault(f"two tasks have the name {step.name!r}", "rename one of them", "GEN-DOCUMENT")
            self._ids[id(step)] = chosen
            self._paths[step.key] = f"{parent}{chosen}"
            self._parents[step.key] = parent
            if step.copies is not None or parent.rstrip("/") in self._copied:
                self._copied.add(self._paths[step.key])
        for step in steps:
            self._name_steps(step.steps, f"{self._paths[step.key]}/", depth + 1)

    def _head(self, title: str) -> dict[str, Any]:
        name = one_line(redact(self._workflow.title), _LONGEST_DESCRIPTION) or PurePath(self._source).name
        head: dict[str, Any] = {
            "version": 1,
            "request": f"{name} ({title}, imported from {PurePath(self._source).name})",
        }
        if self._workflow.deadline_s is not None:
            head["deadline_s"] = self._workflow.deadline_s
        parameters = {name: write_parameter(self._parameters[name]) for name in self._parameters if name in self._used}
        schedules, losses = write_schedules(self._workflow.starts, self._parameters, self._used)
        self._losses += [replace(loss, file=self._source) for loss in losses]
        for parameter in self._workflow.parameters:
            self._lose_parameter(parameter)
        head |= {"params": parameters} if parameters else {}
        return head | ({"schedules": schedules} if schedules else {})

    def _lose_parameter(self, parameter: WorkflowParameter) -> None:
        """Report a parameter that the plan does not have, or whose type it does not have."""
        construct = f"parameter {parameter.name!r}" + (f" of type {parameter.type}" if parameter.type else "")
        if parameter.name not in self._used:
            self._lose(None, parameter.line, construct, "left out: no task takes it")
        elif not is_typed(parameter):
            self._lose(None, parameter.line, construct, "a parameter of the plan: text, whose type is not checked")

    def _task(self, step: Step, parent: str, *, manual: bool) -> dict[str, Any]:
        """Write one task; `manual` says that a group around it must not run by itself."""
        path = self._paths[step.key]
        description = one_line(redact(step.description or step.name or step.key), _LONGEST_ROLE) or path
        task: dict[str, Any] = {
            "id": self._ids[id(step)],
            "type": one_line(step.kind, _LONGEST_DESCRIPTION) or "generic",
            "description": escape_text(description, is_item_name) if path in self._copied else description,
        }
        self._losses += [replace(loss, task=path, file=loss.file or step.file or self._source) for loss in step.losses]
        after, is_known = self._dependencies(step, parent)
        if after:
            task["depends_on"] = after
        manual = manual or not is_known
        for name, write in STEP_KEYS.items():
            written = write(step)
            task |= written.keys
            self._used.update(parse_condition(written.keys["when"]).references if "when" in written.keys else ())
            manual = manual or written.manual
            if written.construct:
                self._lose(step, step.lines.get(name, step.line), written.construct, written.outcome)
        if step.steps:
            task["subtasks"] = [self._task(child, f"{path}/", manual=manual) for child in step.steps]
            return task
        self._tasks[path] = task
        if "wait_for" in task and not manual:
            return task
        task.pop("wait_for", None)
        task |= self._work(step, manual=manual)
        return task

    def _dependencies(self, step: Step, parent: str) -> tuple[list[str], bool]:
        """Return `depends_on`, and whether all that the source names exists."""
        found: list[str] = []
        is_known = True
        for key in dict.fromkeys(step.after):
            if key not in self._paths:
                self._lose(
                    step, step.line, f"it comes after {key!r}, which is no task", "a work order: a person decides"
                )
                is_known = False
                continue
            path = self._paths[key]
            found.append(path.rpartition("/")[2] if self._parents[key] == parent else path)
        return found, is_known

    def _work(self, step: Step, *, manual: bool) -> dict[str, Any]:
        """Write who does a step, and with which inputs."""
        if step.role is not None and not manual:
            inputs = {name: f"{{{name}}}" for name in step.variables}
            role = replace(step.role, description=redact(step.role.description)[:_LONGEST_ROLE])
            return {"agent": self._agents.for_role(role, step.kind)} | ({"inputs": inputs} if inputs else {})
        environment, secrets = self._environment(step)
        command = self._clean_command(step)
        if command is not None and not manual and self._is_runnable(step, command):
            own = {name: value for name, value in environment.items() if not self._can_set(step, name, value)}
            agent = self._agents.for_command(command, step.kind, own, secrets)
            variables = {name: value for name, value in environment.items() if name not in own}
            variables |= {name: f"{{{parameter}}}" for name, parameter in step.environment_parameters.items()}
            files = self._files(step)
            env = {"env": variables} if variables else {}
            return {"agent": agent} | _inputs_of(command) | env | ({"files": files} if files else {})
        return {"agent": self._agents.for_person(step.kind)} | self._order(step, environment)

    def _files(self, step: Step) -> dict[str, dict[str, str]]:
        """Write the files that a step takes and hands on."""
        given = {path: f"{{{self._paths[key]}.files.{name}}}" for path, (key, name) in step.files_in.items()}
        return ({"in": given} if given else {}) | ({"out": dict(step.files_out)} if step.files_out else {})

    def _drop_missing_files(self) -> None:
        """Leave out what steps take from steps that do not hand it on, since a person does them."""
        for step in walk(self._workflow.steps):
            task = self._tasks.get(self._paths[step.key], {})
            taken = task.get("files", {}).get("in", {})
            for path, (key, name) in step.files_in.items():
                giver = self._tasks.get(self._paths[key], {})
                if path in taken and name not in giver.get("files", {}).get("out", {}):
                    del taken[path]
                    task["files"] = {part: files for part, files in task["files"].items() if files}
                    line = step.lines.get("files", step.line)
                    construct = f"file {path} of {self._paths[key]}"
                    self._lose(step, line, construct, "not there: a person does that task")

    def _environment(self, step: Step) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return the environment variables, and the names of those that are secret, which are never copied."""
        hidden = [name for name, value in step.environment.items() if value and is_secret_variable(name, value)]
        hidden += [name for name, value in step.environment.items() if redact(value) != value]
        line = step.lines.get("environment", step.line)
        secrets = tuple(dict.fromkeys((*step.secrets, *hidden)))
        for name in secrets:
            outcome = f"its value is not copied: set the environment variable {name} where the task runs"
            self._lose(step, line, f"secret {name}", outcome)
        return {name: value for name, value in step.environment.items() if name not in secrets}, secrets

    def _can_set(self, step: Step, name: str, value: str) -> bool:
        """Whether a task sets an environment variable; the agents file may set all, and has no references."""
        if is_env_name(name):
            return "{" not in value
        outcome = "in the agents file: a task cannot set it"
        self._lose(step, step.lines.get("environment", step.line), f"environment variable {name}", outcome)
        return False

    def _clean_command(self, step: Step) -> Command | None:
        """Return the command with credentials struck from its texts; such a step is no longer to be run as it is."""
        command = step.command
        if command is None:
            return None
        argv = tuple(each if isinstance(each, Slot) else redact(each) for each in command.argv)
        return replace(command, argv=argv, script=None if command.script is None else redact(command.script))

    def _is_runnable(self, step: Step, command: Command) -> bool:
        """Whether a command runs here as it is; what stands in the way is reported."""
        program = command.argv[0] if command.argv else ""
        reason = ""
        if step.command != command:
            reason = f"a credential in the text of the command, replaced by {MARK}"
        elif not isinstance(program, str) or not program.strip() or "{" in program or _has_nul(command):
            reason = "a program that cannot be named in an agents file"
        slots = [each.name for each in command.argv if isinstance(each, Slot) and each.value is None]
        slots += step.environment_parameters.values()
        is_copied = self._paths[step.key] in self._copied
        missing = [name for name in slots if name not in self._parameters and not (is_copied and is_item_name(name))]
        refused = [name for name in step.environment_parameters if not is_env_name(name) or is_secret_name(name)]
        if missing and not reason:
            given = {each.name for each in self._workflow.parameters if each.default is not None}
            what = "with a secret for a default" if given.issuperset(missing) else "without a default"
            reason = f"parameters {what}: {', '.join(map(repr, missing))}"
        elif refused and not reason:
            reason = f"a parameter in the environment variable {refused[0]}, which a task cannot set"
        if reason:
            self._lose(step, step.lines.get("command", step.line), reason, "the task is a work order")
        else:
            self._used.update(slots)
        return not reason

    def _order(self, step: Step, environment: dict[str, str]) -> dict[str, Any]:
        """Write the inputs of a work order: what the source says of the step."""
        inputs: dict[str, Any] = dict(redact_values(step.inputs))
        command = self._clean_command(step)
        if command is not None and command.script is not None:
            inputs["script"] = command.script
        elif command is not None:
            inputs["command"] = [
                each if isinstance(each, str) else f"{each.prefix}<{each.name}>" for each in command.argv
            ]
        environment = environment | {name: f"<{each}>" for name, each in step.environment_parameters.items()}
        if environment:
            inputs["environment"] = environment
        try:
            plain = plain_value(inputs)
        except ValueError:
            plain = {name: excerpt(value) for name, value in inputs.items()}
        plain = {canonical(name): value for name, value in plain.items()}
        own = {ITEM: f"{{{ITEM}}}"} if self._paths[step.key] in self._copied else {}
        literal = {"literal_inputs": list(plain)} if plain else {}
        return ({"inputs": own | plain} | literal) if own | plain else {}

    def _lose(self, step: Step | None, line: int, construct: str, outcome: str) -> None:
        path = self._paths[step.key] if step else ""
        file = (step.file if step else "") or self._source
        self._losses.append(Loss(line, construct, outcome, path, file))


def _clean_loss(loss: Loss) -> Loss:
    return replace(loss, construct=redact(one_line(loss.construct, _LONGEST_DESCRIPTION)))


def _inputs_of(command: Command) -> dict[str, Any]:
    if command.script is not None:
        return {"inputs": {"script": command.script}, "literal_inputs": ["script"]}
    slots = [each for each in command.argv if isinstance(each, Slot)]
    inputs = {each.name: f"{{{each.name}}}" if each.value is None else each.value for each in slots}
    literal = [each.name for each in slots if each.value is not None]
    return ({"inputs": inputs} if inputs else {}) | ({"literal_inputs": literal} if literal else {})


def _has_nul(command: Command) -> bool:
    return any(
        "\0" in (each if isinstance(each, str) else each.prefix) for each in (*command.argv, command.script or "")
    )


def _make_id(name: str) -> str:
    """Make a task's id of any text."""
    words = _NO_NAME.sub("-", canonical(name[: 4 * _LONGEST_ID]).strip())
    kept = "".join(char if char.isalpha() or char.isdecimal() or char in "_.-" else "-" for char in words)
    return re.sub(r"-{2,}", "-", kept)[:_LONGEST_ID].strip("-.") or "task"
