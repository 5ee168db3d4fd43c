"""CrewAI: tasks and agents of a crew, from its YAML files or from a `crew.py`, which is parsed and never run.

Reference: docs.crewai.com, "Tasks", "Agents" and "Crews".
"""

from __future__ import annotations

import ast
import re
from pathlib import PurePath
from typing import Any

from genesis.errors import GenesisError
from genesis.importers.fields import excerpt, mapping_of, text_of, texts_of
from genesis.importers.literals import UNKNOWN, call_name, evaluate, keywords_of
from genesis.importers.source import Source
from genesis.importers.workflow import Loss, Role, Step, Workflow

__all__ = ["find_mismatch", "read_workflow"]

_VARIABLE = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_TASK_KEYS = {"description", "expected_output", "agent", "context", "async_execution", "name", "config", "tools"}
_AGENT_KEYS = {"role", "goal", "backstory", "llm", "config", "verbose", "name"}
_IN_ORDER = "tasks run one after another, in the order of the file"


def find_mismatch(source: Source) -> str | None:
    """Return why a file is no part of a crew."""
    if source.is_python:
        imports = [node for node in ast.walk(source.module) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [
            name
            for node in imports
            for name in (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            )
        ]
        return None if any(name.startswith("crewai") for name in names) else "it does not import crewai"
    document = source.document
    if not isinstance(document, dict) or not document:
        return "it is no mapping of tasks or agents"
    if all(isinstance(each, dict) and {"description", "expected_output"} <= set(each) for each in document.values()):
        return None
    if all(isinstance(each, dict) and {"role", "goal"} <= set(each) for each in document.values()):
        return None
    return "its entries have no description and expected_output, and no role and goal"


def read_workflow(source: Source) -> Workflow:
    """Translate a crew."""
    workflow = Workflow("Crew")
    crew = _Crew(source, workflow)
    if source.is_python:
        crew.read_module()
    else:
        crew.read_documents()
    crew.write_steps()
    return workflow


class _Crew:
    def __init__(self, source: Source, workflow: Workflow) -> None:
        self._source = source
        self._workflow = workflow
        self._tasks: dict[str, tuple[dict[str, Any], str, int]] = {}
        """By name: the task's fields, its file and line, in the order in which they run."""
        self._agents: dict[str, tuple[dict[str, Any], str, int]] = {}
        self._constants: dict[str, Any] = {}

    def read_documents(self) -> None:
        """Read `tasks.yaml` and `agents.yaml`, of which one is given and the other is beside it."""
        first = next(iter(self._source.document.values()))
        is_tasks = "expected_output" in first
        suffix = self._source.path.suffix
        other = self._read_beside(f"{'agents' if is_tasks else 'tasks'}{suffix}")
        mine = _entries(self._source)
        self._tasks, self._agents = (mine, other) if is_tasks else (other, mine)
        construct = "the order of tasks and the process of the crew, which crew.py has"
        self._workflow.losses.append(Loss(1, construct, _IN_ORDER))

    def read_module(self) -> None:
        """Read a `crew.py`: functions with `@task` and `@agent`, or calls of `Task(…)` and `Agent(…)`."""
        module = self._source.module
        configs = {"agents_config": "config/agents.yaml", "tasks_config": "config/tasks.yaml"}
        for node in ast.walk(module):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name, value = node.targets[0].id, evaluate(node.value, self._constants)
                self._constants[name] = value
                if name in configs and isinstance(value, str):
                    configs[name] = value
        is_base = any(isinstance(node, ast.Attribute) and node.attr in configs for node in ast.walk(module))
        known = {name: self._read_beside(file) if is_base else {} for name, file in configs.items()}
        for name, call in _named_calls(module):
            kind = call_name(call)
            if kind == "Crew":
                self._read_crew(call)
            elif kind in ("Task", "Agent"):
                config = known["tasks_config" if kind == "Task" else "agents_config"]
                made = self._tasks if kind == "Task" else self._agents
                if name in made:
                    self._lose(call.lineno, f"{kind} {name!r}, a second one of this name", "it replaces the first")
                made[name] = self._entry(name, call, config)
        self._agents = known["agents_config"] | self._agents
        self._lose_dynamic(module)

    def _entry(
        self, name: str, call: ast.Call, config: dict[str, tuple[dict[str, Any], str, int]]
    ) -> tuple[dict[str, Any], str, int]:
        """Return the fields of a task or an agent: those of the code over those of its configuration file."""
        given = keywords_of(call)
        fields: dict[str, Any] = {}
        if (reference := given.get("config")) is not None:
            key = _config_key(reference)
            found = config.get(key)
            if found is None:
                self._lose(call.lineno, f"config of {name!r}: {self._source.segment(reference)}", "not found: left out")
            else:
                fields |= found[0]
        for key, node in given.items():
            if key == "context":
                fields[key] = [_reference(item) for item in getattr(node, "elts", [])] or [self._source.segment(node)]
            elif key == "agent":
                fields[key] = _reference(node)
            elif key != "config":
                value = evaluate(node, self._constants)
                fields[key] = self._source.segment(node) if value is UNKNOWN else value
        return fields, self._source.name, call.lineno

    def _read_crew(self, call: ast.Call) -> None:
        given = keywords_of(call)
        if "process" in given and not self._source.segment(given["process"]).endswith("sequential"):
            self._lose(call.lineno, f"process {self._source.segment(given['process'])}", _IN_ORDER)
        tasks = getattr(given.get("tasks"), "elts", None)
        if tasks:
            order = [_reference(item) for item in tasks]
            for name in [each for each in order if each not in self._tasks]:
                self._lose(call.lineno, f"task {name!r} of the crew", "not known before the file runs: left out")
            self._tasks = {name: self._tasks[name] for name in order if name in self._tasks}
        for key, node in given.items():
            if key not in ("agents", "tasks", "process", "verbose"):
                self._lose(node.lineno, f"{key}={self._source.segment(node)} of the crew", "left out")

    def _lose_dynamic(self, module: ast.Module) -> None:
        """Report tasks that a loop or a comprehension makes."""
        for node in ast.walk(module):
            if isinstance(node, ast.For | ast.While | ast.ListComp) and any(
                isinstance(each, ast.Call) and call_name(each) in ("Task", "Agent") for each in ast.walk(node)
            ):
                self._lose(node.lineno, f"tasks or agents made by a loop: {self._source.segment(node)}", "not guessed")

    def _lose(self, line: int, construct: str, outcome: str) -> None:
        self._workflow.losses.append(Loss(line, construct, outcome))

    def _read_beside(self, name: str) -> dict[str, tuple[dict[str, Any], str, int]]:
        other = self._source.beside(name)
        try:
            return {} if isinstance(other, str) else _entries(other)
        except GenesisError as error:
            self._lose(1, f"the file {PurePath(name).name}", f"not read: {error.message}")
            return {}

    def write_steps(self) -> None:
        """Make a step of each task. In a sequential crew each comes after the one before."""
        before = ""
        waiting: list[str] = []
        for name, (fields, file, line) in self._tasks.items():
            step = self._step(name, fields, file, line)
            context = [each for each in texts_of(fields.get("context")) if each != before]
            step.after = ([before] if before else []) + (waiting if not _is_async(fields) else []) + context
            if _is_async(fields):
                waiting = [*waiting, name]
            else:
                before, waiting = name, []
            self._workflow.steps.append(step)

    def _step(self, name: str, fields: dict[str, Any], file: str, line: int) -> Step:
        step = Step(name, "crew task", line, name=name, file=file)
        step.description = text_of(fields.get("description")).strip() or name
        if expected := text_of(fields.get("expected_output")).strip():
            step.description += f"\nExpected output: {expected}"
        agent = text_of(fields.get("agent"))
        step.role = self._role(step, agent)
        step.variables = list(dict.fromkeys(_VARIABLE.findall(step.role.description))) if step.role else []
        if names := dict.fromkeys([*_VARIABLE.findall(step.description), *step.variables]):
            given = " ".join(f"--var {each}=…" for each in names)
            shown = ", ".join(f"{{{each}}}" for each in names)
            step.losses.append(Loss(line, f"values of {shown}", f"not in the file: give them with {given}"))
        if tools := fields.get("tools"):
            step.losses.append(Loss(line, f"tools {excerpt(tools)}", "left out"))
        for key in fields:
            if key not in _TASK_KEYS:
                step.losses.append(Loss(line, f"key {key!r}", "left out"))
        return step

    def _role(self, step: Step, name: str) -> Role | None:
        if name not in self._agents:
            what = f"agent {name!r}, which is not described" if name else "a task without an agent"
            step.losses.append(Loss(step.line, what, "the task is a work order"))
            return None
        fields, file, line = self._agents[name]
        parts = [text_of(fields.get(key)).strip() for key in ("role", "goal", "backstory")]
        for key in fields:
            if key not in _AGENT_KEYS:
                step.losses.append(Loss(line, f"key {key!r} of agent {name!r}", "left out", file=file))
        if "llm" in fields:
            outcome = "left out: the run's model works"
            step.losses.append(Loss(line, f"llm {excerpt(fields['llm'])} of agent {name!r}", outcome, file=file))
        return Role(name, ". ".join(part.rstrip(".") for part in parts if part))


def _entries(source: Source) -> dict[str, tuple[dict[str, Any], str, int]]:
    """Return the entries of a configuration file with their places."""
    entries = mapping_of(source.document)
    return {name: (mapping_of(fields), source.name, source.line(name)) for name, fields in entries.items()}


def _named_calls(module: ast.Module) -> list[tuple[str, ast.Call]]:
    """Find calls with the name that they are assigned to, or that of the function that returns them."""
    found: dict[int, tuple[str, ast.Call]] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for each in ast.walk(node):
                if isinstance(each, ast.Return) and isinstance(each.value, ast.Call):
                    found.setdefault(id(each.value), (node.name, each.value))
        elif (
            isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name)
        ):
            found.setdefault(id(node.value), (node.targets[0].id, node.value))
        elif isinstance(node, ast.Call) and call_name(node) == "Crew":
            found.setdefault(id(node), ("crew", node))
    return sorted(found.values(), key=lambda each: (each[1].lineno, each[1].col_offset))


def _config_key(node: ast.expr) -> str:
    """Return the key of `self.tasks_config['key']`."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return ""


def _reference(node: ast.expr) -> str:
    """Return the name of a task or an agent that code refers to: `self.researcher()`, `research_task`."""
    target = node.func if isinstance(node, ast.Call) else node
    return call_name(target) or (str(target.value) if isinstance(target, ast.Constant) else "")


def _is_async(fields: dict[str, Any]) -> bool:
    return text_of(fields.get("async_execution")).lower() == "true"
