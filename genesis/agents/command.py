"""Run a program."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue
from pydantic_core import to_json

from genesis.agents.arguments import fill_arguments
from genesis.agents.child import Ended, run_child
from genesis.agents.child_environment import SecretLookup, child_environment
from genesis.agents.contract import Result, Work
from genesis.agents.deadline import time_limit
from genesis.agents.untrusted_inputs import refuse_untrusted
from genesis.agents.values import CollisionError, decode_utf8, read_json, wrap_bare_value
from genesis.agents.venvs import activate_venv, prepare_venv
from genesis.errors import GenesisError, ResourceError, SecurityError, TaskError
from genesis.model import AgentProfile, CommandSpec
from genesis.security.sandbox import (
    INSTALL,
    Folders,
    SandboxTool,
    find_sandbox,
    sandbox_argv,
    sandbox_gap,
    variables_named,
)
from genesis.structure import WHOLE_RESULT

__all__ = ["CommandExecutor"]

_SHORT = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})
"""Errnos of a failed start that may pass."""
_SHOWN_LINES = 5
"""Last lines of stderr in the error of a command that failed."""
_SHOWN_CHARACTERS = 1_000
"""Most characters of those lines."""


class CommandExecutor:
    """Run the program that the spec names, as an argument list and never through a shell.

    The program gets the leaf's inputs twice: in its arguments for each `{input}`, and all of them as one
    JSON object on stdin. A JSON object on its stdout is the result, with the promised outputs by name, and so is a JSON
    list; other text becomes `{"stdout": text}`. An exit code other than 0 is a failure. At most `output_bytes` of each
    stream are kept, the first of stdout and the last of stderr; what is left out is counted in `omitted_bytes`.

    The program of a task with `files` starts in the task's folder, unless the spec names another one.

    The program runs in a sandbox where this machine has one, as the agent's `sandbox` says. It runs in its own process
    group, which is ended when the attempt ends for any reason: with SIGTERM, after two seconds with SIGKILL. A program
    that leaves its group (a daemon) is ended with the sandbox, and not without one.

    Args:
        spec: What to run.
        output_bytes: How much of each stream is kept.
        environment: This process's variables; see `child_environment` for what the program gets of them.
        secrets: Where the agent's secrets are looked up.
        home: The home of Genesis, which programs in a sandbox may not read, and where virtual environments are kept;
            without it, tasks with one fail.
    """

    def __init__(
        self,
        spec: CommandSpec,
        *,
        output_bytes: int,
        environment: Mapping[str, str],
        secrets: SecretLookup,
        home: Path | None = None,
    ) -> None:
        self._home = home
        self._spec = spec
        self._output_bytes = output_bytes
        self._environment = environment
        self._secrets = secrets

    async def execute(self, work: Work) -> Result:
        """Run the program and parse its output."""
        refuse_untrusted(work, self._spec, {})
        argv = fill_arguments(self._spec.argv, work, self._spec.parameters)
        environment = child_environment(self._environment, self._spec, self._secrets, work)
        cwd = str(work.folder) if work.has_files and self._spec.cwd is None else self._spec.cwd
        _check_folder(cwd, argv[0])
        tool = _choose_sandbox(work.agent)
        async with time_limit(work):
            if work.requirements:
                venv = await prepare_venv(work.requirements, home=self._home, environment=self._environment)
                environment = activate_venv(venv, environment)
            try:
                ended = await run_child(
                    argv if tool is None else self._confine(argv, tool, environment, work, Path(cwd or ".")),
                    cwd=cwd,
                    env=environment,
                    stdin=to_json(dict(work.inputs)),
                    keep_bytes=self._output_bytes,
                    sandboxed=tool is not None,
                )
            except (OSError, ValueError) as error:
                raise _not_started(argv[0], error) from error
            finally:
                if tool is not None:
                    _remove_if_empty(work.folder)
        if ended.code != 0:
            raise _make_exit_error(argv[0], ended)
        return Result(wrap_bare_value(_value(argv[0], ended, work.outputs), work.outputs))

    def _confine(
        self, argv: Sequence[str], tool: SandboxTool, environment: Mapping[str, str], work: Work, cwd: Path
    ) -> list[str]:
        """Return the command that runs a program in the agent's sandbox.

        Raises:
            OSError: The program cannot be found or run: in a sandbox that would look like its own failure.
        """
        spec, work_folder = self._spec, cwd.absolute()
        program = _find_program(argv[0], work_folder, environment.get("PATH"))
        work.folder.mkdir(parents=True, exist_ok=True)
        persons = {name: str(value) for name, value in work.inputs.items() if name not in work.sources}
        texts = [*spec.argv[1:], *(environment.get(name, "") for name in variables_named(spec.argv)), *persons.values()]
        writes = [text for name, text in persons.items() if spec.parameters.get(name) == "write_path"]
        return sandbox_argv(
            [program, *argv[1:]],
            work.agent.sandbox,
            tool,
            folders=Folders(work_folder, work.folder.absolute(), () if self._home is None else (self._home,)),
            environment=environment,
            named=[text for text in texts if text.startswith("/")],
            written=[text for text in writes if text.startswith("/")],
        )


def _choose_sandbox(agent: AgentProfile) -> SandboxTool | None:
    """Return what runs the agent's programs here; None without a sandbox.

    Raises:
        SecurityError: The agent requires one that restricts files, and this machine has none.
    """
    if agent.sandbox.mode == "off":
        return None
    if agent.sandbox.mode == "required" and (gap := sandbox_gap(agent.sandbox)):
        raise SecurityError(f"agent {agent.name!r} requires a sandbox, and {gap}", hint=INSTALL, code="GEN-SANDBOX")
    return find_sandbox()


def _find_program(program: str, folder: Path, path: str | None) -> str:
    if "/" in program:
        place = folder / program
        found = str(place) if os.access(place, os.X_OK) and not place.is_dir() else None
    else:
        place, found = Path(program), shutil.which(program, path=path)
    if found is None:
        number = errno.EACCES if place.exists() and "/" in program else errno.ENOENT
        raise OSError(number, os.strerror(number), program)
    return found


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # the program wrote there, or another attempt works there
        folder.rmdir()


def _check_folder(cwd: str | None, program: str) -> None:
    """Distinguish a missing folder from a missing program: both raise the same error."""
    if cwd is not None and not Path(cwd).is_dir():
        raise TaskError(f"there is no folder {cwd!r} to run {program!r} in", hint="correct the executor's cwd")


def _value(program: str, ended: Ended, outputs: tuple[str, ...]) -> JsonValue:
    raw = ended.stdout
    if ended.stdout_omitted:
        if set(outputs) - {"stdout", WHOLE_RESULT}:
            size = len(raw) + ended.stdout_omitted
            raise TaskError(
                f"{program!r} wrote {size:,} bytes to stdout, and its output was cut after {len(raw):,}",
                hint="reduce its output, or raise GENESIS_LIMITS__OUTPUT_BYTES",
                code="GEN-TASK-RESULT-SIZE",
            )
        whole = _whole_characters(raw)
        return {"stdout": decode_utf8(whole), "omitted_bytes": ended.stdout_omitted + len(raw) - len(whole)}
    text = decode_utf8(raw)
    if text.lstrip()[:1] not in {"{", "["}:  # a bare `3.10` is text, not the number 3.1
        return {"stdout": text}
    try:
        return read_json(text)
    except CollisionError as error:
        raise TaskError(f"{program!r} printed a JSON object in which {error}", hint="print each key once") from error
    except ValueError:
        return {"stdout": text}


def _whole_characters(raw: bytes) -> bytes:
    """Drop the leading bytes of a truncated character."""
    for back in range(1, min(4, len(raw)) + 1):
        lead = raw[-back]
        if lead & 0xC0 != 0x80:  # noqa: PLR2004  # no continuation of a character in UTF-8
            wanted = 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)  # noqa: PLR2004
            return raw[:-back] if wanted > back else raw
    return raw


def _make_exit_error(program: str, ended: Ended) -> TaskError:
    how = f"ended with exit code {ended.code}" if ended.code > 0 else f"was ended by {_signal_name(-ended.code)}"
    lines = decode_utf8(ended.stderr).strip().splitlines()[-_SHOWN_LINES:]
    said = "\n".join(lines)[-_SHOWN_CHARACTERS:]
    return TaskError(
        f"{program!r} {how}" + (f": {said}" if said else ", and wrote nothing to stderr"),
        code="GEN-TASK-EXIT",
        data={"exit_code": ended.code, "stderr": said, "omitted_bytes": ended.stdout_omitted + ended.stderr_omitted},
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _not_started(program: str, error: OSError | ValueError) -> GenesisError:
    if ResourceError.is_short(error):
        return ResourceError.of(error, f"cannot start {program!r}")
    if isinstance(error, FileNotFoundError):
        hint = "install it or use its full path; for a script, check the interpreter in its first line"
        return TaskError(f"there is no program {program!r} here", hint=hint, data={"retry": False})
    hint = "make it executable" if isinstance(error, PermissionError) else "it has to be a program for this machine"
    if isinstance(error, OSError) and error.errno == errno.E2BIG:
        hint = "the inputs are too long for arguments; read them from stdin, where they are as JSON"
    why = getattr(error, "strerror", None) or error
    short = isinstance(error, OSError) and error.errno in _SHORT
    return TaskError(f"cannot start {program!r}: {why}", hint=hint, data={"retry": short})
