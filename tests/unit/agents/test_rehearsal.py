import pytest

from genesis.agents.contract import Work
from genesis.agents.rehearsal import RehearsalExecutor
from genesis.errors import TaskTimeoutError
from genesis.model import AgentProfile


def work(**changes):
    fields = {"inputs": {}, "outputs": ("a", "b"), "agent": AgentProfile(name="x"), "seconds": 3.0}
    return Work("r", "c", "q", "p/q", "t", "d", **(fields | changes))


async def test_rehearsal_waits_for_the_scaled_estimate_and_invents_the_outputs():
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    result = await RehearsalExecutor(0.5, sleep=sleep).execute(work())
    assert waited == [1.5]
    assert result.value == {"a": "(rehearsed a of p/q)", "b": "(rehearsed b of p/q)"}


async def test_rehearsed_outputs_have_the_types_of_their_schemas():
    schemas = {"a": {"type": "integer", "minimum": 2}, "b": {"type": "string"}}
    result = await RehearsalExecutor(0.0).execute(work(schemas=schemas))
    assert result.value == {"a": 2, "b": "(rehearsed b of p/q)"}


async def test_rehearsal_longer_than_its_limit_times_out():
    with pytest.raises(TaskTimeoutError):
        await RehearsalExecutor(1.0).execute(work(timeout_s=0.01))
