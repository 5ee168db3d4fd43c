"""The collector's configuration: what its pipeline names is there, failures are kept, memory is bounded."""

import re
from pathlib import Path

import pytest
import yaml

_ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def collector():
    return yaml.safe_load((_ROOT / "deployments" / "otel" / "collector.yaml").read_text("utf-8"))


@pytest.fixture(scope="session")
def sampling(collector):
    return collector["processors"]["tail_sampling"]


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)([smh])", text).groups()
    return float(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def test_what_pipelines_name_is_there(collector):
    for pipeline in collector["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert pipeline[part]
            assert set(pipeline[part]) <= set(collector[part])
    assert set(collector["service"]["extensions"]) == set(collector["extensions"])


def test_everything_that_is_there_is_used_but_debug(collector):
    (pipeline,) = collector["service"]["pipelines"].values()
    assert set(collector["receivers"]) == set(pipeline["receivers"])
    assert set(collector["processors"]) == set(pipeline["processors"])
    assert set(collector["exporters"]) - set(pipeline["exporters"]) == {"debug"}


def test_memory_is_guarded_first_and_batches_are_made_last(collector):
    assert collector["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter", "tail_sampling", "batch"]
    limiter = collector["processors"]["memory_limiter"]
    assert 0 < limiter["spike_limit_mib"] < limiter["limit_mib"]


def test_both_protocols_are_served_on_their_ports(collector):
    protocols = collector["receivers"]["otlp"]["protocols"]
    assert {name: each["endpoint"].rpartition(":")[2] for name, each in protocols.items()} == {
        "grpc": "4317",
        "http": "4318",
    }


def test_policies_are_complete_and_differ(sampling):
    names = [policy["name"] for policy in sampling["policies"]]
    assert len(names) == len(set(names))
    for policy in sampling["policies"]:
        assert set(policy) == {"name", "type", policy["type"]}


def test_failed_and_repeated_and_slow_traces_are_kept(sampling):
    policies = {policy["type"]: policy[policy["type"]] for policy in sampling["policies"]}
    assert policies["status_code"] == {"status_codes": ["ERROR"]}
    assert policies["numeric_attribute"]["key"] == "genesis.attempt"
    assert policies["numeric_attribute"]["min_value"] == 2
    assert policies["numeric_attribute"]["max_value"] > 100
    assert policies["latency"]["threshold_ms"] >= 1_000
    assert 0 < policies["probabilistic"]["sampling_percentage"] < 100


def test_a_run_is_decided_as_a_whole(sampling):
    assert _seconds(sampling["decision_wait_after_root_received"]) < _seconds(sampling["decision_wait"])
    assert _seconds(sampling["decision_wait"]) >= 600, "a run's root comes last"
    cache = sampling["decision_cache"]
    assert min(cache.values()) > sampling["num_traces"], "late spans follow the decision"


def test_the_container_has_more_memory_than_the_collector_takes(collector, compose):
    limit = compose["services"]["collector"]["deploy"]["resources"]["limits"]["memory"]
    mib = float(limit[:-1]) * {"m": 1, "g": 1024}[limit[-1]]
    assert collector["processors"]["memory_limiter"]["limit_mib"] < mib * 0.9


def test_workers_and_the_collector_and_the_trace_store_speak_to_each_other(collector, compose):
    services = compose["services"]
    store = re.fullmatch(r"\$\{env:TRACE_STORE:-(\w+):4317\}", collector["exporters"]["otlp_grpc/traces"]["endpoint"])[
        1
    ]
    assert set(services[store]["networks"]) & set(services["collector"]["networks"])
    for name in ("orchestrator", "agents"):
        assert set(services[name]["networks"]) & set(services["collector"]["networks"])
    command = " ".join(services["collector"]["command"])
    (mount,) = services["collector"]["volumes"]
    source, target, mode = mount.split(":")
    assert (_ROOT / "docker" / source).resolve() == _ROOT / "deployments" / "otel" / "collector.yaml"
    assert command == f"--config={target}"
    assert mode == "ro"


def test_its_own_metrics_are_scraped(collector):
    (reader,) = collector["service"]["telemetry"]["metrics"]["readers"]
    port = reader["pull"]["exporter"]["prometheus"]["port"]
    prometheus = yaml.safe_load((_ROOT / "deployments" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    targets = [
        target
        for job in prometheus["scrape_configs"]
        for each in job.get("static_configs", ())
        for target in each["targets"]
    ]
    assert f"collector:{port}" in targets
