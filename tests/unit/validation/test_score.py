"""The score: bounded, comparable between sizes, moved by what it claims to measure."""

import math

import pytest

AGENTS = [
    {
        "name": "worker",
        "task_types": ["generic"],
        "success_rate": 0.8,
        "cost": {"usd_per_task": 0.02},
        "max_concurrency": 99,
    },
    {
        "name": "dear",
        "task_types": ["generic"],
        "success_rate": 0.9,
        "cost": {"usd_per_task": 0.10},
        "max_concurrency": 99,
    },
]


def tasks_of(prefix, edges=((), (0,), (0,), (1, 2)), **more):
    return [
        {"id": f"{prefix}{n}", "description": f"Convert {prefix} document {n}",
         "depends_on": [f"{prefix}{m}" for m in after], "estimate": {"seconds": 10 + n}, **more}
        for n, after in enumerate(edges)
    ]  # fmt: skip


def test_score_is_the_weighted_sum_of_its_parts(check):
    report = check(tasks_of("a"), agents=AGENTS)
    parts = report.parts
    expected = 0.4 * parts.success + 0.3 * parts.quality + 0.2 * parts.cost + 0.1 * parts.time
    assert report.score == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("copies", [2, 10, 100])
def test_copies_side_by_side_leave_every_part_as_it_is(check, copies):
    one = check(tasks_of("a"), agents=AGENTS).parts
    many = check([task for n in range(copies) for task in tasks_of(f"a{n}x")], agents=AGENTS).parts
    for name in ("success", "quality", "cost", "time"):
        assert getattr(many, name) == pytest.approx(getattr(one, name), abs=0.01), name


def test_copies_with_faults_leave_quality_as_it_is(check):
    one = check(tasks_of("a", side_effects=True), agents=AGENTS).parts
    two = check([*tasks_of("a", side_effects=True), *tasks_of("b", side_effects=True)], agents=AGENTS).parts
    assert two.quality == pytest.approx(one.quality, abs=0.01)
    assert one.quality == pytest.approx(0.25)


def test_success_is_the_mean_with_retries(check):
    tasks = [{"id": "a", "description": "Sort apples"}, {"id": "b", "description": "Sort pears", "retries": 1}]
    assert check(tasks, agents=AGENTS).parts.success == pytest.approx((0.8 + 0.96) / 2)


def test_a_cheaper_agent_gives_a_better_cost_part(check):
    cheap = check(tasks_of("a"), agents=AGENTS).parts.cost
    dear = check(tasks_of("a"), agents=AGENTS, to={f"a{n}": "dear" for n in range(4)}).parts.cost
    assert cheap == pytest.approx(0.1 / 0.12, abs=1e-4)
    assert dear == pytest.approx(0.5)


def test_free_work_costs_nothing(check):
    assert check(tasks_of("a"), agents=[{"name": "worker", "task_types": ["generic"]}]).parts.cost == 1.0


def test_time_is_one_when_nothing_waits_and_falls_with_every_wait(check):
    flat = check(tasks_of("a", edges=((), (), ())), agents=AGENTS).parts.time
    chain = check(tasks_of("a", edges=((), (0,), (1,))), agents=AGENTS).parts.time
    longer = check(tasks_of("a", edges=((), (0,), (1,), (2,))), agents=AGENTS).parts.time
    assert flat == 1.0
    assert 1.0 > chain > longer > 0.0


def test_work_without_duration_is_never_late(check):
    tasks = [{"id": "a", "description": "Sort apples", "estimate": {"seconds": 0}}]
    assert check(tasks, agents=AGENTS).parts.time == 1.0


@pytest.mark.parametrize("tasks", [[], [{"id": "a", "description": "Sort apples"}]])
def test_a_plan_that_nobody_runs_scores_nothing(check, tasks):
    report = check(tasks, agents=AGENTS, routes={})
    assert report.ok is False
    assert report.score == 0.0


def test_a_cycle_scores_no_time_and_a_plan_with_errors_is_still_scored(check):
    report = check(tasks_of("a", edges=((1,), (0,))), agents=AGENTS)
    assert report.ok is False
    assert report.parts.time == 0.0
    assert 0.0 < report.score < 0.7


def test_extreme_estimates_never_leave_the_range(check):
    tasks = [{"id": "a", "description": "Sort apples", "estimate": {"seconds": 1e300, "usd": 1e30}},
             {"id": "b", "description": "Sort pears", "estimate": {"seconds": 1e-300, "usd": 0}, "depends_on": ["a"]},
             {"id": "c", "description": "Sort plums", "estimate": {"seconds": 1e308}, "depends_on": ["b"]},
             {"id": "d", "description": "Sort figs", "estimate": {"seconds": 1e308}, "depends_on": ["c"]}]  # fmt: skip
    report = check(tasks, agents=AGENTS)
    assert all(
        math.isfinite(value) and 0 <= value <= 1 for value in (report.score, *report.parts.model_dump().values())
    )
