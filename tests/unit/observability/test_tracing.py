import logging
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from genesis.errors import TaskError, UsageError
from genesis.observability.correlation import bind_context, build_headers, facts
from genesis.observability.instruments import SPANS_DROPPED
from genesis.observability.metrics import metrics_of_process
from genesis.observability.tracing import Tracing
from genesis.settings import ObservabilitySettings, OtelSettings
from genesis.testing.otlp import TraceReceiver

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNDRAWN = PARENT[:-2] + "00"


@pytest.fixture(params=["http/protobuf", "grpc"])
def receiver(request):
    with TraceReceiver(request.param) as made:
        yield made


@pytest.fixture
def start(receiver, monkeypatch):
    """Starts traces as a process would that is started with these variables."""
    for name, value in receiver.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "true")
    started = []

    def make(**settings):
        tracing = Tracing()
        assert tracing.start(ObservabilitySettings(**settings), role="cli")
        started.append(tracing)
        return tracing

    yield make
    for tracing in started:
        tracing.stop()


@pytest.fixture
def no_variables(monkeypatch):
    """The environment without any of OpenTelemetry's variables."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_variables")
def test_without_the_standard_variables_nothing_is_recorded():
    tracing = Tracing()
    assert not tracing.start(ObservabilitySettings(), role="cli")
    with tracing.span("x") as span:
        assert (span.traceparent, span.records) == (None, False)
        span.set("a", 1)
        span.set_text("b", "text")
        span.mark_failed("code")
        assert facts() == {}
    tracing.flush()
    tracing.stop()


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
        ({"EXPORTER_OTLP_HEADERS": "a=b"}, False),
        ({"TRACES_EXPORTER": "otlp"}, True),
        ({"TRACES_EXPORTER": "none", "EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"SDK_DISABLED": "true", "EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"SDK_DISABLED": " TRUE", "EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"SDK_DISABLED": "", "EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"SDK_DISABLED": "1", "EXPORTER_OTLP_ENDPOINT": "http://x"}, True),  # by the specification
        ({"SDK_DISABLED": "perhaps", "EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
    ],
)
@pytest.mark.usefixtures("no_variables")
def test_the_standard_variables_decide(variables, wanted, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    assert OtelSettings().wanted == wanted


@pytest.mark.parametrize(
    ("variables", "protocol"),
    [
        ({}, "http/protobuf"),
        ({"EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        ({"EXPORTER_OTLP_PROTOCOL": "grpc", "EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, "http/protobuf"),
        ({"EXPORTER_OTLP_PROTOCOL": ""}, "http/protobuf"),
    ],
)
@pytest.mark.usefixtures("no_variables")
def test_the_standard_variables_choose_the_protocol(variables, protocol, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    assert OtelSettings().protocol == protocol


@pytest.mark.usefixtures("no_variables")
def test_the_endpoint_of_traces_and_headers_are_those_of_the_variables(receiver, monkeypatch):
    path = "/v1/traces" if receiver.protocol == "http/protobuf" else ""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")  # the general one, which nobody serves
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", receiver.endpoint + path)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", receiver.protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=planners,authorization=Bearer%20abc")
    tracing = Tracing()
    assert tracing.start(ObservabilitySettings(), role="cli")
    with tracing.span("root"):
        pass
    tracing.stop()
    assert [each.name for each in receiver.spans] == ["root"]
    assert receiver.headers["x-team"] == "planners"
    assert receiver.headers["authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    ("sampler", "sent"), [("", 1), ("always_off", 0), ("traceidratio=0", 0), ("parentbased_traceidratio=1", 1)]
)
def test_the_standard_sampler_decides_which_traces_are_sent(receiver, start, sampler, sent, monkeypatch):
    name, _, share = sampler.partition("=")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", share)
    tracing = start()
    with tracing.span("root") as span:
        assert span.records == bool(sent)
        span.mark_failed("GEN-X")
    tracing.stop()
    assert len(receiver.spans) == sent


_PLAN = """
import sys
from genesis.cli.app import main
try: main(["plan", "Audit the repository at .", "--json"])
except SystemExit as end: assert not end.code, end.code
loaded = {name for name in sys.modules if name.startswith(("opentelemetry", "grpc", "prometheus_client"))}
print(*sorted({"opentelemetry.sdk", "grpc", "prometheus_client"} & loaded), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("variables", "loaded"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "opentelemetry.sdk"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, ""),
    ],
    ids=["off", "on", "disabled"],
)
@pytest.mark.usefixtures("no_variables")
def test_the_sdk_is_imported_only_where_traces_are_on(variables, loaded, tmp_path):
    environment = {**os.environ, "GENESIS_HOME": str(tmp_path), "OTEL_EXPORTER_OTLP_TIMEOUT": "1", **variables}
    done = subprocess.run(
        [sys.executable, "-c", _PLAN], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    assert done.stderr.splitlines()[-1:] == [loaded]


def test_a_plain_install_brings_what_traces_and_metrics_need():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    names = {Requirement(each).name for each in project["dependencies"]}
    wanted = {"httpx", "opentelemetry-exporter-otlp", "opentelemetry-sdk", "prometheus-client", "pydantic"}
    assert wanted <= names
    assert "otel" not in project["optional-dependencies"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"traces_exporter": "console"}, "OTEL_TRACES_EXPORTER is 'console'"),
        ({"exporter_otlp_endpoint": "http://x", "exporter_otlp_protocol": "http/json"}, "'http/json'"),
    ],
)
def test_what_there_is_not_is_said(variables, said):
    with pytest.raises(UsageError, match=said):
        Tracing().start(ObservabilitySettings(), role="cli", otel=OtelSettings(**variables))


def test_spans_arrive_with_their_parents_and_links(receiver, start):
    tracing = start()
    with bind_context(correlation_id="c"), tracing.span("root", {"n": 1, "none": None}, kind="server") as root:
        assert build_headers()["traceparent"] == root.traceparent
        assert facts()["trace_id"] == root.traceparent.split("-")[1]
        with tracing.span("inner", links=[PARENT, "garbage"]) as inner:
            inner.set("late", True)
    with tracing.span("far", parent=PARENT, kind="consumer"), tracing.span("nearer"):
        pass
    with tracing.span("new", parent="garbage"):
        pass
    tracing.stop()
    by = {each.name: each for each in receiver.spans}
    assert (by["root"].parent_id, by["root"].kind, by["root"].attributes) == ("", "server", {"n": 1})
    assert by["inner"].parent_id == by["root"].span_id
    assert by["inner"].trace_id == by["root"].trace_id
    assert by["inner"].attributes == {"late": True}
    assert by["inner"].links == ((PARENT.split("-")[1], PARENT.split("-")[2]),)
    assert (by["far"].trace_id, by["far"].parent_id) == tuple(PARENT.split("-")[1:3])
    assert by["nearer"].parent_id == by["far"].span_id
    assert by["new"].parent_id == ""
    assert by["root"].resource["genesis.role"] == "cli"
    assert by["root"].resource["process.pid"] == os.getpid()


def test_a_call_is_a_part_of_the_trace_that_it_came_with(receiver, start):
    tracing = start()
    with bind_context(traceparent=PARENT), tracing.span("root"), tracing.span("inner"):
        pass
    tracing.stop()
    by = {each.name: each for each in receiver.spans}
    assert (by["root"].trace_id, by["root"].parent_id) == tuple(PARENT.split("-")[1:3])
    assert by["inner"].parent_id == by["root"].span_id


def test_what_is_raised_marks_the_span_and_goes_on(receiver, start):
    tracing = start()
    with pytest.raises(TaskError), tracing.span("ours"):
        raise TaskError("the words of a person", code="GEN-TASK-EXIT")
    with pytest.raises(ZeroDivisionError), tracing.span("theirs"):
        raise ZeroDivisionError("the words of a library")
    tracing.stop()
    by = {each.name: each for each in receiver.spans}
    assert (by["ours"].status, by["ours"].attributes) == ("error", {"error.type": "GEN-TASK-EXIT"})
    assert by["theirs"].attributes == {"error.type": "ZeroDivisionError"}


@pytest.mark.parametrize("content", [True, False])
def test_what_people_write_is_in_a_span_only_where_it_is_switched_on(receiver, start, content):
    tracing = start(content=content)
    with tracing.span("x") as span:
        span.set_text("genesis.request", "the words of a person" * 1_000)
    tracing.stop()
    (found,) = receiver.spans
    assert ("genesis.request" in found.attributes) == content
    assert len(found.attributes.get("genesis.request", "")) <= 2_000


def test_the_decision_of_whoever_asks_holds(receiver, start, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    tracing = start()
    with tracing.span("recorded", parent=PARENT):
        pass
    with tracing.span("left out", parent=UNDRAWN) as span:
        assert span.traceparent.endswith("-00")
    tracing.stop()
    assert [each.name for each in receiver.spans] == ["recorded"]


def test_a_receiver_that_is_away_costs_spans_and_one_warning(monkeypatch, caplog, capfd):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    before = metrics_of_process().value(SPANS_DROPPED)
    tracing = Tracing()
    tracing.start(ObservabilitySettings(), role="cli")
    with caplog.at_level(logging.WARNING, "genesis"):
        for _ in range(3):
            with tracing.span("x"):
                pass
            tracing.flush(10)
        tracing.stop(10)
    assert metrics_of_process().value(SPANS_DROPPED) - before == 3
    said = [record.getMessage() for record in caplog.records if record.name.startswith("genesis")]
    assert said == ["spans cannot be sent, and are dropped"]
    assert capfd.readouterr() == ("", "")


_THEIRS = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from genesis.observability.tracing import Tracing
from genesis.settings import ObservabilitySettings
kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
tracing = Tracing()
assert tracing.start(ObservabilitySettings(), role="cli")
with trace.get_tracer("theirs").start_as_current_span("theirs"), tracing.span("ours"):
    pass
tracing.stop()
ours, theirs = kept.get_finished_spans()
assert ours.parent.span_id == theirs.context.span_id
"""


def test_the_provider_of_the_program_around_is_used_as_it_is():
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "otlp"}
    assert subprocess.run([sys.executable, "-c", _THEIRS], env=environment, check=False).returncode == 0
