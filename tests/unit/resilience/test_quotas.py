"""The rate limits of a process, by agent and by host."""

import json

import pytest
from pydantic import ValidationError

from genesis.model import AgentRate
from genesis.observability.instruments import QUOTA_REFUSALS, QUOTA_SECONDS, QUOTA_WAITS
from genesis.observability.metrics import Metrics
from genesis.resilience import QuotaError, SqliteStore
from genesis.resilience.quotas import Quotas, quotas_of
from genesis.settings import ResilienceSettings, Settings

SLOW = AgentRate(calls=1, per_s=60)


@pytest.fixture
def metrics():
    return Metrics()


async def test_an_agent_without_a_rate_never_waits(metrics):
    quotas = Quotas(metrics=metrics)
    assert [await quotas.of_agent("a", None, left_s=0.0) for _ in range(100)] == [0.0] * 100
    assert list(metrics.series()) == []


async def test_callers_of_one_agent_share_its_turns_and_those_of_others_do_not(metrics):
    quotas = Quotas(metrics=metrics)
    assert await quotas.of_agent("a", SLOW) == 0.0
    assert await quotas.of_agent("b", SLOW) == 0.0
    with pytest.raises(QuotaError, match="agent a may be called 1 times in 60 s"):
        await quotas.of_agent("a", SLOW, left_s=5.0)
    assert metrics.values(QUOTA_REFUSALS) == {("agent",): 1}


async def test_a_wait_is_made_counted_and_said(metrics, caplog):
    caplog.set_level("INFO", logger="genesis")
    quotas, rate = Quotas(metrics=metrics), AgentRate(calls=5, per_s=1.0, burst=1)
    assert [await quotas.of_agent("a", rate) for _ in range(3)][1:] == [pytest.approx(0.2, abs=0.2)] * 2
    assert metrics.value(QUOTA_WAITS, "agent") == 2
    assert 0.2 < metrics.value(QUOTA_SECONDS, "agent") < 1.0
    assert caplog.messages == []  # a wait that nobody notices is not worth a line


async def test_a_host_has_the_limit_of_the_settings_with_its_port_or_without(metrics):
    quotas = Quotas(hosts={"API.example.com": 1, "other:81": 1}, metrics=metrics)
    assert await quotas.of_host("api.example.com:8080") == 0.0
    with pytest.raises(QuotaError):
        await quotas.of_host("api.EXAMPLE.com", left_s=1.0)
    assert [await quotas.of_host("other:80", left_s=0.0) for _ in range(3)] == [0.0] * 3
    assert await quotas.of_host("other:81") == 0.0
    with pytest.raises(QuotaError):
        await quotas.of_host("other:81", left_s=1.0)


async def test_processes_share_turns_by_their_store(tmp_path):
    first, second = (Quotas(store=SqliteStore(tmp_path / "state")) for _ in range(2))
    await first.of_agent("a", SLOW)
    with pytest.raises(QuotaError):
        await second.of_agent("a", SLOW, left_s=1.0)


def test_hosts_are_set_as_json_and_settings_can_still_be_looked_up_by(monkeypatch, tmp_path):
    monkeypatch.setenv("GENESIS_RESILIENCE__HOST_CALLS", json.dumps({"x": 5}))
    settings = Settings()
    assert settings.resilience.host_calls == {"x": 5}
    assert hash(settings) == hash(Settings())
    assert quotas_of(settings.resilience, tmp_path) is quotas_of(Settings().resilience, tmp_path)


@pytest.mark.parametrize("calls", [0, -1, "many"])
def test_a_limit_that_lets_nothing_through_is_refused(calls):
    with pytest.raises(ValidationError):
        ResilienceSettings(host_calls={"x": calls})


@pytest.mark.parametrize("rate", [{}, {"calls": 0}, {"calls": 1, "per_s": 0}, {"calls": 1, "burst": 0}, {"call": 1}])
def test_a_rate_that_makes_no_sense_is_refused(rate):
    with pytest.raises(ValidationError):
        AgentRate.model_validate(rate)
