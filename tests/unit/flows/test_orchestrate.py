"""How the flow run of a run is named and tagged."""

import httpx
import pytest

from genesis.engine.run_context import RunContext
from genesis.flows import orchestrate
from genesis.flows.orchestrate import _name, _tags
from genesis.ledger import FolderStore, Ledger
from genesis.ledger.program_state import ProgramState
from genesis.resilience.retry import RetryPolicy
from genesis.settings import Settings
from genesis.testing import a_program, a_task


def refusal(code):
    request = httpx.Request("POST", "http://127.0.0.1/api/flow_runs/")
    return httpx.HTTPStatusError(str(code), request=request, response=httpx.Response(code, request=request))


@pytest.fixture
def session(tmp_path):
    program = a_program(a_task("a"), request="Do\nit")
    ledger = Ledger(FolderStore(tmp_path), "r-1")
    return RunContext(ProgramState(program), ledger, "c-1", Settings(), executor=None, slots=1, files=tmp_path)


async def test_a_busy_database_is_waited_for_before_the_run_begins(api, session, monkeypatch):
    monkeypatch.setattr(orchestrate, "_CREATION", RetryPolicy(retries=3, first_s=0.0))
    api.answers("create_flow_run", [refusal(503)] * 3 + ["made"])
    assert await orchestrate._create_flow_run(api, None, session, {}) == "made"
    assert {more["name"] for _, _, more in api.asked} == {"r-1 · Do it"}


@pytest.mark.parametrize(
    ("error", "calls"), [(refusal(503), 4), (refusal(500), 1), (refusal(422), 1), (httpx.ReadTimeout("slow"), 1)]
)
async def test_a_flow_run_that_may_have_been_made_is_not_made_twice(api, session, monkeypatch, error, calls):
    monkeypatch.setattr(orchestrate, "_CREATION", RetryPolicy(retries=3, first_s=0.0))
    api.answers("create_flow_run", error)
    with pytest.raises(type(error)):
        await orchestrate._create_flow_run(api, None, session, {})
    assert len(api.asked) == calls


@pytest.mark.parametrize(
    ("rehearse", "tenant", "tags", "name"),
    [
        (None, None, ["genesis", "cid:c-1"], "r-1 · Do it"),
        (None, "acme", ["genesis", "cid:c-1", "tenant:acme"], "r-1 · Do it"),
        (0.5, None, ["genesis", "cid:c-1", "rehearsal"], "r-1 · rehearsal · Do it"),
        (0.0, None, ["genesis", "cid:c-1", "rehearsal"], "r-1 · rehearsal · Do it"),
    ],
)
def test_a_rehearsal_and_a_tenant_are_told_by_a_tag(rehearse, tenant, tags, name, tmp_path):
    program = a_program(a_task("a"), request="Do\nit")
    ledger = Ledger(FolderStore(tmp_path), "r-1")
    session = RunContext(
        ProgramState(program),
        ledger,
        "c-1",
        Settings(),
        executor=None,
        slots=1,
        files=tmp_path,
        rehearse=rehearse,
        tenant=tenant,
    )
    assert _tags(session) == tags
    assert _name(session) == name
