"""`prefect.yaml` is kept in step, and nothing else in it is touched."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.cli.deploy._models import PrefectYamlModel

from genesis.errors import DocumentError
from genesis.fleet.desired import fleet_of
from genesis.fleet.entries import FLOWS, flow_of
from genesis.fleet.prefect_yaml import in_step
from genesis.flows import deployed
from genesis.model import Registry
from genesis.testing import an_agent


def fleet(*names, **values):
    return fleet_of(Registry(agents=tuple(an_agent(f"{name}_agent", **values) for name in names)), orchestrators=1)


QA = fleet("qa")
NEW = in_step(None, QA).text


def entry(text, flow, name):
    return next(
        found
        for found in yaml.safe_load(text)["deployments"]
        if (flow_of(found["entrypoint"]), found["name"]) == (flow, name)
    )


def sync(text, wanted=QA):
    """Bring a text in step, and see that a second time changes nothing."""
    found = in_step(text, wanted)
    assert in_step(found.text, wanted).text == found.text
    return found


def test_new_file_has_every_deployment_and_prefect_reads_it():
    model = PrefectYamlModel.model_validate(yaml.safe_load(NEW))
    assert [(flow_of(found.entrypoint), found.name, found.work_pool.name) for found in model.deployments] == [
        ("orchestrate", "default", "genesis"),
        ("preflight", "default", "genesis"),
        ("housekeeping", "default", "genesis"),
        ("agent_task", "qa", "agent-qa"),
    ]
    assert model.pull == []
    assert {flow_of(found.entrypoint) for found in model.deployments} == set(FLOWS)


def test_schedules_are_examples_that_sleep_and_a_daily_one_that_only_looks():
    orchestrate, tidy = entry(NEW, "orchestrate", "default"), entry(NEW, "housekeeping", "default")
    assert [("cron" in found, "interval" in found, found["active"]) for found in orchestrate["schedules"]] == [
        (True, False, False),
        (False, True, False),
    ]
    (daily,) = tidy["schedules"]
    assert daily["active"] is True
    assert daily["parameters"]["dry_run"] is True
    assert daily["parameters"]["flow_runs"] is False


def test_schedules_give_parameters_that_the_flows_have():
    for found in yaml.safe_load(NEW)["deployments"]:
        known = getattr(deployed, flow_of(found["entrypoint"])).parameters.properties
        for schedule in found.get("schedules", ()):
            assert set(schedule["parameters"]) <= set(known)


def test_parameters_are_checked_where_people_give_them():
    assert entry(NEW, "orchestrate", "default")["enforce_parameter_schema"] is True
    assert entry(NEW, "agent_task", "qa")["enforce_parameter_schema"] is False


def test_nothing_is_written_by_reference():
    assert "&id" not in NEW


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n"])
def test_empty_file_gets_the_deployments(text):
    assert len(yaml.safe_load(sync(text).text)["deployments"]) == 4


def test_file_in_step_stays_as_it_is():
    found = in_step(NEW, QA)
    assert (found.text, found.notes) == (NEW, ())


def test_new_agent_gets_its_entry_at_the_end_and_a_gone_one_loses_it():
    found = sync(NEW, fleet("qa", "sales"))
    assert found.text.startswith(NEW)
    assert found.notes == ("agent_task/sales added",)
    back = sync(found.text)
    assert back.text == NEW
    assert back.notes == ("agent_task/sales removed: its agent is gone",)


def test_agent_that_takes_the_place_of_the_last_one():
    found = sync(NEW, fleet("sales"))
    assert found.text == in_step(None, fleet("sales")).text


def test_pool_that_changed_is_set_and_comments_and_the_teams_keys_stay():
    mine = NEW.replace(
        "    work_pool:\n      name: agent-qa\n",
        "    # runs where the browsers are\n    work_pool:  # a big one\n      job_variables: {memory_mb: 4096}\n"
        "      name: agent-old   # was agent-qa\n    concurrency_limit: 3\n",
    )
    assert mine != NEW
    found = sync(mine)
    assert found.text == mine.replace("name: agent-old ", "name: agent-qa ")
    assert found.notes == ("agent_task/qa: work_pool.name brought up to date",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    work_pool:\n      name: agent-qa\n", ""),
        ("    work_pool:\n      name: agent-qa\n", "    work_pool:\n"),
        ("    work_pool:\n      name: agent-qa\n", "    work_pool: null  # none\n"),
        ("    work_pool:\n      name: agent-qa\n", "    work_pool: {}\n"),
        ("    work_pool:\n      name: agent-qa\n", "    work_pool:  # none yet\n"),
        (
            "    work_pool:\n      name: agent-qa\n",
            "    work_pool: {\n      # a comment\n      work_queue_name: high}\n",
        ),
        ("    work_pool:\n      name: agent-qa\n", "    work_pool: !!map {}\n"),
        ("    work_pool:\n      name: agent-qa\n", "    work_pool: {work_queue_name: high}\n"),
        ("    work_pool:\n      name: agent-qa\n", "    work_pool:\n      work_queue_name: high\n"),
        ("    description: Tasks of qa_agent\n", "    description: >\n      many\n      words\n\n"),
        ("    description: Tasks of qa_agent\n", '    description: "many\n      words"\n'),
        ("    enforce_parameter_schema: false\n    work_pool:\n      name: agent-qa\n", "    work_pool: {name: x}\n"),
    ],
)
def test_values_are_mended_however_they_are_written(old, new):
    before, _, after = NEW.rpartition(old)
    found = sync(f"{before}{new}{after}")
    mended = entry(found.text, "agent_task", "qa")
    plain = entry(NEW, "agent_task", "qa")
    assert {**mended, "work_pool": None} == {**plain, "work_pool": None}
    assert mended["work_pool"]["name"] == "agent-qa"
    assert ("high" in new) == ("work_queue_name" in mended["work_pool"])


def test_schedules_and_parameters_of_the_team_survive():
    mine = NEW.replace("active: false", "active: true").replace("0 6 * * 1-5", "30 7 * * *")
    mine = mine.replace("    tags:\n      - genesis\n", "    tags: [genesis, nightly]\n    triggers: []\n", 1)
    assert sync(mine).text == mine
    both = sync(mine, fleet("qa", "sales"))
    assert both.text.startswith(mine)


def test_deployments_and_settings_of_the_team_survive():
    mine = NEW.replace("name: genesis\n\nbuild: []", "name: theirs\n\nbuild: []", 1) + (
        "\n  # ours\n  - name: nightly\n    entrypoint: etl.py:load\n    work_pool: {name: etl}\n"
        "  - name: urgent\n    entrypoint: genesis.flows.deployed.agent_task\n    work_pool: {name: agent-qa}\n"
        "\ndefinitions:\n  x: 1\n"
    )
    assert sync(mine).text == mine
    more = sync(mine, fleet("qa", "sales")).text
    assert mine.partition("\ndefinitions")[0] in more
    assert more.endswith("\ndefinitions:\n  x: 1\n")


def test_entry_without_the_mark_is_the_teams():
    mine = NEW.replace(
        "    managed_by: genesis\n    entrypoint: genesis.flows.deployed.agent_task\n",
        "    entrypoint: genesis.flows.deployed.agent_task\n",
    )
    mine = mine.replace("name: agent-qa", "name: elsewhere")
    found = sync(mine)
    assert found.text == mine
    assert found.notes == ("agent_task/qa is yours and stays as it is",)
    assert sync(mine, fleet("sales")).text.startswith(mine)


def test_pull_steps_turn_the_entry_points_into_files_and_back():
    step = "pull:\n  - prefect.deployments.steps.set_working_directory:\n      directory: /srv/fleet\n"
    mine = NEW.replace("pull: []\n", step, 1)
    found = sync(mine)
    assert entry(found.text, "orchestrate", "default")["entrypoint"] == "flows/orchestrate.py:orchestrate"
    assert entry(found.text, "agent_task", "qa")["entrypoint"] == "flows/agent_task.py:agent_task"
    assert sync(found.text.replace(step, "pull: []\n", 1)).text == NEW


@pytest.mark.parametrize(
    "rest", ["", "deployments:\n", "deployments: []\n", "deployments: []  # none yet\n", "deployments: null"]
)
def test_file_of_the_team_without_deployments_gets_them(rest):
    found = sync(f"# ours\nname: theirs\n{rest}").text
    assert found.startswith("# ours\nname: theirs\n")
    assert len(yaml.safe_load(found)["deployments"]) == 4
    assert ("none yet" in found) == ("none yet" in rest)


def test_list_without_indentation_is_kept_so():
    mine = "deployments:\n- name: nightly\n  entrypoint: etl.py:load\nname: x"
    found = sync(mine).text
    assert found.startswith("deployments:\n- name: nightly\n  entrypoint: etl.py:load\n\n- name: default\n")
    assert found.endswith("name: x")


def test_file_without_a_last_line_break():
    mine = "deployments:\n  - name: nightly\n    entrypoint: etl.py:load"
    assert sync(mine).text.startswith(f"{mine}\n\n  - name: default\n")


def test_windows_line_ends_stay_readable():
    assert len(yaml.safe_load(sync(NEW.replace("\n", "\r\n"), fleet("qa", "sales")).text)["deployments"]) == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deployments:\n  - name: x\n    entrypoint: [", "not YAML at line"),
        ("deployments:\n  - name: x\n   entrypoint: y", "not YAML at line 3"),
        ("\tname: x", "not YAML at line 1"),
        ("- a list", "not a mapping"),
        ("deployments: {name: x}", "not a list of deployments"),
        ("deployments: [x]", "not a list of deployments"),
    ],
)
def test_half_written_file_is_an_error_with_its_place(text, said):
    with pytest.raises(DocumentError, match=said) as caught:
        in_step(text, QA)
    assert "--force" in caught.value.hint


def test_two_entries_for_one_deployment_are_an_error():
    block = NEW[NEW.rindex("\n  - name:") :]
    with pytest.raises(DocumentError, match="agent_task/qa twice"):
        in_step(NEW + block, QA)


@pytest.mark.parametrize(
    "text",
    [
        "deployments: [{name: nightly, entrypoint: 'etl.py:load'}]\n",
        "x: &pool {name: other}\n" + NEW.replace("    work_pool:\n      name: agent-qa\n", "    work_pool: *pool\n"),
    ],
)
def test_what_cannot_be_edited_as_text_is_refused_whole(text):
    with pytest.raises(DocumentError, match="cannot be brought in step"):
        in_step(text, QA)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, unique=True), max_size=5))
def test_any_history_of_registries_ends_in_step_and_keeps_the_teams_entry(history):
    text = NEW + "\n  - name: nightly  # ours\n    entrypoint: etl.py:load\n"
    for names in history:
        text = sync(text, fleet(*names)).text
        found = yaml.safe_load(text)["deployments"]
        assert sorted(each["name"] for each in found if each["name"] not in ("default", "nightly")) == sorted(names)
        assert "  - name: nightly  # ours\n    entrypoint: etl.py:load\n" in text
        assert "\n\n\n" not in text
