from collections import Counter
from dataclasses import dataclass, field

import pytest

from genesis.errors import GenesisError, ModelError, PlanningError, SecurityError, UsageError
from genesis.model import Plan, Task
from genesis.observability.instruments import STEPS_DOWN
from genesis.observability.metrics import metrics_of_process
from genesis.planning import (
    HeuristicPlanner,
    MinimalPlanner,
    PlanningContext,
    UnavailablePlanner,
    load_playbooks,
    make_plan,
)
from genesis.settings import Limits


@dataclass
class Scripted:
    """A planner that gives what it was told to give."""

    level: str
    outcome: Plan | Exception
    asked: list[str] = field(default_factory=list)

    def plan(self, request, context):
        self.asked.append(request)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def good(note=""):
    return Plan(request="r", tasks=(Task(id="a", description="A"),), planner_note=note)


def test_first_level_that_can_makes_the_plan_and_the_rest_are_not_asked():
    second = Scripted("minimal", good())
    made = make_plan("  do it ", planners=[first := Scripted("llm", good("fine")), second])
    assert first.asked == ["do it"]
    assert second.asked == []
    assert (made.planner, made.planner_note) == ("llm", "llm: fine")


def test_note_says_why_better_levels_did_not_make_it():
    made = make_plan(
        "do it",
        planners=[
            Scripted("llm", ModelError("the model does not answer", hint="start it")),
            Scripted("heuristic", PlanningError("no playbook")),
            Scripted("minimal", good()),
        ],
    )
    assert made.planner == "minimal"
    assert made.planner_note == "llm: the model does not answer. heuristic: no playbook"


def test_unsound_plan_counts_as_the_level_failing():
    cycle = Plan(
        request="r",
        tasks=(Task(id="a", description="A", depends_on=("b",)), Task(id="b", description="B", depends_on=("a",))),
    )
    made = make_plan("do it", planners=[Scripted("llm", cycle), Scripted("minimal", good())])
    assert made.planner_note == "llm: its plan is not valid: its order is a cycle: a → b → a"


@pytest.mark.parametrize("error", [SecurityError("refused"), UsageError("wrong")])
def test_refusals_are_not_papered_over(error):
    with pytest.raises(type(error)):
        make_plan("do it", planners=[Scripted("llm", error), Scripted("minimal", good())])


def test_a_bug_of_a_level_gives_way_to_the_next_and_the_note_says_so(caplog):
    made = make_plan("do it", planners=[Scripted("llm", ZeroDivisionError("by 0")), Scripted("minimal", good())])
    assert made.planner == "minimal"
    assert made.planner_note == "llm: internal error (ZeroDivisionError: by 0)"
    assert [record.getMessage() for record in caplog.records] == ["planning fell back from llm to minimal"]


def test_a_level_that_gives_no_plan_at_all_gives_way():
    made = make_plan("do it", planners=[Scripted("llm", None), Scripted("minimal", good())])
    assert made.planner_note.startswith("llm: internal error (AttributeError: ")


def test_a_level_that_could_not_be_made_gives_way():
    made = make_plan(
        "do it", planners=[UnavailablePlanner("heuristic", ImportError("no such part")), Scripted("minimal", good())]
    )
    assert made.planner_note == "heuristic: internal error (ImportError: no such part)"


def test_what_the_last_level_raised_is_the_cause():
    bug = ZeroDivisionError("by 0")
    with pytest.raises(PlanningError, match="minimal: internal error") as caught:
        make_plan("do it", planners=[Scripted("llm", ModelError("away")), Scripted("minimal", bug)])
    assert caught.value.__cause__ is bug
    assert caught.value.data["levels"][0] == "llm: away"


def test_each_step_down_is_counted():
    before = metrics_of_process().values(STEPS_DOWN)
    make_plan("do it", planners=[Scripted("llm", ModelError("away")), Scripted("minimal", good())])
    gone = Counter(metrics_of_process().values(STEPS_DOWN)) - Counter(before)
    assert gone == {("planning", "llm", "minimal"): 1}


def test_no_level_that_can_is_an_error_with_all_reasons():
    with pytest.raises(PlanningError, match="llm: broken") as caught:
        make_plan("do it", planners=[Scripted("llm", GenesisError("broken"))])
    assert caught.value.data == {"levels": ["llm: broken"]}
    with pytest.raises(PlanningError, match="there are no levels"):
        make_plan("do it", planners=[])


def test_request_is_checked_first():
    planner = Scripted("llm", good())
    with pytest.raises(UsageError):
        make_plan("", planners=[planner])
    with pytest.raises(UsageError):
        make_plan("abc", planners=[planner], context=PlanningContext(limits=Limits(request_characters=2)))
    assert planner.asked == []


def test_given_variables_win_over_a_level_that_forgot_them():
    made = make_plan("do it", planners=[Scripted("llm", good())], context=PlanningContext(vars={"a": "b"}))
    assert made.vars == {"a": "b"}


def test_real_levels_plan_anything():
    planners = [HeuristicPlanner(load_playbooks()), MinimalPlanner()]
    assert make_plan("Audit the repository at .", planners=planners).planner == "heuristic"
    made = make_plan("What is an audit?", planners=planners)
    assert made.planner == "minimal"
    assert made.planner_note.startswith("heuristic: no playbook matches the request")
