import pytest

from genesis.errors import DocumentError, UsageError
from genesis.fleet.trusted import mark_trusted
from genesis.flows.run_request import RunRequest
from genesis.settings import Settings

AGENTS = "agents:\n  - {name: worker, task_types: [generic, work]}\n"
PLAN = {"version": 1, "request": "do it", "tasks": [{"id": "a", "type": "work", "description": "work on a"}]}
TEXT = "version: 1\nrequest: do it\ntasks:\n  - {id: a, type: work, description: work on a}\n"


def make_request(**given) -> RunRequest:
    fields = {"request": None, "plan": None, "vars": {}, "llm": None, "budget": None, "slots": None}
    return RunRequest(**{**fields, "correlation_id": None, **given})


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(home=tmp_path)


def test_a_request_is_planned(settings):
    prepared = make_request(request="Write the report; then send it").prepare_plan(settings)
    assert prepared.routed.plan.request == "Write the report; then send it"
    assert len(prepared.routed.plan.tasks) == 2


@pytest.mark.parametrize("plan", [PLAN, TEXT])
def test_a_plan_is_taken_as_a_mapping_and_as_text(settings, plan):
    prepared = make_request(plan=plan, vars={"path": "here"}).prepare_plan(settings)
    assert [task.id for task in prepared.routed.plan.tasks] == ["a"]
    assert prepared.routed.plan.vars == {"path": "here"}


def test_a_document_cannot_use_a_file(settings, tmp_path):
    (tmp_path / "leaf.yaml").write_text(TEXT)
    outer = "request: r\ntasks: [{id: t, description: Use it, use: leaf.yaml}]\n"
    report = make_request(plan=outer).prepare_plan(settings).report
    assert "GEN-USE-UNREAD" in [found.code for found in report.errors]


def test_a_plan_is_never_taken_from_a_file(settings, tmp_path):
    (tmp_path / "plan.yaml").write_text(TEXT)
    with pytest.raises(DocumentError, match="reads no files") as caught:
        make_request(plan="plan.yaml").prepare_plan(settings)
    assert caught.value.code == "GEN-PLAN-PATH"


@pytest.mark.parametrize("given", [{}, {"request": "do it", "plan": PLAN}])
def test_neither_or_both_is_refused(settings, given):
    with pytest.raises(UsageError, match="either a request or a plan"):
        make_request(**given).prepare_plan(settings)


def test_text_that_is_no_plan_is_refused(settings):
    with pytest.raises(DocumentError, match="plan"):
        make_request(plan="tasks:\n  - nothing\n").prepare_plan(settings)


def test_budget_and_correlation_id_go_into_the_plan(settings):
    plan = (
        make_request(plan=PLAN, budget={"usd": 1.5, "tokens": 10}, correlation_id="abc")
        .prepare_plan(settings)
        .routed.plan
    )
    assert (float(plan.budget.usd), plan.budget.tokens, plan.correlation_id) == (1.5, 10, "abc")


def test_a_budget_that_is_none_is_refused(settings):
    with pytest.raises(UsageError, match="budget"):
        make_request(plan=PLAN, budget={"dollars": 3}).prepare_plan(settings)


def test_slots_and_model_go_into_the_settings(settings):
    update = make_request(llm="off", slots=3).settings(settings)
    assert (update.run.slots, update.llm.model) == (3, None)
    assert make_request(llm="openai:x").settings(settings).llm.model == "openai:x"


@pytest.mark.parametrize("slots", [0, 1001])
def test_slots_out_of_range_are_refused(settings, slots):
    with pytest.raises(UsageError, match="slots"):
        make_request(slots=slots).settings(settings)


def test_a_projects_own_agents_and_playbooks_are_found(settings, tmp_path):
    (tmp_path / "deployments" / "playbooks").mkdir(parents=True)
    (tmp_path / "deployments" / "agents.yaml").write_text(AGENTS)
    ignored = make_request(plan=PLAN).settings(settings)
    assert (ignored.agents, ignored.playbooks) == (None, None)
    mark_trusted(tmp_path, settings.home)
    found = make_request(plan=PLAN).settings(settings)
    assert found.agents is not None
    assert found.playbooks is not None
    assert make_request(plan=PLAN).prepare_plan(found).routed.routes["a"].agent == "worker"


def test_values_of_parameters_are_set_in_a_plan_and_refused_for_a_request(settings):
    plan = {**PLAN, "params": {"n": {"type": "integer"}}}
    assert make_request(plan=plan, params={"n": 3}).prepare_plan(settings).routed.plan.params["n"].value == 3
    with pytest.raises(UsageError) as caught:
        make_request(plan=plan, params={"n": "x"}).prepare_plan(settings)
    assert caught.value.code == "GEN-PARAM-TYPE"
    with pytest.raises(UsageError) as caught:
        make_request(request="Write the report", params={"n": 3}).prepare_plan(settings)
    assert caught.value.code == "GEN-PARAM-UNKNOWN"
