"""Read GitHub Actions workflows, and recognise other continuous integration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from genesis.agents.toolkit.documents import BrokenDocument, items, load_yaml, mapping, string
from genesis.agents.toolkit.files import SourceFile, Tree

__all__ = ["Step", "Workflow", "ci_systems", "github_workflows"]

_SYSTEMS = {
    ".gitlab-ci.yml": "GitLab CI",
    ".circleci/config.yml": "CircleCI",
    "azure-pipelines.yml": "Azure Pipelines",
    "bitbucket-pipelines.yml": "Bitbucket Pipelines",
    ".travis.yml": "Travis CI",
    "jenkinsfile": "Jenkins",
    ".drone.yml": "Drone",
    ".woodpecker.yml": "Woodpecker",
    ".cirrus.yml": "Cirrus CI",
    "appveyor.yml": "AppVeyor",
    ".buildkite/pipeline.yml": "Buildkite",
    "cloudbuild.yaml": "Cloud Build",
    "buildspec.yml": "CodeBuild",
    ".ci/run": ".ci/run",
}


@dataclass(frozen=True)
class Step:
    """One step of a job: what it uses or what it runs, and with which inputs."""

    uses: str
    run: str
    inputs: dict[str, object]


@dataclass(frozen=True)
class Workflow:
    """A workflow file; without `problem`, what it says."""

    file: SourceFile
    name: str = ""
    triggers: tuple[str, ...] = ()
    has_permissions: bool = False
    """Whether it, or each of its jobs, limits its token."""
    writes_all: bool = False
    steps: tuple[Step, ...] = ()
    jobs: int = 0
    problem: str = ""


def github_workflows(tree: Tree) -> list[Workflow]:
    """Read the workflows, and the composite actions, of a folder."""
    return [
        _read(tree, file)
        for file in tree.files
        if (file.path.startswith(".github/workflows/") and file.suffix in (".yml", ".yaml"))
        or (file.path.startswith(".github/") and file.name in ("action.yml", "action.yaml"))
    ]


def ci_systems(tree: Tree) -> list[str]:
    """Name the continuous-integration systems that the folder is set up for."""
    found = {"GitHub Actions" for file in tree.files if file.path.startswith(".github/workflows/")}
    found |= {_SYSTEMS[file.path.lower()] for file in tree.files if file.path.lower() in _SYSTEMS}
    return sorted(found)


def _read(tree: Tree, file: SourceFile) -> Workflow:
    text = tree.text_of(file)
    if text is None:
        return Workflow(file, problem="it cannot be read")
    try:
        documents = load_yaml(text)
    except BrokenDocument as error:
        return Workflow(file, problem=f"{error} (line {error.line})" if error.line else str(error))
    document = documents[0] if documents else None
    raw = document if isinstance(document, dict) else {}
    jobs = [mapping(job) for job in mapping(document, "jobs").values()]
    permissions = [raw.get("permissions")] if "permissions" in raw else [job.get("permissions") for job in jobs]
    return Workflow(
        file,
        name=string(raw.get("name")),
        triggers=_triggers(raw.get("on", raw.get(True))),
        has_permissions=bool(permissions) and all(each is not None for each in permissions),
        writes_all="write-all" in permissions,
        steps=tuple(_steps(document, jobs)),
        jobs=len(jobs),
    )


def _triggers(value: object) -> tuple[str, ...]:
    """Read `on`, which YAML 1.1 takes for the key `true`."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(string(item) for item in value)
    return tuple(mapping(value))


def _steps(document: object, jobs: list[dict[str, object]]) -> Iterator[Step]:
    for job in jobs:
        if string(job.get("uses")):
            yield Step(string(job.get("uses")), "", {})
    for holder in [*jobs, mapping(document, "runs")]:
        for item in items(holder.get("steps")):
            step = mapping(item)
            yield Step(string(step.get("uses")), string(step.get("run")), mapping(step, "with"))
