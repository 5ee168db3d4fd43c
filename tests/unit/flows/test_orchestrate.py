"""How the flow run of a run is named and tagged."""

from types import SimpleNamespace

import pytest

from genesis.flows.orchestrate import _name, _tags
from genesis.testing import a_program, a_task


@pytest.mark.parametrize(
    ("rehearse", "tags", "name"),
    [
        (None, ["genesis", "cid:c-1"], "r-1 · Do it"),
        (0.5, ["genesis", "cid:c-1", "rehearsal"], "r-1 · rehearsal · Do it"),
        (0.0, ["genesis", "cid:c-1", "rehearsal"], "r-1 · rehearsal · Do it"),
    ],
)
def test_a_rehearsal_is_told_by_a_tag_and_the_name(rehearse, tags, name):
    program = a_program(a_task("a"), request="Do\nit")
    session = SimpleNamespace(run_id="r-1", correlation_id="c-1", program=program, rehearse=rehearse)
    assert _tags(session) == tags
    assert _name(session) == name
