import json

import pytest

from genesis.errors import TaskError
from genesis_audit import inventory


def test_languages_sizes_and_largest_files(project):
    project.write("a.py", "# c\n\nx = 1\ny = 2\n")
    project.write("b.py", "z = 3\n")
    project.write("c.sh", "#!/bin/sh\necho\n")
    project.write("data.bin", b"\0" * 50)
    project.write("LICENCE", "text\n")
    answer = inventory.run(str(project.root), top="2")
    assert answer["languages"][0] == {
        "language": "Python",
        "files": 2,
        "bytes": 23,
        "code": 3,
        "comment": 1,
        "blank": 1,
        "lines": 5,
        "is_source": True,
    }
    assert answer["main_language"] == "Python"
    assert answer["totals"]["files"] == 5
    assert (answer["totals"]["binary_files"], answer["totals"]["unknown_files"]) == (1, 1)
    assert answer["largest_files"] == [
        {"path": "data.bin", "bytes": 50, "lines": None},
        {"path": "a.py", "bytes": 17, "lines": 4},
    ]
    assert answer["summary"] == "5 files, 4 lines of code in 2 languages, mostly Python."
    json.dumps(answer)


def test_empty_folder_is_a_finding(project, titles):
    answer = inventory.run(project.root)
    assert titles(answer) == ["The folder holds no files"]
    assert answer["languages"] == []
    assert answer["main_language"] is None


def test_what_cannot_be_read_is_counted_and_said(project, titles):
    project.write("large.py", b"x" * 2_000_001)
    project.write("a.py", "x = 1\n")
    answer = inventory.run(project.root)
    assert answer["totals"]["not_read"] == 1
    assert answer["truncated"] is True
    assert "1 of 2 files were read" in titles(answer)


def test_a_large_binary_file_is_no_text_that_was_not_read(project, titles):
    project.write("logo.ai", b"%PDF-1.5\n" + b"<" * 50_000 + b"\0" * 2_000_001)
    answer = inventory.run(project.root)
    assert (answer["totals"]["not_read"], answer["totals"]["binary_files"]) == (0, 1)
    assert answer["truncated"] is False
    assert titles(answer) == []


def test_large_and_long_files_are_found(project, titles):
    project.write("movie.bin", b"\0" * 5_000_001)
    project.write("long.py", "x = 1\n" * 2_001)
    project.write("tests/test_long.py", "x = 1\n" * 2_001)
    answer = inventory.run(project.root)
    assert "A source file has 2,001 lines" in titles(answer)
    assert sum("lines" in title for title in titles(answer)) == 1
    assert any(title.startswith("A file of 5.0 MB") for title in titles(answer))


def test_tracked_tool_folders_are_a_finding(repository, titles):
    repository.write("node_modules/a.js")
    repository.write("a.py")
    assert any("node_modules" in title for title in titles(inventory.run(repository.root)))


def test_missing_folder_is_refused():
    with pytest.raises(TaskError, match="no folder"):
        inventory.run("/no/such/folder")


def test_many_files_are_counted_in_bounded_time(project):
    for folder in range(10):
        for number in range(100):
            project.write(f"{folder}/{number}.py", "x = 1\n")
    answer = inventory.run(project.root, time_limit_s=30)
    assert answer["totals"]["code"] == 1_000


def test_a_large_style_sheet_is_not_the_main_language(project):
    project.write("src/App.java", "class App {\n}\n")
    project.write("site/style.css", "a { b: c }\n" * 900)
    project.write("site/index.html", "<p>\n" * 900)
    project.write("data.json", "[\n" + "1,\n" * 900 + "1]\n")
    answer = inventory.run(project.root)
    assert answer["main_language"] == "Java"
    assert answer["summary"] == "4 files, 2 lines of code in 1 language, mostly Java."


@pytest.mark.parametrize("path", ["vendor/lib.js", "web/app.min.js", "web/jquery-3.1.js", "web/bundle.js"])
def test_code_of_others_does_not_decide_the_main_language(project, path):
    project.write("app.py", "x = 1\n")
    project.write(path, "var a = 1;" * 900 if path == "web/bundle.js" else "var a = 1;\n" * 900)
    assert inventory.run(project.root)["main_language"] == "Python"


def test_a_site_without_programs_is_named_by_its_markup(project):
    project.write("index.html", "<p>\n" * 9)
    project.write("style.css", "a {}\n")
    assert inventory.run(project.root)["main_language"] == "HTML"


def test_scripts_without_an_ending_are_known_by_their_first_line(project):
    project.write("bin/tool", "#!/usr/bin/env -S python3 -u\nx = 1\n")
    project.write("bin/other", "#!/usr/bin/node\nx()\n")
    names = {row["language"] for row in inventory.run(project.root)["languages"]}
    assert names == {"Python", "JavaScript"}


def test_the_finding_about_tracked_tool_folders_names_a_file(repository):
    repository.write("node_modules/x/index.js")
    repository.write("a.py")
    places = {each["title"]: each["where"] for each in inventory.run(repository.root)["findings"]}
    assert places["1 tracked file in folders that tools make, such as node_modules"] == "node_modules/x/index.js"
