import json
import math
import threading

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from genesis.observability.exposition import render_metrics
from genesis.observability.instruments import (
    BREAKER_STATE,
    INSTRUMENTS,
    QUALITY,
    SERIES_DROPPED,
    STAGE_SECONDS,
    TASKS,
    TASKS_RUNNING,
    list_exposed_names,
)
from genesis.observability.metrics import Metrics


def test_names_are_prometheus_names_told_once_with_labels_from_a_to_z():
    names = [each.name for each in INSTRUMENTS]
    assert len(set(names)) == len(names)
    for each in INSTRUMENTS:
        assert each.name.startswith("genesis_")
        assert each.name.endswith("_total") == (each.kind == "counter")
        assert bool(each.buckets) == (each.kind == "histogram")
        assert list(each.buckets) == sorted(set(each.buckets))
        assert all(label.isidentifier() and label not in {"le", "job", "instance"} for label in each.labels), each
        assert each.help.endswith(".")


def test_counts_of_many_threads_are_all_there():
    metrics = Metrics()
    threads = [
        threading.Thread(target=lambda: [metrics.count(TASKS, "a", "completed") for _ in range(1_000)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.value(TASKS, "a", "completed") == 8_000


def test_an_observation_on_a_bound_is_in_its_bucket():
    metrics = Metrics()
    for value in (0.1, 0.1000001, 7.0):
        metrics.observe(QUALITY, value=value)
    (series,) = metrics.series()
    assert series.counts == (1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    assert series.value == pytest.approx(7.2000001)


def fill():
    metrics = Metrics()
    metrics.count(TASKS, "qa_agent", "completed", amount=3)
    metrics.set(TASKS_RUNNING, "qa_agent", value=2)
    metrics.set(BREAKER_STATE, "agent", "qa_agent", value=2)
    metrics.observe(STAGE_SECONDS, "plan", value=0.02, example={"trace_id": "ab" * 16})
    metrics.observe(STAGE_SECONDS, "plan", value=500.0)
    return metrics


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("", plain), ("text/plain", plain), ("application/openmetrics-text; version=1.0.0", openmetrics)],
)
def test_prometheus_reads_what_is_shown(accept, parse):
    content_type, text = render_metrics(fill(), accept)
    assert ("openmetrics" in content_type) == ("openmetrics" in accept)
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample
        for family in parse(text.decode())
        for sample in family.samples
    }
    assert found["genesis_tasks_total", (("agent", "qa_agent"), ("state", "completed"))].value == 3
    assert found["genesis_breaker_state", (("kind", "agent"), ("name", "qa_agent"))].value == 2
    assert found["genesis_stage_duration_seconds_count", (("stage", "plan"),)].value == 2
    assert found["genesis_stage_duration_seconds_sum", (("stage", "plan"),)].value == 500.02
    assert found["genesis_stage_duration_seconds_bucket", (("le", "120.0"), ("stage", "plan"))].value == 1
    assert found["genesis_stage_duration_seconds_bucket", (("le", "+Inf"), ("stage", "plan"))].value == 2
    example = found["genesis_stage_duration_seconds_bucket", (("le", "0.025"), ("stage", "plan"))].exemplar
    assert (example is not None) == ("openmetrics" in accept)
    names = {name for name, _ in found if name.startswith("genesis_") and not name.endswith("_created")}
    assert names <= list_exposed_names()


def test_what_is_handed_over_arrives_once():
    child, parent = fill(), Metrics()
    for _ in range(3):
        parent.take_in(json.loads(json.dumps(child.drain_changes())), source="7")
    assert parent.value(TASKS, "qa_agent", "completed") == 3
    assert parent.value(STAGE_SECONDS, "plan") == 2
    assert parent.value(TASKS_RUNNING, "qa_agent") == 2
    child.count(TASKS, "qa_agent", "completed")
    parent.take_in(child.drain_changes(), source="7")
    assert parent.value(TASKS, "qa_agent", "completed") == 4


def test_gauges_of_processes_add_up_until_one_is_gone_and_shared_state_is_the_last_that_was_told():
    parent = Metrics()
    for source, running, state in (("1", 2, 2), ("2", 3, 0)):
        child = Metrics()
        child.set(TASKS_RUNNING, "a", value=running)
        child.set(BREAKER_STATE, "agent", "a", value=state)
        parent.take_in(child.drain_changes(), source=source)
    assert parent.value(TASKS_RUNNING, "a") == 5
    assert parent.value(BREAKER_STATE, "agent", "a") == 0
    parent.forget("2")
    assert parent.value(TASKS_RUNNING, "a") == 2
    assert parent.value(BREAKER_STATE, "agent", "a") == 0


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"counts": [["genesis_of_tomorrow_total", ["x"], 1]]},
        {"counts": [["genesis_tasks_total", ["too", "many", "labels"], 1]]},
        {"histograms": [["genesis_plan_quality_score", [], [1, 2], 1.0, []]]},
        {"gauges": [["genesis_tasks_total", ["a", "b"], 1]]},
    ],
)
def test_what_another_version_hands_over_does_no_harm(document):
    metrics = Metrics()
    metrics.take_in(document, source="old")
    assert list(metrics.series()) == []


def test_series_are_bounded_and_what_is_beyond_is_counted_as_other():
    metrics = Metrics(most_series=10)
    for number in range(100):
        metrics.count(TASKS, f"agent{number}", "completed")
        metrics.observe(STAGE_SECONDS, f"stage{number}", value=1.0)
    assert len(metrics.values(TASKS)) == 11
    assert metrics.value(TASKS, "other", "other") == 90
    assert metrics.value(STAGE_SECONDS, "other") == 90
    assert metrics.value(SERIES_DROPPED) == 180
    assert math.isclose(sum(metrics.values(TASKS).values()), 100)
