"""Return whether what this container was started for works: exit code 0 if so, else 1 and a line with the reason.

The question follows from the command of the container's first process, so that one image has one `HEALTHCHECK`:

- `prefect server start`: does the API answer, and reach its database?
- `prefect server services start`: was its heartbeat in Redis within the last half minute?
- `genesis worker --health-port N` and `prefect worker start --with-healthcheck`: does the worker call itself healthy?
- anything else, a job that ends: nothing is checked.

It imports the standard library alone (and Redis's client for the second), because it runs every few seconds.
"""

# ruff: noqa: INP001  # a script of the image, in no package

from __future__ import annotations

import http.client
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["check"]

_TIMEOUT_S = 5.0
_OLDEST_HEARTBEAT_S = 30.0
_HEARTBEATS = "prefect:workers"
"""Where Prefect's background services, a worker of the docket `prefect`, leave their heartbeats."""


def check(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Ask what the command calls for.

    Args:
        command: The words of the container's first process, `tini --` included.
        environment: The container's environment.

    Returns:
        What is wrong, or None.
    """
    words = [Path(word).name for word in command]
    for role, ask in _ROLES.items():
        start = _find(words, role)
        if start is not None:
            return ask(list(command[start:]), environment)
    return None


def _find(words: Sequence[str], role: Sequence[str]) -> int | None:
    for start in range(len(words) - len(role) + 1):
        if tuple(words[start : start + len(role)]) == tuple(role):
            return start
    return None


def _option(words: Sequence[str], name: str) -> str | None:
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def _api(words: Sequence[str], environment: Mapping[str, str]) -> str | None:
    port = _option(words, "--port") or environment.get("PREFECT_SERVER_API_PORT") or "4200"
    return _get(int(port), f"{environment.get('PREFECT_SERVER_API_BASE_PATH') or '/api'}/ready")


def _genesis_worker(words: Sequence[str], _environment: Mapping[str, str]) -> str | None:
    port = _option(words, "--health-port")
    return None if port is None else _get(int(port), "/health")


def _prefect_worker(words: Sequence[str], environment: Mapping[str, str]) -> str | None:
    if "--with-healthcheck" not in words:
        return None
    return _get(int(environment.get("PREFECT_WORKER_WEBSERVER_PORT") or "8080"), "/health")


def _services(_words: Sequence[str], environment: Mapping[str, str]) -> str | None:
    url = environment.get("PREFECT_SERVER_DOCKET_URL")
    if url is None or url.startswith("memory:"):
        return None
    from redis import Redis  # noqa: PLC0415  # only the one role has it
    from redis.exceptions import RedisError  # noqa: PLC0415

    try:
        with Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S) as redis:
            heartbeats = redis.zrange(_HEARTBEATS, 0, -1, withscores=True)
    except RedisError as error:
        return f"Redis cannot be asked: {error}"
    own = f"{socket.gethostname()}#".encode()
    ages = [time.time() - at for name, at in heartbeats if name.startswith(own)]
    if not ages:
        return "there is no heartbeat of the background services of this container in Redis"
    return None if min(ages) < _OLDEST_HEARTBEAT_S else f"the last heartbeat is {min(ages):.0f} s old"


def _get(port: int, path: str) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"port {port} does not answer: {error}"
    finally:
        connection.close()
    return None if status == http.client.OK else f"{path} on port {port} answered {status}"


_ROLES: dict[tuple[str, ...], Callable[[list[str], Mapping[str, str]], str | None]] = {
    ("prefect", "server", "start"): _api,
    ("prefect", "server", "services", "start"): _services,
    ("prefect", "worker", "start"): _prefect_worker,
    ("genesis", "worker"): _genesis_worker,
}


def _main() -> int:
    command = Path("/proc/1/cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    wrong = check(command, os.environ)
    if wrong is not None:
        sys.stderr.write(f"{wrong}\n")
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(_main())
