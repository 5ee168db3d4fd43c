import pytest

from genesis.planning.minimal import MinimalPlanner
from genesis.planning.planner import PlanningContext
from genesis.settings import Limits


def plan(text, **context):
    return MinimalPlanner().plan(text, PlanningContext(**context))


def test_one_sentence_is_one_generic_task_with_its_own_words():
    made = plan("Tell me a joke", vars={"a": "b"})
    [task] = made.tasks
    assert (task.id, task.type, task.description) == ("tell-me-joke", "generic", "Tell me a joke")
    assert (made.planner, made.vars) == ("minimal", {"a": "b"})


def test_sentences_of_any_language_become_a_chain():
    made = plan("Erstelle eine Webseite. Teste sie. Veröffentliche sie.")
    assert [(task.description, task.depends_on) for task in made.tasks] == [
        ("Erstelle eine Webseite.", ()),
        ("Teste sie.", ("erstelle-eine-webseite",)),
        ("Veröffentliche sie.", ("teste-sie",)),
    ]
    assert made.planner_note == "the request's 3 sentences in order"
    assert len(plan("写报告。翻译它。").tasks) == 2


@pytest.mark.parametrize(
    "text",
    [
        "I have a dog. Find food.",
        "What is it? Tell me.",
        "Ich habe ein Problem. Löse es.",
        "Do it. The door is open.",
        ". ".join(f"Satz {n}" for n in range(30)),
    ],
)
def test_text_that_tells_or_asks_or_is_long_stays_one_task(text):
    [task] = plan(text).tasks
    assert task.description == text


def test_equal_sentences_get_different_ids():
    assert [task.id for task in plan("Los. Los. Los.").tasks] == ["los", "los-2", "los-3"]


def test_limits_are_kept():
    assert len(plan("Los. Los. Los.", limits=Limits(fan_out=2)).tasks) == 1
    assert len(plan("Los. Los. Los.", limits=Limits(leaves=2)).tasks) == 1
