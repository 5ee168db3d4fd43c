import pytest

from genesis.errors import PlanningError
from genesis.planning.proposal import parse_proposal
from genesis.settings import Limits


def test_what_describes_work_is_taken():
    (task,) = parse_proposal(
        [
            {
                "id": "deep",
                "description": " Look deeper ",
                "type": "research",
                "depends_on": [],
                "requires": ["reading"],
                "labels": {"n": 1},
                "inputs": {"where": "{not.a.reference} {{either}}"},
                "outputs": ["found"],
            }
        ],
        Limits(),
    )
    assert (task.description, task.type, task.requires, task.labels) == (
        "Look deeper",
        "research",
        ("reading",),
        {"n": "1"},
    )
    assert task.inputs == {"where": "{not.a.reference} {{either}}"}
    assert task.literal_inputs == ("where",)
    assert task.outputs == ("found",)
    assert not task.side_effects


def test_work_that_changes_something_outside_is_marked_so():
    (task,) = parse_proposal([{"id": "x", "description": "Put it online", "type": "deploy"}], Limits())
    assert task.side_effects


def test_nothing_proposed_is_nothing():
    assert parse_proposal([], Limits()) == ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "subtasks: Input should be a valid list"),
        ("x", "subtasks: Input should be a valid list"),
        ({"id": "x"}, "subtasks: Input should be a valid list"),
        ([1], "subtasks/0: Input should be"),
        ([{"id": "x"}], "subtasks/0/description: Field required"),
        ([{"id": "a b", "description": "x"}], "subtasks/0/id: it must be letters, digits"),
        ([{"id": "x", "description": "Do it", "agent": "root"}], "subtasks/0/agent: Extra inputs are not permitted"),
        ([{"id": "x", "description": "Do it", "approval": False}], "subtasks/0/approval: Extra inputs"),
        ([{"id": "x", "description": "Do it", "inputs": {"deep": {"er": 1}}}], "subtasks/0/inputs/deep"),
        ([{"id": "x", "description": "hello"}], "'x' is not valid: the request 'hello' asks for nothing"),
        ([{"id": "x", "description": "Do \x00 it"}], "'x' is not valid: the request has a control character"),
        ([{}] * 5, "and 7 more"),
    ],
)
def test_anything_else_is_refused_with_its_place(value, message):
    with pytest.raises(PlanningError) as caught:
        parse_proposal(value, Limits())
    assert message in caught.value.message
