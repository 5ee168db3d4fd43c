"""What is dangerous in a GitHub Actions workflow."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genesis.agents.toolkit.documents import string
from genesis.agents.toolkit.finding import Finding
from genesis.agents.toolkit.workflows import Workflow

__all__ = ["check_workflow"]

_INJECTABLE = re.compile(
    r"\$\{\{\s*(github\.(?:event\.(?:issue|pull_request|comment|review|review_comment|discussion|head_commit|commits)"
    r"\b[\w.\[\]*]*\.(?:title|body|message|ref|label|name|email)|head_ref)|inputs\.[\w-]+)"
)
_PIPED_SHELL = re.compile(r"(?:curl|wget)[^\n|]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b")


def check_workflow(workflow: Workflow) -> Iterator[Finding]:
    """Judge one workflow or composite action; a broken one gives one finding."""
    where = workflow.file.shown
    if workflow.problem:
        yield Finding(
            severity="medium",
            title="A CI workflow cannot be read",
            detail=workflow.problem[:200],
            where=where,
            advice="Mend the YAML; GitHub does not run it.",
        )
        return
    if workflow.jobs and not workflow.has_permissions:
        yield Finding(
            severity="low",
            title="A CI workflow does not limit its token",
            where=where,
            advice="Add `permissions: contents: read`, and more only for the jobs that need it.",
        )
    if workflow.writes_all:
        yield Finding(
            severity="medium",
            title="A CI workflow gives its token all rights",
            where=where,
            advice="Replace `write-all` by the rights that are needed.",
        )
    yield from _check_steps(workflow, where)


def _check_steps(workflow: Workflow, where: str) -> Iterator[Finding]:
    is_privileged = "pull_request_target" in workflow.triggers or "workflow_run" in workflow.triggers
    for step in workflow.steps:
        reference = string(step.inputs.get("ref"))
        if is_privileged and step.uses.startswith("actions/checkout") and "head" in reference:
            yield Finding(
                severity="high",
                title="A privileged CI workflow checks out a stranger's code",
                detail="It is triggered by pull_request_target or workflow_run and checks out the pull request's head.",
                where=where,
                advice="Build strangers' code under `pull_request`, which has no secrets.",
            )
        injected = _INJECTABLE.search(step.run)
        if injected:
            by_stranger = injected[1].startswith("github.")
            yield Finding(
                severity="high" if by_stranger else "low",
                title="A CI step puts text that others choose into a shell script",
                detail=f"It expands {injected[1][:80]} inside `run`.",
                where=where,
                advice="Pass it through `env` and use the variable in quotes.",
            )
        if _PIPED_SHELL.search(step.run):
            yield Finding(
                severity="low",
                title="A CI step runs a script straight from the network",
                where=where,
                advice="Download a fixed version, check its hash, then run it.",
            )
