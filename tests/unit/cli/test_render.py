import pytest

from genesis.cli.forecast import forecast_of
from genesis.cli.render import diagnostics_table, plan_view, report_view, run_view, simulation_view
from genesis.compile import compile_program
from genesis.model import Alternative, Diagnostic, ErrorInfo, Report, Route, RoutedPlan, ScoreParts
from genesis.pipeline import simulate
from genesis.testing import a_plan, a_program, a_task, route_to


def timeline(program, slots):
    return simulation_view(simulate(program, slots=slots), forecast_of(program, slots), 1.0)


PARTS = ScoreParts(success=0.9, quality=0.8, cost=1, time=0.5)
GOOD = Report(ok=True, score=0.85, parts=PARTS)


def test_plan_shows_tree_agents_estimates_order_and_totals(shown):
    plan = a_plan(
        a_task("build", a_task("api", estimate={"seconds": 90, "usd": 2}), a_task("ui", after=("api",))),
        a_task("ship", after=("build",)),
        request="Make  it\nwork",
    )
    routed, registry = route_to(plan)
    forecast = forecast_of(compile_program(routed, registry), 4)
    text = shown(plan_view(routed, GOOD, forecast))
    assert text.startswith("Make it work  planned by file")
    assert "→ worker · 90 s · the test says so" in text
    assert "→ worker · after api" in text
    assert "3 tasks on 1 agent · at least 1 min 30 s on 4 slots · at least $2.00" in text
    assert "the plan can run · quality 0.85 (success 0.90, quality 0.80, cost 1.00, time 0.50)" in text


def test_every_edge_is_shown_those_of_references_too(shown):
    plan = a_plan(
        a_task("a", outputs=("x", "y")),
        a_task("b", outputs=("z",)),
        a_task("c", a_task("d", inputs={"p": "{a.x} and {a.y}", "q": "{b.z}"}), after=("b",)),
        a_task("e", after=("a",), inputs={"p": "{a.x}", "q": "{b.result}", "r": "{v}"}),
        vars={"v": "1"},
    )
    routed, _ = route_to(plan)
    text = shown(plan_view(routed, GOOD), 200)
    assert "c  c  after b" in text
    assert "→ worker · after a (x, y), b (z) · " in text
    assert "→ worker · after a, b · " in text


def test_a_plan_shows_tasks_with_copies_once_and_of_what_they_have_copies(shown):
    plan = a_plan(
        a_task("a", for_each=[1, 2], outputs=("x",)),
        a_task("b", a_task("c"), for_each={"os": [1], "v": [2]}, after=("a",)),
        a_task("d", for_each="{a.x}"),
    )
    text = shown(plan_view(route_to(plan)[0], GOOD))
    assert "→ worker · for each of 2 values" in text
    assert "for each combination of os, v · after a" in text
    assert "for each of {a.x} · after a (x)" in text


def test_a_plan_shows_what_tasks_wait_for(shown):
    plan = a_plan(
        a_task("a", wait_for={"event": "order.paid"}, timeout_s=60.0),
        a_task("b", wait_for={"time": 90}, after=("a",)),
        a_task("c", wait_for={"run": "{run}"}, timeout_s=60.0),
        a_task("d", wait_for={"time": "2026-12-01T06:00Z"}),
    )
    text = shown(plan_view(route_to(plan)[0], GOOD))
    for line in ("event order.paid", "90 s · after a", "run {run}", "2026-12-01T06:00Z"):
        assert f"→ waits for {line}" in text


def test_descriptions_are_shown_with_their_values(shown):
    plan = a_plan(a_task("a", description="Load {year}"), params={"year": {"type": "integer", "default": 2026}})
    assert "a  Load 2026" in shown(plan_view(route_to(plan)[0], GOOD))


def test_edges_of_a_plan_with_faults_are_shown_as_far_as_they_can_be_found(shown):
    plan = a_plan(
        a_task("a", after=("nobody", "b")), a_task("b", after=("a",), inputs={"x": "{nobody.y}"}), a_task("b")
    )
    routed, _ = route_to(plan)
    assert "after nobody, b" in shown(plan_view(routed, GOOD))


def test_an_edge_to_very_many_is_counted(shown):
    names = tuple(f"t{n}" for n in range(30))
    routed, _ = route_to(a_plan(*map(a_task, names), a_task("end", after=names)))
    assert "t19 and 10 more" in " ".join(shown(plan_view(routed, GOOD)).split())


def test_reason_that_only_repeats_the_type_is_shortened_and_others_are_not(shown):
    plan = a_plan(a_task("a", type="test"), a_task("b", type="test"))
    routes = {
        "a": Route(agent="qa", score=1, reason="best of 2 that take 'test' (success rate 0.87)"),
        "b": Route(agent="qa", score=1, reason="rule 'x': so", alternatives=(Alternative(agent="dev", score=0.5),)),
    }
    text = shown(plan_view(RoutedPlan(plan=plan, routes=routes), GOOD))
    assert "→ qa · best of 2 (success rate 0.87)" in text
    assert "→ qa · rule 'x': so" in text


def test_task_without_an_agent_says_why(shown):
    routed = RoutedPlan(plan=a_plan(a_task("a"), a_task("b")), routes={"a": Route(agent=None, reason="nobody can")})
    text = shown(plan_view(routed, GOOD))
    assert "→ no agent: nobody can" in text
    assert "→ no agent: not routed" in text


def test_long_plan_is_cut_and_says_so(shown):
    routed, _ = route_to(a_plan(*(a_task(f"t{n}") for n in range(200))))
    text = shown(plan_view(routed, GOOD))
    assert "t59" in text
    assert "t60" not in text
    assert "the rest is in the plan file" in text


def test_description_with_brackets_is_text_and_no_markup(shown):
    routed, _ = route_to(a_plan(a_task("a", description="Use [red]brackets[/] and [link=x]y[/link]")))
    assert "[red]brackets[/] and [link=x]y[/link]" in shown(plan_view(routed, GOOD))


def test_findings_have_their_task_and_what_to_do(shown):
    found = [
        Diagnostic(code="GEN-A", severity="error", task="a/b", message="it is wrong", hint="right it"),
        Diagnostic(code="GEN-B", severity="warning", task="x", message="'x' is odd"),
    ]
    lines = shown(diagnostics_table(found)).splitlines()
    assert [line.split() for line in lines] == [
        ["GEN-A", "a/b:", "it", "is", "wrong"],
        ["→", "right", "it"],
        ["GEN-B", "'x'", "is", "odd"],
    ]
    report = Report(ok=False, score=0.5, parts=PARTS, diagnostics=found)
    assert "the plan cannot run" in shown(report_view(report))
    assert "… and 40 more" in shown(diagnostics_table(found * 50))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_timeline_fits_any_terminal(shown, width):
    program = a_program(a_task("a", estimate={"seconds": 4000}), a_task("b", after=("a",), estimate={"seconds": 1}))
    text = shown(timeline(program, 1), width)
    assert "█" * 30 in text
    assert all(len(line) <= width for line in text.splitlines())
    assert "1 h 6 min 41 s on 1 slot" in text.replace("\n", " ")


def test_timeline_of_nothing_and_of_much(shown):
    nothing = a_program(a_task("a", estimate={"seconds": 0}))
    assert "0.0 s on 2 slots" in shown(timeline(nothing, 2))
    much = a_program(*(a_task(f"t{n}") for n in range(100)))
    assert "… and 40 more" in shown(timeline(much, 2))


def test_run_shows_each_leaf_on_a_line_and_failures_in_full(shown, a_run, an_outcome):
    tasks = (
        an_outcome("a", result={"summary": "seven  things\nfound"}),
        an_outcome("b", "failed", error="it broke " * 30),
        an_outcome("c", "skipped"),
    )
    error = ErrorInfo(code="GEN-RUN-FAILED", message="1 task failed: 'b'", hint="fix the cause and resume")
    text = shown(run_view(a_run(*tasks, state="failed", error=error)))
    lines = text.splitlines()
    assert lines[1].split() == ["a", "worker", "completed", "2.0", "seven", "things", "found"]
    assert lines[2].split()[:4] == ["b", "worker", "failed", "2.0"]
    assert " ".join(text.split()).count("it broke") == 60
    assert "✗ b: it broke" in text
    assert "  → fix it" in text
    assert "failed · 1 of 3 tasks done in 1 min 35 s\n" in text
    assert "→ fix the cause and resume" in text


def test_timeline_says_what_does_not_run_if_nothing_fails(shown):
    program = a_program(a_task("a"), a_task("repair", after=("a",), run_if="any_failed"))
    assert "skipped if nothing fails" in next(
        line for line in shown(timeline(program, 2)).splitlines() if line.startswith("repair")
    )


def test_run_says_what_its_plan_skipped_and_which_failures_it_allows(shown, a_run, an_outcome):
    tasks = (
        an_outcome("a"),
        an_outcome("b", "skipped").model_copy(update={"skipped_by": "when: {a.n} > 3"}),
        an_outcome("c", "failed", error="it broke").model_copy(update={"failure_allowed": True}),
    )
    text = shown(run_view(a_run(*tasks)))
    assert "completed · 3 of 3 tasks done in 1 min 35 s · 1 skipped by the plan · 1 failure allowed" in text
    assert "when: {a.n} > 3" in text
    assert "failed (allowed)" in text
    assert "✗" not in text


def test_run_whose_leaves_were_seen_shows_the_rest(shown, a_run, an_outcome):
    text = shown(run_view(a_run(an_outcome("a", usd=1)), with_tasks=False))
    assert text == "completed · 1 of 1 task done in 1 min 35 s · $1.50\n"


@pytest.mark.parametrize(
    ("usd", "said"),
    [((None, None), ""), ((1, 0.5), " · $1.50"), ((1.5, None), " · at least $1.50"), ((1.5, 0), " · $1.50")],
)
def test_a_cost_is_shown_as_far_as_it_is_known(shown, a_run, an_outcome, usd, said):
    run = a_run(*(an_outcome(name, usd=each) for name, each in zip("ab", usd, strict=True)))
    text = shown(run_view(run, with_tasks=False))
    assert text == f"completed · 2 of 2 tasks done in 1 min 35 s{said}\n"


def test_a_rehearsal_is_marked_and_has_no_cost(shown, a_run, an_outcome):
    text = shown(run_view(a_run(an_outcome("a", usd=0), rehearsal=0.1), with_tasks=False))
    assert text == "completed · rehearsed at 0.1 of the estimated time · 1 of 1 task done in 1 min 35 s\n"


@pytest.mark.parametrize("width", [80, 60, 40, 20, 1])
def test_plan_and_run_fit_any_terminal_and_nothing_is_cut(shown, a_run, an_outcome, width):
    routed, _ = route_to(a_plan(a_task("a" * 50, description="many words " * 20)))
    path = "some/very/long/path/of/a/task/that/is/longer/than/most"
    run = a_run(an_outcome(path, "failed", error="it broke at last"), state="failed")
    for view in (plan_view(routed, GOOD), run_view(run)):
        lines = shown(view, width).splitlines()
        assert all(len(line) <= width for line in lines)
        assert "…" not in "".join(lines)
    assert path in "".join("".join(lines).split())


def test_simulation_says_what_is_only_a_default(shown):
    text = shown(timeline(a_program(a_task("a", estimate={"seconds": 4}), a_task("b")), 2))
    assert "1 of 2 tasks have no estimate; each counts as 1 s" in text
    assert "No task has an estimate; each counts as 1 s" in shown(timeline(a_program(a_task("a")), 2))
    assert "$" not in text


def test_long_run_is_cut_and_says_so(shown, a_run, an_outcome):
    text = shown(run_view(a_run(*(an_outcome(f"t{n}", "failed", error="no") for n in range(100)), state="failed")))
    assert "… and 40 more in --json" in text
    assert "… and 90 more in --json" in text


def test_a_summary_says_how_much_of_the_plan_was_left_out(shown, a_run, an_outcome):
    run = a_run(an_outcome("a")).model_copy(update={"left_out": ("b", "c")})
    assert "2 tasks of the plan left out" in shown(run_view(run, with_tasks=False))
