"""The scheduler as a state machine: fed with events, it returns the jobs to start. No clock, no I/O, no Prefect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

from genesis.schedule.copies import CopyLimits
from genesis.schedule.jobs import ScheduleError, ScheduleJob, ScheduleLimits
from genesis.schedule.network import Network
from genesis.schedule.ready import JobGroup, ReadyQueue
from genesis.schedule.rules import FAILED, NOT_MET, SUCCEEDED, decide_end, decide_start

__all__ = ["JobState", "Scheduler"]


class JobState(StrEnum):
    """The state of a job."""

    WAITING = "waiting"
    """Some job that it comes after has not finished."""
    READY = "ready"
    """It starts as soon as a slot and its agent are free."""
    HELD = "held"
    """Kept back by `hold`; it has no slot."""
    RUNNING = "running"
    """It has a slot, and counts against its agent's limit."""
    SUSPENDED = "suspended"
    """Its end comes from outside of the run, by `finish`; it has no slot, and nobody waits for it to end the run."""
    FINISHED = "finished"
    FAILED = "failed"
    SKIPPED = "skipped"
    """A job that it comes after, directly or not, failed."""
    NOT_MET = "not_met"
    """Its condition, its `run_if` or that of something around or before it did not hold; that is no failure."""
    CANCELLED = "cancelled"
    """It was not running when the run was cancelled."""


_NOT_STARTED = (JobState.WAITING, JobState.READY, JobState.HELD)
_ENDS = {
    JobState.FINISHED: SUCCEEDED,
    JobState.SUSPENDED: SUCCEEDED,
    JobState.FAILED: FAILED,
    JobState.SKIPPED: FAILED,
    JobState.CANCELLED: FAILED,
    JobState.NOT_MET: NOT_MET,
}
_LEFT_OUT = (JobState.SKIPPED, JobState.NOT_MET)
_NOT_RUN = (*_LEFT_OUT, JobState.CANCELLED)
_ENDED = frozenset({JobState.FINISHED, JobState.FAILED, *_NOT_RUN})
_STATES = {FAILED: JobState.SKIPPED, NOT_MET: JobState.NOT_MET}
"""The state of a job that does not start, by why it does not."""
_SCOPE = 3
"""What a job has seen of the start of the composite around it is kept this many bits higher."""


class Scheduler:
    """Decide which jobs start when, from events alone.

    A driver starts what `take` returns, reports each end by `finish` or `fail`, and calls `take` again, until `done`.
    When nothing runs and `take` returns nothing but the run is not `done`, only `release` or `unblock` continue it.
    After each step `take_left_out` has what ended without running, and `take_undecided` whose conditions are to be
    evaluated: `release` those that hold, `skip` the others. `take_waits` has the jobs that wait from now on:
    `finish` or `fail` them when that is over.
    Any sequence of calls costs O((jobs + edges) log jobs), plus O(log jobs) for each call and job in a result.

    Args:
        jobs: The jobs in document order, then starts and ends of composites; all methods name a job by its index here.
        limits: Slots and per-agent limits.
        priorities: One number a job; the larger starts first, ties by document order.

    Raises:
        ScheduleError: The jobs have a cycle, or the priorities do not fit them.
    """

    __slots__ = (
        "_agents", "_asked", "_cancelled", "_capacity", "_copies", "_counts", "_decided", "_dependants", "_free",
        "_groups", "_has_rules", "_left_out", "_missing", "_order", "_places", "_queue", "_resources", "_rules",
        "_seen", "_states", "_waits",
    )  # fmt: skip

    def __init__(self, jobs: Sequence[ScheduleJob], limits: ScheduleLimits, priorities: Sequence[float]) -> None:
        network = Network.of(jobs)
        if len(priorities) != len(jobs) or any(number != number for number in priorities):  # noqa: PLR0124 (NaN)
            raise ScheduleError(
                f"{len(priorities)} priorities for {len(jobs)} jobs", hint="pass one number per job, and no NaN"
            )
        self._rules = jobs
        self._has_rules = any(job.run_if != "all_succeeded" or job.kind != "work" or job.conditional for job in jobs)
        self._dependants = network.dependants
        self._missing = [len(earlier) for earlier in network.after]
        self._seen = [0] * len(jobs)
        self._copies = CopyLimits(jobs, limits.parallel, self._is_ready) if limits.parallel else None
        self._states = [JobState.WAITING] * len(jobs)
        self._counts = dict.fromkeys(JobState, 0) | {JobState.WAITING: len(jobs)}
        self._free = limits.slots
        self._cancelled = False
        self._left_out: list[int] = []
        self._asked: list[int] = []
        self._waits: list[int] = []
        self._decided: dict[int, bool] = {}
        self._order = sorted(range(len(jobs)), key=lambda job: (-priorities[job], job))
        self._places = [0] * len(jobs)
        for place, job in enumerate(self._order):
            self._places[job] = place
        self._agents: dict[str | None, int] = {}
        self._groups: dict[JobGroup, int] = {}
        self._capacity = [*limits.capacity.values()]
        self._resources = {name: number for number, name in enumerate(limits.capacity)}
        of_place = self._find_groups(jobs)
        rooms = [limits.slots if name is None else limits.per_agent.get(name, limits.slots) for name in self._agents]
        self._queue = ReadyQueue(of_place, [*self._groups], rooms, self._capacity)
        for job in [job for job, count in enumerate(self._missing) if not count]:
            self._settle(self._decide(job))

    @property
    def done(self) -> bool:
        """Whether nothing runs or can run any more, until a suspended job is finished.

        Without suspended jobs, every job is then finished, failed, skipped or cancelled: there are no cycles.
        """
        return not (self.running or self.ready_count or self.held)

    @property
    def running(self) -> int:
        """How many jobs hold a slot."""
        return self._counts[JobState.RUNNING]

    @property
    def ready_count(self) -> int:
        """How many jobs could start and wait for a slot, or for their agent."""
        return self._counts[JobState.READY]

    @property
    def held(self) -> int:
        """How many jobs are kept back by `hold`; they count as pending too."""
        return self._counts[JobState.HELD]

    @property
    def suspended(self) -> int:
        """How many jobs wait for an end from outside of the run."""
        return self._counts[JobState.SUSPENDED]

    @property
    def pending(self) -> int:
        """How many jobs do not run and have not ended: waiting, ready or held."""
        return sum(self._counts[state] for state in _NOT_STARTED)

    def state(self, job: int) -> JobState:
        """Return the state of a job."""
        if not 0 <= job < len(self._states):
            raise ScheduleError(f"there is no job {job}", hint=f"jobs have the indices 0 to {len(self._states) - 1}")
        return self._states[job]

    def take(self) -> list[int]:
        """Start what may start now: ready jobs, best first, within the slots and all other limits.

        Returns:
            The jobs that are now running, in the order of their priorities; empty when nothing can start.
        """
        taken: list[int] = []
        while self._free and (place := self._queue.pop()) is not None:
            job = self._order[place]
            if self._copies is not None and not self._copies.admit(job, place):
                self._queue.leave(place)
                continue
            self._move(job, JobState.RUNNING)
            self._free -= 1
            if self._copies is not None:
                self._requeue(self._copies.start(job))
            taken.append(job)
        return taken

    def finish(self, job: int) -> None:
        """Report that a running, held or suspended job succeeded, so that what waited for it alone becomes ready.

        Raises:
            ScheduleError: The job is none of these.
        """
        self._expect(job, "finish", JobState.RUNNING, JobState.HELD, JobState.SUSPENDED)
        if self._states[job] is JobState.RUNNING:
            self._leave_slot(job)
        was_suspended = self._states[job] is JobState.SUSPENDED
        self._move(job, JobState.FINISHED)
        if was_suspended:  # the early ones know
            self._settle(self._pass(job, self._list_dependants(job, early=False)))
        else:
            self._settle([job])

    def suspend(self, job: int) -> None:
        """Report that a job waits for an end from outside of the run; only early dependants continue.

        Raises:
            ScheduleError: The job has ended, or is suspended already.
        """
        self._expect(job, "suspend", JobState.RUNNING, *_NOT_STARTED)
        if self._states[job] is JobState.RUNNING:
            self._leave_slot(job)
        self._queue.discard(self._places[job])
        self._move(job, JobState.SUSPENDED)
        if self._copies is not None:
            self._requeue(self._copies.pause(job))
        self._settle(self._pass(job, self._list_dependants(job, early=True)))

    def fail(self, job: int) -> None:
        """Report that a running or held job failed permanently; what can only run if it succeeds is skipped.

        Raises:
            ScheduleError: The job is neither running nor held.
        """
        self._expect(job, "fail", JobState.RUNNING, JobState.HELD)
        if self._states[job] is JobState.RUNNING:
            self._leave_slot(job)
        self._move(job, JobState.FAILED)
        if not self._rules[job].allow_failure:
            self._skip_dependants(job)
        self._settle([job])

    def skip(self, job: int) -> None:
        """Report that the condition of a held job is false: it does not run, which is no failure.

        Raises:
            ScheduleError: The job is not held.
        """
        self._expect(job, "skip", JobState.HELD)
        self._decided[job] = False
        self._leave_out(job, JobState.NOT_MET)
        self._settle([job])

    def take_left_out(self) -> list[int]:
        """Return the jobs that have ended without running since the last call, in document order; `state` says how.

        Those that `cancel` returned are not among them.
        """
        found, self._left_out = sorted(self._left_out), []
        return found

    def take_undecided(self) -> list[int]:
        """Return the jobs, and the starts of composites, whose conditions are to be evaluated; each once."""
        found, self._asked = sorted(self._asked), []
        return found

    def take_waits(self) -> list[int]:
        """Return the jobs that began to wait since the last call, in document order; they are held, without a slot."""
        found, self._waits = sorted({job for job in self._waits if self._states[job] is JobState.HELD}), []
        return found

    def hold(self, job: int) -> None:
        """Hold a job, for an approval or until a retry is due; a running one releases its slot.

        Raises:
            ScheduleError: The job is held already or has ended, or the run is cancelled and it does not always run.
        """
        self._expect(job, "hold", JobState.WAITING, JobState.READY, JobState.RUNNING)
        if self._cancelled and not self._is_always(job):
            raise ScheduleError(
                f"cannot hold job {job}: the run is cancelled", hint="end the job with `finish` or `fail`"
            )
        if self._states[job] is JobState.RUNNING:
            self._leave_slot(job)
        self._queue.discard(self._places[job])
        self._move(job, JobState.HELD)

    def reassign(self, job: int, agent: str, at_once: int, needs: tuple[tuple[str, int], ...] = ()) -> None:
        """Assign a held job to another agent.

        Args:
            job: The job.
            agent: The agent's name.
            at_once: The agent's limit of concurrent jobs; used if no job of this run had this agent before.
            needs: The resources that it uses with that agent; see `ScheduleJob`.

        Raises:
            ScheduleError: The job is not held.
        """
        self._expect(job, "reassign", JobState.HELD)
        if agent not in self._agents:
            self._agents[agent] = self._queue.add_agent(max(1, at_once))
        known = len(self._groups)
        group = self._find_group(replace(self._rules[job], agent=agent, needs=needs))
        if group == known:
            self._queue.add_group([*self._groups][group])
        self._queue.assign(self._places[job], group)

    def ready(self, agent: str) -> list[int]:
        """Return the jobs of an agent that would start if they could, best first.

        Raises:
            ScheduleError: No job has this agent.
        """
        return [self._order[place] for place in self._queue.list_queued(self._agent(agent))]

    def release(self, job: int) -> None:
        """Release a held job: it is ready if its predecessors have finished, and keeps its priority.

        Raises:
            ScheduleError: The job is not held.
        """
        self._expect(job, "release", JobState.HELD)
        if job in self._decided:
            self._decided[job] = True
        self._move(job, JobState.WAITING)
        if not self._missing[job]:
            self._settle(self._decide(job))

    def cancel(self) -> list[int]:
        """Start nothing more but `always` jobs. Running jobs continue until their end is reported.

        An `always` job in a composite whose start has not succeeded does not run. Held jobs that are to run stay held.

        Returns:
            The jobs that are now cancelled, held ones too, in document order; a second call changes nothing.
        """
        if self._cancelled:
            return []
        self._cancelled = True
        known: dict[int, bool] = {}
        stopped = [job for job, state in enumerate(self._states) if state in _NOT_STARTED]
        stopped = [job for job in stopped if self._rules[job].kind != "end" and not self._runs_after_cancel(job, known)]
        self._cancel_all(stopped)
        return [job for job in stopped if self._rules[job].kind == "work"]

    def _cancel_all(self, jobs: list[int]) -> None:
        for job in jobs:
            self._queue.discard(self._places[job])
            self._move(job, JobState.CANCELLED)
        self._settle([job for job in jobs if not self._missing[job]])

    def _runs_after_cancel(self, job: int, known: dict[int, bool]) -> bool:
        """Whether a job that has not started runs although the run is cancelled.

        Args:
            job: The job.
            known: What was found for starts of composites; it is added to.
        """
        chain: list[int] = []
        at: int | None = job
        while at is not None and at not in known and self._states[at] is not JobState.FINISHED:
            chain.append(at)
            at = self._rules[at].within
        runs = at is None or known.get(at, True)
        for each in reversed(chain):
            runs = known[each] = runs and self._is_always(each)
        return runs

    def _is_always(self, job: int) -> bool:
        """Whether a job, or a composite around it, has `run_if: always`."""
        at: int | None = job
        while at is not None:
            if self._rules[at].run_if == "always":
                return True
            at = self._rules[at].within
        return False

    def restore(
        self,
        finished: Iterable[int],
        *,
        failed: Iterable[int] = (),
        not_met: Iterable[int] = (),
        met: Iterable[int] = (),
    ) -> None:
        """Take over jobs that ended in an earlier run, in any order; all of them or, on an error, none.

        A job may be restored although one that it comes after was not: it keeps its result, and the other runs again.

        Args:
            finished: Jobs that succeeded.
            failed: Jobs that failed permanently.
            not_met: Jobs that their condition or rule left out.
            met: Jobs that have not ended, whose conditions are known to hold; one that waits for nothing else is held.

        Raises:
            ScheduleError: One of the jobs has started or ended here.
        """
        groups = ((finished, JobState.FINISHED), (failed, JobState.FAILED), (not_met, JobState.NOT_MET))
        ends = {job: state for jobs, state in groups for job in jobs if self.state(job) is not state}
        for job in ends:
            self._expect(job, "restore", *_NOT_STARTED)
        for job, state in ends.items():
            self._queue.discard(self._places[job])
            self._move(job, state)
        for job, state in ends.items():
            if state is JobState.FAILED and not self._rules[job].allow_failure:
                self._skip_dependants(job)
        self._settle(sorted(ends))
        self._decided |= dict.fromkeys(met, True)
        self._asked = [job for job in self._asked if job not in ends and not self._decided[job]]

    def take_over(self, earlier: Scheduler) -> None:
        """Take over the state of a scheduler of the first of these jobs, after jobs or edges were added.

        Args:
            earlier: Its jobs, and its starts and ends of composites, come first here among their kind, with the same
                agents. It is not to be used any more.

        Raises:
            ScheduleError: A job has started or ended here already; or one runs there that may not start here.
        """
        place = self._find_places(earlier)
        self._decided |= {place[job]: holds for job, holds in earlier._decided.items() if earlier._settled_by(job)}
        for job in [job for job, holds in self._decided.items() if holds and self._states[job] is JobState.HELD]:
            self.release(job)  # it comes after nothing, and waits for its condition
        of_state: dict[JobState, list[int]] = {state: [] for state in JobState}
        for job, state in enumerate(earlier._states):
            is_decided = state is JobState.CANCELLED or (state is JobState.NOT_MET and job in earlier._decided)
            if self._rules[place[job]].kind == "work" or is_decided:
                of_state[state].append(place[job])
        self.restore(of_state[JobState.FINISHED], failed=of_state[JobState.FAILED], not_met=of_state[JobState.NOT_MET])
        for job in of_state[JobState.SUSPENDED]:
            self.suspend(job)
        self._cancel_all([job for job in of_state[JobState.CANCELLED] if self._states[job] in _NOT_STARTED])
        for job in of_state[JobState.RUNNING]:
            self._expect(job, "continue with", JobState.READY)
            self._queue.claim(self._places[job])
            self._move(job, JobState.RUNNING)
            self._free -= 1
        for job in of_state[JobState.HELD]:
            if self._states[job] is not JobState.HELD:  # else it waits here, too, or its condition is to be evaluated
                self.hold(job)
        untaken = {place[job] for job in earlier._waits}
        taken = {job for job in of_state[JobState.HELD] if self._rules[job].waits} - untaken
        self._waits = [job for job in self._waits if job not in taken]
        asked = {place[job] for job in earlier._decided} - {place[job] for job in earlier._asked}
        self._asked = [job for job in self._asked if job not in asked]
        told = {place[job] for job, state in enumerate(earlier._states) if state in _NOT_RUN}
        untold = {place[job] for job in earlier._left_out}
        self._left_out = [*untold, *(job for job in self._left_out if job not in told)]
        if self._copies is not None and earlier._copies is not None:
            self._copies.take_over(earlier._copies)
        self._block_again(earlier)

    def _block_again(self, earlier: Scheduler) -> None:
        """Block the agents that were blocked in an earlier scheduler."""
        names = {number: name for name, number in earlier._agents.items()}
        for number in earlier._queue.list_blocked():
            name = names[number]
            if name is not None and name in self._agents:
                self.block(name)

    def _find_places(self, earlier: Scheduler) -> list[int]:
        """Return for each job of an earlier scheduler its index here: composites come behind the work."""
        before, work = (sum(job.kind == "work" for job in rules) for rules in (earlier._rules, self._rules))
        return [job if job < before else job - before + work for job in range(len(earlier._rules))]

    def _settled_by(self, job: int) -> bool:
        """Whether the condition of a job is known, and not only asked for."""
        return self._decided[job] or self._states[job] is JobState.NOT_MET

    def block(self, agent: str) -> None:
        """Start no more jobs of an agent until it is unblocked, as when its circuit breaker is open.

        Raises:
            ScheduleError: No job has this agent.
        """
        self._queue.block(self._agent(agent))

    def unblock(self, agent: str) -> None:
        """Let an agent's jobs start again.

        Raises:
            ScheduleError: No job has this agent.
        """
        self._queue.unblock(self._agent(agent))

    def _find_groups(self, jobs: Sequence[ScheduleJob]) -> list[int]:
        """Return the group of each place; jobs without needs are in that of their agent."""
        plain: dict[str | None, int] = {}
        found: list[int] = []
        for index in self._order:
            job = jobs[index]
            number = None if job.needs else plain.get(job.agent)
            if number is None:
                number = self._find_group(job)
                if not job.needs:
                    plain[job.agent] = number
            found.append(number)
        return found

    def _find_group(self, job: ScheduleJob) -> int:
        """Return the number of the group of a job: of those that have the same agent, needs and priority."""
        agent = self._agents.setdefault(job.agent, len(self._agents))
        needs: tuple[tuple[int, int], ...] = ()
        if job.needs:
            known = [(self._resources[name], amount) for name, amount in job.needs if name in self._resources]
            needs = tuple((number, min(amount, self._capacity[number])) for number, amount in known)
        group = JobGroup(agent, needs, job.priority if needs else 0)
        return self._groups.setdefault(group, len(self._groups))

    def _agent(self, name: str) -> int:
        if name not in self._agents:
            raise ScheduleError(f"no job has the agent {name!r}", hint="block only agents that this run uses")
        return self._agents[name]

    def _expect(self, job: int, verb: str, *allowed: JobState) -> None:
        state = self.state(job)
        if state not in allowed:
            raise ScheduleError(
                f"cannot {verb} job {job}: it is {state}", hint=f"only {' or '.join(allowed)} jobs can do that"
            )

    def _skip_dependants(self, failed: int) -> None:
        """Skip all that can only run if a job succeeds, at once: what else it waits for does not matter."""
        doomed, through = [failed], {failed}
        while doomed:
            job = doomed.pop()
            for later in self._dependants[job]:
                rule, state = self._rules[later], self._states[later]
                scope = rule.within == job
                if rule.kind == "end":
                    if state is JobState.WAITING and later not in through and (scope or not rule.allow_failure):
                        through.add(later)
                        doomed.append(later)
                elif state in _NOT_STARTED and (scope or (rule.run_if == "all_succeeded" and self._may_open(rule))):
                    self._leave_out(later, JobState.SKIPPED)
                    if not rule.forgives:
                        doomed.append(later)

    def _may_open(self, rule: ScheduleJob) -> bool:
        """Whether the start of the composite around a job has opened: one that does not is the reason for all in it."""
        return rule.within is None or self._states[rule.within] is JobState.FINISHED

    def _settle(self, ended: list[int]) -> None:
        """Tell the dependants of jobs that these have ended, and those of all that ends by it without running.

        A job that ended early, since it cannot run any more, counts as ended for its dependants once all before it
        have.
        """
        waiting = ended
        while waiting:
            job = waiting.pop()
            waiting += self._pass(job, self._dependants[job])

    def _list_dependants(self, job: int, *, early: bool) -> list[int]:
        return [later for later in self._dependants[job] if self._rules[later].early is early]

    def _pass(self, job: int, dependants: list[int]) -> list[int]:
        """Let dependants wait for this job no more; return those that end by it without running."""
        ended: list[int] = []
        end, missing, states = self._end_of(job), self._missing, self._states
        if not self._has_rules and end == SUCCEEDED:  # what every plan without rules does for each of its edges
            for later in dependants:
                missing[later] -= 1
                if not missing[later] and states[later] is JobState.WAITING:
                    self._make_ready(later)
            return ended
        for later in dependants:
            self._seen[later] |= end << _SCOPE if self._rules[later].within == job else end
            missing[later] -= 1
            if not missing[later]:
                ended += self._decide(later)
        return ended

    def _end_of(self, job: int) -> int:
        """Return how a job ended, as those after it see it."""
        state, rule = self._states[job], self._rules[job]
        if (state is JobState.FAILED and rule.allow_failure) or (state is JobState.SKIPPED and rule.forgives):
            return SUCCEEDED
        return _ENDS[state]

    def _decide(self, job: int) -> list[int]:
        """Decide what becomes of a job when all before it have ended; return it if it has ended now, too."""
        state, rule = self._states[job], self._rules[job]
        if state in (JobState.SKIPPED, JobState.CANCELLED):
            return [job]
        if state is not JobState.WAITING:
            return []
        inside, scope = self._seen[job] & ((1 << _SCOPE) - 1), self._seen[job] >> _SCOPE
        if rule.kind == "end":
            end = decide_end(rule, inside, scope)
            self._move(job, JobState.FINISHED if end == SUCCEEDED else _STATES[end])
            return [job]
        end = decide_start(rule.run_if, inside, scope)
        if end != SUCCEEDED:
            self._leave_out(job, _STATES[end])
            return [job]
        if rule.conditional and not self._decided.get(job):
            self._decided[job] = False
            self._asked.append(job)
            self._move(job, JobState.HELD)
            return []
        if rule.kind == "start":
            self._move(job, JobState.FINISHED)
            return [job]
        self._make_ready(job)
        return []

    def _leave_out(self, job: int, state: JobState) -> None:
        self._queue.discard(self._places[job])
        self._move(job, state)
        if self._rules[job].kind == "work":
            self._left_out.append(job)

    def _requeue(self, jobs: Iterable[int]) -> None:
        """Let jobs wait for their turn again whose copies may run now."""
        for job in jobs:
            if self._states[job] is JobState.READY:
                self._queue.push(self._places[job])

    def _is_ready(self, job: int) -> bool:
        return self._states[job] is JobState.READY

    def _make_ready(self, job: int) -> None:
        if self._rules[job].waits:
            self._move(job, JobState.HELD)
            self._waits.append(job)
            return
        self._move(job, JobState.READY)
        self._queue.push(self._places[job])

    def _leave_slot(self, job: int) -> None:
        self._free += 1
        self._queue.leave(self._places[job])

    def _move(self, job: int, state: JobState) -> None:
        self._counts[self._states[job]] -= 1
        self._counts[state] += 1
        self._states[job] = state
        if self._copies is not None and state in _ENDED:
            self._requeue(self._copies.end(job))
