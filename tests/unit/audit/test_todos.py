import json

from genesis_audit import todos
from tests.unit.audit.conftest import DAY, NOW


def test_markers_in_comments_only(project):
    project.write(
        "a.py", 'x = "TODO no"\n"""TODO no"""\ny = 1  # TODO(ada): yes | `now`\n# FIXME: two\n# todo no\n# TODOS no\n'
    )
    project.write("a.js", "var s = '// TODO no'; // HACK three\n/*\n * XXX four\n */\n")
    project.write("a.html", "<!-- TODO five -->\n")
    project.write("a.txt", "TODO no\n")
    project.write("README.md", "# TODO no\n")
    project.write("broken.py", "# TODO six\nx = (\n'''\n")
    answer = todos.run(project.root)
    assert [(row["path"], row["line"], row["text"]) for row in answer["todos"]] == [
        ("a.html", 1, "TODO five -->"),
        ("a.js", 1, "HACK three"),
        ("a.js", 3, "XXX four"),
        ("a.py", 3, "TODO(ada): yes | `now`"),
        ("a.py", 4, "FIXME: two"),
        ("broken.py", 1, "TODO six"),
    ]
    assert answer["by_marker"] == {"FIXME": 1, "HACK": 1, "TODO": 3, "XXX": 1}
    assert answer["oldest_days"] is None
    json.dumps(answer)


def test_age_and_author_come_from_the_last_commit(repository):
    repository.write("a.py", "# TODO old\n")
    repository.commit(when=NOW - 400 * DAY)
    repository.write("a.py", "# TODO old\n# TODO new\n")
    repository.commit(when=NOW - 3 * DAY, author="Bob <bob@example.org>")
    repository.write("a.py", "# TODO old\n# TODO new\n# TODO uncommitted\n")
    repository.write("b.py", "# TODO untracked\n")
    answer = todos.run(repository.root, now=str(NOW))
    assert [(row["text"], row["author"], row["age_days"]) for row in answer["todos"]] == [
        ("TODO old", "Ada", 400),
        ("TODO new", "Bob", 3),
        ("TODO uncommitted", None, None),
        ("TODO untracked", None, None),
    ]
    assert answer["oldest_days"] == 400
    assert answer["findings"][0]["detail"] == "Older than a year: 1."


def test_a_line_that_moved_since_the_commit_is_recognised(repository):
    repository.write("a.py", "# TODO a\n# TODO twice\n# TODO twice\n")
    repository.commit(when=NOW - 5 * DAY)
    repository.write("a.py", "x = 1\n\n\n\n# TODO a\n# TODO twice\n")
    rows = todos.run(repository.root, now=NOW)["todos"]
    assert [(row["text"], row["age_days"]) for row in rows] == [("TODO a", 5), ("TODO twice", None)]


def test_repository_without_commits(repository):
    repository.write("a.py", "# TODO a\n")
    assert todos.run(repository.root)["todos"][0]["author"] is None


def test_long_lists_are_cut_and_counted(project):
    project.write("a.py", "# TODO x\n" * 30)
    answer = todos.run(project.root, top="10")
    assert (len(answer["todos"]), answer["not_shown"], answer["count"]) == (10, 20, 30)
    assert answer["findings"][0]["severity"] == "low"


def test_nothing_to_find(project):
    answer = todos.run(project.root)
    assert (answer["count"], answer["findings"]) == (0, [])


def test_what_is_quoted_or_a_part_of_a_pattern_is_no_marker(project):
    project.write("a.ts", "/**\n * | Zone | XXX | -08:00 |\n * - as `XXX` or 'TODO'\n * call XXX-XXX-1234\n */\n")
    project.write("b.ts", "// [TODO] Remove it\n// XXX: careful\n// TODO-12 later\n")
    rows = todos.run(project.root)["todos"]
    assert [row["text"] for row in rows] == ["TODO Remove it", "XXX: careful", "TODO-12 later"]
