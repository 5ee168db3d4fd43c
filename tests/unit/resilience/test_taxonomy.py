"""What errors mean, ours and those of libraries."""

import asyncio
import concurrent.futures
import errno
import json
import re
import socket
import sqlite3
import ssl
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

import genesis
from genesis import errors
from genesis.resilience.taxonomy import BY_CLASS, BY_CODE, classify, health_of, retry_after_s

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
_ROOT = Path(genesis.__file__).parent


def answer(status, **headers):
    request = httpx.Request("GET", "http://127.0.0.1/x")
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.HTTPStatusError(
        "x", request=request, response=httpx.Response(status, headers=headers, request=request)
    )


def short(meaning):
    return meaning.category, meaning.retryable, meaning.recovery


def all_errors(kind=errors.GenesisError):
    yield kind
    for below in kind.__subclasses__():
        yield from all_errors(below)


def test_every_class_of_error_has_a_meaning():
    for kind in all_errors():
        meaning = classify(kind("x"))
        assert meaning.code == kind.code
        assert meaning.category in {"decomposition", "routing", "validation", "llm", "network", "resource", "security"}


def test_every_listed_code_is_raised_somewhere():
    files = [*_ROOT.rglob("*.py"), *_ROOT.with_name("genesis_audit").rglob("*.py")]
    sources = "".join(file.read_text("utf-8") for file in files if file.name != "taxonomy.py")
    codes = set(re.findall(r"GEN-[A-Z-]+[A-Z]", sources))
    assert set(BY_CODE) <= codes


def test_the_seven_categories_are_all_in_use():
    used = {meaning.category for meaning in (*BY_CLASS.values(), *BY_CODE.values())}
    assert len(used) == 7


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.SecurityError("x"), ("security", False, "fail")),
        (errors.PlanningError("x"), ("decomposition", False, "fall_back")),
        (errors.RoutingError("x"), ("routing", False, "fall_back")),
        (errors.UsageError("x"), ("validation", False, "ask")),
        (errors.ServiceError("x"), ("network", True, "wait")),
        (errors.ResourceError("x"), ("resource", False, "ask")),
        (errors.TaskError("x"), ("network", True, "reroute")),
        (errors.TaskError("x", code="GEN-TASK-RESULT-SIZE"), ("resource", False, "replan")),
        (errors.ModelError("x", code="GEN-MODEL-AUTH"), ("llm", False, "fall_back")),
        (errors.ModelError("x", code="GEN-MODEL-SERVER"), ("llm", True, "fall_back")),
        (errors.ModelError("x", data={"retry": False}), ("llm", False, "fall_back")),
        (errors.TaskError("x", code="GEN-MY-OWN"), ("network", True, "reroute")),
    ],
)
def test_errors_of_genesis_go_by_their_code_and_then_by_their_class(error, meaning):
    assert short(classify(error)) == meaning


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (httpx.ConnectError("x"), ("network", True, "wait")),
        (httpx.ReadTimeout("x"), ("network", True, "wait")),
        (httpx.RemoteProtocolError("x"), ("network", True, "wait")),
        (httpx.UnsupportedProtocol("x"), ("validation", False, "reroute")),
        (httpx.InvalidURL("x"), ("validation", False, "reroute")),
        (httpx.TooManyRedirects("x"), ("network", False, "reroute")),
        (answer(400), ("network", False, "reroute")),
        (answer(401), ("network", False, "ask")),
        (answer(404), ("network", False, "reroute")),
        (answer(408), ("network", True, "wait")),
        (answer(429), ("network", True, "wait")),
        (answer(500), ("network", True, "wait")),
        (answer(501), ("network", False, "reroute")),
        (answer(503), ("network", True, "wait")),
        (ConnectionResetError("x"), ("network", True, "wait")),
        (OSError(errno.EHOSTUNREACH, "x"), ("network", True, "wait")),
        (OSError(errno.ENOSPC, "x"), ("resource", False, "ask")),
        (OSError(errno.EMFILE, "x"), ("resource", True, "wait")),
        (PermissionError(errno.EACCES, "x"), ("resource", False, "ask")),
        (OSError("x"), ("resource", False, "ask")),
        (MemoryError(), ("resource", True, "wait")),
        (TimeoutError(), ("network", True, "wait")),
        (socket.gaierror("x"), ("network", True, "wait")),
        (ssl.SSLCertVerificationError("x"), ("network", False, "reroute")),
        (sqlite3.OperationalError("database is locked"), ("resource", True, "wait")),
        (json.JSONDecodeError("x", "", 0), ("network", True, "reroute")),
        (RuntimeError("x"), ("network", True, "reroute")),
        (ValueError("x"), ("network", True, "reroute")),
        (TypeError("x"), ("validation", False, "reroute")),
        (ModuleNotFoundError("x"), ("validation", False, "reroute")),
        (KeyError("x"), ("validation", False, "reroute")),
        (asyncio.CancelledError(), ("resource", False, "fail")),
        (concurrent.futures.CancelledError(), ("resource", False, "fail")),
        (KeyboardInterrupt(), ("resource", False, "fail")),
    ],
    ids=repr,
)
def test_errors_of_libraries_and_of_the_system_are_known(error, meaning):
    assert short(classify(error)) == meaning


def test_errors_of_prefect_redis_and_the_models_library_are_known():
    prefect = pytest.importorskip("prefect.exceptions")
    assert short(classify(prefect.ObjectNotFound(ValueError("x")))) == ("network", False, "ask")
    assert short(classify(prefect.CrashedRun("x"))) == ("network", True, "reroute")
    redis = pytest.importorskip("redis.exceptions")
    assert short(classify(redis.ConnectionError("x"))) == ("network", True, "wait")
    assert short(classify(redis.ResponseError("x"))) == ("network", False, "ask")
    models = pytest.importorskip("pydantic_ai.exceptions")
    assert short(classify(models.ModelHTTPError(503, "m"))) == ("llm", True, "fall_back")
    assert short(classify(models.ModelHTTPError(401, "m"))) == ("llm", False, "fall_back")
    assert short(classify(models.UnexpectedModelBehavior("x"))) == ("llm", True, "fall_back")


def test_a_class_of_somebody_else_is_known_by_what_it_comes_from():
    class Gone(httpx.ConnectError):
        pass

    class Odd(Exception):
        pass

    assert short(classify(Gone("x"))) == ("network", True, "wait")
    assert classify(Gone("x")).code == "Gone"
    assert short(classify(Odd("x"))) == ("network", True, "reroute")


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (answer(500), "failure"),
        (answer(404), "neutral"),
        (answer(429), "neutral"),
        (httpx.ConnectTimeout("x"), "failure"),
        (errors.ModelError("x", code="GEN-MODEL-RATE-LIMIT"), "neutral"),
        (errors.ModelError("x", code="GEN-MODEL-ANSWER"), "neutral"),
        (errors.ModelError("x", code="GEN-MODEL-TIMEOUT"), "failure"),
        (errors.BreakerOpenError("x"), "neutral"),
        (errors.TaskTimeoutError("x"), "failure"),
        (TypeError("x"), "neutral"),
        (asyncio.CancelledError(), "neutral"),
        (OSError(errno.EMFILE, "x"), "neutral"),
    ],
    ids=repr,
)
def test_only_what_says_something_about_the_other_side_counts_against_it(error, verdict):
    assert health_of(error) == verdict


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("99999999999", 86_400.0),
        ("-3", None),
        ("soon", None),
        ("", None),
        ("nan", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(said, seconds):
    assert retry_after_s(answer(503, retry_after=said), now=lambda: NOW) == seconds
    assert classify(answer(503, retry_after=said), now=lambda: NOW).retry_after_s == seconds


def test_our_own_errors_say_when_to_ask_again_in_their_data():
    assert classify(errors.BreakerOpenError("x", data={"retry_after_s": 3})).retry_after_s == 3.0
    assert classify(errors.ServiceError("x")).retry_after_s is None
