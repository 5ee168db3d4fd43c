"""What an operator sees of a fleet: one trace over all processes, figures in a real Prometheus, an alert."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import httpx
import pytest
from passwords import share_password

from genesis.observability.instruments import list_exposed_names
from genesis.testing.llm_server import FakeLlmServer, reply
from genesis.testing.otlp import ReceivedSpan, TraceReceiver
from genesis.testing.services import ServiceMissingError, free_port

from .collector import collected  # type: ignore[import-not-found]
from .fleet import Fleet, until  # type: ignore[import-not-found]
from .monitoring import RULES, Prometheus, dashboard_queries, filled_in  # type: ignore[import-not-found]

pytestmark = [pytest.mark.server, pytest.mark.timeout(400), pytest.mark.xdist_group("observability")]

_AGENTS = {
    "agents": [
        {
            "name": "flaky_agent",
            "task_types": ["flaky"],
            "executor": {"kind": "python", "call": "work:second_time"},
        },
        {
            "name": "fetcher_agent",
            "task_types": ["fetch"],
            "success_rate": 0.9,
            "executor": {"kind": "python", "call": "work:nobody_answers"},
        },
        {
            "name": "spare_agent",
            "task_types": ["fetch"],
            "success_rate": 0.5,
            "executor": {"kind": "python", "call": "work:fetch"},
        },
        {"name": "writer_agent", "task_types": ["write"], "executor": {"kind": "llm"}},
        {
            "name": "teller_agent",
            "task_types": ["tell"],
            "executor": {"kind": "command", "argv": ["sh", "-c", "echo $TRACEPARENT $GENESIS_CORRELATION_ID"]},
        },
    ],
    "rules": [{"id": "fetchers-fetch", "when": {"type": "fetch"}, "then": "fetcher_agent"}],
}
_WORK = """\
from pathlib import Path


def second_time(marker):
    if not Path(marker).exists():
        Path(marker).touch()
        raise ConnectionError("not yet")
    return {"got": 2}


def nobody_answers(marker):
    if Path(marker).exists():
        return {"got": "it, after all"}
    raise ConnectionError("nobody answers")


def fetch(marker):
    return {"got": "it"}
"""
_SECRET = "hunter2-hunter2"


def _plan(fleet: Fleet, name: str) -> dict[str, Any]:
    marker, up = str(fleet.folder / f"marker-{name}"), str(fleet.folder / "is-up")
    tasks = [
        {"id": "flaky", "type": "flaky", "description": f"Try {_SECRET}", "retries": 2, "inputs": {"marker": marker}},
        {"id": "get", "type": "fetch", "description": "Get it", "inputs": {"marker": up}},
        {"id": "write", "type": "write", "description": "Write of it", "depends_on": ["get"]},
        {"id": "tell", "type": "tell", "description": "Tell", "depends_on": ["write"]},
    ]
    return {"version": 1, "request": f"Try and tell of {_SECRET}", "tasks": tasks}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TraceReceiver]:
    """Takes the traces of all processes, from a collector where there is one."""
    log = tmp_path_factory.mktemp("collector") / "log"
    with TraceReceiver("grpc") as made, collected(made, log) as made.variables:
        yield made


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, receiver: TraceReceiver) -> Iterator[Fleet]:
    """A fleet on the embedded server that is traced and measured."""
    from .conftest import Genesis  # type: ignore[import-not-found]

    folder = tmp_path_factory.mktemp("observed")
    (folder / "project").mkdir()
    genesis = Genesis(folder / "project")
    with FakeLlmServer([reply("It is written.")]) as model:
        settings = model.settings()
        genesis.environment |= {
            "GENESIS_HOME": str(share_password(folder / "home")),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_LOCAL_STORAGE_PATH": str(folder / "results"),
            "GENESIS_LLM__MODEL": settings.model or "",
            "GENESIS_LLM__BASE_URL": settings.base_url or "",
            "GENESIS_RESILIENCE__FAILURES": "2",
            "GENESIS_RESILIENCE__COOLING_S": "4",
            "GENESIS_RESILIENCE__SUCCESSES": "1",
            **receiver.variables,
        }
        up = genesis("server", "up", "--json")
        assert up.code == 0, up.err
        made = Fleet(genesis, up.document["api_url"])
        try:
            made.set_up(_AGENTS, _WORK)
            made.metrics_port = free_port()
            made.serve("--health-port", str(made.metrics_port))
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def traced(fleet: Fleet, receiver: TraceReceiver) -> tuple[dict[str, Any], list[ReceivedSpan]]:
    """A run over pools with a repeat and a fallback, with all its spans."""
    plan = fleet.genesis.write("plan.json", _plan(fleet, "traced"))
    words = ("run", plan, "--agents", "deployments/agents.yaml", "--pools", "--correlation-id", "order 66", "--json")
    ran = fleet.genesis(*words)
    assert ran.code == 0, ran.err
    assert ran.document["correlation_id"] == "order 66"

    def whole(spans: Sequence[ReceivedSpan]) -> bool:
        mine = [each for each in spans if each.attributes.get("genesis.correlation_id") == "order 66"]
        names = [each.name for each in mine]
        return {"genesis run", "genesis.worker.run", "invoke_agent teller_agent"} <= set(names) and names.count(
            "genesis.worker.run"
        ) == names.count("genesis.flow_run") >= 5

    spans = receiver.wait_for(whole)
    trace = next(each.trace_id for each in spans if each.name == "genesis run")
    return ran.document, [each for each in spans if each.trace_id == trace]


def test_one_trace_has_all_processes_with_the_right_parents(traced: tuple[dict[str, Any], list[ReceivedSpan]]) -> None:
    run, spans = traced
    by_id = {each.span_id: each for each in spans}
    roots = [each for each in spans if each.parent_id not in by_id]
    assert [each.name for each in roots] == ["genesis run"]
    parents = {
        (each.name.partition(" ")[0], by_id[each.parent_id].name.partition(" ")[0]) for each in spans if each.parent_id
    }
    assert parents == {
        ("genesis.route", "genesis"),
        ("genesis.validate", "genesis"),
        ("genesis.compile", "genesis"),
        ("genesis.run", "genesis"),
        ("genesis.task", "genesis.run"),
        ("genesis.dispatch", "genesis.task"),
        ("genesis.worker.run", "genesis.dispatch"),
        ("genesis.flow_run", "genesis.worker.run"),
        ("invoke_agent", "genesis.flow_run"),
        ("chat", "invoke_agent"),
    }
    processes = {each.resource["process.pid"]: each.resource["genesis.role"] for each in spans}
    assert set(processes.values()) == {"cli", "worker", "agent"}
    assert len(processes) >= 3
    assert {each.resource["service.name"] for each in spans} == {"genesis"}
    assert all(each.start_ns <= each.end_ns for each in spans)
    assert run["state"] == "completed"


def test_repeats_and_fallbacks_are_linked_to_the_time_before(traced: tuple[dict[str, Any], list[ReceivedSpan]]) -> None:
    _, spans = traced
    first, second = sorted(
        (each for each in spans if each.name == "invoke_agent flaky_agent"), key=lambda each: each.start_ns
    )
    assert (first.status, first.attributes["genesis.attempt"]) == ("error", 1)
    assert first.attributes["error.type"] == "ConnectionError"
    assert (second.status, second.attributes["genesis.attempt"]) == ("unset", 2)
    assert second.links == ((first.trace_id, first.span_id),)
    tasks = sorted(
        (each for each in spans if each.name == "genesis.task" and each.attributes["genesis.task.path"] == "get"),
        key=lambda each: each.start_ns,
    )
    assert [each.attributes["genesis.agent"] for each in tasks] == ["fetcher_agent", "spare_agent"]
    assert [each.status for each in tasks] == ["error", "unset"]
    assert tasks[1].links == ((tasks[0].trace_id, tasks[0].span_id),)


def test_the_model_call_follows_the_conventions(traced: tuple[dict[str, Any], list[ReceivedSpan]]) -> None:
    _, spans = traced
    (chat,) = [each for each in spans if each.name.startswith("chat ")]
    assert chat.kind == "client"
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.provider.name"] == "openai"
    assert (chat.attributes["gen_ai.usage.input_tokens"], chat.attributes["gen_ai.usage.output_tokens"]) == (100, 50)
    assert chat.attributes["server.address"] == "127.0.0.1"


def test_no_text_of_a_person_or_a_model_is_in_the_trace(traced: tuple[dict[str, Any], list[ReceivedSpan]]) -> None:
    _, spans = traced
    said = repr([each.attributes for each in spans])
    assert _SECRET not in said
    assert "not yet" not in said
    assert "It is written" not in said


def test_a_program_that_an_agent_runs_is_told_where_it_is(traced: tuple[dict[str, Any], list[ReceivedSpan]]) -> None:
    run, spans = traced
    (call,) = [each for each in spans if each.name == "invoke_agent teller_agent"]
    told = next(task["result"]["stdout"] for task in run["tasks"] if task["id"] == "tell")
    traceparent, _, correlation_id = told.strip().partition(" ")
    assert traceparent.split("-")[1:3] == [call.trace_id, call.span_id]
    assert correlation_id == "order 66"


def test_the_worker_shows_what_its_children_counted(
    fleet: Fleet, traced: tuple[dict[str, Any], list[ReceivedSpan]]
) -> None:
    text = httpx.get(f"http://127.0.0.1:{fleet.metrics_port}/metrics", timeout=20).text
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
    assert float(found['genesis_agent_calls_total{agent="teller_agent",outcome="ok"}']) == 1
    assert float(found['genesis_agent_calls_total{agent="flaky_agent",outcome="error"}']) == 1
    assert float(found['genesis_retries_total{decision="made",layer="attempt"}']) == 1
    assert float(found["genesis_worker_up"]) == 1
    assert float(found['genesis_dispatch_latency_seconds_count{pool="agent-teller"}']) == 1
    assert float(found['genesis_tasks_total{agent="spare_agent",state="completed"}']) == 1  # of the command, handed on
    assert float(found['genesis_runs_total{state="completed"}']) == 1
    assert float(found['genesis_task_detours_total{agent="spare_agent",kind="other"}']) == 1


@pytest.fixture(scope="module")
def prometheus(
    fleet: Fleet, traced: tuple[dict[str, Any], list[ReceivedSpan]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A real Prometheus that reads the worker; alerts wait for seconds where they would wait for minutes."""
    server = Prometheus(
        tmp_path_factory.mktemp("prometheus"),
        {"genesis-agents": [f"127.0.0.1:{fleet.metrics_port}"]},
        rules=RULES,
        faster=60,
    )
    try:
        with server:
            yield server
    except ServiceMissingError as error:
        pytest.skip(str(error))


def test_a_breaker_that_opens_fires_the_alert_and_its_closing_resolves_it(fleet: Fleet, prometheus: Prometheus) -> None:
    tasks = [
        {"id": f"get{n}", "type": "fetch", "description": "Get", "inputs": {"marker": str(fleet.folder / "is-up")},
         "agent": "fetcher_agent"}
        for n in range(3)
    ]  # fmt: skip
    plan = fleet.genesis.write("down.json", {"version": 1, "request": "Get it", "tasks": tasks})
    words = ("run", plan, "--agents", "deployments/agents.yaml", "--pools", "--json")
    failed = fleet.genesis(*words, env={"GENESIS_RESILIENCE__WAIT_S": "1"})
    assert failed.code == 1, failed.err
    until(lambda: "GenesisBreakerNotClosed" in prometheus.firing(), "the alert fires")
    (alert,) = [each for each in prometheus.alerts() if each["labels"]["alertname"] == "GenesisBreakerNotClosed"]
    assert alert["labels"]["name"] == "fetcher_agent"
    (fleet.folder / "is-up").touch()
    until(lambda: fleet.genesis(*words).code == 0, "the agent is well again")
    until(lambda: "GenesisBreakerNotClosed" not in prometheus.firing(), "the alert resolves")


def test_a_run_that_goes_on_is_linked_to_its_first_execution(fleet: Fleet, receiver: TraceReceiver) -> None:
    plan = {"version": 1, "request": "Fetch", "tasks": [{"id": "get", "type": "fetch", "description": "Get"}]}
    plan["tasks"][0] |= {"agent": "fetcher_agent", "inputs": {"marker": str(fleet.folder / "is-up-later")}}
    words = ("run", fleet.genesis.write("later.json", plan), "--agents", "deployments/agents.yaml", "--json")
    run = fleet.genesis(*words, "--correlation-id", "first", env={"GENESIS_RESILIENCE__WAIT_S": "1"}).document
    (fleet.folder / "is-up-later").touch()
    until(lambda: fleet.genesis("resume", run["run_id"], "--json").code == 0, "the agent is well again")
    spans = receiver.wait_for(lambda spans: sum(each.name == "genesis resume" for each in spans) >= 1)
    first = next(
        each for each in spans if each.name == "genesis run" and each.attributes["genesis.correlation_id"] == "first"
    )
    again = [
        each for each in spans if each.name == "genesis.run" and each.attributes["genesis.run.id"] == run["run_id"]
    ]
    resumed = max(again, key=lambda each: each.start_ns)
    assert resumed.trace_id != first.trace_id
    assert resumed.links == ((first.trace_id, first.span_id),)
    assert resumed.attributes["genesis.correlation_id"] == "first"


def test_every_metric_is_scraped_and_every_query_of_a_dashboard_is_answered(
    fleet: Fleet, prometheus: Prometheus
) -> None:
    bad = {"version": 1, "request": "r", "tasks": [{"id": "a", "type": "juggle", "description": "Juggle"}]}
    plan = fleet.genesis.write("bad.json", bad)
    assert fleet.genesis("run", plan, "--agents", "deployments/agents.yaml", "--json").code == 1
    assert fleet.genesis("plan", "Fetch the news and tell it", "--llm", "off", "--json").code in {0, 1}
    assert fleet.genesis("plan", " ", "--json").code == 2
    told = {"id": "tell", "type": "tell", "description": "Tell"}
    deployed = json.dumps({"version": 1, "request": "Tell", "tasks": [told]})
    fleet.prefect("deployment", "run", "orchestrate/default", "-p", f"plan={deployed}", "--watch")
    foreign = ("--job-variable", 'env={"GENESIS_HOME": "/tmp"}')
    fleet.prefect("deployment", "run", "orchestrate/default", "-p", f"plan={deployed}", *foreign)  # is refused
    with suppress(AssertionError):
        until(lambda: list_exposed_names() <= prometheus.names(), "every metric is there")
    assert list_exposed_names() - prometheus.names() == set()
    queries = {query for *_, query in dashboard_queries() if "prefect_" not in query}

    def find_unanswered() -> set[str]:
        fleet.genesis("plan", "Fetch the news and tell it", "--llm", "off", "--json")  # else there is no rate of plans
        return {query for query in queries if not prometheus.was_answered(filled_in(query))}

    with suppress(AssertionError):
        until(lambda: not find_unanswered(), "every query is answered")
    assert find_unanswered() == set()
    assert prometheus.problems() == {}
    trace_ids = {each["trace_id"] for each in prometheus.exemplars("genesis_agent_call_duration_seconds_bucket")}
    assert all(len(each) == 32 for each in trace_ids)
    assert trace_ids
