"""A model and a playbook for one request: the playbook's tasks stay, whatever the model says."""

import pytest

from genesis.errors import PlanningError
from genesis.llm import open_model
from genesis.planning import HeuristicPlanner, MinimalPlanner, PlanningContext, load_playbooks, make_plan
from genesis.planning.llm_level import LlmPlanner
from genesis.planning.llm_refine import basis_of
from genesis.routing import load_registry
from genesis.testing.llm_server import FakeLlmServer, ServerStep, answers, reply, status

AUDIT = "Audit the repository at ."
REGISTRY = load_registry()
PLAYBOOKS = load_playbooks()
CONTEXT = PlanningContext(
    task_types=tuple(dict.fromkeys(name for agent in REGISTRY.agents for name in agent.task_types)),
    skills=tuple(dict.fromkeys(name for agent in REGISTRY.agents for name in agent.skills)),
)
TOP = ("survey", "quality", "security", "governance", "report")


def item(name, *after, **more):
    return {"id": name, "description": f"Do the {name} work of it", "depends_on": list(after), **more}


def plan_with(step: ServerStep, request=AUDIT, context=CONTEXT):
    with FakeLlmServer([step]) as server:
        settings = server.settings()
        model = LlmPlanner(open_model(settings), settings, agents=REGISTRY.agents, playbooks=PLAYBOOKS)
        plan = make_plan(request, planners=[model, HeuristicPlanner(PLAYBOOKS), MinimalPlanner()], context=context)
        return plan, server.requests


def alone(request=AUDIT):
    return make_plan(request, planners=[HeuristicPlanner(PLAYBOOKS)], context=CONTEXT)


KEPT = [item(name) for name in TOP]


def test_three_generic_tasks_do_not_take_a_playbooks_place():
    plan, _ = plan_with(answers({"tasks": [item("look"), item("think", "look"), item("write", "think")]}))
    assert plan.planner == "heuristic"
    assert plan.tasks == alone().tasks
    assert "refinement of the playbook repository_audit leaves out 'survey', 'quality', 'security' and 2 more" in (
        plan.planner_note
    )
    assert "so the playbook's plan is kept" in plan.planner_note


def test_a_model_adds_to_a_playbook_and_says_more():
    tasks = [*KEPT, item("publish", "report", type="reporting")]
    tasks[-2] = {**item("report", "quality"), "description": "Write the report for the board"}
    plan, (asked,) = plan_with(answers({"tasks": tasks}))
    assert plan.planner == "llm"
    assert [task.id for task in plan.tasks] == [*TOP, "publish"]
    report, publish = plan.tasks[-2:]
    assert report.description == "Write the report for the board"
    assert (report.type, report.outputs, report.inputs) == tuple(
        getattr(alone().tasks[-1], name) for name in ("type", "outputs", "inputs")
    )
    assert set(alone().tasks[-1].depends_on) <= set(report.depends_on)
    assert publish.depends_on == ("report",)
    assert "playbook repository_audit" in plan.planner_note
    assert "id survey" in str(asked)


def test_subtasks_inputs_and_variables_of_the_playbook_stay():
    plan, _ = plan_with(answers({"tasks": [{**each, "inputs": [{"name": "path", "value": "/etc"}]} for each in KEPT]}))
    assert [task.subtasks for task in plan.tasks] == [task.subtasks for task in alone().tasks]
    assert plan.vars == alone().vars


def test_a_parameter_that_the_words_name_replaces_a_default():
    request = "Audit the repository, which is in billing"
    assert alone(request).vars["path"] == "."
    told = [{**KEPT[0], "inputs": [{"name": "path", "value": "billing"}]}, *KEPT[1:]]
    plan, _ = plan_with(answers({"tasks": told}), request)
    assert plan.vars["path"] == "billing"


@pytest.mark.parametrize(
    "step",
    [
        answers({"tasks": [*KEPT, item("more", type="generic")]}),
        answers({"tasks": [{**KEPT[0], "depends_on": ["report"]}, *KEPT[1:]]}),
        answers({"tasks": []}),
        reply("I would rather not"),
        status(500),
    ],
    ids=["generic", "cycle", "empty", "prose", "down"],
)
def test_a_worse_answer_leaves_the_playbooks_plan(step):
    plan, _ = plan_with(step)
    assert (plan.planner, plan.tasks) == ("heuristic", alone().tasks)
    assert plan.planner_note.startswith("llm: ")


def test_a_request_that_says_much_more_than_a_playbook_is_planned_by_the_model():
    request = "Audit the repository for GDPR compliance of the payment module and its vendors"
    plan, _ = plan_with(
        answers({"tasks": [item("vendors", type="research"), item("gdpr", "vendors", type="security")]}), request
    )
    assert [task.id for task in plan.tasks] == ["vendors", "gdpr"]


@pytest.mark.parametrize(
    ("request_", "playbook"),
    [
        (AUDIT, "repository_audit"),
        ("Please audit my old Python billing repository", "repository_audit"),
        ("Review the codebase and tell me what is wrong", "repository_audit"),
        ("Write a research report on solar panels in Spain", "research_report"),
        ("Add a feature to export invoices as PDF", "software_feature"),
        ("Audit the repository and email the result to Bob", "repository_audit"),
        ("Build a web shop", None),
        ("Plan my wedding", None),
        ("Audit the repository for GDPR compliance of the payment module and its vendors", None),
        ("Analyse the repository and compare it with three competitors' products", "repository_audit"),
    ],
)
def test_only_what_a_phrase_covers_is_exact(request_, playbook):
    found = basis_of(request_, PLAYBOOKS, CONTEXT)
    assert (found.playbook if found else None) == playbook


def test_too_many_tasks_for_one_answer_leave_the_playbooks_plan():
    with FakeLlmServer([answers({"tasks": KEPT})]) as server:
        settings = server.settings(max_tokens=330)
        planner = LlmPlanner(open_model(settings), settings, playbooks=PLAYBOOKS)
        with pytest.raises(PlanningError, match="no room for the 5 tasks"):
            planner.plan(AUDIT, CONTEXT)
        assert server.requests == []
