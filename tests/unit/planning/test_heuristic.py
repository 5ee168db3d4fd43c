import pytest

from genesis.errors import PlanningError
from genesis.planning.heuristic import HeuristicPlanner
from genesis.planning.planner import PlanningContext
from genesis.planning.playbook import load_playbook, load_playbooks
from genesis.planning.structural import structural_problems
from genesis.settings import Limits
from genesis.structure import outline

PLANNER = HeuristicPlanner(load_playbooks())


def plan(text, planner=PLANNER, **context):
    made = planner.plan(text, PlanningContext(**context))
    assert structural_problems(made, PlanningContext(**context).limits) == []
    assert made.planner == "heuristic"
    return made


def tops(made):
    return {task.id: list(task.depends_on) for task in made.tasks}


def test_audit_reads_the_path_and_has_parallel_leaves_before_one_report():
    made = plan("Please audit the repository at ./api!")
    assert made.vars == {"path": "./api", "run_tests": "no", "output": "genesis-audit-api.md"}
    shape = outline(made)
    leaves = shape.leaf_nodes()
    assert len(leaves) >= 8
    assert len({leaf.task.type for leaf in leaves}) == len(leaves)
    assert tops(made)["report"] == [task.id for task in made.tasks[:-1]]
    assert all(not shape.before[leaf.index] for leaf in leaves if leaf.path != "report")
    assert "playbook repository_audit" in made.planner_note
    assert "path=./api" in made.planner_note


def test_given_variables_win_and_unknown_ones_are_kept():
    made = plan("Audit the repository at ./api", vars={"path": "/other", "run_tests": "yes", "colour": "red"})
    assert made.vars == {"path": "/other", "run_tests": "yes", "output": "genesis-audit-other.md", "colour": "red"}
    assert "execute them: yes" in next(leaf.description for leaf in made.tasks[1].subtasks if leaf.id == "tests")


def test_several_wishes_compose_playbooks_in_the_order_of_the_words():
    made = plan(
        "Audit the repository at ./api and write a research report about caching, then launch a landing page for X"
    )
    assert tops(made) == {
        "repository_audit": [],
        "research_report": [],
        "product_launch": ["repository_audit", "research_report"],
    }
    assert made.vars["path"] == "./api"
    assert made.vars["topic"] == "caching"
    assert made.vars["product"] == "X"
    report = outline(made).by_path["repository_audit/report"]
    assert outline(made).nodes[report].task.inputs["lint"] == "{quality/lint.result}"


def test_one_playbook_twice_keeps_its_variables_and_files_apart():
    made = plan("Audit ./a and ./b")
    assert list(tops(made)) == ["repository_audit", "repository_audit-2"]
    assert made.vars["path_2"] == "./b"
    assert (made.vars["output"], made.vars["output_2"]) == ("genesis-audit-a.md", "genesis-audit-b.md")
    inputs = made.tasks[1].subtasks[-1].inputs
    assert (inputs["path"], inputs["output"]) == ("{path_2}", "{output_2}")


def test_covered_wishes_make_no_task_of_their_own():
    made = plan("Audit the repository at ., write a summary of the findings, and check its dependencies")
    assert "report" in tops(made)
    assert len(outline(made).leaves) == 12
    listed = plan("Audit the repository at ./x:\n- licences\n- check the tests\n- find secrets")
    assert listed.vars["path"] == "./x"
    assert len(outline(listed).leaves) == 12


def test_header_whose_items_say_more_gives_the_items():
    made = plan("Audit the repository:\n- paint the office\n- buy milk")
    assert list(tops(made)) == ["paint-office", "buy-milk"]


def test_other_steps_stay_beside_playbooks_and_wait_for_what_they_speak_of():
    made = plan("Audit ~/code/foo, buy milk, and send me the report")
    assert tops(made) == {"repository_audit": [], "buy-milk": [], "send-me-report": ["repository_audit"]}
    assert "2 further steps in the words of the request" in made.planner_note


def test_wish_before_a_playbook_is_kept_in_order():
    made = plan("First clone the repository, then audit the repository at ./x and finally email the report to Bob")
    assert tops(made) == {
        "clone-repository": [],
        "repository_audit": ["clone-repository"],
        "email-report-to-bob": ["repository_audit"],
    }


def test_context_around_the_wish_does_not_hide_it():
    made = plan("We have a legacy app. Please audit the repository. It is in ./legacy and nobody knows it.")
    assert made.vars["path"] == "./legacy"


def test_spelled_steps_without_a_playbook_become_tasks_with_known_types():
    made = plan("1. Run the tests\n2. Deploy the app", task_types=("test", "deploy"))
    assert [task.type for task in made.tasks] == ["test", "deploy"]
    assert made.planner_note == "2 steps that the request spells out"


def test_steps_keep_given_variables():
    assert plan("Buy milk; feed the cat", vars={"a": "b"}).vars == {"a": "b"}


def test_many_steps_are_taken_as_steps_even_where_one_is_a_playbook():
    made = plan("\n".join([*(f"{n}. buy thing {n}" for n in range(1, 25)), "25. audit the repository"]))
    assert [task.id for task in made.tasks] == ["part-1", "part-2"]


@pytest.mark.parametrize("text", ["What is an audit?", "Tell me a joke", "Erstelle ein Gedicht", "x"])
def test_request_that_it_knows_nothing_about_is_left_to_the_next_level(text):
    with pytest.raises(PlanningError, match="no playbook matches"):
        plan(text)


def test_plan_beyond_the_limits_is_left_to_the_next_level():
    with pytest.raises(PlanningError, match="12 leaves; the limit is 5"):
        plan("Audit the repository", limits=Limits(leaves=5))
    with pytest.raises(PlanningError, match="spells out 9 steps; the limit is 8"):
        plan("; ".join(f"buy thing {n}" for n in range(9)), limits=Limits(leaves=8))
    with pytest.raises(PlanningError, match="40 steps; more than 2 levels of 3"):
        plan("; ".join(f"buy thing {n}" for n in range(40)), limits=Limits(fan_out=3, depth=2))


TEA = {
    "name": "tea",
    "match": {"phrases": ["make the tea"]},
    "parameters": [{"name": "kind", "patterns": ["(green|black) tea"]}],
    "tasks": [{"id": "boil", "description": "Boil {kind}"}],
}


def test_parameter_that_the_request_lacks_is_said():
    planner = HeuristicPlanner([load_playbook(TEA)])
    assert plan("Make green tea", planner).tasks[0].description == "Boil green"
    with pytest.raises(PlanningError, match="playbook tea needs kind, which the request does not specify"):
        plan("Make the tea", planner)
    made = plan("Make the tea; buy milk", planner)
    assert made.planner_note.startswith("playbook tea needs kind")
    assert [task.id for task in made.tasks] == ["make-tea", "buy-milk"]


def test_long_values_are_shortened_in_the_note():
    planner = HeuristicPlanner([load_playbook(TEA | {"parameters": [{"name": "kind", "default": "{request}"}]})])
    assert "…" in plan("Make the tea " + "very " * 50, planner).planner_note
