"""What holds in every run, whatever goes wrong. Each function gives what is broken, in words; nothing is good.

They take what a `Witness` has seen, so that they can be used on any run: of a test, of a bench, of your own agents.
A plan can grow while it runs: leaves that the given program does not know are borne.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from genesis.model import FINISHED, KEPT, Program, Registry, RoutedPlan, Run
from genesis.resilience.breaker_machine import LEGAL
from genesis.testing.chaos.witness import WitnessedEvent

if TYPE_CHECKING:
    from genesis.ledger import Ledger

__all__ = [
    "breakers_are_legal",
    "effects_happen_once",
    "ends_in_time",
    "finished_is_not_repeated",
    "ledger_agrees",
    "limits_hold",
    "no_leaf_is_lost",
    "one_probe_at_a_time",
    "order_is_kept",
    "plan_is_valid",
]

_FINAL_LEAF = KEPT | {"failed", "skipped", "cancelled"}
_FINAL_RUN = ("completed", "failed", "cancelled", "refused", "briefed", "budget_exceeded")
_GRACE_S = 10.0
"""What a run may take beyond its deadline: five seconds for work that does not end, and the artifacts."""


def plan_is_valid(plan: RoutedPlan, registry: Registry) -> list[str]:
    """A plan passes validation, whichever planner made it and whatever failed on the way."""
    from genesis.validation import validate  # noqa: PLC0415  # only where it is asked for

    report = validate(plan, registry)
    found = [
        f"{each.code} {each.task or ''}: {each.message}" for each in report.diagnostics if each.severity == "error"
    ]
    return found if found or report.ok else ["the report says that the plan is not valid, and not why"]


def order_is_kept(seen: Sequence[WitnessedEvent], program: Program) -> list[str]:
    """No call of a leaf begins before everything that the leaf comes after is done; in a plan with rules, has ended."""
    leaves = program.leaves
    enough = _FINAL_LEAF if any(leaf.rule for leaf in leaves) else FINISHED
    after = {leaf.path: {leaves[source].path for source in leaf.after} for leaf in leaves}
    done: set[str] = set()
    broken = []
    for each in seen:
        if each.what == "leaf" and each.state in enough:
            done.add(each.path)
        elif each.what == "began":
            needs = after.get(each.path, set()) | set(each.upstream)
            broken += [f"{each.path!r} began before {source!r} was done" for source in sorted(needs - done)]
    return broken


def no_leaf_is_lost(run: Run, program: Program) -> list[str]:
    """Every leaf is in the run, once, in a final state."""
    listed = Counter(task.id for task in run.tasks)
    broken = [f"{leaf.path!r} is not in the run" for leaf in program.leaves if not listed[leaf.path]]
    broken += [f"{path!r} is in the run {count} times" for path, count in listed.items() if count > 1]
    final = _FINAL_LEAF | {"pending"} if run.state == "briefed" else _FINAL_LEAF  # what waits for a person
    return broken + [f"{task.id!r} is {task.state}" for task in run.tasks if task.state not in final]


async def ledger_agrees(run: Run, ledger: Ledger, program: Program, *, lost_answers: bool = False) -> list[str]:
    """What the run says is done is so in the ledger, with the same result, and the other way round.

    Args:
        run: As it was returned.
        ledger: The run's ledger, read past all faults.
        program: What ran.
        lost_answers: Whether a write may have been made of which the run never heard: the ledger may know more then.
    """
    tasks = {task.id: task for task in run.tasks}
    broken = []
    for leaf in program.leaves:
        said, kept = tasks.get(leaf.path), await ledger.outcome(leaf)
        if said is not None and said.state in FINISHED and said != kept:
            broken.append(f"{leaf.path!r} is {said.state}, and the ledger has {kept.state if kept else 'nothing'}")
        elif kept is not None and kept.state in FINISHED and (said is None or said.state not in FINISHED):
            broken += [] if lost_answers else [f"{leaf.path!r} is {kept.state} in the ledger alone"]
    return broken


def effects_happen_once(effects: Mapping[str, int], program: Program) -> list[str]:
    """In one execution, a leaf that changes something outside of the run, and is not to be repeated, does so once.

    With `retries` a person allows repeats, and a resume is another execution: a leaf of which nobody knows whether it
    was done runs again.
    """
    once = [leaf.path for leaf in program.leaves if leaf.side_effects and not leaf.retries]
    return [f"{path!r} happened {effects[path]} times" for path in once if effects.get(path, 0) > 1]


def finished_is_not_repeated(finished: Collection[str], seen: Iterable[WitnessedEvent]) -> list[str]:
    """What the ledger had as done when a run was resumed is not called again.

    Args:
        finished: Paths of the leaves that were done before.
        seen: What happened after that.
    """
    repeated = sorted({each.path for each in seen if each.what == "began" and each.path in set(finished)})
    return [f"{path!r} was done, and was called again" for path in repeated]


def limits_hold(seen: Sequence[WitnessedEvent], program: Program, slots: int) -> list[str]:
    """Never more calls at once than there are slots, nor of one agent than it takes."""
    most: Counter[str] = Counter()
    now: Counter[str] = Counter()
    for each in seen:
        if each.what in ("began", "ended"):
            for counted in ("", each.agent):
                now[counted] += 1 if each.what == "began" else -1
                most[counted] = max(most[counted], now[counted])
    broken = [f"{most['']} calls at once in {slots} slots"] if most[""] > slots else []
    allowed = {agent: program.profile(agent).max_concurrency for agent in most if agent}
    return broken + [
        f"{most[agent]} calls of {agent!r} at once, which takes {limit}"
        for agent, limit in sorted(allowed.items())
        if most[agent] > limit
    ]


def breakers_are_legal(seen: Iterable[WitnessedEvent], *, shared: bool = False) -> list[str]:
    """Each breaker begins closed, changes as the state machine allows, and each change follows on the last one.

    Args:
        seen: What happened.
        shared: Whether others change the breakers too, so that not all changes are seen here.
    """
    state: dict[str, str] = {}
    broken = []
    for each in seen:
        if each.what != "breaker":
            continue
        if (each.before, each.state) not in LEGAL:
            broken.append(f"the breaker of {each.agent!r} went from {each.before} to {each.state}")
        if not shared and (was := state.get(each.agent, "closed")) != each.before:
            broken.append(f"the breaker of {each.agent!r} was {was}, and continued from {each.before}")
        state[each.agent] = each.state
    return broken


def one_probe_at_a_time(seen: Iterable[WitnessedEvent]) -> list[str]:
    """While a breaker is half-open, at most one call that it let through is running.

    Calls from before it opened may still end then. For breakers of one process, without a store: with one the listener
    can hear of a change a moment after others have acted on it.
    """
    state: dict[str, str] = {}
    probes: dict[str, set[int]] = {}
    broken = []
    for each in seen:
        going = probes.setdefault(each.agent, set())
        if each.what == "breaker":
            state[each.agent] = each.state
            going.clear()
        elif each.what == "ended":
            going.discard(each.call)
        elif each.what == "began" and state.get(each.agent, "closed") == "half_open":
            going.add(each.call)
            if len(going) > 1:
                broken.append(f"{len(going)} probes of {each.agent!r} at once")
        elif each.what == "began" and state.get(each.agent, "closed") == "open":
            broken.append(f"{each.agent!r} was called while its breaker was open")
    return broken


def ends_in_time(run: Run, deadline_s: float | None = None, *, grace_s: float = _GRACE_S) -> list[str]:
    """The run ends in a final state, and within its deadline where it has one."""
    broken = [f"the run is {run.state}"] if run.state not in _FINAL_RUN else []
    if deadline_s is not None and run.duration_s > deadline_s + grace_s:
        broken.append(f"the run took {run.duration_s:.1f} s, and had {deadline_s:g} s")
    return broken
