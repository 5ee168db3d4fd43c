import pytest

from genesis.schedule import JobState, ScheduleError, ScheduleJob, ScheduleLimits, Scheduler

DIAMOND = [ScheduleJob(1), ScheduleJob(1, (0,)), ScheduleJob(1, (0,)), ScheduleJob(1, (1, 2))]


def scheduler_of(jobs, limits=None, priorities=None):
    return Scheduler(jobs, limits or ScheduleLimits(16), priorities or [0] * len(jobs))


def states(scheduler, count):
    return [scheduler.state(job).value for job in range(count)]


def test_run_without_jobs_is_done():
    assert scheduler_of([]).done


def test_jobs_become_ready_when_the_last_of_what_they_wait_for_finishes():
    scheduler = scheduler_of(DIAMOND)
    assert scheduler.take() == [0]
    scheduler.finish(0)
    assert scheduler.take() == [1, 2]
    scheduler.finish(2)
    assert scheduler.take() == []
    scheduler.finish(1)
    assert scheduler.take() == [3]
    assert not scheduler.done
    scheduler.finish(3)
    assert scheduler.done


def test_larger_priority_starts_first_and_ties_go_by_document_order():
    assert scheduler_of([ScheduleJob(1)] * 4, ScheduleLimits(3), [0, 5, 0, 7.5]).take() == [3, 1, 0]


def test_slots_are_not_exceeded_and_come_back():
    scheduler = scheduler_of([ScheduleJob(1)] * 3, ScheduleLimits(2))
    assert scheduler.take() == [0, 1]
    assert scheduler.take() == []
    scheduler.finish(0)
    assert scheduler.take() == [2]


def test_agent_at_its_limit_does_not_block_another():
    jobs = [ScheduleJob(1, agent="a"), ScheduleJob(1, agent="a"), ScheduleJob(1, agent="b"), ScheduleJob(1)]
    scheduler = scheduler_of(jobs, ScheduleLimits(4, {"a": 1}))
    assert scheduler.take() == [0, 2, 3]
    scheduler.finish(0)
    assert scheduler.take() == [1]


def test_counts_follow_the_states():
    scheduler = scheduler_of(DIAMOND)
    scheduler.take()
    scheduler.hold(3)
    assert (scheduler.running, scheduler.pending, scheduler.held) == (1, 3, 1)
    scheduler.fail(0)
    assert (scheduler.running, scheduler.pending, scheduler.held) == (0, 0, 0)


def test_failure_skips_every_dependant_once_in_document_order_and_nothing_else():
    jobs = [ScheduleJob(1, (4,)), ScheduleJob(1), ScheduleJob(1, (4, 0)), ScheduleJob(1, (1,)), ScheduleJob(1)]
    scheduler = scheduler_of(jobs)
    assert scheduler.take() == [1, 4]
    scheduler.fail(4)
    assert scheduler.take_left_out() == [0, 2]
    scheduler.finish(1)
    assert scheduler.take() == [3]
    scheduler.finish(3)
    assert states(scheduler, 5) == ["skipped", "finished", "skipped", "finished", "failed"]
    assert scheduler.done


def test_dependant_of_two_failures_is_skipped_by_the_first_alone():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1), ScheduleJob(1, (0, 1))])
    scheduler.take()
    scheduler.fail(1)
    assert scheduler.take_left_out() == [2]
    scheduler.fail(0)
    assert scheduler.take_left_out() == []


def test_failure_at_the_head_of_a_chain_of_50000_needs_no_recursion():
    scheduler = scheduler_of([ScheduleJob(1, (index - 1,) if index else ()) for index in range(50_000)])
    scheduler.take()
    scheduler.fail(0)
    assert scheduler.take_left_out() == list(range(1, 50_000))


def test_failed_job_gives_its_slot_back():
    scheduler = scheduler_of([ScheduleJob(1, agent="a")] * 2, ScheduleLimits(1, {"a": 1}))
    scheduler.fail(scheduler.take()[0])
    assert scheduler.take() == [1]


def test_running_job_that_is_held_gives_slot_and_agent_back_and_runs_again_after_release():
    scheduler = scheduler_of([ScheduleJob(1, agent="a"), ScheduleJob(1, agent="a")], ScheduleLimits(1, {"a": 1}))
    assert scheduler.take() == [0]
    scheduler.hold(0)
    assert scheduler.take() == [1]
    scheduler.release(0)
    assert scheduler.take() == []
    scheduler.finish(1)
    assert scheduler.take() == [0]


def test_ready_job_that_is_held_lets_the_next_start():
    scheduler = scheduler_of([ScheduleJob(1, agent="a")] * 2, ScheduleLimits(1, {"a": 1}))
    scheduler.hold(0)
    assert scheduler.take() == [1]


def test_waiting_job_that_is_held_stays_back_although_it_could_start():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1, (0,))])
    scheduler.hold(1)
    scheduler.take()
    scheduler.finish(0)
    assert scheduler.take() == []
    assert not scheduler.done
    scheduler.release(1)
    assert scheduler.take() == [1]


def test_released_job_still_waits_for_what_it_comes_after():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1, (0,))])
    scheduler.hold(1)
    scheduler.release(1)
    assert scheduler.take() == [0]
    assert scheduler.state(1) is JobState.WAITING


def test_held_job_is_skipped_with_the_rest_and_can_fail_itself():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1, (0,)), ScheduleJob(1), ScheduleJob(1, (2,))])
    scheduler.hold(1)
    scheduler.hold(2)
    assert scheduler.take() == [0]
    scheduler.fail(0)
    assert scheduler.take_left_out() == [1]
    scheduler.fail(2)
    assert scheduler.take_left_out() == [3]
    assert scheduler.done


def test_cancel_gives_all_that_does_not_run_and_lets_the_running_end():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1), ScheduleJob(1, (0,)), ScheduleJob(1)], ScheduleLimits(1))
    scheduler.take()
    scheduler.hold(3)
    assert scheduler.cancel() == [1, 2, 3]
    assert not scheduler.done
    scheduler.finish(0)
    assert scheduler.take() == []
    assert scheduler.done
    assert states(scheduler, 4) == ["finished", "cancelled", "cancelled", "cancelled"]


def test_second_cancel_changes_nothing_and_a_failure_after_it_skips_nothing():
    scheduler = scheduler_of(DIAMOND)
    scheduler.take()
    scheduler.cancel()
    assert scheduler.cancel() == []
    scheduler.fail(0)
    assert scheduler.take_left_out() == []


def test_hold_after_cancel_is_refused_since_nothing_would_release_it():
    scheduler = scheduler_of([ScheduleJob(1)])
    scheduler.take()
    scheduler.cancel()
    with pytest.raises(ScheduleError, match="cannot hold job 0: the run is cancelled"):
        scheduler.hold(0)


def test_restored_jobs_do_not_run_again_and_free_their_dependants():
    scheduler = scheduler_of(DIAMOND)
    scheduler.restore([2, 0, 2])
    assert scheduler.take() == [1]
    scheduler.finish(1)
    assert scheduler.take() == [3]


def test_everything_restored_is_done_at_once():
    scheduler = scheduler_of(DIAMOND)
    scheduler.restore(range(4))
    assert scheduler.done
    assert scheduler.take() == []


def test_job_restored_before_what_it_waits_for_survives_the_failure_of_that():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1, (0,)), ScheduleJob(1, (1,)), ScheduleJob(1, (0,))])
    scheduler.restore([1])
    assert scheduler.take() == [0, 2]
    scheduler.fail(0)
    assert scheduler.take_left_out() == [3]
    scheduler.finish(2)
    assert states(scheduler, 4) == ["failed", "finished", "finished", "skipped"]


def test_restore_takes_all_or_nothing():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1)], ScheduleLimits(1), [1, 2])
    assert scheduler.take() == [1]
    with pytest.raises(ScheduleError, match="cannot restore job 1: it is running"):
        scheduler.restore([0, 1])
    assert scheduler.state(0) is JobState.READY


def test_blocked_agent_starts_nothing_while_others_go_on():
    scheduler = scheduler_of([ScheduleJob(1, agent="a"), ScheduleJob(1, agent="b")])
    scheduler.block("a")
    assert scheduler.take() == [1]
    scheduler.unblock("a")
    assert scheduler.take() == [0]


def test_unknown_agent_cannot_be_blocked():
    scheduler = scheduler_of([ScheduleJob(1, agent="a")])
    for step in (scheduler.block, scheduler.unblock):
        with pytest.raises(ScheduleError, match="no job has the agent 'b'"):
            step("b")


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("finish", "cannot finish job 1: it is ready"),
        ("fail", "cannot fail job 1: it is ready"),
        ("release", "cannot release job 1: it is ready"),
    ],
)
def test_step_that_the_state_does_not_allow_is_refused(verb, message):
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1)], ScheduleLimits(1))
    scheduler.take()
    with pytest.raises(ScheduleError, match=message):
        getattr(scheduler, verb)(1)


@pytest.mark.parametrize("verb", ["finish", "fail", "hold", "release"])
def test_job_ends_once(verb):
    scheduler = scheduler_of([ScheduleJob(1)])
    scheduler.take()
    scheduler.finish(0)
    with pytest.raises(ScheduleError, match=f"cannot {verb} job 0: it is finished"):
        getattr(scheduler, verb)(0)


def test_held_job_cannot_be_held_again_and_can_finish():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1, (0,))], ScheduleLimits(1))
    scheduler.take()
    scheduler.hold(0)
    with pytest.raises(ScheduleError, match="cannot hold job 0: it is held"):
        scheduler.hold(0)
    scheduler.finish(0)
    assert scheduler.take() == [1]


def test_a_scheduler_of_more_jobs_goes_on_from_where_the_earlier_one_stands():
    limits = ScheduleLimits(3, {"a": 2})
    jobs = [
        ScheduleJob(1, agent="a"),
        ScheduleJob(1, agent="a"),
        ScheduleJob(1, (0,), "a"),
        ScheduleJob(1, (1,), "b"),
        ScheduleJob(1, agent="b"),
        ScheduleJob(1, (4,)),
    ]
    earlier = scheduler_of(jobs, limits)
    assert earlier.take() == [0, 1, 4]
    earlier.finish(0)
    earlier.hold(1)
    earlier.fail(4)
    earlier.block("b")
    grown = [*jobs, ScheduleJob(1, agent="a"), ScheduleJob(1, (6,), "a")]
    grown[1] = ScheduleJob(0, (7,))
    later = scheduler_of(grown, limits)
    later.take_over(earlier)
    assert states(later, 8) == ["finished", "held", "ready", "waiting", "failed", "skipped", "ready", "waiting"]
    later.release(1)
    assert later.take() == [2, 6]
    assert later.take() == []
    later.finish(2)
    later.finish(6)
    assert later.take() == [7]
    later.finish(7)
    assert later.take() == [1]
    later.finish(1)
    assert later.take() == []  # b is still blocked
    later.unblock("b")
    assert later.take() == [3]
    later.finish(3)
    assert later.done


def test_slots_and_places_of_what_runs_are_taken_over():
    jobs = [ScheduleJob(1, agent="a"), ScheduleJob(1, agent="a"), ScheduleJob(1, agent="b")]
    limits = ScheduleLimits(2, {"a": 1})
    earlier = scheduler_of(jobs, limits)
    assert earlier.take() == [0, 2]
    later = scheduler_of([*jobs, ScheduleJob(1, agent="a")], limits)
    later.take_over(earlier)
    assert later.take() == []
    later.finish(2)
    assert later.take() == []  # its agent has no place left
    later.finish(0)
    assert later.take() == [1]
    assert later.running == 1


@pytest.mark.parametrize("job", [-1, 2])
def test_job_that_does_not_exist_is_refused(job):
    with pytest.raises(ScheduleError, match=f"there is no job {job}"):
        scheduler_of([ScheduleJob(1), ScheduleJob(1)]).finish(job)


@pytest.mark.parametrize("priorities", [[1], [1, 2, 3], [1, float("nan")]])
def test_priorities_must_be_one_number_a_job(priorities):
    with pytest.raises(ScheduleError, match="priorities for 2 jobs"):
        Scheduler([ScheduleJob(1), ScheduleJob(1)], ScheduleLimits(1), priorities)


def test_circle_is_refused():
    with pytest.raises(ScheduleError, match="circle"):
        scheduler_of([ScheduleJob(1, (1,)), ScheduleJob(1, (0,))])


def test_suspended_job_gives_its_slot_back_and_only_early_jobs_go_on():
    jobs = [ScheduleJob(1), ScheduleJob(1, (0,)), ScheduleJob(1, (0,), early=True), ScheduleJob(1, (1,), early=True)]
    scheduler = scheduler_of(jobs, ScheduleLimits(1))
    assert scheduler.take() == [0]
    scheduler.suspend(0)
    assert scheduler.take() == [2]
    scheduler.finish(2)
    assert scheduler.done
    assert (scheduler.suspended, scheduler.state(1), scheduler.state(3)) == (1, JobState.WAITING, JobState.WAITING)
    scheduler.finish(0)
    assert not scheduler.done
    assert scheduler.take() == [1]


def test_job_that_waits_for_two_suspended_jobs_starts_after_the_second():
    scheduler = scheduler_of(
        [ScheduleJob(1), ScheduleJob(1), ScheduleJob(1, (0, 1)), ScheduleJob(1, (0, 1), early=True)]
    )
    assert scheduler.take() == [0, 1]
    scheduler.suspend(0)
    assert scheduler.take() == []
    scheduler.suspend(1)
    assert scheduler.take() == [3]
    scheduler.finish(0)
    assert scheduler.take() == []
    scheduler.finish(1)
    assert scheduler.take() == [2]


def test_failure_skips_what_waits_for_a_suspended_job_too():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1), ScheduleJob(1, (0, 1))])
    scheduler.take()
    scheduler.suspend(0)
    scheduler.fail(1)
    assert scheduler.take_left_out() == [2]
    assert scheduler.done


def test_cancel_leaves_suspended_jobs_as_they_are():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1, (0,))])
    scheduler.take()
    scheduler.suspend(0)
    assert scheduler.cancel() == [1]
    assert scheduler.state(0) is JobState.SUSPENDED


def test_job_is_suspended_before_it_ran_as_on_a_resume():
    scheduler = scheduler_of([ScheduleJob(1), ScheduleJob(1, (0,)), ScheduleJob(1, (0,), early=True)])
    scheduler.restore([2])
    scheduler.suspend(0)
    assert scheduler.done
    assert scheduler.take() == []


def test_suspended_jobs_are_taken_over_with_what_runs_because_of_them():
    jobs = [ScheduleJob(1), ScheduleJob(1, (0,), early=True), ScheduleJob(1, (0,))]
    earlier = scheduler_of(jobs)
    earlier.take()
    earlier.suspend(0)
    assert earlier.take() == [1]
    later = scheduler_of([*jobs, ScheduleJob(1)])
    later.take_over(earlier)
    assert states(later, 4) == [JobState.SUSPENDED, JobState.RUNNING, JobState.WAITING, JobState.READY]


def test_ended_job_cannot_be_suspended():
    scheduler = scheduler_of([ScheduleJob(1)])
    scheduler.take()
    scheduler.finish(0)
    with pytest.raises(ScheduleError, match="cannot suspend job 0: it is finished"):
        scheduler.suspend(0)


def test_in_a_composite_that_its_rule_left_out_nothing_is_skipped_for_a_failure():
    jobs = [
        ScheduleJob(1.0),
        ScheduleJob(1.0, run_if="any_failed"),
        ScheduleJob(1.0, (0, 3), within=3),
        ScheduleJob(0.0, (1,), kind="start"),
        ScheduleJob(0.0, (2, 3), kind="end", within=3),
    ]
    scheduler = Scheduler(jobs, ScheduleLimits(1), [0.0] * len(jobs))
    assert scheduler.take() == [0]
    scheduler.fail(0)
    assert scheduler.state(2) is JobState.NOT_MET
