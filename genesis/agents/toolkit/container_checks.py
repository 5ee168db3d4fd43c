"""What is risky in Dockerfiles, compose files and Kubernetes manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genesis.agents.toolkit.dockerfile import Instruction, base_images, split_image
from genesis.agents.toolkit.documents import items, mapping, string
from genesis.agents.toolkit.files import SourceFile
from genesis.agents.toolkit.finding import Finding, Severity
from genesis.agents.toolkit.pins import image_pin

__all__ = ["check_compose", "check_dockerfile", "check_kubernetes"]

_PIPED_SHELL = re.compile(r"(?:curl|wget)[^\n|]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b")
_SECRET_NAME = re.compile(
    r"(?i)(?:password|passwd|secret|token|api_?key|private_?key)(?!\w*(?:file|path|url|name|dir|type|id)$)\w*$"
)
_ASSIGNMENT = re.compile(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S*)")
_NO_VALUE = ("$", "{", "<")
_ROOT = frozenset({"root", "0", "0:0", "root:root"})
_PODS = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet")
_MAX_DEPTH = 12


def check_dockerfile(file: SourceFile, steps: list[Instruction]) -> Iterator[Finding]:
    """Judge one Dockerfile; one of a test or an example is never more than low."""
    froms = [place for place, step in enumerate(steps) if step.word == "FROM"]
    if not froms:
        yield _dockerfile_finding(file, "low", "A Dockerfile has no FROM", 0, "Complete it or remove it.")
        return
    for base in base_images(steps):
        name, tag, digest = split_image(base.image)
        if image_pin(tag, digest) == "unpinned" and "$" not in base.image:
            shown = f" ({name[:100]}{':' + tag[:40] if tag else ''})"
            title = f"A base image has no fixed version{shown}"
            yield _dockerfile_finding(file, "medium", title, base.line, "Name a version or a digest.")
    users = [step for step in steps[froms[-1] :] if step.word == "USER"]
    if not users or users[-1].rest.strip().lower() in _ROOT:
        line, advice = users[-1].line if users else 0, "Add a user, and a `USER` line before the command."
        yield _dockerfile_finding(file, "medium", "A container runs as root", line, advice)
    for step in steps:
        yield from _check_instruction(file, step)


def _check_instruction(file: SourceFile, step: Instruction) -> Iterator[Finding]:
    if step.word == "RUN" and _PIPED_SHELL.search(step.rest):
        title = "A Dockerfile runs a script straight from the network"
        advice = "Download a fixed version, check its hash, then run it."
        yield _dockerfile_finding(file, "medium", title, step.line, advice)
    elif step.word == "ADD" and re.match(r"https?://", step.rest):
        title = "A Dockerfile adds a file from the network"
        yield _dockerfile_finding(file, "low", title, step.line, "Check its hash with `ADD --checksum`.")
    elif any(_SECRET_NAME.search(name) and not value.startswith(_NO_VALUE) for name, value in _variables(step)):
        title = "A Dockerfile has a secret in its environment or arguments"
        advice = "Use a build secret (`RUN --mount=type=secret`) or give it at run time; layers keep it for ever."
        yield _dockerfile_finding(file, "high", title, step.line, advice)


def _variables(step: Instruction) -> list[tuple[str, str]]:
    """Give the names and non-empty values that an instruction sets in the environment or as arguments."""
    if step.word not in ("ENV", "ARG"):
        return []
    found = [(match[1], match[2].strip("\"'")) for match in _ASSIGNMENT.finditer(step.rest)]
    if step.word == "ENV" and not found:
        name, _, value = step.rest.partition(" ")
        found = [(name, value.strip())]
    return [(name, value) for name, value in found if value]


def _dockerfile_finding(file: SourceFile, severity: Severity, title: str, line: int, advice: str) -> Finding:
    return Finding(
        severity="low" if file.is_test or file.is_example else severity,
        title=title,
        where=f"{file.shown}:{line}" if line else file.shown,
        advice=advice,
    )


def check_compose(file: SourceFile, documents: list[object]) -> Iterator[Finding]:
    """Judge the services of a compose file."""
    for document in documents:
        for name, value in mapping(document, "services").items():
            service, shown = mapping(value), name[:80]
            image = string(service.get("image"))
            _, tag, digest = split_image(image)
            if image and "$" not in image and image_pin(tag, digest) == "unpinned" and "build" not in service:
                yield _compose("low", f"Service {shown} uses an image without a fixed version", file, image[:120])
            if service.get("privileged") is True:
                yield _compose(
                    "high", f"Service {shown} is privileged", file, "It can do all that root of the host can."
                )
            if any("docker.sock" in _volume(volume) for volume in items(service.get("volumes"))):
                yield _compose("medium", f"Service {shown} controls the host's Docker", file, "It mounts docker.sock.")
            if string(service.get("network_mode")) == "host":
                yield _compose("low", f"Service {shown} uses the host's network", file, "")


def _volume(value: object) -> str:
    return string(value) or string(mapping(value).get("source"))


def _compose(severity: Severity, title: str, file: SourceFile, detail: str) -> Finding:
    return Finding(
        severity="low" if file.is_test or file.is_example else severity,
        title=title,
        detail=detail,
        where=file.shown,
        advice="Give the service only what it needs.",
    )


def check_kubernetes(file: SourceFile, documents: list[object]) -> Iterator[Finding]:
    """Judge the containers of Kubernetes workloads."""
    for document in documents:
        if string(mapping(document).get("kind")) not in _PODS:
            continue
        for container in _containers(document):
            name = string(container.get("name"))[:80]
            image = string(container.get("image"))
            _, tag, digest = split_image(image)
            lenient = file.is_test or file.is_example
            if mapping(container, "securityContext").get("privileged") is True:
                yield Finding(
                    severity="low" if lenient else "high",
                    title=f"Container {name} is privileged",
                    where=file.shown,
                    advice="Remove it, and add the single capabilities that are needed.",
                )
            if image and image_pin(tag, digest) == "unpinned":
                yield Finding(
                    severity="low",
                    title=f"Container {name} uses an image without a fixed version",
                    detail=image[:120],
                    where=file.shown,
                    advice="Name a version or a digest, so that a restart cannot change what runs.",
                )


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
