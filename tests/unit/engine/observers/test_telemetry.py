from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from genesis import compile_program, route
from genesis.engine.observers.telemetry import RehearsalMetrics, RunMetrics
from genesis.model import AgentProfile, Outcome, Plan, Registry, Run, Task
from genesis.observability.exposition import render_metrics
from genesis.observability.instruments import (
    BUDGETS_EXCEEDED,
    CACHE_HITS,
    COST,
    DETOURS,
    REHEARSALS,
    REPLANS,
    RUN_SECONDS,
    RUNS,
    RUNS_ACTIVE,
    TASK_SECONDS,
    TASKS,
    TASKS_RUNNING,
    TOKENS,
)
from genesis.observability.metrics import Metrics

BEGUN = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def program():
    registry = Registry(agents=(AgentProfile(name="a_agent", task_types=("a",)),))
    plan = Plan(request="r", tasks=tuple(Task(id=f"t{n}", type="a", description="Do it") for n in range(3)))
    return compile_program(route(plan, registry), registry)


@pytest.fixture
def metrics():
    return Metrics()


def outcome(name, state, **more):
    return Outcome(id=name, agent="a_agent", state=state, started_at=BEGUN, **more)


def a_run(state="completed"):
    return Run(run_id="r", correlation_id="c", state=state, planner="file", cost_usd=Decimal(0), duration_s=2.0)


def test_a_run_and_its_leaves_are_counted_by_how_they_end(program, metrics):
    watch = RunMetrics(metrics)
    watch.run_started(program, a_run("running"), {})
    assert (metrics.value(RUNS_ACTIVE), metrics.value(TASKS, "a_agent", "failed")) == (1, 0)
    ended = BEGUN + timedelta(seconds=2)
    watch.leaf_changed(outcome("t0", "running"))
    watch.leaf_changed(outcome("t1", "running"))
    assert metrics.value(TASKS_RUNNING, "a_agent") == 2
    watch.leaf_changed(outcome("t0", "completed", ended_at=ended, usd=Decimal("0.25"), tokens=70))
    watch.leaf_changed(outcome("t1", "cached", ended_at=ended))
    watch.leaf_changed(Outcome(id="t2", agent="a_agent", state="skipped"))
    watch.leaf_diverted(program.leaves[0], "other", "why")
    watch.plan_changed(program)
    watch.run_ended(a_run())
    assert metrics.values(TASKS) == {
        ("a_agent", "cached"): 1,
        ("a_agent", "completed"): 1,
        ("a_agent", "failed"): 0,
        ("a_agent", "skipped"): 1,
    }
    assert (metrics.value(TASKS_RUNNING, "a_agent"), metrics.value(RUNS_ACTIVE)) == (0, 0)
    assert metrics.value(TASK_SECONDS, "a_agent") == 2
    assert (metrics.value(COST, "a_agent"), metrics.value(TOKENS, "a_agent")) == (0.25, 70)
    assert metrics.value(CACHE_HITS, "a_agent") == 1
    assert (metrics.value(DETOURS, "a_agent", "other"), metrics.value(REPLANS, "changed")) == (1, 1)
    assert (metrics.value(RUNS, "completed"), metrics.value(RUN_SECONDS, "completed")) == (1, 1)
    assert b'genesis_task_duration_seconds_bucket{agent="a_agent",le="2.5"} 2.0' in render_metrics(metrics)[1]


def test_what_ran_when_a_run_was_stopped_runs_no_more(program, metrics):
    watch = RunMetrics(metrics)
    watch.run_started(program, a_run("running"), {})
    watch.leaf_changed(outcome("t0", "running"))
    watch.run_ended(a_run("budget_exceeded"))
    assert (metrics.value(TASKS_RUNNING, "a_agent"), metrics.value(RUNS_ACTIVE)) == (0, 0)
    assert metrics.value(BUDGETS_EXCEEDED) == 1


def test_a_run_that_never_started_is_counted_and_was_never_active(program, metrics):
    RunMetrics(metrics).run_ended(a_run("failed"))
    assert (metrics.value(RUNS, "failed"), metrics.value(RUNS_ACTIVE)) == (1, 0)


def test_what_a_rehearsal_pretends_is_in_no_other_figure(program, metrics):
    watch = RehearsalMetrics(metrics)
    watch.run_started(program, a_run("running"), {})
    watch.leaf_changed(outcome("t0", "completed", ended_at=BEGUN, usd=Decimal("0.25"), tokens=70))
    watch.run_ended(a_run())
    assert metrics.value(REHEARSALS, "completed") == 1
    assert (metrics.values(RUNS), metrics.values(TASKS), metrics.values(COST)) == ({}, {}, {})
