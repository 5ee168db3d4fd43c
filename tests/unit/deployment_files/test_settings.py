"""Every variable in the files is a setting of Prefect or of Genesis, and what it says is what they read."""

import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr

_ROOT = Path(__file__).parents[3]
_OTHERS = {
    "PATH", "HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "DO_NOT_TRACK",  # the system, Python, a convention
    "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "REDIS_PASSWORD",  # the images of the databases
    "OPENAI_API_KEY",  # a model's
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL",  # OpenTelemetry's own
    "JAEGER_LISTEN_HOST",
    "GF_SECURITY_ADMIN_PASSWORD", "GF_SERVER_ROOT_URL", "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH", "GF_LOG_MODE",
    "GF_ANALYTICS_REPORTING_ENABLED", "GF_ANALYTICS_CHECK_FOR_UPDATES", "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
    "GF_NEWS_NEWS_FEED_ENABLED", "GF_PLUGINS_PREINSTALL_DISABLED", "GF_USERS_ALLOW_SIGN_UP",  # Grafana's
}  # fmt: skip


def _genesis_names(model: type[BaseModel], prefix: str = "GENESIS_") -> set[str]:
    names = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names |= _genesis_names(inner, f"{prefix}{name.upper()}__")
        else:
            names.add(f"{prefix}{name.upper()}")
    return names


def _redis_settings() -> list[type[BaseModel]]:
    client = pytest.importorskip("prefect_redis.client")
    queue = pytest.importorskip("prefect_redis.cleanup_queue")
    return [client.RedisMessagingSettings, queue.RedisWorkerCleanupQueueSettings]


def _prefect_names() -> dict[str, str]:
    from prefect.settings import Settings
    from prefect.settings.legacy import _get_settings_fields

    return {name: setting.accessor for name, setting in _get_settings_fields(Settings).items()}


@pytest.fixture(scope="session")
def environments(compose, image_environment, workloads, manifests, chart_values) -> dict[str, dict[str, Any]]:
    """The variables that are set, by where; None for what comes from a secret."""
    found: dict[str, dict[str, Any]] = {"image": image_environment}
    found |= {f"compose {name}": service.get("environment", {}) for name, service in compose["services"].items()}
    for name, pod in workloads.items():
        found[f"kubernetes {name}"] = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    for each in manifests:
        if each["kind"] == "ConfigMap":
            found["kubernetes ConfigMap"] = each["data"]
            found["kubernetes ConfigMap, what is commented out"] = _read_commented("configuration.yaml")
        if each["metadata"]["name"] == "genesis-agents" and each["kind"] == "Secret":
            found["kubernetes Secret"] = each["stringData"]
    found["chart"] = {each["name"]: each.get("value") for each in chart_values["global"]["prefect"]["env"]}
    found["chart server"] = {each["name"]: each.get("value") for each in chart_values["server"]["env"]}
    return found


def _read_commented(name: str) -> dict[str, str]:
    text = (_ROOT / "deployments" / "kubernetes" / name).read_text("utf-8")
    lines = re.findall(r"^  # ([A-Z_]+): (.+)$", text, re.MULTILINE)
    return {name: yaml.safe_load(value) for name, value in lines}


def test_variables_that_are_commented_out_are_found():
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in _read_commented("configuration.yaml")


def test_every_variable_is_known(environments):
    from genesis.settings import Settings

    known = _OTHERS | _genesis_names(Settings) | set(_prefect_names())
    for settings in _redis_settings():
        prefix = settings.model_config["env_prefix"]
        known |= {f"{prefix}{name.upper()}" for name in settings.model_fields}
    for where, variables in environments.items():
        assert set(variables) <= known, where


def test_variables_of_examples_are_known(docker):
    from genesis.settings import Settings

    text = (docker / "agents.env.example").read_text("utf-8")
    names = {line.removeprefix("# ").partition("=")[0] for line in text.splitlines() if "=" in line}
    assert names
    assert names <= _OTHERS | _genesis_names(Settings)


def test_prefect_reads_what_the_files_say(environments, monkeypatch):
    from prefect.settings import Settings

    accessors = _prefect_names()
    for where, variables in environments.items():
        given = {name: value for name, value in variables.items() if name in accessors and value is not None}
        with monkeypatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            settings = Settings()
        for name, value in given.items():
            assert _render(attrgetter(accessors[name])(settings)) == value, f"{where}: {name}"


def _render(value: Any) -> str:
    if isinstance(value, set):
        return ",".join(map(str, sorted(value)))
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_any_password_of_the_database_fits(compose, monkeypatch):
    from prefect.settings import Settings

    for name, value in compose["services"]["api"]["environment"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_PASSWORD", "a/b@c:d")
    address = Settings().server.database.connection_url.get_secret_value()
    assert address == "postgresql+asyncpg://prefect:a%2Fb%40c%3Ad@postgres:5432/prefect"


def test_several_server_processes_share_everything_that_prefect_keeps_in_memory_by_default(compose, monkeypatch):
    from prefect.settings import Settings

    def keep() -> list[str]:
        server = Settings().server
        return [
            server.events.messaging_broker,
            server.events.messaging_cache,
            server.events.causal_ordering,
            server.concurrency.lease_storage,
            server.worker_channel.cleanup_queue_storage,
            server.docket.url,
        ]

    assert all("memory" in each for each in keep())
    for name, value in compose["services"]["api"]["environment"].items():
        monkeypatch.setenv(name, value)
    assert not any("memory" in each for each in keep())
    assert compose["services"]["services"]["environment"].items() <= compose["services"]["api"]["environment"].items()


def test_server_and_workers_agree_on_the_password(compose):
    services = compose["services"]
    wanted = services["api"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"]
    for name in ("orchestrator", "agents", "deploy", "cli"):
        assert services[name]["environment"]["PREFECT_API_AUTH_STRING"] == wanted
