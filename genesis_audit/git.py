"""Read a repository with git without letting the repository run anything.

A repository's own configuration can name programs: hooks, an fsmonitor, filters, text conversions, external diffs, a
pager, a signature checker, a transport for objects that a partial clone lacks. Everything here is switched off by
command-line configuration, which wins over the repository's, or by not using the command: no `status`, no diff against
the work tree and no `blame` of it, because those run filters. Text conversion has no setting of its own: a command that
looks into files has to be given `--no-textconv`.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from genesis_audit.process import Completed, get_trusted_path, run_child, scrub_environment

__all__ = ["NoRepository", "Repository", "find_repository"]

_SAFE_CONFIGURATION = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.pager=cat",
    "core.editor=false",
    "core.askPass=",
    "core.sshCommand=false",
    "core.gitProxy=",
    f"core.attributesFile={os.devnull}",
    "core.quotePath=false",
    "core.untrackedCache=false",
    "credential.helper=",
    "diff.external=",
    f"diff.orderFile={os.devnull}",
    "diff.relative=false",
    "gpg.program=false",
    "gpg.ssh.program=false",
    "gpg.x509.program=false",
    "log.follow=false",
    "log.showRoot=true",
    "log.showSignature=false",
    "protocol.allow=never",
    "submodule.recurse=false",
    "safe.directory=*",
)


@dataclass(frozen=True)
class NoRepository:
    """Why git has no history of a folder, for a person to read."""

    reason: str


@dataclass(frozen=True)
class Repository:
    """A folder that is in a git work tree, and the git that reads it."""

    executable: str
    root: Path
    """The audited folder, which may be below the work tree's top."""

    def run(self, *arguments: str, timeout_s: float = 60, output_limit: int = 64_000_000) -> Completed:
        """Run one read-only git command in the folder, with everything switched off that could run a program.

        Args:
            arguments: The command and its arguments; say `--` before paths.
            timeout_s: When git is killed.
            output_limit: Bytes of output after which git is killed.
        """
        settings = [part for setting in _SAFE_CONFIGURATION for part in ("-c", setting)]
        argv = [self.executable, "--no-pager", "--literal-pathspecs", *settings, *arguments]
        env = _environment(self.root)
        return run_child(argv, cwd=self.root, env=env, timeout_s=timeout_s, output_limit=output_limit)

    def answer(self, *arguments: str, timeout_s: float = 30) -> str | None:
        """Return a command's output as stripped text, or `None` where it failed."""
        done = self.run(*arguments, timeout_s=timeout_s, output_limit=1_000_000)
        return done.stdout.decode("utf-8", "replace").strip() if done.ok else None

    def pathspec(self) -> tuple[str, ...]:
        """Return the arguments that limit a log to the folder: none at the work tree's top, where merges then count."""
        return ("--", ".") if self.answer("rev-parse", "--show-prefix") else ()

    def has_commits(self) -> bool:
        """Whether there is a commit to read."""
        return self.answer("rev-parse", "--verify", "--quiet", "HEAD^{commit}") is not None

    def is_shallow(self) -> bool:
        """Whether the clone lacks its older history."""
        return self.answer("rev-parse", "--is-shallow-repository") == "true"


def find_repository(root: Path) -> Repository | NoRepository:
    """Find the git repository that a folder belongs to.

    Args:
        root: An existing folder, resolved.

    Returns:
        The repository, or the reason why there is none to read: no git, or not in a work tree.
    """
    executable = shutil.which("git", path=get_trusted_path(root))
    if executable is None:
        return NoRepository("git is not installed")
    repository = Repository(executable, root)
    done = repository.run("rev-parse", "--is-inside-work-tree", timeout_s=20)
    if done.ok and done.stdout.strip() == b"true":
        return repository
    if done.end == "timeout":
        return NoRepository("git did not answer in time")
    complaint = done.complaint
    if "dubious ownership" in complaint:
        return NoRepository("git refuses the repository, because another user owns it")
    return NoRepository("the folder is not in a git work tree")


def _environment(root: Path) -> dict[str, str]:
    return scrub_environment(
        get_trusted_path(root),
        {
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "HOME": os.devnull,
            "LC_ALL": "C",
            "XDG_CONFIG_HOME": os.devnull,
        },
    )
