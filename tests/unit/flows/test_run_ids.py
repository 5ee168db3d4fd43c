"""Whose ledger is whose: a flow run finds its own again, and never another one's."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from genesis.engine import run_lease
from genesis.engine.run_lease import owner_here
from genesis.errors import RunError
from genesis.flows import launch
from genesis.flows.deployed_run import _start_or_resume, ledger_of, run_id_of
from genesis.flows.launch import Launch, start_run
from genesis.flows.run_request import RunRequest
from genesis.ledger import FolderStore, Header, RunLock
from genesis.ledger.control import Control
from genesis.ledger.history import open_ledger
from genesis.planning import plan_document
from genesis.settings import Settings
from genesis.testing import a_program, a_task

_NOW = datetime(2026, 11, 22, 14, 25, 30, tzinfo=UTC)
_BATCH = "0193520c-1b7a-7"
"""The time of a UUIDv7, which all flow runs of a scheduler's batch share."""


def _flow_run(tail: str) -> FlowRun:
    return FlowRun(id=UUID(_BATCH + tail), flow_id=uuid4(), created=_NOW)


_FIRST, _SECOND = _flow_run("000-8000-000000000001"), _flow_run("000-8000-000000000002")


def _header(run_id: str, flow_run_id: str | None) -> Header:
    program = a_program(a_task("a"))
    return Header(
        genesis_version="1",
        run_id=run_id,
        correlation_id="c",
        created_at=_NOW,
        document=plan_document(program.source),
        registry=program.registry,
        slots=1,
        flow_run_id=flow_run_id,
    )


@pytest.fixture
def store(tmp_path):
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path}):
        yield FolderStore(tmp_path)


@pytest.fixture
def executed(monkeypatch):
    """The ledgers that were begun, instead of what runs on them."""
    begun = []

    async def execute(_program_state, header, ledger, _launch):
        begun.append((header, ledger))

    monkeypatch.setattr(launch, "_execute", execute)
    return begun


def test_flow_runs_of_one_batch_have_run_ids_of_their_own():
    tails = [f"{number:03x}-8000-{number:012x}" for number in range(500)]
    tails += [f"000-{number:04x}-000000000000" for number in range(0x8001, 0x8100)]
    ids = [run_id_of(_flow_run(tail)) for tail in tails]
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("20261122-142530-") for each in ids)
    assert run_id_of(_FIRST) == run_id_of(_FIRST.model_copy())


async def test_a_flow_run_finds_its_own_ledger_again_and_no_other(store):
    settings = Settings()
    mine = await ledger_of(_FIRST, store, settings)
    await mine.begin(_header(mine.run_id, str(_FIRST.id)))
    assert (await ledger_of(_FIRST, store, settings)).run_id == mine.run_id
    assert not await (await ledger_of(_SECOND, store, settings)).exists()


@pytest.mark.parametrize("owner", [str(_SECOND.id), None])
async def test_a_ledger_that_is_of_somebody_else_is_refused(store, owner):
    ledger = open_ledger(store, run_id_of(_FIRST), Settings())
    await ledger.begin(_header(ledger.run_id, owner))
    with pytest.raises(RunError, match="may not continue with it") as caught:
        await ledger_of(_FIRST, store, Settings())
    assert caught.value.code == "GEN-RUN-OWNER"


@pytest.mark.parametrize(
    ("owner", "goes_on"),
    [(None, True), (str(_FIRST.id), True), ("8dfc0588-0f76-498d-a97d-a2983a256761", True), (str(_SECOND.id), False)],
)
async def test_a_ledger_from_before_is_gone_on_with_by_its_flow_run_alone(store, owner, goes_on):
    former = open_ledger(store, f"20261122-142530-{_FIRST.id.hex[:12]}", Settings())
    await former.begin(_header(former.run_id, None))
    if owner is not None:
        await former.take_over(owner_here(owner))
    found = await ledger_of(_FIRST, store, Settings())
    assert (found.run_id == former.run_id) is goes_on


async def test_an_id_that_is_taken_is_drawn_again(store, executed, monkeypatch):
    ids = iter(["r-1", "r-1", "r-2", "r-1", "r-2", "r-3"])
    monkeypatch.setattr(launch, "new_run_id", lambda _now: next(ids))
    program = a_program(a_task("a"))
    for _ in range(3):
        await start_run(program, Launch(Settings()))
    assert [ledger.run_id for _, ledger in executed] == ["r-1", "r-2", "r-3"]


async def test_an_id_whose_run_is_just_being_begun_is_drawn_again(store, executed, monkeypatch):
    ids = iter(["r-1", "r-2"])
    monkeypatch.setattr(launch, "new_run_id", lambda _now: next(ids))
    with RunLock(store.root / "genesis/r-1/.lock", "r-1"):
        await start_run(a_program(a_task("a")), Launch(Settings()))
    assert [ledger.run_id for _, ledger in executed] == ["r-2"]


async def test_a_given_id_begins_one_run_and_names_its_flow_run(store, executed):
    program, how = a_program(a_task("a")), Launch(Settings())
    tries = [start_run(program, how, "r-1", flow_run_id=each.id) for each in (_FIRST, _SECOND)]
    first, second = await asyncio.gather(*tries, return_exceptions=True)
    assert first is None
    assert isinstance(second, RunError)
    assert [header.flow_run_id for header, _ in executed] == [str(_FIRST.id)]
    with pytest.raises(RunError, match="there is a run 'r-1' already") as caught:
        await start_run(program, how, "r-1", flow_run_id=_FIRST.id)
    assert caught.value.code == "GEN-RUN-EXISTS"


_STOPS_BEFORE_ITS_HEADER = """
import asyncio, os, signal, sys
from genesis.ledger import Ledger
from genesis.flows.launch import Launch, start_run
from genesis.settings import Settings
from genesis.testing import a_program, a_task

async def stop(_ledger, _header):
    os.kill(os.getpid(), signal.SIGSTOP)

Ledger.begin = stop
asyncio.run(start_run(a_program(a_task("a")), Launch(Settings(), deployed=True), sys.argv[1]))
"""


@pytest.fixture
def stopped(store):
    """A process that has the lock of a run and stands still before it writes the run's header."""
    environment = dict(os.environ) | {"PREFECT_LOCAL_STORAGE_PATH": str(store.root)}
    process = subprocess.Popen([sys.executable, "-c", _STOPS_BEFORE_ITS_HEADER, "r-1"], env=environment)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    yield process
    process.kill()
    process.wait()


async def test_a_run_is_taken_over_from_who_froze_between_its_lock_and_its_header(
    store, executed, stopped, monkeypatch
):
    monkeypatch.setattr(run_lease, "_FROZEN_S", 0.5)
    how = Launch(Settings(), deployed=True)
    await asyncio.wait_for(start_run(a_program(a_task("a")), how, "r-1", flow_run_id=_FIRST.id), 60)
    assert [(header.flow_run_id, ledger.run_id) for header, ledger in executed] == [(str(_FIRST.id), "r-1")]
    assert stopped.wait(60) == -signal.SIGKILL


async def test_a_run_that_was_begun_while_its_successor_waited_is_gone_on_with(store, executed):
    plan = {"version": 1, "request": "do it", "tasks": [{"id": "a", "type": "test", "description": "Test it"}]}
    asked = RunRequest(None, plan, {}, None, None, None, None)
    ledger = open_ledger(store, run_id_of(_FIRST), Settings())
    how = Launch(Settings(), control=Control(), deployed=True)
    with RunLock(ledger.folder / ".lock", ledger.run_id):
        successor = asyncio.create_task(_start_or_resume(asked, how, _FIRST))
        while await ledger.owner() is None and not successor.done():
            await asyncio.sleep(0.02)
        await ledger.begin(_header(ledger.run_id, str(_FIRST.id)))
    await asyncio.wait_for(successor, 60)
    assert [header.genesis_version for header, _ in executed] == ["1"]


async def test_who_waits_for_a_run_that_is_not_begun_can_be_cancelled(store, executed):
    control = Control()
    how = Launch(Settings(), control=control, deployed=True)
    with RunLock(store.root / "genesis/r-1/.lock", "r-1"):
        start = asyncio.create_task(start_run(a_program(a_task("a")), how, "r-1", flow_run_id=_FIRST.id))
        control.cancel()
        with pytest.raises(RunError, match="another process"):
            await asyncio.wait_for(start, 60)
    assert not executed
