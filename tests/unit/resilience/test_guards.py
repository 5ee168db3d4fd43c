"""Calls to models and hosts: behind rate limits and breakers, and made once more where that helps."""

import asyncio

import pytest

from genesis.errors import BreakerOpenError, ModelError, ServiceError
from genesis.resilience import QuotaError, RetryBudget
from genesis.resilience.breakers import breakers_of
from genesis.resilience.guards import host_guard, host_of, make_guarded_model
from genesis.settings import ResilienceSettings, Settings
from genesis.testing.llm_server import FakeLlmServer, find_unused_base_url, reply, status


@pytest.fixture
def settings(tmp_path):
    def make(server, **more):
        return Settings(
            home=tmp_path, llm=server.settings(), resilience=ResilienceSettings(**({"share": "memory"} | more))
        )

    return make


def write(settings, **more):
    return asyncio.run(make_guarded_model(settings, **more).write("hello"))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Api.example.com/v1?x=1", "api.example.com"),
        ("http://user:pw@host:81/x", "host:81"),
        ("http://[::1]:80", "[::1]:80"),
        ("http://[", "["),
        ("http://:x", ":x"),
    ],
)
def test_the_host_of_an_address(url, host):
    assert host_of(url) == host


@pytest.mark.parametrize("first", [status(500), status(429, retry_after_s=0)])
def test_a_model_that_is_busy_or_broken_is_asked_once_more(settings, first):
    with FakeLlmServer([first, reply("fine")]) as server:
        assert write(settings(server)).value == "fine"
        assert len(server.requests) == 2


def test_a_pause_that_is_asked_for_and_too_long_is_not_made(settings):
    with FakeLlmServer([status(429, retry_after_s=3600)]) as server, pytest.raises(ModelError):
        write(settings(server))
    assert len(server.requests) == 1


def test_no_repeat_begins_after_the_callers_deadline(settings):
    with FakeLlmServer([status(429, retry_after_s=5)]) as server, pytest.raises(ModelError):
        write(settings(server), left_s=4.0)
    assert len(server.requests) == 1


def test_an_answer_that_cannot_be_used_is_not_asked_for_in_the_same_words(settings):
    with FakeLlmServer([reply(" ")]) as server, pytest.raises(ModelError, match="it is empty"):
        write(settings(server))
    assert len(server.requests) == 1


def test_repeats_of_calls_come_out_of_the_runs_budget(settings):
    budget = RetryBudget(0)
    with FakeLlmServer([status(500)]) as server:
        made = settings(server, failures=100, minimum_calls=100)
        for _ in range(10):
            with pytest.raises(ModelError):
                write(made, budget=budget)
        assert len(server.requests) == 13


def test_a_model_waits_for_its_hosts_turn_within_its_time(settings):
    with FakeLlmServer([reply("fine")]) as server:
        made = settings(server, host_calls={"127.0.0.1": 1})
        assert write(made).value == "fine"
        with pytest.raises(QuotaError, match=r"host 127\.0\.0\.1 may be called 1 times in 60 s"):
            asyncio.run(make_guarded_model(made).write("hello", timeout_s=2.0))
        with pytest.raises(QuotaError):
            write(made, left_s=2.0)
        assert len(server.requests) == 1


async def test_a_guarded_host_opens_after_failures_and_uses_no_turn_while_it_is_open(tmp_path):
    resilience = ResilienceSettings(share="memory", failures=1, host_calls={"x": 2})
    guard = host_guard(Settings(home=tmp_path, resilience=resilience))
    with pytest.raises(ServiceError):
        async with guard("x", 1.0):
            raise ServiceError("down")
    for _ in range(5):
        with pytest.raises(BreakerOpenError, match="host x is not called"):
            async with guard("x", 1.0):
                pytest.fail("it is open")
    assert breakers_of(resilience, tmp_path).of("host", "x").state == "open"


def test_a_refused_connection_is_tried_once_more_and_then_said(tmp_path):
    settings = Settings(home=tmp_path, resilience=ResilienceSettings(share="memory"))
    llm = settings.llm.model_copy(update={"model": "openai:x", "base_url": find_unused_base_url()})
    with pytest.raises(ModelError) as caught:
        write(settings.model_copy(update={"llm": llm}))
    assert caught.value.code == "GEN-MODEL-UNREACHABLE"
