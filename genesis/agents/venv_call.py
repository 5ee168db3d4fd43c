"""Call a Python function in a virtual environment of its own."""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue
from pydantic_core import to_json

from genesis.agents.child import Ended, run_child
from genesis.agents.child_environment import SecretLookup, child_environment, no_secret
from genesis.agents.contract import Result, Work
from genesis.agents.values import decode_utf8, read_json, wrap_bare_value
from genesis.agents.venvs import activate_venv, prepare_venv
from genesis.errors import ResourceError, TaskError
from genesis.model import CommandSpec

__all__ = ["VenvTools", "call_in_venv"]

_SCRIPT = Path(__file__).with_name("venv_script.py")
_INTERPRETER = CommandSpec(kind="command", argv=("python",))
_SHOWN_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class VenvTools:
    """What calls in virtual environments need."""

    home: Path | None = None
    """Genesis' home, where the environments are kept; without it, tasks with one fail."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """This process's variables; programs get them without secrets."""
    secrets: SecretLookup = no_secret
    """Returns a secret by name."""
    output_bytes: int = 0
    """How much of the process's output is kept."""


async def call_in_venv(call: str, work: Work, tools: VenvTools) -> Result:
    """Call `module:name` with the task's inputs by the interpreter of the task's environment.

    The module is found where this process finds the team's own code: installed packages of this process are not to be
    seen there. Arguments and result are JSON.

    Raises:
        TaskError: The environment cannot be made, the function raised, or its result has no JSON form.
    """
    venv = await prepare_venv(work.requirements, home=tools.home, environment=tools.environment)
    environment = child_environment(tools.environment, _INTERPRETER, tools.secrets, work)
    given = to_json({"call": call, "inputs": dict(work.inputs), "path": _find_code_folders()})
    with tempfile.TemporaryDirectory(prefix="genesis-") as folder:
        answer = Path(folder) / "answer.json"
        argv = [str(venv / "bin" / "python"), "-P", str(_SCRIPT), str(answer)]
        env = activate_venv(venv, environment)
        try:
            ended = await run_child(argv, cwd=None, env=env, stdin=given, keep_bytes=tools.output_bytes)
        except OSError as error:
            raise ResourceError.of(error, f"cannot start {argv[0]!r}") from error
        value = _read_answer(call, ended, answer)
    return Result(wrap_bare_value(value, work.outputs))


def _read_answer(call: str, ended: Ended, answer: Path) -> JsonValue:
    if ended.code != 0 or not answer.is_file():
        said = decode_utf8(ended.stderr).strip()[-_SHOWN_CHARACTERS:]
        raise TaskError(f"{call!r}: its process ended with code {ended.code}: {said}", code="GEN-TASK-EXIT")
    found = read_json(answer.read_text(encoding="utf-8"))
    if isinstance(found, dict) and "value" in found:
        return found["value"]
    about = found if isinstance(found, dict) else {}
    raise TaskError(f"{about.get('type')}: {about.get('error')}"[:_SHOWN_CHARACTERS])


def _find_code_folders() -> list[str]:
    """Return where this process finds code that is neither Python's nor of an installed package."""
    paths = sysconfig.get_paths()
    installed = [Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders = [Path(entry or ".").resolve() for entry in sys.path]
    own = [folder for folder in folders if not any(folder.is_relative_to(each) for each in installed)]
    return [str(folder) for folder in own if folder.is_dir() and "site-packages" not in folder.parts]
