import json
import os

import pytest
from markdown_it import MarkdownIt

from genesis.errors import TaskError
from genesis_audit import (
    complexity,
    dependencies,
    documentation,
    history,
    infrastructure,
    inventory,
    licence,
    lint,
    report,
    secrets,
    tests,
    todos,
)

TOOLS = {
    "inventory": inventory,
    "dependencies": dependencies,
    "lint": lint,
    "tests": tests,
    "secrets": secrets,
    "todos": todos,
    "history": history,
    "licence": licence,
    "documentation": documentation,
    "complexity": complexity,
    "infrastructure": infrastructure,
}


def _finding(severity, title, **more):
    return {"severity": severity, "title": title, "detail": "", "where": "", "advice": "", **more}


def test_topics_are_the_tools():
    assert list(report.TOPICS) == list(TOOLS)
    assert set(report.SECTIONS) == set(TOOLS)


def test_a_whole_audit(repository, tmp_path):
    repository.write("app.py", "import os\n# TODO x\ndef f():\n    return 1\n")
    repository.write("requirements.txt", "flask\n")
    repository.write("Dockerfile", "FROM python\n")
    repository.write(".github/workflows/ci.yml", "on: push\njobs: {a: {steps: [{uses: a/b@main}]}}\n")
    repository.write("we`ird|na\nme.py", "# TODO a | b `c` <script>\n")
    repository.commit("first", author="Eve | `x` <e@x>")
    results = {topic: json.loads(json.dumps(tool.run(repository.root))) for topic, tool in TOOLS.items()}
    target = tmp_path / "out.md"
    answer = report.run(repository.root, output=str(target), **results)
    text = target.read_text()
    assert text == answer["markdown"]
    assert answer["report"] == str(target)
    assert set(answer["topics"].values()) == {"reported"}
    gathered = [finding for result in results.values() for finding in result["findings"]]
    assert answer["findings"]["total"] == len(gathered)
    assert answer["findings"]["high"] == sum(finding["severity"] == "high" for finding in gathered)
    for heading in report.TOPICS.values():
        assert f"\n## {heading}\n" in text
    assert "<script>" not in MarkdownIt("commonmark").enable("table").render(text)
    headings = [
        t for t in MarkdownIt("commonmark").enable("table").parse(text) if t.type == "heading_open" and t.tag == "h2"
    ]
    assert len(headings) == 1 + len(TOOLS)
    assert "| Python | 2 | 3 | 2 | 0 |" in text
    json.dumps(answer)


def test_missing_and_failed_topics_are_said(project, tmp_path):
    answer = report.run(
        project.root,
        output=str(tmp_path / "r.md"),
        lint={"error": {"message": "no | memory"}},
        tests="Traceback: *boom*",
        secrets=None,
        todos={"summary": "One.", "findings": []},
    )
    assert answer["topics"]["lint"] == answer["topics"]["tests"] == "failed"
    assert answer["topics"]["secrets"] == "missing"
    assert answer["topics"]["todos"] == "reported"
    assert "This could not be looked at: no \\| memory" in answer["markdown"]
    assert "This could not be looked at: Traceback: \\*boom\\*" in answer["markdown"]
    assert answer["markdown"].count("This was not looked at") == 8
    assert answer["findings"]["total"] == 0


def test_the_summary_is_sorted_by_severity_and_cut(project, tmp_path):
    lints = {"findings": [_finding("low", f"low {number}") for number in range(30)]}
    found = {"findings": [_finding("medium", "middle"), _finding("high", "worst", where="a|b.py:1", advice="act")]}
    answer = report.run(project.root, output=str(tmp_path / "r.md"), lint=lints, secrets=found)
    assert [each["title"] for each in answer["top_findings"]][:3] == ["worst", "middle", "low 0"]
    assert answer["top_findings"][0]["topic"] == "secrets"
    assert answer["findings"] == {"high": 1, "medium": 1, "low": 30, "total": 32}
    assert "… and 7 more below, by topic." in answer["markdown"]
    assert "| 1 | high | worst | `a\\|b.py:1` | act |" in answer["markdown"]
    assert answer["markdown"].count("low 29") == 0
    assert "… and 15 more" in answer["markdown"]


def test_findings_of_one_severity_are_ordered_by_what_they_put_at_risk_and_told_once(project, tmp_path):
    given = {
        "todos": {"findings": [_finding("medium", "old markers")]},
        "lint": {"findings": [_finding("medium", "broken file", where="a.py")]},
        "tests": {"findings": [_finding("medium", "broken file", where="a.py")]},
        "secrets": {"findings": [_finding("medium", "a token")]},
    }
    answer = report.run(project.root, output=str(tmp_path / "r.md"), **given)
    assert [(each["topic"], each["title"]) for each in answer["top_findings"]] == [
        ("secrets", "a token"),
        ("tests", "broken file"),
        ("todos", "old markers"),
    ]


def test_every_topic_has_its_place_in_the_order():
    assert sorted(report._URGENCY) == sorted(report.TOPICS)


def test_long_tables_say_how_many_more(project, tmp_path):
    rows = [{"path": f"{number}.py", "line": 1, "marker": "TODO", "text": f"TODO {number}"} for number in range(40)]
    answer = report.run(project.root, output=str(tmp_path / "r.md"), top="5", todos={"todos": rows, "not_shown": 60})
    assert "… and 95 more." in answer["markdown"]


def test_results_may_come_as_one_mapping_or_as_json(project, tmp_path):
    results = {"lint": {"summary": "from results"}, "todos": {"summary": "hidden"}}
    target = str(tmp_path / "r.md")
    for given in (results, json.dumps(results)):
        answer = report.run(project.root, output=target, results=given, todos=json.dumps({"summary": "from keyword"}))
        assert "from results" in answer["markdown"]
        assert "from keyword" in answer["markdown"]
        assert "hidden" not in answer["markdown"]


def test_results_of_any_shape_do_not_break_it(project, tmp_path):
    odd = {
        "languages": [1, {"files": "x"}],
        "totals": [],
        "findings": [1, {"severity": "odd", "title": "x"}, {"severity": "high"}, "x"],
        "by_rule": {"a": 1},
        "todos": [{"line": "x", "text": None}],
        "available": True,
        "most_changed": [[]],
        "suite": {"verdict": 3, "failures": "x"},
        "readme": {"sections": 3},
        "worst": None,
        "summary": None,
    }
    answer = report.run(project.root, output=str(tmp_path / "r.md"), **dict.fromkeys(report.TOPICS, odd))
    assert answer["findings"]["total"] == 0


def test_unknown_topics_are_refused(project, tmp_path):
    with pytest.raises(TaskError, match="colour"):
        report.run(project.root, output=str(tmp_path / "r.md"), colour={})


@pytest.mark.parametrize("output", ["", " ", "no/such/folder/r.md", ".", "a\0b"])
def test_an_output_that_cannot_be_written_is_refused(project, monkeypatch, output):
    monkeypatch.chdir(project.root)
    with pytest.raises(TaskError):
        report.run(project.root, output=output)
    assert list(project.root.iterdir()) == []


def test_a_failure_while_writing_leaves_the_old_report_whole(project, tmp_path, monkeypatch):
    target = tmp_path / "r.md"
    old = report.run(project.root, output=str(target))["markdown"]

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(TaskError, match="No space left"):
        report.run(project.root, output=str(target))
    assert target.read_text() == old
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["r.md"]


def test_the_default_output_is_in_the_current_folder(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = report.run(project.root, now="1790000000")
    assert answer["report"] == str(tmp_path / "genesis-audit.md")
    assert "Made by Genesis on 2026-09-21 14:13 UTC" in answer["markdown"]


def test_a_report_about_the_same_folder_is_replaced(project, tmp_path):
    target = tmp_path / "r.md"
    report.run(project.root, output=str(target), now=0)
    answer = report.run(f"{project.root}/.", output=str(target), now=60)
    assert "1970-01-01 00:01" in target.read_text() == answer["markdown"]


@pytest.mark.parametrize("content", ["# My own audit\n", "x" * 5_000, "\0"])
def test_a_file_of_somebody_else_is_not_replaced(project, tmp_path, content):
    target = tmp_path / "r.md"
    target.write_text(content)
    with pytest.raises(TaskError, match="is no audit report") as refused:
        report.run(project.root, output=str(target))
    assert (refused.value.code, target.read_text()) == ("GEN-TASK-INPUT", content)
    assert "give output=" in (report.report_problem({"path": str(project.root), "output": str(target)}) or "")


def test_a_report_about_another_folder_is_not_replaced(project, tmp_path):
    other, target = tmp_path / "other" / "project", tmp_path / "r.md"
    other.mkdir(parents=True)
    report.run(other, output=str(target))
    with pytest.raises(TaskError, match="about another folder"):
        report.run(project.root, output=str(target))


def test_a_mark_in_the_audited_text_does_not_make_a_file_ours(project, tmp_path):
    target = tmp_path / "r.md"
    target.write_text(
        report.run(project.root, output=str(tmp_path / "a.md"))["markdown"].replace("\n<!--", "\n    <!--")
    )
    assert report.report_problem({"path": str(project.root), "output": str(target)})


def test_a_file_that_appears_while_the_report_is_made_is_kept(project, tmp_path, monkeypatch):
    target = tmp_path / "r.md"
    monkeypatch.setattr(report, "_body", lambda *_: [str(target.write_text("mine"))])
    with pytest.raises(TaskError):
        report.run(project.root, output=str(target))
    assert target.read_text() == "mine"


def test_a_link_to_somebody_elses_file_is_not_replaced(project, tmp_path):
    (tmp_path / "notes.md").write_text("mine")
    (tmp_path / "r.md").symlink_to(tmp_path / "notes.md")
    (tmp_path / "dangling.md").symlink_to(tmp_path / "nowhere.md")
    for name in ("r.md", "dangling.md"):
        with pytest.raises(TaskError):
            report.run(project.root, output=str(tmp_path / name))


def test_a_report_that_could_be_written_has_no_problem(project, tmp_path):
    assert report.report_problem({"path": str(project.root), "output": str(tmp_path / "r.md")}) is None
    assert "no folder" in (report.report_problem({"path": str(tmp_path / "gone")}) or "")


def test_files_that_are_gone_are_marked(project, tmp_path):
    rows = [{"path": name, "commits": 1, "exists": name == "a.py"} for name in ("a.py", "b.py")]
    history_answer = {"available": True, "most_changed": rows, "findings": []}
    text = report.run(project.root, output=str(tmp_path / "r.md"), history=history_answer)["markdown"]
    assert "| `a.py` |" in text
    assert "| `b.py` (removed) |" in text
