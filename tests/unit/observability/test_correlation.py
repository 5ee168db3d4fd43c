import asyncio
import os
import subprocess
import sys

import pytest

from genesis.observability.correlation import (
    RequestOrigin,
    bind_context,
    build_headers,
    current,
    environment,
    facts,
    new_id,
    origin_of,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_outside_of_a_run_nothing_is_known_and_nothing_is_carried():
    assert (facts(), build_headers(), environment()) == ({}, {}, {})


def test_what_is_bound_holds_inside_and_the_rest_stays():
    with bind_context(correlation_id="c", run_id="r"):
        with bind_context(task="a/b", agent="qa_agent", attempt=2):
            assert facts() == {"correlation_id": "c", "run_id": "r", "task": "a/b", "agent": "qa_agent", "attempt": 2}
        assert facts() == {"correlation_id": "c", "run_id": "r"}
    assert current().run_id is None


async def test_tasks_of_one_loop_know_their_own_place():
    async def look(task):
        with bind_context(task=task):
            await asyncio.sleep(0)
            return facts()["task"]

    assert await asyncio.gather(*(look(str(n)) for n in range(20))) == [str(n) for n in range(20)]


def test_what_is_carried_arrives_as_it_was():
    with bind_context(correlation_id="Prüfung, 7;x", run_id="r", traceparent=PARENT):
        headers = build_headers()
        assert all(value.isascii() for value in headers.values())
        assert origin_of(headers) == RequestOrigin("Prüfung, 7;x", PARENT)
        assert origin_of({name.upper(): value for name, value in headers.items()}) == RequestOrigin(
            "Prüfung, 7;x", PARENT
        )
        assert origin_of(environment()) == RequestOrigin("Prüfung, 7;x", PARENT)
        assert origin_of({"baggage": headers["baggage"]}) == RequestOrigin("Prüfung, 7;x")
        assert facts()["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "carrier",
    [
        {},
        {"x-correlation-id": ""},
        {"x-correlation-id": "x" * 129},
        {"x-correlation-id": "two\nlines"},
        {"x-correlation-id": "%0a"},
        {"traceparent": "garbage"},
        {"traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"},
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01"},
        {"traceparent": "ff" + PARENT[2:]},
        {"baggage": "=;,==,genesis.correlation_id"},
    ],
)
def test_what_is_malformed_counts_as_none(carrier):
    assert origin_of(carrier) == RequestOrigin()


def test_ids_are_new_each_time():
    assert len({new_id() for _ in range(1_000)}) == 1_000


def test_knowing_the_place_imports_no_tracing():
    program = "import sys; from genesis.observability.correlation import bind_context, facts\n"
    program += "with bind_context(run_id='r'): facts()\n"
    program += "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    assert subprocess.run([sys.executable, "-c", program], env=dict(os.environ), check=False).returncode == 0
