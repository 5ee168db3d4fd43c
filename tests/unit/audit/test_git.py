import shutil
import subprocess

import pytest

from genesis_audit import dependencies, history, inventory, secrets, todos
from genesis_audit.git import NoRepository, Repository, find_repository


@pytest.fixture
def trap(tmp_path):
    """A program that leaves a mark when it runs, and the mark."""
    mark = tmp_path / "ran"
    program = tmp_path / "trap.sh"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> {mark}\nexit 0\n')
    program.chmod(0o755)
    return str(program), mark


def _arm(repository, program):
    """Name the program wherever a repository's configuration can name one."""
    repository.write(".gitattributes", "* filter=evil diff=evil\n")
    repository.write("a.py", "# TODO one\n")
    repository.commit()
    for hook in ("post-index-change", "pre-commit", "post-checkout", "fsmonitor-watchman"):
        target = repository.root / ".git" / "hooks" / hook
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(program)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "core.editor",
        "core.askPass",
        "diff.external",
        "diff.evil.textconv",
        "diff.evil.command",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "gpg.program",
        "pager.log",
        "pager.blame",
        "credential.helper",
        "alias.log",
        "uploadpack.packObjectsHook",
    ):
        value = f"!{program}" if key in ("credential.helper", "alias.log") else program
        repository.git("config", key, value)
    repository.git("config", "log.showSignature", "true")
    repository.git("config", "filter.evil.required", "true")
    repository.git("config", "remote.origin.url", f"ext::{program}")
    repository.git("config", "remote.origin.promisor", "true")
    repository.git("config", "core.repositoryFormatVersion", "1")
    repository.git("config", "extensions.partialClone", "origin")
    repository.git("config", "protocol.ext.allow", "always")
    repository.write("a.py", "# TODO one\n# TODO two\n")


def test_configuration_of_a_hostile_repository_runs_nothing(repository, trap):
    program, mark = trap
    _arm(repository, program)
    shutil.rmtree(repository.root / ".git" / "objects" / "pack", ignore_errors=True)
    for tool in (inventory, dependencies, secrets, todos, history):
        tool.run(repository.root)
    assert not mark.exists(), mark.read_text()


def test_the_trap_would_have_sprung(repository, trap):
    program, mark = trap
    _arm(repository, program)
    for command in ("status", "log -p", "blame a.py"):
        mark.unlink(missing_ok=True)
        subprocess.run(["git", *command.split()], cwd=repository.root, capture_output=True, check=False)
        assert mark.exists(), command


def test_missing_objects_of_a_partial_clone_are_not_fetched(repository, trap):
    program, mark = trap
    _arm(repository, program)
    blob = repository.git("rev-parse", "HEAD:a.py").strip()
    (repository.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    answer = history.run(repository.root)
    todos.run(repository.root)
    assert answer["commits"] == 1
    assert not mark.exists(), mark.read_text()


def test_variables_of_the_calling_git_are_not_obeyed(repository, project, tmp_path, monkeypatch):
    repository.write("a.txt")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert isinstance(find_repository(repository.root), Repository)


def test_folder_outside_of_a_repository(project):
    assert find_repository(project.root) == NoRepository("the folder is not in a git work tree")


def test_no_git(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project.root))
    project.write("git", "#!/bin/sh\ntouch ran\n").chmod(0o755)
    assert find_repository(project.root) == NoRepository("git is not installed")
    assert not (project.root / "ran").exists()


def test_answer_is_none_where_git_fails(repository):
    found = find_repository(repository.root)
    assert isinstance(found, Repository)
    assert found.answer("rev-parse", "no-such-thing") is None
    assert not found.has_commits()


def test_a_subfolder_is_read_with_its_own_path(repository):
    repository.write("sub/a.txt", "x")
    repository.commit()
    found = find_repository(repository.root / "sub")
    assert isinstance(found, Repository)
    assert found.pathspec() == ("--", ".")
    assert find_repository(repository.root).pathspec() == ()


def test_bare_repository_in_the_folder_is_no_work_tree(project):
    project.git("init", "-q", "--bare", ".")
    assert isinstance(find_repository(project.root), NoRepository)
    assert (project.root / "HEAD").exists()
