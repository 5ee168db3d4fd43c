"""Agents of one name in several projects, and breakers that a person closes."""

import pytest

from genesis.model import AgentProfile
from genesis.resilience import Breaker, BreakerRules, SqliteStore
from genesis.resilience.breakers import Breakers, list_shared_breakers, reset_breakers
from genesis.resilience.scope import add_scope, agent_scope, agent_scopes

RULES = BreakerRules(failures=1, cooling_s=60)


def an_agent(**executor):
    return AgentProfile(name="etl_agent", executor=executor)


LOAD = an_agent(kind="python", call="ag:load")
WEB = an_agent(kind="http", url="https://example.com/etl")


def open_breaker(breaker):
    with pytest.raises(OSError, match="down"), breaker.guard():
        raise ConnectionError("down")


def test_agents_of_one_name_that_run_something_else_are_told_apart():
    assert agent_scope(LOAD, ["/one"]) != agent_scope(an_agent(kind="command", argv=["load"]), ["/one"])
    assert agent_scope(LOAD, ["/one"]) == agent_scope(LOAD.model_copy(update={"success_rate": 0.1}), ["/one"])


def test_the_folder_counts_for_code_of_this_machine_alone():
    assert agent_scope(LOAD, ["/one"]) != agent_scope(LOAD, ["/two"])
    assert agent_scope(WEB, ["/one"]) == agent_scope(WEB, ["/two"])
    one, two = (agent_scopes([LOAD], [folder], "redis") for folder in ("/one", "/two"))
    assert one == two


def test_breaker_of_one_project_does_not_shut_anothers_agent_of_that_name(tmp_path):
    breakers = Breakers(RULES, store=SqliteStore(tmp_path / "state"))
    one, two = (breakers.of("agent", "etl_agent", agent_scope(LOAD, [folder])) for folder in ("/one", "/two"))
    open_breaker(one)
    assert (one.retry_after_s() > 0, two.retry_after_s()) == (True, 0.0)
    assert one.name == two.name == "agent etl_agent"


def test_reset_closes_a_breaker_for_all_who_share_it(tmp_path):
    stores = [SqliteStore(tmp_path / "state") for _ in range(2)]
    scope = agent_scope(LOAD, ["/one"])
    breaker = Breakers(RULES, store=stores[0]).of("agent", "etl_agent", scope)
    open_breaker(breaker)
    found = list_shared_breakers(stores[1], RULES)
    assert [(each.kind, each.name, each.machine.state) for each in found] == [("agent", "etl_agent", "open")]
    assert found[0].key == add_scope("agent etl_agent", scope)
    reset_breakers(stores[1], RULES, found)
    assert list_shared_breakers(stores[1], RULES)[0].machine.state == "closed"
    again = Breakers(RULES, store=SqliteStore(tmp_path / "state")).of("agent", "etl_agent", scope)
    with again.guard():
        pass


def test_refusal_says_how_to_close_the_breaker():
    breaker = Breakers(RULES).of("host", "api.example.com")
    open_breaker(breaker)
    with pytest.raises(Exception, match=r"genesis agents reset api\.example\.com"):
        breaker.admit()


async def test_repeats_of_one_call_do_not_open_a_breaker():
    breaker = Breaker("x", BreakerRules(failures=2))
    for again in (False, True, True, True):
        with pytest.raises(ConnectionError):
            async with breaker.guarding(again=again):
                raise ConnectionError
    assert breaker.state == "closed"
    with pytest.raises(ConnectionError):
        async with breaker.guarding():
            raise ConnectionError
    assert breaker.state == "open"
