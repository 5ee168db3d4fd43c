"""The automations of the takeover."""

import pytest
from prefect.events.schemas.automations import AutomationCore
from pydantic import ValidationError

from genesis.fleet.automations import ALIVE_EVENT, LOST_STATE, takeover


def test_prefect_takes_them():
    notice, take = (AutomationCore.model_validate(spec.model_dump(mode="json")) for spec in takeover())
    assert notice.trigger.after == {ALIVE_EVENT}
    assert ALIVE_EVENT in notice.trigger.expect
    assert take.trigger.expect == {f"prefect.flow-run.{LOST_STATE}"}


def test_nothing_is_forced_so_that_a_run_which_ended_stays_ended():
    actions = [action for spec in takeover() for action in spec.actions]
    assert [action["state"] for action in actions] == ["CRASHED", "SCHEDULED"]
    assert not any(action["force"] for action in actions)


def test_runs_that_ended_or_rest_are_not_missed():
    expected = takeover()[0].trigger["expect"]
    states = ("Completed", "Failed", "Cancelled", "Cancelling", "Crashed", "Suspended", "AwaitingRetry")
    assert {f"prefect.flow-run.{state}" for state in states} <= set(expected)
    assert "prefect.flow-run.Running" not in expected


def test_prefect_wants_ten_seconds():
    AutomationCore.model_validate(takeover(10)[0].model_dump())
    with pytest.raises(ValidationError, match="10 seconds"):
        AutomationCore.model_validate(takeover(9)[0].model_dump())
