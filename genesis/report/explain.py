"""Why a run did not complete: what failed for its own reason, what was tried and skipped, and how to continue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from genesis.graph import topological_order
from genesis.ledger.deliverables import deliver_command
from genesis.model import Attempt, Cause, Diagnostic, ErrorInfo, Leaf, Model, Outcome, Run
from genesis.resilience.taxonomy import Recovery, meaning_of

__all__ = ["Explanation", "FailureReason", "RootCause", "Skipped", "explain", "list_briefed_tasks"]

FailureReason = Literal[
    "failed", "invalid", "interrupted", "cancelled", "budget", "deadline", "waiting", "briefed", "refused", "stopped"
]
"""`failed`: tasks did. `briefed`: people have work orders. `invalid`: the check before the start found errors.
`stopped`: the run could not continue."""

_MOST_ROOTS = 20
"""Failed leaves that are explained."""
_MOST_GROUPS = 20
"""Groups of skipped leaves."""
_MOST_NAMES = 10
"""Names in one group."""
_IN_PLAN = frozenset({"GEN-TASK-TIMEOUT", "GEN-WAIT-TIME", "GEN-TASK-OUTPUTS", "GEN-TASK-OUTPUT-SCHEMA"})
"""What is fixed in the plan."""
_OPEN = "GEN-BREAKER-OPEN"
_BY_CODE: Mapping[str, FailureReason] = {
    "GEN-PLAN-INVALID": "invalid",
    "GEN-RUN-INTERRUPTED": "interrupted",
    "GEN-DEADLINE": "deadline",
    "GEN-BUDGET": "budget",
    "GEN-RUN-FAILED": "failed",
}
_BY_STATE: Mapping[str, FailureReason] = {
    "cancelled": "cancelled",
    "budget_exceeded": "budget",
    "awaiting_approval": "waiting",
    "briefed": "briefed",
    "refused": "refused",
}
_FIXES: Mapping[Recovery, str] = {
    "retry": "it may be transient",
    "fall_back": "fix the access to the language model",
    "reroute": "fix what the agent needs, or its code",
    "replan": "make the task smaller in the plan",
    "wait": "wait until what it needs answers again",
    "ask": "fix what the message says",
    "fail": "fix what the message says",
}


class RootCause(Model):
    """A task that failed for its own reason."""

    task: str
    agent: str
    """Who had it last."""
    code: str
    category: str
    message: str
    causes: tuple[Cause, ...] = ()
    attempts: int
    history: tuple[Attempt, ...] = ()
    """Its last attempts, oldest first."""
    tried: tuple[str, ...] = ()
    """What was done about it besides repeating, and what could not be, in sentences."""
    mend: str
    """What to do before continuing."""
    files: str | None = None
    """Folder of what it left behind."""


class Skipped(Model):
    """Tasks that were left out for one reason."""

    because: tuple[str, ...]
    """The first of the failed tasks that they come after."""
    failed: int
    """How many of these there are."""
    count: int
    tasks: tuple[str, ...]
    """The first of them, in document order."""


class Explanation(Model):
    """Why a run did not complete, and how to continue."""

    reason: FailureReason
    summary: str
    roots: tuple[RootCause, ...] = ()
    """The first of them, in document order."""
    failed: int = 0
    """How many there are."""
    skipped: tuple[Skipped, ...] = ()
    cancelled: int = 0
    """Tasks that were ended, or not started, because the run stopped."""
    findings: tuple[Diagnostic, ...] = ()
    """What the check before the start found."""
    kept: int = 0
    """Tasks that are done, which a resume keeps."""
    next_steps: tuple[str, ...] = ()
    """What to do first, in this order."""
    command: str = ""
    """What to run then; nothing where that would not help."""


def explain(
    run: Run, leaves: Sequence[Leaf], *, folders: Mapping[str, str] | None = None, ledger: str = ""
) -> Explanation | None:
    """Explain a run that ended without having completed.

    Args:
        run: The run.
        leaves: Those of its program, for what comes after what; tasks that are not among them are explained without.
        folders: Where tasks left files, by path.
        ledger: Where the run's ledger is.

    Returns:
        None of a run that completed, or that continues.
    """
    if run.state in ("completed", "running", "pending"):
        return None
    reason = _reason(run)
    failed = [task for task in run.tasks if task.has_failed and not _is_for_copies(task)]
    by_path = {leaf.path: leaf for leaf in leaves}
    roots = tuple(_root(task, by_path.get(task.id), folders or {}) for task in failed[:_MOST_ROOTS])
    return Explanation(
        reason=reason,
        summary=run.error.message if run.error is not None else _summary(run, reason),
        roots=roots,
        failed=len(failed),
        skipped=_group_skipped(run, leaves),
        cancelled=sum(task.state == "cancelled" for task in run.tasks),
        findings=run.findings,
        kept=sum(task.is_settled for task in run.tasks),
        next_steps=_next_steps(run, reason, roots, ledger),
        command=_command(run, reason),
    )


def _is_for_copies(task: Outcome) -> bool:
    """Whether a task failed because copies of it did, which are told of themselves."""
    return task.error is not None and task.error.code == "GEN-TASK-COPIES"


_SUMMARIES: Mapping[FailureReason, str] = {
    "failed": "tasks failed",
    "invalid": "the plan cannot run here",
    "interrupted": "its process ended before the run did",
    "cancelled": "it was cancelled",
    "budget": "its budget is spent",
    "deadline": "its deadline has passed",
    "waiting": "it waits for an approval",
    "briefed": "all work orders are delivered, and the run has not continued since",
    "refused": "a security rule refused it",
    "stopped": "it could not continue",
}


def _summary(run: Run, reason: FailureReason) -> str:
    """Say it in a sentence: which work orders are out, or what the reason means."""
    out = list_briefed_tasks(run)
    if reason != "briefed" or not out:
        return _SUMMARIES[reason]
    names = ", ".join(out[:_MOST_NAMES]) + (f" and {len(out) - _MOST_NAMES} more" if len(out) > _MOST_NAMES else "")
    return f"{_orders(len(out))} for people {'is' if len(out) == 1 else 'are'} not delivered yet: {names}"


def _orders(count: int) -> str:
    return f"{count:,} work order{'' if count == 1 else 's'}"


def list_briefed_tasks(run: Run) -> list[str]:
    """Name the tasks whose work orders are out, in document order."""
    return [task.id for task in run.tasks if task.state == "briefed"]


def _command(run: Run, reason: FailureReason) -> str:
    """Name the command that continues with a run."""
    if reason == "refused":
        return ""
    if reason == "briefed":
        briefed = next((task for task in run.tasks if task.state == "briefed"), None)
        if briefed is not None:
            return deliver_command(run.run_id, briefed)
    if reason in ("budget", "deadline") and run.error is not None and run.error.hint.startswith("genesis "):
        return run.error.hint
    return f"genesis resume {run.run_id}"


def _reason(run: Run) -> FailureReason:
    if run.error is not None and run.error.code in _BY_CODE:
        return _BY_CODE[run.error.code]
    if run.state in _BY_STATE:
        return _BY_STATE[run.state]
    return "failed" if run.error is None else "stopped"


def _root(task: Outcome, leaf: Leaf | None, folders: Mapping[str, str]) -> RootCause:
    error = task.error or ErrorInfo(code="GEN-TASK", message="it failed")
    meaning = meaning_of(error.code)
    return RootCause(
        task=task.id,
        agent=task.agent,
        code=error.code,
        category=error.category or meaning.category,
        message=error.message,
        causes=error.causes,
        attempts=max(task.attempts, len(task.history)),
        history=task.history,
        tried=tuple(_describe_recovery(task, error, leaf)),
        mend=error.hint or _FIXES[meaning.recovery],
        files=folders.get(task.id),
    )


def _describe_recovery(task: Outcome, error: ErrorInfo, leaf: Leaf | None) -> list[str]:
    """Describe what was done besides the attempts themselves."""
    said = [task.note] if task.note and not task.history else []
    if error.code == _OPEN:
        said.append(f"{task.agent} was waited for: its circuit breaker is open")
    if leaf is None:
        return said
    agents = {tried.agent for tried in task.history} | {task.agent}
    left = [agent for agent in leaf.fallbacks if agent not in agents]
    if meaning_of(error.code).recovery not in ("reroute", "wait"):
        return said  # another agent would not have helped
    if not leaf.fallbacks:
        said.append("no other agent may take it over")
    elif left:
        said.append(f"not asked, since they could not take it over: {', '.join(left)}")
    return said


def _group_skipped(run: Run, leaves: Sequence[Leaf]) -> tuple[Skipped, ...]:
    """Group what was skipped by the failed tasks that it comes after."""
    because = _because(run, leaves)
    groups: dict[tuple[str, ...], list[str]] = {}
    for task in run.tasks:
        if task.state == "skipped" and not task.is_settled:
            groups.setdefault(because.get(task.id, ()), []).append(task.id)
    found = [
        Skipped(because=names[:_MOST_NAMES], failed=len(names), count=len(tasks), tasks=tuple(tasks[:_MOST_NAMES]))
        for names, tasks in groups.items()
    ]
    return tuple(found[:_MOST_GROUPS])


def _because(run: Run, leaves: Sequence[Leaf]) -> dict[str, tuple[str, ...]]:
    """Return for each skipped task the failed ones that it comes after, near or far, in document order."""
    states = {task.id: task.state for task in run.tasks if not task.is_settled}
    position = {leaf.index: place for place, leaf in enumerate(leaves)}
    before = [[position[source] for source in leaf.after if source in position] for leaf in leaves]
    reached: list[frozenset[int]] = [frozenset()] * len(leaves)
    shared: dict[frozenset[int], frozenset[int]] = {}
    for place in topological_order(before) or ():
        state = states.get(leaves[place].path)
        if state == "failed":
            found = frozenset((place,))
        elif state == "skipped":
            found = frozenset().union(*{reached[source] for source in before[place]})
        else:
            continue
        reached[place] = shared.setdefault(found, found)  # many tasks come after the same few
    return {
        leaves[place].path: tuple(leaves[each].path for each in sorted(found)) for place, found in enumerate(reached)
    }


def _next_steps(run: Run, reason: FailureReason, roots: Sequence[RootCause], ledger: str) -> tuple[str, ...]:
    hint = run.error.hint if run.error is not None else ""
    steps = list(dict.fromkeys(root.mend for root in roots)) if reason in ("failed", "deadline", "budget") else []
    plan = f"{ledger}/run.json" if ledger else "the run's run.json"
    if reason == "briefed":
        steps += ["deliver the result of each, as its work order says; the run then continues"] * (
            len(list_briefed_tasks(run)) > 1
        )
    elif reason == "deadline":
        steps.append("a resume has the whole deadline again; --deadline gives it more")
    elif reason == "invalid":
        steps += [found.hint for found in run.findings if found.hint] or ([hint] if hint else [])
    elif reason == "refused":
        steps.append("change what was refused, and start a new run")
    elif reason == "stopped" and hint:
        steps.append(hint)
    if any(root.code in _IN_PLAN or meaning_of(root.code).recovery == "replan" for root in roots):
        steps.append(f"what the plan says, a resume reads from {plan}")
    return tuple(dict.fromkeys(steps))
