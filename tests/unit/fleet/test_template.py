"""The base job template, and what a team changed in it."""

from copy import deepcopy

from jsonschema import Draft202012Validator
from prefect.workers.base import BaseJobConfiguration

from genesis.fleet.template import merge_templates, template_for
from genesis.workers import GenesisWorker

BASE = GenesisWorker.get_default_base_job_template()


def make(isolation="process"):
    return template_for(isolation, BASE)


def variable(template, name):
    return template["variables"]["properties"][name]


def test_template_is_one_that_prefect_can_use():
    template = make()
    Draft202012Validator.check_schema(template["variables"])
    assert set(template["job_configuration"]) == set(template["variables"]["properties"])
    assert set(BaseJobConfiguration.json_template()) <= set(template["job_configuration"])
    assert all(value == f"{{{{ {name} }}}}" for name, value in template["job_configuration"].items())


def test_isolation_is_the_default_of_its_variable_and_the_shared_template_stays():
    before = deepcopy(BASE)
    assert variable(make("thread"), "isolation")["default"] == "thread"
    assert before == BASE


def test_template_without_isolation_is_taken_as_it_is():
    base = {"job_configuration": {}, "variables": {"type": "object", "properties": {"image": {"default": "x"}}}}
    assert variable(template_for("thread", base), "image")["default"] == "x"


def test_template_in_step_stays_the_same():
    assert merge_templates(make(), make(), BASE) == (make(), ())


def test_pool_without_a_template_gets_the_whole():
    assert merge_templates(make(), {}, BASE) == (make(), ())


def test_change_of_the_registry_arrives():
    assert merge_templates(make("thread"), make("process"), BASE) == (make("thread"), ())


def test_pool_made_by_a_workers_start_is_brought_up_to_date():
    assert merge_templates(make("thread"), BASE, BASE) == (make("thread"), ())


def test_defaults_that_the_team_set_stay_over_changes_of_the_registry():
    found = make("thread")
    variable(found, "isolation")["default"] = "process"
    variable(found, "memory_mb")["default"] = 2048
    variable(found, "env")["default"] = {"A": "1"}
    for wanted in ("thread", "process"):
        result, kept = merge_templates(make(wanted), found, BASE)
        assert variable(result, "isolation")["default"] == "process"
        assert variable(result, "memory_mb")["default"] == 2048
        assert variable(result, "env")["default"] == {"A": "1"}
        assert {"memory_mb", "env"} <= set(kept)
        assert merge_templates(make(wanted), result, BASE) == (result, kept)


def test_variables_and_configuration_of_the_team_stay():
    found = make()
    found["variables"]["properties"]["queue"] = {"type": "string", "default": "fast"}
    found["variables"]["required"] = ["queue"]
    found["job_configuration"]["queue"] = "{{ queue }}"
    result, kept = merge_templates(make("thread"), found, BASE)
    assert variable(result, "queue") == {"type": "string", "default": "fast"}
    assert result["variables"]["required"] == ["queue"]
    assert result["job_configuration"]["queue"] == "{{ queue }}"
    assert kept == ()
