import pytest

from genesis.agents import InputProbe
from genesis.model import Resources


class Machine(InputProbe):
    def resources(self):
        return Resources(cpu=4, memory="8Gi")


def agent(name, **offers):
    more = {"resources": offers} if offers else {}
    return {"name": name, "task_types": ["test"], "max_concurrency": 9, **more}


def task(**needs):
    return [{"id": "a", "type": "test", "description": "Test the parser", "resources": needs}]


def test_what_the_agent_does_not_offer_is_an_error_that_names_who_does(find):
    agents = [agent("small", cpu=2, tags=["arm"]), agent("large", cpu=16, gpu=1)]
    [found] = find("GEN-RESOURCES", task(cpu=4, gpu=1), agents=agents)
    assert found.severity == "error"
    assert found.message == "task 'a' needs cpu 4 (it has 2) and gpu 1 (it has 0), which 'small' does not offer"
    assert found.hint == "these agents offer it: large"
    assert find("GEN-RESOURCES", task(tags=["x86"]), agents=agents)[0].hint == "no agent offers it"


@pytest.mark.parametrize("needs", [{"cpu": 2}, {"tags": ["arm"]}, {"memory": "1Ti"}, {}])
def test_what_the_agent_offers_is_fine(find, needs):
    assert not find("GEN-RESOURCES", task(**needs), agents=[agent("small", cpu=2, tags=["arm"])])


def test_what_this_machine_does_not_have_is_a_warning_where_it_is_to_run_the_task(find):
    how = {"probe": Machine()}
    agents = [agent("any", gpu=1, tags=["x"])]
    [found] = find("GEN-RESOURCES-MACHINE", task(cpu=8, memory="1Gi", gpu=1, tags=["x"]), agents=agents, how=how)
    assert (found.severity, found.message) == ("warning", "task 'a' needs cpu 8 (it has 4), more than this machine has")
    assert not find("GEN-RESOURCES-MACHINE", task(cpu=4, memory="8Gi"), agents=agents, how=how)
    assert not find("GEN-RESOURCES-MACHINE", task(cpu=8), agents=agents, how={"probe": InputProbe()})


def test_a_composite_has_no_resources_of_its_own(find):
    tasks = [{**task(cpu=1)[0], "subtasks": [{"id": "b", "type": "test", "description": "Test the lexer"}]}]
    [found] = find("GEN-COMPOSITE-SETTINGS", tasks, agents=[agent("any")])
    assert found.evidence == {"settings": ["resources"]}


def test_a_mutex_on_a_composite_is_an_error_and_on_a_leaf_with_copies_it_is_not(find):
    part = {"id": "b", "type": "test", "description": "Test the lexer", "mutex": "x"}
    tasks = [
        {"id": "a", "description": "Test all", "mutex": "db", "subtasks": [part]},
        {**part, "id": "c", "for_each": [1, 2]},
    ]
    [found] = find("GEN-MUTEX-COMPOSITE", tasks, agents=[agent("any")])
    assert (found.severity, found.task) == ("error", "a")
    assert found.message == "composite 'a' has the mutex 'db', which only leaves can hold"
