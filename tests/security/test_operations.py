"""Whoever has the password of the Prefect API wants files of the worker, or wants its ledgers gone."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client

from genesis.flows import retention
from genesis.flows.deployed import housekeeping, orchestrate, preflight
from genesis.ledger import Header, open_store
from genesis.ledger.history import open_ledger
from genesis.model import Run
from genesis.planning import plan_document
from genesis.settings import Settings
from genesis.testing import a_program, a_task

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

WORD = "word-in-a-file-of-the-worker"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Files of the worker, plans among them, in its current folder."""
    monkeypatch.chdir(tmp_path)
    plan = json.dumps({"request": WORD, "tasks": [{"id": "a", "type": WORD, "description": WORD}]})
    for name, text in {
        "plan.json": plan,
        "plan.yaml": plan,
        "shadow": f"root:{WORD}:1\n",
        "no.yaml": f"[{WORD}",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


GIVEN = [
    "{folder}/shadow",
    "{folder}/plan.json",
    "{folder}/no.yaml",
    "plan.yaml",
    "./plan.json",
    "{folder}/../{name}/shadow",
    "file://{folder}/plan.json",
    "@{folder}/shadow",
    "{folder}/shadow\n",
    "\n{folder}/plan.json\n\n",
    "  {folder}/plan.json  ",
    '"{folder}/plan.json"',
    "[{folder}/plan.json]",
    "!include {folder}/shadow",
    "!!python/object/apply:builtins.open ['{folder}/shadow']",
    "<<: !include {folder}/shadow\nrequest: x\n",
    "/dev/fd/0",
    "-",
    "~/.ssh/id_rsa",
    "{folder}",
]


@pytest.mark.parametrize("flow", [preflight, orchestrate], ids=["preflight", "orchestrate"])
@pytest.mark.parametrize("given", GIVEN)
async def test_a_plan_is_never_read_from_a_file(prefect_api, files, flow, given):
    named = given.format(folder=files, name=files.name)
    state = await flow(plan=named, return_state=True)
    assert state.is_failed()
    assert WORD not in str(state.message)
    assert WORD not in repr(await artifacts(state))
    assert "root" not in str(state.message)


async def artifacts(state):
    async with get_client() as client:
        found = await client.read_artifacts()
    run = str(state.state_details.flow_run_id)
    return [each.data for each in found if str(each.flow_run_id) == run]


async def test_the_control_reads_a_file_without_the_guard(prefect_api, files, monkeypatch):
    from genesis.flows.run_request import RunRequest
    from genesis.planning import load_plan

    def trusting(self, settings):
        return load_plan(Path(self.plan), limits=settings.limits, variables=self.vars)

    monkeypatch.setattr(RunRequest, "_load_given_plan", trusting)
    state = await preflight(plan=str(files / "plan.json"), return_state=True)
    assert WORD in str(state.message) + repr(await artifacts(state))


async def test_a_plan_as_a_document_is_taken(prefect_api):
    plan = plan_document(a_program(a_task("a")).source.plan)
    for given in (plan, json.dumps(plan), json.dumps(plan, indent=1)):
        state = await preflight(plan=given, return_state=True)
        assert "GEN-PLAN-PATH" not in str(state.message)
        assert "reads no files" not in str(state.message)


async def ended_run(days):
    """Write the ledger of a run that ended so many days ago."""
    program = a_program(a_task("a"))
    then = datetime.now(UTC) - timedelta(days=days)
    ledger = open_ledger(await open_store(), f"old-{uuid4().hex[:8]}", Settings())
    header = Header(
        genesis_version="9.9.9",
        run_id=ledger.run_id,
        correlation_id="c",
        created_at=then,
        document=plan_document(program.source),
        registry=program.registry,
        slots=1,
    )
    await ledger.begin(header)
    run = Run(
        run_id=ledger.run_id,
        correlation_id="c",
        state="completed",
        planner="file",
        started_at=then,
        ended_at=then,
        cost_usd=0,
        tasks=(),
    )
    await ledger.save(run)
    return ledger


@pytest.mark.parametrize("consent", [None, "30"])
@pytest.mark.parametrize(
    "asked",
    [
        {"keep_days": 0},
        {"keep_days": 1},
        {"keep_days": 29},
        {"keep_days": -1},
        {"keep_days": "0"},
        {"keep_days": 0, "flow_runs": True},
        {"keep_days": False},
    ],
    ids=repr,
)
async def test_nothing_young_is_removed_whatever_the_api_asks(prefect_api, monkeypatch, consent, asked):
    if consent is not None:
        monkeypatch.setenv("GENESIS_WORKER__PURGE_MIN_DAYS", consent)
    ledger = await ended_run(10)
    state = await housekeeping(**asked, dry_run=False, return_state=True)
    assert state.is_failed()
    assert await ledger.exists()


async def test_without_consent_not_even_the_old_is_removed(prefect_api):
    ledger = await ended_run(400)
    state = await housekeeping(keep_days=300, dry_run=False, return_state=True)
    assert state.is_failed()
    assert "GENESIS_WORKER__PURGE_MIN_DAYS" in state.message
    assert await ledger.exists()
    assert (await housekeeping(keep_days=0, return_state=True)).is_completed()  # it only says what it would remove


async def test_with_consent_the_old_is_removed_and_the_young_stays(prefect_api, monkeypatch):
    monkeypatch.setenv("GENESIS_WORKER__PURGE_MIN_DAYS", "30")
    old, young = await ended_run(400), await ended_run(10)
    state = await housekeeping(keep_days=30, dry_run=False, return_state=True)
    assert state.is_completed(), state.message
    assert (await old.exists(), await young.exists()) == (False, True)


async def test_the_control_removes_without_the_guard(prefect_api, monkeypatch):
    monkeypatch.setattr(retention, "_refuse_removal", lambda *_: None)
    ledger = await ended_run(1)
    await housekeeping(keep_days=0, dry_run=False, return_state=True)
    assert not await ledger.exists()
