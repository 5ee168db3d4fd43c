"""Plan files that tasks use: what is put in their place, and what is refused."""

import os

import pytest

from genesis.compile import compile_program
from genesis.document import dump_yaml
from genesis.errors import DocumentError, GenesisError, SecurityError
from genesis.model import Task
from genesis.planning import load_plan, plan_document
from genesis.routing import load_registry, route
from genesis.settings import Limits
from genesis.structure import outline, plan_values
from genesis.testing import route_to
from genesis.validation import validate

BUILD = {
    "request": "Build",
    "params": {"target": {}, "level": {"type": "integer", "minimum": 0, "default": 1}},
    "vars": {"flags": "-O2"},
    "tasks": [
        {
            "id": "compile",
            "type": "build",
            "description": "Compile for {target}",
            "inputs": {"target": "{target}", "level": "{level}", "flags": "{flags} {{target}}"},
            "outputs": ["binary"],
        },
        {
            "id": "pack",
            "type": "build",
            "description": "Pack {target}",
            "depends_on": ["compile"],
            "inputs": {"binary": "{compile.binary}"},
            "outputs": ["image"],
        },
    ],
}


def uses(use="build.yaml", name="build", **more):
    return {"id": name, "description": "Build it", "use": use, **more}


@pytest.fixture
def write(tmp_path):
    """Write plan files by name; the content of one may be its tasks."""

    def write_all(**files):
        for name, content in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            document = content if isinstance(content, dict) else {"request": "Do it", "tasks": content}
            path.write_text(dump_yaml(document), encoding="utf-8")
        return tmp_path / f"{next(iter(files))}.yaml"

    return write_all


def texts_of(plan):
    return {node.path: node.task.inputs for node in outline(plan).leaf_nodes()}


def refused(path, code, **more):
    with pytest.raises(GenesisError) as caught:
        load_plan(path, **more)
    assert caught.value.code == code
    return caught.value


def test_the_tasks_of_the_file_are_subtasks_with_its_values_under_names_of_their_own(write):
    top = [
        uses(**{"with": {"target": "linux", "level": 2}}),
        {"id": "ship", "description": "Ship it", "depends_on": ["build"], "inputs": {"image": "{build.image}"}},
    ]
    plan = load_plan(write(top=top, build=BUILD))
    assert plan_values(plan) == {"build/flags": "-O2", "build/target": "linux", "build/level": 2}
    program = compile_program(*route_to(plan))
    compile_leaf, pack, ship = program.leaves
    assert [leaf.path for leaf in program.leaves] == ["build/compile", "build/pack", "ship"]
    assert compile_leaf.description == "Compile for linux"
    assert (pack.after, ship.after) == ((0,), (1,))
    assert ship.sources == {"build.image": 1}
    assert compile_leaf.inputs == {
        "target": "{build/target}",
        "level": "{build/level}",
        "flags": "{build/flags} {target}",
    }


def test_one_file_can_be_used_twice_with_other_values(write):
    top = [uses(name="a", **{"with": {"target": "x"}}), uses(name="b", **{"with": {"target": "y"}})]
    plan = load_plan(write(top=top, build=BUILD))
    program = compile_program(*route_to(plan))
    assert [leaf.description for leaf in program.leaves] == [
        "Compile for x", "Pack x", "Compile for y", "Pack y",
    ]  # fmt: skip
    assert program.leaves[0].fingerprint != program.leaves[2].fingerprint


def test_values_are_filled_in_with_those_of_the_plan_that_uses(write):
    top = {
        "request": "r",
        "vars": {"os": "linux"},
        "params": {"n": {"type": "integer", "default": 4}},
        "tasks": [uses(**{"with": {"target": "{os}-{n} {{os}}", "level": "{n}"}})],
    }
    path = write(top=top, build=BUILD)
    assert plan_values(load_plan(path))["build/target"] == "linux-4 {os}"
    filled = plan_values(load_plan(path, variables={"os": "mac"}, params={"n": "7"}, params_as_text=True))
    assert (filled["build/target"], filled["build/level"]) == ("mac-7 {os}", 7)


def test_a_result_is_handed_on_to_inputs_conditions_and_lists(write):
    inner = {
        "request": "r",
        "params": {"files": {"type": "array"}},
        "tasks": [
            {"id": "scan", "description": "Its own task of that name", "outputs": ["files"]},
            {"id": "read", "description": "Read", "inputs": {"all": "{files}", "own": "{scan.files}"}},
            {"id": "each", "description": "Check {item}", "for_each": "{files}", "when": "len({files}) > 0"},
        ],
    }
    top = [
        {"id": "scan", "description": "Scan", "outputs": ["files"]},
        uses("inner.yaml", **{"with": {"files": "{scan.files}"}}),
    ]
    plan = load_plan(write(top=top, inner=inner))
    program = compile_program(*route_to(plan))
    leaves = {leaf.path: leaf for leaf in program.leaves}
    read, each = leaves["build/read"], leaves["build/each"]
    assert {name: program.leaves[source].path for name, source in read.sources.items()} == {
        "/scan.files": "scan",
        "scan.files": "build/scan",
    }
    assert read.inputs == {"all": "{/scan.files}", "own": "{scan.files}"}
    assert [program.leaves[source].path for source in each.sources.values()] == ["scan"]
    registry = load_registry()
    assert not validate(route(plan, registry), registry).errors


def test_results_of_one_file_are_handed_on_to_another(write):
    inner = {
        "request": "r",
        "params": {"a": {}, "b": {}},
        "tasks": [{"id": "x", "description": "X", "inputs": {"a": "{a}", "b": "{b}"}}],
    }
    written = {"a": "{build.image}", "b": "{build/compile.binary}"}
    top = [uses("inner.yaml", name="use", **{"with": written}), uses(**{"with": {"target": "x"}})]
    program = compile_program(*route_to(load_plan(write(top=top, inner=inner, build=BUILD))))
    leaf = program.leaves[0]
    assert {name: program.leaves[source].path for name, source in leaf.sources.items()} == {
        "build.image": "build/pack",
        "build/compile.binary": "build/compile",
    }


def test_a_result_in_a_description_is_refused(write):
    top = [{"id": "scan", "description": "Scan", "outputs": ["os"]}, uses(**{"with": {"target": "{scan.os}"}})]
    error = refused(write(top=top, build=BUILD), "GEN-USE-WITH")
    assert "task 'build' of top.yaml uses build.yaml: the description of task 'compile' has {target}" in error.message


def test_a_result_with_text_around_it_is_refused(write):
    top = [{"id": "scan", "description": "Scan", "outputs": ["os"]}, uses(**{"with": {"target": "x-{scan.os}"}})]
    error = refused(write(top=top, build=BUILD), "GEN-USE-WITH")
    assert 'hand it on as a whole, target: "{scan.os}"' in error.hint


def test_copies_of_a_used_plan_get_their_own_value(write):
    top = [uses(for_each=["linux", "mac"], max_parallel=1, **{"with": {"target": "{item}"}})]
    program = compile_program(*route_to(load_plan(write(top=top, build=BUILD))))
    assert [(leaf.path, leaf.description, leaf.items) for leaf in program.leaves if leaf.agent] == [
        ("build/0-linux/compile", "Compile for linux", {"item": "linux"}),
        ("build/0-linux/pack", "Pack linux", {}),
        ("build/1-mac/compile", "Compile for mac", {"item": "mac"}),
        ("build/1-mac/pack", "Pack mac", {}),
    ]


def test_the_value_of_a_copy_does_not_reach_into_other_copies(write):
    inner = {
        "request": "r",
        "params": {"os": {}},
        "tasks": [{"id": "t", "description": "Test", "for_each": [1], "inputs": {"os": "{os}"}}],
    }
    top = [uses("inner.yaml", for_each=["a"], **{"with": {"os": "{item}"}})]
    assert "is itself in a `for_each`" in refused(write(top=top, inner=inner), "GEN-USE-WITH").message


def test_the_value_of_a_copy_can_be_the_list_of_others(write):
    inner = {
        "request": "r",
        "params": {"suites": {"type": "array"}},
        "tasks": [{"id": "t", "description": "Test {item}", "for_each": "{suites}"}],
    }
    top = [uses("inner.yaml", for_each=[{"s": ["u", "v"]}, {"s": []}], **{"with": {"suites": "{item.s}"}})]
    program = compile_program(*route_to(load_plan(write(top=top, inner=inner))))
    assert [leaf.path for leaf in program.leaves if leaf.agent] == ["build/0/t/0-u", "build/0/t/1-v"]


def test_rules_of_the_task_are_those_of_the_composite(write):
    top = [{"id": "a", "description": "A"}, uses(run_if="any_failed", depends_on=["a"], **{"with": {"target": "x"}})]
    program = compile_program(*route_to(load_plan(write(top=top, build=BUILD))))
    start = next(gate for gate in program.gates if gate.path == "build" and not gate.is_end)
    assert start.rule.run_if == "any_failed"


def test_files_are_found_from_the_file_that_names_them(write):
    files = {
        "top": [uses("lib/outer.yaml")],
        "lib__outer": [uses("../common.yaml", name="c")],
        "common": [uses("lib/deep/leaf.yaml", name="d")],
        "lib__deep__leaf": [{"id": "x", "description": "Do {os}", "inputs": {"a": "{os}"}}],
    }
    plan = load_plan(write(**files))
    assert [node.path for node in outline(plan).leaf_nodes()] == ["build/c/d/x"]
    assert [node.task.use.partition("@")[0] for node in outline(plan).nodes if node.task.use] == [
        "lib/outer.yaml", "common.yaml", "lib/deep/leaf.yaml",
    ]  # fmt: skip


def test_values_reach_through_several_files(write):
    leaf = {"request": "r", "params": {"a": {}}, "tasks": [{"id": "x", "description": "Do", "inputs": {"a": "{a}"}}]}
    middle = {"request": "r", "params": {"b": {}}, "tasks": [uses("leaf.yaml", **{"with": {"a": "{b}"}})]}
    written = [uses("middle.yaml", name="m", **{"with": {"b": "{scan.os}"}})]
    top = [{"id": "scan", "description": "Scan", "outputs": ["os"]}, *written]
    plan = load_plan(write(top=top, middle=middle, leaf=leaf))
    assert texts_of(plan)["m/build/x"] == {"a": "{scan.os}"}
    assert [node.task.with_ for node in outline(plan).nodes if node.children] == [
        {"b": "{scan.os}"},
        {"a": "{scan.os}"},
    ]
    assert plan.params == {}


def test_a_name_that_is_text_in_the_file_stays_text(write):
    top = {"request": "r", "vars": {"os": "linux"}, "tasks": [uses("leaf.yaml")]}
    leaf = [
        {
            "id": "x",
            "description": "Print {os}",
            "inputs": {"a": "{os} {{os}} {build/y.z}", "lit": "{os}"},
            "literal_inputs": ["lit"],
            "env": {"A": "{os}"},
        },
        {"id": "y", "description": "Y", "outputs": ["z"]},
    ]
    program = compile_program(*route_to(load_plan(write(top=top, leaf=leaf))))
    assert program.leaves[0].description == "Print {os}"
    assert program.leaves[0].sources == {}
    assert texts_of(program.source.plan)["build/x"] == {"a": "{{os}} {{{{os}}}} {{build/y.z}}", "lit": "{os}"}


def test_what_a_file_waits_for_is_filled_and_its_results_are_those_of_the_file(write):
    wait = {"event": "{kind}.{ask.name}", "resource": {"id": "{{os}}", "of": "{who}"}}
    leaf = {
        "request": "r",
        "params": {"kind": {"default": "order"}, "who": {}},
        "tasks": [
            {"id": "ask", "description": "Ask", "outputs": ["name"]},
            {"id": "wait", "description": "Wait", "wait_for": wait, "timeout_s": 60},
        ],
    }
    top = {"request": "r", "vars": {"os": "linux"}, "tasks": [uses("leaf.yaml", **{"with": {"who": "{os}"}})]}
    program = compile_program(*route_to(load_plan(write(top=top, leaf=leaf))))
    found = program.leaves[1].wait_for
    assert found.event == "{build/kind}.{ask.name}"
    assert found.resource == {"id": "{{{{os}}}}", "of": "{build/who}"}
    assert program.leaves[1].sources == {"ask.name": 0}


def test_a_name_that_nothing_has_in_the_file_is_not_found_outside_of_it(write):
    top = [{"id": "scan", "description": "Scan", "outputs": ["os"]}, uses("leaf.yaml")]
    leaf = [{"id": "x", "description": "X", "depends_on": ["scan"], "when": "{scan.os} == 'a'"}]
    plan = load_plan(write(top=top, leaf=leaf))
    registry = load_registry()
    report = validate(route(plan, registry), registry)
    assert {found.code for found in report.errors} == {"GEN-DEPENDENCY-DANGLING", "GEN-WHEN-INVALID"}


def test_findings_name_the_file_and_the_task_in_it(write):
    leaf = [{"id": "x", "description": "X"}, {"id": "y", "description": "Y", "inputs": {"a": "{x.nothing}"}}]
    plan = load_plan(write(top=[uses("lib/leaf.yaml")], lib__leaf=leaf))
    registry = load_registry()
    [found] = validate(route(plan, registry), registry).errors
    assert found.task == "build/y"
    assert found.message.endswith("(in lib/leaf.yaml, task 'y')")
    assert (found.evidence["plan"], found.evidence["plan_task"]) == ("lib/leaf.yaml", "y")


def test_retries_of_the_file_are_those_of_its_leaves(write):
    leaf = {
        "request": "r",
        "retries": 3,
        "tasks": [
            {"id": "a", "description": "A"},
            {"id": "b", "description": "B", "retries": 0},
            {"id": "c", "description": "C", "side_effects": True},
            {"id": "d", "description": "D", "retry": {"times": 1}},
        ],
    }
    program = compile_program(*route_to(load_plan(write(top=[uses("leaf.yaml")], leaf=leaf))))
    assert [leaf.retries for leaf in program.leaves] == [3, 0, 0, 1]


def test_bounds_of_the_file_are_noted_and_not_those_of_the_run(write):
    leaf = {"request": "r", "budget": {"usd": 1}, "deadline_s": 5, "tasks": [{"id": "a", "description": "A"}]}
    plan = load_plan(write(top=[uses("leaf.yaml"), uses("leaf.yaml", name="again")], leaf=leaf))
    assert (plan.budget, plan.deadline_s) == (None, None)
    assert plan.planner_note == "`budget` and `deadline_s` of leaf.yaml count in runs of that file only"


def test_schedules_and_notifications_of_the_file_are_noted_and_not_those_of_the_plan(write):
    keys = {"schedules": [{"name": "d", "cron": "@daily"}], "notify": [{"on": "failed", "through": "webhook/ops"}]}
    leaf = {"request": "r", "tasks": [{"id": "a", "description": "A"}], **keys}
    plan = load_plan(write(top=[uses("leaf.yaml")], leaf=leaf))
    assert (plan.schedules, plan.notify) == ((), ())
    assert plan.planner_note == "`schedules` and `notify` of leaf.yaml count in runs of that file only"


def test_a_document_with_everything_in_place_needs_no_file(write, tmp_path):
    path = write(top=[uses(**{"with": {"target": "x"}})], build=BUILD)
    plan = load_plan(path)
    document = plan_document(plan)
    assert document["tasks"][0]["with"] == {"target": "x"}
    (tmp_path / "build.yaml").unlink()
    assert load_plan(document) == plan
    path.write_text(dump_yaml(plan_document(plan, terse=True)), encoding="utf-8")
    assert load_plan(path) == plan


def test_a_changed_file_has_another_fingerprint_and_a_changed_layout_has_not(write, tmp_path):
    path = write(top=[uses("outer.yaml")], outer=[uses("leaf.yaml")], leaf=[{"id": "a", "description": "A"}])
    first = load_plan(path).tasks[0].use
    leaf = tmp_path / "leaf.yaml"
    leaf.write_text(f"# a comment\n{leaf.read_text('utf-8')}\n", encoding="utf-8")
    assert load_plan(path).tasks[0].use == first
    leaf.write_text("request: Do it\ntasks: [{id: a, description: B}]\n", encoding="utf-8")
    assert load_plan(path).tasks[0].use != first


def test_the_fingerprint_that_is_asked_for_must_be_that_of_the_file(write):
    path = write(top=[uses(**{"with": {"target": "x"}})], build=BUILD)
    known = load_plan(path).tasks[0].use
    path = write(top=[uses(known, **{"with": {"target": "x"}})])
    assert load_plan(path).tasks[0].use == known
    write(build={**BUILD, "vars": {"flags": "-O3"}})
    error = refused(path, "GEN-USE-VERSION")
    assert known in error.message
    assert "build.yaml@" in error.hint


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "parameter 'target' has no value; expected: a string"),
        ({"target": 3}, "parameter 'target' is 3; expected: a string"),
        ({"target": "x", "level": -1}, "parameter 'level' is -1; expected: an integer from 0"),
        ({"target": "x", "level": "{os}"}, "parameter 'level' is 'linux'; expected: an integer from 0"),
        ({"target": "x", "levle": 1}, "that plan has no parameter or variable 'levle'"),
        ({"target": "x", "flags": 1}, "variable 'flags' is 1; expected: a text"),
    ],
)
def test_values_that_do_not_fit_are_refused(write, given, message):
    path = write(top={"request": "r", "vars": {"os": "linux"}, "tasks": [uses(**{"with": given})]}, build=BUILD)
    error = refused(path, "GEN-USE-WITH")
    assert error.message == f"task 'build' of top.yaml uses build.yaml: {message}"
    assert error.hint


def test_a_parameter_of_the_plan_without_a_value_is_one_finding(write):
    top = {"request": "r", "params": {"os": {}}, "tasks": [uses(**{"with": {"target": "{os}"}})]}
    plan = load_plan(write(top=top, build=BUILD))
    registry = load_registry()
    assert [found.message for found in validate(route(plan, registry), registry).errors] == [
        "the parameter 'os' has no value; expected: a string"
    ]


def test_a_name_of_the_plan_is_not_overwritten(write):
    top = {"request": "r", "vars": {"build/flags": "mine"}, "tasks": [uses(**{"with": {"target": "x"}})]}
    assert "'build/flags' of its own" in refused(write(top=top, build=BUILD), "GEN-USE-WITH").message


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ({"top": [uses("top.yaml")]}, "top.yaml → top.yaml"),
        (
            {"top": [uses("a.yaml")], "a": [uses("lib/b.yaml")], "lib__b": [uses("../a.yaml")]},
            "a.yaml → lib/b.yaml → a.yaml",
        ),
    ],
)
def test_a_file_that_uses_itself_is_refused_with_its_cycle(write, files, shown):
    assert refused(write(**files), "GEN-USE-CYCLE").message.endswith(f"which uses itself: {shown}")


def test_a_long_chain_of_files_is_refused_also_where_its_end_was_read_before(write):
    chain = {f"f{number}": [uses(f"f{number + 1}.yaml")] for number in range(1, 9)}
    end = {"f9": [{"id": "x", "description": "X"}]}
    assert load_plan(write(top=[uses("f1.yaml")], **chain, **end))
    again = [uses("f1.yaml", name="a"), uses("more.yaml", name="b")]
    error = refused(write(top=again, more=[uses("f1.yaml")], **chain, **end), "GEN-USE-LIMIT")
    assert "a chain of 11 files" in error.message


def test_files_that_double_each_other_are_counted_before_they_are_put_in_place(write):
    files = {f"f{number}": [uses(f"f{number + 1}.yaml", name=name) for name in "abcd"] for number in range(8)}
    error = refused(write(**files, f8=[{"id": "x", "description": "X"}]), "GEN-USE-LIMIT", limits=Limits(leaves=300))
    assert "has 1,024 leaves with the plans that it uses; the limit is 300" in error.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        ("tasks: [", "leaf.yaml, line 2"),
        ("request: r\ntasks: []\n", "which has no tasks"),
        ("request: r\ntasks: [{id: x}]\n", "leaf.yaml is not a valid plan file: tasks[0].description"),
        ("- 1\n", "leaf.yaml: the plan file must be a mapping"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(write, tmp_path, content, message):
    path = write(top=[uses("leaf.yaml")])
    if content is not None:
        (tmp_path / "leaf.yaml").write_text(content, encoding="utf-8")
    error = refused(path, "GEN-USE-FILE")
    assert error.message.startswith("task 'build' of top.yaml uses 'leaf.yaml'")
    assert message in error.message


def test_a_folder_and_a_pipe_are_no_files(write, tmp_path):
    path = write(top=[uses("leaf.yaml")])
    (tmp_path / "leaf.yaml").mkdir()
    assert "is no file" in refused(path, "GEN-USE-FILE").message
    (tmp_path / "leaf.yaml").rmdir()
    os.mkfifo(tmp_path / "leaf.yaml")
    assert "is no file" in refused(path, "GEN-USE-FILE").message


def test_nothing_outside_of_the_folder_of_the_first_file_is_read(write, tmp_path):
    path = write(inside__top=[uses("../leaf.yaml")], leaf=[{"id": "x", "description": "X"}])
    path = tmp_path / "inside" / "top.yaml"
    with pytest.raises(SecurityError) as caught:
        load_plan(path)
    assert (caught.value.code, caught.value.exit_code) == ("GEN-USE-OUTSIDE", 3)
    (tmp_path / "inside" / "link.yaml").symlink_to(tmp_path / "leaf.yaml")
    write(inside__top=[uses("link.yaml")])
    assert refused(path, "GEN-USE-OUTSIDE")


@pytest.mark.parametrize(
    "use",
    ["/etc/plan.yaml", "plan.txt", "plan.yaml@", "plan.yaml@xyz", "plan.yaml@1234567", "a\\b.yaml", "", "a\n.yaml"],
)
def test_what_is_no_relative_plan_file_is_refused_in_the_document(use):
    with pytest.raises(DocumentError, match=r"tasks\[0\].use"):
        load_plan({"request": "r", "tasks": [uses(use)]})


def test_with_belongs_to_a_plan_that_is_used():
    with pytest.raises(DocumentError, match=r"tasks\[0\].with: `with` has the values"):
        load_plan({"request": "r", "tasks": [uses(use=None, **{"with": {"a": 1}})]})


def test_a_plan_that_is_no_file_cannot_use_one():
    plan = load_plan({"request": "r", "tasks": [uses()]})
    registry = load_registry()
    routed = route(plan, registry)
    [found] = validate(routed, registry).errors
    assert (found.code, found.task) == ("GEN-USE-UNREAD", "build")
    with pytest.raises(GenesisError, match=r"uses the plan file 'build.yaml', which was not read"):
        compile_program(routed, registry)


MOVED = {"depends_on", "description", "inputs", "env", "when", "for_each", "retries", "with_", "wait_for"}
"""Fields that are rewritten when a task moves below another plan."""
UNCHANGED = {
    "id", "type", "subtasks", "requires", "labels", "literal_inputs", "outputs", "agent", "estimate", "timeout_s",
    "cache", "side_effects", "approval", "run_if", "allow_failure", "route", "retry", "max_parallel", "on_failure",
    "use", "runs_in", "resources", "mutex", "priority",
}  # fmt: skip


def test_every_key_of_a_task_has_been_thought_of():
    """A new key that can hold names has to be moved by `genesis.structure.embed`; one that cannot is listed here."""
    assert set(Task.model_fields) == MOVED | UNCHANGED
