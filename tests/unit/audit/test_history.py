import json

from genesis_audit import history
from tests.unit.audit.conftest import DAY, NOW, Project


def test_commits_people_and_changes(repository):
    repository.write("a.py", "1\n2\n")
    repository.write("b.py", "1\n")
    repository.commit(when=NOW - 100 * DAY)
    repository.write("a.py", "1\n3\n4\n")
    repository.commit(when=NOW - 10 * DAY, author="Bob <BOB@example.org>")
    repository.write("a.py", "1\n")
    (repository.root / "b.py").unlink()
    repository.commit(when=NOW - DAY, author="Robert <bob@example.org>")
    answer = history.run(repository.root, now=NOW)
    assert answer["commits"] == 3
    assert answer["contributors"] == 2
    assert [row["commits"] for row in answer["top_contributors"]] == [2, 1]
    assert answer["days_since_last_commit"] == 1
    assert answer["commits_last_90_days"] == 2
    assert answer["most_changed"] == [
        {"path": "a.py", "commits": 3, "added": 4, "deleted": 3, "exists": True},
        {"path": "b.py", "commits": 2, "added": 1, "deleted": 1, "exists": False},
    ]
    assert answer["hotspots"] == [{"path": "a.py", "commits": 3, "bytes": 2, "score": 100.0}]
    assert "example.org" not in json.dumps(answer)


def test_numbers_agree_with_git_itself(repository):
    for number in range(7):
        repository.write(f"{number % 3}.py", "x\n" * number)
        repository.commit(when=NOW + number)
    repository.git("checkout", "-q", "-b", "side", "HEAD~2")
    repository.write("side.py", "x\n")
    repository.commit(when=NOW + 50)
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "main", when=NOW + 60)
    answer = history.run(repository.root)
    assert answer["commits"] == int(repository.git("rev-list", "--count", "HEAD"))
    assert answer["commits_read"] == int(repository.git("rev-list", "--count", "--no-merges", "HEAD"))
    for row in answer["most_changed"]:
        named = repository.git("log", "--no-merges", "--format=%h", "--", row["path"]).split()
        assert row["commits"] == len(named), row


def _commit(repository, *authors):
    for number, author in enumerate(authors):
        repository.git("commit", "-q", "--allow-empty", "-m", str(number), when=NOW + number, author=author)
    answer = history.run(repository.root, now=NOW)
    return [[(row["name"], row["commits"]) for row in answer[key]] for key in ("top_contributors", "bots")]


def test_people_are_joined_by_name_and_by_address(repository):
    people, _ = _commit(
        repository,
        "Ada Lovelace <ada@work.example>",
        "Ada Lovelace <ada@home.example>",
        "ada <ada@home.example>",
        "ada lovelace <12345+ada@users.noreply.github.com>",
        "ada-l <ada@users.noreply.github.com>",
        "Bob <bob@x>",
        "root <root@one>",
        "root <root@two>",
    )
    assert people == [("Ada Lovelace", 5), ("Bob", 1), ("root", 1), ("root", 1)]


def test_the_mailmap_of_the_repository_joins_people(repository):
    repository.write(".mailmap", "Ada Lovelace <ada@work.example> Countess <c@king.example>\n")
    repository.commit(author="Countess <c@king.example>")
    people, _ = _commit(repository, "Ada Lovelace <ada@work.example>")
    assert people == [("Ada Lovelace", 2)]


def test_bots_are_no_contributors(repository):
    people, bots = _commit(
        repository,
        "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
        "renovate[bot] <29139614+renovate[bot]@users.noreply.github.com>",
        "github-actions <actions@github.com>",
        "semantic-release-bot <x@y>",
        "Abbott <abbott@x>",
    )
    assert people == [("Abbott", 1)]
    assert len(bots) == 4


def test_dominance_is_a_persons_and_leaves_out_bots(repository, titles):
    authors = ["Ada Byron <a@x>", "ada byron <ada@y>", "dependabot[bot] <d@x>"] * 30 + ["Bob <b@x>"]
    _commit(repository, *authors)
    assert "One person made 98 % of the commits" in titles(history.run(repository.root, now=NOW))


def test_renamed_files_keep_their_changes(repository):
    repository.write("old.py", "".join(f"line {number}\n" for number in range(20)))
    repository.commit(when=NOW)
    repository.git("mv", "old.py", "middle.py")
    repository.commit(when=NOW + 1)
    (repository.root / "src").mkdir()
    repository.git("mv", "middle.py", "src/new.py")
    repository.commit(when=NOW + 2)
    repository.write("src/new.py", "".join(f"line {number}\n" for number in range(19)))
    repository.commit(when=NOW + 3)
    (row,) = history.run(repository.root)["most_changed"]
    assert (row["path"], row["commits"], row["exists"]) == ("src/new.py", 4, True)


def test_bounded_number_of_commits(repository):
    for number in range(5):
        repository.write("a.py", str(number))
        repository.commit(when=NOW + number)
    assert history.run(repository.root, max_commits="2")["commits_read"] == 2


def test_strange_names_in_the_history(repository):
    names = ["new\nline", "tab\tname", "pi|pe", "\x01odd", "ünï"]
    for name in names:
        repository.write(name, "x\n")
    repository.write("bin", b"\0\1")
    repository.commit(author="E\u202evil | `x` <e@x>")
    answer = history.run(repository.root)
    assert {row["path"] for row in answer["most_changed"]} == {*names, "bin"}
    json.dumps(answer)


def test_only_what_is_below_the_folder_counts(repository):
    repository.write("sub/a.py", "1\n")
    repository.commit()
    repository.write("b.py", "1\n")
    repository.commit()
    answer = history.run(repository.root / "sub")
    assert (answer["commits"], [row["path"] for row in answer["most_changed"]]) == (1, ["a.py"])


def test_shallow_clone_is_a_finding(repository, tmp_path, titles):
    for number in range(3):
        repository.write("a.py", str(number))
        repository.commit()
    clone = Project(tmp_path / "clone")
    clone.git("clone", "-q", "--depth", "1", f"file://{repository.root}", ".")
    answer = history.run(clone.root)
    assert (answer["commits"], answer["shallow"]) == (1, True)
    assert "The clone is shallow, so its history is incomplete" in titles(answer)


def test_no_history_is_a_finding(project, titles):
    answer = history.run(project.root)
    assert (answer["available"], answer["reason"]) == (False, "the folder is not in a git work tree")
    assert titles(answer) == ["There is no history to read"]
    project.init()
    assert history.run(project.root)["reason"] == "the repository has no commits"


def test_quiet_and_one_person_projects(repository, titles):
    for number in range(50):
        repository.git("commit", "-q", "--allow-empty", "-m", str(number), when=NOW - 500 * DAY)
    assert titles(history.run(repository.root, now=NOW)) == [
        "Nothing was committed for 500 days",
        "One person made 100 % of the commits",
    ]


def test_a_corrupt_repository_is_no_exception(repository):
    repository.write("a.py", "x")
    repository.commit()
    (repository.root / ".git" / "HEAD").write_text("nonsense")
    assert history.run(repository.root)["available"] is False


def test_hotspots_are_sources(repository):
    for number in range(3):
        repository.write("a.py", f"{number}\n" * 10)
        for name in ("CHANGELOG.md", "package-lock.json", "logo.svg", "Cargo.lock", "AUTHORS"):
            repository.write(name, f"{number}\n" * 1_000)
        repository.commit(when=NOW + number)
    assert [row["path"] for row in history.run(repository.root)["hotspots"]] == ["a.py"]


def test_people_who_share_a_first_name_are_not_one_while_an_account_is(repository):
    for number, author in enumerate(("Kim <a@x.org>", "Kim <b@y.org>", "kimfoo <a@z.org>", "kimfoo <b@z.org>")):
        repository.commit(when=NOW + number, author=author)
    answer = history.run(repository.root)
    assert [(row["name"], row["commits"]) for row in answer["top_contributors"]] == [
        ("kimfoo", 2),
        ("Kim", 1),
        ("Kim", 1),
    ]


def test_merge_bots_are_no_people(repository):
    for number, name in enumerate(("Homu", "bors[bot]", "bors", "Ada")):
        repository.commit(when=NOW + number, author=f"{name} <{number}@x.org>")
    answer = history.run(repository.root)
    assert [row["name"] for row in answer["top_contributors"]] == ["Ada"]


def test_people_of_an_imported_history_are_joined(repository):
    uuid = "d779f126-a31b-0410-b53b-1d3aecad763e"
    people, bots = _commit(
        repository,
        f"ada <ada@{uuid}>",
        f"ada@home.example <ada@home.example@{uuid}>",
        "Ada Lovelace <ada@home.example>",
        "ada <ada@work.example>",
        f"bob <bob@{uuid}>",
        "The Team <team-bot@x.example>",
    )
    assert people == [("Ada Lovelace", 2), ("ada", 2), ("bob", 1)]
    assert bots == [("The Team", 1)]


def test_hotspots_are_programs_that_people_write(repository):
    names = ("a.c", "CHANGELOG.md", "package-lock.json", "dist/a.js", "vendor/b.c", "logo.png", "data.yml")
    for number in range(2):
        for name in names:
            repository.write(name, "x\n" * (number + 2))
        repository.write("scan.c", "/* A lexical scanner generated by flex */\n" * (number + 2))
        repository.commit(when=NOW + number)
    assert [row["path"] for row in history.run(repository.root)["hotspots"]] == ["a.c"]


def test_a_commit_whose_content_is_missing_is_passed_over(repository, titles):
    for number in range(4):
        repository.write("a.py", "x\n" * number)
        repository.commit(when=NOW + number)
    lost = repository.git("rev-parse", "HEAD~2:a.py").strip()
    (repository.root / ".git/objects" / lost[:2] / lost[2:]).unlink()
    answer = history.run(repository.root)
    assert (answer["commits"], answer["commits_read"], answer["truncated"]) == (4, 2, True)
    (finding,) = [each for each in answer["findings"] if each["title"] == "The history could be read in part only"]
    assert "The changes of 2 commits were read." in finding["detail"]


def test_an_account_called_after_the_project_is_a_bot(repository):
    repository.write("a.py")
    repository.commit(author=f"{repository.root.name}bot <x@example.org>")
    repository.commit(author="Jane Talbot <jane@example.org>")
    answer = history.run(repository.root)
    assert [each["name"] for each in answer["bots"]] == [f"{repository.root.name}bot"]
    assert [each["name"] for each in answer["top_contributors"]] == ["Jane Talbot"]
