from __future__ import annotations

import subprocess
import sys

import pytest

from genesis.model import AgentProfile
from genesis.routing import Similarity, load_registry
from genesis.routing.similarity import _index

AGENTS = [
    AgentProfile(name="TestRunner", description="Runs unit tests and reports failures", task_types=("test_run",)),
    AgentProfile(name="deploy_agent", description="Deploys releases to the cloud", skills=("kubernetes",)),
    AgentProfile(name="küche", description="Kocht Suppe für die Gäste"),
]


def read(text, agents=AGENTS, only=None):
    return dict(Similarity(agents).reader(only).read(text))


def test_inflected_words_match():
    assert set(read("deploying a release")) == {1}


def test_name_is_split_at_capitals_and_underscores():
    assert set(read("a runner")) == {0}
    assert read("agent") == {}


def test_types_and_skills_count_as_words():
    assert set(read("kubernetes")) == {1}
    assert set(read("test run")) == {0}


def test_text_that_is_covered_scores_one_and_a_stranger_lowers_it():
    assert read("deploys releases") == {1: pytest.approx(1.0)}
    assert 0 < read("deploys zebras")[1] < 0.7


def test_numbers_and_stop_words_do_not_dilute():
    assert read("deploy the release 17 to our 2nd") != {}
    assert read("Deploy the release 17 to the") == read("deploy release")


def test_punctuation_and_case_do_not_matter():
    assert read("DEPLOYS, releases!") == read("deploys releases")
    assert read("(unit/tests)") == read("unit tests")


def test_other_languages_match_the_agents_that_speak_them():
    assert set(read("Suppe kochen für Gäste")) == {2}
    assert read("把代码部署到云端") == {}
    assert read("\u0000\ud800 🙂") == {}


@pytest.mark.parametrize("text", ["", "   ", "the of and", "12 34", "…!?"])
def test_text_without_words_is_near_to_nobody(text):
    assert read(text) == {}


def test_reader_of_some_agents_sees_only_them_with_the_same_scores():
    text = "unit tests of the release"
    everyone = read(text)
    assert read(text, only=[1]) == {1: everyone[1]}


@pytest.mark.parametrize("agents", [[], [AgentProfile(name="a", description="the")], [AgentProfile(name="___")]])
def test_agents_that_say_little_are_no_problem(agents):
    assert read("deploy it", agents) == {}


def test_order_of_the_agents_does_not_change_the_scores():
    agents = load_registry().agents
    text = "Write regression tests for the payment service and deploy it to the cloud"
    forward, backward = read(text, agents), read(text, agents[::-1])
    assert forward == {len(agents) - 1 - index: score for index, score in backward.items()}


def test_weights_are_those_of_a_reference_implementation(monkeypatch):
    import bm25s

    if bars := sys.modules.get("tqdm"):  # bm25s uses it where it is installed; its monitor is a thread that stays
        monkeypatch.setattr(bars.tqdm, "monitor_interval", 0)
    documents = [
        text.split() for text in ("run unit test", "test test report of a test", "deploy", "run deploy deploy")
    ]
    reference = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    reference.index(documents, show_progress=False)
    index = _index(documents)
    for term, (most, hits) in index.items():
        weights = reference.get_scores([term])
        assert dict(hits) == {at: pytest.approx(weight, abs=1e-5) for at, weight in enumerate(weights) if weight}
        assert most == max(weight for _, weight in hits)


def test_neither_arrays_nor_prefect_are_imported():
    code = """
import sys
from genesis.model import Plan
from genesis.routing import load_registry, route
plan = Plan.model_validate({"request": "r", "tasks": [{"id": "a", "description": "Add regression tests"}]})
assert route(plan, load_registry()).routes["a"].agent == "qa_agent"
print(*sorted({"numpy", "prefect", "networkx"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
