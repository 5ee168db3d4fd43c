"""Dashboards and alerts against a real Prometheus that scrapes made-up workers, first well, then ill, then fixed."""

import itertools
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from monitoring import RULES, Prometheus, dashboard_queries, filled_in, quickened

from genesis.errors import ServiceError
from genesis.observability.instruments import INSTRUMENTS, list_exposed_names
from genesis.testing.services import ServiceMissingError, free_port

_VALUES = {
    "agent": ("qa_agent", "ml_agent"),
    "by": ("rule", "capability"),
    "category": ("timeout",),
    "code": ("GEN-CYCLE", "GEN-UNASSIGNED"),
    "decision": ("made", "refused"),
    "direction": ("in", "out"),
    "from": ("llm",),
    "kind": ("agent",),
    "layer": ("planning",),
    "level": ("info", "error"),
    "model": ("gpt-5-mini",),
    "name": ("qa_agent",),
    "outcome": ("completed", "failed"),
    "planner": ("llm", "heuristic"),
    "pool": ("agent-qa",),
    "rule": ("ml-code",),
    "severity": ("error", "warning"),
    "stage": ("plan", "route", "validate", "compile"),
    "state": ("completed", "failed"),
    "to": ("heuristic",),
    "version": ("0.1.0",),
    "what": ("env", "pull_steps"),
}
_WELL = {"genesis_worker_up": 1.0, "genesis_build_info": 1.0, "genesis_tasks_running": 3.0, "genesis_runs_active": 1.0}
"""What gauges show where all is well; the others show zero."""
_BAD = (
    "genesis_steps_down_total", "genesis_tasks_unassigned_total", "genesis_series_dropped_total",
    "genesis_spans_dropped_total",
)  # fmt: skip
"""Counters that stand still where all is well."""
_TRACE = "0af7651916cd43dd8448eb211c80319c"


class _Worker:
    """A page with a value for every instrument; with each scrape, counters grow and histograms get one observation."""

    def __init__(self) -> None:
        self.gauges: dict[str, float] = dict(_WELL)
        self.ill = False
        self.foreign = False
        self._lock = threading.Lock()
        self._counts: dict[str, float] = {}
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def open(self) -> None:
        worker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = worker.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port or free_port()), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def page(self) -> str:
        with self._lock:
            lines = list(self._lines())
        return "\n".join([*lines, "# EOF", ""])

    def _lines(self):
        if self.foreign:
            yield from ("# TYPE other gauge", "other 1")
            return
        for each in INSTRUMENTS:
            yield f"# TYPE {each.name.removesuffix('_total')} {each.kind}"
            for values in itertools.product(*(_VALUES[label] for label in each.labels)):
                labels = ",".join(f'{name}="{value}"' for name, value in zip(each.labels, values, strict=True))
                if each.kind == "gauge":
                    yield f"{each.name}{{{labels}}} {self.gauges.get(each.name, 0.0)}"
                elif each.kind == "counter":
                    yield f"{each.name}{{{labels}}} {self._more(each.name + labels, self._growth(each.name, values))}"
                else:
                    yield from self._histogram(each, labels)

    def _growth(self, name: str, values: tuple[str, ...]) -> float:
        if name in _BAD or (name in {"genesis_runs_total", "genesis_tasks_total"} and "failed" in values):
            return 2.0 if self.ill else 0.0
        if name == "genesis_cost_usd_total":
            return 2.0 if self.ill else 0.001
        return 1.0

    def _histogram(self, each, labels):
        fits = each.buckets.index(0.2) if "quality" in each.name else 2
        observed = len(each.buckets) - 1 if self.ill and "stage" in each.name else fits
        if "quality" in each.name and not self.ill:
            observed = each.buckets.index(0.9)
        value = each.buckets[observed]
        for place, bound in enumerate(each.buckets):
            count = self._more(f"{each.name}{labels}{bound}", float(place >= observed))
            exemplar = f' # {{trace_id="{_TRACE}"}} {value}' if place == observed else ""
            yield f'{each.name}_bucket{{{labels}{"," if labels else ""}le="{bound}"}} {count}{exemplar}'
        total = self._more(f"{each.name}{labels}count", 1.0)
        yield f'{each.name}_bucket{{{labels}{"," if labels else ""}le="+Inf"}} {total}'
        yield f"{each.name}_count{{{labels}}} {total}"
        yield f"{each.name}_sum{{{labels}}} {self._more(f'{each.name}{labels}sum', value)}"

    def _more(self, key: str, by: float) -> float:
        self._counts[key] = self._counts.get(key, 0.0) + by
        return self._counts[key]


@pytest.fixture
def workers():
    made = [_Worker() for _ in range(4)]
    for worker in made:
        worker.open()
    yield made
    for worker in made:
        worker.close()


def _rules():
    for file in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(quickened(file.read_text(encoding="utf-8"), 240))["groups"]:
            yield from group["rules"]


def _all_alerts() -> set[str]:
    return {rule["alert"] for rule in _rules() if "alert" in rule}


@pytest.mark.timeout(240)
def test_dashboards_have_data_and_alerts_fire_and_resolve(workers, tmp_path, eventually):
    jobs = {"genesis-agents": [worker.address for worker in workers]}
    try:
        prometheus = Prometheus(tmp_path / "prometheus", jobs, faster=240)
        prometheus.start()
    except ServiceMissingError as error:
        pytest.skip(str(error))
    try:
        _see_workers_that_are_well(prometheus, eventually)
        _see_every_alert(prometheus, workers, eventually)
        _see_the_breaker_close(prometheus, workers, eventually)
    finally:
        prometheus.stop()


def _see_workers_that_are_well(prometheus: Prometheus, eventually) -> None:
    eventually(lambda: set(prometheus.targets().values()) == {"up"}, what="all targets are scraped")
    recorded = {rule["record"] for rule in _rules() if "record" in rule}
    eventually(lambda: recorded | list_exposed_names() <= prometheus.names(), what="all series are there")
    eventually(lambda: prometheus.query("min(count_over_time(up[1m])) > 15"), what="some time has gone by")
    assert prometheus.problems() == {}
    for dashboard, panel, expr in dashboard_queries():
        assert prometheus.query(filled_in(expr)), f"{dashboard}: {panel}: {expr}"
    # A scrape that came too late on a busy machine is over with the next one.
    for rule in (rule for rule in _rules() if "alert" in rule):
        eventually(
            lambda expr=rule["expr"]: prometheus.query(expr) == [], what=f"{rule['alert']} has no reason to fire"
        )
    eventually(lambda: prometheus.alerts() == [], what="no alert is pending")
    assert {"trace_id": _TRACE} in prometheus.exemplars("genesis_run_duration_seconds_bucket")


def _see_every_alert(prometheus: Prometheus, workers: list[_Worker], eventually) -> None:
    first, second, third, fourth = workers
    for worker in workers:
        worker.ill = True
    queue = {"genesis_dispatch_queue_depth": 40.0, "genesis_breaker_state": 2.0, "genesis_worker_up": 0.0}
    first.gauges |= queue
    second.gauges["genesis_worker_api_away_seconds"] = 120.0
    third.close()
    fourth.foreign = True
    eventually(lambda: prometheus.firing() == _all_alerts(), what=f"all but {prometheus.firing()} fire")
    assert prometheus.problems().keys() == {third.address}
    for alert in prometheus.alerts():
        runbook = alert["annotations"]["runbook_url"].removeprefix(prometheus.url)
        assert prometheus.page(runbook).startswith(f"# {alert['labels']['alertname']}")


def _see_the_breaker_close(prometheus: Prometheus, workers: list[_Worker], eventually) -> None:
    workers[0].gauges["genesis_breaker_state"] = 0.0
    eventually(lambda: "GenesisBreakerNotClosed" not in prometheus.firing(), what="the breaker's alert resolves")
    assert "GenesisWorkerSilent" in prometheus.firing()


def test_an_expression_that_makes_no_sense_is_refused_with_the_reason(tmp_path):
    with suppress(ServiceMissingError), Prometheus(tmp_path, {}, rules=None) as prometheus:
        with pytest.raises(ServiceError, match="parse error"):
            prometheus.query("sum(")
        assert prometheus.query("vector(2)")[0].value == 2
        assert prometheus.query("1 + 1")[0].value == 2


def test_rules_are_made_quick_and_keep_ranges_that_have_a_rate():
    rules = "groups: [{name: g, interval: 1m, rules: [{alert: A, for: 1h30m, expr: 'rate(a[1h]) > b[1m] offset 2m'}]}]"
    (group,) = yaml.safe_load(quickened(rules, 60))["groups"]
    assert group == {
        "name": "g",
        "rules": [{"alert": "A", "for": "90000ms", "expr": "rate(a[60000ms]) > b[5000ms] offset 2000ms"}],
    }


def test_variables_of_dashboards_are_filled_in():
    expr = 'rate(a{job=~"$job", agent=~"$agent"}[$__rate_interval]) + b[$__range]'
    assert filled_in(expr) == 'rate(a{job=~".*", agent=~".*"}[10s]) + b[1m]'
    assert not [expr for _, _, expr in dashboard_queries() if "$" in filled_in(expr)]
