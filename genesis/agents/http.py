"""Send work to a web service and parse its JSON response."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING

from pydantic import JsonValue

from genesis.agents.child_environment import SecretLookup, require_secret
from genesis.agents.contract import Result, Work
from genesis.agents.deadline import time_limit
from genesis.agents.untrusted_inputs import refuse_untrusted
from genesis.agents.values import decode_utf8, read_json, wrap_bare_value
from genesis.errors import GenesisError, ServiceError, TaskError
from genesis.model import HttpSpec
from genesis.observability.correlation import build_headers
from genesis.resilience.call_retries import call_with_retries
from genesis.resilience.guards import HostGuard, host_of
from genesis.resilience.taxonomy import meaning_of_status, pause_asked_for

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpExecutor", "secrets_in"]

_SECRET = re.compile(r"\{secret:([^{}]+)\}")
_MAX_REDIRECTS = 5
"""As many as common clients follow before they suspect a loop."""
_CONNECT_S = 10.0
"""Time limit for a connection, so that an address that is down does not use the whole time of the task."""
_REFUSED = "GEN-TASK-REFUSED"
"""Code of a rejected request: the service is healthy."""
_HINTS = {
    401: "check the secret in the executor's headers",
    403: "check the secret in the executor's headers",
    404: "check the executor's url",
    405: "check the executor's method",
}


def _skip_guard(_host: str, _left_s: float) -> AbstractAsyncContextManager[None]:
    return nullcontext()


def secrets_in(spec: HttpSpec) -> tuple[str, ...]:
    """Return the names of the secrets in the headers, in order."""
    return tuple(dict.fromkeys(name for value in spec.headers.values() for name in _SECRET.findall(value)))


class HttpExecutor:
    """Sends the leaf's inputs to the service of the spec.

    The body is `{inputs, description, type, path, outputs, correlation_id}` as JSON, with `output_schemas` where the
    plan has any; a GET has the inputs in its query instead. `x-correlation-id` has the correlation id, `traceparent`
    and `baggage` the trace context, and `idempotency-key` is the same for every attempt of a leaf of a run, so that a
    service that supports it does the work once. The answer is JSON, an object giving the promised outputs by name, or
    empty.

    Each call passes the guard of its host. A failed call is retried once in the same attempt if that cannot do
    the work twice: a GET, or a connection that could not be opened. `x-timeout-ms` is the time that the caller waits,
    so that the service can stop when it is over.

    Redirects are followed on the same host and port only, since the body and the headers may be secret.

    Args:
        spec: Where to send it.
        output_bytes: Maximum size of a response.
        default_timeout_s: Time limit of an attempt that has none.
        secrets: Returns `{secret:NAME}` in the headers.
        guard: Wraps each call.
    """

    def __init__(
        self,
        spec: HttpSpec,
        *,
        output_bytes: int,
        default_timeout_s: float,
        secrets: SecretLookup,
        guard: HostGuard = _skip_guard,
    ) -> None:
        self._spec = spec
        self._host = host_of(spec.url)
        self._guard = guard
        self._output_bytes = output_bytes
        self._default_timeout_s = default_timeout_s
        self._secrets = secrets

    async def execute(self, work: Work) -> Result:
        """Send the request and parse the response.

        Raises:
            TaskError: The service rejects the request, or its response is unusable.
            TaskTimeoutError: The attempt's time is over.
            ServiceError: The service cannot be reached, is too busy, or fails; a retry can help.
            BreakerOpenError: Its circuit breaker is open.
            QuotaError: The rate limit admits it only after the attempt's time.
        """
        refuse_untrusted(work, self._spec, {})
        headers = self._headers(work)
        value = await call_with_retries(
            lambda: self._call(work, headers), left_s=work.left_s, budget=work.repeats, safe=self._is_safe_again
        )
        return Result(wrap_bare_value(value, work.outputs))

    async def _call(self, work: Work, headers: dict[str, str]) -> JsonValue:
        """Make one call. The time limit is inside the guard, so that a timeout counts against the host."""
        async with self._guard(self._host, work.left_s), time_limit(work):
            return await self._exchange(work, headers)

    async def _exchange(self, work: Work, headers: dict[str, str]) -> JsonValue:
        import httpx  # noqa: PLC0415  # 0.1 s, and only where it is used

        limit_s = work.timeout_s or self._default_timeout_s
        timed = {**headers, "x-timeout-ms": str(int(1000 * max(0.0, min(work.left_s, limit_s))))}
        try:
            async with httpx.AsyncClient(timeout=httpx.Timeout(limit_s, connect=_CONNECT_S)) as client:
                return await self._answer(client, self._request(client, work, timed), _MAX_REDIRECTS)
        except httpx.TimeoutException as error:
            raise ServiceError(f"{self._spec.url} did not respond in time ({type(error).__name__})") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise TaskError(
                f"{self._spec.url!r} cannot be called: {error}", hint="correct the executor's url", code=_REFUSED
            ) from error
        except httpx.DecodingError as error:
            raise TaskError(f"{self._spec.url} sent a response that cannot be decoded: {error}") from error
        except httpx.TransportError as error:
            raise ServiceError(
                f"{self._spec.url} cannot be reached: {error or type(error).__name__}",
                hint="check that the service is running and that the executor's url is correct",
            ) from error

    def _is_safe_again(self, error: Exception) -> bool:
        import httpx  # noqa: PLC0415

        unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
        return self._spec.method == "GET" or isinstance(error.__cause__, unsent)

    def _headers(self, work: Work) -> dict[str, str]:
        made = {
            "accept": "application/json",
            "accept-encoding": "identity",  # so that a small answer cannot unpack to a huge one
            **build_headers(),
            "idempotency-key": hashlib.sha256(f"{work.run_id}\n{work.path}".encode()).hexdigest(),
        }
        for name, value in self._spec.headers.items():
            text = _SECRET.sub(lambda match: require_secret(match[1], self._secrets, work).strip(), value)
            if not text.isprintable() or not text.isascii():
                raise TaskError(
                    f"header {name!r} of agent {work.agent.name!r} has characters that are invalid in a header",
                    hint="headers, and the secrets in them, must be printable ASCII on one line",
                )
            made[name.lower()] = text
        return made

    def _request(self, client: httpx.AsyncClient, work: Work, headers: dict[str, str]) -> httpx.Request:
        if self._spec.method == "GET":
            query = {key: value if isinstance(value, str) else json.dumps(value) for key, value in work.inputs.items()}
            return client.build_request("GET", self._spec.url, params=query or None, headers=headers)
        body: dict[str, JsonValue] = {
            "inputs": dict(work.inputs),
            "description": work.description,
            "type": work.type,
            "path": work.path,
            "outputs": list(work.outputs),
            "correlation_id": work.correlation_id,
        }
        if work.schemas:
            body["output_schemas"] = {name: dict(schema) for name, schema in work.schemas.items()}
        return client.build_request(self._spec.method, self._spec.url, json=body, headers=headers)

    async def _answer(self, client: httpx.AsyncClient, request: httpx.Request, redirects: int) -> JsonValue:
        response = await client.send(request, stream=True)
        try:
            following = response.next_request
            if response.has_redirect_location and following is not None:
                _check_redirect(request, following, response.status_code, redirects)
            else:
                return self._value(response, await self._body(response))
        finally:
            await response.aclose()
        return await self._answer(client, following, redirects - 1)

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._output_bytes:
                if response.is_success:
                    raise TaskError(
                        f"{self._spec.url} answered with more than {self._output_bytes} bytes",
                        hint="reduce the response, or raise GENESIS_LIMITS__OUTPUT_BYTES",
                        code="GEN-TASK-RESULT-SIZE",
                    )
                break
        return bytes(body)

    def _value(self, response: httpx.Response, body: bytes) -> JsonValue:
        kind = response.headers.get("content-type", "no content type").partition(";")[0]
        shown = " ".join(body[:400].decode("utf-8", "replace").split())[:200]
        if not response.is_success:
            raise self._failure(response, shown)
        if not body.strip():
            return None
        try:
            return read_json(decode_utf8(body))
        except ValueError as error:
            raise TaskError(
                f"{self._spec.url} answered with {kind}, which is not the JSON that is expected: {shown!r}",
                hint=f"check the executor's url; the response must be one JSON document: {error}",
            ) from error

    def _failure(self, response: httpx.Response, shown: str) -> GenesisError:
        status = response.status_code
        meaning = meaning_of_status(status)
        data: dict[str, JsonValue] = {"status": status}
        if (pause_s := pause_asked_for(response.headers.get("retry-after", ""))) is not None:
            data["retry_after_s"] = pause_s
        message, hint = f"{self._spec.url} answered {status}: {shown}", _HINTS.get(status, "")
        if not meaning.retryable:
            return TaskError(message, hint=hint, code=_REFUSED, data=data)
        return ServiceError(message, hint=hint, code=None if meaning.blames else "GEN-SERVICE-BUSY", data=data)


def _check_redirect(request: httpx.Request, following: httpx.Request, status: int, left: int) -> None:
    def origin(one: httpx.Request) -> tuple[str, str, int | None]:
        return one.url.scheme, one.url.host, one.url.port

    if origin(request) != origin(following):
        raise TaskError(
            f"{request.url} redirects to {following.url}, another host or port, which is not followed",
            hint="set the executor's url to the address of the redirect",
            code=_REFUSED,
        )
    if request.method != following.method:
        raise TaskError(
            f"{request.url} answers a {request.method} with redirect {status}, which would drop the work it carries",
            hint="set the executor's url to the address of the redirect",
            code=_REFUSED,
        )
    if left == 0:
        raise TaskError(f"{request.url} redirects more than {_MAX_REDIRECTS} times", code=_REFUSED)
