"""Run a program where it reaches little of this machine: bubblewrap, else the namespaces of `unshare`.

The sandbox is the last line: it holds when a repository's tests, a tool or an argument turn out to be hostile. With
bubblewrap a program sees the system read-only, an empty home, an empty `/tmp`, no process but its own and, unless its
agent lists hosts, no network. `unshare` (util-linux) hides processes and the network and does not restrict files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

from genesis.model.sandbox import SandboxRules

__all__ = ["INSTALL", "Folders", "SandboxTool", "find_sandbox", "sandbox_argv", "sandbox_gap", "variables_named"]

SandboxTool: TypeAlias = Literal["bubblewrap", "unshare"]
INSTALL = "install bubblewrap (Debian: apt install bubblewrap), or allow user namespaces in this container"
"""What to do about a machine without a sandbox."""

_TRY_S = 10.0
"""How long a trial of a tool may take on a busy machine; one takes 10 ms."""
_HIDDEN = ("/tmp", "/var/tmp", "/run", "/root", "/home")  # noqa: S108  # hidden, not written to
"""Where other programs and people keep what is theirs: sockets, sessions, homes."""
_ROOT_CAPABILITIES = ("CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER", "CAP_SETUID", "CAP_SETGID", "CAP_KILL")
"""What root keeps: to work on other users' files in its folder. None of these leaves the sandbox."""
_NAMED = re.compile(r"\$(?:\{([A-Za-z_]\w*)[}:#%/^,+=?-]|([A-Za-z_]\w*))")
"""A variable in an argument, as a shell writes it."""
_RESOLVERS = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager")
"""Where `/etc/resolv.conf` may point to."""
_SUPERVISE = 'ip link set lo up 2>/dev/null; "$@"; exit $?'
"""The first process of a namespace of `unshare`: waits for the program, which thus gets signals as usual."""


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one attempt."""

    work: Path
    """Where the program runs; it may write there, unless the folder holds a whole home."""
    leaf: Path
    """The leaf's own folder for files."""
    hidden: tuple[Path, ...] = ()
    """Further places that no program may read, such as the home of Genesis."""


@lru_cache(maxsize=1)
def find_sandbox() -> SandboxTool | None:
    """Return the best tool that works on this machine, found by running `true` in it; None without one. Cached."""
    if sys.platform != "linux":
        return None
    trials: dict[SandboxTool, list[str]] = {
        "bubblewrap": [*_bubblewrap((), network=False), "--", "true"],
        "unshare": [*_unshare(network=False), "true"],
    }
    for tool, trial in trials.items():
        if shutil.which(trial[0]) is None:
            continue
        try:
            ended = subprocess.run(trial, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRY_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if ended.returncode == 0:
            return tool
    return None


def sandbox_gap(rules: SandboxRules) -> str | None:
    """Return what the machine lacks for these rules, or None where it has it or they ask for none."""
    if rules.mode == "off":
        return None
    match find_sandbox():
        case "bubblewrap":
            return None
        case "unshare":
            return "this machine's sandbox (unshare) does not restrict files"
        case None:
            return "this machine has no sandbox: neither bubblewrap nor unshare works here"


def sandbox_argv(
    argv: Sequence[str],
    rules: SandboxRules,
    tool: SandboxTool,
    *,
    folders: Folders,
    environment: Mapping[str, str],
    named: Iterable[str] = (),
    written: Iterable[str] = (),
) -> list[str]:
    """Return the command that runs a program in a sandbox.

    Args:
        argv: The program, as a full path, and its arguments.
        rules: What it may reach.
        tool: What the machine has.
        folders: Where it works.
        environment: Its variables: its `PATH` and `HOME` count.
        named: Paths that a person has named, in the agents file, the plan or on the command line: they can be read.
        written: Those of them that the program is to write. None uncovers a whole home.
    """
    limited = [*_limits(rules), *argv]
    if tool == "unshare":
        return [*_unshare(network=bool(rules.hosts)), "/bin/sh", "-c", _SUPERVISE, "sh", *limited]
    hidden = _hidden_places(folders, environment)
    writable = [path for path in (folders.work, folders.leaf, *map(Path, written)) if not _holds_any(path, hidden)]
    writable += [_expand(each, environment) for each in rules.write]
    programs = [_installation(folder, hidden) for folder in _program_folders(argv[0], environment)]
    readable = _shown((*programs, *_readable(rules, environment, named)), hidden)
    words = [word for place in hidden for word in ("--tmpfs", str(place))]
    for option, paths in (
        ("--ro-bind", (path for path in readable if not _lies_in(path, writable))),
        ("--bind", (path for path in dict.fromkeys(writable) if path.exists())),
    ):
        words += [word for path in paths for word in (option, str(path), str(path))]
    return [*_bubblewrap(words, network=bool(rules.hosts)), "--chdir", str(folders.work), "--", *limited]


def variables_named(arguments: Iterable[str]) -> set[str]:
    """Return the environment variables that arguments name as a shell does: `$NAME`, `${NAME}`."""
    return {found[1] or found[2] for text in arguments for found in _NAMED.finditer(text)}


def _bubblewrap(mounts: Sequence[str], *, network: bool) -> list[str]:
    """Return the beginning of the command.

    Root keeps its user namespace: in one of its own, files of other users would be out of reach.
    """
    spaces = ["--die-with-parent", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
    if not network:
        spaces.append("--unshare-net")
    root = os.geteuid() == 0
    kept = [word for name in _ROOT_CAPABILITIES for word in ("--cap-add", name)] if root else ["--unshare-user"]
    seen = ["--ro-bind", "/", "/", *mounts, "--dev", "/dev", "--proc", "/proc"]
    return ["bwrap", *spaces, "--cap-drop", "ALL", *kept, *seen]


def _unshare(*, network: bool) -> list[str]:
    words = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--ipc", "--uts"]
    if os.geteuid() != 0:
        words += ["--user", "--map-current-user"]
    return words if network else [*words, "--net"]


def _limits(rules: SandboxRules) -> list[str]:
    """Return the words that start a program under limits; none without limits."""
    megabyte = 1024 * 1024
    words = []
    if rules.memory_mb:
        words.append(f"--as={rules.memory_mb * megabyte}")
    if rules.processes:
        words.append(f"--nproc={rules.processes}")
    if rules.file_mb:
        words.append(f"--fsize={rules.file_mb * megabyte}")
    return ["prlimit", *words, "--"] if words else []


def _hidden_places(folders: Folders, environment: Mapping[str, str]) -> list[Path]:
    """Return the places that are empty in the sandbox, parents first."""
    places = (*map(Path, _HIDDEN), *_homes(environment), *folders.hidden)
    return sorted({path.resolve() for path in places if path.is_dir()})


def _homes(environment: Mapping[str, str]) -> list[Path]:
    """Return the home in the program's environment, and the home of its user."""
    named = (environment.get("HOME", ""), os.path.expanduser("~"))  # noqa: PTH111  # Path.home raises without one
    return [Path(home) for home in dict.fromkeys(named) if home.startswith("/") and home != "/"]


def _program_folders(program: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders of the program, of those that it may start, and of this Python."""
    yield from (Path(program).parent, Path(program).resolve().parent)
    yield from (Path(prefix) / "bin" for prefix in (sys.prefix, sys.base_prefix))
    yield from (Path(entry) for entry in environment.get("PATH", "").split(os.pathsep) if entry.startswith("/"))


def _installation(folder: Path, hidden: Sequence[Path]) -> Path:
    """Return what the programs of a folder need beside them: `~/.nvm/versions/node/v22` for its `bin`.

    Right below a home, as in `~/.local/bin` or `~/.cargo/bin`, the folder's neighbours may be credentials.
    """
    shallow = folder.parent in hidden or folder.parent.parent in hidden
    alone = folder.name != "shims" and (folder.name != "bin" or shallow)
    return folder if alone or folder.parent in hidden else folder.parent


def _readable(rules: SandboxRules, environment: Mapping[str, str], named: Iterable[str]) -> Iterator[Path]:
    """Yield the paths that a person has named, and what the network needs."""
    yield from (_expand(each, environment) for each in rules.read)
    yield from (path if path.exists() else path.parent for path in map(Path, named))
    if rules.hosts:
        yield from map(Path, _RESOLVERS)


def _shown(paths: Iterable[Path], hidden: Sequence[Path]) -> list[Path]:
    """Return those paths that lie in a hidden place, and do not uncover one as a whole."""
    kept = dict.fromkeys(path for path in paths if path.exists())
    return [path for path in kept if _lies_in(path, hidden) and not _holds_any(path, hidden)]


def _lies_in(path: Path, places: Iterable[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _holds_any(folder: Path, hidden: Sequence[Path]) -> bool:
    return any(place.is_relative_to(folder) for place in hidden)


def _expand(path: str, environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME", "~")
    return Path(home + path[1:] if path == "~" or path.startswith("~/") else path).absolute()
