"""Airflow: a DAG file is parsed, never run. What only a run of the file could tell is reported, not guessed.

Reference: airflow.apache.org, "DAGs", "TaskFlow" and "Task groups".
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from genesis.importers.airflow_operators import make_step, read_mapping
from genesis.importers.airflow_schedules import read_schedule
from genesis.importers.fields import excerpt, text_of
from genesis.importers.limits import MOST_EXPANSIONS
from genesis.importers.literals import UNKNOWN, Duration, call_name, evaluate, keywords_of
from genesis.importers.source import Source
from genesis.importers.workflow import Loss, Start, Step, Workflow, WorkflowParameter, walk

__all__ = ["find_mismatch", "read_workflow"]

_LEFT_OUT = "not guessed: left out"
_DAG_NAMES = {"dag_id", "description", "default_args", "start_date", "catchup", "tags", "doc_md"}
_BRANCHES = ("BranchPythonOperator", "ShortCircuitOperator", "task.branch", "task.short_circuit")
_CHAINS = ("chain", "chain_linear", "cross_downstream")
_Keys = tuple[str, ...]


def find_mismatch(source: Source) -> str | None:
    """Return why a file is no DAG file of Airflow."""
    for node in ast.walk(source.module):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        if any(name.partition(".")[0] == "airflow" for name in names):
            return None
    return "it does not import airflow"


def read_workflow(source: Source) -> Workflow:
    """Translate a DAG file."""
    reader = _Reader(source)
    reader.run_body(source.module.body, _Scope())
    return reader.finish()


@dataclass
class _Scope:
    """What names stand for at a place of the file."""

    constants: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, _Keys] = field(default_factory=dict)
    """Keys of the steps that a name stands for."""
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=dict)
    dags: dict[str, _Dag] = field(default_factory=dict)
    dag: _Dag | None = None
    group: Step | None = None
    depth: int = 0

    def inner(self, *, dag: _Dag | None = None, group: Step | None = None) -> _Scope:
        """Return the scope of a block or a function."""
        return _Scope(
            dict(self.constants), dict(self.tasks), dict(self.functions), dict(self.dags),
            dag or self.dag, group or (None if dag else self.group), self.depth + 1,
        )  # fmt: skip


@dataclass
class _Dag:
    step: Step
    defaults: dict[str, Any] = field(default_factory=dict)


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._workflow = Workflow("")
        self._dags: list[_Dag] = []
        self._steps: dict[str, Step] = {}
        self._loose: list[Step] = []
        self._mapped: list[tuple[Step, _Call]] = []

    def finish(self) -> Workflow:
        """Return the workflow: the tasks of the only DAG, or a group for each of several."""
        workflow = self._workflow
        for step, made in self._mapped:
            read_mapping(step, made.lists, made.mapped, made.options, workflow.parameters)
        dags = [each.step for each in self._dags if each.step.steps or each.step.name]
        filled = [step for step in dags if step.steps]
        if len(filled) == 1:
            workflow.title, workflow.steps = filled[0].description, filled[0].steps
        else:
            workflow.title, workflow.steps = "DAGs", filled
            workflow.starts = [replace(each, schedule=None) for each in workflow.starts]
        workflow.steps = workflow.steps + self._loose
        for step in walk(workflow.steps):
            branches = [key for key in step.after if key in self._steps and self._steps[key].kind in _BRANCHES]
            if branches:
                step.condition = f"chosen by {', '.join(self._steps[key].name for key in branches)}"
        self._check_rules(workflow.steps, is_after=False)
        return workflow

    def _check_rules(self, steps: list[Step], *, is_after: bool) -> None:
        """Keep trigger rules that mean the same in the plan: those of Airflow are about tasks, not about groups.

        Args:
            steps: The steps of a group.
            is_after: Whether a group around them comes after something.
        """
        for step in steps:
            self._check_rules(step.steps, is_after=is_after or bool(step.after))
            if step.trigger == "all_succeeded":
                continue
            before = [self._steps[key] for key in step.after if key in self._steps]
            is_about_group = is_after or (step.trigger != "all_done" and any(each.steps for each in before))
            is_about_copies = step.trigger == "any_succeeded" and any(each.copies for each in before)
            if is_about_group or is_about_copies:
                what = "tasks in another group" if is_about_group else "one of the mapped tasks"
                step.condition = f"trigger rule {step.trigger}, about {what}"
            if is_about_group or is_about_copies or not step.after:  # without tasks, any rule holds
                step.trigger = "all_succeeded"

    def run_body(self, body: Sequence[ast.stmt], scope: _Scope) -> _Keys:
        """Read statements in order; returns the tasks that a `return` among them names."""
        returned: _Keys = ()
        for statement in body:
            match statement:
                case ast.Assign():
                    self._assign(statement.targets, statement.value, scope)
                case ast.AnnAssign(value=ast.expr() as value):
                    self._assign([statement.target], value, scope)
                case ast.Expr():
                    self._value(statement.value, scope)
                case ast.Return(value=ast.expr() as value):
                    returned = self._value(value, scope)
                case ast.With():
                    self._with(statement, scope)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._define(statement, scope)
                case ast.Import() | ast.ImportFrom() | ast.Pass():
                    continue
                case _:
                    self._lose_dynamic(statement, scope)
        return returned

    def _lose_dynamic(self, statement: ast.stmt, scope: _Scope) -> None:
        """Report tasks and edges that a loop, a condition or the like makes."""
        makes = [node for node in ast.walk(statement) if self._makes_tasks(node, scope)]
        if makes:
            kind = {"For": "a loop", "While": "a loop", "If": "a condition", "Try": "a try block"}
            what = kind.get(type(statement).__name__, "code")
            construct = f"tasks or their order made by {what}: {self._source.segment(statement)}"
            self._workflow.losses.append(Loss(statement.lineno, construct, _LEFT_OUT))
            for node in ast.walk(statement):  # what is assigned in it is not known
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    scope.constants[node.id] = UNKNOWN
                    scope.tasks.pop(node.id, None)

    def _makes_tasks(self, node: ast.AST, scope: _Scope) -> bool:
        if isinstance(node, ast.BinOp):
            return isinstance(node.op, ast.RShift | ast.LShift)
        if not isinstance(node, ast.Call):
            return False
        named = {"task_id", "dag_id", "group_id"} & set(keywords_of(node))
        return bool(named) or call_name(node) in {"DAG", "TaskGroup", *_CHAINS, *scope.functions}

    def _assign(self, targets: list[ast.expr], value: ast.expr, scope: _Scope) -> None:
        if isinstance(value, ast.Call) and call_name(value) == "DAG":
            made = self._make_dag(value, scope, "")
            scope.dags |= {target.id: made for target in targets if isinstance(target, ast.Name)}
            return
        keys = self._value(value, scope)
        known = evaluate(value, scope.constants)
        for target in targets:
            if isinstance(target, ast.Name):
                scope.constants[target.id] = known
                scope.tasks[target.id] = keys
            elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
                for name, item in zip(target.elts, value.elts, strict=False):
                    if isinstance(name, ast.Name):
                        scope.tasks[name.id] = self._value(item, scope) if isinstance(item, ast.Name) else ()

    def _define(self, function: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope) -> None:
        names = [_decorator(each) for each in function.decorator_list]
        if "dag" in names:
            decorator = function.decorator_list[names.index("dag")]
            call = decorator if isinstance(decorator, ast.Call) else ast.Call(decorator, [], [])
            call = ast.copy_location(call, decorator)
            dag = self._make_dag(call, scope, function.name)
            self.run_body(function.body, scope.inner(dag=dag))
        else:
            scope.functions[function.name] = function

    def _with(self, statement: ast.With, scope: _Scope) -> None:
        inner = scope
        for item in statement.items:
            call, target = item.context_expr, item.optional_vars
            name = target.id if isinstance(target, ast.Name) else ""
            if isinstance(call, ast.Name) and call.id in scope.dags:
                inner = inner.inner(dag=scope.dags[call.id])
            elif isinstance(call, ast.Call) and call_name(call) == "DAG":
                dag = self._make_dag(call, scope, "")
                scope.dags |= {name: dag} if name else {}
                inner = inner.inner(dag=dag)
            elif isinstance(call, ast.Call) and call_name(call) == "TaskGroup":
                group = self._make_group(call, inner)
                scope.tasks |= {name: (group.key,)} if name else {}
                inner = inner.inner(group=group)
        if inner is scope:
            self._lose_dynamic(statement, scope)
            return
        self.run_body(statement.body, inner)
        scope.tasks |= {name: keys for name, keys in inner.tasks.items() if name not in scope.tasks}
        scope.constants |= {name: each for name, each in inner.constants.items() if name not in scope.constants}
        scope.functions |= inner.functions

    def _make_dag(self, call: ast.Call, scope: _Scope, name: str) -> _Dag:
        given = keywords_of(call)
        first = evaluate(call.args[0], scope.constants) if call.args else UNKNOWN
        values = {key: evaluate(each, scope.constants) for key, each in given.items()}
        dag_id = values.get("dag_id", first)
        title = dag_id if isinstance(dag_id, str) and dag_id else name or f"dag-{len(self._dags) + 1}"
        step = Step(f"dag:{len(self._dags)}:{title}", "DAG", call.lineno, name=title, description=title)
        defaults = values.get("default_args", {})
        dag = _Dag(step, defaults if isinstance(defaults, dict) else {})
        self._dags.append(dag)
        self._read_dag_options(title, given, values, scope.constants)
        return dag

    def _read_dag_options(
        self, title: str, given: dict[str, ast.expr], values: dict[str, Any], names: dict[str, Any]
    ) -> None:
        for key, node in given.items():
            shown, value = self._source.segment(node), values[key]
            if key in ("schedule", "schedule_interval", "timetable"):
                if value is not None:
                    text = f"schedule {shown} of {title}"
                    self._workflow.starts.append(Start(node.lineno, text, read_schedule(value, given, names)))
            elif key == "params" and isinstance(value, dict):
                self._workflow.parameters += _read_parameters(node, value)
            elif key == "dagrun_timeout" and isinstance(value, Duration) and value.seconds > 0:
                self._workflow.deadline_s = min(value.seconds, self._workflow.deadline_s or value.seconds)
            elif key == "default_args" and not isinstance(value, dict):
                self._workflow.losses.append(Loss(node.lineno, f"default_args {shown}", _LEFT_OUT))
            elif key not in _DAG_NAMES:
                self._workflow.losses.append(Loss(node.lineno, f"{key}={shown} of DAG {title}", "left out"))

    def _make_group(self, call: ast.Call, scope: _Scope, name: str = "") -> Step:
        given = keywords_of(call)
        node = given.get("group_id") or (call.args[0] if call.args else None)
        group_id = UNKNOWN if node is None else evaluate(node, scope.constants)
        title = group_id if isinstance(group_id, str) and group_id else name or "group"
        step = Step("", "TaskGroup", call.lineno, name=title, description=title)
        return self._place(step, scope)

    def _place(self, step: Step, scope: _Scope, dag: _Dag | None = None) -> Step:
        """Put a step where it belongs and give it a key."""
        self._source.check_size(len(self._steps) + 1)
        owner = dag or scope.dag or (self._dags[0] if len(self._dags) == 1 else None)
        step.key = f"{len(self._steps)}:{step.name}"
        self._steps[step.key] = step
        if scope.group is not None:
            scope.group.steps.append(step)
        elif owner is not None:
            owner.step.steps.append(step)
        else:
            self._loose.append(step)
        return step

    def _value(self, node: ast.expr, scope: _Scope, depth: int = 0) -> _Keys:
        """Return the tasks that an expression stands for; makes those that it calls for, and their edges."""
        if depth > MOST_EXPANSIONS:
            return ()
        match node:
            case ast.Name():
                return scope.tasks.get(node.id, ())
            case ast.List() | ast.Tuple() | ast.Set():
                return tuple(key for item in node.elts for key in self._value(item, scope, depth + 1))
            case ast.Dict():
                return tuple(key for item in node.values for key in self._value(item, scope, depth + 1))
            case ast.Attribute() | ast.Subscript() | ast.Starred():
                return self._value(node.value, scope, depth + 1)
            case ast.BinOp(op=ast.RShift() | ast.LShift()):
                return self._shift(node, scope, depth)
            case ast.Call():
                return self._call(node, scope, depth)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._lose_dynamic(ast.copy_location(ast.Expr(node), node), scope)
        return ()

    def _shift(self, node: ast.BinOp, scope: _Scope, depth: int) -> _Keys:
        """Read `a >> b << c`, from left to right and without recursion along the chain."""
        parts: list[tuple[ast.operator, ast.expr]] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, ast.RShift | ast.LShift):
            parts.append((left.op, left.right))
            left = left.left
        keys, before = self._value(left, scope, depth + 1), left
        for operator, right in reversed(parts):
            others = self._value(right, scope, depth + 1)
            if isinstance(operator, ast.RShift):
                self._order(keys, others, before)
            else:
                self._order(others, keys, right)
            keys, before = others, right
        return keys

    def _order(self, first: _Keys, then: _Keys, node: ast.expr) -> None:
        """Let steps come after others; after something unknown, they are no longer run by themselves."""
        empty = isinstance(node, ast.List | ast.Tuple) and not node.elts
        before = first or (() if empty else (self._source.segment(node),))
        for key in then:
            self._steps[key].after += before

    def _call(self, call: ast.Call, scope: _Scope, depth: int) -> _Keys:
        name = call_name(call)
        if isinstance(call.func, ast.Attribute) and name in ("set_downstream", "set_upstream"):
            return self._set_order(call, call.func.value, scope, depth)
        if name in _CHAINS:
            self._chain(name, [self._value(each, scope, depth + 1) for each in call.args], call.args)
            return ()
        if name == "DAG":
            self._make_dag(call, scope, "")
            return ()
        if name == "TaskGroup":
            return (self._make_group(call, scope).key,)
        made = _unwrap(call)
        function = scope.functions.get(made.target.id) if isinstance(made.target, ast.Name) else None
        if function is not None:
            return self._call_function(made, function, scope, depth)
        if "task_id" in made.options:
            return self._make_task(made, scope, depth)
        used = [self._value(each, scope, depth + 1) for each in (*call.args, *keywords_of(call).values())]
        return tuple(key for keys in used for key in keys) if name == "Label" else ()

    def _set_order(self, call: ast.Call, owner: ast.expr, scope: _Scope, depth: int) -> _Keys:
        own = self._value(owner, scope, depth + 1)
        for each in call.args:
            others = self._value(each, scope, depth + 1)
            if call_name(call) == "set_downstream":
                self._order(own, others, owner)
            else:
                self._order(others, own, each)
        return ()

    def _chain(self, name: str, values: list[_Keys], nodes: list[ast.expr]) -> None:
        for first, then, node, after in zip(values, values[1:], nodes, nodes[1:], strict=False):
            lists = all(isinstance(each, ast.List | ast.Tuple) for each in (node, after))
            if name == "chain" and lists and len(first) == len(then):
                for one, other in zip(first, then, strict=True):
                    self._order((one,), (other,), node)
            else:
                self._order(first, then, node)

    def _make_task(self, made: _Call, scope: _Scope, depth: int) -> _Keys:
        """Make the step of an operator."""
        place = made.options.get("dag")
        dag = scope.dags.get(place.id) if isinstance(place, ast.Name) else None
        owner = dag or scope.dag or (self._dags[0] if len(self._dags) == 1 else None)
        defaults = owner.defaults if owner else {}
        kind = call_name(made.target)
        step = make_step(self._source, kind, made.call, made.options, names=scope.constants, defaults=defaults)
        self._mapped.append((step, made))
        self._place(step, scope, dag)
        for name, value in made.options.items():
            if name not in ("dag", "task_group"):
                step.after += [key for key in self._value(value, scope, depth + 1) if key != step.key]
        return (step.key,)

    def _call_function(
        self, made: _Call, function: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope, depth: int
    ) -> _Keys:
        """Make the step of a `@task` function, or read the body of a `@task_group`."""
        call = made.call
        decorators = {_decorator(each): each for each in function.decorator_list}
        values = [self._value(each, scope, depth + 1) for each in (*call.args, *keywords_of(call).values())]
        kind = next((name for name in decorators if name == "task" or name.startswith("task.")), "")
        if kind:
            decorator = decorators[kind]
            own = keywords_of(decorator) if isinstance(decorator, ast.Call) else {}
            given = {"task_id": ast.copy_location(ast.Constant(function.name), call), **own, **made.changes}
            defaults = scope.dag.defaults if scope.dag else {}
            step = make_step(self._source, kind, call, given, names=scope.constants, defaults=defaults)
            step.description = (ast.get_docstring(function) or step.name).partition("\n\n")[0]
            self._mapped.append((step, made))
            step.after = [key for keys in values for key in keys]
            return (self._place(step, scope).key,)
        if "task_group" in decorators and scope.depth < MOST_EXPANSIONS:
            return self._expand_group(made, function, scope, values)
        if any(self._makes_tasks(node, scope) for node in ast.walk(function)):
            construct = f"tasks made by a function: {self._source.segment(call)}"
            self._workflow.losses.append(Loss(call.lineno, construct, _LEFT_OUT))
        return ()

    def _expand_group(
        self, made: _Call, function: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope, values: list[_Keys]
    ) -> _Keys:
        """Read the body of a `@task_group` for one call of it, with the tasks that are passed to it."""
        call = made.call
        group = self._make_group(ast.copy_location(ast.Call(call.func, [], []), call), scope, function.name)
        group.for_each = made.mapped
        inner = scope.inner(group=group)
        names = [each.arg for each in function.args.args]
        inner.tasks |= dict(zip([*names[: len(call.args)], *keywords_of(call)], values, strict=False))
        self.run_body(function.body, inner)
        return (group.key,)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call, taken apart."""

    call: ast.Call
    target: ast.expr
    """What is called."""
    changes: dict[str, ast.expr]
    """Options of `override` and `partial`."""
    mapped: str
    """What it is mapped over."""
    lists: dict[str, Any]
    """Arguments of `expand` that are literals in place; empty if one is none."""

    @property
    def options(self) -> dict[str, ast.expr]:
        """All keyword arguments."""
        return self.changes | keywords_of(self.call)


def _read_parameters(node: ast.expr, values: dict[str, Any]) -> Iterator[WorkflowParameter]:
    """Read the parameters of a DAG, with the type and the options that `Param(…)` requires.

    Args:
        node: The argument `params`.
        values: What is known of it: the default of each parameter that is no `Param`.
    """
    nodes = node.values if isinstance(node, ast.Dict) else []
    items = dict(zip(values, nodes, strict=True)) if len(nodes) == len(values) else {}
    for name, value in values.items():
        item = items.get(name, node)
        if not isinstance(item, ast.Call) or call_name(item) != "Param":
            yield WorkflowParameter(name, item.lineno, _default_text(value), _type_name(value))
            continue
        given = {key: evaluate(each, {}) for key, each in keywords_of(item).items()}
        default = given.get("default", evaluate(item.args[0], {}) if item.args else UNKNOWN)
        options = given.get("enum")
        texts = options if isinstance(options, list) and all(isinstance(each, str) for each in options) else []
        kind = given.get("type", _type_name(default))
        others = [key for key in given if key not in ("default", "type", "enum", "description", "title")]
        shown = excerpt(" with ".join([text_of(_known(kind)), *others]))
        yield WorkflowParameter(name, item.lineno, _default_text(default), shown, tuple(texts))


def _known(value: Any) -> Any:
    return "unknown" if value is UNKNOWN or isinstance(value, list) else value


def _type_name(value: Any) -> str:
    return {bool: "boolean", int: "integer", float: "number"}.get(type(value), "")


def _default_text(value: Any) -> str | None:
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, int | float) else None


def _decorator(node: ast.expr) -> str:
    """Return the name of a decorator: `task`, `task.branch`, `dag`, `task_group`."""
    target = node.func if isinstance(node, ast.Call) else node
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "task":
        return f"task.{target.attr}"
    return call_name(node)


def _unwrap(call: ast.Call) -> _Call:
    """Take `f.override(…)(…)` and `f.partial(…).expand(…)` apart."""
    changes: dict[str, ast.expr] = {}
    mapped = ""
    lists: dict[str, Any] = {}
    target: ast.expr = call.func
    while True:
        if isinstance(target, ast.Call):
            changes = keywords_of(target) | changes
            target = target.func
        elif isinstance(target, ast.Attribute) and target.attr in ("expand", "expand_kwargs", "partial", "override"):
            if target.attr == "expand" and target is call.func and not call.args:
                lists = {each.arg or "": evaluate(each.value, {}) for each in call.keywords}
            if target.attr.startswith("expand"):
                names = ", ".join(keywords_of(call)) or "its arguments"
                mapped = f"the values of {names} ({target.attr})"
            target = target.value
        else:
            return _Call(call, target, changes, mapped, lists)
