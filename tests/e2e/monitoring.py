"""A real Prometheus for tests, with our rules made quick, and the questions that dashboards and alerts ask it.

```python
with Prometheus(tmp_path, {"genesis-agents": ["127.0.0.1:8080"]}, faster=240) as prometheus:
    prometheus.query("sum(genesis_tasks_running)")  # [Sample(labels={}, value=3.0)]
    prometheus.firing()  # {"GenesisBreakerNotClosed"}
```
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

from genesis.errors import ServiceError
from genesis.testing.services import ServiceMissingError, free_port

__all__ = ["RULES", "Prometheus", "Sample", "dashboard_queries", "filled_in", "quickened"]

_ROOT = Path(__file__).parents[2]
RULES = _ROOT / "deployments" / "prometheus" / "rules"
_DASHBOARDS = _ROOT / "deployments" / "grafana" / "dashboards"
_RUNBOOKS = _ROOT / "docs" / "runbooks"

_READY_S = 30.0
_POLL_S = 0.05
_SHORTEST_RANGE_S = 5.0
"""A rate over less than a few scrapes has no value."""
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = r"(?:\d+(?:ms|[smhdw]))+"


class Sample(NamedTuple):
    """One series of an answer, at one moment."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """A Prometheus of the system, on a free port of loopback, that scrapes each second.

    Args:
        folder: For its configuration, its data and its log.
        targets: Addresses by job, `{"genesis-agents": ["127.0.0.1:8080"]}`; alerts know jobs by their names.
        rules: Folder of rules, or None for none.
        faster: By what the times in rules are divided: 60 makes `for: 5m` five seconds, and `[1h]` a minute.
    """

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, Sequence[str]],
        *,
        rules: Path | None = RULES,
        faster: float = 60.0,
    ):
        self.folder = folder
        self.url = ""
        self._targets = targets
        self._rules = rules
        self._faster = faster
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            ServiceMissingError: Prometheus is not installed.
            ServiceError: It ended, or was not ready in time; the message has the end of its log.
        """
        program = shutil.which("prometheus")
        if program is None:
            raise ServiceMissingError("Prometheus is not installed", hint="apt-get install prometheus")
        self.folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        log = self.folder / "prometheus.log"
        with log.open("ab") as written:
            self._process = subprocess.Popen(
                [program, *self._options(port)], stdin=subprocess.DEVNULL, stdout=written, stderr=written
            )
        until = time.monotonic() + _READY_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                said = log.read_text(errors="replace")[-2_000:]
                raise ServiceError(f"Prometheus was not ready within {_READY_S:g} s; its log ends with:\n{said}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End it. Harmless when it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def query(self, expr: str) -> list[Sample]:
        """Ask for the value of an expression now; a scalar is a sample without labels.

        Raises:
            ServiceError: The expression cannot be evaluated; the message has Prometheus' reason.
        """
        data = self._ask("query", query=expr)
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(each["metric"], float(each["value"][1])) for each in data["result"]]

    def was_answered(self, expr: str) -> bool:
        """Whether an expression had a value in the last five minutes; that of a rate goes with what it counts."""
        return bool(self.query(f"last_over_time(({expr})[5m:1s])"))

    def names(self) -> set[str]:
        """Return the names of all series that were scraped or recorded."""
        return set(self._ask("label/__name__/values"))

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or fire: `{labels, annotations, state, activeAt, value}`."""
        return list(self._ask("alerts")["alerts"])

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {each["labels"]["alertname"] for each in self.alerts() if each["state"] == "firing"}

    def targets(self) -> dict[str, str]:
        """Return the health of each target, `up`, `down` or `unknown`, by its address."""
        return {each["labels"]["instance"]: each["health"] for each in self._ask("targets")["activeTargets"]}

    def problems(self) -> dict[str, str]:
        """Return what went wrong in the last scrape of each target, by its address, and in each rule, by its name."""
        scrapes = {each["labels"]["instance"]: each["lastError"] for each in self._ask("targets")["activeTargets"]}
        groups = self._ask("rules")["groups"]
        rules = {rule["name"]: rule.get("lastError", "") for group in groups for rule in group["rules"]}
        return {name: error for name, error in {**scrapes, **rules}.items() if error}

    def exemplars(self, expr: str) -> list[dict[str, str]]:
        """Return the labels of the exemplars of an expression's series in the last ten minutes."""
        now = time.time()
        data = self._ask("query_exemplars", query=expr, start=str(now - 600), end=str(now + 60))
        return [exemplar["labels"] for series in data for exemplar in series["exemplars"]]

    def page(self, path: str) -> str:
        """Get a page of its own, `/user/index.md`."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as response:
            return str(response.read().decode())

    def _options(self, port: int) -> list[str]:
        rules = []
        for file in sorted(self._rules.glob("*.yml")) if self._rules else []:
            (self.folder / file.name).write_text(quickened(file.read_text(encoding="utf-8"), self._faster), "utf-8")
            rules.append(file.name)
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": rules,
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses in self._targets.items()
            ],
        }
        (self.folder / "prometheus.yml").write_text(json.dumps(configuration), encoding="utf-8")
        return [
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--web.external-url={self.url}",
            f"--web.user-assets={_RUNBOOKS}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ]

    def _is_ready(self) -> bool:
        try:
            self.page("/-/ready")
        except OSError:
            return False
        return True

    def _ask(self, path: str, **parameters: str) -> Any:
        data = urllib.parse.urlencode(parameters).encode() if parameters else None
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data=data, timeout=10) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            with error:
                reason = error.read().decode(errors="replace")
            raise ServiceError(f"Prometheus refuses {parameters.get('query', path)!r}: {reason}") from error


def quickened(rules: str, faster: float) -> str:
    """Divide the times in a file of rules: `for`, ranges and offsets.

    Ranges stay long enough for a few scrapes a second apart.

    Args:
        rules: The file's text.
        faster: The divisor.
    """
    document = yaml.safe_load(rules)
    for group in document["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = _render(_seconds(rule["for"]) / faster)
            rule["expr"] = _quick(rule["expr"], faster)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _quick(expr: str, faster: float) -> str:
    def query_range(found: re.Match[str]) -> str:
        return f"[{_render(max(_SHORTEST_RANGE_S, _seconds(found[1]) / faster))}]"

    expr = re.sub(rf"\[({_DURATION})\]", query_range, expr)
    return re.sub(rf"offset ({_DURATION})", lambda found: f"offset {_render(_seconds(found[1]) / faster)}", expr)


def _seconds(duration: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdw])", duration))


def _render(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def filled_in(expr: str, *, window: str = "10s", span: str = "1m") -> str:
    """Put values in for Grafana's variables: everything is chosen.

    Args:
        expr: A query of a dashboard.
        window: For `$__rate_interval`: at least four scrapes.
        span: For `$__range`: the time that a dashboard shows.
    """
    expr = expr.replace("$__rate_interval", window).replace("$__range", span)
    return re.sub(r"\$(?:job|instance|agent|pool)\b", ".*", expr)


def dashboard_queries() -> Iterator[tuple[str, str, str]]:
    """Return every query of every dashboard: dashboard, panel, expression."""
    for file in sorted(_DASHBOARDS.glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                yield file.stem, panel["title"], target["expr"]
