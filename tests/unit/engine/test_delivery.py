"""Handing in the result of a work order, on a ledger without a server."""

import asyncio
import unicodedata
from datetime import UTC, datetime

import pytest

from genesis.engine.delivery import can_continue, deliver, find_leaf, is_worked_on
from genesis.errors import GenesisError, UsageError
from genesis.ledger import FolderStore, Header, Ledger, is_done
from genesis.ledger.history import run_lock
from genesis.model import Outcome
from genesis.planning import plan_document
from genesis.settings import Settings
from genesis.testing import a_program, a_task

RUN = "20260101-000000-aaaaaa"


@pytest.fixture
def settings(tmp_path):
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path / "storage"}):
        yield Settings(home=tmp_path / "home")


@pytest.fixture
def program():
    return a_program(
        a_task(
            "shop", a_task("design", outputs=["file", "note"]), a_task("name", outputs={"name": {"pattern": "^[^!]"}})
        ),
        a_task("done"),
        a_task("later", after=("shop",)),
    )


@pytest.fixture
async def ledger(settings, tmp_path, program):
    made = Ledger(FolderStore(tmp_path / "storage"), RUN)
    header = Header(
        genesis_version="test", run_id=RUN, correlation_id="c", created_at=datetime.now(UTC), slots=4,
        document=plan_document(program.source), registry=program.registry,
    )  # fmt: skip
    await made.begin(header)
    for leaf in program.leaves[:2]:
        await made.record(leaf, Outcome(id=leaf.path, agent="worker", state="briefed", result={"brief": "/b.md"}))
    await made.record(program.leaves[2], Outcome(id="done", agent="worker", state="completed"))
    return made


async def refuse(settings, task, value, run=RUN):
    with pytest.raises(GenesisError) as caught:
        await deliver(run, task, value, by="Ada", settings=settings)
    return caught.value


async def test_a_delivered_result_is_the_leafs_from_then_on(ledger, settings, program):
    value = {"file": "p.pdf", "note": "n"}
    outcome = await deliver(RUN, "shop/design", value, by="Ada", settings=settings)
    assert (outcome.state, outcome.result, outcome.delivered.by) == ("completed", value, "Ada")
    known = await ledger.read_outcomes(program.leaves)
    assert known[0] == await ledger.outcome(program.leaves[0]) == outcome
    assert is_done(program.leaves[0], known)
    assert sorted(each.state for each in known.values()) == ["briefed", "completed", "completed"]
    assert outcome.model_dump(mode="json")["delivered"]["by"] == "Ada"


async def test_a_text_is_the_one_promised_output(ledger, settings):
    outcome = await deliver(RUN, "shop/name", "Bakery", by="Ada", settings=settings)
    assert outcome.result == {"name": "Bakery"}


async def test_missing_outputs_are_named_and_nothing_is_taken_in(ledger, settings, program):
    error = await refuse(settings, "shop/design", {"file": "x"})
    assert (error.code, error.exit_code) == ("GEN-DELIVERY", 2)
    assert "lacks 'note'" in error.message
    assert "lacks 'file', 'note'" in (await refuse(settings, "shop/design", "text")).message
    assert (await ledger.outcome(program.leaves[0])).state == "briefed"


async def test_a_value_that_does_not_fit_its_schema_is_not_taken_in(ledger, settings, program):
    error = await refuse(settings, "shop/name", "!")
    assert error.code == "GEN-DELIVERY"
    assert "output 'name': expected pattern: " in error.message
    assert error.hint == 'its schema: {"pattern": "^[^!]"}'
    assert (await ledger.outcome(program.leaves[1])).state == "briefed"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("shop/desing", ("GEN-TASK-UNKNOWN", "has no task", "did you mean 'shop/design'?")),
        ("design", ("GEN-TASK-UNKNOWN", "has no task", "did you mean 'shop/design'?")),
        ("xyz", ("GEN-TASK-UNKNOWN", "has no task", f"genesis runs show {RUN}")),
        ("shop", ("GEN-USAGE", "is a group of tasks", "shop/design, shop/name")),
        ("done", ("GEN-DELIVERY", "it is completed", f"genesis runs show {RUN} --task done")),
        ("later", ("GEN-DELIVERY", "it has no work order yet", f"genesis runs show {RUN} --task later")),
    ],
)
async def test_what_cannot_be_delivered_says_why_and_what_to_do(ledger, settings, task, expected):
    error, (code, message, hint) = await refuse(settings, task, "x"), expected
    assert error.code == code
    assert message in error.message
    assert hint in error.hint


async def test_an_unknown_run_is_refused(ledger, settings):
    assert (await refuse(settings, "design", "x", run="20260101-000000-bbbbbb")).code == "GEN-RUN-UNKNOWN"


async def test_the_second_delivery_is_refused_and_the_first_stands(ledger, settings, program):
    await deliver(RUN, "shop/name", "First", by="Ada", settings=settings)
    error = await refuse(settings, "shop/name", "Second")
    assert error.code == "GEN-DELIVERY"
    assert "was delivered before, by Ada" in error.message
    assert (await ledger.outcome(program.leaves[1])).result == {"name": "First"}


async def test_of_many_deliveries_at_once_one_stands_and_none_to_another_task_is_lost(ledger, settings, program):
    def one(number: int) -> str:
        task, value = ("shop/name", str(number)) if number else ("shop/design", {"file": "f", "note": "n"})
        try:
            asyncio.run(deliver(RUN, task, value, by=str(number), settings=settings))
        except GenesisError as error:
            return error.code
        return "taken"

    said = await asyncio.gather(*(asyncio.to_thread(one, number) for number in range(9)))
    assert sorted(said) == ["GEN-DELIVERY"] * 7 + ["taken"] * 2
    known = await ledger.read_outcomes(program.leaves)
    assert known[1].result == {"name": known[1].delivered.by}
    assert known[0].state == "completed"


async def test_what_has_no_json_form_is_refused(ledger, settings):
    assert (await refuse(settings, "shop/name", {"name": object()})).code == "GEN-TASK"


async def test_a_large_result_is_kept_beside_the_delivery(ledger, settings):
    outcome = await deliver(RUN, "shop/name", "x" * 200_000, by="Ada", settings=settings)
    assert outcome.result is None
    assert await ledger.result(outcome) == {"name": "x" * 200_000}


def outcomes(program, *states):
    leaves = program.leaves
    return {
        index: Outcome(id=leaves[index].path, agent="w", state=state) for index, state in enumerate(states) if state
    }


def test_a_run_can_go_on_where_a_task_could_start_or_all_are_done():
    program = a_program(a_task("a"), a_task("b", after=("a",)), a_task("c"))
    assert not can_continue(program, outcomes(program, "briefed", None, "briefed"))
    assert not can_continue(program, outcomes(program, "completed", "briefed", "completed"))
    assert can_continue(program, outcomes(program, "completed", None, "briefed"))
    assert can_continue(program, outcomes(program, "completed", "completed", "completed"))
    assert can_continue(program, outcomes(program, "briefed", None, "cancelled"))


async def test_who_holds_a_run_that_runs_takes_a_delivery_up_and_who_ends_it_is_waited_for(
    ledger, settings, monkeypatch
):
    from genesis.engine import delivery
    from genesis.report.history import explain_run

    monkeypatch.setattr(delivery, "DELIVERY_WAIT_S", 0.01)
    monkeypatch.setattr(delivery, "_SURE_S", 0.05)
    assert not await is_worked_on(ledger, settings)
    run, _ = await explain_run(RUN, settings)
    lock = run_lock(ledger, settings)
    with lock:
        await ledger.save(run.model_copy(update={"state": "running"}))
        assert await is_worked_on(ledger, settings)
        await ledger.save(run.model_copy(update={"state": "briefed"}))
        waiting = asyncio.create_task(is_worked_on(ledger, settings))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert not await waiting


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKD"])
def test_a_path_is_found_however_its_characters_are_composed(form):
    program = a_program(a_task("Entw\u00fcrfe", a_task("caf\u00e9"), a_task("\u0915\u093e\u0930\u094d\u092f")))
    for leaf in program.leaves:
        assert find_leaf(program, unicodedata.normalize(form, leaf.path), "r") == leaf
    with pytest.raises(UsageError, match="is a group of tasks"):
        find_leaf(program, unicodedata.normalize(form, "Entw\u00fcrfe"), "r")
