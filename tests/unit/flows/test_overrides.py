"""Bounds of a resume, in the header that the run keeps; and the state in which a flow run ends."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from genesis.flows.launch import _overridden
from genesis.flows.orchestrate import final_state
from genesis.ledger import Header
from genesis.model import Budget, ErrorInfo, Outcome, Run
from genesis.pipeline import program_of
from genesis.planning import plan_document
from genesis.planning.overrides import Overrides
from genesis.settings import Settings
from genesis.testing import a_program, a_task

MORE = "genesis resume r-1 --budget 2"


@pytest.fixture
def header():
    program = a_program(a_task("a"), a_task("b", retries=1), budget={"usd": 1, "tokens": 5}, deadline_s=10)
    return Header(
        genesis_version="test", run_id="r-1", correlation_id="c", created_at=datetime.now(UTC), slots=4,
        document=plan_document(program.source), registry=program.registry,
    )  # fmt: skip


def test_bounds_of_a_resume_are_those_of_the_program_from_then_on(header):
    bounds = Overrides(Budget(usd=Decimal("2.50")), 60.0, 3)
    changed = Header.model_validate_json(_overridden(header, bounds, Settings()).model_dump_json())
    program = program_of(changed.document, changed.registry, Settings())
    assert (program.budget, program.deadline_s) == (Budget(usd=Decimal("2.50"), tokens=5), 60.0)
    assert [leaf.retries for leaf in program.leaves] == [3, 1]
    before = program_of(header.document, header.registry, Settings())
    assert [leaf.fingerprint for leaf in program.leaves] == [leaf.fingerprint for leaf in before.leaves]
    assert changed.document["tasks"] == header.document["tasks"]


def test_a_resume_without_bounds_changes_nothing(header):
    assert _overridden(header, Overrides(), Settings()) is header


def a_run(state, *tasks, error=None):
    return Run(
        run_id="r-1", correlation_id="c", state=state, planner="file", cost_usd=Decimal(0), tasks=tasks, error=error
    )


@pytest.mark.parametrize(
    ("run", "type_", "name", "message"),
    [
        (a_run("completed"), "COMPLETED", "Completed", "0 tasks"),
        (
            a_run("briefed", Outcome(id="a", agent="w", state="briefed", result={"brief": "/o/brief.md"})),
            "COMPLETED", "Briefed", "genesis deliver r-1 a --result /o/result.json",
        ),
        (
            a_run("failed", error=ErrorInfo(code="GEN-RUN-FAILED", message="1 task failed: 'a'")),
            "FAILED", "Failed", "1 task failed: 'a'. To continue: genesis resume r-1",
        ),
        (
            a_run("budget_exceeded", error=ErrorInfo(code="GEN-BUDGET", message="x", hint=MORE)),
            "FAILED", "Failed", f"To continue: {MORE}",
        ),
        (a_run("cancelled"), "CANCELLED", "Cancelled", "To continue: genesis resume r-1"),
    ],
)  # fmt: skip
def test_the_final_state_names_the_command_that_goes_on(run, type_, name, message):
    state = final_state(run)
    assert (state.type.value, state.name) == (type_, name)
    assert message in state.message
