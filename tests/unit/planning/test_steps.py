import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis.errors import PlanningError
from genesis.model import Plan
from genesis.planning.step_tasks import step_tasks
from genesis.planning.steps import RequestStep, find_steps
from genesis.planning.structural import structural_problems
from genesis.settings import Limits
from genesis.structure import outline


def graph(request):
    """Return each step with the steps that it comes after."""
    steps = find_steps(request)
    return {step.text: [steps[index].text for index in step.after] for step in steps}


def test_first_then_finally_is_a_sequence():
    assert graph(
        "First design the schema, then implement the API and write the docs, and finally deploy to staging."
    ) == {
        "Design the schema": [],
        "Implement the API": ["Design the schema"],
        "Write the docs": ["Design the schema"],
        "Deploy to staging": ["Implement the API", "Write the docs"],
    }


def test_numbered_list_is_in_order_and_a_bulleted_one_is_not():
    assert graph("1. Buy milk\n2. Feed the cat") == {"Buy milk": [], "Feed the cat": ["Buy milk"]}
    assert graph("- Buy milk\n- Feed the cat") == {"Buy milk": [], "Feed the cat": []}


def test_header_can_change_the_order_of_a_list():
    assert graph("Do these in parallel:\n1. Buy milk\n2. Feed the cat") == {"Buy milk": [], "Feed the cat": []}
    assert graph("In this order:\n- Buy milk\n- Feed the cat") == {"Buy milk": [], "Feed the cat": ["Buy milk"]}


def test_items_can_name_what_they_come_after():
    assert graph("1. Set up\n2. Paint (after 1)\n3. Sing (depends on step 1)\n4. Close\n5. Rest (after 2, 3)") == {
        "Set up": [],
        "Paint": ["Set up"],
        "Sing": ["Set up"],
        "Close": ["Sing"],
        "Rest": ["Paint", "Sing"],
    }


def test_items_may_begin_with_joining_words():
    assert graph("- Buy milk\n- Feed the cat\n- Finally, sleep well\n- Meanwhile, hum a song") == {
        "Buy milk": [],
        "Feed the cat": [],
        "sleep well": ["Buy milk", "Feed the cat"],
        "hum a song": ["Buy milk", "Feed the cat"],
    }


def test_prose_around_a_list_keeps_its_place():
    found = graph("Clone the repo. Then do this:\n- lint the code\n- count the files\n\nFinally, write a summary.")
    assert found == {
        "Clone the repo": [],
        "Lint the code": ["Clone the repo"],
        "Count the files": ["Clone the repo"],
        "Write a summary": ["Lint the code", "Count the files"],
    }


def test_once_makes_what_follows_wait():
    assert graph("Once the API is built, write the docs and record a demo") == {
        "Build the API": [],
        "Write the docs": ["Build the API"],
        "Record a demo": ["Build the API"],
    }


def test_condition_refers_to_an_earlier_step():
    assert graph("Build the app. Run the checks. Once the checks pass, announce a party.") == {
        "Build the app": [],
        "Run the checks": [],
        "Announce a party": ["Run the checks"],
    }
    assert graph("Run the checks. If the checks fail, open an issue.") == {
        "Run the checks": [],
        "If the checks fail, open an issue": ["Run the checks"],
    }


def test_condition_that_no_step_meets_stays_in_the_words():
    assert graph("Once the customer replies, send the invoice and close the ticket") == {
        "Once the customer replies, send the invoice": [],
        "Close the ticket": [],
    }


def test_meanwhile_runs_beside():
    assert graph("Wash the car, then clean the roof. Meanwhile, cook dinner.") == {
        "Wash the car": [],
        "Clean the roof": ["Wash the car"],
        "Cook dinner": ["Wash the car"],
    }


def test_semicolons_separate_without_order():
    assert graph("Fix the roof; buy milk; feed the cat") == {"Fix the roof": [], "Buy milk": [], "Feed the cat": []}


def test_pronoun_makes_an_edge():
    assert graph("Collect stamps. Sort them. Buy milk.") == {
        "Collect stamps": [],
        "Sort them": ["Collect stamps"],
        "Buy milk": [],
    }


def test_deployment_comes_after_build_and_test_even_without_order_words():
    found = graph("Build the backend; run the tests; deploy to production; buy milk")
    assert found["Run the tests"] == ["Build the backend"]
    assert found["Deploy to production"] == ["Run the tests"]
    assert found["Buy milk"] == []


def test_explicit_parallel_is_not_overruled():
    assert graph("Build the backend. In parallel, test the frontend.")["Test the frontend"] == []


def test_what_must_not_be_done_stays_with_its_step():
    [first, second] = find_steps("Clean the attic. Do not wake the dog. Then cook dinner.")
    assert first.text == "Clean the attic. Do not wake the dog"
    assert second.after == [0]


def test_what_is_told_stays_with_its_step():
    [first, second] = find_steps("Check my order. The number is 42. Then cancel the flight.")
    assert first.text == "Check my order. The number is 42"
    assert second.text == "Cancel the flight"


def test_introduction_is_no_step():
    assert list(graph("I need your help with a party. Find a room. Invite Bob.")) == ["Find a room", "Invite Bob"]


@pytest.mark.parametrize(
    "request_", ["Audit the repository", "What is an audit?", "", "Hello", "Do not audit", "Der Hund bellt. Es regnet."]
)
def test_request_without_steps_has_fewer_than_two(request_):
    assert len(find_steps(request_)) < 2


def test_bullets_that_forbid_restrain_the_item_before():
    [step, other] = find_steps("- paint the wall\n- do not paint the door\n- clean the floor")
    assert step.text == "Paint the wall. do not paint the door"
    assert other.text == "Clean the floor"


def test_tasks_have_readable_unique_ids_types_and_edges():
    tasks = step_tasks(find_steps("1. Run the tests\n2. Run the tests\n3. Deploy the app"))
    assert [(task.id, task.type, task.depends_on) for task in tasks] == [
        ("run-tests", "test_run", ()),
        ("run-tests-2", "test_run", ("run-tests",)),
        ("deploy-app", "deploy", ("run-tests-2",)),
    ]


def test_nested_list_becomes_subtasks():
    tasks = step_tasks(find_steps("1. Set up:\n   1. Clone it\n   2. Build it\n2. Play chess"))
    assert [task.id for task in tasks[0].subtasks] == ["clone-it", "build-it"]
    assert tasks[0].subtasks[1].depends_on == ("clone-it",)
    assert tasks[0].description == "Set up"
    assert tasks[1].depends_on == (tasks[0].id,)


def test_nested_list_below_the_depth_becomes_words():
    [task, _] = step_tasks(
        [RequestStep("top", children=[RequestStep("a"), RequestStep("b")]), RequestStep("other")], depth=1
    )
    assert task.subtasks == ()
    assert task.description == "top; a; b"


def test_more_steps_than_fan_out_are_grouped_and_keep_their_order():
    steps = find_steps("\n".join(f"{number}. step number {number}" for number in range(1, 51)))
    plan = Plan(request="-", tasks=step_tasks(steps))
    assert structural_problems(plan, Limits()) == []
    assert [len(task.subtasks) for task in plan.tasks] == [20, 20, 10]
    shape = outline(plan)
    leaves = shape.leaf_nodes()
    assert [shape.before[leaf.index] for leaf in leaves] == [(), *((leaf.index,) for leaf in leaves[:-1])]
    assert plan.tasks[0].description.endswith("step number 20")


def test_groups_within_groups_hold_thousands_of_steps():
    steps = [RequestStep(f"s {index}", [index - 1] if index else []) for index in range(900)]
    plan = Plan(request="-", tasks=step_tasks(steps, fan_out=10))
    assert structural_problems(plan, Limits(fan_out=10)) == []


@pytest.mark.parametrize(("fan_out", "depth"), [(2, 3), (1, 5)])
def test_more_steps_than_fit_are_an_error(fan_out, depth):
    with pytest.raises(PlanningError, match="9 steps"):
        step_tasks([RequestStep(f"s{index}") for index in range(9)], fan_out=fan_out, depth=depth)


@pytest.mark.parametrize(
    ("request_", "steps"),
    [
        ("1. Build the API 2. Write tests 3. Deploy it", 3),
        ("1) Build the API 2) Write tests 3) Deploy it", 3),
        ("Please do this: 1) collect the logs, 2) find the errors and 3) write a summary.", 3),
        ("(1) Build the API (2) write the tests (3) deploy", 3),
        ("Do (a) collect the data, (b) clean it and (c) plot it", 3),
        ("a) collect the data b) clean it c) plot it", 3),
        ("Please: a. collect the data b. clean it c. plot it", 3),
        ("i) collect the data ii) clean it iii) plot it", 3),
        ("Prepare the launch: - write the press release - book the venue - invite the guests", 3),
        ("- write the press release - book the venue", 2),
        ("Release it: * tag the version * build the wheel * upload it", 3),
        ("Release it: • tag the version • build the wheel • upload it", 3),
        ("First collect the logs, then find the errors, finally write a summary", 3),
        ("First, build the API. Second, test it. Third, ship it.", 3),
        ("Set up Python 3.11: 1. install it 2. run v1.2.3 of the tool 3. report", 3),
        ("1: build the API 2: test it 3: ship it", 3),
        ("1 - build the API 2 - test it 3 - ship it", 3),
        ("#1 build the API #2 test it #3 ship it", 3),
        ("Step 1: build the API. Step 2: test it. Step 3: ship it.", 3),
        ("We need: 1. a logo; 2. a website; 3. business cards", 3),
        ("1. Upgrade to Python 3.11 2. Fix section 2.1 of the docs 3. Pay the $3.50 invoice by 1.2.2025", 3),
        ("1. Read chapter 2. 2. Write notes on section 3. 3. Send them", 3),
    ],
)
def test_lists_within_a_paragraph_are_steps(request_, steps):
    assert len(find_steps(request_)) == steps


@pytest.mark.parametrize(
    "request_",
    [
        "Upgrade the project to Python 3.11",
        "Upgrade from version 1. to version 2. soon",
        "Move from Django 1.11 to 2.2 and on to 3.2",
        "Release v1.2.3 of the library",
        "Fix section 2.1 and section 2.2 of the manual",
        "Read sections 1. and 2. of the manual",
        "Pay the invoice of $1.50 and 2.50",
        "Summarise the meeting of 1. May and 2. June",
        "Compare plan (a) with plan (b)",
        "Explain the difference between options a) and b)",
        "Prove lemma (1) using lemma (2) of the paper",
        "Find flights on 1.2.2025 and 2.3.2025",
        "Compare Type 1. and Type 2. diabetes",
        "Write a well-known e-mail - a short one - to the team",
        "Compare the A - B - C bands",
        "Translate the text from English - German - French",
        "Compute 1 - 2 - 3",
        "Write about the years 1914 - 1918 - 1939",
        "Draw the route Paris - Lyon - Nice",
        "Use node 1. 2. or 3.",
        "Improve the score from 1) to 2) in the table",
        "See chapter 1) and chapter 2) for the background",
        "Rate each film from 1. to 5. stars",
        "Explain (1) and (2) in the paper",
        "Close the issues #1 and #2 today",
    ],
)
def test_numbers_letters_and_dashes_in_a_sentence_are_no_list(request_):
    assert len(find_steps(request_)) <= 1


_WORK = st.sampled_from(
    ["build the API", "write v1.2.3 of the tests", "pay $3.50", "upgrade to Python 3.11", "fix section 2.1"]
)
_STYLES = st.sampled_from(["{0}. ", "{0}) ", "({0}) ", "step {0}: ", "{0}: ", "({1}) ", "{1}) "])


@given(st.lists(_WORK, min_size=2, max_size=9), _STYLES, st.sampled_from([" ", ", ", "; ", ". "]))
def test_any_way_to_number_gives_each_step_its_own_words(work, style, between):
    text = between.join(style.format(n + 1, "abcdefghi"[n]) + each for n, each in enumerate(work))
    assert [step.text.lower().rstrip(".") for step in find_steps(text)] == [each.lower() for each in work]
