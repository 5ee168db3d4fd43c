import pytest

from genesis.planning.match import best_playbook, covers
from genesis.planning.playbook import load_playbook, load_playbooks

PLAYBOOKS = load_playbooks()
BY_NAME = {playbook.name: playbook for playbook in PLAYBOOKS}


def name_of(text):
    hit = best_playbook(text, PLAYBOOKS)
    return hit.playbook.name if hit else None


@pytest.mark.parametrize(
    "text",
    [
        "Audit the repository at .",
        "audit this repo",
        "AUDIT THE REPOSITORY AT ./API",
        "Audti the repositry at ./api",
        "Please audit the codebase in ./src for security problems",
        "Could you please review the repository?",
        "I'd like you to do a thorough code audit of ~/code/foo",
        "Run an audit on the repo",
        "We need an audit of the code base",
        "Hi Genesis, audit the git repository under '/srv/my repo'",
        "Audit file:///srv/repo",
        "Audit ~/code",
        "A full, independent repository audit please",
        "Perform a repository review",
        "Prüfe bitte das Repository unter ./x",
        "Auditez le dépôt ./x",
        "Audita el repositorio en ./x",
        "Would you mind auditing the repository?",
    ],
)
def test_audit_is_recognised_however_it_is_worded(text):
    assert name_of(text) == "repository_audit"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Build a SaaS for dog walkers", "product_launch"),
        ("Launch our new product Foo next month", "product_launch"),
        ("Design, build and launch a landing page for Acme", "product_launch"),
        ("Build a landing page", "product_launch"),
        ("Implement OAuth login", "software_feature"),
        ("Add a dark mode to the settings page", "software_feature"),
        ("Feature: export invoices as CSV", "software_feature"),
        ("Build a REST API for orders", "software_feature"),
        ("Write a research report on battery chemistry", "research_report"),
        ("Write me a detailed report about caching", "research_report"),
        ("Do some market research on e-bikes", "research_report"),
        ("Research the history of tea", "research_report"),
        ("I want a competitor analysis of CRM tools", "research_report"),
    ],
)
def test_other_playbooks_are_recognised(text, name):
    assert name_of(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "", "???", "repository", "audit", "What is an audit?", "Do not audit anything", "Don't audit the repository",
        "Never audit the repository at .", "Tell me about the repository", "Audit our finances", "Clone the repository",
        "Fix the findings of the repository audit", "How do I audit a repository?", "Should we audit the repository?",
        "The repository should not be audited", "Our repository audit failed yesterday", "We audited the repository",
        "Cancel the audit of the repository", "Explain what a code audit is", "Summarise the code audit from last week",
        "Schedule a meeting about the repository audit", "Get rid of the code audit", "Do you audit repositories?",
        "Write a poem about a landing page", "What makes a good landing page?", "Delete the landing page",
        "Read the research report", "Who wrote the research report?", "Implement a vacation policy",
        "Add sugar to the tea", "Book a product launch party", "Translate the research paper to German",
        "Review the film about the code of honour", "Audit the finances with the repository tool",
        "Was ist ein Audit?", "Erstelle ein Gedicht", "Write a report", "The landing page of the product is launched",
    ],
)  # fmt: skip
def test_words_alone_mean_nothing(text):
    assert name_of(text) is None


def test_reason_quotes_what_matched():
    assert best_playbook("Audit the repository", PLAYBOOKS).reason == "it means 'audit the repository'"
    assert best_playbook("Feature: tea", PLAYBOOKS).reason == "it says 'Feature:'"


def tea(name, **match):
    return load_playbook({"name": name, "match": match, "tasks": [{"id": "a", "description": "x"}]})


def test_longer_phrase_wins_and_equals_go_by_order():
    short, long = tea("short", phrases=["build a page"]), tea("long", phrases=["build a landing page"])
    assert best_playbook("Build a landing page", [short, long]).playbook.name == "long"
    assert best_playbook("Build a page", [long, short]).playbook.name == "short"
    twin = tea("twin", phrases=["build a page"])
    assert best_playbook("Build a page", [twin, short]).playbook.name == "twin"


def test_example_matches_texts_with_nearly_the_same_words():
    example = tea("x", examples=["Water all the plants in the office kitchen"])
    assert best_playbook("Please water the plants in the office kitchen", [example]).reason.startswith("it is like")
    assert best_playbook("Never water the plants in the office kitchen", [example]) is None
    assert best_playbook("Paint the plants in the office kitchen", [example]) is None
    assert best_playbook("Water the office", [example]) is None


def test_pattern_at_the_beginning_counts_more_than_one_within():
    within, first = tea("within", patterns=["tea"]), tea("first", patterns=["^make"])
    assert best_playbook("Make tea", [within, first]).playbook.name == "first"


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda playbook: playbook.name)
def test_packaged_phrases_and_examples_find_their_own_playbook(playbook):
    for phrase in playbook.match.phrases + playbook.match.examples:
        hit = best_playbook(phrase, [playbook])
        assert hit is not None, phrase


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("write a report", True),
        ("Write a short report of all findings", True),
        ("summarise the results", True),
        ("write the report to out/audit.md", True),
        ("write a report about pricing", False),
        ("check the dependencies for known vulnerabilities", False),
        ("do not write a report", False),
        ("email the report to Bob", False),
        ("", False),
    ],
)
def test_further_wish_is_covered_only_when_it_says_no_more(text, covered):
    assert covers(BY_NAME["repository_audit"], text) is covered
