"""Spans through a real collector, by both protocols."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from genesis.observability.tracing import Tracing
from genesis.settings import ObservabilitySettings
from genesis.testing.otlp import TraceReceiver

from .collector import collected  # type: ignore[import-not-found]


@pytest.mark.skipif(importlib.util.find_spec("rotel") is None, reason="no collector is installed: pip install rotel")
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_takes_spans_and_hands_them_on(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TraceReceiver(protocol) as receiver, collected(receiver, tmp_path / "collector.log") as variables:
        assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] != receiver.endpoint
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        tracing = Tracing()
        tracing.start(ObservabilitySettings(), role="cli")
        with tracing.span("outer", {"n": 1}), tracing.span("inner"):
            pass
        tracing.stop()
        found = {each.name: each for each in receiver.wait_for(lambda spans: len(spans) == 2)}
    assert found["inner"].parent_id == found["outer"].span_id
    assert found["outer"].attributes == {"n": 1}
    assert found["outer"].resource["genesis.role"] == "cli"
