"""Tasks with `for_each` in the loop that runs a program: their copies, what these give, and lists that results give."""

import asyncio
import itertools
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import FakeBackend, failed, program_of, within

from genesis.engine.driver import Driver
from genesis.engine.inputs import list_upstream, resolve_inputs
from genesis.errors import ResourceError
from genesis.ledger import FolderStore, Ledger
from genesis.ledger.control import Control
from genesis.pipeline import amend_program
from genesis.pipeline import program_of as program_of_document
from genesis.planning import plan_document
from genesis.planning.replan import ReplanProposal
from genesis.structure import rename_references
from genesis.testing import a_task

LISTED = a_task("scan", outputs=("files",))


def each(name="lint", values=("a", "b", "c"), *subtasks, **more):
    values = list(values) if isinstance(values, tuple) else values
    return a_task(name, *subtasks, for_each=values, **more)


def gives(**values):
    return [{"state": "completed", "result": values}]


@pytest.fixture
def drive(make):
    """Run a program to its end."""

    async def driven(program, ends=None, *, kept=None, **more):
        session = make(program, **more)
        backend = FakeBackend(ends)
        driver = Driver(session, Control(), backend, kept or {})
        async with within():
            ending = await driver.run()
        return ending, backend, driver, session

    return driven


def by_id(driver):
    return {outcome.id: outcome for outcome in driver.outcomes.values()}


def states(driver):
    return {name: outcome.state for name, outcome in by_id(driver).items()}


def ran(backend):
    return [path for path, _ in backend.runs]


async def test_each_value_has_one_copy_and_the_task_has_the_list_of_their_results_in_order(drive):
    program = program_of(each(), a_task("end", inputs={"all": "{lint.result}"}))
    ends = {f"lint/{place}-{name}": [{"state": "completed", "result": name}] for place, name in enumerate("abc")}
    ending, backend, driver, _ = await drive(program, ends, slots=1)
    assert ending.state == "completed"
    assert sorted(ran(backend)[:3]) == ["lint/0-a", "lint/1-b", "lint/2-c"]
    assert ran(backend)[3:] == ["end"]
    assert by_id(driver)["lint"].result == ["a", "b", "c"]
    end = program.leaves[-1]
    filled = resolve_inputs(end, {}, {0: ["a", "b", "c"]}, {0})
    assert filled == {"all": ["a", "b", "c"]}


async def test_a_promised_output_of_the_copies_is_a_list_with_null_for_those_that_failed():
    program = program_of(each(outputs=("n",)), a_task("end", inputs={"n": "{lint.n}", "t": "n: {lint.n}"}))
    results = [{"n": 1}, None, {"n": [3]}]
    filled = resolve_inputs(program.leaves[-1], {}, {0: results}, {0})
    assert filled == {"n": [1, None, [3]], "t": "n: [1, null, [3]]"}


async def test_a_copy_of_a_composite_gives_what_its_leaves_promise(drive):
    parts = (a_task("make", outputs=("binary",)), a_task("try", after=("make",), outputs=("report",)))
    program = program_of(a_task("build", *parts, for_each=["x", "y"]), a_task("end", inputs={"b": "{build.binary}"}))
    ends = {}
    for copy in ("0-x", "1-y"):
        ends[f"build/{copy}/make"] = gives(binary=f"bin-{copy}")
        ends[f"build/{copy}/try"] = gives(report=f"rep-{copy}")
    ending, _, driver, _ = await drive(program, ends)
    assert ending.state == "completed"
    assert by_id(driver)["build"].result == [
        {"binary": "bin-0-x", "report": "rep-0-x"},
        {"binary": "bin-1-y", "report": "rep-1-y"},
    ]
    assert resolve_inputs(program.leaves[-1], {}, {0: by_id(driver)["build"].result}, {0}) == {
        "b": ["bin-0-x", "bin-1-y"]
    }


async def test_one_failed_copy_fails_the_task_after_the_others_have_run(drive):
    program = program_of(each(), a_task("end", after=("lint",)), agents=("first",))
    ending, backend, driver, _ = await drive(program, {"lint/0-a": [failed("GEN-TASK-EXIT")]}, slots=1)
    assert (ending.state, ending.error.code) == ("failed", "GEN-RUN-FAILED")
    assert {"lint/1-b", "lint/2-c"} <= set(ran(backend))
    assert states(driver)["end"] == "skipped"
    assert by_id(driver)["lint"].error.code == "GEN-TASK-COPIES"
    assert "1 of 3 copies did not finish: 0-a" in by_id(driver)["lint"].error.message


async def test_with_any_one_copy_that_succeeds_is_enough_and_the_run_completes(drive):
    program = program_of(each(on_failure="any"), a_task("end", after=("lint",)), agents=("first",))
    ends = {"lint/0-a": [failed("GEN-TASK-EXIT")], "lint/2-c": [failed("GEN-TASK-EXIT")]}
    ending, _, driver, _ = await drive(program, ends)
    assert (ending.state, ending.error) == ("completed", None)
    assert states(driver) == {
        "lint": "completed",
        "lint/0-a": "failed",
        "lint/1-b": "completed",
        "lint/2-c": "failed",
        "end": "completed",
    }
    assert by_id(driver)["lint"].result == [None, None, None]
    assert "2 of 3 copies did not finish" in by_id(driver)["lint"].note


@pytest.mark.parametrize("on_failure", ["all", "any"])
async def test_a_task_whose_copies_all_failed_has_failed(drive, on_failure):
    program = program_of(each(on_failure=on_failure), agents=("first",))
    ends = {f"lint/{copy}": [failed("GEN-TASK-EXIT")] for copy in ("0-a", "1-b", "2-c")}
    ending, _, driver, _ = await drive(program, ends)
    assert ending.state == "failed"
    assert by_id(driver)["lint"].state == "failed"


async def test_copies_are_skipped_with_their_task_where_what_it_comes_after_failed(drive):
    program = program_of(a_task("first"), each(after=("first",)), a_task("end", after=("lint",)), agents=("first",))
    ending, backend, driver, _ = await drive(program, {"first": [failed("GEN-TASK-EXIT")]})
    assert ending.state == "failed"
    assert ran(backend) == ["first"]
    assert set(states(driver).values()) == {"failed", "skipped"}


async def test_no_value_makes_an_empty_list(drive):
    program = program_of(each(values=()), a_task("end", after=("lint",)))
    ending, backend, driver, _ = await drive(program)
    assert ending.state == "completed"
    assert ran(backend) == ["end"]
    assert by_id(driver)["lint"].result == []


async def test_no_more_copies_run_than_max_parallel_says(drive):
    values = tuple(f"v{number}" for number in range(7))
    ending, backend, _, _ = await drive(program_of(each(values=values, max_parallel=2), at_once=8))
    assert ending.state == "completed"
    assert len(backend.runs) == 7
    assert backend.most_at_once == 2


async def test_a_result_that_is_a_list_makes_the_copies_while_the_plan_runs(drive):
    program = program_of(
        LISTED,
        each(values="{scan.files}", after=("scan",), inputs={"file": "{item.name}", "at": "{index}"}),
        a_task("end", inputs={"all": "{lint.result}"}),
    )
    assert [leaf.path for leaf in program.leaves] == ["scan", "lint", "end"]
    ends = {"scan": gives(files=[{"name": "x"}, {"name": "{scan.files}"}])}
    ending, backend, driver, session = await drive(program, ends)
    assert ending.state == "completed"
    grown = session.program
    assert [leaf.path for leaf in grown.leaves] == ["scan", "lint", "end", "lint/0-x", "lint/1-scan.files"]
    assert [resolve_inputs(leaf, {}, {}) for leaf in grown.leaves[3:]] == [
        {"file": "x", "at": 0},
        {"file": "{scan.files}", "at": 1},
    ]
    assert ran(backend)[0] == "scan"
    assert ran(backend)[-1] == "end"
    assert by_id(driver)["lint"].result == [None, None]
    (amendment,) = await session.ledger.amendments()
    assert (amendment.kind, amendment.task) == ("for_each", "lint")
    assert session.observer.grown == 1


async def test_a_list_that_is_empty_completes_the_task(drive):
    program = program_of(LISTED, each(values="{scan.files}"), a_task("end", after=("lint",)))
    ending, backend, driver, _ = await drive(program, {"scan": gives(files=[])})
    assert ending.state == "completed"
    assert ran(backend) == ["scan", "end"]
    assert by_id(driver)["lint"].result == []


@pytest.mark.parametrize(
    ("files", "inputs", "limits", "said"),
    [
        ("a, b", {}, {}, "{scan.files} is the text 'a, b', not a list"),
        ({"a": 1}, {}, {}, "{scan.files} is a map with 'a', not a list"),
        (None, {}, {}, "{scan.files} is empty, not a list"),
        ([1, 2, 3], {}, {"leaves": 4}, "has 3 values, and the plan has room for 2 more leaves"),
        ([{"a": 1}, {}], {"x": "{item.a}"}, {}, "value 1 of the list has no 'a'"),
        ([None], {"x": "{item.a}"}, {}, "value 0 of the list is no map"),
    ],
)
async def test_a_result_that_cannot_be_used_fails_the_task_and_says_why(drive, files, inputs, limits, said):
    program = program_of(LISTED, each(values="{scan.files}", inputs=inputs), a_task("end", after=("lint",)))
    ending, backend, driver, session = await drive(program, {"scan": gives(files=files)}, limits=limits)
    assert ending.state == "failed"
    assert ran(backend) == ["scan"]
    error = by_id(driver)["lint"].error
    assert error.code == "GEN-TASK-FOR-EACH"
    assert said in error.message
    assert await session.ledger.amendments() == ()


def lists(count, **more):
    """Make tasks whose lists are all known at the same time."""
    tasks = [each(f"do{n}", f"{{scan.files{n}}}", inputs={"x": "{item.a}"}, **more) for n in range(count)]
    return program_of(a_task("scan", outputs=[f"files{n}" for n in range(count)]), *tasks)


@pytest.fixture
def amended(monkeypatch):
    """List how many amendments each validation of the amended plan is about."""
    counts = []

    def counted(program, amendments, *more):
        counts.append(len(amendments))
        return amend_program(program, amendments, *more)

    monkeypatch.setattr("genesis.engine.replanner.amend_program", counted)
    return counts


async def test_lists_that_are_known_together_change_the_plan_together(drive, amended):
    files = {f"files{n}": [{"a": n}] * n for n in range(12)}
    ending, backend, driver, session = await drive(lists(12), {"scan": gives(**files)})
    assert ending.state == "completed"
    assert len(backend.runs) == 1 + sum(range(12))
    assert len(by_id(driver)["do11"].result) == 11
    assert sum(amended) == 12
    assert len(amended) <= 4  # the first one alone, and then all that have become known meanwhile
    assert [each.number for each in await session.ledger.amendments()] == list(range(1, 13))
    assert session.observer.grown == len(amended)


async def test_a_list_that_is_none_fails_its_task_alone(drive, amended):
    files = {"files0": [{"a": 0}], "files1": "none", "files2": [{"a": 0}, {}], "files3": [{"a": 3}]}
    ending, _, driver, session = await drive(lists(4), {"scan": gives(**files)})
    assert ending.state == "failed"
    assert [by_id(driver)[f"do{n}"].state for n in range(4)] == ["completed", "failed", "failed", "completed"]
    assert "is the text 'none', not a list" in by_id(driver)["do1"].error.message
    assert "value 1 of the list has no 'a'" in by_id(driver)["do2"].error.message
    assert [(each.number, each.task) for each in await session.ledger.amendments()] == [(1, "do0"), (2, "do3")]


async def test_a_ledger_that_takes_only_the_first_of_several_lists_has_none_of_them_twice(drive, make, monkeypatch):
    files = {f"files{n}": [{"a": n}] for n in range(4)}
    write, writes = FolderStore.write, itertools.count(1)

    async def fail(store, name, data):
        if "amendments/" in name and next(writes) in (4, 6, 7, 8):
            raise ResourceError("the disk is full")
        await write(store, name, data)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "write", fail)
        ending, *_ = await drive(lists(4, run_if="always"), {"scan": gives(**files)})
    assert ending.state == "failed"
    tasks = [each.task for each in await make(lists(4)).ledger.amendments()]
    assert len(tasks) == len(set(tasks)) == 3


async def test_lists_known_together_share_the_room_for_leaves(drive):
    files = {f"files{n}": [{"a": n}] * 3 for n in range(3)}
    ending, _, driver, _ = await drive(lists(3), {"scan": gives(**files)}, limits={"leaves": 9})
    assert ending.state == "failed"
    assert [by_id(driver)[f"do{n}"].state for n in range(3)] == ["completed", "completed", "failed"]
    assert "has 3 values, and the plan has room for 2 more leaves" in by_id(driver)["do2"].error.message


async def test_a_rehearsed_result_counts_as_one_value(drive):
    program = program_of(LISTED, each(values="{scan.files}"))
    ending, backend, _, _ = await drive(program, {"scan": gives(files="(rehearsed files)")}, rehearse=0.0)
    assert ending.state == "completed"
    assert ran(backend) == ["scan", "lint/0-rehearsed-files"]


async def test_a_list_may_come_from_inside_of_a_copy_and_one_copy_from_another(drive):
    inner = (
        a_task("scan", outputs=("files",)),
        a_task("lint", for_each="{scan.files}", outputs=("n",), inputs={"f": "{item}"}),
        a_task("sum", inputs={"n": "{lint.n}"}, outputs=("total",)),
    )
    program = program_of(a_task("module", *inner, for_each=["x", "y"]), a_task("end", inputs={"t": "{module.total}"}))
    ends = {
        "module/0-x/scan": gives(files=["f1", "f2"]),
        "module/1-y/scan": gives(files=["g1"]),
        "module/0-x/lint/0-f1": gives(n=1),
        "module/0-x/lint/1-f2": gives(n=2),
        "module/1-y/lint/0-g1": gives(n=3),
        "module/0-x/sum": gives(total=3),
        "module/1-y/sum": gives(total=3),
    }
    ending, backend, driver, session = await drive(program, ends)
    assert ending.state == "completed"
    assert len(ran(backend)) == len(set(ran(backend))) == 8
    assert by_id(driver)["module/0-x/lint"].result == [{"n": 1}, {"n": 2}]
    assert [value["total"] for value in by_id(driver)["module"].result] == [3, 3]
    assert {each.task for each in await session.ledger.amendments()} == {"module/0-x/lint", "module/1-y/lint"}


async def test_a_resume_has_the_same_copies_and_runs_none_again(drive, make):
    program = program_of(LISTED, each(values="{scan.files}", inputs={"f": "{item}"}), a_task("end", after=("lint",)))
    ends = {"scan": gives(files=["x", {"k": None}]), "lint/1": [failed("GEN-TASK-EXIT")]}
    program = program.model_copy()
    ending, _, driver, session = await drive(program, ends)
    assert ending.state == "failed"
    amendments = await session.ledger.amendments()
    again = program_of_document(plan_document(program.source), program.registry, session.settings, amendments)
    assert again.leaves == session.program.leaves
    kept = {index: outcome for index, outcome in driver.outcomes.items() if outcome.state == "completed"}
    resumed = make(again)
    resumed.program_state.amendments = amendments
    backend = FakeBackend()
    async with within():
        ending = await Driver(resumed, Control(), backend, kept).run()
    assert ending.state == "completed"
    assert ran(backend) == ["lint/1", "end"]


async def test_a_failed_copy_goes_to_another_agent_like_any_task(drive):
    ending, backend, _, _ = await drive(program_of(each()), {"lint/1-b": [failed(), "completed"]})
    assert ending.state == "completed"
    assert ("lint/1-b", "second") in backend.runs


async def test_a_failed_copy_is_planned_again_with_its_value_in_its_inputs(make, monkeypatch):
    asked = []

    def plan_within(task, *_, references, **__):
        asked.append((task.id, task.description, task.inputs))
        inputs = rename_references(task, references.get, moved=True)["inputs"]
        steps = (a_task("one", type="generic"), a_task("two", after=("one",), inputs=inputs, outputs=task.outputs))
        return ReplanProposal(tasks=steps, level="llm", note="")

    monkeypatch.setattr("genesis.engine.replanner.plan_within", plan_within)
    inputs = {"v": "{item} {{item}} {root}", "whole": "{item}"}
    lint = each(values=("x", "{root} {no}"), description="Lint {item}", inputs=inputs, outputs=("n",))
    program = program_of(lint, a_task("end", inputs={"n": "{lint.n}"}), agents=("first",), vars={"root": "/r"})
    ends = {"lint/1-root-no": [failed()], "again-1/two": gives(n=2), "lint/0-x": gives(n=1)}
    session, backend = make(program, replans=1), FakeBackend(ends)
    driver = Driver(session, Control(), backend, {})
    async with within():
        ending = await driver.run()
    assert ending.state == "completed"
    ((name, description, _),) = asked
    assert (name, description) == ("1-root-no", "Lint {{root}} {no}")
    again = next(leaf for leaf in session.program.leaves if leaf.path == "again-1/two")
    assert resolve_inputs(again, {"root": "/r"}, {}) == {"v": "{root} {no} {item} /r", "whole": "{root} {no}"}
    assert by_id(driver)["lint"].result == [{"n": 1}, {"n": 2}]
    amendments = await session.ledger.amendments()
    known = program_of_document(plan_document(program.source), program.registry, session.settings, amendments)
    assert known.leaves == session.program.leaves


async def test_with_any_what_was_planned_again_in_vain_fails_no_run(make, monkeypatch):
    def plan_within(*_, **__):
        steps = (a_task("one", type="generic"), a_task("two", type="generic"))
        return ReplanProposal(tasks=steps, level="llm", note="")

    monkeypatch.setattr("genesis.engine.replanner.plan_within", plan_within)
    program = program_of(each(on_failure="any"), agents=("first",))
    session = make(program, replans=1)
    backend = FakeBackend({"lint/0-a": [failed()], "again-1/one": [failed("GEN-TASK-EXIT")]})
    driver = Driver(session, Control(), backend, {})
    async with within():
        ending = await driver.run()
    assert states(driver)["again-1/one"] == states(driver)["lint/0-a"] == "failed"
    assert (ending.state, ending.error) == ("completed", None)


async def test_a_run_that_is_cancelled_while_the_list_is_read_makes_no_copies(make):
    program = program_of(LISTED, each(values="{scan.files}"), agents=("first",))
    session, control = make(program), Control()
    started = asyncio.Event()

    async def waits_forever(outcome, read=session.ledger.result):
        started.set()
        await asyncio.Event().wait()
        return await read(outcome)

    session.ledger.result = waits_forever
    driver = Driver(session, control, FakeBackend({"scan": gives(files=["x"])}), {})
    async with within(), asyncio.TaskGroup() as group:
        run = group.create_task(driver.run())
        await started.wait()
        control.cancel()
    assert run.result().state == "cancelled"
    assert states(driver) == {"scan": "completed", "lint": "cancelled"}
    assert await session.ledger.amendments() == ()


async def test_a_list_that_is_larger_than_a_result_may_be_fails_the_task_and_not_the_run_around_it(make):
    program = program_of(each(values=("a", "b")), a_task("other"), a_task("last", after=("other",)), agents=("first",))
    session = make(program)
    session = replace(session, ledger=Ledger(session.ledger.store, "r1", inline_bytes=8, most_bytes=64))
    ends = {f"lint/{copy}": [{"state": "completed", "result": "x" * 50}] for copy in ("0-a", "1-b")}
    driver = Driver(session, Control(), FakeBackend(ends), {})
    async with within():
        ending = await driver.run()
    assert (ending.state, ending.error.code) == ("failed", "GEN-RUN-FAILED")
    assert by_id(driver)["lint"].error.code == "GEN-TASK-RESULT-SIZE"
    assert states(driver)["last"] == "completed"


def test_in_the_graph_of_the_ui_copies_stand_for_the_task_that_gathers_them():
    inner = a_task("file", for_each=["f", "g"])
    program = program_of(a_task("a"), a_task("module", inner, for_each=["x"]), a_task("end", after=("a", "module")))
    found = [program.leaves[index].path for index in list_upstream(program.leaves[-1], program.leaves)]
    assert found == ["a", "module/0-x/file/0-f", "module/0-x/file/1-g"]
