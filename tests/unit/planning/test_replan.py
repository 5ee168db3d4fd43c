import pytest

from genesis.errors import ModelError, PlanningError
from genesis.model import ErrorInfo, Plan
from genesis.planning import PlanningContext
from genesis.planning.replan import plan_again
from genesis.testing.plans import a_task

ERROR = ErrorInfo(code="GEN-TASK", message="it was too much at once")
STEPS = "First collect the numbers, then add them up"


class Model:
    """A model's level that gives these tasks, or fails."""

    level = "llm"

    def __init__(self, *tasks, error=None):
        self.tasks, self.error, self.requests = tasks, error, []

    def plan(self, request, context):
        self.requests.append(request)
        if self.error:
            raise self.error
        return Plan(request=request, tasks=self.tasks)


def again(task, model=None, references=None):
    return plan_again(task, ERROR, references=references or {}, model=model, context=PlanningContext())


def test_the_steps_that_a_description_spells_out_are_planned_without_a_model():
    found = again(a_task("sum", description=STEPS))
    assert found.level == "heuristic"
    first, second = found.tasks
    assert second.depends_on == (first.id,)


def test_a_model_is_told_what_failed():
    model = Model(a_task("a"), a_task("b"))
    found = again(a_task("sum", description="Sum up"), model)
    assert found.level == "llm"
    assert model.requests[0].startswith("Sum up\n\n")
    assert "it was too much at once" in model.requests[0]


def test_a_model_that_is_away_gives_way_to_the_steps():
    found = again(a_task("sum", description=STEPS), Model(error=ModelError("away")))
    assert found.level == "heuristic"
    assert "away" in found.note


def test_new_tasks_get_what_the_task_was_given_and_the_last_delivers_what_it_promised():
    task = a_task(
        "sum",
        type="math",
        inputs={"data": "{up.rows}", "unit": "{unit}"},
        labels={"team": "x", "kind": "old"},
        outputs=["total", "count"],
        retries=2,
        timeout_s=9,
        cache="none",
    )
    model = Model(
        a_task("loose"),
        a_task("base", labels={"kind": "new"}, inputs={"unit": "own"}),
        a_task("end", a_task("add"), a_task("check"), after=("base",)),
    )
    loose, base, end = again(task, model, {"up.rows": "deep/up.rows"}).tasks
    assert base.inputs == {"data": "{deep/up.rows}", "unit": "own"}
    assert base.labels == {"team": "x", "kind": "new"}
    assert (loose.retries, loose.timeout_s, loose.cache) == (2, 9, "none")
    assert set(end.depends_on) == {"base", "loose"}
    add, check = end.subtasks
    assert add.outputs == ()
    assert check.outputs == ("total", "count")
    assert check.depends_on == ("add",)


def test_the_last_task_keeps_the_schemas_of_what_it_delivers():
    task = a_task("sum", type="math", outputs={"total": {"type": "integer"}})
    assert again(task, Model(a_task("one"), a_task("two", outputs=["note", "total"]))).tasks[1].outputs == {
        "note": {},
        "total": {"type": "integer"},
    }


def test_new_tasks_keep_the_environment():
    task = a_task("sum", type="math", env={"A": "{up.rows}", "B": "1"})
    one, two = again(task, Model(a_task("one"), a_task("two", env={"B": "2"})), {"up.rows": "deep/up.rows"}).tasks
    assert one.env == {"A": "{deep/up.rows}", "B": "1"}
    assert two.env == {"A": "{deep/up.rows}", "B": "2"}


def test_new_tasks_run_in_the_same_environment():
    task = a_task("sum", type="math", runs_in={"venv": {"requirements": ["x"]}})
    assert {each.runs_in for each in again(task, Model(a_task("one"), a_task("two"))).tasks} == {task.runs_in}


def test_new_tasks_keep_the_delays_of_retries():
    task = a_task("sum", type="math", retry={"times": 2, "delay_s": 5})
    assert [each.retry for each in again(task, Model(a_task("one"), a_task("two"))).tasks] == [task.retry, task.retry]


def test_one_task_of_the_same_type_is_no_other_way():
    with pytest.raises(PlanningError, match="one task of the same type"):
        again(a_task("sum"), Model(a_task("sum-again")))


def test_one_task_of_another_type_is():
    assert again(a_task("sum"), Model(a_task("guess", type="research"))).tasks[0].type == "research"


def test_without_steps_and_model_there_is_no_other_way():
    with pytest.raises(PlanningError, match="no planner level"):
        again(a_task("sum", description="Sum up"))


def test_inputs_without_references_stay_without_them():
    task = a_task(
        "sum",
        description=STEPS,
        inputs={"script": "{a.n} {{a.n}}", "n": "{a.n}", "t": "{{a.n}}"},
        literal_inputs=["script"],
    )
    found = again(task, references={"a.n": "group/a.n"})
    for made in found.tasks:
        assert made.inputs == {"script": "{a.n} {{a.n}}", "n": "{group/a.n}", "t": "{a.n}"}
        assert made.literal_inputs == ("script",)


def test_new_tasks_need_what_the_task_did_and_have_its_mutex():
    task = a_task("sum", type="math", resources={"gpu": 1}, mutex="db")
    made = again(task, Model(a_task("one"), a_task("two"))).tasks
    assert [(each.resources, each.mutex) for each in made] == [(task.resources, "db")] * 2
