"""When a leaf's attempt is repeated in this process."""

from types import SimpleNamespace

import httpx

from genesis.engine.attempts import LeafRun, error_info
from genesis.engine.local_backend import LocalBackend
from genesis.errors import TaskError
from genesis.model.run import utc_now
from genesis.settings import Settings
from genesis.testing.plans import a_program, a_task


def _pause_s(error, **keys):
    program = a_program(a_task("a", **keys))
    session = SimpleNamespace(program=program, settings=Settings(), now=utc_now, left_s=1000.0)
    backend = LocalBackend(session, {})
    run = backend._runs["a"] = LeafRun(session, program.leaves[0], {})
    run.record_failure(error_info(error))
    return backend._pause_s(program.leaves[0], error, 1)


def test_an_attempt_is_repeated_for_the_errors_that_its_task_lists():
    once = {"times": 1, "delay_s": 0.0}
    assert _pause_s(TaskError("x", code="GEN-TASK-EXIT"), retry={**once, "on": ["GEN-TASK-EXIT"]}) == 0.0
    assert _pause_s(TaskError("x", code="GEN-TASK-EXIT"), retry={**once, "on": ["llm"]}) is None


def test_an_error_is_matched_by_the_code_that_it_is_reported_with():
    assert _pause_s(httpx.ConnectError("x"), retry={"times": 1, "delay_s": 0.0, "on": ["GEN-TASK"]}) == 0.0


def test_a_task_without_delays_has_those_of_the_settings():
    assert 0.0 <= _pause_s(httpx.ConnectError("x"), retry={"times": 1}) <= Settings().run.retry_delay_s
