"""The dashboards are what their script writes, are valid, ask only for what there is, and agree with the alerts."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from deployments.grafana import build
from deployments.grafana.model import Dashboard, Panel, Query, Row
from deployments.grafana.render import Alert, rendered, selected
from genesis.observability.instruments import INSTRUMENTS, list_exposed_names

_ROOT = Path(__file__).parents[3]
_FOLDER = _ROOT / "deployments" / "grafana"
_FILES = sorted((_FOLDER / "dashboards").glob("*.json"))
_RULES = _ROOT / "deployments" / "prometheus" / "rules"
_OTHERS = {"up", "ALERTS"}
"""What Prometheus has by itself."""
_NAME = re.compile(r"\b(?:genesis[_:][\w:]*|prefect_\w+|up|ALERTS)\b")


def _documents():
    return {file.stem: json.loads(file.read_text("utf-8")) for file in _FILES}


def _panels():
    for name, document in _documents().items():
        for panel in document["panels"]:
            if panel["type"] != "row":
                yield name, panel


def _queries():
    return [(name, panel, target) for name, panel in _panels() for target in panel["targets"]]


def _read_recorded() -> set[str]:
    rules = yaml.safe_load((_RULES / "genesis.recording.yml").read_text("utf-8"))
    return {rule["record"] for group in rules["groups"] for rule in group["rules"]}


def _plain(expr: str) -> str:
    """Return a query as Prometheus gets it."""
    expr = expr.replace("$__rate_interval", "5m").replace("$__range", "6h")
    return re.sub(r"\$(?:job|instance|agent|pool)\b", ".*", expr)


def test_the_files_are_what_the_script_writes():
    assert {file.name: file.read_text("utf-8") for file in _FILES} == build.files(), (
        "run: python -m deployments.grafana.build"
    )


def test_there_are_three():
    assert {name: document["uid"] for name, document in _documents().items()} == {
        "overview": "genesis-overview",
        "agents": "genesis-agents",
        "plans": "genesis-plans",
    }


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_they_are_valid_by_the_schema(file):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(__file__).parent / "dashboard.schema.json").read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    errors = jsonschema.Draft7Validator(schema).iter_errors(json.loads(file.read_text("utf-8")))
    assert [f"{list(error.path)}: {error.message}" for error in errors] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda panel: panel.pop("description"),
        lambda panel: panel.update(type="graph"),
        lambda panel: panel["targets"][0].update(expression="up"),
        lambda panel: panel["fieldConfig"]["defaults"].update(unit="seconds"),
    ],
)
def test_the_schema_refuses_what_is_wrong(spoil):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(__file__).parent / "dashboard.schema.json").read_text("utf-8"))
    document = _documents()["overview"]
    spoil(document["panels"][1])
    assert not jsonschema.Draft7Validator(schema).is_valid(document)


def test_panels_have_numbers_of_their_own_and_do_not_overlap():
    for name, document in _documents().items():
        numbers = [panel["id"] for panel in document["panels"]]
        assert len(numbers) == len(set(numbers)), name
        for first, second in combinations(document["panels"], 2):
            one, other = first["gridPos"], second["gridPos"]
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert beside or below, f"{name}: {first['title']} and {second['title']}"
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in document["panels"])


def test_titles_on_a_row_of_a_dashboard_differ():
    for name, document in _documents().items():
        titles = [panel["title"] for panel in document["panels"] if panel["type"] == "row"]
        assert len(titles) == len(set(titles)), name


def test_queries_ask_only_for_what_is_exposed_or_recorded():
    known = list_exposed_names() | _read_recorded() | _OTHERS
    for name, panel, target in _queries():
        asked = set(_NAME.findall(_plain(target["expr"]).replace('job=~"genesis.*|prefect.*|otel.*"', "")))
        assert asked, target["expr"]
        assert asked <= known, f"{name}: {panel['title']}"


def test_every_metric_is_on_a_dashboard():
    text = " ".join(target["expr"] for _, _, target in _queries())
    used_by_rules = (_RULES / "genesis.recording.yml").read_text("utf-8")
    recorded = {name for name in _read_recorded() if name in text}
    missing = [
        each.name
        for each in INSTRUMENTS
        if each.name not in text
        and not (each.name in used_by_rules and any(each.name[8:-6] in name for name in recorded))
    ]
    assert missing == []


def test_labels_of_queries_are_labels_of_their_metrics():
    labels = {each.name: set(each.labels) | {"job", "instance"} for each in INSTRUMENTS}
    for each in INSTRUMENTS:
        if each.kind == "histogram":
            labels[f"{each.name}_bucket"] = labels[each.name] | {"le"}
    for name, panel, target in _queries():
        for metric, selector in re.findall(r"(genesis_\w+)\{([^}]*)\}", target["expr"]):
            used = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)"', selector))
            assert used <= labels[metric], f"{name}: {panel['title']}: {metric}"
        metrics = re.findall(r"genesis_\w+", target["expr"])
        for grouped in re.findall(r"\bby \(([^)]*)\)", target["expr"]):
            wanted = {label.strip() for label in grouped.split(",")}
            assert any(wanted <= labels[metric] for metric in metrics), f"{name}: {panel['title']}: {grouped}"


def test_legends_name_labels_that_the_query_keeps():
    for name, panel, target in _queries():
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = {
            label.strip() for group in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in group.split(",")
        }
        if "by (" in target["expr"]:
            assert shown <= kept, f"{name}: {panel['title']}"


def test_every_query_is_promql(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    rules = [
        {"record": f"query:{place}", "expr": _plain(target["expr"])} for place, (_, _, target) in enumerate(_queries())
    ]
    assert len(rules) > 60
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), "utf-8")
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_thresholds_are_those_of_the_alerts():
    alerts = build.alerts()
    shown = set()
    for dashboard in build.DASHBOARDS:
        document = _documents()[dashboard.name]
        panels = [panel for panel in document["panels"] if panel["type"] != "row"]
        for panel, made in zip((each for row in dashboard.rows for each in row.panels), panels, strict=True):
            steps = made["fieldConfig"]["defaults"]["thresholds"]["steps"]
            if panel.alert is None:
                continue
            alert = alerts[panel.alert]
            shown.add(panel.alert)
            assert steps[1]["value"] == pytest.approx(alert.threshold, abs=1e-6)
            assert steps[1]["color"] == ("red" if alert.side == "above" else "green")
            assert made["links"][0]["url"] == f"${{runbooks}}/{alert.runbook}"
    assert set(alerts) - shown == {"GenesisMetricsMissing"}, "an alert whose signal is nowhere to be seen"


@pytest.mark.parametrize(
    ("name", "side", "threshold"),
    [
        ("GenesisRunsFailing", "above", 0.1),
        ("GenesisRoutingSlow", "above", 0.15),
        ("GenesisQualityLow", "below", 0.6),
        ("GenesisWorkerSilent", "below", 1),
        ("GenesisQueueGrowing", "above", 10),
        ("GenesisBreakerNotClosed", "above", 0),
    ],
)
def test_thresholds_are_read_from_the_rules(name, side, threshold):
    alert = build.alerts()[name]
    assert (alert.side, alert.threshold) == (side, threshold)


def test_a_value_that_an_alert_lets_pass_is_not_red():
    alert = Alert("A", "above", 0, "a.md")
    panel = Panel("Title", "What it shows, at length.", (Query("up", "up"),), alert="A")
    document = rendered(Dashboard("one", "One", "One.", (Row("Row", (panel,)),)), alerts={"A": alert}, runbooks="/r")
    steps = document["panels"][1]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps[0] == {"color": "green", "value": None}
    assert steps[1]["value"] > 0


def test_exemplars_are_asked_of_duration_histograms_and_of_nothing_else():
    asked = set()
    for name, panel, target in _queries():
        if target["exemplar"]:
            assert "_seconds_bucket{" in target["expr"], f"{name}: {panel['title']}"
            asked |= set(re.findall(r"(genesis_\w+)_bucket", target["expr"]))
    assert asked == {each.name for each in INSTRUMENTS if each.kind == "histogram" and "seconds" in each.name}


def test_seconds_are_shown_as_seconds_and_shares_as_percent():
    for name, panel in _panels():
        exprs = " ".join(target["expr"] for target in panel["targets"])
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if "quantile" in exprs and "seconds" in exprs:
            assert unit == "s", f"{name}: {panel['title']}"
        if "cost_usd" in exprs:
            assert unit == "currencyUSD", f"{name}: {panel['title']}"
        if "error_ratio" in exprs:
            assert unit == "percentunit", f"{name}: {panel['title']}"
        if "3600 * " in exprs:
            assert unit == "suffix: /h", f"{name}: {panel['title']}"
        elif "60 * " in exprs:
            assert unit == "cpm", f"{name}: {panel['title']}"


def test_variables_are_used_and_those_used_are_there():
    for name, document in _documents().items():
        there = {variable["name"] for variable in document["templating"]["list"]}
        text = json.dumps({key: value for key, value in document.items() if key != "templating"})
        used = set(re.findall(r"\$\{?([a-z]+)\b", text))
        assert used == there, name
        for variable in document["templating"]["list"]:
            if variable["type"] == "query":
                assert variable["allValue"] == ".*", "a series without the label belongs to all"


def test_dashboards_link_to_each_other_and_to_the_runbooks():
    for document in _documents().values():
        kinds = {link["type"]: link for link in document["links"]}
        assert kinds["dashboards"]["tags"] == document["tags"]
        assert kinds["link"]["url"] == "${runbooks}/index.md"


def test_the_data_sources_are_those_of_the_compose_file(compose):
    provisioned = yaml.safe_load((_FOLDER / "provisioning" / "datasources" / "genesis.yaml").read_text("utf-8"))
    sources = {source["type"]: source for source in provisioned["datasources"]}
    for source in sources.values():
        host = re.fullmatch(r"http://(\w+):\d+", source["url"])[1]
        assert host in compose["services"]
    to = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"][0]
    assert to["name"] == "trace_id"
    assert to["datasourceUid"] == sources["jaeger"]["uid"]


def test_the_dashboards_are_provisioned_from_where_they_are_mounted(compose):
    provisioned = yaml.safe_load((_FOLDER / "provisioning" / "dashboards" / "genesis.yaml").read_text("utf-8"))
    (provider,) = provisioned["providers"]
    mounted = dict(reversed(each.split(":")[:2]) for each in compose["services"]["grafana"]["volumes"])
    source = mounted[provider["options"]["path"]]
    assert (_ROOT / "docker" / source).resolve() == _FOLDER / "dashboards"
    assert (_ROOT / "docker" / mounted["/etc/grafana/provisioning"]).resolve() == _FOLDER / "provisioning"


def test_the_script_writes_where_it_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["build", "--out", str(tmp_path / "new"), "--runbooks", "https://docs.example"])
    build._main()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["agents.json", "overview.json", "plans.json"]
    assert '"https://docs.example"' in (tmp_path / "new" / "plans.json").read_text("utf-8")
    assert "plans.json" in capsys.readouterr().out


def test_choices_are_put_into_selectors():
    assert selected('a{@agent, b="c"} + d{@}') == (
        'a{job=~"$job", instance=~"$instance", agent=~"$agent", b="c"} + d{job=~"$job", instance=~"$instance"}'
    )
    with pytest.raises(KeyError):
        selected("a{@nobody}")
