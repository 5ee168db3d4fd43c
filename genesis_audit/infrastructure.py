"""How a project is built, tested and deployed: CI workflows, Dockerfiles, compose files, Kubernetes, prefect.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from genesis.security.parameters import DATA, READ_PATH
from genesis_audit.container_checks import (
    Issue,
    check_compose,
    check_dockerfile,
    check_kubernetes,
    container_findings,
    images_set_elsewhere,
)
from genesis_audit.dockerfile import base_images, instructions, is_dockerfile
from genesis_audit.documents import BrokenDocument, items, load_yaml, mapping, string
from genesis_audit.files import SourceFile, Tree, survey
from genesis_audit.finding import AuditFinding, ToolResult, dump, plural
from genesis_audit.inputs import whole_number
from genesis_audit.workflow_checks import check_workflows
from genesis_audit.workflows import ci_systems, github_workflows

__all__ = ["run"]

_COMPOSE = re.compile(r"(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml")
_SETS_IMAGES = re.compile(r"(?:kustomization|skaffold)\.ya?ml")
_NOT_DEPLOYED = ("test", "example", "sample", "demo", "fixture", ".devcontainer")
_MAX_YAML_BYTES = 500_000
_SMALL_FILES = 3


def run(path: Annotated[object, READ_PATH] = ".", *, top: Annotated[object, DATA] = 100) -> ToolResult:
    """Look at a folder's continuous integration and infrastructure files.

    Args:
        path: The folder.
        top: How many rows each list has.

    Returns:
        `ci` (systems), `workflows` `[{path, name, triggers, jobs, steps}]`, `dockerfiles` `[{path, base_images, user,
        healthcheck}]`, `compose` `[{path, services}]`, `kubernetes` `[{path, kinds}]`, `prefect` `[{path, deployments,
        work_pools}]`, `terraform_files`, `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=10_000)
    tree = survey(path)
    findings: list[AuditFinding] = []
    systems = ci_systems(tree)
    checked = github_workflows(tree)
    findings += check_workflows(tree, checked)
    workflows = [each for each in checked if not each.is_action]
    issues: list[Issue] = []
    dockerfiles = _dockerfiles(tree, issues)
    compose, kubernetes, prefect = _yaml_files(tree, issues, findings)
    findings += container_findings(issues)
    if not systems and len(tree.files) > _SMALL_FILES:
        findings.append(
            AuditFinding(
                severity="medium",
                title="No continuous integration is set up",
                advice="Run lint and tests on every push, so that a break is seen before it is merged.",
            )
        )
    return {
        "ci": systems,
        "workflows": [
            {
                "path": each.file.shown,
                "name": each.name[:120],
                "triggers": list(each.triggers[:20]),
                "jobs": each.jobs,
                "steps": len(each.steps),
            }
            for each in workflows[:limit]
        ],
        "dockerfiles": dockerfiles[:limit],
        "compose": compose[:limit],
        "kubernetes": kubernetes[:limit],
        "prefect": prefect[:limit],
        "terraform_files": sum(file.suffix == ".tf" for file in tree.files),
        "summary": _summary(systems, len(workflows), len(dockerfiles), len(compose), len(prefect)),
        "findings": dump(findings),
    }


def _is_deployed(file: SourceFile) -> bool:
    """Whether what a file describes is meant to run: tests, examples and development containers are not."""
    folders = file.place.lower().split("/")[:-1]
    return not (file.is_test or file.is_example or any(folder.startswith(_NOT_DEPLOYED) for folder in folders))


def _dockerfiles(tree: Tree, issues: list[Issue]) -> list[ToolResult]:
    rows: list[ToolResult] = []
    for file in tree.files:
        text = tree.text_of(file) if is_dockerfile(file) else None
        if text is None:
            continue
        steps = instructions(text)
        if _is_deployed(file):
            issues += check_dockerfile(file, text, steps)
        users = [step.rest for step in steps if step.word == "USER"]
        rows.append(
            {
                "path": file.shown,
                "base_images": [base.image[:200] for base in base_images(steps)[:20]],
                "user": users[-1][:60] if users else None,
                "healthcheck": any(step.word == "HEALTHCHECK" for step in steps),
            }
        )
    return rows


def _yaml_files(
    tree: Tree, issues: list[Issue], findings: list[AuditFinding]
) -> tuple[list[ToolResult], list[ToolResult], list[ToolResult]]:
    """Read compose files, Kubernetes manifests and prefect.yaml; broken ones are the lint's to report."""
    compose: list[ToolResult] = []
    kubernetes: list[ToolResult] = []
    prefect: list[ToolResult] = []
    read = list(_documents(tree))
    elsewhere = images_set_elsewhere(document for _, documents in read for document in documents)
    for file, documents in read:
        name = file.name.lower()
        if _COMPOSE.fullmatch(name):
            issues += check_compose(file, documents, elsewhere) if _is_deployed(file) else ()
            services = sorted({service for each in documents for service in mapping(each, "services")})
            compose.append({"path": file.shown, "services": services[:50]})
        elif name == "prefect.yaml":
            prefect.append(_prefect_row(tree, file, documents, findings))
        elif not _SETS_IMAGES.fullmatch(name):
            issues += check_kubernetes(file, documents, elsewhere) if _is_deployed(file) else ()
            kinds = [kind for each in documents if (kind := string(mapping(each).get("kind")))]
            kubernetes.append({"path": file.shown, "kinds": kinds[:50]})
    return compose, kubernetes, prefect


def _documents(tree: Tree) -> Iterator[tuple[SourceFile, list[object]]]:
    """Read the YAML files that describe how something is deployed."""
    for file in tree.files:
        if file.suffix not in (".yaml", ".yml"):
            continue
        text = tree.text_of(file, _MAX_YAML_BYTES)
        name = file.name.lower()
        is_known = name == "prefect.yaml" or _COMPOSE.fullmatch(name) or _SETS_IMAGES.fullmatch(name)
        if text is None or not (is_known or ("apiVersion:" in text and "kind:" in text)):
            continue
        try:
            yield file, load_yaml(text)
        except BrokenDocument:
            continue


def _prefect_row(tree: Tree, file: SourceFile, documents: list[object], findings: list[AuditFinding]) -> ToolResult:
    deployments = [mapping(item) for each in documents for item in items(mapping(each).get("deployments"))]
    pools: set[str] = set()
    for deployment in deployments:
        pool = mapping(deployment, "work_pool")
        if string(pool.get("name")):
            pools.add(string(pool.get("name"))[:100])
        findings += _check_deployment(tree, file, deployment)
    return {"path": file.shown, "deployments": len(deployments), "work_pools": sorted(pools)}


def _check_deployment(tree: Tree, file: SourceFile, deployment: dict[str, object]) -> Iterator[AuditFinding]:
    name = string(deployment.get("name")) or "without a name"
    script = string(deployment.get("entrypoint")).rpartition(":")[0]
    base = file.path.rpartition("/")[0]
    target = f"{base}/{script}" if base else script
    if script.endswith(".py") and tree.get(target.removeprefix("./")) is None and tree.get(script) is None:
        yield AuditFinding(
            severity="high",
            title="A Prefect deployment's entry point does not exist",
            detail=f"Deployment {name[:80]} names {script[:120]}.",
            where=file.shown,
            advice="Correct the path; its flow runs cannot start.",
        )
    if not string(mapping(deployment, "work_pool").get("name")):
        yield AuditFinding(
            severity="low",
            title="A Prefect deployment names no work pool",
            detail=f"Deployment {name[:80]}.",
            where=file.shown,
            advice="Name one, or its runs wait for a pool that somebody has to pick by hand.",
        )


def _summary(systems: list[str], workflows: int, dockerfiles: int, compose: int, prefect: int) -> str:
    ci = f"CI: {', '.join(systems)}" if systems else "No CI"
    parts = [
        plural(count, noun)
        for count, noun in (
            (workflows, "workflow"),
            (dockerfiles, "Dockerfile"),
            (compose, "compose file"),
            (prefect, "prefect.yaml"),
        )
        if count
    ]
    return f"{ci}; {', '.join(parts)}." if parts else f"{ci}."
