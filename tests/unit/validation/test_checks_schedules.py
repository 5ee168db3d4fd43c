import pytest

_TASKS = [{"id": "a", "type": "generic", "description": "Count to {top}"}]
_PARAMS = {"top": {}, "step": {"type": "integer", "default": 1}}


@pytest.mark.parametrize(
    ("params", "messages"),
    [
        ({"top": "x"}, []),
        ({"top": "x", "step": 2}, []),
        ({}, ["schedule 'daily', parameter 'top': it has no value"]),
        ({"top": "x", "step": "2"}, ["schedule 'daily', parameter 'step': expected: an integer"]),
        ({"top": "x", "setp": 2}, ["schedule 'daily', parameter 'setp': the plan has no such parameter"]),
    ],
)
def test_parameters_of_schedules_fit_those_of_the_plan(find, params, messages):
    schedules = [{"name": "daily", "cron": "@daily", "params": params}]
    found = find("GEN-SCHEDULE-PARAM", _TASKS, params=_PARAMS, schedules=schedules)
    assert [each.message for each in found] == messages
    assert all(each.severity == "warning" for each in found)
    assert "setp" not in params or found[0].hint == "did you mean 'step'?"


def test_what_takes_effect_in_a_deployment_only_is_an_info(find):
    assert find("GEN-DEPLOYED-ONLY", _TASKS) == []
    notify = [{"on": "failed", "through": "webhook/ops"}]
    [found] = find("GEN-DEPLOYED-ONLY", _TASKS, schedules=[{"name": "d", "cron": "@daily"}], notify=notify)
    assert (found.severity, found.task) == ("info", None)
    assert "schedules and notify" in found.message
