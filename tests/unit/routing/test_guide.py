"""The guide's examples are real: the files load, the routes and the messages are what routing gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from genesis.document import parse
from genesis.model import Condition, Plan, Route
from genesis.routing import load_registry, route

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "agents.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
YAML = [parse(text) for kind, text in BLOCKS if kind == "yaml"]
(EXAMPLE,) = [block for block in YAML if "agents" in block]


def route_tasks(registry, **task):
    plan = Plan.model_validate({"request": "r", "tasks": [{"id": "t", "description": "Do it", **task}]})
    return route(plan, registry).routes["t"]


@pytest.mark.parametrize(
    ("task", "agent"),
    [
        ({"type": "review", "labels": {"focus": "security"}}, "qa_agent"),
        ({"type": "backfill", "inputs": {"size": "huge"}}, "etl_agent"),
        ({"description": "Tidy up"}, "writer_agent"),
        ({"description": "Validate the software with tests"}, "qa_agent"),
    ],
)
def test_example_file_routes_as_it_says(task, agent):
    assert route_tasks(load_registry(EXAMPLE), **task).agent == agent


def test_example_route_is_a_route():
    (shown,) = [block["route"] for block in YAML if "route" in block]
    found = route_tasks(load_registry(), type="audit_lint", description="Lint the sources")
    assert Route.model_validate(shown).reason == found.reason
    assert shown["alternatives"][0]["reason"] == found.alternatives[0].reason


def test_messages_are_the_ones_that_routing_writes():
    (shown,) = [text.splitlines() for kind, text in BLOCKS if kind == "text"]
    packaged = load_registry()
    assert shown == [
        route_tasks(packaged, type="tset").reason,
        route_tasks(packaged, type="deploy", requires=["css"]).reason,
        route_tasks(packaged, agent="qa_agnt").reason,
    ]


def test_conditions_of_the_table_are_conditions():
    text = GUIDE.read_text(encoding="utf-8").split("## Conditions")[1].split("## In Python")[0]
    shown = [cell for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for cell in re.findall("`([^`]+)`", row)]
    shown = [cell for cell in shown if "…" not in cell]
    assert len(shown) > 8
    for cell in shown:
        Condition.model_validate(parse(cell))
