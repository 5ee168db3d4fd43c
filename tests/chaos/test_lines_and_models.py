"""The line to the Prefect API is cut or fails in the middle of runs, and a model misbehaves while plans are made."""

import asyncio
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from bench.chaos_faults import AGENTS, Scene, plan, program_of
from genesis.pipeline import make_plan, prepare
from genesis.routing import load_registry
from genesis.settings import ResilienceSettings, Settings
from genesis.testing import FakeLlmServer, Faults, Wire, invariants, misbehaving
from genesis.testing.llm_server import answers

pytestmark = pytest.mark.chaos


@contextmanager
def use_wire(faults=None):
    """Make Prefect's clients of this test go through a wire."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        Wire(urlsplit(PREFECT_API_URL.value()).port, faults) as wire,
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{wire.port}/api"}),
    ):
        yield wire


@pytest.mark.server
@pytest.mark.usefixtures("prefect_api")
async def test_a_cut_of_the_line_in_the_middle_of_a_run_is_not_felt_by_its_leaves(tmp_path):
    faults = Faults(4, share=0.2)

    async def cut_for_a_moment(wire):
        while faults.calls["agent"] < 3:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(wire.cut)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(wire.join)

    with use_wire() as wire:
        cutting = asyncio.create_task(cut_for_a_moment(wire))
        found = await Scene(tmp_path).run(program_of(plan(4), AGENTS), faults)
        await cutting
    assert found.broken == []
    assert found.run.state == "completed"


_TASKS = [
    {"id": "look", "description": "Look at what is there"},
    {"id": "write", "description": "Write down what was found", "depends_on": ["look"]},
]


@pytest.mark.parametrize("seed", range(12))
def test_every_request_gets_a_valid_plan_from_a_model_that_misbehaves(tmp_path, seed):
    faults = Faults(seed, share=0.6, delay_s=0.01, hang_s=0.3)
    registry = load_registry()
    with FakeLlmServer(misbehaving(faults, answers({"tasks": _TASKS}))) as server:
        settings = Settings(
            home=tmp_path, llm=server.settings(timeout_s=0.2), resilience=ResilienceSettings(share="memory")
        )
        made = make_plan("Look at the logs and write down what was found", registry=registry, settings=settings)
    assert made.planner in ("llm", "heuristic", "minimal")
    assert (made.planner == "llm") or made.planner_note
    assert invariants.plan_is_valid(prepare(made, registry, settings=settings).routed, registry) == []
