"""The jobs of a program whose leaves have rules: its leaves, then the starts and ends of its composites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from genesis.model import Leaf, Program, Resources
from genesis.model.program import StartRule
from genesis.schedule.jobs import ScheduleJob, ScheduleLimits
from genesis.schedule.priorities import rank
from genesis.schedule.resources import find_capacity, find_needs

__all__ = ["add_rules", "find_unbatched", "rank_work", "schedule_job", "schedule_limits"]


def schedule_job(leaf: Leaf) -> ScheduleJob:
    """Return a leaf as the scheduler sees it, without its rule; a leaf that gathers copies or waits has no agent."""
    return ScheduleJob(
        leaf.seconds,
        leaf.after,
        leaf.agent or None,
        in_copies=leaf.in_copies,
        waits=leaf.wait_for is not None,
        priority=leaf.priority,
        needs=find_needs(leaf),
    )


def schedule_limits(program: Program, slots: int, machine: Resources | None = None) -> ScheduleLimits:
    """Return the limits of a program: those of its registry's agents, of `max_parallel`, and of resources.

    Args:
        program: The program.
        slots: Maximum number of concurrent leaves.
        machine: What the machine has that runs the leaves; None where they run elsewhere.
    """
    per_agent = {agent.name: agent.max_concurrency for agent in program.registry.agents}
    return ScheduleLimits(slots, per_agent, program.parallel, find_capacity(program, machine))


def add_rules(
    program: Program, jobs: Sequence[ScheduleJob], groups: Mapping[int, str] | None = None
) -> list[ScheduleJob]:
    """Add the rules of a program to the jobs of its leaves, and a job for each of its gates.

    Args:
        program: The program.
        jobs: One job a leaf, in document order, as it is without rules.
        groups: By leaf index, the path of the composite that is done in place of a leaf; of all that the leaf comes
            after, only that matters then.

    Returns:
        The jobs of the leaves, then those of the gates; the same jobs where the program has no rules.
    """
    if not any(leaf.rule for leaf in program.leaves):
        return list(jobs)
    groups = groups or {}
    found = []
    for job, leaf in zip(jobs, program.leaves, strict=True):
        if leaf.rule is None or leaf.index not in groups:
            found.append(job if leaf.rule is None else _with_rule(program, job, leaf.rule))
            continue
        inside = f"{groups[leaf.index]}/"
        after = tuple(source for source in leaf.after if program.leaves[source].path.startswith(inside))
        allowed = leaf.rule.allow_failure
        found.append(replace(job, after=after, allow_failure=allowed, forgives=allowed))
    gates = [(ScheduleJob(0.0, kind="end" if gate.is_end else "start"), gate.rule) for gate in program.gates]
    return found + [_with_rule(program, job, rule) for job, rule in gates]


def rank_work(work: Sequence[ScheduleJob], jobs: Sequence[ScheduleJob], limits: ScheduleLimits) -> list[int]:
    """Rank the jobs that work, by `rank`; starts and ends of composites wait for nothing and have no rank.

    Args:
        work: One job a leaf.
        jobs: What `add_rules` returned for them.
        limits: The limits that the run will have.
    """
    return rank(work, limits) + [0] * (len(jobs) - len(work))


def _with_rule(program: Program, job: ScheduleJob, rule: StartRule) -> ScheduleJob:
    leaves = len(program.leaves)
    within = None if rule.within is None else leaves - 1 - rule.within
    after = tuple(source if source >= 0 else leaves - 1 - source for source in rule.after)
    return replace(
        job,
        after=after if within is None else (*after, within),
        run_if=rule.run_if,
        within=within,
        conditional=rule.when is not None,
        allow_failure=rule.allow_failure,
    )


def find_unbatched(program: Program) -> frozenset[int]:
    """Return the leaves that are sent to a work pool alone, since nobody knows before whether they run.

    Those are the leaves that a `run_if` or `when` of theirs, or of a composite around them, decides about, and those
    after a leaf that may fail.
    """
    is_plain: dict[int | None, bool] = {None: True}
    for number, gate in enumerate(program.gates):  # those around a composite come before its own
        if not gate.is_end:
            is_plain[-1 - number] = is_plain[gate.rule.within] and _is_plain(gate.rule)
    leaves = program.leaves
    return frozenset(
        leaf.index
        for leaf in leaves
        if leaf.rule is not None
        and not (
            _is_plain(leaf.rule)
            and is_plain[leaf.rule.within]
            and not any(leaves[source].allow_failure for source in leaf.after)
        )
    )


def _is_plain(rule: StartRule) -> bool:
    return rule.run_if == "all_succeeded" and rule.when is None
