"""A receiver of traces on OpenTelemetry's own protobuf services, over gRPC or HTTP: what was sent, as plain data."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

__all__ = ["ReceivedSpan", "TraceReceiver"]

_STATUS = {0: "unset", 1: "ok", 2: "error"}
_KIND = {0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span as it was sent."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root."""
    kind: str
    status: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    links: tuple[tuple[str, str], ...] = ()
    """Trace and span of each."""


@dataclass
class TraceReceiver:
    """Takes spans until it is left. Enter it to start it.

    Args:
        protocol: How spans arrive.
    """

    protocol: Literal["grpc", "http/protobuf"] = "http/protobuf"
    port: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    """For a collector in between: what its senders need."""
    headers: dict[str, str] = field(default_factory=dict)
    """Those of the last request, or its metadata in gRPC; names in lower case."""
    _spans: list[ReceivedSpan] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _stop: Callable[[], None] | None = None

    @property
    def endpoint(self) -> str:
        """Its address, for `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the standard variables that send traces to it, at once."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }

    @property
    def spans(self) -> list[ReceivedSpan]:
        """All that has arrived so far."""
        with self._arrived:
            return list(self._spans)

    def wait_for(self, found: Callable[[Sequence[ReceivedSpan]], bool], seconds: float = 30.0) -> list[ReceivedSpan]:
        """Wait until what has arrived is enough.

        Raises:
            TimeoutError: It did not arrive.
        """
        until = time.monotonic() + seconds
        with self._arrived:
            while not found(self._spans):
                if not self._arrived.wait(until - time.monotonic()):
                    names = sorted({each.name for each in self._spans})
                    raise TimeoutError(f"in {seconds:g} s only these spans arrived: {names}")
            return list(self._spans)

    def __enter__(self) -> Self:
        self._stop = self._serve_grpc() if self.protocol == "grpc" else self._serve_http()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stop is not None:
            self._stop()

    def _take(self, request: Any, headers: Iterable[tuple[str, str]]) -> None:
        found = [
            _parse_span(span, _plain(group.resource.attributes))
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        with self._arrived:
            self.headers = {name.lower(): value for name, value in headers}
            self._spans += found
            self._arrived.notify_all()

    def _serve_http(self) -> Callable[[], None]:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service  # noqa: PLC0415

        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                take(service.ExportTraceServiceRequest.FromString(body), self.headers.items())
                answer = service.ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in the class above
                """Log nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, name="otlp receiver", daemon=True).start()

        def stop() -> None:
            server.shutdown()
            server.server_close()

        return stop

    def _serve_grpc(self) -> Callable[[], None]:
        import grpc  # type: ignore[import-untyped]  # noqa: PLC0415  # without types
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service  # noqa: PLC0415
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services  # noqa: PLC0415

        take = self._take

        class Servicer(services.TraceServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # its name in the protocol
                take(request, context.invocation_metadata())
                return service.ExportTraceServiceResponse()

        server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
        services.add_TraceServiceServicer_to_server(Servicer(), server)  # type: ignore[no-untyped-call]
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        server.start()
        return lambda: server.stop(None).wait()


def _parse_span(span: Any, resource: dict[str, Any]) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=_KIND[span.kind],
        status=_STATUS[span.status.code],
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_plain(span.attributes),
        resource=resource,
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}
