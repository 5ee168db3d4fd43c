"""A real collector for tests: rotel, an OpenTelemetry collector that comes as a wheel, in front of our own receiver."""

from __future__ import annotations

import importlib.util
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from genesis.testing.otlp import TraceReceiver
from genesis.testing.services import free_port

__all__ = ["collected"]

_READY_S = 30.0


@contextmanager
def collected(receiver: TraceReceiver, log: Path) -> Iterator[dict[str, str]]:
    """Return the variables that send traces to a receiver: through a collector, where one is installed.

    Args:
        receiver: Where they end; it runs.
        log: What the collector says.
    """
    binary = _binary()
    if binary is None:
        yield receiver.environment
        return
    grpc, http = free_port(), free_port()
    command = [
        str(binary), "start", "--disable-batching", "--exporter", "otlp",
        "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--otlp-http-endpoint", f"127.0.0.1:{http}",
        "--otlp-exporter-endpoint", receiver.endpoint,
        "--otlp-exporter-protocol", "grpc" if receiver.protocol == "grpc" else "http",
    ]  # fmt: skip
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            _wait(process, http, log)
            port = grpc if receiver.protocol == "grpc" else http
            yield receiver.environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        finally:
            process.terminate()


def _binary() -> Path | None:
    found = importlib.util.find_spec("rotel")
    binary = Path(found.origin).with_name("rotel-agent") if found is not None and found.origin else None
    return binary if binary is not None and binary.is_file() else None


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            httpx.post(f"http://127.0.0.1:{port}/v1/traces", content=b"", timeout=2)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the collector did not start: {log.read_text()}")
