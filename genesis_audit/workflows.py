"""Read GitHub Actions workflows, and recognise other continuous integration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from genesis_audit.documents import BrokenDocument, items, load_yaml, mapping, string
from genesis_audit.files import SourceFile, Tree

__all__ = ["Workflow", "WorkflowStep", "ci_systems", "github_workflows"]

_SYSTEMS = (
    (r"\.github/workflows/[^/]+\.ya?ml", "GitHub Actions"),
    (r"\.gitlab-ci\.ya?ml|\.gitlab/ci/.+\.ya?ml", "GitLab CI"),
    (r"\.circleci/config\.ya?ml", "CircleCI"),
    (
        r"\.?azure-?pipelines?[\w.-]*\.ya?ml|\.?(?:azure-?pipelines?|\.vsts|\.ado)/.+\.ya?ml|\.vsts-ci\.ya?ml",
        "Azure Pipelines",
    ),
    (r"bitbucket-pipelines\.ya?ml", "Bitbucket Pipelines"),
    (r"\.travis\.ya?ml", "Travis CI"),
    (r"(?:[^/]+/)?(?:jenkinsfile[\w.-]*|[\w.-]+\.jenkinsfile)", "Jenkins"),
    (r"\.drone\.(?:ya?ml|star|jsonnet)", "Drone"),
    (r"\.woodpecker(?:\.ya?ml|/.+\.ya?ml)", "Woodpecker"),
    (r"\.cirrus\.(?:ya?ml|star)", "Cirrus CI"),
    (r"\.?appveyor\.ya?ml", "AppVeyor"),
    (r"\.buildkite/.+\.ya?ml", "Buildkite"),
    (r"cloudbuild[\w.-]*\.(?:ya?ml|json)|\.cloudbuild/.+\.ya?ml", "Cloud Build"),
    (r"buildspec[\w.-]*\.ya?ml", "CodeBuild"),
    (r"\.(?:gitea|forgejo)/workflows/[^/]+\.ya?ml", "Gitea or Forgejo Actions"),
    (r"\.builds?(?:/.+)?\.ya?ml", "builds.sr.ht"),
    (r"\.semaphore/.+\.ya?ml", "Semaphore"),
    (r"\.teamcity/.+", "TeamCity"),
    (r"bamboo-specs/.+", "Bamboo"),
    (r"\.tekton/.+\.ya?ml", "Tekton"),
    (r"\.?zuul(?:\.d/.+)?\.ya?ml", "Zuul"),
    (r"\.evergreen\.ya?ml|\.evergreen/.+\.ya?ml", "Evergreen"),
    (r"\.kokoro/.+", "Kokoro"),
    (r"bitrise\.ya?ml", "Bitrise"),
    (r"codemagic\.ya?ml", "Codemagic"),
    (r"codefresh\.ya?ml", "Codefresh"),
    (r"\.ci/.+", "scripts in .ci"),
)
"""Files by which a system is recognised, at the top of the folder and in any case."""


@dataclass(frozen=True)
class WorkflowStep:
    """One step of a job: what it uses."""

    uses: str


@dataclass(frozen=True)
class Workflow:
    """A workflow file; without `problem`, what it says."""

    file: SourceFile
    name: str = ""
    triggers: tuple[str, ...] = ()
    steps: tuple[WorkflowStep, ...] = ()
    jobs: int = 0
    problem: str = ""

    @property
    def is_action(self) -> bool:
        """Whether it is an action, whose steps workflows take in."""
        return self.file.name in ("action.yml", "action.yaml")


def github_workflows(tree: Tree) -> list[Workflow]:
    """Read the workflows, and the composite actions, of a folder."""
    return [
        _read(tree, file)
        for file in tree.files
        if (file.path.startswith(".github/workflows/") and file.suffix in (".yml", ".yaml"))
        or (
            (file.path.count("/") == 0 or file.path.startswith(".github/"))
            and file.name in ("action.yml", "action.yaml")
        )
    ]


def ci_systems(tree: Tree) -> list[str]:
    """Name the continuous-integration systems that the folder is set up for."""
    paths = [file.path.lower() for file in tree.files]
    return [name for pattern, name in _SYSTEMS if any(map(re.compile(pattern).fullmatch, paths))]


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
    return Workflow(
        file,
        name=string(raw.get("name")),
        triggers=_triggers(raw.get("on", raw.get(True))),
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


def _steps(document: object, jobs: list[dict[str, object]]) -> Iterator[WorkflowStep]:
    for job in jobs:
        if string(job.get("uses")):
            yield WorkflowStep(string(job.get("uses")))
    for holder in [*jobs, mapping(document, "runs")]:
        for item in items(holder.get("steps")):
            yield WorkflowStep(string(mapping(item).get("uses")))
