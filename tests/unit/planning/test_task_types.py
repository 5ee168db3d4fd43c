import pytest

from genesis.planning.task_types import guess_type


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Run the tests", "test_run"),
        ("Write unit tests for login", "test"),
        ("Test the app", "test"),
        ("Deploy to production", "deploy"),
        ("Publish the package", "deploy"),
        ("Publish a poem", "generic"),
        ("Fix the crash", "bug_fix"),
        ("Refactor the parser module", "refactor"),
        ("Design the database schema", "database"),
        ("Design the architecture", "architecture"),
        ("Design a logo", "design"),
        ("Build the REST API", "api"),
        ("Build the landing page", "frontend"),
        ("Sketch a wireframe", "ui"),
        ("Set up a kubernetes cluster", "infrastructure"),
        ("Set up alerting", "monitor"),
        ("Scan for vulnerabilities", "vulnerability_scan"),
        ("Write a blog post", "content"),
        ("Update the docs", "documentation"),
        ("Write a report", "reporting"),
        ("Summarise the findings", "reporting"),
        ("Research the market", "research"),
        ("Please find a hotel", "research"),
        ("Analysing the data", "data_analysis"),
        ("Plan the sprint", "planning"),
        ("Answer the customers", "support"),
        ("Promote the product", "marketing"),
        ("Calculate prices", "pricing"),
        ("Compare cars", "data_analysis"),
        ("Frobnicate the widget", "generic"),
        ("", "generic"),
        ("???", "generic"),
    ],
)
def test_type_follows_verb_and_nouns(text, expected):
    assert guess_type(text) == expected


def test_only_types_that_an_agent_takes_are_guessed():
    assert guess_type("Run the tests", ["test", "deploy"]) == "test"
    assert guess_type("Run the tests", ["deploy"]) == "generic"
    assert guess_type("Fix the crash", ["implement"]) == "implement"
