"""Plans that change while they run: a failed task is planned again, a result adds subtasks, or gives a list its copies.

All are one thing, an amendment. The first two add a group of tasks at the end of the plan, after what the task came
after, and the task itself after the group; the copies of a `for_each` task stand below it. An amendment is validated
like any plan, written into the ledger as one record, and only then in force. The task gets its result from what was
added. A run that dies before that record is as it was; after it, it has all of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from genesis.agents.brief import BriefExecutor
from genesis.agents.output_values import find_mismatch
from genesis.agents.threads import Threads
from genesis.engine.attempts import LeafRun
from genesis.engine.copies import list_values
from genesis.engine.run_context import RunContext
from genesis.errors import GenesisError, PlanInvalidError, PlanningError, TaskError
from genesis.model import Amendment, ErrorInfo, Leaf, Outcome, Plan, Program, Task
from genesis.pipeline import amend_program, count_work, plan_within, room_left, route_group
from genesis.planning.proposal import PROPOSAL, parse_proposal
from genesis.planning.structural import structural_problems
from genesis.resilience.taxonomy import meaning_of
from genesis.structure import escape_text, outline, plan_values, put_in_items, splits

__all__ = ["ReplanOutcome", "Replanner"]

_log = logging.getLogger(__name__)
_OWN_WORK = frozenset({"completed", "cached"})
_LONGEST_NOTE = 1_000
"""Most characters of the note on a leaf that was not replanned."""
_OTHERWISE = frozenset({"reroute", "replan", "fall_back", "wait"})
"""What fixes an error that another way of doing the work can avoid."""


@dataclass(frozen=True, slots=True)
class ReplanOutcome:
    """Whether the plan was changed for a leaf, and why not."""

    changed: bool
    why: str = ""


@dataclass(eq=False)
class _CopyRequest:
    """A `for_each` task that waits for its copies."""

    leaf: Leaf
    outcomes: Mapping[int, Outcome]
    begun: Outcome
    is_done: bool = False
    failed: Outcome | None = None


class Replanner:
    """Decides on amendments, and makes them.

    A task is not planned again where that could do harm or would not be what was asked for: where it changes something
    outside of the run, where a person chose its agent or approves it, where it always runs or may fail, where its error
    is for a person to fix, and once the run has had as many changes of this kind as it may.
    """

    def __init__(self, session: RunContext):
        self._session = session
        self._threads = Threads()
        self._one_at_a_time = asyncio.Lock()
        self._written: set[int] = set()
        self._requests: list[_CopyRequest] = []
        self._unwritten: GenesisError | None = None
        """Why changes could not be written: the ledger may have the first of several, and must not get these again."""
        self.joins = self._read_joins()
        """By leaf index, the amendment whose group gives a leaf its result."""

    def considers(self, leaf: Leaf, outcome: Outcome) -> bool:
        """Whether a leaf that has ended may change the plan."""
        if (
            leaf.index in self.joins
            or not leaf.agent
            or leaf.always
            or (outcome.state == "failed" and leaf.allow_failure)
        ):
            return False
        if outcome.state == "failed":
            return self._may_be_planned_again(leaf, outcome)
        return outcome.state in _OWN_WORK and self._session.program.profile(outcome.agent).expands

    def find_undecided(self, outcomes: Mapping[int, Outcome]) -> list[int]:
        """Return the leaves that an earlier execution had ended without changing the plan: it may have died before."""
        leaves = self._session.program.leaves
        return [index for index, outcome in outcomes.items() if self.considers(leaves[index], outcome)]

    def note_unchanged(self, outcome: Outcome, answer: ReplanOutcome) -> Outcome:
        """Note on the outcome of a leaf why it did not change the plan."""
        if not answer.why:
            return outcome
        what = "its subtasks were not taken" if outcome.state in _OWN_WORK else "it was not planned again"
        note = "; ".join(filter(None, (outcome.note, f"{what}: {answer.why}")))
        return outcome.model_copy(update={"note": note[:_LONGEST_NOTE]})

    async def consider(self, leaf: Leaf, outcome: Outcome, tried: Collection[str]) -> ReplanOutcome:
        """Change the plan for a leaf that has ended, if there is something to change it to.

        Args:
            leaf: The leaf.
            outcome: What it came to.
            tried: Agents that have tried it.

        Raises:
            GenesisError: The ledger cannot be written.
        """
        try:
            amendment = (
                await self._again(leaf, outcome) if outcome.state == "failed" else await self._more(leaf, outcome)
            )
            if amendment is None:
                return ReplanOutcome(changed=False)
            async with self._one_at_a_time:
                return await self._in_force(amendment, tried)
        except (PlanningError, PlanInvalidError) as refused:
            more = {"task": leaf.path, "code": refused.code}
            _log.info("the plan is not changed for %r: %s", leaf.path, refused.message, extra=more)
            return ReplanOutcome(changed=False, why=refused.message)
        except GenesisError:
            raise
        except Exception as error:  # noqa: BLE001  # a boundary: without a change the run continues as it was planned
            _log.exception("changing the plan for %r failed", leaf.path)
            return ReplanOutcome(changed=False, why=f"{type(error).__name__}: {error}"[:300])

    async def make_copies(self, leaf: Leaf, outcomes: Mapping[int, Outcome]) -> Outcome | None:
        """Create the copies of a `for_each` task whose list is a result.

        Tasks whose lists are known while another one's copies are created get theirs together, since each change of the
        plan validates and compiles all of it.

        Args:
            leaf: The task.
            outcomes: Those of the leaves that it comes after, by index.

        Returns:
            None where the plan has the copies now; else the task's failed outcome, which is in the ledger.

        Raises:
            GenesisError: The ledger cannot be read or written.
        """
        request = _CopyRequest(leaf, outcomes, Outcome(id=leaf.path, agent=leaf.agent, started_at=self._session.now()))
        self._requests.append(request)
        try:
            async with self._one_at_a_time:
                if self._unwritten is not None:
                    raise self._unwritten
                if not request.is_done:
                    await self._add_copies([each for each in self._requests if not each.is_done])
        finally:
            self._requests.remove(request)
        return request.failed

    async def _add_copies(self, requests: list[_CopyRequest]) -> None:
        """Create the copies of these tasks together; where that is refused, of each alone: each has its own end."""
        session = self._session
        room = session.settings.limits.leaves - count_work(session.program)
        try:
            amendments: list[Amendment] = []
            for request in requests:
                values = await list_values(session, request.leaf, request.outcomes, room)
                room -= len(values)
                amendments.append(self._describe_copies(request, values, len(amendments)))
            program = await asyncio.to_thread(
                amend_program, session.program, amendments, session.settings, session.probe
            )
        except (TaskError, PlanInvalidError) as refused:
            if len(requests) == 1:
                await self._refuse_copies(requests[0], refused)
            for request in requests if len(requests) > 1 else ():
                await self._add_copies([request])
            return
        await self._adopt(amendments, program)
        for request in requests:
            request.is_done = True

    def _describe_copies(self, request: _CopyRequest, values: list[JsonValue], earlier: int) -> Amendment:
        leaf, count = request.leaf, len(values)
        return Amendment(
            number=len(self._session.program_state.amendments) + earlier + 1,
            kind="for_each",
            task=leaf.path,
            group=_task(self._session.program.source.plan, leaf).model_copy(update={"for_each": values}),
            reason=f"{_describe_list(leaf)} has {count} value{'' if count == 1 else 's'}",
            outcome=request.begun,
            at=self._session.now(),
        )

    async def _refuse_copies(self, request: _CopyRequest, refused: GenesisError) -> None:
        code = refused.code if isinstance(refused, TaskError) else "GEN-TASK-FOR-EACH"
        error = ErrorInfo(code=code, message=refused.message, hint=refused.hint)
        ended = request.begun.model_copy(update={"state": "failed", "error": error, "ended_at": self._session.now()})
        request.failed = await self._session.record(request.leaf, ended)
        request.is_done = True

    async def _adopt(self, amendments: Sequence[Amendment], program: Program) -> None:
        """Write amendments down, and let them count."""
        writing = asyncio.ensure_future(self._write(amendments, program))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:  # what is in the ledger has to count: the next one gets the next number
            await writing
            raise

    async def _write(self, amendments: Sequence[Amendment], program: Program) -> None:
        program_state = self._session.program_state
        try:
            for amendment in amendments:
                await self._session.ledger.amend(amendment)
        except GenesisError as fault:
            self._unwritten = fault
            raise
        program_state.program, program_state.amendments = program, (*program_state.amendments, *amendments)
        self.joins = self._read_joins()

    async def gather_result(self, leaf: Leaf, outcomes: Mapping[int, Outcome]) -> Outcome:
        """Return a leaf the result of its group, all of which is done, and write it down.

        Raises:
            GenesisError: The ledger cannot be read or written.
        """
        amendment, session = self.joins[leaf.index], self._session
        inside = f"{amendment.group.id}/"
        leaves = session.program.leaves
        last = [source for source in leaf.after if leaves[source].path.startswith(inside)]
        given = {leaves[source].path: await session.ledger.result(outcomes[source]) for source in last}
        own = amendment.outcome
        update = {"ended_at": session.now(), "error": None, "note": _note(amendment)}
        if amendment.kind == "expand":
            result = await session.ledger.result(own)
            merged = {**result, PROPOSAL: given} if isinstance(result, dict) else result
            ended = own.model_copy(update={**update, "result": merged, "result_ref": None})
            return await session.record(leaf, ended)
        value, missing = _collect_outputs(leaf, given)
        mismatch = None if missing else await asyncio.to_thread(find_mismatch, leaf.schemas, value)
        if missing or mismatch:
            names = ", ".join(map(repr, missing))
            error = (
                ErrorInfo(
                    code="GEN-TASK-OUTPUTS", message=f"it was planned again, and {names} is not in what that gave"
                )
                if missing
                else ErrorInfo(code="GEN-TASK-OUTPUT-SCHEMA", message=f"it was planned again, and that gave {mismatch}")
            )
            return await session.record(leaf, own.model_copy(update={**update, "state": "failed", "error": error}))
        return await session.record(leaf, own.model_copy(update={**update, "state": "completed", "result": value}))

    def may_be_written_down(self, leaf: Leaf) -> bool:
        """Whether a leaf that failed permanently may become a work order for a person, once: where its plan says so."""
        if leaf.index in self._written or leaf.index in self.joins or not leaf.agent:
            return False
        return _task(self._session.program.source.plan, leaf).labels.get("on_failure") == "brief"

    async def write_work_order(self, leaf: Leaf, failed: Outcome, outcomes: Mapping[int, Outcome]) -> Outcome:
        """Write a work order for a leaf that failed permanently, and the outcome into the ledger.

        Raises:
            GenesisError: The folder or the ledger cannot be written.
        """
        self._written.add(leaf.index)
        error = failed.error or ErrorInfo(code="GEN-TASK", message="it failed")
        note = f"{failed.agent} failed: {error.code}: {error.message}"[:500] + "; a work order was written instead"
        session = replace(self._session, executor=lambda _leaf: BriefExecutor(), breakers=None, quotas=None)
        noted = leaf.model_copy(update={"note": note})
        run = LeafRun(session, noted, outcomes, attempts=failed.attempts, history=failed.history)
        run.start()
        return await run.work()

    def find_lost(self, leaf: Leaf, why: str) -> Outcome | None:
        """Return the end of a leaf whose group did not finish; None where it has no group."""
        amendment = self.joins.get(leaf.index)
        if amendment is None:
            return None
        own, note = amendment.outcome, f"{_note(amendment)}; {why}"
        if amendment.kind == "expand":
            error = ErrorInfo(code="GEN-TASK-SUBTASK", message=f"the subtasks that it asked for: {why}")
            return own.model_copy(update={"state": "failed", "error": error, "note": note})
        return own.model_copy(update={"note": note})

    def _read_joins(self) -> dict[int, Amendment]:
        index = {leaf.path: leaf.index for leaf in self._session.program.leaves}
        amendments = self._session.program_state.amendments
        return {index[each.task]: each for each in amendments if each.kind != "for_each"}

    def _may_be_planned_again(self, leaf: Leaf, outcome: Outcome) -> bool:
        if leaf.side_effects or leaf.approval or self._replans_left() <= 0:
            return False
        code = outcome.error.code if outcome.error else "GEN-TASK"
        return meaning_of(code).recovery in _OTHERWISE and _task(self._session.program.source.plan, leaf).agent is None

    def _replans_left(self) -> int:
        made = sum(amendment.kind == "replan" for amendment in self._session.program_state.amendments)
        return self._session.settings.resilience.replans - made

    async def _again(self, leaf: Leaf, outcome: Outcome) -> Amendment:
        """Plan a leaf again; a model is asked beside the event loop."""
        program = self._session.program
        references = {
            written: f"{program.leaves[source].path}.{leaf.keys.get(written, written.rpartition('.')[2])}"
            for written, source in leaf.sources.items()
        }
        everywhere = outline(program.source.plan, as_run=True).by_path
        values = plan_values(program.source.plan)

        def is_known(name: str) -> bool:
            return name in values or any(task in everywhere for task, _ in splits(name))

        for name in leaf.escaped:  # names that mean nothing where the new tasks stand
            if not is_known(name):
                references.setdefault(name, name)
        error = outcome.error or ErrorInfo(code="GEN-TASK", message="it failed")
        filled = escape_text(leaf.description, values.__contains__)  # the new tasks' descriptions are filled again
        task = _task(program.source.plan, leaf).model_copy(update={"description": filled})
        if leaf.items:
            task = task.model_copy(
                update=put_in_items(task, leaf.items, lambda name: name in references or is_known(name))
            )
        depth = self._depth(leaf.path)

        def work() -> Amendment:
            made = plan_within(task, error, program, self._session.settings, depth=depth, references=references)
            reason = f"{leaf.agent} failed: {error.code}: {error.message}"[:500]
            return self._amendment(leaf, outcome, made.tasks, reason).model_copy(update={"planner": made.level})

        return await self._threads.run(work, label=f"planning {leaf.path!r} again")

    async def _more(self, leaf: Leaf, outcome: Outcome) -> Amendment | None:
        """Take the subtasks that a result proposes."""
        result = await self._session.ledger.result(outcome)
        if not isinstance(result, dict) or result.get(PROPOSAL, {}) == {}:  # none, or what none of them gave
            return None
        program, limits = self._session.program, self._session.settings.limits
        tasks = parse_proposal(result[PROPOSAL], limits)
        if not tasks:
            return None
        room = room_left(program, limits, self._depth(leaf.path))
        if problems := structural_problems(Plan(request=program.request, tasks=tasks), room):
            raise PlanningError(f"the proposed subtasks are not sound: {'; '.join(problems)}")
        values = plan_values(program.source.plan)  # an agent's text does not read the plan's values
        literal = [
            task.model_copy(update={"description": escape_text(task.description, values.__contains__)})
            for task in tasks
        ]
        return self._amendment(leaf, outcome, tuple(literal), f"{outcome.agent} asked for it")

    def _amendment(self, leaf: Leaf, outcome: Outcome, tasks: tuple[Task, ...], reason: str) -> Amendment:
        """Describe a change; its number and the group's name are settled when it comes into force."""
        kind = "replan" if outcome.state == "failed" else "expand"
        text = f"Do otherwise what {leaf.path} could not" if kind == "replan" else f"Do what {leaf.path} asked for"
        leaves = self._session.program.leaves
        group = Task(
            id="group",
            description=text,
            depends_on=tuple(leaves[source].path for source in leaf.after),
            subtasks=tasks,
            # What the task came after has ended, in whatever way its own rule took.
            run_if="all_succeeded" if leaf.rule is None else "all_done",
            priority=leaf.priority or None,
        )
        return Amendment(
            number=1, kind=kind, task=leaf.path, group=group, reason=reason, outcome=outcome, at=self._session.now()
        )

    async def _in_force(self, amendment: Amendment, tried: Collection[str]) -> ReplanOutcome:
        """Check an amendment against the plan as it is now, write it down, and let it count.

        Raises:
            PlanningError: It is beyond the limits, or would only do the same again.
            PlanInvalidError: Validation found errors.
            GenesisError: The ledger cannot be written.
        """
        program_state, settings = self._session.program_state, self._session.settings
        if amendment.kind == "replan" and self._replans_left() <= 0:  # others were first
            raise PlanningError(f"{settings.resilience.replans} tasks of the run were, which is as many as may be")
        amendment = self._assign_number(amendment)
        amendment = amendment.model_copy(update={"group": route_group(program_state.program, amendment.group)})
        program = await asyncio.to_thread(
            amend_program, program_state.program, [amendment], settings, self._session.probe
        )
        new = program.leaves[len(program_state.program.leaves) :]
        if amendment.kind == "replan":
            self._refuse_the_same(new, tried)
        await self._adopt([amendment], program)
        _log.warning("%r: %s", amendment.task, _note(amendment), extra={"task": amendment.task, "kind": amendment.kind})
        return ReplanOutcome(changed=True)

    def _assign_number(self, amendment: Amendment) -> Amendment:
        program_state = self._session.program_state
        number = len(program_state.amendments) + 1
        word = "again" if amendment.kind == "replan" else "more"
        taken = {part for leaf in program_state.program.leaves for part in leaf.path.split("/")}
        name = next(name for tail in range(number, 10**9) if (name := f"{word}-{tail}") not in taken)
        return amendment.model_copy(update={"number": number, "group": amendment.group.model_copy(update={"id": name})})

    def _refuse_the_same(self, new: tuple[Leaf, ...], tried: Collection[str]) -> None:
        """Refuse what would only be tried by the same agent again, or written down for a person.

        Raises:
            PlanningError: It is that.
        """
        if len(new) == 1 and new[0].agent in tried:
            raise PlanningError(f"{new[0].agent} would only try it again")
        profile, model = self._session.program.profile, self._session.planner_model
        if all(profile(leaf.agent).executor_for(leaf.type, model=model).kind == "brief" for leaf in new):
            raise PlanningError("only a person could do it")

    def _depth(self, path: str) -> int:
        """Return how deep a task lies, over all groups that it is in."""
        depth = path.count("/") + 1
        group = path.partition("/")[0]
        for amendment in self._session.program_state.amendments:
            if amendment.group.id == group and amendment.kind != "for_each":
                return depth - 1 + self._depth(amendment.task)
        return depth


def _note(amendment: Amendment) -> str:
    count = sum(1 for _ in _leaves(amendment.group))
    tasks = f"{count} task{'s' if count > 1 else ''} in {amendment.group.id!r}"
    if amendment.kind == "expand":
        return f"it asked for {tasks}"
    return f"{amendment.reason}; it was planned again: {tasks}"


def _describe_list(leaf: Leaf) -> str:
    return leaf.for_each if isinstance(leaf.for_each, str) else "its list"


def _leaves(task: Task) -> list[Task]:
    return [leaf for child in task.subtasks for leaf in _leaves(child)] if task.subtasks else [task]


def _task(plan: Plan, leaf: Leaf) -> Task:
    """Find a leaf's task."""
    tasks = plan.tasks
    *outer, last = leaf.path.split("/")
    for name in outer:
        tasks = next(task.subtasks for task in tasks if task.id == name)
    return next(task for task in tasks if task.id == last)


def _collect_outputs(leaf: Leaf, given: Mapping[str, JsonValue]) -> tuple[JsonValue, list[str]]:
    """Put together what a leaf gives from what the last tasks of its group gave, and name what is missing of it."""
    if not leaf.outputs:
        return (next(iter(given.values())) if len(given) == 1 else dict(given)), []
    found: dict[str, JsonValue] = {}
    for value in given.values():
        if isinstance(value, dict):
            found |= value
    return found, [name for name in leaf.outputs if name not in found]
