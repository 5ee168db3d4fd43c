"""A seeded subset of `bench.chaos`: parts of a fleet are killed in the middle of a run, and nothing is lost or left."""

import pytest

from bench.chaos import cases, fleet

pytestmark = [pytest.mark.chaos, pytest.mark.server]

_SEED = 11
_QUICK = {"GENESIS_POOLS__HEARTBEAT_S": "1", "GENESIS_POOLS__LOST_AFTER_S": "4"}
_KINDS = ("worker", "deployed orchestrator", "database")
_KEYS_KINDS = ("orchestrator", "worker", "server")


@pytest.fixture(scope="module")
def disturbed():
    with fleet(_SEED, **_QUICK) as made:
        yield made


@pytest.mark.parametrize("drawn", cases(len(_KINDS), _SEED, _KINDS), ids=lambda drawn: drawn.kill[0].replace(" ", "-"))
def test_a_run_outlives_the_loss_of_a_part_of_its_fleet(disturbed, drawn):
    part = drawn.kill[0]
    if part == "database" and disturbed.stack.database is None:
        part = "server"
    case = disturbed.run(drawn.number, [part], drawn.rows[:1], drawn.pause_s[:1], drawn.down_s)
    assert case.kills == 1
    assert case.state == "completed", case
    assert not case.lost, case
    assert not case.repeated, case
    assert not case.leaked, case
    assert not case.left_running, case
    assert case.most_rows <= 2


@pytest.mark.parametrize("drawn", cases(len(_KEYS_KINDS), _SEED, _KEYS_KINDS), ids=lambda drawn: drawn.kill[0])
def test_a_run_with_rules_conditions_and_copies_ends_as_they_say_whatever_is_killed(disturbed, drawn):
    case = disturbed.run(drawn.number, drawn.kill[:1], drawn.rows[:1], drawn.pause_s[:1], drawn.down_s, keys=True)
    assert case.kills == 1
    assert not case.wrong, case
    assert not case.lost, case
    assert not case.repeated, case
    assert not case.leaked, case
    assert not case.left_running, case
