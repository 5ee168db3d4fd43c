"""The scheduler as a state machine: fed with events, it returns the jobs to start. No clock, no I/O, no Prefect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from genesis.schedule.copies import CopyLimits
from genesis.schedule.jobs import ScheduleError, ScheduleJob, ScheduleLimits
from genesis.schedule.network import Network
from genesis.schedule.ready import ReadyQueue

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
    CANCELLED = "cancelled"
    """It was not running when the run was cancelled."""


_NOT_STARTED = (JobState.WAITING, JobState.READY, JobState.HELD)


class Scheduler:
    """Decide which jobs start when, from events alone.

    A driver starts what `take` returns, reports each end by `finish` or `fail`, and calls `take` again, until `done`.
    When nothing runs and `take` returns nothing but the run is not `done`, only `release` or `unblock` continue it.
    Any sequence of calls costs O((jobs + edges) log jobs), plus O(log jobs) for each call and job in a result.

    Args:
        jobs: The jobs in document order; all methods name a job by its index here.
        limits: Slots and per-agent limits.
        priorities: One number a job; the larger starts first, ties by document order.

    Raises:
        ScheduleError: The jobs have a cycle, or the priorities do not fit them.
    """

    __slots__ = (
        "_agents", "_cancelled", "_copies", "_counts", "_dependants", "_early", "_free",
        "_gathers", "_jobs", "_met", "_missing", "_places", "_queue", "_states",
    )  # fmt: skip

    def __init__(self, jobs: Sequence[ScheduleJob], limits: ScheduleLimits, priorities: Sequence[float]) -> None:
        network = Network.of(jobs)
        if len(priorities) != len(jobs) or any(number != number for number in priorities):  # noqa: PLR0124 (NaN)
            raise ScheduleError(
                f"{len(priorities)} priorities for {len(jobs)} jobs", hint="pass one number per job, and no NaN"
            )
        self._dependants = network.dependants
        self._missing = [len(earlier) for earlier in network.after]
        self._early = [job.early for job in jobs]
        self._gathers = {index for index, job in enumerate(jobs) if job.gathers}
        self._met: set[int] = set()
        self._copies = CopyLimits(jobs, limits.parallel, self._is_ready) if limits.parallel else None
        self._states = [JobState.WAITING] * len(jobs)
        self._counts = dict.fromkeys(JobState, 0) | {JobState.WAITING: len(jobs)}
        self._free = limits.slots
        self._cancelled = False
        self._jobs = sorted(range(len(jobs)), key=lambda job: (-priorities[job], job))
        self._places = [0] * len(jobs)
        for place, job in enumerate(self._jobs):
            self._places[job] = place
        self._agents: dict[str | None, int] = {}
        of_place = [self._agents.setdefault(jobs[job].agent, len(self._agents)) for job in self._jobs]
        rooms = [limits.slots if name is None else limits.per_agent.get(name, limits.slots) for name in self._agents]
        self._queue = ReadyQueue(of_place, rooms)
        for job, count in enumerate(self._missing):
            if not count:
                self._make_ready(job)

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
        """Start what may start now: ready jobs, best first, within the slots and the limits of agents and copies.

        Returns:
            The jobs that are now running, in the order of their priorities; empty when nothing can start.
        """
        taken: list[int] = []
        while self._free and (place := self._queue.pop()) is not None:
            job = self._jobs[place]
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
        self._settle(job)

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
        self._pass(job, early=True)

    def fail(self, job: int) -> list[int]:
        """Report that a running or held job failed permanently; everything that depends on it is skipped.

        A job that gathers is not: it becomes ready once all before it have ended, unless all of them were skipped.

        Returns:
            The jobs that are skipped in consequence, each once over the run's whole life, in document order.

        Raises:
            ScheduleError: The job is neither running nor held.
        """
        self._expect(job, "fail", JobState.RUNNING, JobState.HELD)
        if self._states[job] is JobState.RUNNING:
            self._leave_slot(job)
        self._move(job, JobState.FAILED)
        skipped: list[int] = []
        doomed = [job]
        while doomed:
            ended = doomed.pop()
            self._end_copies(ended)
            for later in self._dependants[ended]:
                if later in self._gathers and not self._is_lost(later, ended):
                    continue
                if self._states[later] in _NOT_STARTED:
                    self._move(later, JobState.SKIPPED)
                    skipped.append(later)
                    doomed.append(later)
        return sorted(skipped)

    def _is_lost(self, job: int, ended: int) -> bool:
        """Note that a job before one that gathers has failed or was skipped; True if it was the last, and all were."""
        self._missing[job] -= 1
        if self._states[ended] is JobState.FAILED:
            self._met.add(job)
        if self._missing[job]:
            return False
        if job in self._met and self._states[job] is JobState.WAITING:
            self._make_ready(job)
        return job not in self._met

    def hold(self, job: int) -> None:
        """Hold a job, for an approval or until a retry is due; a running one releases its slot.

        Raises:
            ScheduleError: The job is held already or has ended, or the run is cancelled.
        """
        self._expect(job, "hold", JobState.WAITING, JobState.READY, JobState.RUNNING)
        if self._cancelled:
            raise ScheduleError(
                f"cannot hold job {job}: the run is cancelled", hint="end the job with `finish` or `fail`"
            )
        if self._states[job] is JobState.RUNNING:
            self._leave_slot(job)
        self._queue.discard(self._places[job])
        self._move(job, JobState.HELD)

    def reassign(self, job: int, agent: str, at_once: int) -> None:
        """Assign a held job to another agent.

        Args:
            job: The job.
            agent: The agent's name.
            at_once: The agent's limit of concurrent jobs; used if no job of this run had this agent before.

        Raises:
            ScheduleError: The job is not held.
        """
        self._expect(job, "reassign", JobState.HELD)
        number = self._agents.get(agent)
        if number is None:
            number = self._agents[agent] = self._queue.add_agent(max(1, at_once))
        self._queue.assign(self._places[job], number)

    def ready(self, agent: str) -> list[int]:
        """Return the jobs of an agent that would start if they could, best first.

        Raises:
            ScheduleError: No job has this agent.
        """
        return [self._jobs[place] for place in self._queue.list_queued(self._agent(agent))]

    def release(self, job: int) -> None:
        """Release a held job: it is ready if its predecessors have finished, and keeps its priority.

        Raises:
            ScheduleError: The job is not held.
        """
        self._expect(job, "release", JobState.HELD)
        self._move(job, JobState.WAITING)
        if not self._missing[job]:
            self._make_ready(job)

    def cancel(self) -> list[int]:
        """Start nothing more. Running jobs continue until their end is reported; a second call changes nothing.

        Returns:
            The jobs that are now cancelled, held ones too, in document order.
        """
        self._cancelled = True
        cancelled = [job for job, state in enumerate(self._states) if state in _NOT_STARTED]
        for job in cancelled:
            self._queue.discard(self._places[job])
            self._move(job, JobState.CANCELLED)
        return cancelled

    def restore(self, finished: Iterable[int]) -> None:
        """Take over jobs that finished in an earlier run, in any order; all of them or, on an error, none.

        A job may be restored although one that it comes after was not: it keeps its result, and the other runs again.

        Raises:
            ScheduleError: One of the jobs has started or ended here.
        """
        jobs = sorted(set(finished))
        for job in jobs:
            self._expect(job, "restore", *_NOT_STARTED)
        for job in jobs:
            self._queue.discard(self._places[job])
            self._settle(job)

    def take_over(self, earlier: Scheduler) -> None:
        """Take over the state of a scheduler of the first of these jobs, after jobs or edges were added.

        Args:
            earlier: Its jobs have the same indices and agents here. It is not to be used any more.

        Raises:
            ScheduleError: A job has started or ended here already; or one runs there that may not start here.
        """
        states = list(enumerate(earlier._states))
        self.restore(job for job, state in states if state is JobState.FINISHED)
        for job, state in states:
            if state is JobState.SUSPENDED:
                self.suspend(job)
        for job, state in states:
            if state is JobState.FAILED:
                self.hold(job)
                self.fail(job)
        for job, state in states:
            if state is JobState.RUNNING:
                self._expect(job, "continue with", JobState.READY)
                self._queue.claim(self._places[job])
                self._move(job, JobState.RUNNING)
                self._free -= 1
            elif state is JobState.HELD:
                self.hold(job)
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

    def _settle(self, job: int) -> None:
        was_suspended = self._states[job] is JobState.SUSPENDED
        self._move(job, JobState.FINISHED)
        if not was_suspended:
            self._pass(job, early=True)
        self._end_copies(job)
        self._pass(job, early=False)

    def _pass(self, job: int, *, early: bool) -> None:
        """Let the dependants of one kind wait for this job no more."""
        for later in self._dependants[job]:
            if self._early[later] is not early:
                continue
            self._missing[later] -= 1
            if later in self._gathers:
                self._met.add(later)
            if not self._missing[later] and self._states[later] is JobState.WAITING:
                self._make_ready(later)

    def _end_copies(self, job: int) -> None:
        """Let others run in place of the copies that end with a job."""
        if self._copies is not None:
            self._requeue(self._copies.end(job))

    def _requeue(self, jobs: Iterable[int]) -> None:
        """Let jobs wait for their turn again whose copies may run now."""
        for job in jobs:
            if self._states[job] is JobState.READY:
                self._queue.push(self._places[job])

    def _is_ready(self, job: int) -> bool:
        return self._states[job] is JobState.READY

    def _make_ready(self, job: int) -> None:
        self._move(job, JobState.READY)
        self._queue.push(self._places[job])

    def _leave_slot(self, job: int) -> None:
        self._free += 1
        self._queue.leave(self._places[job])

    def _move(self, job: int, state: JobState) -> None:
        self._counts[self._states[job]] -= 1
        self._counts[state] += 1
        self._states[job] = state
