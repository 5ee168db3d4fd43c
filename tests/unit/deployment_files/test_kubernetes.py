"""The manifests are valid objects, whose pods run without rights and stop in order; what they refer to is there."""

import re
import shutil
import subprocess
import tomllib
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

_ROOT = Path(__file__).parents[3]
_FOLDER = _ROOT / "deployments" / "kubernetes"
_WORKERS = {"genesis-orchestrator", "genesis-agents"}
_HAND_BACK_S = 30
"""What a worker needs after --grace, to end what still runs and to report it while the API may be away."""
_LONGEST_OUTAGE_S = 300
_ELSEWHERE = {"prefect-server.values.yaml"}
"""Not objects of Kubernetes."""


def _find_named(manifests, kind):
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def _container(pod):
    (container,) = pod["containers"]
    return container


def test_every_kind_that_a_fleet_needs_is_there(manifests):
    kinds = {each["kind"] for each in manifests}
    assert kinds == {
        "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Job", "Namespace", "NetworkPolicy",
        "PersistentVolumeClaim", "PodDisruptionBudget", "PodMonitor", "Secret", "ServiceAccount",
    }  # fmt: skip


@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_every_object_is_valid_by_the_schema_of_its_kind(manifests, version):
    schemas = pytest.importorskip("kubernetes_validate")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library itself
        for each in manifests:
            if each["kind"] != "PodMonitor":  # of the Prometheus Operator, with a test of its own
                schemas.validate(each, version, strict=True)


def test_the_kustomization_lists_every_file_but_the_examples():
    kustomization = yaml.safe_load((_FOLDER / "kustomization.yaml").read_text("utf-8"))
    files = {file.name for file in _FOLDER.glob("*.yaml")} - _ELSEWHERE - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files - {"hpa.yaml", "monitoring.yaml", "secrets.example.yaml"}
    version = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert kustomization["images"] == [{"name": "genesis", "newTag": version}]


def test_kustomize_builds_it():
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([kubectl, "kustomize", _FOLDER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert all(each["metadata"]["name"] == "genesis" or each["metadata"]["namespace"] == "genesis" for each in built)
    images = {
        _container(each["spec"]["template"]["spec"])["image"] for each in built if "template" in each.get("spec", {})
    }
    assert len(images) == 1
    assert ":" in images.pop()


def test_no_pod_has_rights(workloads):
    assert set(workloads) == _WORKERS | {"genesis-deploy"}
    for name, pod in workloads.items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] == 1001, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        container = _container(pod)["securityContext"]
        assert container == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_the_user_is_the_images(workloads, dockerfile):
    user = next(each.value for each in reversed(dockerfile) if each.word == "USER")
    for pod in workloads.values():
        assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user


@pytest.mark.parametrize("name", sorted(_WORKERS))
def test_a_worker_is_asked_at_the_page_that_it_serves(name, workloads):
    container = _container(workloads[name])
    args = container["args"]
    assert args[args.index("--health-host") + 1] == "0.0.0.0"
    port = int(args[args.index("--health-port") + 1])
    assert {each["name"]: each["containerPort"] for each in container["ports"]} == {"health": port}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "health"}, probe


@pytest.mark.parametrize("name", sorted(_WORKERS))
def test_an_outage_of_the_api_restarts_no_worker(name, workloads):
    liveness = _container(workloads[name])["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= _LONGEST_OUTAGE_S


@pytest.mark.parametrize("name", sorted(_WORKERS))
def test_a_stop_leaves_a_worker_the_time_that_it_says(name, workloads):
    args = _container(workloads[name])["args"]
    assert workloads[name]["terminationGracePeriodSeconds"] >= float(args[args.index("--grace") + 1]) + _HAND_BACK_S


def test_every_container_says_what_it_needs(workloads):
    for name, pod in workloads.items():
        resources = _container(pod)["resources"]
        for part in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(resources[part]), name
        for volume in pod["volumes"]:
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], name


def test_what_the_image_writes_to_can_be_written(workloads, image_environment):
    for name, pod in workloads.items():
        mounted = [each["mountPath"] for each in _container(pod)["volumeMounts"]]
        for variable in ("HOME", "GENESIS_HOME", "PREFECT_HOME"):
            assert any(image_environment[variable].startswith(place) for place in mounted), f"{name}: {variable}"
        assert "/tmp" in mounted
        if name in _WORKERS:
            assert {image_environment["PREFECT_RESULTS_LOCAL_STORAGE_PATH"], "/workspace"} <= set(mounted)


def test_what_pods_refer_to_is_there(workloads, manifests):
    secrets = {name: set(each["stringData"]) for name, each in _find_named(manifests, "Secret").items()}
    claims, maps = _find_named(manifests, "PersistentVolumeClaim"), _find_named(manifests, "ConfigMap")
    for pod in workloads.values():
        container = _container(pod)
        assert pod["serviceAccountName"] in _find_named(manifests, "ServiceAccount")
        for variable in container["env"]:
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["key"] in secrets[reference["name"]]
        for source in container["envFrom"]:
            assert source.get("configMapRef", {"name": "genesis"})["name"] in maps
            assert source.get("secretRef", {"name": "genesis-agents"})["name"] in secrets
        for volume in pod["volumes"]:
            assert volume.get("persistentVolumeClaim", {"claimName": "genesis-results"})["claimName"] in claims
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


def test_storage_can_be_mounted_by_every_worker(manifests):
    for claim in _find_named(manifests, "PersistentVolumeClaim").values():
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_selectors_find_their_pods(manifests):
    deployments = _find_named(manifests, "Deployment")
    budgets = _find_named(manifests, "PodDisruptionBudget")
    assert set(deployments) == set(budgets) == _WORKERS
    for name, deployment in deployments.items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        for selector in (deployment["spec"]["selector"], budgets[name]["spec"]["selector"]):
            assert selector["matchLabels"].items() <= labels.items()
        minimum = budgets[name]["spec"].get("minAvailable", 0)
        assert deployment["spec"]["replicas"] > minimum, "a node could never be emptied"
    targets = [
        each["spec"]["scaleTargetRef"]["name"] for each in _find_named(manifests, "HorizontalPodAutoscaler").values()
    ]
    assert set(targets) <= set(deployments)


def test_nobody_calls_a_worker_and_a_worker_calls_no_database(manifests):
    policies = _find_named(manifests, "NetworkPolicy")
    workers = policies["genesis-workers"]["spec"]
    assert workers["ingress"] == []
    assert set(workers["policyTypes"]) == {"Ingress", "Egress"}
    ports = {port["port"] for rule in workers["egress"] for port in rule["ports"]}
    assert ports == {53, 4200}
    (internet,) = policies["genesis-workers-internet"]["spec"]["egress"]
    assert [port["port"] for port in internet["ports"]] == [443]
    assert "169.254.0.0/16" in internet["to"][0]["ipBlock"]["except"]


def test_workers_share_breakers_and_rates(manifests, workloads):
    assert _find_named(manifests, "ConfigMap")["genesis"]["data"]["GENESIS_RESILIENCE__SHARE"] == "redis"
    url = urlsplit(_find_named(manifests, "Secret")["genesis-state"]["stringData"]["redis-url"])
    for name in _WORKERS:
        sources = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in _container(workloads[name])["env"]}
        assert sources["GENESIS_RESILIENCE__REDIS_URL"] == {"name": "genesis-state", "key": "redis-url"}
    (rule,) = _find_named(manifests, "NetworkPolicy")["genesis-workers-state"]["spec"]["egress"]
    assert [each["port"] for each in rule["ports"]] == [url.port]
    assert url.hostname not in _find_named(manifests, "Secret")["prefect-redis"]["stringData"]["url"]


def test_prometheus_finds_the_workers_and_is_let_in(manifests, workloads):
    monitor = _find_named(manifests, "PodMonitor")["genesis"]["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint["path"] == "/metrics"
    deployments = _find_named(manifests, "Deployment")
    (expression,) = monitor["selector"]["matchExpressions"]
    for name in _WORKERS:
        labels = deployments[name]["spec"]["template"]["metadata"]["labels"]
        assert monitor["selector"]["matchLabels"].items() <= labels.items()
        assert labels[expression["key"]] in expression["values"]
        (port,) = _container(workloads[name])["ports"]
        assert port["name"] == endpoint["port"]
        (rule,) = _find_named(manifests, "NetworkPolicy")["genesis-metrics"]["spec"]["ingress"]
        assert [each["port"] for each in rule["ports"]] == [port["containerPort"]]
    jobs = [each for each in endpoint["relabelings"] if each["targetLabel"] == "job"]
    assert jobs[0]["replacement"].startswith("genesis"), "alerts know workers by their jobs"


def test_workers_may_send_traces_only_where_the_example_says(manifests):
    policies = _find_named(manifests, "NetworkPolicy")
    (rule,) = policies["genesis-traces"]["spec"]["egress"]
    assert {each["port"] for each in rule["ports"]} == {4317, 4318}
    assert rule["to"] == policies["genesis-metrics"]["spec"]["ingress"][0]["from"]


def test_secrets_are_templates_and_not_applied_with_the_rest(manifests):
    for secret in _find_named(manifests, "Secret").values():
        assert all("change-me" in value for value in secret["stringData"].values())


def test_no_image_floats(chart_values):
    image = chart_values["global"]["prefect"]["image"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", image["prefectTag"])
    assert image["repository"] == "genesis"


def test_the_chart_runs_the_services_apart_on_a_database_and_redis_outside(chart_values, manifests):
    secrets = {name: set(each["stringData"]) for name, each in _find_named(manifests, "Secret").items()}
    services, database = chart_values["backgroundServices"], chart_values["externalDatabase"]
    assert services["runAsSeparateDeployment"] is True
    assert not chart_values["postgresql"]["enabled"]
    assert not chart_values["redis"]["enabled"]
    assert not chart_values["sqlite"]["enabled"]
    assert database["connectionStringSecretKey"] in secrets[database["existingSecret"]]
    redis, docket = services["messaging"]["redis"], services["messaging"]["docket"]
    assert redis["existingSecretPasswordKey"] in secrets[redis["existingSecret"]]
    assert docket["existingSecretKey"] in secrets[docket["existingSecret"]]
    assert "auth-string" in secrets[chart_values["server"]["basicAuth"]["existingSecret"]]


def test_the_charts_pods_have_no_rights_either(chart_values):
    for part in (chart_values["server"], chart_values["backgroundServices"]):
        assert part["command"] == ["/usr/bin/tini", "--"]
        assert part["podSecurityContext"]["runAsNonRoot"] is True
        assert part["containerSecurityContext"]["readOnlyRootFilesystem"] is True
        assert part["containerSecurityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert part["automountServiceAccountToken"] is False
