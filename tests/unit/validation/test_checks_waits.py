import pytest


def _wait(wait_for, **more):
    return [{"id": "a", "description": "Wait", "wait_for": wait_for, **more}]


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"agent": "worker"}, "agent"),
        ({"inputs": {"x": 1}, "retries": 2}, "inputs, retries"),
        ({"env": {"A": "1"}, "side_effects": True}, "env, side_effects"),
        ({"subtasks": [{"id": "b", "description": "Do"}]}, "subtasks"),
    ],
)
def test_a_task_that_waits_does_no_work(find, more, names):
    [found] = find("GEN-WAIT-SETTINGS", _wait({"time": 3}, **more))
    assert found.message == f"task 'a' has both wait_for and {names}"


def test_a_wait_for_an_event_or_a_run_needs_a_limit(find):
    assert [each.message for each in find("GEN-WAIT-LIMIT", _wait({"event": "x"}))] == [
        "task 'a' waits for an event without a timeout_s"
    ]
    assert find("GEN-WAIT-LIMIT", _wait({"run": "x"}))
    assert not find("GEN-WAIT-LIMIT", _wait({"run": "x"}, timeout_s=60))
    assert not find("GEN-WAIT-LIMIT", _wait({"time": 3}))


@pytest.mark.parametrize("time", ["tomorrow", "2026-12-01T06:00:00", "-3", "nan", "99999999999", "{at}", "{unknown}"])
def test_a_time_that_is_none_is_found_before_the_run(find, time):
    [found] = find("GEN-WAIT-TIME", _wait({"time": time}), vars={"at": "noon"})
    assert found.task == "a"


@pytest.mark.parametrize("time", [0, 3.5, "90", "2026-12-01T06:00:00+01:00", "2026-12-01T06:00Z", "{at}", "{b.at}"])
def test_a_time_that_is_one_or_is_not_known_yet_is_fine(find, codes, time):
    tasks = [{"id": "b", "description": "Ask", "outputs": ["at"]}, *_wait({"time": time}, depends_on=["b"])]
    assert codes(tasks, "error", vars={"at": "2026-12-01T06:00Z"}) == []


def test_only_what_a_wait_gives_can_be_promised(find):
    [found] = find("GEN-WAIT-OUTPUT", _wait({"event": "x"}, outputs=["payloads"], timeout_s=1))
    assert (found.message, found.hint) == (
        "task 'a' promises 'payloads', and an event gives it id, event, occurred, resource, payload",
        "did you mean 'payload'?",
    )
    assert not find("GEN-WAIT-OUTPUT", _wait({"run": "x"}, outputs=["state", "result"], timeout_s=1))


def test_a_task_that_waits_needs_no_agent_and_its_references_are_checked(find, codes):
    nobody = [{"name": "worker", "task_types": ["other"]}]
    assert codes(_wait({"time": 3}, type="pause"), "error", agents=nobody) == []
    tasks = [{"id": "b", "description": "Ask"}, *_wait({"event": "{b.name}"}, timeout_s=1)]
    assert [each.task for each in find("GEN-INPUT-MISSING", tasks)] == ["a"]
    used = _wait({"event": "{kind}.paid", "resource": {"id": "{order}"}}, timeout_s=1)
    assert not find("GEN-VARIABLE-UNUSED", used, vars={"kind": "order", "order": "1"})


def test_a_wait_longer_than_the_deadline_is_an_error(find):
    assert find("GEN-DEADLINE", _wait({"time": 100}), deadline_s=60)
