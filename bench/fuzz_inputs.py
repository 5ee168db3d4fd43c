"""Inputs of all kinds that somebody could hand to Genesis, made from a seed, and what is done with each."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import json
import os
import pathlib
import pickle
import uuid
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from genesis import (
    GenesisError,
    compile_program,
    load_plan,
    load_registry,
    route,
    simulate,
    validate,
)
from genesis.agents.contract import Result
from genesis.agents.values import decode_utf8, plain, read_json, wrap_bare_value
from genesis.cli.options import load_settings, variables
from genesis.document import dump_json, dump_yaml, parse, read
from genesis.engine.attempts import error_info, fault_info
from genesis.engine.inputs import resolve_inputs
from genesis.errors import PlanInvalidError
from genesis.ledger.records import LeafRecord
from genesis.model import Outcome, Registry, Run
from genesis.observability.log_setup import log_file
from genesis.planning import plan_document
from genesis.prefect_api.configured import (
    find_configured_api,
    find_configured_storage,
    fix_prefect_paths,
    get_server_environment,
)
from genesis.settings import Limits

__all__ = [
    "agents",
    "change_environment",
    "environments",
    "exceptions",
    "outputs",
    "plan",
    "plan_files",
    "plans",
    "raw_files",
    "results",
    "spoilt",
    "text",
    "value",
    "write_document",
]

_CHARACTERS = (
    "ab1 .-_/{}[]<>:,'\"\\\n\t&*!%@#|>?=~`$\0\x1b\x85"
    "\u00e9e\u0301\u0915\u093e\u200d\u200b\u202e\ufeff\ud800\udce9\U0001f600"
)
_TEXTS = (
    "",
    "x",
    "a",
    "b",
    "{a}",
    "{a.result}",
    "{{a}}",
    "{b.n}",
    "{v}",
    "3.10",
    "007",
    "1e400",
    "-0",
    "true",
    "Null",
    "~",
    "<<",
    "yes",
    "result",
    "a/b",
    "../..",
    "\ud800",
    "caf\u00e9",
    "cafe\u0301",
    "कार्य",
    "${X}",
    '{"a": {"b": 1}}',
    "x" * 300,
    "[" * 200,
    "- a",
    "a: b",
    "#",
    "!!python/object",
    "&a *a",
    "NaN",
    "test",
    "research",
    "generic",
    "qa_agent",
    "\udce9.txt",
    "1" * 5000,
)
_NUMBERS = (0, 1, -1, 2**63, 10**30, 10**400, 0.1, -0.0, 1e308, float("nan"), float("inf"), float("-inf"), True, None)
_TASK_KEYS = (
    "id",
    "type",
    "description",
    "depends_on",
    "subtasks",
    "requires",
    "labels",
    "inputs",
    "literal_inputs",
    "outputs",
    "agent",
    "estimate",
    "timeout_s",
    "retries",
    "cache",
    "side_effects",
    "approval",
    "route",
    "idd",
    "",
)
_PLAN_KEYS = (
    "version",
    "request",
    "tasks",
    "planner",
    "planner_note",
    "budget",
    "deadline_s",
    "vars",
    "correlation_id",
    "report",
    "task",
    "",
)
_VARIABLES = (
    "GENESIS_LLM__MODEL",
    "GENESIS_RUN__SLOTS",
    "GENESIS_RUN",
    "GENESIS_LIMITS__LEAVES",
    "GENESIS_LIMITS",
    "GENESIS_HOME",
    "GENESIS_AGENTS",
    "GENESIS_PLAYBOOKS",
    "GENESIS_RESILIENCE__SHARE",
    "GENESIS_RESILIENCE__WAIT_S",
    "GENESIS_RUN__TIMEOUT_S",
    "GENESIS_LIMITS__DOCUMENT_DEPTH",
    "GENESIS_",
    "GENESIS_X",
    "GENESIS_LOG__LEVEL",
    "GENESIS_LOG__FILE",
    "GENESIS_DEBUG",
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "TMPDIR",
    "USER",
    "LOGNAME",
    "PREFECT_API_URL",
    "PREFECT_PROFILE",
    "PREFECT_PROFILES_PATH",
    "PREFECT_LOCAL_STORAGE_PATH",
    "PREFECT_RESULTS_LOCAL_STORAGE_PATH",
    "PREFECT_HOME",
    "LANG",
    "LC_ALL",
    "PATH",
    "TZ",
    "NO_COLOR",
    "COLUMNS",
)

_REGISTRY: Registry = load_registry()


def text(source: Random) -> str:
    """Make a text."""
    if source.random() < 0.6:
        return source.choice(_TEXTS)
    return "".join(source.choice(_CHARACTERS) for _ in range(source.randint(0, 20)))


def value(source: Random, depth: int = 3) -> Any:
    """Make a value of JSON, or nearly of JSON."""
    kind = source.random()
    if depth == 0 or kind < 0.5:
        return text(source) if source.random() < 0.6 else source.choice(_NUMBERS)
    size = source.randint(0, 3)
    if kind < 0.75:
        return [value(source, depth - 1) for _ in range(size)]
    return {text(source): value(source, depth - 1) for _ in range(size)}


def task(source: Random, depth: int = 2) -> dict[str, Any]:
    """Make a task that is often sound."""
    name = source.choice(["a", "b", "c", "1", "कार्य", "cafe\u0301"])
    made: dict[str, Any] = {
        "id": name,
        "description": source.choice(["Test it", "Write the report", "x", text(source) or "x"]),
    }
    sound: dict[str, Callable[[], Any]] = {
        "depends_on": lambda: [source.choice(["a", "b", "c", "1", "a/b", "caf\u00e9"])],
        "type": lambda: source.choice(["test", "research", "generic", "reporting"]),
        "inputs": lambda: {text(source): value(source) for _ in range(2)},
        "literal_inputs": lambda: [text(source)],
        "outputs": lambda: [source.choice(["n", "result", "a.b", "é"])],
        "labels": lambda: {text(source): text(source)},
        "estimate": lambda: {"seconds": source.choice([0, 1, 1e9]), "usd": 0.1, "tokens": 5},
        "retries": lambda: source.randint(0, 3),
        "cache": lambda: source.choice(["none", "run", {"ttl_s": 5}]),
        "approval": lambda: source.random() < 0.5,
    }
    for key in source.sample(sorted(sound), source.randint(0, 4)):
        made[key] = sound[key]()
    if depth and source.random() < 0.3:
        made["subtasks"] = [task(source, depth - 1) for _ in range(source.randint(1, 3))]
    if source.random() < 0.15:
        made[source.choice(_TASK_KEYS)] = value(source)
    return made


def plan(source: Random) -> dict[str, Any]:
    """Make a plan document that is often sound."""
    made: dict[str, Any] = {"request": "Test it", "tasks": [task(source) for _ in range(source.randint(1, 5))]}
    if source.random() < 0.5:
        made["vars"] = {source.choice(["a", "v", "é", text(source)]): source.choice([text(source), 1.5, True])}
    if source.random() < 0.15:
        made[source.choice(_PLAN_KEYS)] = value(source)
    return made


def write_document(source: Random, document: Any) -> tuple[bytes, str]:
    """Write a document as YAML or JSON, and spoil some bytes of it."""
    as_json = source.random() < 0.5
    try:
        made = json.dumps(document) if as_json else dump_yaml(document)
    except ValueError:  # what is written here need not have a form: a surrogate in YAML
        made = json.dumps(document)
    return spoilt(source, made.encode("utf-8", "surrogatepass")), ".json" if as_json else ".yaml"


def spoilt(source: Random, whole: bytes) -> bytes:
    """Change some bytes, or none."""
    raw = bytearray(whole)
    for _ in range(source.choice([0, 0, 1, 1, 2, 5])):
        place = source.randint(0, len(raw))
        piece = source.choice(
            [
                b"",
                b"\xff",
                b"\xef\xbb\xbf",
                b"\r\n",
                text(source).encode("utf-8", "surrogatepass"),
                b"\0",
                bytes([source.randrange(256)]),
                bytes(raw[place : place + 30]),
            ]
        )
        raw[place : place + source.choice([0, 0, 1, 10])] = piece
    return bytes(raw)


def _through_the_stages(loaded: Any) -> None:
    routed = route(loaded, _REGISTRY)
    report = validate(routed, _REGISTRY)
    document = plan_document(routed, report)
    again = load_plan(parse(dump_json(document), as_json=True))
    if load_plan(parse(dump_yaml(document))) != again:
        raise AssertionError("YAML and JSON of one plan are not the same plan")
    if not report.ok:
        return
    try:
        program = compile_program(routed, _REGISTRY)
    except PlanInvalidError as error:
        raise AssertionError(f"a plan without findings cannot be compiled: {error}") from error
    simulate(program, slots=2)
    for leaf in program.leaves:
        results: dict[int, Any] = {
            index: {name: [1] for name in program.leaves[index].outputs} for index in leaf.sources.values()
        }
        filled = resolve_inputs(leaf, program.vars, results)
        json.dumps(filled, allow_nan=False).encode()


def plans(source: Random) -> None:
    """A plan as plain values."""
    _through_the_stages(load_plan(plan(source)))


def _in_a_file(source: Random, document: Any, load: Callable[[pathlib.Path], Any]) -> Any:
    raw, ending = write_document(source, document)
    path = pathlib.Path(f"/dev/shm/genesis-fuzz-{os.getpid()}{ending}")  # in memory: it is written often
    if not path.parent.is_dir():
        path = pathlib.Path(f"genesis-fuzz-{os.getpid()}{ending}")
    path.write_bytes(raw)
    try:
        return load(path)
    finally:
        path.unlink()


def plan_files(source: Random) -> None:
    """A plan in a file, with spoilt bytes."""
    _through_the_stages(_in_a_file(source, plan(source), load_plan))


def raw_files(source: Random) -> None:
    """A file of any bytes."""
    document = source.randbytes(source.randint(0, 60)).decode("latin-1") if source.random() < 0.5 else text(source)
    _in_a_file(source, document, lambda path: read(path, Limits(document_depth=50)))


def agents(source: Random) -> None:
    """An agents file, with spoilt values and bytes."""
    agent: dict[str, Any] = {"name": source.choice(["a", "qa_agent", text(source)]), "task_types": [text(source)]}
    sound: dict[str, Callable[[], Any]] = {
        "skills": lambda: [text(source)],
        "cost": lambda: {"usd_per_task": source.choice([0.01, 1, "x", -1])},
        "success_rate": lambda: source.choice([0.5, 2, "x"]),
        "executor": lambda: {
            "kind": source.choice(["brief", "python", "command", "http", "llm", "x"]),
            "call": "m:f",
            "argv": [text(source)],
        },
        "timeout_s": lambda: source.choice(_NUMBERS),
        "secrets": lambda: [text(source)],
        "rate": lambda: value(source),
    }
    for key in source.sample(sorted(sound), source.randint(0, 3)):
        agent[key] = sound[key]()
    condition = {source.choice(["type", "skill", "label", "input", "description", "any", "not"]): value(source)}
    document = {
        "agents": [agent],
        "rules": [{"id": "r", "when": condition, "then": "a"}] if source.random() < 0.4 else [],
    }
    if source.random() < 0.1:
        document[text(source)] = value(source)
    registry = load_registry(document) if source.random() < 0.5 else _in_a_file(source, document, load_registry)
    route(load_plan({"request": "x", "tasks": [task(source)]}), registry)


class _Odd:
    """An object none of whose parts can be looked at."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") and name != "__dict__":
            return object.__getattribute__(self, name)
        raise RuntimeError("hidden")

    def __repr__(self) -> str:
        raise RuntimeError("no text")


class _Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class _Held:
    held: Any


class _Number(float):
    def __repr__(self) -> str:
        return "number(…)"


def thing(source: Random, depth: int = 3) -> Any:
    """Make any object of Python."""
    leaves: tuple[Callable[[], Any], ...] = (
        lambda: text(source),
        lambda: source.choice(_NUMBERS),
        lambda: source.randbytes(3),
        object,
        _Odd,
        lambda: _Colour.RED,
        lambda: decimal.Decimal(source.choice(["1.10", "NaN", "Infinity", "1e999999", "-0"])),
        lambda: pathlib.Path("/x\udce9"),
        lambda: dt.datetime(2024, 3, 10, tzinfo=dt.UTC),
        uuid.uuid4,
        lambda: 1j,
        lambda: iter(()),
        lambda: print,
        lambda: _Number("nan"),
        lambda: range(3),
        lambda: ValueError("\ud800"),
        lambda: type,
        lambda: bytearray(b"\xff"),
        lambda: memoryview(b"x"),
        lambda: dt.timedelta(10**6),
        lambda: Result({"a": 1}),
        lambda: Ellipsis,
    )
    if depth == 0 or source.random() < 0.5:
        return source.choice(leaves)()
    inner = [thing(source, depth - 1) for _ in range(source.randint(0, 3))]
    shape = source.randrange(7)
    if shape == 0:
        return {_key(source): each for each in inner}
    if shape == 1:
        return tuple(inner)
    if shape == 2:
        return {_key(source) for _ in inner}
    if shape == 3:
        return _Held(inner)
    if shape == 4:
        inner.append(inner)
    if shape == 5:
        for _ in range(source.choice([50, 150, 300, 5_000])):
            inner = [inner]
    return inner


def _key(source: Random) -> Any:
    keys = (
        None,
        True,
        1,
        1.0,
        "1",
        "true",
        "None",
        (1, 2),
        "1,2",
        float("nan"),
        b"k",
        "\ud800",
        _Colour.RED,
        frozenset(),
        10**30,
    )
    return source.choice(keys)


def results(source: Random) -> None:
    """What an agent returns, up to the ledger and back."""
    reported = {key: thing(source, 1) for key in ("usd", "tokens") if source.random() < 0.2}
    made = Result(plain(thing(source), source="m:f"), **reported)
    kept = wrap_bare_value(made.value, ("n",) if source.random() < 0.3 else ())
    outcome = Outcome(id="a", agent="b", state="completed", result=kept, usd=made.usd, tokens=made.tokens)
    raw = LeafRecord(fingerprint="f", outcome=outcome).model_dump_json().encode()
    again = LeafRecord.model_validate_json(raw).outcome
    if again.result != kept or again.tokens != outcome.tokens:
        raise AssertionError(f"{kept!r} became {again.result!r}")
    task_json = load_plan({"request": "x", "tasks": [{"id": "a", "description": "d", "inputs": {"x": kept}}]})
    json.dumps(plan_document(task_json)).encode()


def outputs(source: Random) -> None:
    """What a program prints, or a service answers."""
    raw, _ = write_document(source, value(source))
    try:
        found = read_json(decode_utf8(raw))
    except ValueError:
        return
    outcome = Outcome(id="a", agent="b", result=found)
    if Outcome.model_validate_json(outcome.model_dump_json()).result != found:
        raise AssertionError(f"{found!r} is not kept")


class _LoudError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class _SlottedError(Exception):
    __slots__ = ("held",)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]  # that is what is odd about it
        raise RuntimeError("hidden")

    @property
    def response(self) -> Any:
        raise RuntimeError("hidden")


def _error(source: Random, depth: int = 2) -> BaseException:
    kinds: tuple[Callable[..., BaseException], ...] = (
        ValueError,
        KeyError,
        OSError,
        RuntimeError,
        _LoudError,
        _SlottedError,
        UnicodeError,
        FileNotFoundError,
        TimeoutError,
        MemoryError,
        StopIteration,
        AssertionError,
        GenesisError,
        ConnectionResetError,
        RecursionError,
        PermissionError,
        ArithmeticError,
    )
    arguments = [thing(source, 1) for _ in range(source.randint(0, 4))]
    try:
        error = source.choice(kinds)(*arguments)
    except TypeError:
        error = ValueError(*arguments)
    for name in source.sample(
        ["status_code", "response", "errno", "filename", "headers", "code", "strerror", "data", "hint", "message"], 2
    ):
        try:
            setattr(
                error,
                name,
                source.choice(
                    [thing(source, 1), source.choice([429, 503, -1, 10**400]), {"retry-after": text(source)}]
                ),
            )
        except (AttributeError, TypeError):
            continue
    if depth and source.random() < 0.4:
        error.__cause__ = _error(source, depth - 1)
    if depth and source.random() < 0.3:
        error.__context__ = _error(source, depth - 1)
    if source.random() < 0.05:
        error.__cause__ = error
    if source.random() < 0.05 and isinstance(error, Exception):
        return ExceptionGroup(text(source), [error, ExceptionGroup("inner", [error])])
    return error


def exceptions(source: Random) -> None:
    """What an agent raises, up to the ledger and back."""
    info = error_info(_error(source))
    outcome = Outcome(id="a", agent="b", state="failed", error=info)
    again = LeafRecord.model_validate_json(LeafRecord(fingerprint="f", outcome=outcome).model_dump_json()).outcome
    if again.error != info:
        raise AssertionError(f"{info!r} became {again.error!r}")
    fault = fault_info(_error(source), "run")
    run = Run(run_id="r", correlation_id="c", state="failed", planner="file", cost_usd=0, error=fault)
    Run.model_validate_json(run.model_dump_json())
    own = GenesisError(text(source), hint=text(source), data={"x": value(source)})
    pickle.loads(pickle.dumps(own))
    json.dumps(own.to_dict()).encode()


@contextlib.contextmanager
def change_environment(source: Random, own: Mapping[str, str]) -> Iterator[None]:
    """Change some variables for a while: often of a user without a home, now and then of one without anything."""
    kept = dict(os.environ)
    try:
        if source.random() < 0.3:
            os.environ.clear()
        os.environ.update(own)
        for name in source.sample(["HOME", "GENESIS_HOME"], source.choice([0, 0, 1, 2])):
            os.environ.pop(name, None)
        for name in source.sample(_VARIABLES, source.randint(0, 3)):
            os.environ[name] = text(source).replace("\0", "").encode("utf-8", "replace").decode()
            if source.random() < 0.2:
                os.environ[name] = source.choice(["\udce9", "/", "/dev/null", "~nobody-at-all/x", ".", "//x/../y"])
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def environments(source: Random) -> None:
    """Settings from environment variables, folders of a user, and words of the command line."""
    with change_environment(source, {"HOME": "/nowhere"}):
        settings = load_settings(llm=source.choice([None, "off", text(source)]))
        find_configured_storage()
        find_configured_api()
        fix_prefect_paths()
        get_server_environment()
        str(log_file(settings)).encode("utf-8", "surrogatepass")
        found = variables((f"{text(source)}={text(source)}",))
        load_plan(
            {"request": "x", "vars": found, "tasks": [{"id": "a", "description": "d"}]}
        ).model_dump_json().encode()
