import pytest

from genesis.dispatch.job_variables import describe_unknown, make_job_variables
from genesis.model import Resources

NEEDS = Resources(cpu=1.5, memory="256Mi", gpu=1)
WITH_OWN = 512 * 1024**2


def template(**properties):
    return {"variables": {"properties": properties}}


@pytest.mark.parametrize(
    ("properties", "made"),
    [
        ({"memory_mb": {}, "isolation": {"default": "process"}}, {"memory_mb": 537}),
        ({"memory_mb": {}, "isolation": {"default": "thread"}}, {}),
        ({"mem_limit": {}, "image": {}}, {"mem_limit": f"{WITH_OWN}b"}),
        ({"cpu_request": {}, "memory_request": {}}, {"cpu_request": "1500m", "memory_request": str(WITH_OWN)}),
        ({"memory_limit": {}, "cpu_limit": {}}, {"cpu_limit": "1500m", "memory_limit": str(WITH_OWN)}),
        ({"env": {}}, {}),
    ],
)
def test_only_variables_that_the_pool_has_are_made(properties, made):
    assert make_job_variables(NEEDS, template(**properties)) == made


def test_what_a_pool_cannot_be_told_is_named():
    assert describe_unknown(NEEDS, {}) == ["cpu", "memory", "gpu"]
    assert describe_unknown(NEEDS, template(cpu_request={}, mem_limit={})) == ["gpu"]
    assert describe_unknown(Resources(tags=["x"]), {}) == []
    assert describe_unknown(None, {}) == []


def test_a_task_without_needs_has_no_variables():
    assert make_job_variables(None, template(memory_mb={})) == {}


def test_the_packaged_worker_type_has_the_variable_that_is_set():
    from genesis.workers.worker import GenesisWorker

    base = GenesisWorker.get_default_base_job_template()
    assert make_job_variables(NEEDS, base) == {"memory_mb": 537}
