"""Faults that the bench of real workflows would find are found."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench import workflows
from bench.workflow_edges import read_edges
from bench.workflows import compare_plan, compare_run
from genesis.importers import import_workflow

_KESTRA = """\
id: load
namespace: shop
tasks:
  - {id: a, type: io.kestra.plugin.core.log.Log, message: a}
  - {id: b, type: io.kestra.plugin.core.log.Log, message: b}
"""
_DAG = """\
spec:
  entrypoint: m
  onExit: x
  templates: [{name: m, dag: {tasks: [{name: a}, {name: b, depends: a}]}}]
"""
_MANIFEST = """\
{"nodes": {
    "m.a": {"name": "a", "resource_type": "model"},
    "m.b": {"name": "b", "resource_type": "test"},
    "o.c": {"name": "c", "resource_type": "operation"}},
 "parent_map": {"m.a": ["source.x"], "m.b": ["m.a"]}}
"""


@pytest.fixture
def flow(tmp_path):
    file = tmp_path / "load.yml"
    file.write_text(_KESTRA)
    return file, import_workflow(file)


def _without_order(imported):
    tasks = tuple(task.model_copy(update={"depends_on": ()}) for task in imported.plan.tasks)
    return imported.plan.model_copy(update={"tasks": tasks})


def test_lost_and_new_order_and_missing_parts_are_faults(flow):
    file, imported = flow
    assert [*compare_plan(imported, "kestra", file)] == []
    assert [*compare_plan(replace(imported, plan=_without_order(imported)), "kestra", file)] == ["a before b is lost"]
    (file.parent / "one.yml").write_text(_KESTRA.replace("  - {id: b", "#"))
    [fault] = compare_plan(imported, "kestra", file.parent / "one.yml")
    assert "'b'" in fault


def test_a_rehearsal_that_is_out_of_order_or_incomplete_is_a_fault(flow):
    file, imported = flow
    times = {
        "a": ("2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z"),
        "b": ("2026-01-01T00:00:01Z", "2026-01-01T00:00:04Z"),
    }
    tasks = [{"id": name, "state": "completed", "started_at": at, "ended_at": end} for name, (at, end) in times.items()]
    run = {"state": "completed", "tasks": tasks}
    assert [*compare_run(imported, "kestra", file, run)] == ["b began before a had ended"]
    assert [*compare_run(imported, "kestra", file, run | {"tasks": tasks[:1]})] == [
        "the rehearsal has other tasks than the plan"
    ]


@pytest.mark.parametrize(
    ("form", "text", "edges"),
    [
        ("github", "jobs: {a: {}, b: {needs: a}, c: {needs: [a, b]}}", {"a": set(), "b": {"a"}, "c": {"a", "b"}}),
        (
            "argo",
            _DAG,
            {"a": set(), "b": {"a"}, "exit-x": {"a", "b"}},
        ),
        ("crewai", "a: {}\nb: {}\n", {"a": set(), "b": {"a"}}),
        ("cwl", "steps: {a: {in: {x: y}}, b: {in: {x: a/out, z: {source: a/o}}}}", {"a": set(), "b": {"a"}}),
        (
            "airflow",
            "with TaskGroup('g') as g: 1\na = Op(task_id='first')\nb = Op(task_id='last')\na >> [g, b]\ng >> b\n",
            {"g": {"first"}, "first": set(), "last": {"first", "g"}},
        ),
        (
            "dbt",
            _MANIFEST,
            {"a": set(), "b": {"a"}},
        ),
    ],
)
def test_edges_are_read_without_the_importers(tmp_path, form, text, edges):
    file = tmp_path / "file"
    file.write_text(text)
    assert read_edges(form, file) == edges


def test_eleven_workflows_are_named_with_their_licence():
    named = json.loads((Path(workflows.__file__).parent / "workflows.json").read_text())
    assert len(named) == 11
    assert all(len(each["commit"]) == 40 and each["licence"] and each["repository"] for each in named)
    assert {each["format"] for each in named} == {"github", "airflow", "dbt", "cwl", "argo", "kestra", "crewai"}
