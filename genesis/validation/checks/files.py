"""Files that tasks hand on: whether they are promised, and whether those who do the tasks have a folder for them."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.model.agent import WITH_FOLDER
from genesis.structure import Missing
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts
from genesis.validation.limits import GUESSES

__all__ = ["file_unknown", "folder_missing", "folder_not_current"]


@check(
    "GEN-FILE-UNKNOWN",
    "error",
    finds="a reference in `files.in` to a file that no task promises",
    remedy="write it as `{task.files.name}`, and name the file in `files.out` of that task",
)
def file_unknown(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find files that would not be there when the leaf starts."""
    for count, fault in enumerate(facts.flow.missing_files):
        path = facts.path(fault.node)
        yield CheckFinding(
            fault.node,
            f"task {path!r} asks for the file {{{fault.reference}}}, but {fault.reason}",
            hint=_guess(facts, fault) if count < GUESSES else "",
            evidence={"reference": fault.reference, "reason": fault.reason},
        )


def _guess(facts: PlanFacts, fault: Missing) -> str:
    """Find the file or the task that was meant."""
    node = facts.outline.nodes[fault.node]
    target = facts.outline.resolve(node, fault.task) if fault.task else None
    if target is None:
        siblings = (each.task.id for each in facts.outline.nodes if each.parent == node.parent)
        return facts.guess(fault.task, siblings, facts.outline.by_path) if fault.task else ""
    names = tuple(facts.outline.nodes[target].task.files.get("out", {}))
    promised = f"it promises {', '.join(map(repr, names[:5]))}" if names else "it promises no files"
    return "" if target == fault.node else facts.guess(fault.key, names) or promised


@check(
    "GEN-FILE-FOLDER",
    "error",
    finds="a task with `files` whose agent does not work in a folder: only commands, functions and plug-ins do",
    remedy="route the task to an agent with a command or a function, or hand over a result instead of a file",
)
def folder_missing(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find tasks whose files nobody would read or write."""
    if "files" not in facts.given:
        return
    for node, agent in facts.assigned:
        kind = facts.spec(node, agent).kind
        if node.task.files and kind not in WITH_FOLDER:
            message = f"task {node.path!r} has files, and agent {agent.name!r} ({kind}) does not work in a folder"
            yield CheckFinding(node.index, message, evidence={"agent": agent.name, "kind": kind})


@check(
    "GEN-FILE-CWD",
    "warning",
    finds="a command with `files` whose agent sets `cwd`: it does not start in the folder of its task",
    remedy="take `cwd` out of the agents file, or let the program read and write in GENESIS_TASK_FOLDER",
)
def folder_not_current(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find commands that start elsewhere than where their files are."""
    if "files" not in facts.given:
        return
    for node, agent in facts.assigned:
        spec = facts.spec(node, agent)
        if node.task.files and spec.kind == "command" and spec.cwd is not None:
            message = f"task {node.path!r} has files, and agent {agent.name!r} starts its program in {spec.cwd!r}"
            yield CheckFinding(node.index, message, evidence={"agent": agent.name, "cwd": spec.cwd})
