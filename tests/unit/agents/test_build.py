import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from genesis.agents import ExecutorContext, InputProbe, LocalProbe, build_executor
from genesis.agents.brief import BriefExecutor
from genesis.agents.command import CommandExecutor
from genesis.agents.http import HttpExecutor
from genesis.agents.plugin import PluginExecutor
from genesis.agents.python import PythonExecutor
from genesis.agents.rehearsal import RehearsalExecutor
from genesis.errors import TaskError
from genesis.model import AgentProfile, ExecutorSpec
from genesis.routing import load_registry
from genesis.settings import Settings

AGENT = AgentProfile(name="x", secrets=("KEY", "GONE"))
EQUIPMENT = ExecutorContext(settings=Settings(), environment={"PATH": "/usr/bin:/bin"}, secrets={"KEY": "s"}.get)


def spec(kind, **fields):
    return TypeAdapter(ExecutorSpec).validate_python({"kind": kind, **fields})


def problem(made, make_executor_context=EQUIPMENT):
    return LocalProbe(make_executor_context).executor_problem(made, AGENT)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (spec("python", call="a:b"), PythonExecutor),
        (spec("command", argv=["true"]), CommandExecutor),
        (spec("http", url="http://x"), HttpExecutor),
        (spec("brief"), BriefExecutor),
        (spec("plugin", name="a", options={"b": 1}), PluginExecutor),
        (spec("rehearsal", scale=2), RehearsalExecutor),
    ],
)
def test_each_kind_has_its_executor(made, kind):
    assert isinstance(build_executor(made, EQUIPMENT), kind)


@pytest.mark.parametrize("made", [spec("a2a", url="http://x"), spec("deployment", name="a/b")])
def test_kind_that_is_not_here_is_refused_and_named(made):
    with pytest.raises(TaskError, match=f"no '{made.kind}' executor is available here"):
        build_executor(made, EQUIPMENT)
    assert problem(made) is not None


def test_kinds_from_above_are_made_by_their_maker():
    executor = BriefExecutor()
    make_executor_context = ExecutorContext(makers={"deployment": lambda made: executor})
    made = spec("deployment", name="a/b")
    assert build_executor(made, make_executor_context) is executor
    assert problem(made, make_executor_context) is None


def test_equipment_has_no_secrets_unless_given():
    assert ExecutorContext().secrets("KEY") is None
    assert LocalProbe(EQUIPMENT).secret_present("KEY")
    assert not LocalProbe(EQUIPMENT).secret_present("GONE")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("json:dumps", None),
        ("json:dump_s", "there is no 'dump_s' in 'json'; did you mean 'dumps'?"),
        ("no_such_package.x:f", "there is no module 'no_such_package.x' here"),
        ("json.no_such:f", "there is no module 'json.no_such' here"),
        ("sys.nothing:f", "there is no module 'sys.nothing'"),
        ("genesis_probe.tool:run", None),
        ("genesis_probe.tool:imported", None),
        ("genesis_probe.tool:Agent.method", None),
        ("genesis_probe.tool:assigned", None),
        ("genesis_probe.tool:rum", "did you mean 'run'?"),
        ("genesis_probe.tool.deeper:f", "there is no module"),
        ("genesis_probe.magic:anything", None),
        ("genesis_probe.star:anything", None),
        ("genesis_probe.table:anything", None),
        ("genesis_probe.broken:anything", None),
        ("genesis_probe.native:anything", None),
    ],
)
def test_python_is_found_without_being_run(call, expected, tmp_path, monkeypatch):
    package = tmp_path / "genesis_probe"
    package.mkdir()
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    (package / "__init__.py").write_text(trap)
    (package / "tool.py").write_text(
        trap + "import os.path as imported\nclass Agent: ...\nif 1:\n    def run(): ...\nassigned = other = run\n"
    )
    (package / "magic.py").write_text(trap + "def __getattr__(name): ...\n")
    (package / "star.py").write_text(trap + "from os import *\n")
    (package / "table.py").write_text(trap + "globals()['anything'] = 1\n")
    (package / "broken.py").write_text("def (\n")
    (package / "native.so").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    found = problem(spec("python", call=call))
    assert not (tmp_path / "ran").exists()
    if expected is None and "native" not in call:
        assert found is None
    elif expected is not None:
        assert expected in found


def test_function_that_was_handed_in_is_not_looked_for():
    make_executor_context = ExecutorContext(functions={"nowhere:f": len})
    assert problem(spec("python", call="nowhere:f"), make_executor_context) is None


def test_program_that_is_missing_is_named(tmp_path):
    assert problem(spec("command", argv=["sh"])) is None
    assert problem(spec("command", argv=[sys.executable])) is None
    assert "there is no program 'genesis-none'" in problem(spec("command", argv=["genesis-none"]))
    assert "no program 'sh'" in problem(spec("command", argv=["sh"], env={"PATH": str(tmp_path)}))
    assert "there is no folder '/no/such'" in problem(spec("command", argv=["sh"], cwd="/no/such"))
    assert "may not come from an input" in problem(spec("command", argv=["{x}"]))
    script = Path(tmp_path / "script")
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert problem(spec("command", argv=["./script"], cwd=str(tmp_path))) is None
    assert "no program './other'" in problem(spec("command", argv=["./other"], cwd=str(tmp_path)))


def test_secrets_of_headers_have_to_be_listed_and_present():
    assert problem(spec("http", url="http://x", headers={"a": "{secret:KEY}"})) is None
    assert "'GONE' does not exist" in problem(spec("http", url="http://x", headers={"a": "{secret:GONE}"}))
    assert "does not list" in problem(spec("http", url="http://x", headers={"a": "{secret:OTHER}"}))


def test_model_needs_a_name_and_the_extra(monkeypatch):
    assert "no language model is configured" in problem(spec("llm"))
    assert problem(spec("llm", model="openai:m")) is None
    monkeypatch.setattr("genesis.agents.probe.is_module_here", lambda name: False)
    assert "extra llm" in problem(spec("llm", model="openai:m"))


def test_brief_and_rehearsal_are_always_usable():
    assert problem(spec("brief")) is None
    assert problem(spec("rehearsal")) is None


def _fails(inputs):
    raise ValueError("no such thing")


@pytest.mark.parametrize(
    ("check", "inputs", "said"),
    [
        (None, {"path": "/nowhere"}, None),
        ("genesis_audit.files:folder_problem", {"path": "/"}, None),
        ("genesis_audit.files:folder_problem", {"path": "/nowhere"}, "there is no folder '/nowhere'"),
        (f"{__name__}:_fails", {}, "failed with ValueError: no such thing"),
        ("no_such_module:check", {}, None),
    ],
)
def test_the_check_of_inputs_is_called_where_it_is_here(check, inputs, said):
    found = InputProbe().input_problem(spec("python", call="m:f", check=check), inputs)
    assert said in found if said else found is None


def test_a_check_that_is_not_here_makes_the_executor_unusable():
    made = spec("python", call="genesis_audit.files:survey", check="no_such_module:check")
    assert "no_such_module" in problem(made)


def test_every_packaged_tool_of_the_audit_has_a_check_that_is_here():
    specs = [each for agent in load_registry().agents for each in agent.executors.values() if each.kind == "python"]
    assert specs
    assert all(each.check and problem(each) is None for each in specs)
