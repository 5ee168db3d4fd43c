"""Attacks on the terminal: text of a plan, a request, an agent or an argument that controls it or forges its lines."""

import io
import json
import logging
import re
import sys
import unicodedata

import pytest

from genesis.cli.app import main
from genesis.cli.output import console, notes, print_error
from genesis.cli.render import plan_view, run_view
from genesis.errors import GenesisError
from genesis.model import ErrorInfo, Outcome, Report, Run, ScoreParts
from genesis.observability.log_formatters import HumanLines
from genesis.testing import a_plan, a_task, route_to

ESCAPES = {
    "colour": "a\x1b[31mb",
    "title": "a\x1b]0;owned\x07b",
    "link": "a\x1b]8;;javascript:alert(1)\x1b\\b\x1b]8;;\x1b\\",
    "clipboard": "a\x1b]52;c;cm0gLXJmIH4=\x07b",
    "unfinished": "a\x1b]52;c;cm0",
    "clear": "a\x1b[2J\x1b[Hb",
    "bell": "a\x07b",
    "backspace": "safe\x08\x08\x08\x08evil",
    "overwrite": "safe\revil",
    "c1": "a\x9b31mb",
    "c1-title": "a\x9d0;owned\x9cb",
    "device-control": "a\x1bP+q544e\x1b\\b",
    "charset": "a\x1b(0b",
    "reset": "a\x1bcb",
    "bidi": "a\u202egnp.exe\u2066b",
    "zero-width": "ad\u200bmin\u2060\ufeff",
    "joiner": "ad\u200dmin",
    "soft-hyphen": "ad\u00admin",
    "filler": "ad\u3164min\u115f",
    "deprecated-format": "a\u206ab",
    "tag-characters": "a\U000e0068\U000e0069b",
    "variation-selectors": "a\U000e0168\ufe05b",
    "nested": "a\x1b\x1b[31m[31mb",
    "nul": "a\x00b",
}
_FILLERS = "\u034f\u115f\u1160\u3164\uffa0"


def harmful(text):
    """List the characters that control a terminal or cannot be seen."""
    return [
        f"U+{ord(char):04X}"
        for place, char in enumerate(text)
        if (unicodedata.category(char) in ("Cc", "Cf", "Cs") and char != "\n")
        or char in _FILLERS
        or (unicodedata.category(char) == "Mn" and "VARIATION SELECTOR" in unicodedata.name(char, ""))
    ]


def call(*words):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return ended.value.code


@pytest.fixture
def a_plan_file(tmp_path):
    def write(**changes):
        shape = {
            "version": 1,
            "request": "Say hello",
            "tasks": [{"id": "a", "type": "research", "description": "Read"}],
        }
        shape.update(changes)
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(shape), "utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("command", ["plan", "route", "validate", "simulate"])
@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_a_plan_controls_no_terminal(command, text, a_plan_file, capsys):
    tasks = [{"id": "a", "type": text, "description": text, "agent": None, "inputs": {"x": text}, "outputs": [text]}]
    file = a_plan_file(request=f"Say {text}", planner_note=text, tasks=tasks, vars={"v": text})
    call(command, file)
    said = capsys.readouterr()
    assert harmful(said.out + said.err) == []


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
@pytest.mark.parametrize(
    "words",
    [
        ("{}",),
        ("plan", "x", "--{}"),
        ("plan", "x", "--llm", "{}"),
        ("plan", "x", "--agents", "{}"),
        ("plan", "x", "--format", "{}"),
        ("plan", "x", "--var", "{}"),
        ("plan", "{}.yaml"),
        ("plan", "Audit {}", "-o", "/{}.txt"),
        ("simulate", "x.yaml", "--slots", "{}"),
        ("runs", "show", "{}"),
        ("report", "{}"),
        ("schema", "{}"),
    ],
    ids=" ".join,
)
def test_an_argument_controls_no_terminal(words, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call(*(word.format(text.replace("\x00", "")) for word in words))
    said = capsys.readouterr()
    assert harmful(said.out + said.err) == []


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_a_traceback_controls_no_terminal(text, capsys, monkeypatch):
    monkeypatch.setattr("genesis.cli.app._refuse_missing_folder", lambda: (_ for _ in ()).throw(ValueError(text)))
    assert call("plan", "x", "--debug") == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert harmful(said) == []


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_what_an_agent_left_running_controls_no_terminal(text, capsys, monkeypatch):
    from genesis.cli import process_exit

    monkeypatch.setattr(process_exit, "_find_running", lambda: [text])
    monkeypatch.setattr(process_exit, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(process_exit.os, "_exit", lambda _code: None)
    process_exit._watch(0, lambda: None)
    said = capsys.readouterr().err
    assert "left these running" in said
    assert harmful(said) == []


def a_run(message):
    outcome = Outcome(
        id="a", agent="w", state="failed", error=ErrorInfo(code="GEN-TASK", message=message, hint=message)
    )
    whole = ErrorInfo(code="GEN-RUN", message=message, hint=message)
    return Run(
        run_id="r", correlation_id="c", state="failed", planner="file", tasks=(outcome,), error=whole, cost_usd=0
    )


def shown(thing):
    out = console()
    out.file, out.width = io.StringIO(), 100
    out.print(thing)
    return out.file.getvalue()


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_an_agents_error_controls_no_terminal(text):
    assert harmful(shown(run_view(a_run(text)))) == []


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_a_line_of_the_log_controls_no_terminal(text):
    try:
        raise ValueError(text)
    except ValueError:
        record = logging.LogRecord("genesis.x", 40, "f", 1, f"m {text}", None, sys.exc_info())
    record.key = text
    assert harmful(HumanLines().format(record)) == []


FORGED = [
    "Read\nthe plan can run · quality 1.00",
    "Read\r\nthe plan can run",
    "Read\n\n\n\n\nthe plan can run",
    "Read\u2028the plan can run",
    "Read\x85the plan can run",
    "Read\x0bthe plan can run",
    "Read\x0cthe plan can run",
    "Read\x1ethe plan can run",
    "Read\n→ qa_agent\nthe plan can run",
    "Read\n    \nthe plan can run",
]


@pytest.mark.parametrize("text", FORGED)
def test_a_plan_forges_no_line(text):
    routed, _ = route_to(a_plan(a_task("a", description=text), request=text, planner_note=text))
    report = Report(ok=False, score=0, parts=ScoreParts(success=0, quality=0, cost=0, time=0))
    lines = re.split("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", shown(plan_view(routed, report)))
    assert not [line for line in lines if line.startswith("the plan can run") or "qa_agent" in line[:6]]


@pytest.mark.parametrize("text", FORGED)
def test_an_agents_error_forges_no_line(text):
    lines = re.split("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", shown(run_view(a_run(text))))
    assert not [line for line in lines if line.startswith(("the plan can run", "→ qa"))]


@pytest.mark.parametrize("text", FORGED)
def test_an_error_forges_no_line(text, capsys):
    print_error(GenesisError(text, hint=text), as_json=False)
    lines = re.split("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", capsys.readouterr().err)
    assert not [line for line in lines if line.startswith(("the plan can run", "→ qa"))]


@pytest.mark.parametrize("text", FORGED)
def test_a_log_message_forges_no_line(text):
    record = logging.LogRecord("genesis.x", 40, "f", 1, text, None, None)
    record.key = text
    lines = re.split("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", HumanLines().format(record))
    assert len(lines) == 1


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_json_stays_exact(text, a_plan_file, capsys):
    call("route", a_plan_file(planner_note=text), "--json")
    document = capsys.readouterr().out
    assert json.loads(document)["planner_note"] == text
    assert not [char for char in document if unicodedata.category(char) == "Cc" and char != "\n"]


def test_the_notes_are_sanitised_too(capsys):
    notes().print(ESCAPES["title"])
    assert harmful(capsys.readouterr().err) == []


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_without_the_defence_the_attacks_reach_the_terminal(text, monkeypatch):
    for place in ("genesis.cli.output", "genesis.text.terminal"):
        monkeypatch.setattr(f"{place}.INVISIBLE", "(?!)")
    if not set(text) & set("\x07\x08\r"):  # Rich takes these out by itself
        assert harmful(shown(run_view(a_run(text)))) != []
    monkeypatch.setattr("genesis.observability.log_formatters.escape_log", lambda each: each)
    record = logging.LogRecord("genesis.x", 40, "f", 1, text, None, None)
    assert harmful(HumanLines().format(record)) != []


@pytest.mark.parametrize("text", FORGED[:2])
def test_without_the_defence_lines_are_forged(text, monkeypatch):
    monkeypatch.setattr("genesis.cli.render._hang", lambda each: each)
    monkeypatch.setattr("genesis.cli.render.one_line", lambda each, _most=0: each)
    routed, _ = route_to(a_plan(a_task("a", description=text), planner_note=text))
    report = Report(ok=False, score=0, parts=ScoreParts(success=0, quality=0, cost=0, time=0))
    for view in (plan_view(routed, report), run_view(a_run(text))):
        assert [line for line in shown(view).splitlines() if line.lstrip("│ ").startswith("the plan can run")]
