"""The compose file is valid, keeps secrets and ports to itself, and starts and stops its parts in the right order."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from genesis.resilience.breakers import store_of
from genesis.resilience.redis_store import RedisStore
from genesis.settings import ResilienceSettings

_ROOT = Path(__file__).parents[3]
_COMPOSE = _ROOT / "docker" / "compose.yaml"
_JOBS = {"migrate", "deploy", "cli"}
_WORKERS = {"orchestrator", "agents"}
_HAND_BACK_S = 30
"""What a worker needs after --grace, to end what still runs and to report it while the API may be away."""
_OURS = _JOBS | _WORKERS | {"api", "services"}
_WATCHERS = {"collector", "traces", "prometheus", "grafana"}


def _seconds(text: str) -> float:
    return sum(
        float(number) * {"s": 1, "m": 60, "h": 3600}[unit] for number, unit in re.findall(r"([\d.]+)([smh])", text)
    )


def test_it_is_valid_by_the_compose_specification():
    pytest.importorskip("check_jsonschema")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", _COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_part_is_there(compose):
    assert set(compose["services"]) == _OURS | _WATCHERS | {"postgres", "redis", "state"}
    assert compose["services"]["cli"]["profiles"] == ["cli"]


def test_what_watches_is_started_only_when_it_is_asked_for(compose):
    for name, service in compose["services"].items():
        assert (service.get("profiles") == ["observability"]) == (name in _WATCHERS), name
        if name not in _WATCHERS:
            assert not set(service.get("depends_on") or {}) & _WATCHERS, f"{name} would wait for what is not started"


def test_what_watches_reaches_neither_the_database_nor_more_than_it_needs(compose):
    networks = {name: set(compose["services"][name]["networks"]) for name in _WATCHERS}
    assert networks == {
        "collector": {"api", "monitoring"},
        "prometheus": {"api", "monitoring"},
        "traces": {"monitoring"},
        "grafana": {"monitoring"},
    }


def test_traces_are_off_until_they_have_somewhere_to_go(compose, composed):
    for name in _WORKERS:
        assert compose["services"][name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == ""
    switched_on = composed(OTLP_ENDPOINT="http://collector:4317")
    for name in _WORKERS | {"cli"}:
        environment = switched_on["services"][name]["environment"]
        assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4317"
        assert environment["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc"


def test_prometheus_keeps_the_password_of_the_api_to_itself(compose, tmp_path):
    shell, option, script, name = compose["services"]["prometheus"]["entrypoint"]
    program = tmp_path / "prometheus"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n', "utf-8")
    program.chmod(0o755)
    script = script.replace("/run/prometheus", str(tmp_path)).replace("/bin/prometheus", str(program))
    done = subprocess.run(
        [shell, option, script, name, "--a=b", "--c d"],
        env={"PREFECT_API_AUTH_STRING": "admin:a:b c$", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [str(program), "--a=b", "--c d"]
    password = tmp_path / "prefect-password"
    assert password.read_text("utf-8") == "a:b c$"
    assert password.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("password", "code"), [("", 1), ("x", 0)])
def test_grafana_does_not_start_with_a_well_known_password(compose, tmp_path, password, code):
    shell, option, script = compose["services"]["grafana"]["entrypoint"]
    program = tmp_path / "run.sh"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    done = subprocess.run(
        [shell, option, script.replace("/run.sh", str(program))],
        env={"GF_SECURITY_ADMIN_PASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert ("GRAFANA_PASSWORD" in done.stderr) == bool(code)


def test_every_file_that_is_mounted_is_there(compose):
    for name, service in compose["services"].items():
        for each in service.get("volumes", []):
            source = each.split(":")[0]
            if source.startswith("."):
                assert (_COMPOSE.parent / source).resolve().exists(), f"{name}: {source}"
            else:
                assert source in compose["volumes"], f"{name}: {source}"


def test_images_are_pinned(compose):
    for name, service in compose["services"].items():
        image, _, tag = service["image"].rpartition(":")
        assert image, name
        assert re.match(r"v?\d", tag), f"{name}: {tag}"


def test_ours_are_built_from_the_dockerfile(compose):
    for name in _OURS:
        build = compose["services"][name]["build"]
        assert (_ROOT / "docker" / build["context"] / build["dockerfile"]).resolve() == _ROOT / "docker" / "Dockerfile"


def test_ports_are_published_on_loopback_only(compose):
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert set(published) == {
        "127.0.0.1:4200:4200", "127.0.0.1:3000:3000", "127.0.0.1:9090:9090", "127.0.0.1:16686:16686",
    }  # fmt: skip


def test_nothing_runs_with_rights_or_a_root_that_can_be_written(compose):
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert name in _OURS or service["user"] not in {"root", "0"}, name
        assert not service.get("privileged"), name


def test_the_databases_are_out_of_the_reach_of_agents(compose):
    assert compose["networks"]["data"]["internal"]
    for name in ("postgres", "redis"):
        assert compose["services"][name]["networks"] == ["data"]
    for name in _WORKERS | {"deploy", "cli"}:
        assert "data" not in compose["services"][name]["networks"]
        environment = compose["services"][name]["environment"]
        assert not [key for key in environment if "DATABASE" in key or ("REDIS" in key and "RESILIENCE" not in key)]


def test_workers_share_breakers_and_rates_in_a_redis_of_their_own(compose):
    assert compose["networks"]["state"]["internal"]
    assert compose["services"]["state"]["networks"] == ["state"]
    for name in _WORKERS | {"cli"}:
        service = compose["services"][name]
        settings = ResilienceSettings(
            share=service["environment"]["GENESIS_RESILIENCE__SHARE"],
            redis_url=service["environment"]["GENESIS_RESILIENCE__REDIS_URL"],
        )
        address = urlsplit(settings.redis_url.get_secret_value())
        assert isinstance(store_of(settings, _ROOT), RedisStore)
        assert (address.hostname, address.port) == ("state", 6379)
        assert address.password == compose["services"]["state"]["environment"]["REDIS_PASSWORD"]
        assert address.password != compose["services"]["redis"]["environment"]["REDIS_PASSWORD"]
        assert service["networks"] == ["api", "state"]
        assert service["depends_on"]["state"]["condition"] == "service_healthy"


def test_no_secret_is_in_the_files(docker):
    text = (docker / "compose.yaml").read_text("utf-8")
    for name in re.findall(r"(?:PASSWORD|AUTH)\w*: (.+)", text):
        assert name.startswith(("${", "*")), name
    example = (docker / ".env.example").read_text("utf-8")
    assert all("change" in value for value in re.findall(r"^(?:\w+PASSWORD|PREFECT_AUTH)=(.+)$", example, re.MULTILINE))
    ignored = (docker / ".gitignore").read_text("utf-8").splitlines()
    assert {".env", "agents.env"} <= set(ignored)


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "REDIS_PASSWORD", "STATE_PASSWORD", "PREFECT_AUTH"])
def test_a_secret_that_is_missing_stops_it(name, docker):
    text = (docker / "compose.yaml").read_text("utf-8")
    assert f"${{{name}:?" in text


def test_every_variable_has_an_example_or_a_default(docker):
    text = (docker / "compose.yaml").read_text("utf-8")
    examples = re.findall(r"^(\w+)=", (docker / ".env.example").read_text("utf-8"), re.MULTILINE)
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    assert used == set(examples)
    assert not re.findall(r"(?<!\$)\$(?=\w)", text)


def test_it_starts_in_order(compose):
    services = compose["services"]
    for name, service in services.items():
        for other, wanted in (service.get("depends_on") or {}).items():
            condition = wanted["condition"]
            assert (condition == "service_completed_successfully") == (other in _JOBS), f"{name} on {other}"
            if condition == "service_healthy" and other not in _OURS:
                assert services[other]["healthcheck"]["test"], other
    assert set(services["api"]["depends_on"]) == {"postgres", "redis", "migrate"}
    assert {"api", "services"} <= set(services["deploy"]["depends_on"])
    for name in _WORKERS:
        assert {"api", "deploy"} <= set(services[name]["depends_on"])


def test_what_serves_comes_back_and_what_ends_does_not(compose):
    for name, service in compose["services"].items():
        expected = {"migrate": "no", "cli": "no", "deploy": "on-failure:3"}.get(name, "unless-stopped")
        assert service["restart"] == expected, name


def test_a_stop_leaves_a_worker_the_time_that_it_says(compose):
    for name in _WORKERS:
        command = compose["services"][name]["command"]
        grace = float(command[command.index("--grace") + 1])
        assert _seconds(compose["services"][name]["stop_grace_period"]) >= grace + _HAND_BACK_S, name


def test_everything_that_runs_for_long_has_limits(compose):
    for name, service in compose["services"].items():
        if name == "cli":
            continue
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits), name


def test_workers_share_results_and_the_databases_are_kept(compose, image_environment):
    volumes = {
        name: dict(reversed(each.split(":")[:2]) for each in service.get("volumes", []))
        for name, service in compose["services"].items()
    }
    results = image_environment["PREFECT_RESULTS_LOCAL_STORAGE_PATH"]
    for name in _WORKERS | {"cli"}:
        assert volumes[name][results] == "results"
    assert volumes["postgres"]["/var/lib/postgresql/data"] == "database"
    assert volumes["redis"]["/data"] == "messages"
    assert set(compose["volumes"]) == {"database", "messages", "results", "workspace", "metrics", "grafana"}


def test_what_the_image_writes_to_can_be_written(compose, image_environment):
    for name in _OURS:
        service = compose["services"][name]
        places = [each.split(":")[0] for each in service["tmpfs"]]
        places += [each.split(":")[1] for each in service.get("volumes", [])]
        for variable in ("HOME", "GENESIS_HOME", "PREFECT_HOME"):
            assert any(image_environment[variable].startswith(place) for place in places), f"{name}: {variable}"


def test_several_api_processes_neither_migrate_nor_register_blocks(compose):
    api = compose["services"]["api"]
    assert int(api["command"][api["command"].index("--workers") + 1]) > 1
    assert api["environment"]["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] == "false"
    assert api["environment"]["PREFECT_SERVER_REGISTER_BLOCKS_ON_START"] == "false"
    script = compose["services"]["migrate"]["command"][-1]
    assert "prefect server database upgrade --yes" in script
    assert "/opt/genesis/register_blocks.py" in script


@pytest.mark.parametrize("name", ["redis", "state"])
def test_redis_reads_its_password_from_standard_input(compose, name):
    *shell, script = compose["services"][name]["command"]
    shown = re.sub(r"exec redis-server .*<<", "cat <<", script)
    done = subprocess.run(
        [*shell, shown],
        env={"REDIS_PASSWORD": "a b", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "requirepass a b\n"


def test_the_compose_file_has_no_key_twice():
    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader, node):
        keys = [key.value for key, _ in node.value if key.value != "<<"]
        assert len(keys) == len(set(keys)), f"{keys} at line {node.start_mark.line + 1}"
        loader.flatten_mapping(node)
        return yaml.SafeLoader.construct_mapping(loader, node, deep=True)

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    yaml.load(_COMPOSE.read_text("utf-8"), Loader=Strict)  # a safe loader
