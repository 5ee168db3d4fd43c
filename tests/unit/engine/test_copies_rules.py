"""Tasks with `for_each` and other keys: rules and conditions of the task and of its copies, retries, environment."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import HANGS, FakeBackend, failed, program_of, within

from genesis.engine.driver import Driver
from genesis.engine.inputs import resolve_env, resolve_inputs
from genesis.ledger import find_kept
from genesis.ledger.control import Control
from genesis.pipeline import program_of as program_of_document
from genesis.planning import plan_document
from genesis.testing import a_task

BROKEN = [failed("GEN-TASK-EXIT")]
LIST_PARAM = {"names": {"type": "array", "default": ["a", "b"]}}


@pytest.fixture
def drive(make):
    """Run a program to its end."""

    async def driven(program, ends=None, *, kept=None, **more):
        session, backend = make(program, **more), FakeBackend(ends)
        driver = Driver(session, Control(), backend, kept or {})
        async with within():
            ending = await driver.run()
        return ending, backend, driver, session

    return driven


def states(driver):
    return {outcome.id: outcome.state for outcome in driver.outcomes.values()}


def ran(backend):
    return [path for path, _ in backend.runs]


def results(**by_path):
    return {path: [{"state": "completed", "result": result}] for path, result in by_path.items()}


@pytest.mark.parametrize("composite", [False, True])
@pytest.mark.parametrize(("mode", "runs"), [("dev", False), ("prod", True)])
async def test_a_condition_of_the_task_is_about_all_copies_at_once(drive, composite, mode, runs):
    parts = [a_task("x"), a_task("y", after=("x",))] if composite else []
    program = program_of(
        a_task("lint", *parts, for_each=["a", "b"], when="{mode} == 'prod'"),
        a_task("after", after=("lint",)),
        a_task("always", after=("lint",), run_if="all_done"),
        vars={"mode": mode},
    )
    ending, backend, driver, _ = await drive(program)
    assert ending.state == "completed"
    assert states(driver)["lint"] == ("completed" if runs else "skipped")
    assert len(ran(backend)) == ((4 if composite else 2) + 2 if runs else 1)
    if not runs:
        assert {outcome.skipped_by for outcome in driver.outcomes.values() if outcome.id != "always"} == {
            "when of 'lint': {mode} == 'prod'",
            "run_if: all_succeeded",
        }


async def test_a_condition_inside_of_a_copy_has_the_value_of_that_copy(drive):
    parts = (
        a_task("build", outputs=("image",)),
        a_task("ship", after=("build",), when="{item.ship} and {index} < 2 and {build.image} != ''"),
    )
    values = [{"n": "x", "ship": True}, {"n": "y", "ship": False}, {"n": "z", "ship": True}]
    program = program_of(a_task("each", *parts, for_each=values), a_task("end", after=("each",)))
    ends = {f"each/{copy}/build": results(b={"image": copy})["b"] for copy in ("0-x-true", "1-y-false", "2-z-true")}
    ending, backend, driver, _ = await drive(program, ends)
    assert ending.state == "completed"
    shipped = [path for path in ran(backend) if path.endswith("/ship")]
    assert len(shipped) == 1
    assert shipped[0].startswith("each/0-x")
    assert [path for path, state in states(driver).items() if state == "skipped"] == [
        leaf.path for leaf in program.leaves if leaf.path.endswith("/ship") and leaf.path not in shipped
    ]
    assert states(driver)["end"] == "completed"


async def test_a_copy_in_which_nothing_runs_has_null_in_the_list(drive):
    part = a_task("one", when="{item} > 1", outputs=("n",))
    program = program_of(a_task("each", part, for_each=[1, 2]), a_task("end", inputs={"n": "{each.n}"}))
    ending, _, driver, _ = await drive(program, results(**{"each/1-2/one": {"n": 2}}))
    assert ending.state == "completed"
    gathered = next(outcome.result for outcome in driver.outcomes.values() if outcome.id == "each")
    assert resolve_inputs(program.leaves[-1], {}, {0: gathered}, {0}) == {"n": [None, 2]}


@pytest.mark.parametrize("by_input", [False, True])
async def test_a_rule_of_the_task_decides_about_all_copies_whether_it_names_what_is_before_or_uses_its_result(
    drive, by_input
):
    before = {"inputs": {"x": "{first.out}"}} if by_input else {"after": ("first",)}
    first = a_task("first", outputs=("out",))
    rescue = a_task("rescue", for_each=["a", "b"], run_if="any_failed", **before)
    ending, backend, driver, _ = await drive(program_of(first, rescue), {"first": BROKEN})
    assert sorted(ran(backend)[1:]) == ["rescue/0-a", "rescue/1-b"]
    assert states(driver)["rescue"] == "completed"
    assert ending.state == "failed"
    ends = {"first": [{"state": "completed", "result": {"out": 1}}]}
    ending, backend, driver, _ = await drive(program_of(first, rescue), ends)
    assert ran(backend) == ["first"]
    assert states(driver)["rescue"] == states(driver)["rescue/0-a"] == "skipped"
    assert ending.state == "completed"


async def test_copies_are_skipped_with_their_task_where_the_result_that_they_use_is_missing(drive):
    program = program_of(a_task("first", outputs=("out",)), a_task("t", for_each=[1, 2], inputs={"x": "{first.out}"}))
    _, _, driver, _ = await drive(program, {"first": BROKEN})
    assert states(driver) == {"first": "failed", "t": "skipped", "t/0-1": "skipped", "t/1-2": "skipped"}


async def test_an_allowed_failure_of_the_task_is_one_of_any_copy_and_what_comes_after_it_runs(drive):
    program = program_of(
        a_task("lint", for_each=["a", "b"], allow_failure=True, outputs=("n",)),
        a_task("end", inputs={"n": "{lint.n}"}),
        agents=("first",),
    )
    ending, backend, driver, _ = await drive(program, {"lint/0-a": BROKEN, **results(**{"lint/1-b": {"n": 1}})})
    assert ending.state == "completed"
    assert ran(backend)[-1] == "end"
    assert states(driver)["lint"] == "failed"
    assert next(each for each in driver.outcomes.values() if each.id == "lint").error.code == "GEN-TASK-COPIES"


async def test_an_allowed_failure_inside_of_a_copy_does_not_fail_the_copy(drive):
    parts = (a_task("try", allow_failure=True, outputs=("x",)), a_task("then", after=("try",), outputs=("y",)))
    program = program_of(a_task("each", *parts, for_each=["a", "b"]), agents=("first",))
    ends = {"each/0-a/try": BROKEN, **results(**{"each/0-a/then": {"y": 1}, "each/1-b/try": {"x": 2}})}
    ends |= results(**{"each/1-b/then": {"y": 3}})
    ending, _, driver, _ = await drive(program, ends)
    assert ending.state == "completed"
    gathered = next(outcome for outcome in driver.outcomes.values() if outcome.id == "each")
    assert gathered.result == [{"x": None, "y": 1}, {"x": 2, "y": 3}]


async def test_with_any_and_a_rule_around_it_the_failed_copies_do_not_fail_the_run(drive):
    program = program_of(
        a_task("all", a_task("lint", for_each=["a", "b"], on_failure="any"), allow_failure=False, when="{on} == '1'"),
        a_task("end", after=("all",)),
        agents=("first",),
        vars={"on": "1"},
    )
    ending, backend, driver, _ = await drive(program, {"all/lint/0-a": BROKEN})
    assert ending.state == "completed"
    assert states(driver)["all/lint"] == "completed"
    assert ran(backend)[-1] == "end"


async def test_a_list_from_a_result_waits_for_the_condition_of_its_task_and_its_copies_have_theirs(drive):
    scan = a_task("scan", outputs=("files", "go"))
    inner = a_task("one", when="{item} != 'skip'")
    each = a_task("each", inner, for_each="{scan.files}", after=("scan",), when="{scan.go}")
    clean = a_task("clean", after=("each",), run_if="all_done")
    ends = results(scan={"files": ["x", "skip"], "go": True})
    ending, backend, driver, session = await drive(program_of(scan, each, clean), ends)
    assert ending.state == "completed"
    assert ran(backend) == ["scan", "each/0-x/one", "clean"]
    assert states(driver)["each/1-skip/one"] == "skipped"
    assert len(await session.ledger.amendments()) == 1


async def test_a_list_from_a_result_makes_no_copies_where_the_condition_is_false(drive):
    scan = a_task("scan", outputs=("files", "go"))
    each = a_task("each", for_each="{scan.files}", after=("scan",), when="{scan.go}")
    ending, backend, driver, session = await drive(program_of(scan, each), results(scan={"files": ["x"], "go": False}))
    assert ending.state == "completed"
    assert ran(backend) == ["scan"]
    assert states(driver)["each"] == "skipped"
    assert await session.ledger.amendments() == ()


async def test_a_list_of_a_task_that_failed_and_may_is_none(drive):
    scan = a_task("scan", outputs=("files",), allow_failure=True)
    each = a_task("each", for_each="{scan.files}", after=("scan",))
    ending, _, driver, _ = await drive(program_of(scan, each, agents=("first",)), {"scan": BROKEN})
    assert ending.state == "failed"
    error = next(outcome.error for outcome in driver.outcomes.values() if outcome.id == "each")
    assert (error.code, "is empty, not a list" in error.message) == ("GEN-TASK-FOR-EACH", True)


async def test_gates_of_copies_from_several_results_keep_their_places_as_the_plan_grows(drive):
    scan = (a_task("scan1", outputs=("f",)), a_task("scan2", outputs=("f",), after=("one",)))
    one = a_task("one", a_task("x", when="{item} > 0"), for_each="{scan1.f}")
    two = a_task(
        "two", a_task("x", when="{item} > 0"), a_task("y", after=("x",), run_if="all_done"), for_each="{scan2.f}"
    )
    last = a_task("last", a_task("z"), after=("two",), when="len({two.result}) == 2")
    ends = results(scan1={"f": [1, 0]}, scan2={"f": [0, 5]})
    ending, backend, driver, session = await drive(program_of(two, last, *scan, one), ends)
    assert ending.state == "completed"
    assert sorted(ran(backend)) == ["last/z", "one/0-1/x", "scan1", "scan2", "two/0-0/y", "two/1-5/x", "two/1-5/y"]
    assert states(driver)["one/1-0/x"] == states(driver)["two/0-0/x"] == "skipped"
    again = program_of_document(
        plan_document(session.program.source),
        session.program.registry,
        session.settings,
        await session.ledger.amendments(),
    )
    assert again.gates == session.program.gates


async def test_copies_of_a_task_that_always_runs_do_so_after_the_run_was_cancelled(make):
    scan = a_task("scan", outputs=("f",))
    clean = a_task("clean", for_each="{scan.f}", after=("scan", "long"), run_if="always")
    program = program_of(scan, a_task("long"), clean, a_task("other", after=("long",)))
    session, control = make(program), Control()
    backend = FakeBackend({**results(scan={"f": ["x", "y"]}), "long": [HANGS]})
    driver = Driver(session, control, backend, {})
    async with within(), asyncio.TaskGroup() as group:
        run = group.create_task(driver.run())
        while len(driver.outcomes) < 1:
            await asyncio.sleep(0)
        control.cancel()
    assert run.result().state == "cancelled"
    assert sorted(ran(backend)[2:]) == ["clean/0-x", "clean/1-y"]
    assert states(driver)["clean"] == "completed"
    assert states(driver)["other"] == "cancelled"


async def test_a_resume_gathers_again_where_a_copy_that_failed_is_tried_again(drive, make):
    program = program_of(
        a_task("lint", for_each=["a", "b"], on_failure="any"), a_task("end", after=("lint",)), agents=("first",)
    )
    ends = {"lint/0-a": BROKEN, "end": BROKEN}
    ending, _, driver, _ = await drive(program, ends)
    assert ending.state == "failed"
    kept = find_kept(program.leaves, driver.outcomes)
    assert [program.leaves[index].path for index in kept] == ["lint/1-b"]
    ending, backend, driver, _ = await drive(program, results(**{"lint/0-a": 1}), kept=dict(kept))
    assert ending.state == "completed"
    assert ran(backend) == ["lint/0-a", "end"]


async def test_a_parameter_that_is_a_list_has_its_values_as_copies(drive):
    program = program_of(a_task("lint", for_each="{names}", inputs={"i": "{item}"}), params=LIST_PARAM)
    ending, backend, _, _ = await drive(program)
    assert ending.state == "completed"
    assert sorted(ran(backend)) == ["lint/0-a", "lint/1-b"]


async def test_a_parameter_that_is_a_list_is_one_of_the_lists_beside_a_result(drive):
    scan = a_task("scan", outputs=("f",))
    lists = {"name": "{names}", "file": "{scan.f}"}
    program = program_of(scan, a_task("lint", for_each=lists, after=("scan",)), params=LIST_PARAM)
    ending, backend, _, _ = await drive(program, results(scan={"f": ["x"]}))
    assert ending.state == "completed"
    assert sorted(ran(backend)[1:]) == ["lint/0-a-x", "lint/1-b-x"]


def test_copies_have_the_retries_the_environment_and_the_schemas_of_their_task():
    task = a_task(
        "lint",
        for_each=["a", "{year}"],
        retry={"times": 3, "delay_s": 2},
        env={"NAME": "{item} {year} {scan.x}", "AT": "{index}"},
        outputs={"n": {"type": "integer"}},
        description="Lint {item} of {year} {{year}}",
    )
    program = program_of(a_task("scan", outputs=("x",)), task, vars={"year": "2026"})
    copies = program.leaves[2:]
    assert {(leaf.retries, leaf.retry.delay_s) for leaf in copies} == {(3, 2.0)}
    assert {tuple(leaf.schemas) for leaf in copies} == {("n",)}
    assert [leaf.description for leaf in copies] == ["Lint a of 2026 {year}", "Lint {year} of 2026 {year}"]
    envs = [resolve_env(leaf, program.values, {0: {"x": "{item}"}}) for leaf in copies]
    assert envs == [{"NAME": "a 2026 {item}", "AT": "0"}, {"NAME": "{year} 2026 {item}", "AT": "1"}]
    gather = program.leaves[1]
    assert (gather.outputs, gather.schemas, gather.retry) == (("n",), {}, None)
    assert len({leaf.fingerprint for leaf in copies}) == 2
