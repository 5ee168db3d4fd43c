"""Ask the embedded server how it is. It is on this machine, so no proxy is asked and every answer has to be quick."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from genesis.prefect_api.configured import basic_authentication

__all__ = ["active_flow_runs", "has_database", "is_healthy", "server_version", "url_host"]


def url_host(host: str) -> str:
    """Return the host to connect to, as it is written in a URL, for a host that is listened on."""
    if host in {"", "0.0.0.0"}:  # noqa: S104  # compared, not bound
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def is_healthy(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether the API answers that it is well."""
    return _ask(host, port, "/api/health", timeout_s) is True


def has_database(host: str, port: int, timeout_s: float = 3.0) -> bool | None:
    """Whether the server reaches its database; None when it does not say in time, for it may only be busy."""
    connection = http.client.HTTPConnection(url_host(host).strip("[]"), port, timeout=timeout_s)
    try:
        connection.request("GET", "/api/ready", headers={"connection": "close"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def server_version(host: str, port: int, password: str | None, timeout_s: float = 2.0) -> str | None:
    """Return the version of Prefect that serves there, or None when nothing like it does."""
    version = _ask(host, port, "/api/admin/version", timeout_s, password=password)
    return version if isinstance(version, str) else None


def active_flow_runs(host: str, port: int, password: str | None, timeout_s: float = 5.0) -> int | None:
    """Count the flow runs that are pending or running; None when the server does not say.

    It is asked a few times: while its own services write, SQLite makes it answer that it is unavailable.
    """
    query = {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}}
    for pause_s in (0.2, 0.4, 0.8, 0.0):
        count = _ask(host, port, "/api/flow_runs/count", timeout_s, query, password=password)
        if isinstance(count, int):
            return count
        time.sleep(pause_s)
    return None


def _ask(host: str, port: int, path: str, timeout_s: float, body: object = None, *, password: str | None = None) -> Any:
    """Return the JSON answer to a GET, or to a POST where there is a body; None when there is no good one."""
    connection = http.client.HTTPConnection(url_host(host).strip("[]"), port, timeout=timeout_s)
    try:
        method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
        headers = {"content-type": "application/json", "connection": "close"}
        if password is not None:
            headers["authorization"] = basic_authentication(password)
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        return json.loads(response.read(1_000_000)) if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
