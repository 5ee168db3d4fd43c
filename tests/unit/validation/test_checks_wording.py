"""Near-duplicates and coverage of the request: what is found, and above all what is not."""

import pytest


def pair(first, second, **more):
    return [{"id": "one", "description": first}, {"id": "two", "description": second, **more}]


SAME = [
    ("Write unit tests for login", "Write the unit tests for the login"),
    ("Write unit tests for login", "Write the unit test for logins."),
    ("Write unit tests for login", "Login: write unit tests"),
    ("Review the security of the payment API", "Review payment-API security"),
    ("Document the public API", "Document all public APIs"),
    ("Write the release notes", "Create the release notes"),
    ("Implement user authentication", "Build the user authentication system"),
    ("Set up the CI pipeline", "SET UP THE CI PIPELINE!"),
    ("Update the docs of the repo", "Update the documentation of the repository"),
    ("デプロイする", "デプロイする"),
]
DIFFERENT = [
    ("Unit tests for login", "Unit tests for billing"),
    ("Write unit tests for login", "Write integration tests for login"),
    ("Process batch 1", "Process batch 2"),
    ("Upgrade to v1.2", "Upgrade to v1.3"),
    ("Lint src/app.py", "Lint src/db.py"),
    ("Migrate the data from Postgres to MySQL", "Migrate the data from MySQL to Postgres"),
    ("Convert A to B", "Convert B to A"),
    ("Scale up the cluster", "Scale down the cluster"),
    ("Run with cache", "Run without cache"),
    ("Implement module A", "Implement module B"),
    ("Port the parser to C", "Port the parser to C++"),
    ("Deploy to staging", "Deploy to production"),
    ("Design the system", "Implement the system"),
    ("Translate the page into French", "Translate the page into German"),
    ("翻译第一章", "翻译第二章"),
    ("Draft the report", "Review the report"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_two_wordings_of_one_work_are_found(find, first, second):
    [found] = find("GEN-NEAR-DUPLICATE", pair(first, second))
    assert (found.severity, found.task) == ("warning", "two")
    assert found.evidence["tasks"] == ["one", "two"]
    assert found.evidence["descriptions"] == [first, second]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_work_on_different_objects_is_not_a_duplicate(find, first, second):
    assert not find("GEN-NEAR-DUPLICATE", pair(first, second))


def test_duplicates_on_two_agents_name_both(find):
    agents = [{"name": "qa", "task_types": ["generic"]}, {"name": "dev", "task_types": ["generic"]}]
    tasks = pair("Review the login code", "Review the code of the login")
    [found] = find("GEN-NEAR-DUPLICATE", tasks, agents=agents, to={"two": "dev"})
    assert "on 'qa' and 'dev'" in found.message
    assert found.evidence["agents"] == ["qa", "dev"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"inputs": {"path": "a"}}, {"inputs": {"path": "b"}}, False),
        ({"inputs": {"path": "a"}}, {"inputs": {"path": "a"}}, True),
        ({"inputs": {"n": 1}}, {"inputs": {"n": True}}, False),
        ({"inputs": {"path": "a"}}, {}, True),
        ({"labels": {"env": "staging"}}, {"labels": {"env": "production"}}, False),
        ({"requires": ["security"]}, {"requires": ["performance"]}, False),
        ({"outputs": ["a"]}, {"outputs": ["b"]}, False),
        ({"outputs": ["a"]}, {"outputs": ["a"]}, True),
    ],
)
def test_details_tell_equal_descriptions_apart(find, first, second, same):
    tasks = [
        {"id": "one", "description": "Scan the sources", **first},
        {"id": "two", "description": "Scan the sources", **second},
    ]
    assert bool(find("GEN-NEAR-DUPLICATE", tasks)) == same


def test_short_steps_under_different_parents_are_about_their_parents(find):
    steps = [{"id": "code", "description": "Write the code"}, {"id": "test", "description": "Write the tests"}]
    tasks = [{"id": name, "description": f"Deliver the {name}", "subtasks": steps} for name in ("frontend", "backend")]
    assert not find("GEN-NEAR-DUPLICATE", tasks)


def test_a_description_that_stands_on_its_own_is_compared_across_parents(find):
    text = "Write unit tests for the payment module"
    tasks = [
        {"id": "build", "description": "Build it", "subtasks": [{"id": "unit", "description": text}]},
        {"id": "check", "description": "Check it", "subtasks": [{"id": "tests", "description": text}]},
    ]
    assert [d.task for d in find("GEN-NEAR-DUPLICATE", tasks)] == ["check/tests"]


def test_tests_that_run_again_after_other_work_are_no_duplicate(find):
    tasks = [
        {"id": "before", "description": "Run the test suite"},
        {"id": "refactor", "description": "Refactor the parser", "depends_on": ["before"]},
        {"id": "after", "description": "Run the test suite", "depends_on": ["refactor"]},
    ]
    assert not find("GEN-NEAR-DUPLICATE", tasks)
    tasks[2]["depends_on"] = ["before"]
    assert find("GEN-NEAR-DUPLICATE", tasks)


def test_a_synonym_counts_only_beside_and_with_one_type(find):
    tasks = pair("Implement the app", "Build the app")
    assert find("GEN-NEAR-DUPLICATE", tasks)
    assert not find("GEN-NEAR-DUPLICATE", pair("Implement the app", "Build the app", depends_on=["one"]))
    assert not find("GEN-NEAR-DUPLICATE", pair("Implement the app", "Build the app", type="build"))


def test_each_repeat_is_told_once(find):
    tasks = [{"id": f"t{n}", "description": "Check the links"} for n in range(4)]
    assert [d.task for d in find("GEN-NEAR-DUPLICATE", tasks)] == ["t1", "t2", "t3"]


def plan(*descriptions):
    return [{"id": f"t{n}", "description": text} for n, text in enumerate(descriptions)]


@pytest.mark.parametrize(
    ("request_text", "descriptions", "missing"),
    [
        ("Build a web shop with login, product search and card payments",
         ["Implement login", "Implement product search"], ["card payments"]),
        ("Audit the repository and translate the README to French",
         ["Audit the code base", "Write the audit report"], ["translate the README to French"]),
        ("Implement the export, write the docs and deploy it to Kubernetes",
         ["Implement the export", "Deploy to Kubernetes"], ["write the docs"]),
        ("1. Collect the survey data 2. Send a newsletter", ["Collect data of the survey"], ["Send a newsletter"]),
    ],
)  # fmt: skip
def test_a_part_of_the_request_that_no_task_speaks_of_is_found(find, request_text, descriptions, missing):
    found = find("GEN-REQUEST-UNCOVERED", plan(*descriptions), request=request_text)
    assert [d.evidence["clause"] for d in found] == missing


@pytest.mark.parametrize(
    ("request_text", "descriptions"),
    [
        ("Audit the repository at .", ["List languages, sizes and entry points", "Write the audit report"]),
        (
            "Please check our codebase for problems and report the findings",
            ["Inspect the repository", "Write a report"],
        ),
        ("Build a fast, secure and scalable API", ["Design the API", "Implement the API"]),
        ("Build an API so that partners can order books", ["Implement the API"]),
        ("Entwirf und teste eine App für Rezepte", ["Design the app", "Test the app"]),
        ("対象のリポジトリを監査して、レポートを書く", ["Inspect the repository", "Write the report"]),
        ("Deploy it", ["Deploy the service"]),
        ("Gather facts about the film, including director, cast and release year", ["Gather facts of the film"]),
        ("I want to throw a party. Book a hall and order food", ["Book the hall", "Order the food"]),
        ("   ", ["Anything"]),
        ("the of and to", ["Anything"]),
    ],
)
def test_sound_plans_cover_their_request(codes, request_text, descriptions):
    assert codes(plan(*descriptions), "warning", request=request_text) == []


def test_words_in_ids_inputs_and_variables_cover_too(find):
    tasks = [
        {"id": "send_newsletter", "description": "Do it"},
        {"id": "t", "description": "Build the shop", "inputs": {"x": "{y}"}},
    ]
    request = "Build the shop, send a newsletter and translate invoices"
    assert not find("GEN-REQUEST-UNCOVERED", tasks, request=request, vars={"y": "translate invoices"})


def test_a_plan_about_something_else_is_found(find):
    request = "Build an iOS application for booking tennis courts and deploy it to the store"
    tasks = plan("Write the emails for the campaign", "Choose a list of subscribers")
    assert find("GEN-REQUEST-MISSED", tasks, request=request)
    assert not find("GEN-REQUEST-MISSED", tasks, request=request, planner="heuristic")
    assert not find("GEN-REQUEST-MISSED", plan("Texte schreiben", "Empfänger wählen"), request=request)
    assert not find("GEN-REQUEST-MISSED", tasks, request="Build the app")
