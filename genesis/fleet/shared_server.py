"""Ask a Prefect server which project has the pool of the orchestrators, before another one writes its files."""

from __future__ import annotations

from genesis.errors import ResourceError, ServiceError
from genesis.fleet.desired import owner_of
from genesis.model.agent import orchestrator_pool
from genesis.prefect_api.configured import ConfiguredApi, find_configured_api
from genesis.prefect_api.health import server_answer
from genesis.server import password_of, status
from genesis.settings import Settings

__all__ = ["project_on_server"]

_TIMEOUT_S = 2.0
"""`genesis init` works without a server, and does not wait for a slow one."""


def project_on_server(settings: Settings) -> str | None:
    """Name the project whose the pool `genesis` is; None where there is no such pool, or no server that says so."""
    configured = find_configured_api() or _find_embedded_api(settings)
    if configured is None:
        return None
    try:
        password = password_of(settings, configured.url) or configured.password
        path = f"/work_pools/{orchestrator_pool(None)}"
        found = server_answer(configured, path, timeout_s=_TIMEOUT_S, password=password)
    except (ResourceError, ServiceError):
        return None
    return owner_of(str(found.get("description") or "")) if isinstance(found, dict) else None


def _find_embedded_api(settings: Settings) -> ConfiguredApi | None:
    found = status(settings, ask=False)
    if found.state != "running" or found.api_url is None:
        return None
    return ConfiguredApi(found.api_url, found.ui_url, "the embedded server")
