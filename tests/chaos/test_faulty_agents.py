"""Whole runs on a real server whose agents fail in every way: what has to hold does, whatever becomes of the run."""

import asyncio
import itertools
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.chaos_faults import AGENTS, Scene, plan, program_of
from genesis.resilience import BreakerRules
from genesis.testing import ChaosCalendar, Faults
from genesis.testing.chaos import FAILING

pytestmark = [pytest.mark.chaos, pytest.mark.server, pytest.mark.usefixtures("prefect_api")]

_QUICK_RULES = BreakerRules(failures=3, minimum_calls=5, cooling_s=0.2, longest_cooling_s=1.0)
"""They open within a run of ten leaves, and let probes through before it ends."""


@st.composite
def plans(draw):
    """Small plans: up to eight leaves, each after some of the ones before it; some with side effects, some repeated."""
    tasks = []
    for number in range(draw(st.integers(1, 8))):
        before = [task["id"] for task in tasks]
        after = sorted(draw(st.sets(st.sampled_from(before), max_size=3))) if before else []
        effect = draw(st.booleans())
        tasks.append(
            {
                "id": f"l{number}",
                "type": draw(st.sampled_from(("code", "check", "write"))),
                "description": f"Do the part of the work that has the number {number}",
                "depends_on": after,
                "outputs": ["did", "how"],
                "retries": 0 if effect else draw(st.integers(0, 2)),
                "side_effects": effect,
                "timeout_s": 0.3,
            }
        )
    return {"version": 1, "request": "Small chaos", "tasks": tasks, "deadline_s": 30.0}


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plans(), st.integers(0, 2**32), st.sampled_from((0.1, 0.4, 0.8)), st.integers(1, 4))
def test_any_plan_with_any_faults_keeps_what_has_to_hold(document, seed, share, slots):
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder), slots=slots, retry_delay_s=0.01, rules=_QUICK_RULES, spare_effects=False)
        found = asyncio.run(scene.run(program_of(document, AGENTS), Faults(seed, share=share)))
    assert found.broken == []


@pytest.mark.parametrize("kind", FAILING)
async def test_a_realistic_plan_completes_with_a_third_of_its_calls_gone_wrong_in_one_way(tmp_path, kind):
    faults = Faults(11, share=0.3, kinds=[kind])
    found = await Scene(tmp_path).run(program_of(plan(11), AGENTS), faults)
    assert found.broken == []
    assert {fault.kind for fault in faults.made} <= {kind}
    assert found.run.state == "completed", found.run.error


async def test_a_seed_gives_the_same_faults_again(tmp_path):
    seen = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        faults = Faults(3, share=0.3, kinds=["error", "garbage"])
        await Scene(tmp_path / place).run(program_of(plan(3), AGENTS), faults)
        seen.append({(fault.key, fault.nth, fault.kind) for fault in faults.made})
    assert seen[0] == seen[1] != set()


async def test_breakers_open_probe_and_close_by_the_rules_in_a_run(tmp_path):
    """Six leaves of one agent that fails at most calls: it is asked, left alone, and tried again."""
    scene = Scene(tmp_path, slots=4, retry_delay_s=0.01, rules=_QUICK_RULES)
    document = plan(20)
    document["tasks"] = document["tasks"][:6]
    for task in document["tasks"]:
        task |= {"type": "code", "agent": "code_0", "retries": 0, "side_effects": False, "depends_on": [], "inputs": {}}
    found = await scene.run(program_of(document, AGENTS), Faults(5, share=0.8, kinds=["error", "disconnect"]))
    assert found.broken == []
    changes = {(each.before, each.state) for each in found.witness.seen if each.what == "breaker"}
    assert {("closed", "open"), ("open", "half_open")} <= changes


async def test_a_store_of_breakers_that_goes_wrong_changes_nothing_for_the_leaves(tmp_path):
    seed = 1
    store = Faults(seed, share=0.8, delay_s=0.01, hang_s=0.05, jump_s=5.0)
    found = await Scene(tmp_path, store_faults=store).run(program_of(plan(seed), AGENTS), Faults(seed, share=0.2))
    assert found.broken == []
    assert found.run.state == "completed"
    assert store.made


async def test_a_wall_clock_that_is_set_back_and_forth_leaves_the_run_as_it_is(tmp_path):
    ticks = itertools.count()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    faults = Faults(2, share=0.5, jump_s=7200.0)
    clock = ChaosCalendar(lambda: start + timedelta(seconds=next(ticks)), faults)
    found = await Scene(tmp_path, more={"now": clock}).run(program_of(plan(2), AGENTS), Faults(2, share=0))
    assert found.run.state == "completed"
    assert found.run.duration_s >= 0
    assert faults.made
    assert [each for each in found.broken if "took" not in each] == []
