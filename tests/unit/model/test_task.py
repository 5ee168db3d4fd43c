import pytest
from pydantic import ValidationError

from genesis.model import Alternative, CacheTtl, Estimate, Route, Task


def _task(**more: object) -> Task:
    return Task.model_validate({"id": "a", "description": "Do it", **more})


def test_a_task_needs_an_id_and_a_description_only():
    task = _task()
    assert (task.type, task.depends_on, task.subtasks, task.requires, task.labels) == ("generic", (), (), (), {})
    assert (task.inputs, task.outputs, task.agent, task.estimate, task.timeout_s) == ({}, (), None, None, None)
    assert (task.retries, task.cache, task.side_effects, task.approval, task.route) == (0, "run", False, False, None)


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "7", "é", "日本", "x" * 200])
def test_an_id_has_letters_digits_and_a_few_marks(name: str):
    assert _task(id=name).id == name


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "a{b}", "a\n", "x" * 201, None, [7]])
def test_another_id_is_refused(name: object):
    with pytest.raises(ValidationError):
        _task(id=name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"description": ""},
        {"depends_on": "a"},
        {"depends_on": [[1]]},
        {"retries": -1},
        {"retries": 101},
        {"retries": 1.5},
        {"retry": {}},
        {"retry": {"times": 1, "delay_s": -1}},
        {"retry": {"times": 1, "backoff": 0.5}},
        {"retry": {"times": 1, "backof": 2}},
        {"retry": {"times": 1, "on": "network"}},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"cache": "always"},
        {"cache": {"ttl_s": 0}},
        {"cache": {}},
        {"approval": "perhaps"},
        {"estimate": {"seconds": -1}},
        {"estimate": {"usd": float("nan")}},
        {"estimate": {"tokens": 0.5}},
        {"estimate": {"hours": 1}},
        {"inputs": {"x": {1, 2}}},
        {"inputs": {1: "x"}},
        {"agents": "x"},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused(wrong: dict):
    with pytest.raises(ValidationError):
        _task(**wrong)


def test_words_of_a_document_become_text():
    task = _task(type=3, requires=[3.11, True], outputs=[2], labels={"release": 1.5, "draft": False})
    assert (task.type, task.requires, task.outputs) == ("3", ("3.11", "true"), ("2",))
    assert task.labels == {"release": "1.5", "draft": "false"}


def test_inputs_keep_their_types():
    inputs = {"text": "x", "whole": 1, "real": 1.0, "yes": True, "none": None, "list": [1, [2]], "map": {"a": {"b": 1}}}
    kept = _task(inputs=inputs).inputs
    assert kept == inputs
    assert [type(value) for value in kept.values()] == [type(value) for value in inputs.values()]


def test_a_task_holds_its_subtasks():
    task = _task(subtasks=[{"id": "b", "description": "First"}, {"id": "c", "description": "Second"}])
    assert [child.id for child in task.subtasks] == ["b", "c"]


def test_a_fault_far_down_is_placed():
    with pytest.raises(ValidationError) as caught:
        _task(subtasks=[{"id": "b", "description": "B", "subtasks": [{"id": "c", "description": 1}]}])
    assert caught.value.errors()[0]["loc"] == ("subtasks", 0, "subtasks", 0, "description")


def test_a_cache_is_none_run_or_a_time():
    assert [_task(cache=cache).cache for cache in ("none", "run", {"ttl_s": 60})] == ["none", "run", CacheTtl(ttl_s=60)]


def test_an_estimate_may_say_as_little_as_it_likes():
    assert _task(estimate={}).estimate == Estimate(seconds=None, usd=None, tokens=None)


def test_a_route_says_who_and_why():
    runner_up = Alternative(agent="b", score=0.5, reason="cheaper")
    route = Route(agent="a", score=0.75, reason="best of 2", alternatives=(runner_up,))
    assert route.model_dump(mode="json") == {
        "agent": "a",
        "score": 0.75,
        "reason": "best of 2",
        "alternatives": [{"agent": "b", "score": 0.5, "reason": "cheaper"}],
    }


def test_a_route_without_an_agent_says_why_and_nothing_else():
    route = Route(agent=None, reason="no agent has the skill 'flying'")
    document = {"agent": None, "reason": "no agent has the skill 'flying'"}
    assert route.model_dump(mode="json") == document
    assert route.model_dump(mode="json", exclude_none=True) == document
    assert _task(route=document).route == route


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_is_a_share(score: float):
    with pytest.raises(ValidationError):
        Route(agent="a", score=score)


def test_two_counts_of_retries_are_refused():
    with pytest.raises(ValidationError, match="both `retries` and `retry`"):
        _task(retries=2, retry={"times": 1})


def test_a_dump_of_a_task_with_retry_loads_again():
    task = _task(retry={"times": 2, "on": ["network"]})
    assert Task.model_validate(task.model_dump(mode="json", exclude_none=True)).retry == task.retry


def test_variables_of_the_environment_are_texts():
    assert _task(env={"A_1": "x", "_b": 3, "C": True}).env == {"A_1": "x", "_b": "3", "C": "true"}


@pytest.mark.parametrize(
    "name",
    ["PATH", "Path", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "pythonhome", "PREFECT_API_URL",
     "GENESIS_TASK_PATH", "BASH_ENV", "ENV", "IFS", "TRACEPARENT", "BAGGAGE"],
)  # fmt: skip
def test_variables_that_protect_the_process_are_refused(name):
    with pytest.raises(ValidationError, match="cannot be set by a task"):
        _task(env={name: "x"})


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "A-B", "Ä", "A\0", "x" * 201])
def test_a_name_that_no_shell_has_is_refused(name):
    with pytest.raises(ValidationError):
        _task(env={name: "x"})


@pytest.mark.parametrize("priority", [-1001, 1001, 1.5, "high"])
def test_a_priority_is_a_whole_number_within_bounds(priority):
    with pytest.raises(ValidationError):
        _task(priority=priority)


@pytest.mark.parametrize("name", ["", "a b", "{item}", "a/b", "ä", "x" * 101, 7])
def test_a_mutex_has_a_plain_name(name):
    with pytest.raises(ValidationError):
        _task(mutex=name)
    assert _task(mutex="db-1.main_x").mutex == "db-1.main_x"
