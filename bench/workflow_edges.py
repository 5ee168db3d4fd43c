"""Read which parts of a workflow come before which, straight from its file and without the importers.

Each reader is as short as its format allows: it knows the parts at the top and what orders them, and nothing else.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["read_edges"]

Edges = dict[str, set[str]]
"""By the name of a part: the names of those that it directly comes after."""


def read_edges(form: str, file: Path) -> Edges:
    """Return the parts at the top of a workflow, each with those before it.

    Args:
        form: Name of its format.
        file: The workflow.
    """
    return _READERS[form](file.read_text(encoding="utf-8"))


def _read_github(text: str) -> Edges:
    jobs = yaml.safe_load(text)["jobs"]
    return {name: set(_list(job.get("needs"))) for name, job in jobs.items()}


def _read_argo(text: str) -> Edges:
    spec = yaml.safe_load(text)["spec"]
    entry = next(each for each in spec["templates"] if each["name"] == spec["entrypoint"])
    tasks = entry["dag"]["tasks"]
    names = {task["name"] for task in tasks}
    edges = {
        task["name"]: {*task.get("dependencies", ()), *(names & set(re.findall(r"[\w-]+", task.get("depends", ""))))}
        for task in tasks
    }
    if "onExit" in spec:
        edges[f"exit-{spec['onExit']}"] = names
    return edges


def _read_kestra(text: str) -> Edges:
    return _in_turn([task["id"] for task in yaml.safe_load(text)["tasks"]])


def _read_crewai(text: str) -> Edges:
    return _in_turn([*yaml.safe_load(text)])


def _read_cwl(text: str) -> Edges:
    steps: Mapping[str, Any] = yaml.safe_load(text)["steps"]
    found: Edges = {}
    for name, step in steps.items():
        sources = [each["source"] if isinstance(each, dict) else each for each in step["in"].values()]
        found[name] = {source.partition("/")[0] for source in map(str, sources) if "/" in source}
    return found


def _read_dbt(text: str) -> Edges:
    manifest = json.loads(text)
    names = {
        key: node["name"]
        for key, node in {**manifest["nodes"], **manifest.get("unit_tests", {})}.items()
        if node["resource_type"] in ("model", "seed", "snapshot", "test", "unit_test")
    }
    return {
        name: {names[other] for other in manifest["parent_map"][key] if other in names} for key, name in names.items()
    }


def _read_airflow(text: str) -> Edges:
    """Read `a >> [b, c] >> d` between variables that are assigned a task or a group by its literal id."""
    ids: dict[str, str] = {}
    chains: list[ast.BinOp] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            given = {each.arg: each.value for each in node.value.keywords}
            if isinstance(named := given.get("task_id"), ast.Constant):
                ids[node.targets[0].id] = str(named.value)
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            call = node.context_expr
            if (
                isinstance(call, ast.Call)
                and ast.unparse(call.func) == "TaskGroup"
                and isinstance(call.args[0], ast.Constant)
            ):
                ids[node.optional_vars.id] = str(call.args[0].value)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.BinOp):
            chains.append(node.value)
    edges: Edges = {name: set() for name in ids.values()}
    for chain in chains:
        _follow(chain, ids, edges)
    return edges


def _follow(node: ast.expr, ids: Mapping[str, str], edges: Edges) -> list[str]:
    """Add the edges of a chain of shifts; returns the names at its end."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
        before, after = _follow(node.left, ids, edges), _follow(node.right, ids, edges)
        for name in after:
            edges[name].update(before)
        return after
    if isinstance(node, ast.List):
        return [name for each in node.elts for name in _follow(each, ids, edges)]
    return [ids[node.id]] if isinstance(node, ast.Name) and node.id in ids else []


def _in_turn(names: list[str]) -> Edges:
    return {name: set(names[max(0, at - 1) : at]) for at, name in enumerate(names)}


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


_READERS: dict[str, Callable[[str], Edges]] = {
    "airflow": _read_airflow,
    "argo": _read_argo,
    "crewai": _read_crewai,
    "cwl": _read_cwl,
    "dbt": _read_dbt,
    "github": _read_github,
    "kestra": _read_kestra,
}
