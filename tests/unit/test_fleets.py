"""What installed distributions contribute by the entry-point group `genesis.fleets`."""

import ast
import itertools
import subprocess
import sys

import pytest

from genesis.agents import ExecutorContext, LocalProbe, build_executor
from genesis.agents.contract import Result, Work
from genesis.document import dump_yaml
from genesis.errors import DocumentError, TaskError
from genesis.fleet.project import plan_project, write_project
from genesis.fleets import find_executors, find_fleets
from genesis.model import AgentProfile, PluginSpec
from genesis.planning.playbook import load_playbooks
from genesis.routing import load_registry
from genesis.routing.registry_file import load_registry_with_sources

COUNT = itertools.count()
AGENT = '{"agents": [{"name": "tea_agent", "task_types": ["tea"]}]}'
PLAYBOOK = {
    "name": "tea",
    "match": {"phrases": ["make the tea"]},
    "tasks": [{"id": "boil", "description": "Boil water"}],
}
EXECUTORS = """
import asyncio
from genesis.agents import Result

class Kettle:
    def __init__(self, degrees=100):
        self.degrees = degrees

    async def execute(self, work):
        await asyncio.sleep(work.inputs.get("seconds", 0))
        return Result({"degrees": self.degrees}) if self.degrees > 0 else "ice"
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one module and an entry point that names its `fleet`; give the module's name."""
    made = []

    def installed(distribution, code, *, entry="{module}:fleet", imports="from genesis.fleets import FleetPlugin\n"):
        module = f"fleet_of_a_test_{next(COUNT)}"
        folder = tmp_path / f"site-{module}"
        info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[genesis.fleets]\ntea = {entry.format(module=module)}\n")
        (folder / f"{module}.py").write_text(imports + code.replace("MODULE", module))
        monkeypatch.syspath_prepend(str(folder))
        made.append(module)
        return module

    yield installed
    for module in made:
        sys.modules.pop(module, None)


def a_work(**inputs):
    return Work(
        run_id="r",
        correlation_id="c",
        request="q",
        path="a",
        type="t",
        description="d",
        inputs=inputs,
        outputs=(),
        agent=AgentProfile(name="x"),
        timeout_s=inputs.get("timeout_s"),
    )


def plugin(name, **options):
    return PluginSpec(kind="plugin", name=name, options=options)


def collect_warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "genesis.fleets"]


def test_the_audit_is_found_by_its_entry_point():
    loaded = load_registry_with_sources()
    assert [fleet.source for fleet in find_fleets()] == ["audit (prefect-genesis)"]
    assert set(loaded.sources.values()) == {"audit (prefect-genesis)"}
    assert set(loaded.sources) == {agent.name for agent in loaded.registry.agents}


def test_agents_of_a_further_fleet_come_after_those_of_genesis(install):
    install("tea-fleet", f"fleet = FleetPlugin(agents={AGENT})")
    loaded = load_registry_with_sources()
    assert loaded.registry.agents[-1].name == "tea_agent"
    assert loaded.registry.agents[0].name == "spec_agent"
    assert loaded.sources["tea_agent"] == "tea (tea-fleet)"


def test_agents_and_playbooks_may_be_files(install, tmp_path):
    (tmp_path / "agents.yaml").write_text(AGENT)
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "tea.yaml").write_text(dump_yaml(PLAYBOOK))
    here = f"from pathlib import Path\nHERE = Path({str(tmp_path)!r})\n"
    install("tea-fleet", f"{here}fleet = FleetPlugin(agents=HERE / 'agents.yaml', playbooks=HERE / 'playbooks')")
    assert load_registry().agents[-1].name == "tea_agent"
    assert "tea" in [playbook.name for playbook in load_playbooks()]


def test_an_entry_point_may_name_the_module(install):
    install("tea-fleet", f"fleet = FleetPlugin(agents={AGENT})", entry="{module}")
    assert load_registry().agents[-1].name == "tea_agent"


def test_a_file_of_the_team_is_the_whole_registry(install):
    install("tea-fleet", f"fleet = FleetPlugin(agents={AGENT})")
    install("other-fleet", f"fleet = FleetPlugin(agents={AGENT})")
    assert [agent.name for agent in load_registry({"agents": [{"name": "mine_agent"}]}).agents] == ["mine_agent"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError"),
        ("plan = 1", "fails with AttributeError"),
        ("fleet = 1", "is a 'int', not a genesis.fleets.FleetPlugin"),
        ("fleet = FleetPlugin(agents='agents.yaml')", "agents is a 'str'; use a pathlib.Path or a mapping"),
        ("fleet = FleetPlugin(playbooks='x')", "playbooks is a 'str'; use a pathlib.Path"),
        ("fleet = FleetPlugin(executors={'a': len})", "module:function"),
    ],
)
def test_a_fleet_that_cannot_be_loaded_is_left_out_and_named(install, caplog, code, reason):
    install("tea-fleet", code)
    assert len(load_registry().agents) == 15
    load_registry()
    [said] = collect_warnings(caplog)  # once in a process
    assert said.startswith("left out: the fleet 'tea' of the distribution 'tea-fleet': ")
    assert reason in said
    assert said.endswith("remove it: pip uninstall tea-fleet")


@pytest.mark.parametrize(
    ("agents", "reason"),
    [
        ({"agents": [{"name": "a", "task_type": ["x"]}]}, "task_types"),
        ({"agents": [{"name": "a"}], "rules": [{"id": "r", "when": {"type": "x"}, "then": "b"}]}, "no agent 'b'"),
        ({"agents": [{"name": "a"}], "project": "p"}, "names a project"),
        ({"agents": []}, "the list is empty"),
    ],
)
def test_agents_that_are_wrong_are_left_out_and_the_place_is_named(install, caplog, agents, reason):
    install("tea-fleet", f"fleet = FleetPlugin(agents={agents!r})")
    assert len(load_registry().agents) == 15
    [said] = collect_warnings(caplog)
    assert said.startswith("left out: the agents of the fleet 'tea' of the distribution 'tea-fleet': ")
    assert reason in said


def test_missing_and_wrong_playbooks_are_left_out(install, caplog, tmp_path):
    (tmp_path / "a.yaml").write_text("nonsense: [")
    (tmp_path / "b.yaml").write_text(dump_yaml(PLAYBOOK))
    start = "from pathlib import Path\nfleet = FleetPlugin(playbooks=Path"
    install("tea-fleet", f"{start}({str(tmp_path)!r}))")
    install("other-fleet", f"{start}('/nowhere/at/all'))")
    assert len(load_playbooks()) == 5
    other, tea = collect_warnings(caplog)
    assert "the playbook 'a.yaml' of the fleet 'tea'" in tea
    assert "the playbooks of the fleet 'tea' of the distribution 'other-fleet': '/nowhere/at/all'" in other


def clash(load):
    with pytest.raises(DocumentError) as caught:
        load()
    error = caught.value
    assert error.code == "GEN-DOCUMENT-CLASH"
    assert "'other-fleet'" in error.message
    assert "'tea-fleet'" in error.message
    assert "uninstall one of them" in error.hint
    return error


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (f"agents={AGENT}", f"agents={AGENT}", "the agent 'tea_agent'"),
        ("executors={'kettle': 'a:b'}", "executors={'kettle': 'c:d'}", "the executor 'kettle'"),
    ],
)
def test_two_fleets_with_one_name_are_an_error_that_names_both(install, first, second, what):
    install("tea-fleet", f"fleet = FleetPlugin({first})")
    install("other-fleet", f"fleet = FleetPlugin({second})")
    assert clash(load_registry).message.startswith(f"{what} is contributed twice: by the fleet 'tea' of")


def test_rules_of_one_id_are_a_clash_and_pools_that_would_be_shared_are_found(install):
    rule = {"id": "r", "when": {"type": "tea"}, "then": "one_agent"}
    document = {"agents": [{"name": "one_agent", "task_types": ["tea"]}], "rules": [rule]}
    install("tea-fleet", f"fleet = FleetPlugin(agents={document!r})")
    other = {"agents": [{"name": "two_agent", "task_types": ["tea"]}], "rules": [rule | {"then": "two_agent"}]}
    install("other-fleet", f"fleet = FleetPlugin(agents={other!r})")
    assert clash(load_registry).message.startswith("the rule 'r'")


def test_agents_of_two_fleets_that_would_share_a_pool_are_an_error(install):
    install("tea-fleet", f"fleet = FleetPlugin(agents={AGENT})")
    install("other-fleet", """fleet = FleetPlugin(agents={"agents": [{"name": "tea"}]})""")
    with pytest.raises(DocumentError, match=r"tea \(other-fleet\).* would share 'agent-tea'"):
        load_registry()


def test_a_playbook_twice_is_a_clash_unless_the_team_has_its_own(install, tmp_path):
    for name in ("tea-fleet", "other-fleet", "team"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tea.yaml").write_text(dump_yaml(PLAYBOOK | {"description": name}))
    start = "from pathlib import Path\nfleet = FleetPlugin(playbooks=Path"
    for name in ("tea-fleet", "other-fleet"):
        install(name, f"{start}({str(tmp_path / name)!r}))")
    assert clash(load_playbooks).message.startswith("the playbook 'tea'")
    assert load_playbooks(tmp_path / "team")[0].description == "team"


def test_no_agents_at_all_says_how_to_get_some(monkeypatch):
    monkeypatch.setattr("genesis.routing.registry_file.find_fleets", lambda: ())
    with pytest.raises(DocumentError, match="no installed fleet contributes agents") as caught:
        load_registry()
    assert "pip install -e ." in caught.value.hint
    assert "--agents" in caught.value.hint


async def test_an_executor_of_a_fleet_does_the_work(install):
    install("tea-fleet", EXECUTORS + "fleet = FleetPlugin(executors={'kettle': 'MODULE:Kettle'})")
    assert list(find_executors()) == ["kettle"]
    assert LocalProbe(ExecutorContext()).executor_problem(plugin("kettle"), AgentProfile(name="x")) is None
    executor = build_executor(plugin("kettle", degrees=80), ExecutorContext())
    assert await executor.execute(a_work()) == Result({"degrees": 80})
    assert await executor.execute(a_work()) == Result({"degrees": 80})


@pytest.mark.parametrize(
    ("options", "inputs", "what"),
    [
        ({"degree": 1}, {}, "the executor 'kettle' cannot be created"),
        ({"degrees": 0}, {}, "the executor 'kettle' returned a 'str'"),
        ({}, {"seconds": 60, "timeout_s": 0.01}, "ran longer than its limit"),
    ],
)
async def test_what_goes_wrong_with_an_executor_of_a_fleet_is_the_tasks_failure(install, options, inputs, what):
    install("tea-fleet", EXECUTORS + "fleet = FleetPlugin(executors={'kettle': 'MODULE:Kettle'})")
    executor = build_executor(plugin("kettle", **options), ExecutorContext())
    with pytest.raises(TaskError, match=what):
        await executor.execute(a_work(**inputs))


async def test_an_executor_that_nobody_contributes_is_told_before_and_in_the_task(install):
    probe, agent = LocalProbe(ExecutorContext()), AgentProfile(name="x")
    assert "none is available" in probe.executor_problem(plugin("kettle"), agent)
    install("tea-fleet", "fleet = FleetPlugin(executors={'kettle': 'MODULE:Kettle', 'cup': 'no_such_module:Cup'})")
    assert "no installed fleet contributes an executor 'ketle'; did you mean 'kettle'?" in probe.executor_problem(
        plugin("ketle"), agent
    )
    assert "there is no 'Kettle'" in probe.executor_problem(plugin("kettle"), agent)
    assert "no module 'no_such_module'" in probe.executor_problem(plugin("cup"), agent)
    with pytest.raises(TaskError, match="no installed fleet contributes an executor 'jug'"):
        await build_executor(plugin("jug"), ExecutorContext()).execute(a_work())
    install("other-fleet", "fleet = FleetPlugin(executors={'kettle': 'a:b'})")
    assert "is contributed twice" in probe.executor_problem(plugin("kettle"), agent)


def find_loaded_modules(code):
    """Run code in a new process, and give the modules that it has loaded then, as far as fleets are concerned."""
    end = "; print([n for n in sys.modules if n.startswith(('genesis_audit', 'genesis.fleets'))], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + end], capture_output=True, text=True, timeout=60, check=True)
    return set(ast.literal_eval(done.stderr.splitlines()[-1]))


def test_asking_for_fleets_imports_none_of_the_audits_tools():
    found = find_loaded_modules("import sys, genesis.fleets; genesis.fleets.find_fleets()")
    assert found == {"genesis.fleets", "genesis_audit", "genesis_audit.fleet"}


def test_help_looks_for_no_fleets():
    assert (
        find_loaded_modules("import sys, genesis.cli.app as app; app._genesis.main(['--help'], standalone_mode=False)")
        == set()
    )


def test_a_new_project_gets_the_agents_of_all_fleets_and_the_playbooks_of_genesis(install, tmp_path):
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "tea.yaml").write_text(dump_yaml(PLAYBOOK))
    start = f"from pathlib import Path\nHERE = Path({str(tmp_path)!r})\n"
    install("tea-fleet", f"{start}fleet = FleetPlugin(agents={AGENT}, playbooks=HERE / 'playbooks')")
    root = tmp_path / "project"
    write_project(plan_project(root, project="shop"))
    written = load_registry(root / "deployments/agents.yaml")
    assert written.project == "shop"
    assert [agent.name for agent in written.agents] == [agent.name for agent in load_registry().agents]
    assert written.rules == load_registry().rules
    assert len(list((root / "deployments/playbooks").iterdir())) == 4
    assert "tea" in [playbook.name for playbook in load_playbooks(root / "deployments/playbooks")]
