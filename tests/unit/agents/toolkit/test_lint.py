import json
from pathlib import Path

from genesis.agents.toolkit import lint, ruff_check
from genesis.agents.toolkit.files import survey
from genesis.agents.toolkit.ruff_settings import ruff_settings


def test_violations_are_counted_by_rule_and_file(project):
    project.write("a.py", "import os\nimport sys\n")
    project.write("b.py", "import re\n\nx = l = 1\nif x == None:\n    pass\n")
    answer = lint.run(project.root)
    assert answer["by_rule"] == [
        {"rule": "F401", "name": "unused-import", "count": 3},
        {"rule": "E711", "name": "none-comparison", "count": 1},
        {"rule": "E741", "name": "ambiguous-variable-name", "count": 1},
    ]
    assert answer["violations"] == 5
    assert answer["worst_files"] == [{"path": "b.py", "count": 3}, {"path": "a.py", "count": 2}]
    assert answer["checked"]["python"] == 2
    assert not (project.root / ".ruff_cache").exists()
    json.dumps(answer)


def test_the_repositorys_selection_is_used(project):
    project.write(
        "pyproject.toml",
        (
            '[tool.ruff]\nline-length = 20\n[tool.ruff.lint]\nselect = ["E501"]\n'
            '[tool.ruff.lint.per-file-ignores]\n"b.py" = ["E501"]\n'
        ),
    )
    project.write("a.py", "import os  # more than twenty characters\n")
    project.write("b.py", "import os  # more than twenty characters\n")
    answer = lint.run(project.root)
    assert answer["by_rule"] == [{"rule": "E501", "name": "line-too-long", "count": 1}]
    assert answer["tool"]["settings"] == "pyproject.toml"


def test_extend_inside_the_folder_is_followed(project):
    project.write("base/ruff.toml", 'line-length = 30\n[lint]\nselect = ["E501"]\n')
    project.write("ruff.toml", 'extend = "base/ruff.toml"\nline-length = 20\n')
    settings = ruff_settings(survey(project.root))
    assert settings.refused == ()
    assert "line-length = 20" in settings.toml
    assert 'select = ["E501"]' in settings.toml


def test_extend_outside_of_the_folder_is_refused_and_not_quoted(project, tmp_path, titles):
    (tmp_path / "credentials").write_text("top_secret_value = \n")
    project.write("a.py", "import os\n")
    for target in ("../credentials", str(tmp_path / "credentials"), "~/.aws/credentials"):
        project.write("ruff.toml", f'extend = "{target}"\n')
        answer = lint.run(project.root)
        assert "A part of the ruff configuration was not used" in titles(answer)
        assert "top_secret_value" not in json.dumps(answer)
        assert answer["violations"] == 1


def test_extend_through_a_link_or_in_a_circle_is_refused(project, tmp_path):
    (tmp_path / "outside.toml").write_text("line-length = 1\n")
    (project.root / "link.toml").symlink_to(tmp_path / "outside.toml")
    project.write("ruff.toml", 'extend = "link.toml"\n')
    assert ruff_settings(survey(project.root)).refused
    project.write("ruff.toml", 'extend = "ruff.toml"\n')
    assert ruff_settings(survey(project.root)).refused


def test_only_harmless_settings_are_taken(project):
    project.write(
        "ruff.toml",
        (
            'cache-dir = "/tmp/x"\nsrc = ["/"]\noutput-format = "full"\nfix = true\n'
            'select = ["F"]\n[lint.isort]\nknown-first-party = ["p"]\n[lint.per-file-ignores]\n'
            '"q\\"x" = ["F"]\n'
        ),
    )
    toml = ruff_settings(survey(project.root)).toml
    assert not any(word in toml for word in ("cache-dir", "src", "output-format", "fix"))
    assert 'select = ["F"]' in toml
    assert "[lint.isort]" in toml
    assert '"q\\"x" = ["F"]' in toml


def test_settings_that_ruff_refuses_fall_back(project, titles):
    project.write("ruff.toml", '[lint]\nselect = ["NOSUCHRULE"]\n')
    project.write("a.py", "import os\n")
    answer = lint.run(project.root)
    assert answer["violations"] == 1
    assert "Ruff refuses the repository's ruff configuration" in titles(answer)


def test_a_ruff_of_the_audited_folder_is_never_imported(project):
    mark = project.root / "ran"
    for name in ("ruff.py", "ruff/__main__.py", "ruff/__init__.py", "sitecustomize.py", "json.py"):
        project.write(name, f"open({str(mark)!r}, 'w').close()\n")
    project.write("a.py", "import os\n")
    answer = lint.run(project.root)
    assert answer["violations"] == 1
    assert not mark.exists()


def test_missing_ruff_is_a_finding(project, titles, monkeypatch):
    monkeypatch.setattr(ruff_check, "find_spec", lambda name: None)
    project.write("a.py", "import os\n")
    answer = lint.run(project.root)
    assert answer["tool"]["available"] is False
    assert titles(answer) == ["Python sources were not linted"]


def test_syntax_errors_are_found_where_they_matter(project):
    project.write("a.py", "x = (\n")
    project.write("tests/broken.py", "x = 1\ny = )\n")
    project.write("a.json", '{"a": }')
    project.write("b.yaml", "a: [1\n")
    project.write("c.toml", "x =\n")
    project.write("fixtures/d.json", "{")
    answer = lint.run(project.root)
    found = {each["where"]: each["severity"] for each in answer["findings"] if "syntax" in each["title"]}
    assert found == {
        "a.py:2": "high",
        "tests/broken.py:2": "low",
        "a.json:1": "medium",
        "b.yaml:2": "medium",
        "c.toml:1": "medium",
        "fixtures/d.json:1": "low",
    }
    assert {each["format"] for each in answer["syntax_errors"]} == {"Python", "JSON", "YAML", "TOML"}


def test_templates_and_lenient_json_are_not_judged(project):
    project.write("chart.yaml", "a: {{ .Values.x }}\n b: {{ y }}\n")
    project.write("tsconfig.json", "{ // comment\n}")
    project.write(".vscode/settings.json", "{ // comment\n}")
    project.write("tags.yaml", "a: !Sub x\n---\nb: !!python/name:x.y ''\n")
    answer = lint.run(project.root)
    assert answer["syntax_errors"] == []
    assert answer["checked"]["templates"] == 1


def test_file_cap_is_said(project, titles):
    for number in range(5):
        project.write(f"{number}.py", "import os\n")
    answer = lint.run(project.root, max_files="2")
    assert answer["violations"] == 2
    assert answer["truncated"] is True
    assert "Linting is incomplete: 2 of 5 Python files were given to ruff" in titles(answer)


def test_strange_names_are_linted(project):
    for name in ("-x.py", "new\nline.py", "sp ace.py", "--config=x.py"):
        project.write(name, "import os\n")
    answer = lint.run(project.root)
    assert answer["violations"] == 4
    assert {row["path"] for row in answer["worst_files"]} == {"-x.py", "new\nline.py", "sp ace.py", "--config=x.py"}


def test_folder_without_python(project):
    answer = lint.run(project.root)
    assert (answer["violations"], answer["findings"]) == (0, [])
    assert Path(project.root).exists()
