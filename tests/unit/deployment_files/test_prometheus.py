"""Prometheus takes the configuration and the rules; each alert has tests, and a runbook."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from genesis.observability.instruments import INSTRUMENTS, list_exposed_names

_ROOT = Path(__file__).parents[3]
_FOLDER = _ROOT / "deployments" / "prometheus"
_RULES = sorted((_FOLDER / "rules").glob("*.yml"))
_TESTS = sorted((_FOLDER / "tests").glob("*.yml"))
_RUNBOOKS = _ROOT / "docs" / "runbooks"
_PASSWORD_FILE = "/run/prometheus/prefect-password"


@pytest.fixture(scope="session")
def promtool():
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")

    def call(*words, cwd=_FOLDER):
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False, cwd=cwd)
        return done.returncode, done.stdout + done.stderr

    return call


def _rules():
    return [
        rule
        for file in _RULES
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


def _alerts():
    return {rule["alert"]: rule for rule in _rules() if "alert" in rule}


def _tests():
    return [test for file in _TESTS for test in yaml.safe_load(file.read_text("utf-8"))["tests"]]


def test_the_rules_are_valid(promtool):
    code, said = promtool("check", "rules", *_RULES)
    assert code == 0, said


@pytest.mark.parametrize("name", ["prometheus.yml", "local.yml"])
def test_the_configuration_is_valid(name, promtool, tmp_path):
    shutil.copytree(_FOLDER, tmp_path / "prometheus")
    (tmp_path / "password").touch()
    file = tmp_path / "prometheus" / name
    file.write_text(file.read_text("utf-8").replace(_PASSWORD_FILE, str(tmp_path / "password")), "utf-8")
    code, said = promtool("check", "config", file)
    assert code == 0, said
    assert f"{len(_RULES)} rule files found" in said


@pytest.mark.parametrize("file", _TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_not_otherwise(file, promtool):
    code, said = promtool("test", "rules", file)
    assert code == 0, said


def test_a_fault_in_a_rule_would_be_found(promtool, tmp_path):
    shutil.copytree(_FOLDER, tmp_path / "prometheus")
    rules = tmp_path / "prometheus" / "rules" / "genesis.alerts.yml"
    rules.write_text(rules.read_text("utf-8").replace("genesis:breaker_state:max > 0", "genesis:breaker_state:max > 1"))
    code, said = promtool("test", "rules", tmp_path / "prometheus" / "tests" / "work.yml")
    assert code != 0
    assert "GenesisBreakerNotClosed" in said


def test_an_alert_on_an_idle_fleet_would_be_found(promtool, tmp_path):
    shutil.copytree(_FOLDER, tmp_path / "prometheus")
    rules = tmp_path / "prometheus" / "rules" / "genesis.alerts.yml"
    rules.write_text(
        rules.read_text("utf-8").replace("genesis:breaker_state:max > 0", "genesis:breaker_state:max >= 0")
    )
    assert promtool("test", "rules", tmp_path / "prometheus" / "tests" / "healthy.yml")[0] != 0


@pytest.mark.parametrize("name", _alerts())
def test_every_alert_is_seen_to_fire_and_to_end(name):
    for test in _tests():
        asked = [each for each in test.get("alert_rule_test", []) if each["alertname"] == name]
        fired = [place for place, each in enumerate(asked) if each["exp_alerts"]]
        if fired and any(not each["exp_alerts"] for each in asked[fired[-1] + 1 :]):
            return
    pytest.fail(f"no test sees {name} fire and end")


def test_the_idle_fleet_of_the_tests_has_every_metric_that_alerts_read():
    read = set(re.findall(r"\bgenesis_\w+|\bup\b", " ".join(rule["expr"] for rule in _rules())))
    idle = " ".join(series["series"] for series in _tests()[_first_idle()]["input_series"])
    needed_for_panels_only = {"genesis_dispatch_latency_seconds_bucket"}
    assert {name for name in read if name not in idle} <= needed_for_panels_only


def _first_idle() -> int:
    return next(place for place, test in enumerate(_tests()) if test["name"].startswith("an idle fleet"))


def test_rules_read_only_what_is_exposed_or_recorded():
    known = list_exposed_names() | {rule["record"] for rule in _rules() if "record" in rule} | {"up"}
    for rule in _rules():
        expr = re.sub(r'"[^"]*"', '""', rule["expr"])
        assert set(re.findall(r"\bgenesis[_:][\w:]+|\bup\b", expr)) <= known, rule


def test_labels_of_rules_are_labels_of_their_metrics():
    labels = {name: set(each.labels) for each in INSTRUMENTS for name in _series(each)}
    for rule in _rules():
        for metric, selector in re.findall(r"(genesis_\w+)\{([^}]*)\}", rule["expr"]):
            assert set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)"', selector)) <= labels[metric], rule


def _series(each) -> list[str]:
    return [f"{each.name}{end}" for end in ("", "_bucket", "_sum", "_count")]


def test_the_bound_of_routing_and_of_planning_is_a_bucket():
    (stage,) = [each for each in INSTRUMENTS if each.name == "genesis_stage_duration_seconds"]
    assert {0.15, 30.0} <= set(stage.buckets)


@pytest.mark.parametrize("name", _alerts())
def test_every_alert_says_what_and_where_to_read_on(name):
    rule = _alerts()[name]
    assert name.startswith("Genesis")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert "$value" in notes["description"] or "$labels" in notes["description"]
    place = re.fullmatch(r"\{\{ \$externalURL \}\}/user/([a-z-]+\.md)", notes["runbook_url"])
    assert place, notes["runbook_url"]
    text = (_RUNBOOKS / place[1]).read_text("utf-8")
    assert text.startswith(f"# {name}\n")
    assert f"**{rule['labels']['severity'].capitalize()}**" in text
    for heading in ("## Look", "## Do", "## It resolves"):
        assert f"\n{heading}\n" in text
    assert "```promql" in text


def test_every_runbook_belongs_to_an_alert_and_is_in_the_list():
    books = {rule["annotations"]["runbook_url"].rpartition("/")[2] for rule in _alerts().values()}
    assert {path.name for path in _RUNBOOKS.glob("*.md")} == books | {"index.md"}
    rows = re.findall(
        r"^\| \[(\w+)\]\(([a-z-]+\.md)\) \| (\w+) \|", (_RUNBOOKS / "index.md").read_text("utf-8"), re.MULTILINE
    )
    assert rows == [
        (name, rule["annotations"]["runbook_url"].rpartition("/")[2], rule["labels"]["severity"])
        for name, rule in _alerts().items()
    ]


def test_questions_in_runbooks_are_promql_and_ask_for_what_there_is(promtool, tmp_path):
    known = list_exposed_names() | {rule["record"] for rule in _rules() if "record" in rule} | {"up"}
    rules = []
    for page in sorted(_RUNBOOKS.glob("*.md")):
        for block in re.findall(r"```promql\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            rules += [
                {"record": f"q:{len(rules) + place}", "expr": line} for place, line in enumerate(block.splitlines())
            ]
    for rule in rules:
        expr = re.sub(r'"[^"]*"', '""', rule["expr"])
        assert set(re.findall(r"\bgenesis[_:][\w:]+|\bup\b", expr)) <= known, rule["expr"]
    file = tmp_path / "questions.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": rules}]}), "utf-8")
    code, said = promtool("check", "rules", file)
    assert code == 0, said


def test_jobs_of_workers_are_known_to_the_alerts():
    compose = yaml.safe_load((_FOLDER / "prometheus.yml").read_text("utf-8"))
    jobs = [each["job_name"] for each in compose["scrape_configs"]]
    assert jobs == ["genesis-orchestrator", "genesis-agents", "prefect", "otel-collector", "prometheus"]
    local = yaml.safe_load((_FOLDER / "local.yml").read_text("utf-8"))
    assert [each["job_name"] for each in local["scrape_configs"]] == ["genesis-worker", "local-runs"]


def test_targets_are_services_and_their_ports(compose):
    configuration = yaml.safe_load((_FOLDER / "prometheus.yml").read_text("utf-8"))
    services = compose["services"]
    for job in configuration["scrape_configs"]:
        for found in job.get("dns_sd_configs", ()):
            for name in found["names"]:
                command = services[name]["command"]
                assert command[command.index("--health-port") + 1] == str(found["port"])
                assert command[command.index("--health-host") + 1] == "0.0.0.0"
        for static in job.get("static_configs", ()):
            for target in static["targets"]:
                host = target.rpartition(":")[0]
                assert host in services or host == "127.0.0.1"


def test_the_password_of_the_api_is_where_prometheus_looks_for_it(compose):
    configuration = yaml.safe_load((_FOLDER / "prometheus.yml").read_text("utf-8"))
    (prefect,) = [job for job in configuration["scrape_configs"] if job["job_name"] == "prefect"]
    assert prefect["basic_auth"] == {"username": "admin", "password_file": _PASSWORD_FILE}
    service = compose["services"]["prometheus"]
    user, _, _ = service["environment"]["PREFECT_API_AUTH_STRING"].partition(":")
    assert user == prefect["basic_auth"]["username"]
    assert _PASSWORD_FILE in service["entrypoint"][2]


def test_exemplars_are_kept(compose):
    configuration = yaml.safe_load((_FOLDER / "prometheus.yml").read_text("utf-8"))
    assert configuration["storage"]["exemplars"]["max_exemplars"] > 0
    assert "--enable-feature=exemplar-storage" in compose["services"]["prometheus"]["command"]
