"""Attacks by names that look like others, and by a request that is taken for a file."""

import json
import unicodedata

import pytest
import yaml

from genesis.cli.app import main
from genesis.errors import DocumentError
from genesis.model import TaskId
from genesis.planning.naming import slug
from genesis.routing.registry_checks import parse_registry
from genesis.testing import a_plan, a_task, an_agent, route_to
from genesis.text import scripts
from genesis.validation import validate

TWINS = {
    "cyrillic-a": "qа_agent",
    "cyrillic-e": "qa_agеnt",
    "all-cyrillic-word": "оор_agent",
    "greek-o": "cοde_agent",
    "armenian": "qa_ageոt",
    "full-width": "ｑａ_agent",
    "mathematical": "𝐪𝐚_agent",
    "ligature": "oﬃce_agent",
    "small-capital-cyrillic": "QА_agent",
    "palochka": "too\u04cf_agent",
    "circled": "ⓠa_agent",
    "superscript": "qa_agentª",
    "arabic-digit": "qa_agent\u0661",
    "cherokee": "qa_Ꭺgent",
}
WHOLE = {"cop": "сор", "oce": "осе", "pax": "рах", "vov": "νον", "haus": "һаυѕ"}
HONEST = [
    "prüfe-das",
    "レポートを書いて",
    "任务_a",
    "проверь-сервер",
    "naïve",
    "ελεγχος",
    "검사-test",
    "اختبار",
    "תיקון",
]


@pytest.mark.parametrize("name", TWINS.values(), ids=TWINS)
def test_no_agents_name_mixes_scripts(name, monkeypatch):
    document = {"agents": [{"name": name}]}
    with pytest.raises(DocumentError, match=r"can pass for another|must be letters") as caught:
        parse_registry(document, source="agents.yaml")
    assert caught.value.data["where"] == "agents[0].name"
    monkeypatch.setattr("genesis.routing.registry_checks.find_script_fault", lambda _name: None)
    assert parse_registry(document, source="agents.yaml").agents[0].name == unicodedata.normalize("NFC", name)


def _codes(*tasks):
    routed, registry = route_to(a_plan(*tasks), an_agent())
    return {found.code for found in validate(routed, registry).diagnostics if found.severity == "error"}


@pytest.mark.parametrize("name", TWINS.values(), ids=TWINS)
def test_no_tasks_id_mixes_scripts(name, monkeypatch):
    assert "GEN-ID-SCRIPT" in _codes(a_task(name))
    monkeypatch.setattr("genesis.validation.checks.structure.find_script_fault", lambda _name: None)
    assert _codes(a_task(name)) == set()


@pytest.mark.parametrize("twin", WHOLE.items(), ids=WHOLE)
def test_no_two_names_look_alike(twin, monkeypatch):
    name, other = twin
    if scripts.find_script_fault(other) is None:
        assert "GEN-ID-CONFUSABLE" in _codes(a_task(name), a_task(other))
        with pytest.raises(DocumentError, match="looks like the agent"):
            parse_registry({"agents": [{"name": name}, {"name": other}]}, source="agents.yaml")
    assert _codes(a_task(name), a_task(other))
    for module in ("genesis.validation.checks.structure", "genesis.routing.registry_checks"):
        monkeypatch.setattr(f"{module}.skeleton", lambda each: each)
        monkeypatch.setattr(f"{module}.find_script_fault", lambda _name: None)
    assert _codes(a_task(name), a_task(other)) == set()
    parse_registry({"agents": [{"name": name}, {"name": other}]}, source="agents.yaml")


@pytest.mark.parametrize("name", HONEST)
def test_names_of_every_language_are_taken(name):
    assert _codes(a_task(name)) == set()
    assert parse_registry({"agents": [{"name": name}]}, source="agents.yaml").agents[0].name == name


def test_names_are_in_their_canonical_form():
    decomposed = unicodedata.normalize("NFD", "prüfer")
    registry = parse_registry(
        {"agents": [{"name": decomposed}], "rules": [{"id": "r", "when": {"type": "a"}, "then": decomposed}]},
        source="a",
    )
    assert registry.agents[0].name == registry.rules[0].then == a_task("a", agent=decomposed).agent == "prüfer"


@pytest.mark.parametrize("text", ["Проверь API сервера", "Messe Δt und berichte", "API прод: проверь", "ｒｕｎ tests"])
def test_ids_that_planners_make_are_of_one_script(text):
    assert _codes(a_task(slug(text))) == set()
    assert slug("Проверь API сервера") == "проверь-сервера"


def test_the_type_of_ids_takes_what_it_took():
    assert TaskId


PATHS = ["/tmp/evil", "./evil", "evil.yaml.txt", "evil.yaml ", "evil.yaml\n", "evil.py", "evil.yamlx", "evil.toml"]


@pytest.mark.parametrize("name", PATHS)
def test_a_request_that_is_a_path_without_the_ending_runs_no_file(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plan = {"version": 1, "request": "x", "tasks": [{"id": "evil", "description": "Do evil"}]}
    for file in {name.strip(), name, "evil", "evil.yaml"}:
        (tmp_path / file.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.lstrip("/")).write_text(yaml.safe_dump(plan))
    with pytest.raises(SystemExit):
        main(["plan", name, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert "Do evil" not in [task["description"] for task in document.get("tasks", [])]


@pytest.mark.parametrize("form", ["yaml", "yml", "json", "YAML"])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_run_says_that_it_runs_a_file(form, more, tmp_path, capsys):
    file = tmp_path / f"p.{form}"
    file.write_text(json.dumps({"version": 1, "request": "x", "tasks": []}))
    with pytest.raises(SystemExit) as ended:
        main(["run", str(file), *more])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert f"Running the plan file {str(file)!r}" in said.err
    assert "plan file" not in said.out.partition("{")[0]
