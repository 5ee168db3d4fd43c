"""Folders and repositories to audit, made with real files and real git."""

import os
import subprocess
from pathlib import Path

import pytest

DAY = 86_400
NOW = 1_790_000_000


class Project:
    """A folder under test."""

    def __init__(self, root: Path):
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def write(self, path: str, content: str | bytes = "") -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            target.write_text(content, encoding="utf-8")
        return target

    def git(self, *arguments: str, when: int = NOW, author: str = "Ada <ada@example.org>") -> str:
        name, _, address = author.partition(" <")
        env = {
            "PATH": os.environ["PATH"],
            "HOME": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": address.rstrip(">"),
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": address.rstrip(">"),
            "GIT_AUTHOR_DATE": f"{when} +0000",
            "GIT_COMMITTER_DATE": f"{when} +0000",
        }
        done = subprocess.run(["git", *arguments], cwd=self.root, env=env, check=True, capture_output=True, text=True)
        return done.stdout

    def init(self) -> "Project":
        self.git("init", "-q", "-b", "main")
        return self

    def commit(self, message: str = "work", **how: object) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, **how)  # type: ignore[arg-type]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A plain folder, in no repository."""
    return Project(tmp_path / "project")


@pytest.fixture
def repository(project: Project) -> Project:
    """A git repository without commits."""
    return project.init()


@pytest.fixture
def titles():
    """Return the titles of an answer's findings."""
    return lambda answer: [finding["title"] for finding in answer["findings"]]
