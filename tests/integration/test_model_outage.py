"""A model that is down: what requests cost, all at once in one process and one after another in many."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from genesis.errors import BreakerOpenError
from genesis.pipeline import make_plan
from genesis.resilience.breakers import breakers_of
from genesis.settings import ResilienceSettings, Settings
from genesis.testing.llm_server import FakeLlmServer, answers, status

REQUESTS = 20
PROCESSES = 5
MOST_CALLS = 24
LONG_S = 3600.0
"""A cooling time that is not over before the test is, however busy the machine."""
PLAN = {"tasks": [{"id": "first", "description": "Do the first thing"}]}


@pytest.fixture
def settings(tmp_path):
    def make(server, **more):
        how = {"cooling_s": LONG_S, "longest_cooling_s": LONG_S, **more}
        return Settings(home=tmp_path, llm=server.settings(), resilience=ResilienceSettings(**how))

    return make


def plan(number, settings):
    return make_plan(f"Water plant number {number}", settings=settings)


@pytest.mark.parametrize("share", ["memory", "machine"])
def test_twenty_requests_at_once_make_few_calls_and_then_none(settings, share):
    with FakeLlmServer([status(500)]) as server:
        made = settings(server, share=share)
        with ThreadPoolExecutor(REQUESTS) as pool:
            plans = list(pool.map(lambda number: plan(number, made), range(REQUESTS)))
        assert all(found.tasks and found.planner != "llm" for found in plans)
        calls = len(server.requests)
        assert calls <= MOST_CALLS
        for number in range(REQUESTS):
            assert "is not called" in plan(number, made).planner_note
        assert len(server.requests) == calls


def test_processes_one_after_another_make_few_calls_and_then_none(settings, tmp_path, forking_process):
    with FakeLlmServer([status(500)]) as server:
        llm = settings(server).llm
        environment = os.environ | {
            "GENESIS_HOME": str(tmp_path),
            "GENESIS_LLM__MODEL": llm.model,
            "GENESIS_LLM__BASE_URL": llm.base_url,
            "GENESIS_LLM__API_KEY": "none",
            "GENESIS_RESILIENCE__COOLING_S": str(LONG_S),
            "GENESIS_RESILIENCE__LONGEST_COOLING_S": str(LONG_S),
        }
        counts = []
        for number in range(PROCESSES):
            words = ["plan", f"Water plant number {number}", "--json"]
            ran = forking_process.run(words, cwd=tmp_path, environment=environment)
            assert json.loads(ran.stdout)["planner"] == "minimal"
            counts.append(len(server.requests))
        assert counts[-1] <= MOST_CALLS
        assert counts[-1] == counts[3]


def test_once_the_cooling_time_is_over_one_probe_is_made_and_a_model_that_is_back_plans_again(settings):
    steps = [status(500)] * 4 + [answers(PLAN)]
    with FakeLlmServer(steps) as server:
        made = settings(server, share="machine", failures=2, cooling_s=0.5)
        notes = []
        while (found := plan(1, made)).planner != "llm":  # probes fail until the script is at its end
            notes.append(found.planner_note)
            time.sleep(0.1)
        assert any("is not called" in note for note in notes)
        assert len(server.requests) == len(steps)
        assert plan(2, made).planner == "llm"


def test_too_many_requests_is_no_sign_of_an_outage(settings):
    with FakeLlmServer([status(429)]) as server:
        made = settings(server, failures=1)
        plan(0, made)
        before = len(server.requests)
        plan(1, made)
        assert len(server.requests) > before


def test_an_answer_that_cannot_be_used_is_no_outage_either(settings):
    with FakeLlmServer([answers({"no": "tasks"})]) as server:
        made = settings(server, failures=1)
        plan(0, made)
        before = len(server.requests)
        plan(1, made)
        assert len(server.requests) > before


def test_each_endpoint_has_a_breaker_of_its_own(settings, tmp_path):
    with FakeLlmServer([status(500)]) as dead, FakeLlmServer([answers(PLAN)]) as well:
        first, second = settings(dead, failures=1), settings(well, failures=1)
        plan(0, first)
        assert plan(1, first).planner != "llm"
        assert plan(1, second).planner == "llm"
        breaker = breakers_of(first.resilience, tmp_path).of("model", dead.settings().base_url)
        with pytest.raises(BreakerOpenError) as caught:
            breaker.admit()
        assert json.dumps(caught.value.to_dict())
