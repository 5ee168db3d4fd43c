import json
import pickle

import pytest

from genesis.errors import GenesisError
from genesis.schedule import ScheduleError, ScheduleJob, ScheduleLimits


@pytest.mark.parametrize("seconds", [-0.001, float("inf"), float("nan")])
def test_duration_that_is_no_time_is_refused(seconds):
    with pytest.raises(ScheduleError, match="a job lasts"):
        ScheduleJob(seconds)


def test_zero_duration_is_a_job():
    assert ScheduleJob(0).duration_s == 0


def test_no_slots_are_refused():
    with pytest.raises(ScheduleError, match="the run has 0 slots"):
        ScheduleLimits(0)


def test_agent_that_may_run_nothing_is_refused_by_name():
    with pytest.raises(ScheduleError, match="agent 'qa' has a limit of 0 jobs"):
        ScheduleLimits(4, {"build": 1, "qa": 0})


def test_error_is_in_the_tree_and_survives_pickle_and_json():
    error = ScheduleError("what happened", hint="what to do")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, GenesisError)
    assert json.loads(json.dumps(copy.to_dict())) == {
        "code": "GEN-SCHEDULE",
        "message": "what happened",
        "hint": "what to do",
    }
