"""What the registry wants of Prefect."""

import pytest

from genesis.errors import DocumentError
from genesis.fleet.desired import MARK, deployment_name, fleet_of
from genesis.model import Registry
from genesis.routing import load_registry
from genesis.testing import an_agent

LLM = {"kind": "llm"}
PYTHON = {"kind": "python", "call": "package.module:function"}
HTTP = {"kind": "http", "url": "http://127.0.0.1/"}
COMMAND = {"kind": "command", "argv": ["true"]}


def fleet(*agents, orchestrators=10):
    return fleet_of(Registry(agents=agents), orchestrators=orchestrators)


def pool_of(**values):
    return fleet(an_agent("x_agent", **values)).pools[1]


def test_packaged_registry_gets_a_pool_for_each_agent_and_one_for_orchestrating():
    registry = load_registry()
    pools = fleet_of(registry, orchestrators=7).pools
    assert (pools[0].name, pools[0].concurrency_limit, pools[0].agents) == ("genesis", 7, ())
    assert [pool.name for pool in pools[1:]] == [agent.pool_name for agent in registry.agents]
    assert [pool.concurrency_limit for pool in pools[1:]] == [agent.max_concurrency for agent in registry.agents]
    assert all(pool.description.endswith(MARK) for pool in pools)


def test_pool_of_several_agents_gets_the_sum_of_their_limits():
    shared = fleet(
        an_agent("a_agent", pool="shared", max_concurrency=3, executor=LLM),
        an_agent("b_agent", max_concurrency=1),
        an_agent("c_agent", pool="shared", max_concurrency=4, executor=COMMAND),
    )
    assert [(pool.name, pool.concurrency_limit) for pool in shared.agent_pools] == [("shared", 7), ("agent-b", 1)]
    assert shared.agent_pools[0].agents == ("a_agent", "c_agent")
    assert shared.agent_pools[0].isolation == "process"


@pytest.mark.parametrize(
    ("values", "isolation"),
    [
        ({"executor": None}, "thread"),
        ({"executor": LLM}, "thread"),
        ({"executor": HTTP, "executors": {"t": {"kind": "deployment", "name": "a/b"}}}, "thread"),
        ({"executor": PYTHON}, "process"),
        ({"executor": None, "executors": {"t": COMMAND}}, "process"),
    ],
)
def test_only_agents_that_wait_share_an_event_loop(values, isolation):
    assert pool_of(**values).isolation == isolation


@pytest.mark.parametrize(("pool", "name"), [("agent-qa", "qa"), ("gpu", "gpu"), ("agent-agent-x", "agent-x")])
def test_deployment_has_the_pools_name_without_its_prefix(pool, name):
    assert deployment_name(pool) == name


def test_long_descriptions_are_cut_and_keep_the_mark():
    text = pool_of(description="word " * 200).description
    assert len(text) < 350
    assert text.endswith(f"… {MARK}")
    assert pool_of(description="").description == f"x_agent {MARK}"


@pytest.mark.parametrize("pool", ["a/b", "50%", "<x>", "agent-", "agent-' '", "tab\there"])
def test_name_that_prefect_refuses_is_an_error_with_the_agent(pool):
    with pytest.raises(DocumentError, match="'x_agent'") as caught:
        pool_of(pool=pool)
    assert repr(pool) in caught.value.message
    assert "pool" in caught.value.hint


def test_name_that_the_server_keeps_for_itself_is_an_error():
    with pytest.raises(DocumentError, match="starts with 'prefect'"):
        pool_of(pool="Prefect-things")


def test_two_pools_with_one_deployment_are_an_error():
    with pytest.raises(DocumentError, match=r"'qa' of 'b_agent' and 'agent-qa' would both have .*agent_task/qa"):
        fleet(an_agent("a_agent", pool="agent-qa"), an_agent("b_agent", pool="qa"))
