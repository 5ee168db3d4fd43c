"""The embedded Prefect server, and the choice between it and a configured API. Nothing here imports Prefect."""

from genesis.prefect_api.configured import (
    ConfiguredApi,
    find_configured_api,
    fix_prefect_paths,
    point_prefect_at,
    silence_prefect_on_terminal,
)
from genesis.server.api import ApiEndpoint, PendingApi, begin_api, ensure_api
from genesis.server.backends import Backends
from genesis.server.lifecycle import (
    ServerInfo,
    Starting,
    begin_start,
    down,
    password_of,
    revive,
    server_process,
    status,
    up,
    wait_ready,
)
from genesis.server.notes import space_note

__all__ = [
    "ApiEndpoint",
    "Backends",
    "ConfiguredApi",
    "PendingApi",
    "ServerInfo",
    "Starting",
    "begin_api",
    "begin_start",
    "down",
    "ensure_api",
    "find_configured_api",
    "fix_prefect_paths",
    "password_of",
    "point_prefect_at",
    "revive",
    "server_process",
    "silence_prefect_on_terminal",
    "space_note",
    "status",
    "up",
    "wait_ready",
]
