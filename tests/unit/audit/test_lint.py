import json
from pathlib import Path

import pytest

from genesis_audit import lint, oxlint_check, ruff_check
from genesis_audit.files import survey
from genesis_audit.ruff_settings import ruff_settings


def _settings(project):
    tree = survey(project.root)
    return ruff_settings(tree, [file for file in tree.files if file.suffix == ".py"])


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
    project.write("a.py", "import os  # more than 20\n")
    assert _settings(project)[0].refused == ()
    assert lint.run(project.root)["by_rule"] == [{"rule": "E501", "name": "line-too-long", "count": 1}]


@pytest.mark.parametrize(
    "settings",
    [
        'allowed-confusables = ["–"]\nselect = ["RUF001"]\n',
        'select = ["N"]\n[lint.pep8-naming]\nignore-names = ["Bad*"]\n',
        'select = ["C901"]\n[lint.mccabe]\nmax-complexity = 90\n',
        'select = ["F401"]\n[lint.extend-per-file-ignores]\n"a.py" = ["F"]\n',
    ],
)
def test_every_setting_of_the_repository_is_honoured(project, settings):
    project.write("ruff.toml", f"[lint]\n{settings}")
    project.write("a.py", "import os\n\nx = 'a – b'\n\n\ndef Bad():\n    if x:\n        return 1\n    return 2\n")
    assert lint.run(project.root)["violations"] == 0


def test_each_file_is_linted_with_the_nearest_configuration(project):
    project.write("pyproject.toml", '[tool.ruff.lint]\nselect = ["F401"]\n')
    project.write("app/ruff.toml", '[lint]\nselect = ["E711"]\n[lint.per-file-ignores]\n"legacy/*" = ["E711"]\n')
    project.write("app/pyproject.toml", "[project]\nname = 'app'\n")
    for name in ("a.py", "app/b.py", "app/legacy/c.py"):
        project.write(name, "import os\n\nx = 1\nif x == None:\n    pass\n")
    answer = lint.run(project.root)
    assert {(row["rule"], row["count"]) for row in answer["by_rule"]} == {("F401", 1), ("E711", 1)}
    assert {row["path"] for row in answer["worst_files"]} == {"a.py", "app/b.py"}


def test_a_configuration_above_the_folder_is_not_read(project, tmp_path):
    (tmp_path / "ruff.toml").write_text('[lint]\nselect = ["ALL"]\n')
    project.write("a.py", "x = 1\n")
    assert lint.run(project.root)["violations"] == 0


def test_another_required_version_is_said_and_the_rules_are_used(project, titles):
    project.write("base.toml", '[lint]\nselect = ["E711"]\n')
    project.write("ruff.toml", 'required-version = "==0.0.1"\nextend = "base.toml"\n')
    project.write("a.py", "import os\n\nx = 1\nif x == None:\n    pass\n")
    answer = lint.run(project.root)
    assert answer["by_rule"] == [{"rule": "E711", "name": "none-comparison", "count": 1}]
    assert "The sources were linted by another ruff than the repository requires, ==0.0.1" in titles(answer)


def test_the_repositorys_files_are_not_changed(project):
    project.write("ruff.toml", 'fix = true\nunsafe-fixes = true\ncache-dir = "cache"\noutput-format = "full"\n')
    source = project.write("a.py", "import os\n")
    assert lint.run(project.root)["violations"] == 1
    assert source.read_text() == "import os\n"
    assert not (project.root / "cache").exists()


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
    project.write("a.py", "x = 1\n")
    project.write("ruff.toml", 'extend = "link.toml"\n')
    assert _settings(project)[0].refused
    project.write("ruff.toml", 'extend = "ruff.toml"\n')
    assert _settings(project)[0].refused


def test_a_configuration_that_is_a_link_is_not_read(project, tmp_path):
    (tmp_path / "credentials").write_text("top_secret_value = \n")
    (project.root / "ruff.toml").symlink_to(tmp_path / "credentials")
    project.write("a.py", "import os\n")
    answer = lint.run(project.root)
    assert answer["violations"] == 1
    assert "top_secret_value" not in json.dumps(answer)


def test_extend_in_disguise_falls_back_to_the_default_rules(project, tmp_path):
    (tmp_path / "credentials").write_text("top_secret_value = \n")
    project.write("a.py", "import os\n")
    project.write("pyproject.toml", f'[tool]\nruff = {{ extend = "{tmp_path}/credentials", line-length = 5 }}\n')
    answer = lint.run(project.root)
    assert answer["violations"] == 1
    assert "top_secret_value" not in json.dumps(answer)


def test_scripts_are_linted_without_the_repositorys_configuration(project, titles):
    project.write(".oxlintrc.json", '{"jsPlugins": ["./evil.js"], "rules": {"no-debugger": "off"}}')
    project.write("evil.js", "require('fs').writeFileSync('ran', 'x');\n")
    project.write("a.js", "if (x === NaN) { debugger; }\n")
    project.write("b.ts", "const a: number = ;\n")
    project.write("vendor/c.js", "debugger;\n")
    project.write("jquery.min.js", "debugger;\n")
    answer = lint.run(project.root)
    assert {row["rule"] for row in answer["by_rule"]} == {"eslint(no-debugger)", "eslint(use-isnan)"}
    assert [(each["path"], each["line"]) for each in answer["syntax_errors"]] == [("b.ts", 1)]
    assert answer["checked"]["scripts"] == 3
    assert not (project.root / "ran").exists()
    assert "2 lint violations of 2 rules in JavaScript and TypeScript" in titles(answer)


def test_languages_without_a_linter_are_named(project):
    project.write("a.go", "package a\n")
    project.write("b.rs", "fn a() {}\n")
    answer = lint.run(project.root)
    assert answer["not_linted"] == ["Go", "Rust"]
    assert "not linted: Go, Rust" in answer["summary"]


@pytest.mark.parametrize("configuration", ["setup.cfg", "tox.ini", ".flake8", "pyproject.toml"])
def test_a_project_with_another_linter_is_not_told_that_it_has_none(project, titles, configuration):
    project.write(configuration, "[tool.pylint]\n" if configuration == "pyproject.toml" else "[flake8]\n")
    project.write("a.py", "x = 1\n")
    assert titles(lint.run(project.root)) == []


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


def test_missing_linters_are_findings(project, titles, monkeypatch):
    monkeypatch.setattr(ruff_check, "find_program", lambda name: None)
    monkeypatch.setattr(oxlint_check, "find_program", lambda name: None)
    project.write("a.py", "import os\n")
    project.write("a.js", "debugger\n")
    answer = lint.run(project.root)
    assert answer["tool"]["available"] is False
    assert titles(answer) == ["Python sources were not linted", "JavaScript and TypeScript sources were not linted"]


def test_syntax_errors_are_found_where_they_matter(project):
    project.write("a.py", "x = (\n")
    project.write("tests/helpers.py", "x = 1\ny = )\n")
    project.write("a.json", '{"a": }')
    project.write("b.yaml", "a: [1\n")
    project.write("c.toml", "x =\n")
    project.write("tests/d.json", "{")
    answer = lint.run(project.root)
    found = {each["where"]: each["severity"] for each in answer["findings"] if "syntax" in each["title"]}
    assert found == {
        "a.py:2": "high",
        "tests/helpers.py:2": "low",
        "a.json:1": "medium",
        "b.yaml:2": "medium",
        "c.toml:1": "medium",
    }
    assert {each["format"] for each in answer["syntax_errors"]} == {"Python", "JSON", "YAML", "TOML"}


def test_what_tests_read_is_not_linted_and_no_finding_where_it_is_broken(project, titles):
    project.write("tests/fixtures/a.json", "{")
    project.write("test/assets/app.js", "### not code ###\n")
    project.write("spec/broken-syntax.ts", "let = = 1\n")
    project.write("tests/invalid.yaml", "a: [1\n")
    answer = lint.run(project.root)
    assert [each["path"] for each in answer["syntax_errors"]] == ["tests/fixtures/a.json", "tests/invalid.yaml"]
    assert titles(answer) == []


def test_a_script_beside_the_sources_needs_no_linter_of_its_own(project, titles):
    project.write("main.rs", "fn main() {}\n" * 100)
    project.write("release.py", "x = 1\n")
    assert titles(lint.run(project.root)) == []
    project.write("tool.py", "x = 1\n" * 100)
    assert titles(lint.run(project.root)) == ["No linter is configured for Python"]


def test_templates_and_lenient_json_are_not_judged(project):
    project.write("chart.yaml", "a: {{ .Values.x }}\n b: {{ y }}\n")
    project.write("tsconfig.json", "{ // comment\n}")
    project.write(".vscode/settings.json", "{ // comment\n}")
    project.write("config/.mocharc.json", "// comment\n{}")
    project.write(".eslintrc.json", "{ // comment\n}")
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
    assert "Linting is incomplete: 2 of 5 files were linted" in titles(answer)


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


def test_a_little_python_beside_another_language_needs_no_linter(project, titles):
    project.write("main.c", "int x;\n" * 100)
    project.write("tool.py", "x = 1\n")
    assert "No linter is configured for Python" not in titles(lint.run(project.root))
    project.write("more.py", "x = 1\n" * 50)
    assert "No linter is configured for Python" in titles(lint.run(project.root))


def test_violations_in_what_tests_read_are_not_counted(project, titles):
    for folder in ("test/fixtures", "tests/data"):
        project.write(f"{folder}/a.js", "if (a = 1) { debugger }\n")
        project.write(f"{folder}/a.py", "import os\n")
    project.write("b.py", "x = 1\n")
    answer = lint.run(project.root)
    assert (answer["violations"], answer["checked"]["python"], answer["checked"]["scripts"]) == (0, 1, 0)


def test_a_script_beside_the_sources_is_judged_by_no_default_rules(project, titles):
    project.write("main.go", "package main\n" + "var x = 1\n" * 100)
    project.write("tools/a.py", "import os\n")
    answer = lint.run(project.root)
    assert (answer["violations"], answer["findings"]) == (1, [])
    project.write("pyproject.toml", '[tool.ruff.lint]\nselect = ["F"]\n')
    assert titles(lint.run(project.root)) == ["1 lint violation of 1 rule in Python"]


@pytest.mark.parametrize(
    ("path", "text", "broken"),
    [
        ("typedoc.json", "// made by a script\n{}\n", 0),
        ("config/a.json", '{\n  /* why */\n  "a": 1,\n}\n', 0),
        ("renovate.json", "{a: 'b'}\n", 0),
        ("version.json", '{\n  "a": [\n    "x", // why\n    "y"\n  ]\n}\n', 0),
        (".github/renovate.json", "{a: 'b'}\n", 0),
        ("package.json", "{\n  // no\n}\n", 1),
        ("a.json", '{"a": "http://b", }\n', 1),
    ],
)
def test_json_with_comments_is_broken_only_where_its_reader_takes_none(project, path, text, broken):
    project.write(path, text)
    assert len(lint.run(project.root)["syntax_errors"]) == broken
