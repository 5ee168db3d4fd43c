import json
import os
import subprocess

import pytest

from genesis.errors import TaskError
from genesis.resilience.taxonomy import classify
from genesis_audit.files import SourceFile, folder_problem, resolve_audit_folder, survey


def _paths(tree):
    return [file.path for file in tree.files]


@pytest.mark.parametrize("path", ["", "  ", "/no/such/folder", "a\0b", "~nobody-of-this-name/x"])
def test_a_path_that_is_no_folder_is_refused(path):
    with pytest.raises(TaskError):
        resolve_audit_folder(path)


def test_a_file_is_refused(project):
    with pytest.raises(TaskError, match="not a folder"):
        resolve_audit_folder(project.write("a.txt"))


def test_git_ignore_is_honoured_and_untracked_files_count(repository):
    repository.write(".gitignore", "*.log\nout/\n")
    repository.write("a.py")
    repository.write("b.log")
    repository.write("out/c.py")
    repository.write("build/kept.py")
    tree = survey(repository.root)
    assert tree.listed_by == "git"
    assert _paths(tree) == [".gitignore", "a.py", "build/kept.py"]


def test_files_deleted_from_the_work_tree_are_left_out(repository):
    repository.write("a.py")
    repository.write("b.py")
    repository.commit()
    (repository.root / "a.py").unlink()
    assert _paths(survey(repository.root)) == ["b.py"]


def test_without_git_what_tools_make_is_left_out(project):
    for path in (
        "a.py",
        "node_modules/x.js",
        ".venv/y.py",
        "build/z.py",
        "env2/pyvenv.cfg",
        "env2/w.py",
        "p.egg-info/P",
    ):
        project.write(path)
    tree = survey(project.root)
    assert (tree.listed_by, _paths(tree)) == ("walk", ["a.py"])


def test_tracked_tool_folders_are_counted_as_ignored(repository):
    repository.write("node_modules/x.js")
    repository.write("a.py")
    tree = survey(repository.root)
    assert (_paths(tree), tree.ignored) == (["a.py"], ("node_modules/x.js",))


def test_an_ignored_folder_of_another_repository_is_walked(repository):
    repository.write(".gitignore", "inner/\n")
    repository.write("inner/a.py")
    tree = survey(repository.root / "inner")
    assert (tree.listed_by, _paths(tree)) == ("walk", ["a.py"])


@pytest.mark.parametrize("in_git", [True, False])
def test_links_are_not_followed(project, tmp_path, in_git):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("x")
    project.write("a.py")
    (project.root / "loop").symlink_to(project.root)
    (project.root / "out").symlink_to(outside)
    (project.root / "file.py").symlink_to(outside / "secret.py")
    if in_git:
        project.init()
    tree = survey(project.root)
    assert _paths(tree) == ["a.py"]
    assert tree.symlinks == 3


def test_a_tracked_folder_that_became_a_link_is_not_followed(repository, tmp_path):
    repository.write("sub/deep/a.py", "inside")
    repository.commit()
    outside = tmp_path / "outside" / "deep"
    outside.mkdir(parents=True)
    (outside / "a.py").write_text("outside")
    (repository.root / "sub" / "deep" / "a.py").unlink()
    (repository.root / "sub" / "deep").rmdir()
    (repository.root / "sub").rmdir()
    (repository.root / "sub").symlink_to(tmp_path / "outside")
    assert _paths(survey(repository.root)) == []


@pytest.mark.parametrize("in_git", [True, False])
def test_strange_names_survive(project, in_git):
    names = ["new\nline.py", "pi|pe.py", "back`tick`.py", "-rf.py", " lead.py", "ünï.py", "tab\t.py"]
    for name in names:
        project.write(name)
    (project.root / os.fsdecode(b"bad\xff.py")).write_bytes(b"x = 1\n")
    if in_git:
        project.init()
    tree = survey(project.root)
    assert {file.path for file in tree.files} == {*names, os.fsdecode(b"bad\xff.py")}
    shown = [file.shown for file in tree.files]
    assert "bad\\xff.py" in shown
    json.dumps(shown).encode("utf-8")
    odd = next(file for file in tree.files if file.shown == "bad\\xff.py")
    assert tree.text_of(odd) == "x = 1\n"


def test_devices_and_pipes_are_left_out(project):
    os.mkfifo(project.root / "pipe.py")
    project.write("a.py")
    assert _paths(survey(project.root)) == ["a.py"]


def test_a_file_swapped_for_a_link_or_a_pipe_after_listing_is_not_read(project, tmp_path):
    (tmp_path / "outside").write_text("secret")
    path = project.write("a.py", "x")
    tree = survey(project.root)
    path.unlink()
    path.symlink_to(tmp_path / "outside")
    assert tree.text_of(tree.files[0]) is None
    path.unlink()
    os.mkfifo(path)
    assert tree.bytes_of(tree.files[0]) is None


def test_text_is_decoded_whatever_it_is(project):
    project.write("bom.txt", b"\xef\xbb\xbfx\r\ny\rz")
    project.write("wide.txt", "hé\n".encode("utf-16"))
    project.write("latin.txt", "caf\xe9".encode("latin-1"))
    project.write("binary.txt", b"a\0b")
    project.write("large.txt", b"x" * 100)
    tree = survey(project.root)
    texts = {file.path: tree.text_of(file, 90) for file in tree.files}
    assert texts == {
        "bom.txt": "x\ny\nz",
        "wide.txt": "hé\n",
        "latin.txt": "caf\ufffd",
        "binary.txt": None,
        "large.txt": None,
    }


def test_listing_is_bounded(project, repository):
    for number in range(12):
        project.write(f"{number:02}.py")
    tree = survey(project.root, max_files=5)
    assert tree.truncated
    assert len(tree.files) == 5


def test_walking_is_bounded(project):
    for number in range(12):
        project.write(f"{number:02}/a.py")
    tree = survey(project.root, max_files=5)
    assert tree.truncated
    assert len(tree.files) == 5


def test_empty_folder(project):
    tree = survey(project.root)
    assert (tree.files, tree.truncated) == ((), False)


def test_deep_folders_do_not_exhaust_the_stack(project):
    descriptor = os.open(project.root, os.O_RDONLY)
    try:
        for _ in range(1_200):
            os.mkdir("d", dir_fd=descriptor)
            inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        os.close(os.open("a.py", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
        assert [file.name for file in survey(project.root).files] == ["a.py"]
    finally:
        os.close(descriptor)
        subprocess.run(["rm", "-rf", str(project.root / "d")], check=True)  # pytest's own removal is recursive


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder_is_counted(project):
    project.write("shut/a.py")
    (project.root / "shut").chmod(0)
    try:
        assert survey(project.root).unreadable == 1
    finally:
        (project.root / "shut").chmod(0o700)


def test_unreadable_folder_is_counted_whoever_asks(project, monkeypatch):
    project.write("shut/a.py")
    project.write("b.py")
    real = os.scandir

    def refusing(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "no")
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    tree = survey(project.root)
    assert (_paths(tree), tree.unreadable) == (["b.py"], 1)


@pytest.mark.parametrize(
    ("path", "is_test", "is_example"),
    [
        ("src/a.py", False, False),
        ("tests/a.py", True, False),
        ("test_a.py", True, False),
        ("pkg/a_test.go", True, False),
        ("web/a.spec.ts", True, False),
        ("latest/contest.py", False, False),
        ("docs/a.py", False, True),
        ("README.md", False, True),
        (".env.example", False, True),
        (".github/workflows/test.yml", False, False),
        (".github/actions/test/action.yml", False, False),
        (".circleci/test.yml", False, False),
        ("testing/a.py", True, False),
        ("packages/testing/src/index.ts", False, False),
        ("packages/testing/src/index.spec.ts", True, False),
    ],
)
def test_where_a_file_stands(path, is_test, is_example):
    file = SourceFile(path, 0)
    assert (file.is_test, file.is_example) == (is_test, is_example)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nope", "there is no folder"),
        ("", "empty"),
        ("a\0b", "not a path"),
        ("file.txt", "is not a folder"),
        ("https://github.com/pallets/flask", "clone it first"),
        ("git@github.com:pallets/flask.git", "clone it first"),
        ("ssh://git@h/x", "clone it first"),
    ],
)
def test_a_folder_that_cannot_be_audited_is_told_with_the_reason(project, monkeypatch, path, said):
    project.write("file.txt", "x")
    monkeypatch.chdir(project.root)
    assert said in (folder_problem({"path": path}) or "")
    with pytest.raises(TaskError) as refused:
        resolve_audit_folder(path)
    assert refused.value.code == "GEN-TASK-INPUT"
    assert not classify(refused.value).retryable


def test_a_folder_that_can_be_audited_has_no_problem(project, monkeypatch):
    monkeypatch.chdir(project.root)
    assert folder_problem({"path": "."}) is None
    assert folder_problem({}) is None


@pytest.mark.parametrize(
    ("path", "is_test", "is_example"),
    [
        ("src/main/java/com/example/App.java", False, False),
        ("src/main/java/com/acme/demo/test/App.java", False, False),
        ("app/src/main/resources/com/example/app.properties", False, False),
        ("src/commonMain/kotlin/com/example/App.kt", False, False),
        ("core/src/com/acme/testing/Fields.java", False, False),
        ("src/main/java/com/example/AppTest.java", True, False),
        ("src/test/java/com/acme/Helper.java", True, False),
        ("src/jvmTest/kotlin/com/acme/Helper.kt", True, False),
        ("src/testFixtures/java/com/acme/Helper.java", True, False),
        ("core/test/com/acme/Helper.java", True, False),
        ("samples/guide/src/main/java/com/acme/Recipe.java", False, True),
        ("examples/src/com/acme/Recipe.java", False, True),
        ("src/example/run.py", False, True),
        ("src/net/tests/a.c", True, False),
        ("src/main/tests/window.ts", True, False),
    ],
)
def test_packages_of_jvm_languages_do_not_make_tests_or_examples(path, is_test, is_example):
    file = SourceFile(path, 0)
    assert (file.is_test, file.is_example) == (is_test, is_example)


def test_settings_of_an_editor_are_shared_on_purpose(repository):
    repository.write(".idea/icon.svg")
    assert survey(repository.root).ignored == ()
