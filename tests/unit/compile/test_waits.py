"""Tasks that wait in a program: leaves without an agent."""

from datetime import UTC, datetime

import pytest

from genesis.compile import compile_program
from genesis.errors import PlanInvalidError
from genesis.pipeline import simulate
from genesis.routing import route
from genesis.testing import a_plan, a_program, a_task, an_agent, route_to

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_a_task_that_waits_is_not_routed_and_becomes_a_leaf_without_an_agent():
    plan = a_plan(a_task("wait", wait_for={"event": "x"}, timeout_s=60.0, outputs=["payload"]), a_task("do"))
    registry = route_to(plan, an_agent(task_types=["generic"]))[1]
    routed = route(plan, registry)
    assert [*routed.routes] == ["do"]
    wait, do = compile_program(routed, registry).leaves
    assert (wait.agent, wait.timeout_s, wait.outputs, wait.wait_for.event) == ("", 60.0, ("payload",), "x")
    assert (do.agent, do.wait_for) == ("worker", None)


def test_a_fingerprint_changes_with_what_is_waited_for_and_with_nothing_else():
    def prints(wait_for, *, variables=(), **more):
        return a_program(a_task("wait", wait_for=wait_for, **more), vars=dict(variables)).leaves[0].fingerprint

    one = prints({"event": "{kind}"}, variables={"kind": "a"})
    assert one == prints({"event": "{kind}"}, variables={"kind": "a", "other": "b"}, timeout_s=9.0)
    others = {prints({"event": "{kind}"}, variables={"kind": "b"}), prints({"event": "a"}), prints({"run": "a"})}
    assert len({one, *others}) == 4


def test_copies_have_the_values_that_their_waits_use():
    program = a_program(a_task("wait", wait_for={"run": "{item.id}"}, for_each=[{"id": "a"}, {"id": "b"}]))
    gathers, *copies = program.leaves
    assert (gathers.gathers, gathers.wait_for) == ("all", None)
    assert [copy.items for copy in copies] == [{"item.id": "a"}, {"item.id": "b"}]
    assert len({copy.fingerprint for copy in copies}) == 2


@pytest.mark.parametrize("params", [{}, {"pause": {"type": "number", "default": 90}}])
def test_a_simulation_counts_the_seconds_of_a_wait(params):
    time = "{pause}" if params else 90
    program = a_program(a_task("wait", wait_for={"time": time}), a_task("do", after=("wait",)), params=params)
    found = simulate(program)
    assert (found.makespan_s, found.total_work_s, found.cost_usd) == (91, 1, 0)
    assert program.leaves[0].seconds_known


def test_a_simulation_counts_the_time_until_a_moment_from_now():
    tasks = a_task("wait", wait_for={"time": "2026-12-01T13:00:30+01:00"}), a_task("do", after=("wait",))
    assert simulate(a_program(*tasks), now=NOW).makespan_s == 31
    assert simulate(a_program(*tasks)).makespan_s == 2


def test_a_time_that_is_none_is_refused():
    with pytest.raises(PlanInvalidError, match="`wait_for` of task 'wait': 'soon' is not a number of seconds"):
        a_program(a_task("wait", wait_for={"time": "soon"}))
