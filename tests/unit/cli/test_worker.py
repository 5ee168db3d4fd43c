"""`genesis worker`: what its words choose."""

import pytest

from genesis.cli.worker import _code, _select_pools
from genesis.errors import UsageError
from genesis.routing import load_registry


@pytest.fixture(scope="module")
def registry():
    return load_registry()


def test_all_serves_the_orchestrators_and_every_agent(registry):
    served = _select_pools(registry, everything=True, agents=None, pools=("mine", "agent-qa"))
    assert served[0] == "genesis"
    assert {agent.pool_name for agent in registry.agents} < set(served)
    assert served[-1] == "mine"
    assert len(served) == len(set(served))


def test_agents_are_chosen_by_their_names_with_or_without_the_ending(registry):
    assert _select_pools(registry, everything=False, agents="qa, security_agent,", pools=()) == [
        "agent-qa",
        "agent-security",
    ]


@pytest.mark.parametrize(("agents", "text"), [("qb", "no agent 'qb'"), (None, "name what to serve"), (" ,", "what to")])
def test_words_that_choose_nothing_are_refused(registry, agents, text):
    with pytest.raises(UsageError, match=text):
        _select_pools(registry, everything=False, agents=agents, pools=())


def test_only_packaged_code_is_imported_ahead(registry):
    modules = _code(registry)
    assert modules
    assert all(module.startswith("genesis_audit.") for module in modules)
