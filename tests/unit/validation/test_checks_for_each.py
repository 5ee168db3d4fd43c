"""What is wrong with a `for_each`, found before the run."""

import pytest

from genesis.compile import apply_amendments
from genesis.model import Amendment, Outcome, Plan
from genesis.model.run import utc_now
from genesis.settings import Limits
from genesis.testing import an_agent, route_to
from genesis.validation import validate

LINT = {"id": "lint", "description": "Lint the package {item}", "type": "test"}
SCAN = {"id": "scan", "description": "List all changed files", "outputs": ["files"]}


def lint(**more):
    return {**LINT, **more}


def errors(check, *tasks, **plan):
    return [(each.code, each.task, each.message) for each in check([*tasks], **plan).errors]


@pytest.mark.parametrize(
    "for_each",
    [["a", "b"], [None, {"a": [None]}, [[]], 1.5, True], {"os": ["x"], "v": [1, 2]}, "{names}", "{scan.files}", []],
)
def test_lists_of_every_kind_pass(check, for_each):
    tasks = [SCAN, lint(for_each=for_each, depends_on=["scan"], inputs={"x": "{item}"})]
    assert errors(check, *tasks, vars={"names": "a, b"}) == []


@pytest.mark.parametrize(
    ("for_each", "said"),
    [
        ("{nothing}", "for_each of task 'lint' is {nothing}, which is neither a variable, a parameter nor a result"),
        ("{broken}", "the variable 'broken' begins with `[` and is no JSON list"),
        ({"a": [1], "b": "{gone.files}"}, "is {gone.files}, which is neither a variable, a parameter nor a result"),
    ],
)
def test_a_name_that_stands_for_no_list_is_an_error(check, for_each, said):
    (code, task, message), *others = errors(check, SCAN, lint(for_each=for_each), vars={"broken": "[1,"})
    assert (code, task, others) == ("GEN-FOR-EACH-LIST", "lint", [])
    assert said in message


def test_a_result_that_is_not_promised_is_an_error(check):
    ((code, task, message),) = errors(check, SCAN, lint(for_each="{scan.dirs}"))
    assert (code, task) == ("GEN-INPUT-MISSING", "lint")
    assert "does not promise 'dirs'" in message


def test_a_near_name_is_offered(check):
    report = check([SCAN, lint(for_each="{scann.files}")])
    assert report.errors[0].hint == "did you mean 'scan.files'?"


@pytest.mark.parametrize(
    ("for_each", "text", "said"),
    [
        ([{"a": 1}, {"b": 1}], "{item.a}", "value 1 of the list has no 'a'"),
        ([{"a": {"b": 1}}], "{item.a.c}", "value 0 of the list has no 'c'"),
        (["x"], "{item.a}", "value 0 of the list is no map"),
        ([None], "{item.a}", "value 0 of the list is no map"),
        ({"os": ["x"]}, "{item.oss}", "the map has only 'os'"),
        ({"os": ["x"]}, "{item.os.a}", "value 0 of the list is no map"),
    ],
)
@pytest.mark.parametrize("where", ["inputs", "description"])
def test_a_key_that_a_value_lacks_is_an_error(check, for_each, text, said, where):
    more = {"inputs": {"x": [text]}} if where == "inputs" else {"description": f"Look at {text} closely"}
    ((code, task, message),) = errors(check, lint(for_each=for_each, **more))
    assert (code, task) == ("GEN-FOR-EACH-ITEM", "lint")
    assert said in message


def test_keys_with_dots_and_nested_keys_and_doubled_braces_pass(check):
    values = [{"a.b": 1, "c": {"d": {"e": 2}}}]
    assert errors(check, lint(for_each=values, inputs={"x": "{item.a.b} {item.c.d.e} {{item.no}}"})) == []


def test_the_list_of_an_inner_one_is_a_part_of_the_outer_value(check):
    inner = lint(for_each="{item.suites}", inputs={"suite": "{item}"})
    outer = {"id": "service", "description": "Check {item.name}", "subtasks": [inner]}
    good = [{"name": "shop", "suites": ["unit"]}, {"name": "mail", "suites": []}]
    assert errors(check, {**outer, "for_each": good}) == []
    ((code, task, message),) = errors(check, {**outer, "for_each": [{"name": "x"}]})
    assert (code, task) == ("GEN-FOR-EACH-LIST", "service/lint")
    assert "value 0 of the list has no 'suites'" in message
    ((code, task, message),) = errors(check, {**outer, "for_each": [{"name": "x", "suites": "unit"}]})
    assert (code, task) == ("GEN-FOR-EACH-LIST", "service/lint")
    assert "{item.suites} is the text 'unit', not a list" in message


@pytest.mark.parametrize("name", ["item", "index"])
def test_names_of_a_copys_value_are_taken(check, name):
    assert errors(check, lint(for_each=[1]), vars={name: "x"})[0][0] == "GEN-FOR-EACH-NAME"
    assert errors(check, LINT, vars={name: "x"}) == []


def test_a_task_called_item_is_an_error_beside_for_each_alone(check):
    item = {"id": "item", "description": "Order the item"}
    assert [code for code, *_ in errors(check, lint(for_each=[1]), item)] == ["GEN-FOR-EACH-NAME"]
    assert errors(check, LINT, item) == []


def test_nothing_outside_reaches_into_a_copy(check):
    build = {
        "id": "build",
        "description": "Build it all",
        "for_each": ["x"],
        "subtasks": [
            {"id": "make", "description": "Make the binary", "outputs": ["binary"]},
            {"id": "try", "description": "Try the binary", "inputs": {"b": "{build/make.binary}"}},
        ],
    }
    after = {"id": "ship", "description": "Ship what was built"}
    assert errors(check, build, {**after, "inputs": {"b": "{build.binary}"}}) == []
    ((code, _, message),) = errors(check, build, {**after, "inputs": {"b": "{build/make.binary}"}})
    assert code == "GEN-INPUT-MISSING"
    assert "that one has the list: {build.binary}" in message
    assert [code for code, *_ in errors(check, build, {**after, "depends_on": ["build/make"]})] == [
        "GEN-FOR-EACH-INSIDE"
    ]


def test_the_limit_on_leaves_counts_copies_without_making_them(check):
    tasks = [lint(for_each={"a": list(range(3_000)), "b": list(range(3_000)), "c": list(range(3_000))})]
    ((code, task, message),) = errors(check, *tasks, how={"limits": Limits()})
    assert (code, task) == ("GEN-LEAF-LIMIT", None)
    assert "27,000,000,000 leaves" in message


def test_a_hundred_thousand_values_are_beyond_the_limit_and_quickly_found_so(check):
    found = errors(check, lint(for_each=[{"n": n} for n in range(100_000)], inputs={"x": "{item.n}"}))
    assert [code for code, *_ in found] == ["GEN-LEAF-LIMIT"]


def test_the_budget_counts_copies(check):
    tasks = [lint(for_each=[1, 2, 3], estimate={"usd": 2, "tokens": 10})]
    assert errors(check, *tasks, budget={"usd": 6, "tokens": 30}) == []
    codes = [code for code, *_ in errors(check, *tasks, budget={"usd": 5, "tokens": 29})]
    assert codes == ["GEN-BUDGET-TOKENS", "GEN-BUDGET-USD"]


def test_settings_without_for_each_an_empty_list_and_an_unknown_count_are_told(codes):
    assert "GEN-FOR-EACH-SETTINGS" in codes([lint(max_parallel=2)], "warning")
    assert "GEN-FOR-EACH-EMPTY" in codes([lint(for_each=[])], "info")
    assert "GEN-FOR-EACH-UNKNOWN" in codes([SCAN, lint(for_each="{scan.files}", depends_on=["scan"])], "info")
    assert "GEN-VARIABLE-UNUSED" not in codes([lint(for_each="{names}")], vars={"names": "a"})


def test_a_list_of_a_task_that_comes_after_is_a_cycle(check):
    tasks = [lint(for_each="{scan.files}"), {**SCAN, "depends_on": ["lint"]}]
    assert [code for code, *_ in errors(check, *tasks)] == ["GEN-CYCLE"]


def test_a_plan_with_copies_that_came_while_it_ran_has_no_other_findings():
    tasks = [
        {**SCAN, "estimate": {"seconds": 1}},
        lint(
            id="one",
            description="Lint each package",
            for_each="{scan.files}",
            depends_on=["scan"],
            inputs={"x": "{item}"},
        ),
        lint(
            id="two",
            description="Measure the coverage",
            for_each=["a", "b"],
            depends_on=["scan"],
            inputs={"x": "{item}"},
        ),
        {
            "id": "three",
            "description": "Build all parts",
            "for_each": "{scan.files}",
            "depends_on": ["scan"],
            "subtasks": [
                {"id": "make", "description": "Make the binary", "outputs": ["b"]},
                {"id": "try", "description": "Try the binary", "depends_on": ["make"], "inputs": {"b": "{make.b}"}},
            ],
        },
    ]
    plan = Plan.model_validate({"request": "Do the work", "tasks": tasks})
    routed, registry = route_to(plan, an_agent("worker", task_types=["generic", "test"]))
    before = {each.code for each in validate(routed, registry).diagnostics}
    for number, (task, values) in enumerate({"one": ["x", "y"], "three": ["z", "w"]}.items(), 1):
        found = next(each for each in routed.plan.tasks if each.id == task)
        amendment = Amendment(
            number=number,
            kind="for_each",
            task=task,
            group=found.model_copy(update={"for_each": values}),
            reason="r",
            outcome=Outcome(id=task, agent=""),
            at=utc_now(),
        )
        routed = apply_amendments(routed, [amendment])
        after = {each.code for each in validate(routed, registry).diagnostics}
        assert after - before == set()


def test_a_condition_of_the_task_itself_has_no_value_of_a_copy(check):
    (found,) = check([lint(for_each=["a"], when="{item} == 'a'")]).errors
    assert found.code == "GEN-WHEN-INVALID"
    assert "{item} has no value in it, since it is about all copies at once" in found.message
    assert "give the task subtasks" in found.hint


def test_a_condition_inside_of_a_copy_may_use_its_value_and_lacks_no_key(check):
    inner = {"id": "one", "type": "test", "description": "Test the package {item.a}", "when": "{item.a} > {index}"}
    each = {"id": "each", "description": "Test all packages"}
    assert errors(check, {**each, "for_each": [{"a": 1}], "subtasks": [inner]}) == []
    (found,) = errors(check, {**each, "for_each": [{"a": 1}, {}], "subtasks": [{**inner, "description": "Test all"}]})
    assert found[:2] == ("GEN-FOR-EACH-ITEM", "each/one")


def test_an_environment_variable_lacks_no_key(check):
    (found,) = errors(check, lint(for_each=[{}], description="Lint the package", env={"X": "{item.a}"}))
    assert found[0] == "GEN-FOR-EACH-ITEM"


@pytest.mark.parametrize(("kind", "value", "wrong"), [("array", [1, 2], 0), ("string", "a, b", 0), ("integer", 3, 1)])
def test_a_parameter_may_be_the_list(check, kind, value, wrong):
    params = {"names": {"type": kind, "default": value}}
    found = errors(check, lint(for_each="{names}"), params=params)
    assert [code for code, *_ in found] == ["GEN-FOR-EACH-LIST"] * wrong


def test_a_parameter_without_a_value_is_reported_once(check):
    found = errors(check, lint(for_each="{names}"), params={"names": {"type": "array"}})
    assert [code for code, *_ in found] == ["GEN-PARAM-MISSING"]


def test_copies_that_may_not_run_at_once_take_as_many_rounds(check):
    work = lint(for_each=[1, 2, 3, 4, 5], max_parallel=2, estimate={"seconds": 10})
    assert check([work], deadline_s=30).ok
    ((code, _, message),) = errors(check, work, deadline_s=29)
    assert code == "GEN-DEADLINE"
    assert "at least 30 s (the longest chain of tasks)" in message


def test_rounds_of_composites_multiply(check):
    inner = {"id": "x", "description": "Lint the file {item}", "for_each": ["f", "g"], "max_parallel": 1}
    step = {"id": "y", "description": "Count all the findings", "depends_on": ["x"], "estimate": {"seconds": 5}}
    outer = {"id": "p", "description": "Do the package {item}", "for_each": ["a", "b", "c"], "max_parallel": 2}
    work = {**outer, "subtasks": [{**inner, "estimate": {"seconds": 10}}, step]}
    assert check([work], deadline_s=50).ok
    assert errors(check, work, deadline_s=49)[0][0] == "GEN-DEADLINE"


@pytest.mark.parametrize(
    ("count", "more", "parallel"), [(30, {}, 30), (30, {"max_parallel": 3}, None), (17, {"max_parallel": 20}, 17)]
)
def test_copies_queue_as_far_as_they_may_run_at_once(find, count, more, parallel):
    agents = [an_agent(task_types=["test"], max_concurrency=5).model_dump(mode="json", exclude_defaults=True)]
    tasks = [lint(for_each=list(range(count)), **more)]
    assert [each.evidence["parallel"] for each in find("GEN-CAPACITY", tasks, agents=agents)] == [parallel] * (
        parallel is not None
    )
    assert len(find("GEN-SLOTS-TIGHT", tasks, agents=agents)) == (parallel is not None)
