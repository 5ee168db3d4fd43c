"""A fake language model: an HTTP server on loopback that speaks the APIs of OpenAI and Anthropic and follows a script.

```python
with FakeLlmServer([status(429, retry_after_s=0), answers({"tasks": [...]})]) as server:
    model = open_model(server.settings())
```

Each request takes the next step of the script; the last one repeats. What came in is kept in `requests`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from genesis.settings import LlmSettings

__all__ = [
    "FakeLlmServer",
    "ServerStep",
    "answers",
    "cut_off",
    "cycle",
    "echo",
    "find_unused_base_url",
    "hang_up",
    "html",
    "reply",
    "slow",
    "status",
    "thousand_tasks",
    "truncate",
]


@dataclass(frozen=True, slots=True)
class ServerStep:
    """How the server answers one request."""

    text: str | Callable[[dict[str, Any]], str] = ""
    """What the model says, or a function that makes it from the request's body."""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    raw: str | None = None
    """The whole body of the response, instead of one in the API's form."""
    content_type: str = "application/json"
    delay_s: float = 0.0
    finish: str = "stop"
    """`length`: the answer was cut."""
    tokens: tuple[int, int] = (100, 50)
    """Tokens of prompt and answer that the server reports."""
    hangs_up: bool = False
    """Close the connection without an answer."""


def reply(text: str) -> ServerStep:
    """The model says a text."""
    return ServerStep(text)


def answers(value: object) -> ServerStep:
    """The model answers with an object."""
    return ServerStep(json.dumps(value))


def slow(seconds: float, then: ServerStep | None = None) -> ServerStep:
    """The answer takes a time."""
    return replace(then or ServerStep("late"), delay_s=seconds)


def html() -> ServerStep:
    """Something that is no API answers: status 200 and a page."""
    return ServerStep(raw="<!DOCTYPE html><html><body>Welcome</body></html>", content_type="text/html")


def hang_up() -> ServerStep:
    """The connection is closed without an answer."""
    return ServerStep(hangs_up=True)


def truncate() -> ServerStep:
    """The object breaks off in the middle, though the model says that it is done."""
    return ServerStep('{"tasks": [{"id": "first", "description": "Do the fi')


def cut_off() -> ServerStep:
    """The answer is cut at its length limit."""
    return replace(truncate(), finish="length")


def status(code: int, message: str = "scripted failure", *, retry_after_s: float | None = None) -> ServerStep:
    """The service answers with an error."""
    headers = (("retry-after", f"{retry_after_s:g}"),) if retry_after_s is not None else ()
    return ServerStep(raw=json.dumps({"error": {"message": message, "type": "scripted"}}), status=code, headers=headers)


def echo() -> ServerStep:
    """The model says the prompt back."""
    return ServerStep(lambda body: str(body["messages"][-1]["content"]))


def thousand_tasks() -> ServerStep:
    """The model gives a thousand tasks, whatever the schema says."""
    return answers({"tasks": [{"id": f"t{n}", "description": f"Do thing number {n}"} for n in range(1000)]})


def cycle(size: int = 3) -> ServerStep:
    """The model gives tasks in a ring."""
    tasks = [
        {"id": f"t{n}", "description": f"Do thing number {n}", "depends_on": [f"t{(n - 1) % size}"]}
        for n in range(size)
    ]
    return answers({"tasks": tasks})


def find_unused_base_url() -> str:
    """Return an address on loopback where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


class FakeLlmServer:
    """The server, as a context manager. It listens on a free port of loopback."""

    def __init__(self, script: Sequence[ServerStep] | Callable[[dict[str, Any]], ServerStep]) -> None:
        self.requests: list[dict[str, Any]] = []
        """Bodies of the requests, in order of arrival."""
        self.headers: list[dict[str, str]] = []
        """Headers of the requests, names in lower case."""
        self._script = script
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _handler_for(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    @property
    def base_url(self) -> str:
        """The address, as `GENESIS_LLM__BASE_URL` takes it."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def settings(self, *, api_key: str | None = None, **changes: Any) -> LlmSettings:
        """Return settings that lead to this server."""
        key = SecretStr(api_key) if api_key else None
        defaults: dict[str, Any] = {"model": "openai:fake", "base_url": self.base_url, "timeout_s": 30.0}
        return LlmSettings(**{**defaults, "api_key": key, **changes})

    def _step(self, body: dict[str, Any], headers: dict[str, str]) -> ServerStep:
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            self.headers.append(headers)
            if callable(self._script):
                return self._script(body)
            return self._script[min(number, len(self._script) - 1)]

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent when a client hangs up: a test of timeouts does just that."""


def _handler_for(server: FakeLlmServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            step = server._step(body, {name.lower(): value for name, value in self.headers.items()})  # noqa: SLF001
            server._wait(step.delay_s)  # noqa: SLF001
            if step.hangs_up:
                self.close_connection = True
                return
            content = _content(step, body, anthropic=self.path.endswith("/messages")).encode()
            self.send_response(step.status)
            self.send_header("content-type", step.content_type)
            self.send_header("content-length", str(len(content)))
            for name, value in step.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it
            """Keep the test's output clean."""

    return Handler


def _content(step: ServerStep, body: dict[str, Any], *, anthropic: bool) -> str:
    if step.raw is not None:
        return step.raw
    text = step.text if isinstance(step.text, str) else step.text(body)
    return json.dumps(_anthropic(step, body, text) if anthropic else _openai(step, body, text))


def _openai(step: ServerStep, body: dict[str, Any], text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body.get("model", "fake"),
        "choices": [{"index": 0, "message": message, "finish_reason": step.finish}],
        "usage": {
            "prompt_tokens": step.tokens[0],
            "completion_tokens": step.tokens[1],
            "total_tokens": sum(step.tokens),
        },
    }


def _anthropic(step: ServerStep, body: dict[str, Any], text: str) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": text}
    if body.get("tools"):
        block = {"type": "tool_use", "id": "call-1", "name": body["tools"][0]["name"], "input": json.loads(text)}
    return {
        "id": "msg-1",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "fake"),
        "content": [block],
        "stop_reason": "max_tokens" if step.finish == "length" else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": step.tokens[0], "output_tokens": step.tokens[1]},
    }
