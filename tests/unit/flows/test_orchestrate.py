"""How the flow run of a run is named and tagged."""

import pytest

from genesis.engine.run_context import RunContext
from genesis.flows.orchestrate import _name, _tags
from genesis.ledger import FolderStore, Ledger
from genesis.ledger.program_state import ProgramState
from genesis.settings import Settings
from genesis.testing import a_program, a_task


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
