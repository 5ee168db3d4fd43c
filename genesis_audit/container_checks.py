"""What is risky in Dockerfiles, compose files and Kubernetes manifests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from genesis_audit.dockerfile import Instruction, base_images, final_user, split_image
from genesis_audit.documents import items, mapping, string
from genesis_audit.files import SourceFile
from genesis_audit.finding import AuditFinding, FindingSeverity
from genesis_audit.pins import image_pin

__all__ = [
    "Issue",
    "check_compose",
    "check_dockerfile",
    "check_kubernetes",
    "container_findings",
    "images_set_elsewhere",
]

_RULES: dict[str, tuple[FindingSeverity, str, str, str]] = {
    "secret": (
        "high",
        "A Dockerfile has a secret in its environment or arguments",
        "{} secrets in the environment or arguments of Dockerfiles",
        "Use a build secret (`RUN --mount=type=secret`) or give it at run time; layers keep it forever.",
    ),
    "privileged": (
        "medium",
        "A container is privileged",
        "{} containers are privileged",
        "A privileged container can do all that root of the host can: add the single capabilities it needs instead.",
    ),
    "socket": (
        "medium",
        "A service controls the host's Docker",
        "{} services control the host's Docker",
        "Access to docker.sock is as good as root on the host: put a proxy that allows little between them.",
    ),
    "piped": (
        "medium",
        "A Dockerfile runs a script straight from the network",
        "{} instructions run a script straight from the network",
        "Download a fixed version, check its hash, then run it.",
    ),
    "root": (
        "medium",
        "A Dockerfile sets no user other than root",
        "{} Dockerfiles set no user other than root",
        "Add a user, and a `USER` line before the command, unless the base image has one.",
    ),
    "base": (
        "medium",
        "A base image has no fixed version",
        "{} base images have no fixed version",
        "Name a version or a digest, so that a rebuild cannot change what is built on.",
    ),
    "image": (
        "low",
        "A deployed image has no fixed version",
        "{} deployed images have no fixed version",
        "Name a version or a digest, so that a restart cannot change what runs.",
    ),
    "host network": (
        "low",
        "A service uses the host's network",
        "{} services use the host's network",
        "Publish the ports that it needs instead.",
    ),
    "added": (
        "low",
        "A Dockerfile adds a file from the network",
        "{} instructions add a file from the network",
        "Check its hash with `ADD --checksum`.",
    ),
    "no FROM": ("low", "A Dockerfile has no FROM", "{} Dockerfiles have no FROM", "Complete it or remove it."),
}
"""Each rule's severity, its title for one place and for several, and the advice; the first are reported first."""
_NAMED = 5
_PIPED_SHELL = re.compile(r"(?:curl|wget)[^\n|;&]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b")
_SECRET_NAME = re.compile(
    r"(?i)(?:password|passwd|secret|token|api_?key|private_?key)(?!\w*(?:file|path|url|name|dir|type|id)$)\w*$"
)
_ASSIGNMENT = re.compile(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S*)")
_NO_VALUE = ("$", "{", "<")
_ROOT = frozenset({"root", "0", "0:0", "root:root", "0:root", "root:0"})
_WITH_USER = re.compile(r"nonroot|rootless|unprivileged|bitnami/|chainguard|\$")
"""Base images that are known to run as a user of their own, or are not known at all."""
_TEMPLATE = re.compile(r"\{[{%]|<%|^@\w+@|^#include\b", re.MULTILINE)
_WRITTEN_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:@-]*(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?")
_PODS = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet")
_MAX_DEPTH = 12


@dataclass(frozen=True)
class Issue:
    """One place that a rule is broken at."""

    rule: str
    where: str
    what: str = ""
    """The image, service or container that it is about."""


def container_findings(issues: Iterable[Issue]) -> Iterator[AuditFinding]:
    """Report one finding a rule, with its first places."""
    by_rule: dict[str, dict[Issue, None]] = {}
    for issue in issues:
        by_rule.setdefault(issue.rule, {})[issue] = None
    for rule, (severity, one, several, advice) in _RULES.items():
        group = list(by_rule.get(rule, ()))
        if not group:
            continue
        named = ", ".join(f"{issue.what} in {issue.where}" if issue.what else issue.where for issue in group[:_NAMED])
        more = f" and {len(group) - _NAMED:,} more" if len(group) > _NAMED else ""
        yield AuditFinding(
            severity=severity,
            title=one if len(group) == 1 else several.format(f"{len(group):,}"),
            detail=f"{named}{more}." if len(group) > 1 else group[0].what,
            where=group[0].where,
            advice=advice,
        )


def check_dockerfile(file: SourceFile, text: str, steps: list[Instruction]) -> Iterator[Issue]:
    """Check one Dockerfile; a template, or a part of one, is not complete enough to be judged."""
    if _TEMPLATE.search(text):
        return
    if not any(step.word == "FROM" for step in steps):
        if file.name.lower() in ("dockerfile", "containerfile"):
            yield Issue("no FROM", file.shown)
        return
    bases = base_images(steps)
    for base in bases:
        _, tag, digest = split_image(base.image)
        if image_pin(tag, digest) == "unpinned" and "$" not in base.image:
            yield Issue("base", f"{file.shown}:{base.line}", base.image[:120])
    user, image = final_user(steps)
    if (user or "root").lower() in _ROOT and (user or not _WITH_USER.search(image)):
        yield Issue("root", file.shown)
    for step in steps:
        yield from _check_instruction(step, f"{file.shown}:{step.line}")


def _check_instruction(step: Instruction, where: str) -> Iterator[Issue]:
    if step.word == "RUN" and _PIPED_SHELL.search(step.rest):
        yield Issue("piped", where)
    elif step.word == "ADD" and re.match(r"https?://", step.rest):
        yield Issue("added", where)
    for name, value in _variables(step):
        if _SECRET_NAME.search(name) and not value.startswith(_NO_VALUE):
            yield Issue("secret", where, name[:80])


def _variables(step: Instruction) -> list[tuple[str, str]]:
    """Return the names and non-empty values that an instruction sets in the environment or as arguments."""
    if step.word not in ("ENV", "ARG"):
        return []
    found = [(match[1], match[2].strip("\"'")) for match in _ASSIGNMENT.finditer(step.rest)]
    if step.word == "ENV" and not found:
        name, _, value = step.rest.partition(" ")
        found = [(name, value.strip())]
    return [(name, value) for name, value in found if value]


def check_compose(file: SourceFile, documents: list[object], elsewhere: frozenset[str]) -> Iterator[Issue]:
    """Check the services of a compose file."""
    for document in documents:
        for name, value in mapping(document, "services").items():
            service, what = mapping(value), f"service {name[:80]}"
            image = string(service.get("image"))
            if "build" not in service and _is_unpinned(image, elsewhere):
                yield Issue("image", file.shown, image[:120])
            if service.get("privileged") is True:
                yield Issue("privileged", file.shown, what)
            if any("docker.sock" in _volume(volume) for volume in items(service.get("volumes"))):
                yield Issue("socket", file.shown, what)
            if string(service.get("network_mode")) == "host":
                yield Issue("host network", file.shown, what)


def _volume(value: object) -> str:
    return string(value) or string(mapping(value).get("source"))


def check_kubernetes(file: SourceFile, documents: list[object], elsewhere: frozenset[str]) -> Iterator[Issue]:
    """Check the containers of Kubernetes workloads."""
    for document in documents:
        for workload in [document, *items(mapping(document).get("items"))]:
            if string(mapping(workload).get("kind")) not in _PODS:
                continue
            for container in _containers(workload):
                image = string(container.get("image"))
                if mapping(container, "securityContext").get("privileged") is True:
                    yield Issue("privileged", file.shown, f"container {string(container.get('name'))[:80]}")
                if _is_unpinned(image, elsewhere):
                    yield Issue("image", file.shown, image[:120])


def _is_unpinned(image: str, elsewhere: frozenset[str]) -> bool:
    """Whether an image that is written out, and whose version is set nowhere else, has no fixed version."""
    name, tag, digest = split_image(image)
    return bool(_WRITTEN_IMAGE.fullmatch(image)) and image_pin(tag, digest) == "unpinned" and name not in elsewhere


def images_set_elsewhere(documents: Iterable[object]) -> frozenset[str]:
    """Find the images that kustomize or skaffold give a version, or that a compose file builds.

    Args:
        documents: Those of all kustomizations, skaffold and compose files of the folder.
    """
    names: set[str] = set()
    for document in documents:
        names.update(string(mapping(item).get("name")) for item in items(mapping(document).get("images")))
        names.update(string(mapping(item).get("image")) for item in items(mapping(document, "build").get("artifacts")))
        for service in mapping(document, "services").values():
            if "build" in mapping(service):
                names.add(split_image(string(mapping(service).get("image")))[0])
    return frozenset(names - {""})


def _containers(document: object) -> Iterator[dict[str, object]]:
    """Find the containers of a workload, wherever its kind keeps them."""
    pending: list[tuple[object, int]] = [(document, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > _MAX_DEPTH or not isinstance(value, dict):
            continue
        for key, child in value.items():
            if key in ("containers", "initContainers"):
                yield from (mapping(item) for item in items(child))
            else:
                pending.append((child, depth + 1))
