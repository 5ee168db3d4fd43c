"""Inputs, budget, deadline, effects, capacity."""

import pytest


def task(name, description=None, **more):
    return {"id": name, "description": description or f"Handle the {name} item", **more}


def agent(**more):
    return {"name": "worker", "task_types": ["generic", "test"], **more}


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("source.txet", "did you mean 'text'?"),
        ("source.zzz", "it promises 'text'"),
        ("user.own", "name the result in that task's `outputs`"),
    ],
)
def test_input_that_nothing_produces_is_an_error_with_a_suggestion(find, reference, hint):
    tasks = [task("source", outputs=["text"]), task("user", depends_on=["source"], inputs={"x": f"{{{reference}}}"})]
    [found] = find("GEN-INPUT-MISSING", tasks, vars={"path": "."})
    assert found.severity == "error"
    assert f"{{{reference}}}" in found.message
    assert found.hint.startswith(hint)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pth", "did you mean 'path'?"),
        ("sourc.text", "did you mean 'source'?"),
        ("source", "did you mean 'source.result'?"),
    ],
)
def test_a_name_close_to_a_reference_is_a_warning_and_stays_text(find, name, hint):
    tasks = [task("source", outputs=["text"]), task("user", depends_on=["source"], inputs={"x": f"a {{{name}}}"})]
    [found] = find("GEN-INPUT-TEXT", tasks, vars={"path": "."})
    assert (found.severity, found.task, found.hint) == ("warning", "user", hint)
    assert not find("GEN-INPUT-MISSING", tasks, vars={"path": "."})


@pytest.mark.parametrize(
    "text",
    ["{print}", '{"path": 1}', "{ path }", "${HOME}", "{{ pth }}", "{source.text}", "{path}", "{{pth}}", "{1.5}"],
)
def test_other_text_in_braces_is_no_finding(find, text):
    tasks = [task("source", outputs=["text"]), task("user", depends_on=["source"], inputs={"x": text})]
    assert not find("GEN-INPUT-TEXT", tasks, vars={"path": "."})
    assert not find("GEN-INPUT-MISSING", tasks, vars={"path": "."})


def test_a_literal_input_that_the_task_does_not_have_is_an_error(find):
    tasks = [task("a", inputs={"script": "{b.x}"}, literal_inputs=["scrip"]), task("b")]
    [found] = find("GEN-INPUT-LITERAL", tasks)
    assert (found.severity, found.task, found.hint) == ("error", "a", "did you mean 'script'?")


def test_a_literal_input_is_not_searched_for_references(find):
    tasks = [task("a", inputs={"script": "{b.x} {pth}"}, literal_inputs=["script"]), task("b")]
    for code in ("GEN-INPUT-LITERAL", "GEN-INPUT-MISSING", "GEN-INPUT-TEXT"):
        assert not find(code, tasks, vars={"path": "."})
    [unused] = find("GEN-VARIABLE-UNUSED", tasks, vars={"pth": "."})
    assert "pth" in unused.message


def test_produced_input_without_an_edge_is_a_warning(find):
    tasks = [task("a", outputs=["o"]), task("b", inputs={"x": "{a.o}"})]
    [found] = find("GEN-ORDER-IMPLIED", tasks)
    assert (found.severity, found.task, found.evidence["producer"]) == ("warning", "b", "a")


@pytest.mark.parametrize(
    "tasks",
    [
        [task("a", outputs=["o"]), task("b", depends_on=["a"], inputs={"x": "{a.o}"})],
        [task("a", outputs=["o"]), task("m", depends_on=["a"]), task("b", depends_on=["m"], inputs={"x": "{a.o}"})],
        [task("p", subtasks=[task("a", outputs=["o"])]), task("b", depends_on=["p"], inputs={"x": "{p/a.o}"})],
        [task("a", outputs=["o"]), task("p", depends_on=["a"], subtasks=[task("b", inputs={"x": "{a.o}"})])],
    ],
)
def test_produced_input_with_a_path_of_dependencies_is_fine(find, tasks):
    assert not find("GEN-ORDER-IMPLIED", tasks)


def test_unused_variable_is_a_warning(find):
    tasks = [task("a", inputs={"x": "{used}"}), task("b", "Look at {shown}")]
    found = find("GEN-VARIABLE-UNUSED", tasks, vars={"used": "1", "shown": "2", "typo": "3"})
    assert [d.evidence["variable"] for d in found] == ["typo"]


def test_a_required_parameter_without_a_value_is_an_error(find):
    tasks = [task("a", inputs={"x": "{n}"})]
    [found] = find("GEN-PARAM-MISSING", tasks, params={"n": {"type": "integer", "description": "how many"}})
    assert found.message == "the parameter 'n' has no value; expected: an integer: how many"
    assert found.hint == "give it: --param n=…"
    assert not find("GEN-PARAM-MISSING", tasks, params={"n": {"type": "integer", "default": 1}})


def test_an_unused_parameter_and_a_misspelt_one_are_warnings(find):
    tasks = [task("a", inputs={"x": "{yaer}"})]
    [unused] = find("GEN-VARIABLE-UNUSED", tasks, params={"year": {"default": "1"}})
    assert unused.message == "no task uses the parameter 'year'"
    [text] = find("GEN-INPUT-TEXT", tasks, params={"year": {"default": "1"}})
    assert text.hint == "did you mean 'year'?"


def test_placeholder_in_a_description_is_a_warning_only_when_it_means_something(find):
    tasks = [task("a", outputs=["o"]), task("b", "Use {a.o} at {path}, write {json} and {a.no}", depends_on=["a"])]
    found = find("GEN-PLACEHOLDER-UNFILLED", tasks, vars={"path": "."})
    assert [d.evidence["placeholder"] for d in found] == ["a.o"]


def test_a_misspelt_name_in_a_description_is_a_warning(find):
    tasks = [task("p", "Handle {staton}", subtasks=[task("a", "Read {sation}, {station} and {json}")])]
    found = find("GEN-INPUT-TEXT", tasks, vars={"station": "x"})
    assert [(d.task, d.evidence["text"], d.hint) for d in found] == [
        ("p", "staton", "did you mean 'station'?"),
        ("p/a", "sation", "did you mean 'station'?"),
    ]


def test_repeated_output_is_a_warning(find):
    assert find("GEN-OUTPUT-REPEATED", [task("a", outputs=["o", "p", "o"])])
    assert not find("GEN-OUTPUT-REPEATED", [task("a", outputs=["o", "p"])])


def test_overspend_is_an_error_with_the_dearest_tasks(find):
    tasks = [task("a", estimate={"usd": 3}), task("b", estimate={"usd": 0.5})]
    [found] = find("GEN-BUDGET-USD", tasks, budget={"usd": 3.4})
    assert found.message == "the plan is expected to cost $3.50; the budget is $3.40"
    assert found.hint.startswith("the most expensive tasks: a ($3.00)")
    assert not find("GEN-BUDGET-USD", tasks, budget={"usd": 3.5})


def test_agents_prices_count_against_the_budget(find):
    tasks = [task(f"t{n}", f"Convert document {n}") for n in range(11)]
    assert find("GEN-BUDGET-USD", tasks, agents=[agent(cost={"usd_per_task": 0.1})], budget={"usd": 1})


def test_too_many_tokens_are_an_error(find):
    tasks = [task("a", estimate={"tokens": 900}), task("b", estimate={"tokens": 200})]
    [found] = find("GEN-BUDGET-TOKENS", tasks, budget={"tokens": 1000})
    assert found.evidence["expected_tokens"] == 1100
    assert not find("GEN-BUDGET-TOKENS", tasks, budget={"tokens": 1100})


@pytest.mark.parametrize(
    ("executor", "cost", "estimate", "budget", "unknown"),
    [
        ({"kind": "command", "argv": ["x"]}, {}, None, {"usd": 1}, True),
        ({"kind": "command", "argv": ["x"]}, {"usd_per_task": 0}, None, {"usd": 1}, False),
        ({"kind": "command", "argv": ["x"]}, {}, {"usd": 0}, {"usd": 1}, False),
        ({"kind": "command", "argv": ["x"]}, {}, None, {"tokens": 10}, False),
        ({"kind": "brief"}, {}, None, {"usd": 1}, False),
        ({"kind": "llm"}, {"usd_per_1k_tokens": 1}, None, {"usd": 1}, True),
        ({"kind": "llm"}, {"usd_per_1k_tokens": 1}, {"tokens": 10}, {"usd": 1}, False),
        ({"kind": "llm"}, {}, {"usd": 0.1}, {"tokens": 10}, True),
        ({"kind": "llm"}, {}, {"usd": 0.1, "tokens": 5}, {"usd": 1, "tokens": 10}, False),
    ],
)
def test_unknown_cost_under_a_budget_is_a_warning(find, executor, cost, estimate, budget, unknown):  # noqa: PLR0917 - a table
    tasks = [task("a", **({"estimate": estimate} if estimate else {}))]
    found = find("GEN-BUDGET-UNKNOWN", tasks, agents=[agent(executor=executor, cost=cost)], budget=budget)
    assert bool(found) == unknown


def chain(count, seconds):
    return [
        task(f"t{n}", f"Convert document {n}", depends_on=[f"t{n - 1}"] if n else [], estimate={"seconds": seconds})
        for n in range(count)
    ]


def test_deadline_shorter_than_the_critical_path_is_an_error(find):
    [found] = find("GEN-DEADLINE", chain(3, 10), deadline_s=29)
    assert found.evidence["critical_path"] == ["t0", "t1", "t2"]
    assert "at least 30 s" in found.message
    assert not find("GEN-DEADLINE", chain(3, 10), deadline_s=30)


def test_deadline_is_held_against_slots_and_capacity(find):
    wide = [task(f"t{n}", f"Convert document {n}", estimate={"seconds": 10}) for n in range(8)]
    [found] = find("GEN-DEADLINE", wide, deadline_s=19, how={"slots": 4})
    assert "on 4 slots" in found.message
    [found] = find("GEN-DEADLINE", wide, deadline_s=39, agents=[agent(max_concurrency=2)])
    assert "2 at once" in found.message


def test_deadline_with_default_times_is_only_a_warning(codes):
    tasks = [task("a"), task("b", depends_on=["a"])]
    assert codes(tasks, "warning", deadline_s=1.5) == ["GEN-DEADLINE-ASSUMED"]
    assert codes(tasks, "error", deadline_s=1.5) == []
    assert "GEN-DEADLINE-UNKNOWN" in codes(tasks, "info", deadline_s=1000)


def test_a_deadline_that_is_met_is_clean(codes):
    assert codes(chain(3, 10), deadline_s=1000)[0:1] != ["GEN-DEADLINE"]
    assert codes(chain(3, 10), "warning", deadline_s=1000) == []


@pytest.mark.parametrize(
    ("own", "agents", "bad"), [(5, None, True), (None, 5, True), (20, 5, False), (None, None, False)]
)
def test_time_limit_below_the_estimate_is_a_warning(find, own, agents, bad):
    tasks = [task("a", estimate={"seconds": 10}, **({"timeout_s": own} if own else {}))]
    assert bool(find("GEN-TIMEOUT-SHORT", tasks, agents=[agent(**({"timeout_s": agents} if agents else {}))])) == bad


def test_side_effects_are_warned_about(codes):
    tasks = [task("a", side_effects=True, cache={"ttl_s": 60}, retries=2)]
    assert codes(tasks, "warning") == ["GEN-EFFECT-CACHED", "GEN-EFFECT-RETRIED", "GEN-EFFECT-UNAPPROVED"]


def test_the_long_form_of_retries_counts_too(find):
    [found] = find("GEN-EFFECT-RETRIED", [task("a", side_effects=True, retry={"times": 2})])
    assert found.evidence["retries"] == 2
    assert find("GEN-COMPOSITE-SETTINGS", [task("p", retry={"times": 2}, subtasks=[task("x"), task("y")])])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("netwrok", "neither a category nor a code"),
        ("security", "never retried"),
        ("GEN-SECURITY", "never retried"),
        ("GEN-TSK", "no error begins with"),
    ],
)
def test_an_error_that_is_never_retried_is_a_warning(find, name, said):
    [found] = find("GEN-RETRY-ON", [task("a", retry={"times": 1, "on": [name]})])
    assert said in found.message
    assert found.evidence == {"on": name}


def test_a_similar_category_is_offered(find):
    [found] = find("GEN-RETRY-ON", [task("a", retry={"times": 1, "on": ["netwrok"]})])
    assert found.hint == "did you mean 'network'?"


@pytest.mark.parametrize("name", ["network", "GEN-TASK", "GEN-TASK-EXIT", "HTTP-503", "ECONNRESET", "MyError", "X-1"])
def test_what_may_be_retried_is_no_finding(find, name):
    assert not find("GEN-RETRY-ON", [task("a", retry={"times": 1, "on": [name]})])


def test_an_approval_around_a_side_effect_counts(find):
    tasks = [task("p", approval=True, subtasks=[task("q", subtasks=[task("a", side_effects=True)])])]
    assert not find("GEN-EFFECT-UNAPPROVED", tasks)


def test_settings_of_a_composite_that_nothing_reads_are_a_warning(find):
    tasks = [task("p", retries=2, timeout_s=5, subtasks=[task("x"), task("y")])]
    [found] = find("GEN-COMPOSITE-SETTINGS", tasks)
    assert found.evidence["settings"] == ["timeout_s", "retries"]


@pytest.mark.parametrize("text", [" ", "...", "TODO", "tbd.", "—", "n/a"])
def test_description_that_says_nothing_is_a_warning(find, text):
    assert find("GEN-DESCRIPTION-VAGUE", [{"id": "a", "description": text}])


@pytest.mark.parametrize("text", ["Run", "テストを書く", "Write the TODO list", "x", "the of and to a in for"])
def test_short_descriptions_in_any_language_are_fine(find, text):
    assert not find("GEN-DESCRIPTION-VAGUE", [{"id": "a", "description": text}])


@pytest.mark.parametrize(
    ("leaves", "at_once", "found"),
    [(4, 2, "GEN-CAPACITY"), (3, 2, "GEN-CAPACITY-TIGHT"), (2, 2, None), (2, 1, "GEN-CAPACITY")],
)
def test_parallel_leaves_beyond_an_agents_capacity(codes, leaves, at_once, found):
    tasks = [task(f"t{n}", f"Convert document {n}") for n in range(leaves)]
    got = [c for c in codes(tasks, agents=[agent(max_concurrency=at_once)]) if "CAPACITY" in c]
    assert got == ([found] if found else [])


def test_leaves_in_a_chain_never_queue(codes):
    assert not [c for c in codes(chain(30, 1), agents=[agent(max_concurrency=1)]) if "CAPACITY" in c or "SLOTS" in c]


def test_wider_than_the_slots_is_an_info(find):
    tasks = [task(f"t{n}", f"Convert document {n}") for n in range(17)]
    assert find("GEN-SLOTS-TIGHT", tasks)[0].evidence == {"parallel": 17, "slots": 16}
    assert not find("GEN-SLOTS-TIGHT", tasks[:16])
