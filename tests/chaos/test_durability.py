"""A quick subset of `bench.durability`: what users of Prefect have reported, tried on Genesis alone."""

import pytest

from bench.durability import SCENARIOS
from bench.durability_stage import stage

pytestmark = [pytest.mark.chaos, pytest.mark.server, pytest.mark.timeout(300)]

_CHOSEN = (15, 29)
"""Those that no other test shows, as `test_chaos.py` does a lost worker."""
_QUICK = {"GENESIS_POOLS__HEARTBEAT_S": "1", "GENESIS_POOLS__LOST_AFTER_S": "4"}


@pytest.fixture(scope="module")
def where():
    with stage(quick=True) as made:
        made.stack.environment |= _QUICK
        yield made


@pytest.mark.parametrize(
    "scenario", [one for one in SCENARIOS if one.number in _CHOSEN], ids=lambda one: f"issue-{one.issue}"
)
def test_what_was_reported_of_prefect_does_not_happen(where, scenario):
    try:
        found = scenario.genesis(where)
    finally:
        where.clear()
    assert found.right, found.figure
