"""`when`, `run_if` and `allow_failure`."""

import pytest


def task(name, **more):
    return {"id": name, "description": f"Handle the {name} item", **more}


COUNT = task("count", outputs=["n"])


@pytest.mark.parametrize(
    ("when", "said", "hint"),
    [
        ("{count.n} >", "cannot be read", "write it as"),
        ("open('x')", "cannot have", "it has comparisons"),
        ("{count.m} > 1", "does not promise 'm'", "name the result in the `outputs` of 'count'"),
        ("{cuont.n} > 1", "no variable, parameter or result", "did you mean 'count'?"),
        ("{targte} == 'x'", "no variable, parameter or result", "did you mean 'target'?"),
        ("{count} > 1", "no variable, parameter or result", "did you mean 'count.result'?"),
        ("{few.n} > 1", "cannot use its own result", "name the result"),
    ],
)
def test_condition_without_a_meaning_is_an_error(find, when, said, hint):
    tasks = [COUNT, task("few", depends_on=["count"], when=when, outputs=["n"])]
    [found] = find("GEN-WHEN-INVALID", tasks, vars={"target": "x"})
    assert (found.severity, found.task) == ("error", "few")
    assert said in found.message
    assert found.hint.startswith(hint)


def test_condition_over_a_task_that_does_not_come_before_is_an_error(find):
    tasks = [COUNT, task("few", when="{count.n} < 3"), task("c", subtasks=[task("x")], when="{count.n} > 3")]
    assert [found.task for found in find("GEN-WHEN-ORDER", tasks)] == ["few", "c"]
    ordered = [
        COUNT,
        task("mid", depends_on=["count"]),
        task("few", depends_on=["mid"], when="{count.n} < 3"),
        task("c", depends_on=["mid"], subtasks=[task("x", when="{count.n} > 3")]),
    ]
    assert find("GEN-WHEN-ORDER", ordered) == []


def test_condition_over_a_task_inside_the_composite_itself_is_an_error(find):
    tasks = [task("c", subtasks=[COUNT], when="{c/count.n} > 3")]
    assert [found.severity for found in find("GEN-WHEN-ORDER", tasks)] == ["error"]


def test_condition_that_its_variables_exclude_is_a_warning(find):
    tasks = [task("a", when="{target} == 'production'"), task("b", when="1 > 2"), task("c", when="{target} == 'test'")]
    found = find("GEN-WHEN-NEVER", tasks, vars={"target": "test"})
    assert [(each.task, each.severity) for each in found] == [("a", "warning"), ("b", "warning")]


def test_variable_in_a_condition_is_used(find):
    assert find("GEN-VARIABLE-UNUSED", [task("a", when="{target} == 'x'")], vars={"target": "x"}) == []


def test_rule_of_a_task_that_comes_after_none_is_a_warning(find):
    tasks = [
        task("a", run_if="any_failed"),
        task("b", run_if="always"),
        task("c", depends_on=["a"], run_if="always"),
        task("d", inputs={"x": "{a.result}"}, run_if="all_done"),
    ]
    found = find("GEN-RUN-IF-ALONE", tasks)
    assert [(each.task, each.severity) for each in found] == [("a", "warning"), ("b", "warning")]
    assert "never runs" in found[0].message


@pytest.mark.parametrize(
    ("producer", "user", "why"),
    [
        ({"allow_failure": True}, {}, "'count' has `allow_failure`"),
        ({}, {"run_if": "all_done"}, "'user' has `run_if: all_done`"),
        ({}, {"run_if": "all_succeeded"}, None),
        ({"when": "1 == 1"}, {}, None),
    ],
)
def test_input_that_can_be_null_is_a_warning(find, producer, user, why):
    tasks = [{**COUNT, **producer}, task("user", depends_on=["count"], inputs={"n": "{count.n}"}, **user)]
    found = find("GEN-INPUT-NULL", tasks)
    assert [each.severity for each in found] == (["warning"] if why else [])
    assert not why or why in found[0].message


def test_input_from_inside_the_composite_that_may_fail_is_none_of_null(find):
    user = task("user", depends_on=["count"], inputs={"n": "{count.n}"})
    outside = task("outside", depends_on=["c"], inputs={"n": "{c/count.n}"})
    found = find("GEN-INPUT-NULL", [task("c", subtasks=[COUNT, user], allow_failure=True), outside])
    assert [each.task for each in found] == ["outside"]


@pytest.mark.parametrize("key", [{"run_if": "one_failed"}, {"allow_failure": "maybe"}, {"runif": "always"}])
def test_other_values_and_keys_are_refused(key):
    from genesis.errors import DocumentError
    from genesis.planning import load_plan

    with pytest.raises(DocumentError):
        load_plan({"version": 1, "request": "r", "tasks": [task("a", **key)]})


def test_what_never_runs_counts_for_no_budget_deadline_or_capacity(check):
    cost = {"estimate": {"seconds": 10, "usd": 1, "tokens": 10}}
    tasks = [
        {"id": "a", "description": "Build the site", **cost},
        {"id": "b", "description": "Deploy to staging", "when": "{target} == 'staging'", "depends_on": ["a"], **cost},
        {"id": "c", "description": "Measure the pages", "depends_on": ["b"], **cost},
        {"id": "p", "description": "Announce", "when": "{target} == 'no'", "subtasks": [
            {"id": "d", "description": "Write the news", "depends_on": ["a"], **cost}]},
        {"id": "e", "description": "Look at the logs", "depends_on": ["b", "p"], "run_if": "any_succeeded", **cost},
    ]  # fmt: skip
    bounds = {"budget": {"usd": 1, "tokens": 10}, "deadline_s": 10}
    assert check(tasks, vars={"target": "prod"}, **bounds).ok
    found = {each.code for each in check(tasks, vars={"target": "staging"}, **bounds).errors}
    assert found == {"GEN-BUDGET-USD", "GEN-BUDGET-TOKENS", "GEN-DEADLINE"}
