"""Command lines of all kinds, in folders, with files, ledgers and environments of all kinds: each in this process."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from random import Random

from bench.fuzz_inputs import change_environment, plan, spoilt, text, value, write_document
from genesis.cli.app import main
from genesis.ledger import FolderStore, Header, Ledger
from genesis.model import ErrorInfo, Outcome, Run
from genesis.planning import plan_document
from genesis.testing import a_program, a_task

__all__ = ["command_lines"]

_RUN_ID = "20260101-000000-aaaaaa"
_PLANS = (
    "plan.yaml",
    "plan.json",
    "\u0915\u093e.yaml",
    "e\u0301.json",
    "-x.yaml",
    "a b.yml",
    "gone.yaml",
    "folder.yaml",
    "\udce9.yaml",
)
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "--agents": ("agents.yaml", "gone.yaml", "folder.yaml", "", "\udce9.yaml"),
    "--playbooks": ("folder.yaml", "gone", "plan.yaml"),
    "--slots": ("0", "-1", "1", "1e3", "²", "99999999999999999999"),
    "--limit": ("0", "-1", "1", "x", "9" * 30),
    "--since": ("2h", "nonsense", "9" * 20 + "w", "2026-11-22", "-1d", "1e400d", "inf d"),
    "--state": ("failed", "x"),
    "--task": ("a", "b", "a/b", "\u0915", "-"),
    "--budget": ("-1", "0", "nan", "1e400", "3"),
    "--deadline": ("nonsense", "-1", "5m", "9" * 20, "inf"),
    "--var": ("a=b", "=", "x", "\udce9=\ud800"),
    "--request": ("test", "\udce9", ""),
    "--agent": ("worker", "\u0915"),
    "--correlation": ("c-1", "x"),
    "--llm": ("off", "openai:x", ":", "\u0915"),
    "-o": ("out.json", "folder.yaml", "gone/out.json", "/dev/full", ""),
}
_OF_COMMAND: Mapping[str, tuple[str, ...]] = {
    "plan": ("--agents", "--playbooks", "--var", "--llm", "-o", "--budget", "--json", "--debug"),
    "route": ("--agents", "--json", "--debug"),
    "validate": ("--agents", "--json", "--debug"),
    "simulate": ("--agents", "--slots", "--json"),
    "runs": ("--limit", "--since", "--state", "--request", "--agent", "--correlation", "--json", "--debug"),
    "show": ("--task", "--results", "-o", "--json", "--debug"),
    "schema": ("--json",),
    "agents": ("--agents", "--json"),
}
_ANYWHERE = ("--help", "--", "--version", "--all", "-x", "--slots", "--deadline")
_MOST_SHOWN = 300


def command_lines(source: Random) -> None:
    """A command line that starts no server, in a folder with files and a ledger that are whole or spoilt."""
    before = pathlib.Path.cwd()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112  # in memory: it is written often
    with tempfile.TemporaryDirectory(prefix="genesis-fuzz-", dir=memory) as name:
        folder = pathlib.Path(name)
        _write_files(source, folder)
        _write_ledger(source, folder / ".prefect/storage/genesis" / _RUN_ID)
        try:
            os.chdir(folder)
            with change_environment(source, {"HOME": str(folder), "GENESIS_HOME": str(folder / "home")}):
                _call(_words(source))
        finally:
            os.chdir(before)


def _write_files(source: Random, folder: pathlib.Path) -> None:
    (folder / "folder.yaml").mkdir()
    for name in source.sample([name for name in _PLANS if not name.startswith(("gone", "folder"))], 3):
        raw, _ = write_document(source, plan(source))
        (folder / name).write_bytes(source.choice([raw, raw, raw, b"", raw[: len(raw) // 2]]))
    agents = {"agents": [{"name": source.choice(["a", text(source)]), "task_types": [text(source)]}]}
    (folder / "agents.yaml").write_bytes(write_document(source, agents)[0])


def _write_ledger(source: Random, folder: pathlib.Path) -> None:
    """Write a run's ledger, often with a file of it that is cut, spoilt, or JSON of another shape."""
    damaged = source.choice([*_ledger(), None, None])
    for name, raw in _ledger().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == damaged:
            other = json.dumps(value(source)).encode()
            path.write_bytes(source.choice([b"", raw[: source.randint(0, len(raw))], spoilt(source, raw), other]))
        else:
            path.write_bytes(raw)


@lru_cache(maxsize=1)
def _ledger() -> Mapping[str, bytes]:
    """Make the files of one run: a task that is done, with a large result, and one that failed."""
    program, now = a_program(a_task("a"), a_task("b", after=("a",))), datetime(2026, 1, 1, tzinfo=UTC)
    header = Header(
        genesis_version="1", run_id=_RUN_ID, correlation_id="c-1", created_at=now, slots=4,
        document=plan_document(program.source), registry=program.registry,
    )  # fmt: skip
    error = ErrorInfo(code="GEN-TASK", message="it broke")
    tasks = (
        Outcome(id="a", agent="worker", state="completed", started_at=now, ended_at=now, result="x" * 100),
        Outcome(id="b", agent="worker", state="failed", started_at=now, ended_at=now, error=error),
    )
    run = Run(
        run_id=_RUN_ID, correlation_id="c-1", state="failed", planner="file", started_at=now, ended_at=now,
        cost_usd=Decimal("1.5"), tasks=tasks, error=error,
    )  # fmt: skip

    async def write(root: pathlib.Path) -> None:
        ledger = Ledger(FolderStore(root), _RUN_ID, inline_bytes=50)
        await ledger.begin(header)
        kept = [await ledger.record(leaf, task) for leaf, task in zip(program.leaves, tasks, strict=True)]
        await ledger.save(run.model_copy(update={"tasks": tuple(kept)}))

    with tempfile.TemporaryDirectory() as name:
        asyncio.run(write(pathlib.Path(name)))
        folder = pathlib.Path(name, "genesis", _RUN_ID)
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _words(source: Random) -> list[str]:
    """Make the words of a command that reads."""
    run = source.choice([_RUN_ID, _RUN_ID, "c-1", text(source), "..", "20260101"])
    words = source.choice(
        [
            ["plan", source.choice([text(source), "Test it and then write the report"])],
            ["plan", source.choice(_PLANS)],
            [source.choice(["validate", "route", "simulate"]), source.choice(_PLANS)],
            ["runs"],
            ["runs", "show", run],
            ["schema", source.choice(["plan", "agents", "x"])],
            ["agents"],
            [text(source), text(source)],
        ]
    )
    name = "show" if "show" in words else words[0]
    options = _OF_COMMAND.get(name, ())
    for option in source.sample(options, min(len(options), source.choice([0, 1, 1, 2]))):
        words += [option, *([source.choice(_OPTIONS[option])] if option in _OPTIONS else [])]
    if source.random() < 0.1:
        words.append(source.choice(_ANYWHERE))
    return [word.replace("\0", "") for word in words]


def _call(words: list[str]) -> None:
    """Call the program as the system would; complain of an internal error and of output that is no JSON."""
    out, err = _stream("replace"), _stream("backslashreplace")
    with _streams(out, err), contextlib.suppress(SystemExit):
        main(words)
    said, errors = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    if "GEN-INTERNAL" in said + errors:
        raise AssertionError(f"{words}: {(said + errors)[-_MOST_SHOWN:]}")
    if "Traceback (most recent call last)" in errors and "--debug" not in words and "GENESIS_DEBUG" not in os.environ:
        raise AssertionError(f"{words}: {errors[-_MOST_SHOWN:]}")
    if "--json" in words and "--" not in words and said and not {"--help", "-h", "--version"} & set(words):
        json.loads(said)


@contextlib.contextmanager
def _streams(out: io.TextIOWrapper, err: io.TextIOWrapper) -> Iterator[None]:
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        for stream in (out, err):
            stream.flush()
        sys.stdout, sys.stderr = before


def _stream(errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors)
