"""The figures of a report: what the page shows and `--json` prints, as models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import JsonValue

from genesis.model import FINISHED, Alternative, Amendment, Leaf, Model, Moment, Outcome, Report, Run, TaskState
from genesis.model.base import Usd
from genesis.report.evidence import Evidence
from genesis.report.explain import Explanation
from genesis.report.spans import Axis, axis_of, get_begin, get_end

__all__ = ["AgentFacts", "ReportFacts", "Routing", "Segment", "Summary", "TaskFacts", "facts_of"]

_SAME_S = 0.05
"""An attempt that ended so shortly before its leaf did is the leaf's last one."""


class Segment(Model):
    """A part of a leaf's time."""

    kind: Literal["wait", "attempt", "last", "group"]
    """`wait`: for a slot or an agent; `attempt`: one that failed; `last`: the one that the leaf ended with, and the
    pause before it; `group`: until the tasks were done that were added for it."""
    start: datetime
    end: datetime
    agent: str = ""
    code: str = ""
    """Of the error that it ended with."""


class TaskFacts(Model):
    """One leaf."""

    id: str
    type: str
    description: str
    agent: str
    state: TaskState
    after: tuple[str, ...] = ()
    """Leaves that it comes right after."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: float = 0.0
    """From its first attempt to its end."""
    waited_s: float = 0.0
    """From when it could have started to its first attempt."""
    attempts: int = 0
    retries: int = 0
    usd: Usd = Decimal(0)
    usd_known: bool = False
    """Whether anything says what it cost."""
    tokens: int = 0
    is_critical: bool = False
    """Whether it is part of the chain that determined the end of the run."""
    segments: tuple[Segment, ...] = ()


class AgentFacts(Model):
    """What one agent did."""

    agent: str
    tasks: int
    done: int
    failed: int
    attempts: int
    work_s: float
    usd: Usd
    usd_known: bool
    """Whether anything says what one of its tasks cost."""
    tokens: int


class Routing(Model):
    """Why an agent got a leaf, and who else could have."""

    task: str
    agent: str | None
    score: float | None
    reason: str
    alternatives: tuple[Alternative, ...] = ()


class Summary(Model):
    """The run in figures. Times are in seconds, pauses between executions left out."""

    states: dict[TaskState, int]
    tasks: int
    done: int
    attempts: int
    retries: int
    """Attempts beyond the first of each leaf."""
    executions: int
    duration_s: float
    work_s: float
    """Of all leaves together."""
    critical_s: float
    """In which a leaf of the critical path was at work."""
    critical_wait_s: float
    """In which none was."""
    parallelism: float
    """Leaves at work on the average."""
    most_at_once: int
    cost_usd: Usd
    tokens: int


class ReportFacts(Model):
    """Everything that a report shows."""

    run: Run
    request: str
    values: dict[str, JsonValue] = {}
    """Value of each variable and parameter of the plan, secrets redacted."""
    planner_note: str = ""
    trace_id: str | None = None
    made_at: datetime
    ledger: str = ""
    summary: Summary
    tasks: tuple[TaskFacts, ...]
    critical_path: tuple[str, ...]
    agents: tuple[AgentFacts, ...]
    routing: tuple[Routing, ...]
    moments: tuple[Moment, ...] = ()
    moments_left_out: int = 0
    check: Report | None = None
    amendments: tuple[Amendment, ...] = ()
    explanation: Explanation | None = None


def facts_of(evidence: Evidence) -> ReportFacts:
    """Work out the figures of a run, whatever state it is in."""
    run, program, now = evidence.run, evidence.program, evidence.made_at
    axis = axis_of(run, evidence.moments.moments, now)
    known = {task.id: task for task in run.tasks}
    leaves = program.leaves
    outcomes = [known.get(leaf.path) or Outcome(id=leaf.path, agent=leaf.agent) for leaf in leaves]
    run = run.model_copy(update={"tasks": tuple(outcomes)})
    own = {amendment.task: amendment.outcome for amendment in evidence.amendments}
    path = _critical_path(leaves, outcomes, now)
    chain = set(path)
    times = _Times(leaves, outcomes, axis, now, works=run.rehearsal is None)
    tasks = tuple(times.task(leaf, own.get(leaf.path), is_critical=leaf.index in chain) for leaf in leaves)
    routes, works = program.source.routes, {leaf.path for leaf in leaves if leaf.agent}
    return ReportFacts(
        run=run,
        request=program.request,
        values=dict(evidence.values),
        planner_note=program.source.plan.planner_note,
        trace_id=evidence.trace_id,
        made_at=now,
        ledger=evidence.ledger,
        summary=_summary(run, tasks, axis, evidence, [tasks[index] for index in path]),
        tasks=tasks,
        critical_path=tuple(leaves[index].path for index in path),
        agents=_agents(tasks),
        routing=tuple(
            Routing(
                task=path, agent=route.agent, score=route.score, reason=route.reason, alternatives=route.alternatives
            )
            for path, route in routes.items()
            if path in works
        ),
        moments=tuple(sorted(evidence.moments.moments, key=lambda moment: moment.at)),
        moments_left_out=evidence.moments.left_out,
        check=evidence.check,
        amendments=evidence.amendments,
        explanation=evidence.explanation,
    )


def _critical_path(leaves: Sequence[Leaf], outcomes: Sequence[Outcome], now: datetime) -> list[int]:
    """Go back from the leaf that ended last, each time to the last of those that it waited for."""
    ends = [
        (get_end(outcome, now), index)
        for index, outcome in enumerate(outcomes)
        if get_begin(outcome) is not None and get_end(outcome, now) is not None
    ]
    if not ends:
        return []
    end_of = {index: end for end, index in ends if end is not None}
    last = max(end_of, key=lambda index: (end_of[index], -index))
    path = [last]
    while before := [source for source in leaves[path[-1]].after if source in end_of and source not in path]:
        path.append(max(before, key=lambda index: (end_of[index], -index)))
    return path[::-1]


@dataclass(frozen=True, slots=True)
class _Times:
    """Tells what the leaves did when."""

    leaves: Sequence[Leaf]
    outcomes: Sequence[Outcome]
    axis: Axis
    now: datetime
    works: bool
    """Whether it was real work and no rehearsal."""

    def task(self, leaf: Leaf, own: Outcome | None, *, is_critical: bool) -> TaskFacts:
        """Describe a leaf; `own` is what its own attempts came to, where tasks were added for it."""
        outcome = self.outcomes[leaf.index]
        start, end = get_begin(outcome), get_end(outcome, self.now)
        wait = self._wait(leaf, start)
        return TaskFacts(
            id=leaf.path,
            type=leaf.type,
            description=leaf.description,
            agent=outcome.agent,
            state=outcome.state,
            after=tuple(self.leaves[source].path for source in leaf.after),
            started_at=start,
            ended_at=outcome.ended_at,
            duration_s=self.axis.between(start, end) if start is not None and end is not None else 0.0,
            waited_s=_seconds(wait.start, wait.end) if wait else 0.0,
            attempts=outcome.attempts,
            retries=max(0, outcome.attempts - 1),
            usd=outcome.spent_usd,
            usd_known=(outcome.usd is not None or outcome.spent_usd > 0) and self.works,
            tokens=outcome.spent_tokens,
            is_critical=is_critical,
            segments=(*((wait,) if wait else ()), *_find_segments(outcome, start, end, own)),
        )

    def _wait(self, leaf: Leaf, start: datetime | None) -> Segment | None:
        """Find the time between when a leaf could have started and when it did, within one execution."""
        if start is None:
            return None
        span = next((first for first, _ in reversed(self.axis.spans) if first <= start), start)
        ends = (get_end(self.outcomes[source], self.now) for source in leaf.after)
        ready = max([span, *(end for end in ends if end is not None and end <= start)])
        return Segment(kind="wait", start=ready, end=start) if (start - ready).total_seconds() > _SAME_S else None


def _find_segments(
    outcome: Outcome, start: datetime | None, end: datetime | None, own: Outcome | None
) -> list[Segment]:
    """Return the attempts of a leaf, and what it waited for after them where tasks were added for it."""
    if start is None or end is None:
        return []
    found = [
        Segment(kind="attempt", start=tried.started_at, end=tried.ended_at, agent=tried.agent, code=tried.code)
        for tried in outcome.history
        if tried.started_at is not None
    ]
    work_end = min(end, own.ended_at) if own is not None and own.ended_at is not None else end
    since = max([outcome.started_at or start, *(tried.end for tried in found)])
    is_told = outcome.state == "failed" and bool(found) and (work_end - since).total_seconds() < _SAME_S
    if not is_told and (work_end > since or not found):
        code = outcome.error.code if outcome.error is not None else ""
        found.append(Segment(kind="last", start=since, end=max(since, work_end), agent=outcome.agent, code=code))
    if end > work_end:
        found.append(Segment(kind="group", start=work_end, end=end))
    return found


def _summary(
    run: Run, tasks: Sequence[TaskFacts], axis: Axis, evidence: Evidence, path: Sequence[TaskFacts]
) -> Summary:
    duration_s = axis.seconds
    busy = [(part.start, part.end) for task in tasks for part in task.segments if part.kind in ("attempt", "last")]
    work_s = sum(_seconds(*part) for part in busy)
    on_path = [(part.start, part.end) for task in path for part in task.segments if part.kind != "wait"]
    critical_s = _sum_covered_s(on_path, axis)
    states = Counter(task.state for task in tasks)
    begun = sum(moment.kind in ("started", "resumed") for moment in evidence.moments.moments)
    return Summary(
        states=dict(sorted(states.items())),
        tasks=len(tasks),
        done=sum(task.is_settled for task in run.tasks),
        attempts=sum(task.attempts for task in tasks),
        retries=sum(task.retries for task in tasks),
        executions=max(begun, len(axis.spans) if run.started_at else 0),
        duration_s=duration_s,
        work_s=work_s,
        critical_s=critical_s,
        critical_wait_s=max(0.0, duration_s - critical_s),
        parallelism=work_s / duration_s if duration_s > 0 else 0.0,
        most_at_once=_most_at_once(busy),
        cost_usd=run.cost_usd,
        tokens=sum(task.tokens for task in tasks),
    )


def _agents(tasks: Sequence[TaskFacts]) -> tuple[AgentFacts, ...]:
    """Add up by the agent that had each leaf last, the dearest first."""
    by_agent: dict[str, list[TaskFacts]] = {}
    for task in tasks:
        if task.agent:
            by_agent.setdefault(task.agent, []).append(task)
    found = [
        AgentFacts(
            agent=agent,
            tasks=len(own),
            done=sum(task.state in FINISHED for task in own),
            failed=sum(task.state == "failed" for task in own),
            attempts=sum(task.attempts for task in own),
            work_s=sum(_seconds(part.start, part.end) for task in own for part in task.segments if part.agent),
            usd=sum((task.usd for task in own), Decimal(0)),
            usd_known=any(task.usd_known for task in own),
            tokens=sum(task.tokens for task in own),
        )
        for agent, own in by_agent.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.usd, -each.work_s, each.agent)))


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return max(0.0, (end - start).total_seconds()) if start is not None and end is not None else 0.0


def _sum_covered_s(spans: Sequence[tuple[datetime, datetime]], axis: Axis) -> float:
    """Return the seconds of the run that at least one span covers."""
    total, reached = 0.0, None
    for start, end in sorted(spans):
        since = start if reached is None else max(start, reached)
        total += axis.between(since, end)
        reached = end if reached is None else max(reached, end)
    return total


def _most_at_once(spans: Sequence[tuple[datetime, datetime]]) -> int:
    """Return the largest number of spans at one time; one that begins as another ends is not beside it."""
    changes = sorted([(end, -1) for _, end in spans] + [(start, 1) for start, _ in spans])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
