"""Whatever a person writes, the levels that need no model give a sound plan, or say that they have nothing to say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.errors import PlanningError, UsageError
from genesis.planning import HeuristicPlanner, MinimalPlanner, PlanningContext, load_playbooks, make_plan
from genesis.planning.clauses import clauses
from genesis.planning.naming import slug
from genesis.planning.sentences import mask, sentences
from genesis.planning.step_tasks import step_tasks
from genesis.planning.steps import RequestStep, find_steps
from genesis.planning.structural import structural_problems
from genesis.settings import Limits

PLAYBOOKS = load_playbooks()
TOKENS = """
    audit the repository at ./api . ./a/b.py 'c' and then , ; : first finally once after before while meanwhile in
    parallel build test deploy it them write a report about caching launch landing page do not never if ( ) ! ? e.g.
    3.5 R&D please could you I need is are done run tests implement login research 1. 2. 3. - * a) 2) über 报告
"""
WORDS = st.sampled_from([*TOKENS.split(), "", "\n", "\n\n", "Step 1:", "(after 1)", '"a, then b"', "`x; y`"])
SENTENCES = st.lists(WORDS, max_size=60).map(" ".join)
TEXTS = st.one_of(st.text(max_size=400), SENTENCES, st.lists(SENTENCES, max_size=6).map("\n- ".join))


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_any_text_gives_a_sound_plan_or_a_refusal(text):
    context = PlanningContext()
    try:
        plan = make_plan(text, planners=[HeuristicPlanner(PLAYBOOKS), MinimalPlanner()], context=context)
    except UsageError:
        return
    assert structural_problems(plan, context.limits) == []
    assert plan.request == text.strip()
    assert plan.planner in {"heuristic", "minimal"}


@given(TEXTS.filter(str.strip), st.integers(1, 6), st.integers(1, 5), st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_each_level_keeps_any_limits(text, fan_out, depth, leaves):
    limits = Limits(fan_out=fan_out, depth=depth, leaves=leaves)
    context = PlanningContext(limits=limits)
    assert structural_problems(MinimalPlanner().plan(text, context), limits) == []
    try:
        plan = HeuristicPlanner(PLAYBOOKS).plan(text, context)
    except PlanningError:
        return
    assert structural_problems(plan, limits) == []


@given(TEXTS)
@settings(max_examples=80, deadline=None)
def test_steps_come_after_earlier_steps_only(text):
    steps = find_steps(text)
    for index, step in enumerate(steps):
        assert step.text.strip()
        assert all(source < index for source in step.after)


@given(TEXTS)
@settings(max_examples=80, deadline=None)
def test_sentences_and_clauses_keep_text_and_mask_together(text):
    for sentence in sentences(mask(text)):
        assert sentence.text in text
        for clause in clauses(sentence):
            assert len(clause.span.text) == len(clause.span.mask)
            assert clause.span.text


@given(st.text(max_size=200))
@settings(deadline=None)
def test_slugs_are_ids(text):
    RequestStep(text)
    [task] = step_tasks([RequestStep(text or "x")])
    assert task.id == slug(text or "x")


@given(TEXTS)
@settings(max_examples=50, deadline=None)
def test_planning_is_deterministic(text):
    planner = HeuristicPlanner(PLAYBOOKS)
    outcomes = []
    for _ in range(2):
        try:
            outcomes.append(planner.plan(text or "x", PlanningContext()).model_dump_json())
        except PlanningError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
