"""The guide's example is a playbook that loads and does what the guide says."""

import re
from pathlib import Path

import pytest

from genesis.document import parse
from genesis.errors import DocumentError
from genesis.planning.heuristic import HeuristicPlanner
from genesis.planning.match import best_playbook
from genesis.planning.planner import PlanningContext
from genesis.planning.playbook import load_playbook
from genesis.planning.steps import find_steps
from genesis.structure import outline

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "playbooks.md"
EXAMPLE = re.search(r"```yaml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[1]
PLAYBOOK = load_playbook(parse(EXAMPLE))


def test_example_gives_the_plan_that_the_guide_describes():
    plan = HeuristicPlanner([PLAYBOOK]).plan("Please rotate the keys of the billing service", PlanningContext())
    assert plan.vars == {"service": "billing", "overlap_hours": "24"}
    assert [node.path for node in outline(plan).leaf_nodes()] == [
        "users",
        "issue",
        "roll/staging/apply",
        "roll/staging/verify",
        "roll/production/apply",
        "roll/production/verify",
        "retire",
    ]
    assert plan.tasks[0].depends_on == plan.tasks[1].depends_on == ()


@pytest.mark.parametrize(
    "text",
    ["Rotate the keys of x", "rotating keys", "Do a key rotation", "I need a key rotation", "Key rotation for billing"],
)
def test_requests_that_the_guide_says_match(text):
    assert best_playbook(text, [PLAYBOOK])


@pytest.mark.parametrize(
    "text", ["What is key rotation?", "Do not rotate the keys", "We rotated the keys", "Explain key rotation"]
)
def test_requests_that_the_guide_says_do_not_match(text):
    assert best_playbook(text, [PLAYBOOK]) is None


def test_misspelt_parameter_gives_the_message_of_the_guide():
    broken = parse(EXAMPLE.replace('inputs: {service: "{service}"}', 'inputs: {service: "{servce}"}'))
    with pytest.raises(DocumentError) as caught:
        load_playbook(broken)
    message = re.search(r"```text\nkeys.yaml: (.*?)\n```", GUIDE.read_text("utf-8"), re.DOTALL)[1]
    assert str(caught.value) == f"the playbook: {message}"


@pytest.mark.parametrize(
    ("request_", "edges"),
    [
        ("1. cook\n2. eat", [[], [0]]),
        ("- cook rice\n- eat rice", [[], []]),
        ("Cook rice; eat soup", [[], []]),
        ("First cook rice, then eat soup, finally wash the dishes", [[], [0], [1]]),
        ("Once the rice is cooked, eat soup and wash the dishes", [[], [0], [0]]),
        ("Cook rice while washing the dishes", [[], []]),
        ("1. cook rice\n2. eat soup\n3. wash the dishes (after 1)", [[], [0], [0]]),
        ("Write a report. Cook rice. Read the report.", [[], [], [0]]),
    ],
)
def test_order_words_of_the_guide(request_, edges):
    assert [step.after for step in find_steps(request_)] == edges
