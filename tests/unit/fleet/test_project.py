"""What `genesis init` writes, keeps, and keeps in step."""

import os
from pathlib import Path

import pytest
import yaml

from genesis.errors import DocumentError, ResourceError, UsageError
from genesis.fleet.entries import FLOWS
from genesis.fleet.project import folder_project, plan_project, write_project
from genesis.planning.playbook import load_playbooks
from genesis.routing import load_registry

_ROOT = Path(__file__).parents[3]
ONE = "agents:\n  - {name: qa_agent, task_types: [test]}\n"


def make(root, **options):
    project = plan_project(root, **options)
    write_project(project)
    return project


def actions(project):
    return {step.path: step.action for step in project.steps if step.changes}


@pytest.fixture
def root(tmp_path):
    make(tmp_path / "fleet")
    return tmp_path / "fleet"


def test_repository_of_genesis_is_in_step_itself():
    assert "".join(step.diff() for step in plan_project(_ROOT, check=True).steps if step.changes) == ""


def test_new_project_gets_everything_and_a_second_time_nothing(tmp_path):
    first = make(tmp_path / "new" / "fleet")
    assert set(actions(first).values()) == {"write"}
    assert plan_project(tmp_path / "new" / "fleet").in_step
    assert plan_project(tmp_path / "new" / "fleet", check=True).in_step


def test_what_is_written_loads(root):
    assert load_registry(root / "deployments/agents.yaml") == load_registry()
    assert load_playbooks(root / "deployments/playbooks") == load_playbooks()
    for flow in FLOWS:
        compile((root / f"flows/{flow}.py").read_text("utf-8"), flow, "exec")
    assert len(yaml.safe_load((root / "prefect.yaml").read_text("utf-8"))["deployments"]) == 18


def test_agents_file_is_copied_with_its_comments(root):
    assert (root / "deployments/agents.yaml").read_text("utf-8").startswith("# ")


def test_edited_agents_stay_and_prefect_yaml_follows_them(root):
    agents = root / "deployments/agents.yaml"
    agents.write_text(ONE)
    assert not plan_project(root, check=True).in_step
    project = make(root)
    assert actions(project) == {"prefect.yaml": "write"}
    assert agents.read_text() == ONE
    assert len(yaml.safe_load((root / "prefect.yaml").read_text("utf-8"))["deployments"]) == 4


def test_playbooks_of_the_team_stay_as_they_are(root):
    folder = root / "deployments/playbooks"
    (folder / "product_launch.yaml").unlink()
    (folder / "research_report.yaml").write_text("ours")
    assert plan_project(root).in_step
    assert not (folder / "product_launch.yaml").exists()


def test_flow_file_without_its_line_is_the_teams_and_another_is_set_again(root):
    mine, changed = root / "flows/orchestrate.py", root / "flows/preflight.py"
    mine.write_text("from genesis.flows.deployed import orchestrate\n")
    changed.write_text(changed.read_text() + "\nprint()\n")
    assert actions(make(root)) == {"flows/preflight.py": "write"}
    assert mine.read_text() == "from genesis.flows.deployed import orchestrate\n"
    assert "print" not in changed.read_text()


def test_force_replaces_what_is_the_teams_and_keeps_a_copy(root):
    agents, flow = root / "deployments/agents.yaml", root / "flows/orchestrate.py"
    agents.write_text(ONE)
    flow.write_text("# ours\n")
    project = make(root, force=True)
    assert actions(project) == {"deployments/agents.yaml": "replace", "flows/orchestrate.py": "replace"}
    assert load_registry(agents) == load_registry()
    assert (root / "deployments/agents.yaml.bak").read_text() == ONE
    assert (root / "flows/orchestrate.py.bak").read_text() == "# ours\n"
    assert plan_project(root, check=True).in_step


def test_force_keeps_deployments_of_the_team(root):
    prefect = root / "prefect.yaml"
    prefect.write_text(prefect.read_text() + "\n  - {name: nightly, entrypoint: etl.py:load}\n")
    assert make(root, force=True).in_step
    assert "nightly" in prefect.read_text()


def test_half_written_prefect_yaml_stops_all_and_force_sets_it_aside(root):
    (root / "deployments/agents.yaml").unlink()
    (root / "prefect.yaml").write_text("deployments:\n  - name: [")
    with pytest.raises(DocumentError, match=r"prefect\.yaml is not YAML"):
        make(root)
    assert not (root / "deployments/agents.yaml").exists()
    make(root, force=True)
    assert (root / "prefect.yaml.bak").read_text() == "deployments:\n  - name: ["
    assert plan_project(root, check=True).in_step


def test_given_agents_file_begins_the_project(tmp_path):
    given = tmp_path / "mine.yaml"
    given.write_text(ONE)
    make(tmp_path / "fleet", agents=given)
    assert (tmp_path / "fleet/deployments/agents.yaml").read_text() == ONE
    assert plan_project(tmp_path / "fleet", agents=given).in_step


def test_another_agents_file_than_the_projects_is_a_conflict_that_force_decides(root, tmp_path):
    given = tmp_path / "mine.yaml"
    given.write_text(ONE)
    with pytest.raises(UsageError, match="has an agents file already") as caught:
        plan_project(root, agents=given)
    assert "--force" in caught.value.hint
    assert not plan_project(root, agents=given, check=True).in_step
    make(root, agents=given, force=True)
    assert (root / "deployments/agents.yaml").read_text() == ONE
    assert len(load_registry(root / "deployments/agents.yaml.bak").agents) == 15


def test_the_projects_own_agents_file_may_be_named(root):
    assert plan_project(root, agents=root / "deployments/agents.yaml").in_step
    assert plan_project(root, agents=root / "deployments/agents.yaml", force=True).steps[0].action == "keep"


@pytest.mark.parametrize("text", ["agents: []", "agents: [", "agents:\n  - {name: x, pool: 'a/b'}\n"])
def test_agents_file_with_errors_writes_nothing(tmp_path, text):
    given = tmp_path / "mine.yaml"
    given.write_text(text)
    with pytest.raises(DocumentError):
        make(tmp_path / "fleet", agents=given)
    assert not (tmp_path / "fleet").exists()


def test_missing_agents_file_is_said(tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        plan_project(tmp_path, agents=tmp_path / "none.yaml")


def test_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        plan_project(tmp_path / "x")


def test_file_in_the_place_of_a_folder_inside(tmp_path):
    (tmp_path / "flows").write_text("")
    with pytest.raises(ResourceError, match=r"flows.* cannot be read"):
        plan_project(tmp_path)


def test_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    project = plan_project(tmp_path)
    monkeypatch.setattr("genesis.document.write.tempfile.mkstemp", refuse)
    with pytest.raises(ResourceError, match=r"agents\.yaml' cannot be written: Permission denied"):
        write_project(project)


def test_rights_that_cannot_be_set(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    project = plan_project(tmp_path)
    monkeypatch.setattr("genesis.document.write.os.fchmod", refuse)
    with pytest.raises(ResourceError, match="Operation not permitted"):
        write_project(project)


def test_file_that_is_not_text(root):
    (root / "prefect.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(DocumentError, match="not UTF-8"):
        plan_project(root)


def test_files_have_the_rights_of_new_ones_or_their_own_and_links_stay(root, tmp_path):
    mask = os.umask(0o022)
    os.umask(mask)
    prefect = root / "prefect.yaml"
    assert prefect.stat().st_mode & 0o777 == 0o666 & ~mask
    real = tmp_path / "elsewhere.yaml"
    prefect.rename(real)
    prefect.symlink_to(real)
    real.chmod(0o640)
    (root / "deployments/agents.yaml").write_text(ONE)
    make(root)
    assert prefect.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert len(yaml.safe_load(real.read_text())["deployments"]) == 4


def test_diff_shows_what_would_change(root):
    (root / "deployments/agents.yaml").write_text(ONE)
    (root / "flows/preflight.py").unlink()
    diffs = {step.path: step.diff() for step in plan_project(root, check=True).steps if step.changes}
    assert "-  - name: spec\n" in diffs["prefect.yaml"]
    assert diffs["prefect.yaml"].startswith("--- a/prefect.yaml\n+++ b/prefect.yaml\n")
    assert diffs["flows/preflight.py"].startswith("--- /dev/null\n")


def test_diff_of_a_file_without_a_last_line_break_is_whole(root):
    prefect = root / "prefect.yaml"
    prefect.write_text(prefect.read_text().rstrip("\n").replace("name: agent-finance", "name: other"))
    (step,) = [step for step in plan_project(root).steps if step.changes]
    assert all(line[0] in "-+ @\\" for line in step.diff().splitlines())


def test_a_projects_name_is_put_into_pools_and_deployments_and_stays(root):
    project = make(root, project="shop")
    assert actions(project) == {"deployments/agents.yaml": "write", "prefect.yaml": "write"}
    registry = load_registry(root / "deployments/agents.yaml")
    assert registry.project == "shop"
    assert {agent.pool_name for agent in registry.agents} >= {"shop-agent-qa"}
    deployed = yaml.safe_load((root / "prefect.yaml").read_text())["deployments"]
    assert {entry["name"] for entry in deployed if not entry["entrypoint"].endswith("agent_task")} == {"shop"}
    assert all(entry["work_pool"]["name"].startswith("shop-") for entry in deployed)
    assert "# The packaged agents" in (root / "deployments/agents.yaml").read_text()
    assert plan_project(root).in_step
    make(root, project="store")
    assert load_registry(root / "deployments/agents.yaml").project == "store"
    assert "shop" not in (root / "prefect.yaml").read_text()


def test_a_new_project_can_begin_with_its_name(tmp_path):
    make(tmp_path / "fleet", project="shop")
    assert load_registry(tmp_path / "fleet/deployments/agents.yaml").project == "shop"
    assert plan_project(tmp_path / "fleet").in_step


@pytest.mark.parametrize("name", ["", "A b", "-a", "a/b", "x" * 41])
def test_a_name_that_pools_cannot_carry_writes_nothing(root, name):
    with pytest.raises(DocumentError):
        plan_project(root, project=name)


def test_an_agents_file_without_a_place_for_the_name_is_said(root):
    (root / "deployments/agents.yaml").write_text('{"agents": [{"name": "qa_agent", "task_types": ["test"]}]}')
    with pytest.raises(DocumentError, match="cannot be put into"):
        plan_project(root, project="shop")


@pytest.mark.parametrize(("folder", "name"), [("Team Tools 2", "team-tools-2"), ("_", "project"), ("a" * 90, "a" * 40)])
def test_a_folder_names_a_project(tmp_path, folder, name):
    assert folder_project(tmp_path / folder) == name
