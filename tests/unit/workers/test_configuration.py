"""What pools and deployments can set."""

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.workers.base import BaseWorker
from pydantic import ValidationError

from genesis.workers import GenesisWorker
from genesis.workers.configuration import GenesisJobConfiguration


async def configuration(template, values):
    client = PrefectClient("http://127.0.0.1:9/api")  # there is nothing to ask it for
    return await GenesisJobConfiguration.from_template_and_values(template, values, client=client)


def test_prefect_knows_the_type_through_its_entry_point():
    assert BaseWorker.get_worker_class_from_type("genesis") is GenesisWorker


async def test_a_pools_defaults_and_a_deployments_values_are_combined():
    template = GenesisWorker.get_default_base_job_template()
    template["variables"]["properties"]["recycle_after"]["default"] = 7
    made = await configuration(template, {"isolation": "thread", "env": {"B": 2, "A": None}})
    assert (made.isolation, made.recycle_after, made.memory_mb, made.time_limit_s) == ("thread", 7, None, None)
    assert made.variables == {"B": "2"}


@pytest.mark.parametrize("wrong", [{"isolation": "vm"}, {"recycle_after": 0}, {"memory_mb": -1}, {"time_limit_s": 0}])
async def test_values_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        await configuration(GenesisWorker.get_default_base_job_template(), wrong)


def test_the_template_says_what_each_variable_is():
    properties = GenesisWorker.get_default_base_job_template()["variables"]["properties"]
    assert {"isolation", "recycle_after", "memory_mb", "time_limit_s", "working_dir", "env"} <= properties.keys()
    assert all(properties[name].get("description") for name in ("isolation", "memory_mb"))
