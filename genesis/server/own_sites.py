"""Keep web pages of others away from the embedded server.

A page that is open in the user's browser can send requests to this machine. It names itself in `Origin`, unless its
name has been made to point here (DNS rebinding): then `Host` is foreign. Prefect has settings for CORS, which decide
only what such a page may read; nothing in it refuses a request, or looks at a web socket's origin.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from ipaddress import ip_address
from typing import Any

__all__ = ["OWN_NAMES", "OwnSites", "own_names"]

OWN_NAMES = "EMBEDDED_SERVER_NAMES"
"""Variable by which the server's process is given the address that it listens on and its names, as JSON."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  # compared, not bound
_IN_MEMORY = "prefect-in-memory"
"""What Prefect's server calls itself where it calls its own API (`prefect.server.api.clients`)."""
_SIMPLE = (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data")
"""Bodies that a page may send anywhere without asking; the API takes none of them."""

Message = MutableMapping[str, Any]
_App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


def own_names(host: str, more: Sequence[str] = ()) -> list[str]:
    """List the names by which a server may be addressed, as they stand in a URL.

    Args:
        host: Address that it listens on.
        more: Names from the settings.
    """
    names = [*_LOOPBACK, *more]
    if host not in _ANY:
        names.append(f"[{host}]" if ":" in host else host)
    if host not in {*_LOOPBACK, "::1"}:
        names.append(socket.gethostname().lower())
    return list(dict.fromkeys(name.lower() for name in names))


class OwnSites:
    """ASGI middleware that refuses requests and web sockets of foreign pages.

    Args:
        app: What is protected.
        names: The address that the server listens on, then its names. One that listens on all addresses may be
            addressed by any number, too: only a name can be made to point here.
    """

    def __init__(self, app: _App, names: Sequence[str]):
        self._app = app
        self._any_number = bool(names) and names[0] in _ANY
        self._names = frozenset(names[1:])

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer 400, 403 or 415, or close the web socket, where a request is not of this server's own pages."""
        asked = scope["type"] in {"http", "websocket"} and not _is_of_this_process(scope)
        refusal = self._refusal(scope) if asked else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            status, text = refusal
            content = json.dumps({"exception_message": text}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": content})

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        given: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name.lower(), []).append(value)
        hosts = [value.decode("latin-1").lower() for value in given.get(b"host", ())]
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return 400, "this server is not addressed by that name; GENESIS_SERVER__ALLOWED_HOSTS can allow it"
        for value in given.get(b"origin", ()):
            scheme, _, authority = value.decode("latin-1").lower().partition("://")
            if scheme not in {"http", "https"} or not self._is_same(authority, hosts[0]):
                return 403, "requests of other sites are refused"
        if scope["type"] == "http" and any(
            value.lower().startswith(_SIMPLE) for value in given.get(b"content-type", ())
        ):
            return 415, "the body must be JSON"
        return None

    def _is_same(self, authority: str, host: str) -> bool:
        """Whether an origin is this server: the same address, or another own name with the same port."""
        return authority == host or (self._is_own(authority) and _port(authority) == _port(host))

    def _is_own(self, authority: str) -> bool:
        port = _port(authority)
        name = authority.removesuffix(f":{port}") if port else authority
        return name in self._names or (self._any_number and _is_number(name.strip("[]")))


def _is_of_this_process(scope: Message) -> bool:
    """Whether the server itself asks, as its automations do: without a socket, so that the name is no header's."""
    server = scope.get("server")
    return server is not None and tuple(server) == (_IN_MEMORY, None)


def _port(authority: str) -> str:
    _, colon, port = authority.rpartition(":")
    return port if colon and port.isdecimal() else ""


def _is_number(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
